//! What nginx's journal of a bucket's writes means: which keys may differ between source and destination, and which
//! writes may still be on their way to the storage.
//!
//! An end line is not always the end: a client that went, a time-out or a dead worker do not mean that the storage has
//! stopped. Such a write is *uncertain*: its keys stay dirty until the last pass, and nothing is frozen soon after.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::request::{Style, Written, written};
use super::token::is_canary;
use crate::domain::bucket::BucketName;

/// A line of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalLine {
    /// Whether the write begins or has ended.
    #[serde(rename = "e")]
    pub event: Event,
    /// nginx's id of the request.
    pub rid: String,
    /// Its method.
    #[serde(rename = "m")]
    pub method: String,
    /// Its address, as the client sent it.
    #[serde(rename = "u")]
    pub uri: String,
    /// The bucket that it writes to. A copy that reads from the bucket that is moved is told too, and may write to
    /// another one.
    #[serde(rename = "k", default)]
    pub bucket: String,
    /// `host` if the bucket is named in the Host header.
    #[serde(rename = "v", default)]
    pub style: String,
    /// The worker.
    pub pid: u32,
    /// When it was written, in milliseconds since 1970. Not in order.
    #[serde(rename = "t")]
    pub at_ms: i64,
    /// The status that the client got.
    #[serde(rename = "s", default)]
    pub status: String,
    /// The status that the storage gave; several, or a dash, if it was asked more than once or did not answer.
    #[serde(rename = "us", default)]
    pub upstream_status: String,
    /// Whom it was sent to: `src`, a pool, or `gate` if it was not sent on.
    #[serde(rename = "to", default)]
    pub target: String,
    /// The body of a bulk deletion, if it was kept.
    #[serde(rename = "b", default)]
    pub body: String,
}

/// What a line tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The write is let through, or sent to the gate, after this.
    Start,
    /// Its answer was sent.
    End,
}

/// One thing found in a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalEntry {
    /// A line.
    Line(Box<JournalLine>),
    /// A line whose bytes are not text everywhere: what it names cannot be told, the rest can.
    Broken(Box<JournalLine>),
    /// Something else. The journal cannot be trusted.
    Unreadable,
}

/// A write that has begun and not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Open {
    written: Written,
    pid: u32,
    since_ms: i64,
}

/// What is known of a key that may differ.
#[derive(Debug, Clone, Copy)]
struct Dirt {
    /// The number of the last event about it.
    last: u64,
    /// A write of it may still arrive: it stays until the last pass.
    uncertain: bool,
}

/// What the lines of a journal add up to.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    bucket: String,
    events: u64,
    open: HashMap<String, Open>,
    dirty: BTreeMap<String, Dirt>,
    unknown: Option<u64>,
    youngest_uncertain_ms: Option<i64>,
    uploads: BTreeMap<String, i64>,
    ended_uploads: HashSet<String>,
    begun_uploads: u64,
    bucket_gone: bool,
    configured: bool,
    unreadable: bool,
    canaries: HashMap<String, Canary>,
}

/// A write that was sent to see whether journal and gate are in its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    /// nginx's id of the request.
    pub rid: String,
    /// Whether its end line was seen too.
    pub ended: bool,
}

/// The keys of one pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// What may differ, in order.
    pub keys: Vec<String>,
    upto: u64,
}

impl Batch {
    /// The same pass, without keys that it did not carry over.
    #[must_use]
    pub fn without(mut self, keys: &[String]) -> Self {
        let left: HashSet<&String> = keys.iter().collect();
        self.keys.retain(|key| !left.contains(key));
        self
    }
}

impl Ledger {
    /// An empty ledger of this bucket.
    #[must_use]
    pub fn of(bucket: &BucketName) -> Self {
        Self { bucket: bucket.as_str().to_owned(), ..Self::default() }
    }

    /// Takes over what was found in the journal, in file order.
    pub fn read(&mut self, entry: &JournalEntry) {
        match entry {
            JournalEntry::Line(line) => {
                let style = if line.style == "host" { Style::Host } else { Style::Path };
                let body = (!line.body.is_empty()).then_some(line.body.as_str());
                let written = if self.is_elsewhere(line) {
                    Written::Nothing
                } else {
                    written(&line.method, &line.uri, style, body)
                };
                self.line(line, written);
            }
            JournalEntry::Broken(line) if self.is_elsewhere(line) => self.line(line, Written::Nothing),
            JournalEntry::Broken(line) => self.line(line, Written::Unknown),
            JournalEntry::Unreadable => self.unreadable = true,
        }
    }

