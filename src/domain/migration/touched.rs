//! What clients have done to single keys since nginx writes everything down, as a back-fill must know it: which keys are
//! theirs now, and which may still change.
//!
//! A key that a client has made or deleted is *theirs*, for good: it is never filled in. A write without a certain end
//! leaves its key *unsure* for a while, since it may still arrive. What is not known is never guessed: a deletion of
//! unknown keys is [`lost`](Touched::lost), and no key may be filled in after it.

use std::collections::{HashMap, HashSet};

use super::journal::{Event, JournalEntry, JournalLine, definite};
use super::request::{Style, Written, may_delete, written};
use super::token::is_canary;
use crate::domain::bucket::BucketName;

/// What a write does to keys, if it succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Deed {
    /// Nothing that matters here.
    Nothing,
    /// Makes or changes an object.
    Makes(String),
    /// Deletes objects.
    Removes(Vec<String>),
    /// Makes an object under a key that is not known.
    MakesUnknown,
    /// May delete objects of which the keys are not known.
    RemovesUnknown,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Open {
    deed: Deed,
    pid: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Touch {
    Theirs,
    /// Since then, in milliseconds since 1970.
    Unsure(i64),
}

/// What the lines of a journal say of single keys.
#[derive(Debug, Clone, Default)]
pub struct Touched {
    bucket: String,
    open: HashMap<String, Open>,
    keys: HashMap<String, Touch>,
    unsure_ms: Option<i64>,
    lost: Option<&'static str>,
}

impl Touched {
    /// Nothing is known yet of this bucket.
    #[must_use]
    pub fn of(bucket: &BucketName) -> Self {
        Self { bucket: bucket.as_str().to_owned(), ..Self::default() }
    }

    /// Takes over what was found in the journal, in file order. What cannot be read is the
    /// [`Ledger`](super::journal::Ledger)'s to tell.
    pub fn read(&mut self, entry: &JournalEntry) {
        let (line, deed) = match entry {
            JournalEntry::Line(line) => (line, deed(line)),
            // Its bytes are not text: what it names cannot be told.
            JournalEntry::Broken(line) => (line, unknown(line)),
            JournalEntry::Unreadable => return,
        };
        if line.bucket != self.bucket || is_canary(&line.uri) {
            return;
        }
        match line.event {
            Event::Start => drop(self.open.insert(line.rid.clone(), Open { deed, pid: line.pid })),
            Event::End => {
                self.open.remove(&line.rid);
                self.end(line, deed);
            }
        }
    }

    fn end(&mut self, line: &JournalLine, deed: Deed) {
        if line.target == "gate" {
            return;
        }
        let removes = matches!(deed, Deed::Removes(_));
        match definite(&line.upstream_status) {
            // What is not there was to be deleted all the same.
            Some(404) if removes => self.done(deed),
            Some(400..500) => {}
            Some(..400) => self.done(deed),
            _ => self.uncertain(deed, line.at_ms),
        }
    }

    fn done(&mut self, deed: Deed) {
        match deed {
            Deed::Makes(key) => drop(self.keys.insert(key, Touch::Theirs)),
            Deed::Removes(keys) => self.keys.extend(keys.into_iter().map(|key| (key, Touch::Theirs))),
            Deed::RemovesUnknown => self.lost = Some("which keys a request deleted could not be read"),
            // Whatever it made is there.
            Deed::MakesUnknown | Deed::Nothing => {}
        }
    }

    fn uncertain(&mut self, deed: Deed, at_ms: i64) {
        match deed {
            Deed::Makes(key) => {
                let touch = self.keys.entry(key).or_insert(Touch::Unsure(at_ms));
                if let Touch::Unsure(since) = touch {
                    *since = at_ms.max(*since);
                }
            }
            Deed::MakesUnknown => self.unsure_ms = self.unsure_ms.max(Some(at_ms)),
            // Whoever wants a key gone gets it, however late his request arrives.
            removal => self.done(removal),
        }
    }

    /// Writes whose worker is gone will have no end line.
    pub fn bury(&mut self, alive: &HashSet<u32>, now_ms: i64) {
        let (kept, dead) = std::mem::take(&mut self.open).into_iter().partition(|(_, open)| alive.contains(&open.pid));
        self.open = kept;
        for (_, open) in HashMap::<String, Open>::into_iter(dead) {
            self.uncertain(open.deed, now_ms);
        }
    }

    /// Whether a client has made or deleted the key.
    #[must_use]
    pub fn is_theirs(&self, key: &str) -> bool {
        self.keys.get(key) == Some(&Touch::Theirs)
    }

    /// Whether a write of the key that has ended may still arrive: all that ended before `settled_ms` has.
    #[must_use]
    pub fn is_unsure(&self, key: &str, settled_ms: i64) -> bool {
        matches!(self.keys.get(key), Some(Touch::Unsure(since)) if *since >= settled_ms)
    }

    /// Whether an object may still appear under any key: what ended before `settled_ms` has.
    #[must_use]
    pub fn may_appear(&self, settled_ms: i64) -> bool {
        self.unsure_ms.is_some_and(|since| since >= settled_ms)
    }

    /// Keys that writes on their way to the storage name: begun, not ended, and not among `at_gate`.
    #[must_use]
    pub fn busy(&self, at_gate: &HashSet<String>) -> HashSet<&str> {
        let under_way = self.open.iter().filter(|(rid, _)| !at_gate.contains(*rid));
        let named = under_way.flat_map(|(_, open)| match &open.deed {
            Deed::Makes(key) => std::slice::from_ref(key),
            Deed::Removes(keys) => keys,
            _ => &[],
        });
        named.map(String::as_str).collect()
    }

    /// How many writes are on their way to the storage of which the keys are not known.
    #[must_use]
    pub fn nameless(&self, at_gate: &HashSet<String>) -> usize {
        let nameless = |open: &Open| matches!(open.deed, Deed::MakesUnknown | Deed::RemovesUnknown);
        self.open.iter().filter(|(rid, open)| nameless(open) && !at_gate.contains(*rid)).count()
    }

    /// Why it is not known any more which keys clients have deleted.
    #[must_use]
    pub fn lost(&self) -> Option<&'static str> {
        self.lost
    }
}

