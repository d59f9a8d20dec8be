//! Copies in memory of whatever the caller shows: the same promises as those on disk.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::ports::backup::{Backup, BackupError, Means, Taken};

/// Keeps copies of a state in memory.
pub struct FakeBackup {
    state: Box<dyn Fn() -> Vec<u8> + Send + Sync>,
    keep: usize,
    copies: Mutex<Vec<Vec<u8>>>,
    fault: Mutex<Option<BackupError>>,
    held: Mutex<Option<Held>>,
}

/// A copy that takes its time.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// Told when it has begun.
    pub begun: Arc<Notify>,
    /// Lets it end.
    pub go_on: Arc<Notify>,
}

impl FakeBackup {
    /// Copies of what `state` shows when it is called; `keep` of them are kept.
    #[must_use]
    pub fn of(state: impl Fn() -> Vec<u8> + Send + Sync + 'static, keep: usize) -> Self {
        Self { state: Box::new(state), keep, copies: Mutex::default(), fault: Mutex::default(), held: Mutex::default() }
    }

    /// From now on no copy can be made, for this reason; `None`: it can again.
    pub fn fail(&self, fault: Option<BackupError>) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// The next copy waits in its middle until it is told to go on.
    #[must_use]
    pub fn hold(&self) -> Held {
        let held = Held::default();
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held.clone());
        held
    }

    /// The copies that are kept, the newest first.
    #[must_use]
    pub fn copies(&self) -> Vec<Vec<u8>> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Backup for FakeBackup {
    fn means(&self) -> Means {
        Means::Copies { path: "memory".to_owned() }
    }

    async fn take(&self) -> Result<Taken, BackupError> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(held) = held {
            held.begun.notify_one();
            held.go_on.notified().await;
        }
        if let Some(fault) = self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Err(fault);
        }
        let state = (self.state)();
        let bytes = state.len() as u64;
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = copies.first() != Some(&state);
        if fresh {
            copies.insert(0, state);
            copies.truncate(self.keep);
        }
        Ok(Taken { path: "memory".to_owned(), bytes, fresh })
    }

    async fn settle(&self) -> Result<(), BackupError> {
        Ok(())
    }
}
