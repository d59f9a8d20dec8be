//! What is wrong with the settings, all of it at once.

use std::fmt;

use super::reader::Origin;
use super::table::{Setting, variable};

/// One thing that is wrong, in words for the operator. Secrets in it are masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Whose value it is about, if it is about one.
    pub(super) key: Option<&'static str>,
    text: String,
}

impl Problem {
    /// A value outside what is allowed.
    pub(super) fn new(setting: &'static Setting, text: &str, origin: &Origin, allowed: &str) -> Self {
        let shown = setting.mask(text);
        let text = format!("{}={shown:?} ({origin}): must be {allowed}", setting.variable());
        Self { key: Some(setting.key), text }
    }

    /// A value that fits by itself, but not with the rest.
    pub(super) fn of_key(key: &'static str, what: &str) -> Self {
        Self { key: Some(key), text: format!("{}: {what}", variable(key)) }
    }

    /// Anything else.
    pub(super) fn text(what: impl Into<String>) -> Self {
        Self { key: None, text: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The settings cannot be used. Its text names every problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings cannot be used:")?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