    fn is_elsewhere(&self, line: &JournalLine) -> bool {
        line.bucket != self.bucket
    }

    fn line(&mut self, line: &JournalLine, written: Written) {
        self.events += 1;
        if is_canary(&line.uri) {
            let canary = Canary { rid: line.rid.clone(), ended: line.event == Event::End };
            self.canaries.insert(line.uri.clone(), canary);
            return;
        }
        match line.event {
            Event::Start => self.start(line, written),
            Event::End => self.end(line, written),
        }
    }

    fn start(&mut self, line: &JournalLine, written: Written) {
        // What a bulk deletion names is known at its end, when its body was read.
        self.touch(&written, false);
        if let Written::Part { upload } | Written::Completed { upload, .. } = &written {
            self.uploads.insert(upload.clone(), line.at_ms);
        }
        self.open.insert(line.rid.clone(), Open { written, pid: line.pid, since_ms: line.at_ms });
    }

    fn end(&mut self, line: &JournalLine, written: Written) {
        self.open.remove(&line.rid);
        if line.target == "gate" {
            return;
        }
        let Some(status) = definite(&line.upstream_status) else {
            self.uncertain(&written, line.at_ms);
            return;
        };
        if (400..500).contains(&status) {
            self.refused(&written, status);
            return;
        }
        self.touch(&written, false);
        match written {
            Written::Unknown => self.unknown = Some(self.events),
            Written::Bucket if status < 300 => self.bucket_gone = true,
            Written::Configuration if status < 300 => self.configured = true,
            Written::Completed { upload, .. } | Written::Aborted { upload } if status < 300 => self.end_upload(upload),
            Written::Begun => self.begun_uploads += 1,
            _ => {}
        }
    }

    /// The storage says that it did nothing.
    fn refused(&mut self, written: &Written, status: u16) {
        if status == 404
            && let Written::Part { upload } | Written::Completed { upload, .. } | Written::Aborted { upload } = written
        {
            self.end_upload(upload.clone());
        }
    }

    fn end_upload(&mut self, upload: String) {
        self.uploads.remove(&upload);
        self.ended_uploads.insert(upload);
    }

    fn uncertain(&mut self, written: &Written, at_ms: i64) {
        if !written.makes_objects() {
            return;
        }
        self.youngest_uncertain_ms = self.youngest_uncertain_ms.max(Some(at_ms));
        self.touch(written, true);
        if matches!(written, Written::Unknown | Written::Bucket) {
            self.unknown = Some(self.events);
        }
    }

    fn touch(&mut self, written: &Written, uncertain: bool) {
        let keys: &[String] = match written {
            Written::Key(key) | Written::Completed { key, .. } => std::slice::from_ref(key),
            Written::Keys(keys) => keys,
            _ => &[],
        };
        for key in keys {
            let dirt = self.dirty.entry(key.clone()).or_insert(Dirt { last: 0, uncertain: false });
            dirt.last = self.events;
            dirt.uncertain |= uncertain;
        }
    }

    /// Writes whose worker is gone will have no end line.
    pub fn bury(&mut self, alive: &HashSet<u32>, now_ms: i64) {
        let dead = |open: &Open| !alive.contains(&open.pid);
        let rids: Vec<String> = self.open.iter().filter(|(_, open)| dead(open)).map(|(rid, _)| rid.clone()).collect();
        for rid in rids {
            if let Some(open) = self.open.remove(&rid) {
                self.events += 1;
                // Its keys may have been in a body that nobody has read.
                self.uncertain(&open.written, now_ms);
            }
        }
    }

    /// Keys that were found to differ.
    pub fn add(&mut self, keys: impl IntoIterator<Item = String>) {
        self.events += 1;
        for key in keys {
            self.dirty.entry(key).or_insert(Dirt { last: 0, uncertain: false }).last = self.events;
        }
    }

    /// Keys whose copy may still be on its way: a copier was ended in the middle.
    pub fn add_uncertain(&mut self, keys: impl IntoIterator<Item = String>, now_ms: i64) {
        self.events += 1;
        self.uncertain(&Written::Keys(keys.into_iter().collect()), now_ms);
    }

