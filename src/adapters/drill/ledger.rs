//! The histories of all keys under one clock, shared by all clients.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::content::Tag;
use super::history::{History, Moment, Object, Read, Verdict};

/// What is known of every key.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    now: u64,
    histories: BTreeMap<String, History>,
}

impl Pages {
    fn tick(&mut self) -> Moment {
        self.now += 1;
        Moment(self.now)
    }

    fn history(&mut self, key: &str) -> &mut History {
        self.histories.entry(key.to_owned()).or_default()
    }
}

impl Ledger {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A moment after all those before it.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.pages().tick()
    }

    /// The tag of the next write of a key.
    #[must_use]
    pub fn next_tag(&self, key: &str) -> Tag {
        Tag::of(key, self.pages().history(key).next_number())
    }

    /// What a key holds; `None` while that is not known.
    #[must_use]
    pub fn settled(&self, key: &str) -> Option<Option<Object>> {
        self.pages().history(key).settled()
    }

    /// A write of a key begins. Call it before anything is sent.
    pub fn begin(&self, key: &str, state: Option<Object>) {
        let mut pages = self.pages();
        let at = pages.tick();
        pages.history(key).begin(state, at);
    }

    /// The last write of a key was acknowledged.
    pub fn acknowledge(&self, key: &str) {
        let mut pages = self.pages();
        let at = pages.tick();
        pages.history(key).acknowledge(at);
    }

    /// Whether a write of the key was under way while a read lasted.
    #[must_use]
    pub fn was_moving(&self, key: &str, from: Moment, until: Moment) -> bool {
        self.pages().history(key).was_moving(from, until)
    }

    /// Whether a read of the key that begins now may find an object without a byte.
    #[must_use]
    pub fn may_be_empty(&self, key: &str) -> bool {
        self.pages().history(key).may_be_empty()
    }

    /// Judges a read of a key.
    pub fn judge(&self, key: &str, read: &Read<'_>) -> Verdict {
        self.pages().history(key).judge(read)
    }

    /// All keys that were ever written.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.pages().histories.keys().cloned().collect()
    }
}
