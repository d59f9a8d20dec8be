//! What is known of a migration while it runs, and what operators want of it. Not state: a restart begins anew.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::domain::copy::Progress;
use crate::domain::ids::MigrationId;
use crate::domain::migration::log::NewLogEntry;
use crate::domain::time::Timestamp;
use crate::ports::copier::Watch;

/// Lines that wait to be written down. More are dropped: the log is for people.
const LINES: usize = 1000;

/// What an operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Run,
    Pause,
    Cancel,
}

/// A migration as it runs.
pub(super) struct Live {
    wish: watch::Sender<Wish>,
    progress: Mutex<Progress>,
    lines: Mutex<Vec<(String, String)>>,
    /// Whether a back-fill holds keys: a stop of the program waits for the end of that.
    holds: AtomicBool,
}

impl Live {
    pub(super) fn new(wish: Wish) -> Self {
        Self {
            wish: watch::Sender::new(wish),
            progress: Mutex::default(),
            lines: Mutex::default(),
            holds: AtomicBool::new(false),
        }
    }

    /// An operator wants something else. A cancellation is never taken back.
    pub(super) fn want(&self, wish: Wish) {
        self.wish.send_if_modified(|present| {
            let news = *present != wish && *present != Wish::Cancel;
            if news {
                *present = wish;
            }
            news
        });
    }

    pub(super) fn is_cancelled(&self) -> bool {
        *self.wish.borrow() == Wish::Cancel
    }

    pub(super) fn is_paused(&self) -> bool {
        *self.wish.borrow() == Wish::Pause
    }

    pub(super) async fn until_cancelled(&self) {
        self.until(|wish| wish == Wish::Cancel).await;
    }

    pub(super) async fn until_interrupted(&self) {
        self.until(|wish| wish != Wish::Run).await;
    }

    pub(super) async fn until_resumed(&self) {
        self.until(|wish| wish != Wish::Pause).await;
    }

    async fn until(&self, so: impl Fn(Wish) -> bool) {
        // The sender is this value's own, so it is there as long as anybody waits.
        let _ = self.wish.subscribe().wait_for(|wish| so(*wish)).await;
    }

    pub(super) fn set_holds(&self, holds: bool) {
        self.holds.store(holds, Ordering::Release);
    }

    pub(super) fn holds(&self) -> bool {
        self.holds.load(Ordering::Acquire)
    }

    pub(super) fn progress_now(&self) -> Progress {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn say(&self, phase: &str, line: String) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < LINES {
            lines.push((phase.to_owned(), line));
        }
    }

    /// The lines that were said since this was last asked.
    pub(super) fn take_lines(&self, migration: MigrationId, at: Timestamp) -> Vec<NewLogEntry> {
        let lines = std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner));
        lines.into_iter().map(|(phase, message)| NewLogEntry { migration, phase, message, at }).collect()
    }
}

impl Watch for Live {
    fn progress(&self, progress: Progress) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }

    fn line(&self, line: &str) {
        self.say("copying", line.to_owned());
    }
}