    /// How many keys may differ.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.dirty.len()
    }

    /// All keys that may differ now.
    #[must_use]
    pub fn batch(&self) -> Batch {
        Batch { keys: self.dirty.keys().cloned().collect(), upto: self.events }
    }

    /// The keys of `batch` were made equal after it was taken. Those that were written to since, are being written to,
    /// or may still be, stay dirty.
    pub fn carried(&mut self, batch: &Batch) {
        let busy: HashSet<&String> = self.open.values().flat_map(|open| keys_of(&open.written)).collect();
        for key in &batch.keys {
            if let Some(dirt) = self.dirty.get(key)
                && dirt.last <= batch.upto
                && !dirt.uncertain
                && !busy.contains(key)
            {
                self.dirty.remove(key);
            }
        }
    }

    /// Whether objects were written of which nobody knows the keys since the last [`compared`](Ledger::compared).
    #[must_use]
    pub fn has_unknown(&self) -> bool {
        self.unknown.is_some()
    }

    /// The present number of events, to be given to [`compared`](Ledger::compared).
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Everything was compared by somebody who began when there were `events`, and when nothing that is uncertain could
    /// still arrive: what arrives behind a comparison is not in it.
    pub fn compared(&mut self, events: u64) {
        if self.unknown.is_some_and(|unknown| unknown <= events) {
            self.unknown = None;
        }
    }

    /// How many writes may be on their way to the storage: begun, not ended, and not among `at_gate`. A request that
    /// begins an upload is one of them: where its upload is must be known before anything is switched.
    #[must_use]
    pub fn in_flight(&self, at_gate: &HashSet<String>) -> usize {
        let matters = |written: &Written| written.makes_objects() || *written == Written::Begun;
        let counts = |(rid, open): &(&String, &Open)| matters(&open.written) && !at_gate.contains(*rid);
        self.open.iter().filter(counts).count()
    }

    /// When the oldest write under way began, in milliseconds since 1970.
    #[must_use]
    pub fn oldest_open_ms(&self) -> Option<i64> {
        self.open.values().filter(|open| open.written.makes_objects()).map(|open| open.since_ms).min()
    }

    /// When the youngest uncertain thing happened, in milliseconds since 1970.
    #[must_use]
    pub fn youngest_uncertain_ms(&self) -> Option<i64> {
        self.youngest_uncertain_ms
    }

    /// Uploads that were seen and have not ended, and when each was last used, in milliseconds since 1970.
    #[must_use]
    pub fn uploads(&self) -> &BTreeMap<String, i64> {
        &self.uploads
    }

    /// How many uploads were seen to begin. The storage has each of them.
    #[must_use]
    pub fn uploads_begun(&self) -> u64 {
        self.begun_uploads
    }

    /// Whether an upload was seen to end.
    #[must_use]
    pub fn has_ended(&self, upload: &str) -> bool {
        self.ended_uploads.contains(upload)
    }

    /// Whether a client made or removed the bucket itself.
    #[must_use]
    pub fn bucket_gone(&self) -> bool {
        self.bucket_gone
    }

    /// Whether a client changed settings of the bucket, which are not carried over.
    #[must_use]
    pub fn configured(&self) -> bool {
        self.configured
    }

    /// Whether a line could not be read.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        self.unreadable
    }

    /// What was seen of the canary that was sent to this address.
    #[must_use]
    pub fn canary(&self, uri: &str) -> Option<&Canary> {
        self.canaries.get(uri)
    }

    /// Lines may be missing: whatever they would have said was written now, and may still arrive.
    pub fn distrust(&mut self, now_ms: i64) {
        self.events += 1;
        self.unreadable = false;
        self.unknown = Some(self.events);
        self.youngest_uncertain_ms = self.youngest_uncertain_ms.max(Some(now_ms));
    }
}

fn keys_of(written: &Written) -> impl Iterator<Item = &String> {
    let keys: &[String] = match written {
        Written::Key(key) | Written::Completed { key, .. } => std::slice::from_ref(key),
        Written::Keys(keys) => keys,
        _ => &[],
    };
    keys.iter()
}

/// The one status that the storage gave, if it was asked once and answered. nginx writes 504 and 502 in its place when
/// it gave none, and the write may still be applied.
pub(super) fn definite(upstream_status: &str) -> Option<u16> {
    let status = upstream_status.trim();
    let one = (status.len() == 3).then(|| status.parse().ok()).flatten();
    one.filter(|status| !matches!(status, 502 | 504))
}

#[cfg(test)]
mod tests;
