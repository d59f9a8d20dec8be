//! Finds each setting's value among the sources and keeps account of where it came from.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::problem::Problem;
use super::table::{Preset, Setting};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A command line flag, such as `--port`.
    Flag(String),
    /// The process environment.
    Environment,
    /// A line of the env file.
    File {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
    },
    /// Nobody set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "command line, {flag}"),
            Self::Environment => f.write_str("environment"),
            Self::File { path, line } => write!(f, "{path}, line {line}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value in force. `Debug` shows only its origin, since it may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Effective {
    /// The text, as it was written; `None` if the setting is unset.
    pub text: Option<String>,
    /// Where it came from.
    pub origin: Origin,
}

impl fmt::Debug for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effective").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// A field of `Settings` that a value, or its absence, can fill.
pub(super) trait Field<T>: Sized {
    /// `None` if the field cannot be left empty.
    fn fill(value: Option<T>) -> Option<Self>;
}

impl<T> Field<T> for T {
    fn fill(value: Option<T>) -> Option<Self> {
        value
    }
}

impl<T> Field<T> for Option<T> {
    fn fill(value: Option<T>) -> Option<Self> {
        Some(value)
    }
}

/// Reads settings from one merged map: the strongest source of each key has been chosen already.
pub(super) struct Reader<'a> {
    values: &'a HashMap<String, (String, Origin)>,
    dev: bool,
    /// What is wrong so far.
    pub(super) problems: Vec<Problem>,
    /// What was read so far.
    pub(super) effective: BTreeMap<&'static str, Effective>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(values: &'a HashMap<String, (String, Origin)>, dev: bool) -> Self {
        Self { values, dev, problems: Vec::new(), effective: BTreeMap::new() }
    }

    pub(super) fn dev(&self) -> bool {
        self.dev
    }

    /// One setting. An empty value is the same as none: the default holds.
    pub(super) fn read<T, F: Field<T>>(
        &mut self,
        setting: &'static Setting,
        rule: impl Fn(&str) -> Result<T, String>,
    ) -> Option<F> {
        let found = self.values.get(setting.key).filter(|(text, _)| !text.is_empty());
        let (text, origin) = match found {
            Some((text, origin)) => (Some(text.as_str()), origin.clone()),
            None => (self.preset(setting.preset), Origin::Default),
        };
        self.effective.insert(setting.key, Effective { text: text.map(str::to_owned), origin: origin.clone() });
        let Some(text) = text else { return F::fill(None) };
        match rule(text) {
            Ok(value) => F::fill(Some(value)),
            Err(allowed) => {
                self.problems.push(Problem::new(setting, text, &origin, &allowed));
                None
            }
        }
    }

    fn preset(&self, preset: Preset) -> Option<&'static str> {
        match preset {
            Preset::Unset => None,
            Preset::Same(text) => Some(text),
            Preset::ByMode { production, dev } => Some(if self.dev { dev } else { production }),
        }
    }
}
