//! Settings of the program as they may be shown: secrets are masked before they get here.

use serde::Serialize;

use super::invalid::words;

words!(
    /// Where the value that runs came from.
    SettingOrigin {
        /// Nobody set it.
        Default = "default",
        /// The env file.
        File = "file",
        /// The environment of the process, other than by the env file.
        Environment = "environment",
        /// The command line.
        Flag = "flag",
    }
);

/// A value as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum SettingValue {
    /// A text, or the mask of one.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A truth value.
    Flag(bool),
}

/// One setting: what runs, and what the next start will make of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its short name.
    pub key: &'static str,
    /// The name of its environment variable.
    pub variable: String,
    /// What it is about, as a heading.
    pub category: &'static str,
    /// What it means, in half a line.
    pub description: &'static str,
    /// The value that runs; `None`: unset.
    pub value: Option<SettingValue>,
    /// Where that came from.
    pub origin: SettingOrigin,
    /// The value of the next start, if that is another one (`Some(None)`: unset).
    pub pending: Option<Option<SettingValue>>,
    /// Whether `value` is a mask.
    pub masked: bool,
    /// Whether only who works on the machine may change it.
    pub guarded: bool,
}

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsReport {
    /// The env file, whether or not it is there.
    pub file: String,
    /// Whether the program runs in dev mode.
    pub dev: bool,
    /// Where backups go: a default that depends on another setting.
    pub backup_path: String,
    /// Every setting, in the order in which they are shown.
    pub settings: Vec<Setting>,
    /// Why the next start would be refused, if it would be.
    pub problems: Vec<String>,
}

/// A setting before or after a change, as the audit log shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingChange {
    /// Its short name.
    pub key: &'static str,
    /// Its value, masked if it is a secret.
    pub value: Option<String>,
}
