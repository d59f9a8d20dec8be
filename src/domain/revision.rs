//! Accepted changes, one after the other: who made each, what it was about, and what it did to nginx's files.

use serde::{Deserialize, Serialize};

use super::audit::{NewEntry, Restored, Snapshot};
use super::invalid::{Invalid, checked_string};
use super::manifest::Deed;
use super::time::Timestamp;

/// Of a change of a file, so many bytes are kept of what was there and of what came: enough for what a person reads.
pub const MOST_KEPT: usize = 64 * 1024;

/// An accepted change, as it is recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRevision {
    /// Its number; higher is later.
    pub number: u64,
    /// The number of the change that the database held before.
    pub base: u64,
    /// When it was made.
    pub at: Timestamp,
    /// What was done, as the audit log has it. Changes that share a test share a revision.
    pub entries: Vec<RevisionEntry>,
    /// What that did to the document, in order.
    pub deeds: Vec<Deed>,
    /// What became of nginx's files.
    pub files: Vec<FileDelta>,
}

/// An accepted change, as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its number; higher is later.
    pub number: u64,
    /// When it was made.
    pub at: Timestamp,
    /// What was done.
    pub entries: Vec<RevisionEntry>,
    /// What became of nginx's files.
    pub files: Vec<FileDelta>,
}

/// What leads back from an accepted change to the state before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayBack {
    /// The number of the change that the database held before.
    pub base: u64,
    /// What was done to the document, in order.
    pub deeds: Vec<Deed>,
}

checked_string!(
    /// Why a change is made, in the words of whoever asks for it.
    Reason
);

impl Reason {
    /// The most characters.
    pub const MAX: usize = 500;