fn deed(line: &JournalLine) -> Deed {
    let style = if line.style == "host" { Style::Host } else { Style::Path };
    let body = (!line.body.is_empty()).then_some(line.body.as_str());
    match written(&line.method, &line.uri, style, body) {
        Written::Key(key) if line.method == "DELETE" => Deed::Removes(vec![key]),
        Written::Key(key) | Written::Completed { key, .. } => Deed::Makes(key),
        Written::Keys(keys) => Deed::Removes(keys),
        Written::Bucket | Written::Unknown => unknown(line),
        Written::Nothing | Written::Begun | Written::Part { .. } | Written::Aborted { .. } | Written::Configuration => {
            Deed::Nothing
        }
    }
}

fn unknown(line: &JournalLine) -> Deed {
    if may_delete(&line.method, &line.uri) { Deed::RemovesUnknown } else { Deed::MakesUnknown }
}

/// Keys that nobody may write for a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeldKeys(HashSet<String>);

impl HeldKeys {
    /// These.
    #[must_use]
    pub fn of(keys: impl IntoIterator<Item = String>) -> Self {
        Self(keys.into_iter().collect())
    }

    /// Whether a request may change one of them. One of which that cannot be told may.
    #[must_use]
    pub fn concern(&self, request: &Written) -> bool {
        match request {
            Written::Key(key) | Written::Completed { key, .. } => self.0.contains(key),
            Written::Keys(keys) => keys.iter().any(|key| self.0.contains(key)),
            Written::Bucket | Written::Unknown => true,
            Written::Nothing
            | Written::Begun
            | Written::Part { .. }
            | Written::Aborted { .. }
            | Written::Configuration => false,
        }
    }
}

#[cfg(test)]
mod tests;
