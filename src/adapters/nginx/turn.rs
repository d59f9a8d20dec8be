//! Either files are on their way to be live, or nginx reads those that are: never both. What nginx loads is then a state
//! that was accepted, and not one that is put live for a test or may still be taken back.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// Whose turn it is at the live files.
#[derive(Debug, Default)]
pub(super) struct Turns {
    lock: Arc<tokio::sync::Mutex<()>>,
    /// The turn of the change that is on its way: from its first file until it is settled or undone.
    change: Mutex<Option<OwnedMutexGuard<()>>>,
}

impl Turns {
    /// Waits until it is the caller's turn; it ends when what is returned is dropped.
    pub async fn take(&self) -> OwnedMutexGuard<()> {
        self.lock.clone().lock_owned().await
    }

    /// Waits until a change may go live. There is one change at a time: one that was never ended is none any more.
    pub async fn begin_change(&self) -> OwnedMutexGuard<()> {
        drop(self.end_change());
        self.take().await
    }

    /// The change is live; its turn goes on until it is settled or undone.
    pub fn go_on(&self, turn: OwnedMutexGuard<()>) {
        *self.change.lock().unwrap_or_else(PoisonError::into_inner) = Some(turn);
    }

    /// The turn of the change that is live, which ends when what is returned is dropped.
    pub fn end_change(&self) -> Option<OwnedMutexGuard<()>> {
        self.change.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn whoever_reads_waits_for_the_end_of_a_change_and_a_change_for_whoever_reads() {
        let turns = Turns::default();
        let change = turns.begin_change().now_or_never().unwrap();
        turns.go_on(change);
        assert!(turns.take().now_or_never().is_none(), "the change may still be taken back");
        drop(turns.end_change());
        let reader = turns.take().now_or_never().unwrap();
        assert!(turns.begin_change().now_or_never().is_none(), "nginx reads the files");
        drop(reader);
        let change = turns.begin_change().now_or_never().unwrap();
        turns.go_on(change);
        assert!(turns.begin_change().now_or_never().is_some(), "a change that was never ended stands in nobody's way");
    }
}