    /// Checks a reason: 1–500 characters, none of them a control character, so that it stands in one line.
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.trim().is_empty() {
            return Err(Invalid::TooShort { min: 1 });
        }
        if text.chars().count() > Self::MAX {
            return Err(Invalid::TooLong { max: Self::MAX });
        }
        if text.chars().any(char::is_control) {
            return Err(Invalid::rule("a reason is one line, without control characters"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The reason of a change that goes back to a revision.
    #[must_use]
    pub fn rollback(number: u64) -> Self {
        Self(format!("rollback to {number}"))
    }
}

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionEntry {
    /// Who.
    pub actor: String,
    /// Did what.
    pub action: String,
    /// To what kind of thing.
    pub entity_type: String,
    /// Which one.
    pub entity_id: Option<i64>,
    /// What came of it, where neither that nor the files tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Why, if it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl RevisionEntry {
    /// What the audit log tells, and why it was done.
    #[must_use]
    pub fn of(entry: &NewEntry, reason: Option<&Reason>) -> Self {
        let (entity_type, entity_id) = entry.subject.columns();
        Self {
            actor: entry.actor.as_str().to_owned(),
            action: entry.action.as_str().to_owned(),
            entity_type: entity_type.to_owned(),
            entity_id,
            outcome: outcome(entry),
            reason: reason.map(Reason::to_string),
        }
    }
}

/// What came of something that is told by no file of nginx's.
fn outcome(entry: &NewEntry) -> Option<String> {
    let Some(Snapshot::Restored(restored)) = &entry.after else { return None };
    let Restored { pools_imported, members_imported, vhosts_imported, routes_imported, .. } = restored;
    let migrations = restored.migrations_imported + restored.completed_migrations_imported;
    Some(format!(
        "read from the disk: {pools_imported} pools, {members_imported} members, {vhosts_imported} vhosts, \
         {routes_imported} routes, {migrations} migrations"
    ))
}

/// What a change did to a file: the lines between the first and the last one that differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDelta {
    /// Where.
    pub path: String,
    /// Whether it was there before.
    pub was_there: bool,
    /// Whether it is there now.
    pub is_there: bool,
    /// The first line that differs, from 1.
    pub line: usize,
    /// The lines that were there.
    pub removed: String,
    /// The lines that are there in their place.
    pub added: String,
    /// Whether there were more of them than are kept.
    pub cut: bool,
}

impl FileDelta {
    /// What lies between two texts of a file; `None`: there is no such file.
    #[must_use]
    pub fn between(path: String, before: Option<&str>, after: Option<&str>) -> Self {
        let (old, new) = (before.unwrap_or_default(), after.unwrap_or_default());
        let start = common_lines_before(old.as_bytes(), new.as_bytes());
        let (old_rest, new_rest) = (&old[start..], &new[start..]);
        let end = common_lines_behind(old_rest.as_bytes(), new_rest.as_bytes());
        let (removed, cut_removed) = kept(&old_rest[..old_rest.len() - end]);
        let (added, cut_added) = kept(&new_rest[..new_rest.len() - end]);
        Self {
            path,
            was_there: before.is_some(),
            is_there: after.is_some(),
            line: old[..start].matches('\n').count() + 1,
            removed: removed.to_owned(),
            added: added.to_owned(),
            cut: cut_removed || cut_added,
        }
    }
}

/// How many bytes of whole lines both texts begin with.
fn common_lines_before(old: &[u8], new: &[u8]) -> usize {
    let same = old.iter().zip(new).take_while(|(one, other)| one == other).count();
    if same == old.len() && same == new.len() {
        return same;
    }
    old[..same].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

/// How many bytes of whole lines both texts end with.
fn common_lines_behind(old: &[u8], new: &[u8]) -> usize {
    let same = old.iter().rev().zip(new.iter().rev()).take_while(|(one, other)| one == other).count();
    let begins_line = |text: &[u8]| text.len() == same || text[text.len() - same - 1] == b'\n';
    if begins_line(old) && begins_line(new) {
        return same;
    }
    let tail = &old[old.len() - same..];
    tail.iter().position(|byte| *byte == b'\n').map_or(0, |at| same - at - 1)
}

/// As many whole lines as are kept, and whether there are more.
fn kept(text: &str) -> (&str, bool) {
    if text.len() <= MOST_KEPT {
        return (text, false);
    }
    let end = text.as_bytes()[..MOST_KEPT].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    (&text[..end], true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn delta(before: &str, after: &str) -> (usize, String, String) {
        let delta = FileDelta::between("p".to_owned(), Some(before), Some(after));
        (delta.line, delta.removed, delta.added)
    }

    #[test]
    fn one_line_more_is_one_line_however_long_the_file() {
        let of = |removed: &str, added: &str, line| (line, removed.to_owned(), added.to_owned());
        assert_eq!(delta("a\nb\nc\n", "a\nb\nx\nc\n"), of("", "x\n", 3));
        assert_eq!(delta("a\nb\nc\n", "a\nc\n"), of("b\n", "", 2));
        assert_eq!(delta("a\nbb\nc\n", "a\nbxb\nc\n"), of("bb\n", "bxb\n", 2));
        assert_eq!(delta("a\na\n", "a\na\na\n"), of("", "a\n", 3));
        assert_eq!(delta("", "a"), of("", "a", 1));
        assert_eq!(delta("ä\n", "ö\n"), of("ä\n", "ö\n", 1));
    }

    #[test]
    fn what_nobody_would_read_is_cut_at_a_line() {
        let long = "0123456789\n".repeat(MOST_KEPT / 10);
        let delta = FileDelta::between("p".to_owned(), None, Some(&long));
        assert!(delta.cut && delta.added.ends_with('\n') && delta.added.len() <= MOST_KEPT && !delta.was_there);
    }

    proptest! {
        #[test]
        fn a_delta_leads_from_the_one_text_to_the_other(
            before in "([ab]{0,2}\n){0,6}[ab]?",
            after in "([ab]{0,2}\n){0,6}[ab]?",
        ) {
            let (line, removed, added) = delta(&before, &after);
            let start: usize = before.split_inclusive('\n').take(line - 1).map(str::len).sum();
            prop_assert!(before[start..].starts_with(&removed));
            let made = [&before[..start], &added, &before[start + removed.len()..]].concat();
            prop_assert_eq!(made, after);
        }
    }
}
