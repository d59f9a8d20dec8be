//! The settings of the program: shown, changed for the next start, and put into force by a restart.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::ServiceError;
use crate::domain::audit::{Action, Actor, NewEntry, Snapshot, Subject};
use crate::domain::setting::{SettingChange, SettingsReport};
use crate::ports::clock::Clock;
use crate::ports::gateway::Recovery;
use crate::ports::service_manager::ServiceManager;
use crate::ports::settings_file::{SettingsFile, StagedSetting};
use crate::ports::store::Store;

/// The fact that names the last change of a setting that was committed.
const LAST_CHANGE: &str = "last_setting";

/// Use cases about the settings.
#[derive(Clone)]
pub struct Settings {
    store: Store,
    file: Arc<dyn SettingsFile>,
    manager: Arc<dyn ServiceManager>,
    clock: Arc<dyn Clock>,
    /// One change at a time.
    turn: Arc<Mutex<()>>,
}

/// A setting that was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedSetting {
    /// Its short name.
    pub key: &'static str,
    /// Its new value and what becomes of it.
    pub staged: StagedSetting,
}

impl Settings {
    /// The use cases over these adapters.
    #[must_use]
    pub fn new(
        store: Store,
        file: Arc<dyn SettingsFile>,
        manager: Arc<dyn ServiceManager>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { store, file, manager, clock, turn: Arc::default() }
    }

    /// Every setting as it runs, and as the next start would have it.
    ///
    /// # Errors
    /// The env file is there and cannot be read.
    pub async fn report(&self) -> Result<SettingsReport, ServiceError> {
        Ok(self.file.look().await?)
    }

    /// Sets one setting in the env file; empty unsets it. It is in force after the next start.
    ///
    /// # Errors
    /// There is no such setting, it is not for clients to change, or the next start would be refused because of it.
    pub async fn set(&self, actor: Actor, name: &str, value: &str) -> Result<ChangedSetting, ServiceError> {
        let known = self.file.named(name).ok_or(ServiceError::NotFound("Setting"))?;
        let key = known.key;
        if known.guarded {
            return Err(ServiceError::Forbidden(format!(
                "{key} names a program, a file, a database or a guard of this machine, so it is changed on the machine \
                 only. Run there: nanio-orchestrator config set {key} VALUE"
            )));
        }
        let _turn = self.turn.lock().await;
        // A caller that went away in the middle of a change has left it to us.
        self.recover().await?;
        let change = next_change(self.store.read(|tx| tx.fact(LAST_CHANGE)).await?.as_deref());
        let staged = self.file.stage(&change, key, value).await?;
        if !staged.moves {
            self.file.settle().await?;
            return Ok(ChangedSetting { key, staged });
        }
        self.file.put().await?;
        let snapshot = |value: &Option<String>| Some(Snapshot::Setting(SettingChange { key, value: value.clone() }));
        let (before, after) = (snapshot(&staged.before), snapshot(&staged.after));
        let entry = self.entry(actor, Action::Update, before, after);
        let committed = self
            .store
            .write(move |tx| {
                tx.append_audit(&entry)?;
                tx.set_fact(LAST_CHANGE, &change)
            })
            .await;
        // A fault here leaves the intention behind; the next start reads it and does the same again.
        match committed {
            Ok(()) => self.file.settle().await?,
            Err(error) => {
                self.file.undo().await?;
                return Err(error.into());
            }
        }
        Ok(ChangedSetting { key, staged })
    }

    /// Has the service manager start the program anew, shortly after this returns.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`]: there is nobody to ask, or we may not.
    pub async fn restart(&self, actor: Actor) -> Result<(), ServiceError> {
        self.manager.restart().await.map_err(|refused| ServiceError::Unavailable(refused.to_string()))?;
        let entry = self.entry(actor, Action::Restart, None, None);
        Ok(self.store.write(move |tx| tx.append_audit(&entry).map(drop)).await?)
    }

    /// Makes good a change that a crash interrupted. Call before anything else.
    ///
    /// # Errors
    /// The database or the file cannot be read, or the file cannot be put right.
    pub async fn recover(&self) -> Result<Recovery, ServiceError> {
        let committed = self.store.read(|tx| tx.fact(LAST_CHANGE)).await?;
        Ok(self.file.recover(committed.as_deref()).await?)
    }

    fn entry(&self, actor: Actor, action: Action, before: Option<Snapshot>, after: Option<Snapshot>) -> NewEntry {
        NewEntry { actor, action, subject: Subject::Settings, before, after, nginx: None, at: self.clock.now() }
    }
}

/// The number after the last committed change.
fn next_change(last: Option<&str>) -> String {
    (last.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) + 1).to_string()
}
