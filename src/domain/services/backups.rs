//! Backups of the database: on demand, on a timer, and when something important was done.

use std::sync::Arc;

use tokio::sync::{Mutex, Notify};

use super::ServiceError;
use crate::domain::audit::{Action, Actor, BackupOutcome, NewEntry, Snapshot, Subject};
use crate::ports::backup::{Backup, BackupError, Means, Taken};
use crate::ports::clock::Clock;
use crate::ports::store::{Store, StoreError};

/// Use cases about backups. Cheap to clone.
#[derive(Clone)]
pub struct Backups {
    store: Store,
    backup: Arc<dyn Backup>,
    clock: Arc<dyn Clock>,
    /// The store's version that the newest copy holds; held by whoever makes a copy.
    copied: Arc<Mutex<Option<u64>>>,
    wanted: Arc<Notify>,
}

/// What came of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// There is a sound copy of what is committed.
    Done(Taken),
    /// There is not, for this reason; the copies that were there still are.
    Failed(String),
}

impl Backups {
    pub(super) fn new(store: Store, backup: Arc<dyn Backup>, clock: Arc<dyn Clock>) -> Self {
        Self { store, backup, clock, copied: Arc::default(), wanted: Arc::default() }
    }

    /// Who can copy this kind of database.
    #[must_use]
    pub fn means(&self) -> Means {
        self.backup.means()
    }

    /// Backs up now, whatever was written since, and writes down that it was asked for.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] if only the database's own server can do it; or the audit log cannot be written.
    pub async fn demand(&self, actor: Actor) -> Result<Attempt, ServiceError> {
        let mut copied = self.copied.lock().await;
        let version = self.store.version();
        let attempt = match self.backup.take().await {
            Ok(taken) => Attempt::Done(taken),
            Err(BackupError::Elsewhere(advice)) => return Err(ServiceError::Conflict(advice.to_owned())),
            Err(BackupError::Failed(why)) => Attempt::Failed(why),
        };
        let noted = self.note(actor, &attempt).await;
        if let Attempt::Done(_) = attempt {
            // The entry about a copy is no reason to make another one.
            let alone = noted.is_ok() && self.store.version() == version + 1;
            *copied = Some(if alone { version + 1 } else { version });
        }
        match (&attempt, noted) {
            (Attempt::Failed(why), Err(error)) => {
                // What ails the copy may ail the database too; the caller asked about the copy.
                tracing::error!(%error, backup = why, "a failed backup could not be written to the audit log");
            }
            (_, noted) => noted?,
        }
        Ok(attempt)
    }

    /// Backs up if anything was written since the newest copy was made. `None`: nothing was.
    ///
    /// # Errors
    /// No copy was made.
    pub async fn catch_up(&self) -> Result<Option<Taken>, BackupError> {
        let mut copied = self.copied.lock().await;
        // Read before the copy is made: what is written meanwhile may or may not be in it.
        let version = self.store.version();
        if *copied == Some(version) {
            return Ok(None);
        }
        let taken = self.backup.take().await?;
        *copied = Some(version);
        Ok(Some(taken))
    }

    /// Asks for [`Backups::catch_up`] in the background, without waiting for it.
    pub fn soon(&self) {
        self.wanted.notify_one();
    }

    /// Tells the loop that makes copies that one was asked for.
    #[must_use]
    pub fn wanted(&self) -> Arc<Notify> {
        self.wanted.clone()
    }

    /// Puts right what a crash left in the middle of a backup.
    ///
    /// # Errors
    /// The place of the copies cannot be used; no copy was lost.
    pub async fn settle(&self) -> Result<(), BackupError> {
        let _turn = self.copied.lock().await;
        self.backup.settle().await
    }

    async fn note(&self, actor: Actor, attempt: &Attempt) -> Result<(), StoreError> {
        let outcome = match attempt {
            Attempt::Done(taken) => BackupOutcome { ok: true, backup_path: Some(taken.path.clone()), detail: None },
            Attempt::Failed(why) => BackupOutcome { ok: false, backup_path: None, detail: Some(why.clone()) },
        };
        let entry = NewEntry {
            actor,
            action: Action::Backup,
            subject: Subject::Config,
            before: None,
            after: Some(Snapshot::Backup(outcome)),
            nginx: None,
            at: self.clock.now(),
        };
        self.store.write(move |tx| tx.append_audit(&entry).map(drop)).await
    }
}
