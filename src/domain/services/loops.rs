//! The board on which every loop writes how it fares.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::loops::LoopReport;

/// The reports of all loops. Cheap to clone; all clones are one board.
#[derive(Debug, Clone, Default)]
pub struct Loops {
    reports: Arc<Mutex<Vec<LoopReport>>>,
    version: Arc<AtomicU64>,
}

impl Loops {
    /// A new loop's place on the board.
    #[must_use]
    pub fn enter(&self, name: &'static str, period: Duration) -> LoopSeat {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.push(LoopReport::new(name, period));
        LoopSeat { board: self.clone(), place: reports.len() - 1 }
    }

    /// Every loop, in the order in which they were started.
    #[must_use]
    pub fn reports(&self) -> Vec<LoopReport> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A number that is another one after any report has changed.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
}

/// One loop's place on the board.
#[derive(Debug)]
pub struct LoopSeat {
    board: Loops,
    place: usize,
}

impl LoopSeat {
    /// Changes the loop's report.
    pub fn write(&self, change: impl FnOnce(&mut LoopReport)) {
        let mut reports = self.board.reports.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(report) = reports.get_mut(self.place) {
            change(report);
            self.board.version.fetch_add(1, Ordering::AcqRel);
        }
    }
}
