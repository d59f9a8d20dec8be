//! The keys of a client: few names of many forms, used again and again, so that what was deleted can come back.

use rand::Rng;
use rand::seq::IndexedRandom as _;

/// A form of keys. Not every storage takes every form: [`Form::example`] is to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Letters, digits and a hyphen.
    Plain,
    /// With spaces.
    Space,
    /// With a plus sign, which a careless decoder makes a space.
    Plus,
    /// With letters beyond ASCII.
    Unicode,
    /// With characters that mean something in URLs, XML and shells.
    Punctuation,
    /// With what looks like a percent-encoded slash.
    Percent,
    /// A folder marker: an empty object whose key ends in a slash.
    Marker,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Plain, Self::Space, Self::Plus, Self::Unicode, Self::Punctuation, Self::Percent, Self::Marker];

    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain keys",
            Self::Space => "keys with spaces",
            Self::Plus => "keys with plus signs",
            Self::Unicode => "keys beyond ASCII",
            Self::Punctuation => "keys with punctuation",
            Self::Percent => "keys with percent signs",
            Self::Marker => "folder markers",
        }
    }

    /// A key of this form.
    #[must_use]
    pub fn key(self, prefix: &str, number: usize) -> String {
        match self {
            Self::Plain => format!("{prefix}plain-{number}"),
            Self::Space => format!("{prefix}a space {number}"),
            Self::Plus => format!("{prefix}a+plus+{number}"),
            Self::Unicode => format!("{prefix}ünï-☃-{number}"),
            Self::Punctuation => format!("{prefix}it's (a) & <b> #{number}; c=d@e"),
            Self::Percent => format!("{prefix}100%2F-{number}"),
            Self::Marker => format!("{prefix}folder-{number}/"),
        }
    }

    /// A key to try the form with.
    #[must_use]
    pub fn example(self) -> String {
        self.key("", 0)
    }

    /// Whether only empty objects have such keys.
    #[must_use]
    pub fn is_empty_only(key: &str) -> bool {
        key.ends_with('/')
    }
}

/// The names of one client.
#[derive(Debug, Clone)]
pub struct Names {
    prefix: String,
    keys: Vec<String>,
}

impl Names {
    /// `count` keys of a client, in all the given forms by turns.
    #[must_use]
    pub fn of(client: usize, count: usize, forms: &[Form]) -> Self {
        let prefix = format!("client-{client:02}/");
        let turns = forms.iter().cycle().take(count).enumerate();
        let keys = turns.map(|(number, form)| form.key(&prefix, number)).collect();
        Self { prefix, keys }
    }

    /// What all of them begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[String] {
        &self.keys
    }

    /// The key that is uploaded in parts while the bucket moves.
    #[must_use]
    pub fn long_upload(&self) -> String {
        format!("{}long-upload", self.prefix)
    }

    /// One of them; `None` if there are none.
    pub fn any(&self, random: &mut impl Rng) -> Option<String> {
        self.keys.choose(random).cloned()
    }
}

/// Whether a key is a file that nanio is just writing: its listings show them for a moment.
#[must_use]
pub fn is_unfinished(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or_default();
    let hex = name.strip_prefix(".tmp.").unwrap_or_default();
    hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn clients_share_no_key_and_each_form_is_there() {
        let all: Vec<Names> = (0..3).map(|client| Names::of(client, 21, &Form::ALL)).collect();
        let keys: BTreeSet<&String> = all.iter().flat_map(Names::all).collect();
        assert_eq!(keys.len(), 63);
        for part in ["plain", "a space", "+", "☃", "&", "%2F", "folder"] {
            assert_eq!(all[1].all().iter().filter(|key| key.contains(part)).count(), 3, "{part}");
        }
    }

    #[test]
    fn files_that_nanio_is_writing_are_known_by_their_names() {
        assert!(is_unfinished("client-01/.tmp.0123456789abcdef0123456789abcdef"));
        for key in ["client-01/.tmp.0123", "client-01/plain-1", "", ".tmp.0123456789abcdef0123456789abcdeg"] {
            assert!(!is_unfinished(key), "{key}");
        }
    }
}
