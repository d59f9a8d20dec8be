//! Why a single value is not acceptable, in words that each interface can translate.

use std::fmt;

/// The rule that a value broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalid {
    /// Fewer characters than `min`.
    TooShort {
        /// The least number of characters.
        min: usize,
    },
    /// More characters than `max`.
    TooLong {
        /// The greatest number of characters.
        max: usize,
    },
    /// A character, or its place, is not allowed by `pattern` (an anchored regular expression).
    Pattern {
        /// The pattern, for the reader of the message.
        pattern: &'static str,
    },
    /// Below `min`.
    TooSmall {
        /// The least value.
        min: i64,
    },
    /// Above `max`.
    TooLarge {
        /// The greatest value.
        max: i64,
    },
    /// Not one of the words of a closed list.
    Unknown {
        /// The words that are known.
        known: &'static [&'static str],
    },
    /// Any other rule, as a sentence for the operator.
    Rule(String),
}

impl Invalid {
    /// A rule told as a sentence.
    pub fn rule(sentence: impl Into<String>) -> Self {
        Invalid::Rule(sentence.into())
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invalid::TooShort { min: 1 } => f.write_str("String should have at least 1 character"),
            Invalid::TooShort { min } => write!(f, "String should have at least {min} characters"),
            Invalid::TooLong { max } => write!(f, "String should have at most {max} characters"),
            Invalid::Pattern { pattern } => write!(f, "String should match pattern '{pattern}'"),
            Invalid::TooSmall { min } => {
                write!(f, "Input should be greater than or equal to {min}")
            }
            Invalid::TooLarge { max } => write!(f, "Input should be less than or equal to {max}"),
            Invalid::Unknown { known } => write!(f, "Input should be {}", alternatives(known)),
            Invalid::Rule(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for Invalid {}

/// `'a', 'b' or 'c'`.
#[must_use]
pub fn alternatives(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// Declares a whole number that is always inside a range.
macro_rules! ranged {
    ($(#[$doc:meta])* $name:ident: $min:literal ..= $max:literal, default $default:literal) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
        )]
        #[serde(try_from = "i64")]
        pub struct $name(i64);

        impl TryFrom<i64> for $name {
            type Error = $crate::domain::invalid::Invalid;

            fn try_from(value: i64) -> Result<Self, Self::Error> {
                Self::new(value)
            }
        }

        impl $name {
            /// The least value.
            pub const MIN: i64 = $min;
            /// The greatest value.
            pub const MAX: i64 = $max;

            /// The value, if it is inside the range.
            ///
            /// # Errors
            /// [`Invalid::TooSmall`] or [`Invalid::TooLarge`].
            pub fn new(value: i64) -> Result<Self, $crate::domain::invalid::Invalid> {
                if value < Self::MIN {
                    Err($crate::domain::invalid::Invalid::TooSmall { min: Self::MIN })
                } else if value > Self::MAX {
                    Err($crate::domain::invalid::Invalid::TooLarge { max: Self::MAX })
                } else {
                    Ok(Self(value))
                }
            }

            /// The plain number.
            #[must_use]
            pub fn get(self) -> i64 {
                self.0
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self($default)
            }
        }
    };
}

/// Declares a closed list of words: an enum that reads and writes them.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
        )]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant),+
        }

        impl $name {
            /// Every word of the list, in order.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// Every value, in the same order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word, as it stands in JSON, SQL and files.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The value that `word` names.
            ///
            /// # Errors
            /// [`Invalid::Unknown`] for a word that is not on the list.
            pub fn parse(word: &str) -> Result<Self, $crate::domain::invalid::Invalid> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::domain::invalid::Invalid::Unknown { known: Self::WORDS }),
                }
            }
        }
    };
}

/// Declares a string that was checked when it was made, by its `parse`.
macro_rules! checked_string {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl TryFrom<String> for $name {
            type Error = $crate::domain::invalid::Invalid;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text)
            }
        }

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

pub(crate) use {checked_string, ranged, words};
