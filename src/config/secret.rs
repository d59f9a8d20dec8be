//! Values that must not be seen: they can be used, but not printed by accident.

use std::fmt;

pub use crate::domain::secret::{Secret, mask};

/// The address of a database. `Debug` and `Display` mask the password in it.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Takes a URL that has been checked.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The URL with its password, for the driver.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask_url(&self.0))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

/// A URL with the password of its user part, and that of a `password=` parameter, masked.
#[must_use]
pub fn mask_url(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    // The last `@`, wherever it stands: a password with an unescaped `/` or `?` must not get through.
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, rest),
    };
    let user = match user {
        Some(user) => match user.split_once(':') {
            Some((name, password)) => format!("{name}:{}@", mask(password)),
            None => format!("{user}@"),
        },
        None => String::new(),
    };
    format!("{scheme}{user}{}", mask_password_parameter(rest))
}

fn mask_password_parameter(rest: &str) -> String {
    let Some((path, query)) = rest.split_once('?') else { return rest.to_owned() };
    let query: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) if name.to_ascii_lowercase().contains("password") => format!("{name}={}", mask(value)),
            _ => pair.to_owned(),
        })
        .collect();
    format!("{path}?{}", query.join("&"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_address_of_a_database_is_masked_however_it_is_printed() {
        let url = DatabaseUrl::new("postgres://u:topsecret@h/d");
        assert_eq!(format!("{url:?}"), "DatabaseUrl(postgres://u:tops****@h/d)");
    }

    #[test]
    fn only_the_password_of_a_url_is_masked() {
        assert_eq!(
            mask_url("postgres://u:topsecret@h:5432/d?sslmode=require"),
            "postgres://u:tops****@h:5432/d?sslmode=require"
        );
        assert_eq!(mask_url("postgres://u@h/d"), "postgres://u@h/d");
        assert_eq!(mask_url("postgres://h/d?user=u&password=topsecret"), "postgres://h/d?user=u&password=tops****");
        assert_eq!(mask_url("postgres://u:a/b?c@topsecret@h/d"), "postgres://u:a/b?****@h/d");
    }

    proptest! {
        #[test]
        fn no_password_survives_a_mask(password in "[a-z]{5}[A-Z0-9/?@:#&=]{4,12}") {
            let masked = mask_url(&format!("postgres://user:{password}@host/db"));
            prop_assert!(!masked.contains(&password[4..]), "{}", masked);
        }
    }
}
