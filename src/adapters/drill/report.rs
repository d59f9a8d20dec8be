//! What a drill has found: counts, and each finding in words.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::history::Violation;

/// Tells the operator something while the drill goes on.
pub type Tell = Box<dyn Fn(&str) + Send + Sync>;

/// Counts what happens.
pub struct Tally {
    counts: Mutex<Counts>,
    tell: Tell,
}

/// How often what happened.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Requests that were answered as they should be, and judged.
    pub operations: u64,
    /// Broken promises.
    pub violations: BTreeMap<Violation, u64>,
    /// Answers that a client would call an error, and answers that did not come.
    pub client_errors: u64,
    /// Answers 503 `SlowDown`.
    pub held_slowdown: u64,
    /// Reads that saw parts of two writes while one was under way: see [`super::history::Verdict::Torn`].
    pub torn: u64,
    /// Requests sent again, since the kept connection had been closed before they were sent.
    pub resent: u64,
    /// The longest acknowledged write of a small object.
    pub longest_write: Duration,
    /// The longest read.
    pub longest_read: Duration,
}

impl Counts {
    /// How often this promise was broken.
    #[must_use]
    pub fn of(&self, violation: Violation) -> u64 {
        self.violations.get(&violation).copied().unwrap_or_default()
    }

    /// Whether every answer was true, and none an error.
    #[must_use]
    pub fn is_clean(&self, slowdown_allowed: bool) -> bool {
        self.violations.is_empty() && self.client_errors == 0 && (slowdown_allowed || self.held_slowdown == 0)
    }

    /// The counts as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let count = |violation| self.of(violation);
        json!({
            "operations": self.operations,
            "lost": count(Violation::Lost),
            "stale": count(Violation::Stale),
            "resurrected": count(Violation::Resurrected),
            "missing": count(Violation::Missing),
            "extra": count(Violation::Extra),
            "wrong_body": count(Violation::WrongBody),
            "wrong_metadata": count(Violation::WrongMetadata),
            "client_errors": self.client_errors,
            "held_slowdown": self.held_slowdown,
            "torn": self.torn,
            "resent": self.resent,
            "longest_write_hold_ms": milliseconds(self.longest_write),
            "longest_read_ms": milliseconds(self.longest_read),
        })
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.counts().fmt(f)
    }
}

impl Tally {
    /// Nothing has happened.
    #[must_use]
    pub fn new(tell: Tell) -> Self {
        Self { counts: Mutex::default(), tell }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was counted so far.
    #[must_use]
    pub fn so_far(&self) -> Counts {
        self.counts().clone()
    }

    /// Tells the operator.
    pub fn say(&self, text: &str) {
        (self.tell)(text);
    }

    /// Counts something.
    pub fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts());
    }

    /// Counts a broken promise.
    pub fn violation(&self, violation: Violation, told: &str) {
        self.finding(told, |counts| *counts.violations.entry(violation).or_default() += 1);
    }

    /// Counts an answer that a client would call an error.
    pub fn client_error(&self, told: &str) {
        self.finding(told, |counts| counts.client_errors += 1);
    }

    /// Counts an answer 503 `SlowDown`.
    pub fn slow_down(&self, what: &str) {
        self.finding(&format!("{what}: 503 SlowDown"), |counts| counts.held_slowdown += 1);
    }

    fn finding(&self, told: &str, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts());
        (self.tell)(told);
    }
}
