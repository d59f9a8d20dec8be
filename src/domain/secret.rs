//! Values that must not be seen: they can be used, but not printed by accident.

use std::fmt;

/// A secret. `Debug` and `Display` show its mask: the first four characters and `****`, or only
/// `****` if there are no more than four.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a value into custody.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(&self.0))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

/// The first four characters and `****`; only `****` for four characters or fewer.
#[must_use]
pub fn mask(secret: &str) -> String {
    match secret.char_indices().nth(4) {
        Some((end, _)) => format!("{}****", &secret[..end]),
        None => "****".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_shows_four_characters_and_nothing_of_a_short_secret() {
        assert_eq!(mask("mysecretkey"), "myse****");
        assert_eq!(mask("abcd"), "****");
        assert_eq!(mask(""), "****");
        assert_eq!(mask("äöüßx"), "äöüß****");
    }

    #[test]
    fn a_secret_is_masked_however_it_is_printed() {
        let secret = Secret::new("mysecretkey");
        assert_eq!(format!("{secret} {secret:?}"), "myse**** Secret(myse****)");
    }
}
