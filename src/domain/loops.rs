//! What runs again and again by itself, as the operator sees it.

use std::time::Duration;

use super::time::Timestamp;

/// The state of one loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoopReport {
    /// Its name.
    pub name: &'static str,
    /// The time between two runs.
    pub period: Duration,
    /// How often it has run since the program started.
    pub runs: u64,
    /// Whether a run is under way.
    pub running: bool,
    /// When the last run began.
    pub last_run_at: Option<Timestamp>,
    /// When the last run that did its work ended.
    pub last_success_at: Option<Timestamp>,
    /// What that run did.
    pub last_result: Option<String>,
    /// Why the last run failed; `None` if it did not.
    pub last_error: Option<String>,
    /// When the next run begins, unless something asks for it before.
    pub next_run_at: Option<Timestamp>,
}

impl LoopReport {
    /// A loop that has not run.
    #[must_use]
    pub fn new(name: &'static str, period: Duration) -> Self {
        Self {
            name,
            period,
            runs: 0,
            running: false,
            last_run_at: None,
            last_success_at: None,
            last_result: None,
            last_error: None,
            next_run_at: None,
        }
    }

    /// It waits for its next run.
    pub fn wait_until(&mut self, at: Timestamp) {
        self.next_run_at = Some(at);
    }

    /// A run begins.
    pub fn begin(&mut self, now: Timestamp) {
        self.runs += 1;
        self.running = true;
        self.last_run_at = Some(now);
        self.next_run_at = None;
    }

    /// The run has ended: with what it did, or with why it could not.
    pub fn end(&mut self, now: Timestamp, outcome: Result<String, String>) {
        self.running = false;
        match outcome {
            Ok(result) => {
                self.last_success_at = Some(now);
                self.last_result = Some(result);
                self.last_error = None;
            }
            Err(error) => self.last_error = Some(error),
        }
    }
}
