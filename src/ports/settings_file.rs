//! The env file that the program's settings are read from at a start.

use async_trait::async_trait;

use crate::domain::setting::SettingsReport;
use crate::ports::gateway::Recovery;

/// Shows the settings and changes them in the env file, for the next start.
///
/// A change takes steps as one of the gateway does: [`stage`](Self::stage) thinks it through and writes the intention
/// down, [`put`](Self::put) changes the file; after the database has committed, [`settle`](Self::settle) forgets the
/// intention, or [`undo`](Self::undo) puts the old text back. [`recover`](Self::recover) does one or the other for an
/// intention that a crash left behind. Other processes that change the file wait from `stage` to the end.
#[async_trait]
pub trait SettingsFile: Send + Sync {
    /// The setting with this short or full name, in whatever case.
    fn named(&self, name: &str) -> Option<KnownSetting>;

    /// Every setting as it runs and as the next start would have it.
    async fn look(&self) -> Result<SettingsReport, SettingsFileError>;

    /// Checks a change of the setting `key` to `value` (empty: unset) and writes the intention down under the name
    /// `change`. The file is as before.
    ///
    /// # Errors
    /// [`SettingsFileError::Refused`] if the next start would be refused because of it.
    async fn stage(&self, change: &str, key: &str, value: &str) -> Result<StagedSetting, SettingsFileError>;

    /// Changes the file. Whoever reads it, also after a crash, finds the old text or the new one.
    ///
    /// # Errors
    /// A fault of the machine; the old text is there.
    async fn put(&self) -> Result<(), SettingsFileError>;

    /// The change is committed: forgets the intention.
    async fn settle(&self) -> Result<(), SettingsFileError>;

    /// The change was not committed: puts the old text back and forgets the intention.
    async fn undo(&self) -> Result<(), SettingsFileError>;

    /// Completes what a crash interrupted: forward if `committed` is the change of the intention, back otherwise. A
    /// file that was edited since then stays as it is.
    async fn recover(&self, committed: Option<&str>) -> Result<Recovery, SettingsFileError>;
}

/// A setting that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownSetting {
    /// Its short name.
    pub key: &'static str,
    /// Whether only who works on the machine may change it.
    pub guarded: bool,
}

/// A change that was found sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedSetting {
    /// The value of the next start without it, as it may be shown.
    pub before: Option<String>,
    /// The new value, as it may be shown; `None`: unset.
    pub after: Option<String>,
    /// Whether the file's text changes.
    pub moves: bool,
    /// Whether the next start will have another value than what runs.
    pub pending: bool,
    /// What is stronger than the file and has another value, in words: the change has no effect as long as it is there.
    pub overridden_by: Option<String>,
}

/// Why the settings could not be shown or changed. The file is as before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsFileError {
    /// The value is not acceptable, by itself or beside the others.
    #[error("{0}")]
    Refused(String),
    /// The machine failed: disk or rights.
    #[error("{0}")]
    Fault(String),
}
