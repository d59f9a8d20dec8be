//! `/api/config/revisions`: the history of accepted changes.

use std::fmt::Write as _;
use std::sync::Arc;

use poem_openapi::OpenApi;

use super::api::Group;
use super::auth::Caller;
use super::error::{ApiError, Changing, Failure, Finding, Searching};
use super::manifest::{AppliedView, PlanView};
use super::params::{Limit, Path, Query, RevisionNumber};
use super::reply::Shown;
use super::schema::view;
use crate::domain::revision::{FileDelta, Revision, RevisionEntry};
use crate::domain::services::Services;
use crate::domain::services::rollback::Back;

/// How many revisions are listed unless the client says otherwise.
const USUAL: u64 = 50;

view! {
    /// One thing that was done by a change.
    EntryView as "RevisionEntry" {
        /// Who.
        actor: String,
        /// Did what.
        action: String,
        /// To what kind of thing.
        entity_type: String,
        /// Which one.
        entity_id: Option<i64>,
        /// What came of it, where neither that nor the files tell: of a rebuild from disk, how much was read.
        outcome: Option<String>,
        /// Why, if `X-Change-Reason` or `--reason` said it.
        reason: Option<String>,
    }
}

view! {
    /// What a change did to a file of nginx's.
    FileView as "RevisionFile" {
        /// Where.
        path: String,
        /// `created`, `changed` or `removed`.
        change: String,
        /// Lines that were there and are not any more.
        lines_removed: u64,
        /// Lines that are new.
        lines_added: u64,
    }
}

view! {
    /// An accepted change. Changes that shared a test of nginx's share a revision.
    RevisionView as "Revision" {
        /// Its number; higher is later.
        number: u64,
        /// When it was made, UTC, `YYYY-MM-DDTHH:MM:SSZ`.
        at: String,
        /// What was done, as the audit log tells it.
        entries: Vec<EntryView>,
        /// What became of nginx's files.
        files: Vec<FileView>,
    }
}

view! {
    /// An accepted change, and how it changed nginx's files.
    DetailView as "RevisionDetail" {
        /// Its number; higher is later.
        number: u64,
        /// When it was made, UTC, `YYYY-MM-DDTHH:MM:SSZ`.
        at: String,
        /// What was done, as the audit log tells it.
        entries: Vec<EntryView>,
        /// What became of nginx's files.
        files: Vec<FileView>,
        /// Their differences as one unified diff without lines around them.
        diff: String,
    }
}

view! {
    /// A way back to an earlier revision.
    RollbackView as "Rollback" {
        /// The revision that it goes back to.
        number: u64,
        /// With `dry_run`: what would be done.
        planned: Option<PlanView>,
        /// Without it: what was done.
        applied: Option<AppliedView>,
    }
}

impl From<RevisionEntry> for EntryView {
    fn from(entry: RevisionEntry) -> Self {
        let RevisionEntry { actor, action, entity_type, entity_id, outcome, reason } = entry;
        Self { actor, action, entity_type, entity_id, outcome, reason }
    }
}

impl From<&FileDelta> for FileView {
    fn from(delta: &FileDelta) -> Self {
        let change = match (delta.was_there, delta.is_there) {
            (false, _) => "created",
            (true, true) => "changed",
            (true, false) => "removed",
        };
        Self {
            path: delta.path.clone(),
            change: change.to_owned(),
            lines_removed: delta.removed.lines().count() as u64,
            lines_added: delta.added.lines().count() as u64,
        }
    }
}

impl From<Revision> for RevisionView {
    fn from(revision: Revision) -> Self {
        Self {
            number: revision.number,
            at: revision.at.iso(),
            files: revision.files.iter().map(FileView::from).collect(),
            entries: revision.entries.into_iter().map(EntryView::from).collect(),
        }
    }
}

impl From<Revision> for DetailView {
    fn from(revision: Revision) -> Self {
        let diff = revision.files.iter().map(unified).collect();
        let RevisionView { number, at, entries, files } = revision.into();
        Self { number, at, entries, files, diff }
    }
}

/// A file's difference in the form of diff(1).
fn unified(delta: &FileDelta) -> String {
    let name = |is_there: bool| if is_there { delta.path.as_str() } else { "/dev/null" };
    let mut text = format!("--- {}\n+++ {}\n", name(delta.was_there), name(delta.is_there));
    let range = |lines: &str| {
        let count = lines.lines().count();
        // Where nothing is, the line before is named.
        format!("{},{count}", if count == 0 { delta.line - 1 } else { delta.line })
    };
    let _ = writeln!(text, "@@ -{} +{} @@", range(&delta.removed), range(&delta.added));
    for (sign, lines) in [('-', &delta.removed), ('+', &delta.added)] {
        for line in lines.lines() {
            let _ = writeln!(text, "{sign}{line}");
        }
    }
    if delta.cut {
        text.push_str("\\ More lines are not kept\n");
    }
    text
}

/// The operations on the history.
pub struct RevisionsApi(pub Arc<Services>);

#[OpenApi(tag = "Group::Config")]
impl RevisionsApi {
    /// List accepted changes
    ///
    /// Newest first: every change that nginx accepted and that changed a file, and every rebuild of the database from disk.
    /// `REVISION_RETENTION` of them are kept, also when the database is lost.
    #[oai(path = "/config/revisions", method = "get", operation_id = "list_revisions")]
    async fn list(
        &self,
        _caller: Caller,
        /// How many, 50 unless given.
        limit: Query<Limit>,
        /// Only those with a lower number.
        before: Query<RevisionNumber>,
    ) -> Result<Shown<Vec<RevisionView>>, Failure<Searching>> {
        let mut faults = Vec::new();
        let Limit(limit) = limit.read(&mut faults).unwrap_or(Limit(USUAL));
        let before = before.read(&mut faults).map(|RevisionNumber(number)| number);
        if !faults.is_empty() {
            return Err(ApiError::faults(faults).into());
        }
        let revisions = self.0.history.list(before, usize::try_from(limit).unwrap_or(usize::MAX)).await?;
        Ok(Shown(revisions.into_iter().map(RevisionView::from).collect()))
    }

    /// Read an accepted change
    ///
    /// With the lines of nginx's files that it changed. Of a very large difference the beginning is kept.
    #[oai(path = "/config/revisions/:number", method = "get", operation_id = "get_revision")]
    async fn get(
        &self,
        _caller: Caller,
        /// Its number.
        number: Path<RevisionNumber>,
    ) -> Result<Shown<DetailView>, Failure<Finding>> {
        let RevisionNumber(number) = number.0;
        Ok(Shown(self.0.history.read(number).await?.into()))
    }

    /// Go back to a revision
    ///
    /// Makes the gateway what it was after this revision, as a new change: one test by nginx, all of it or nothing. 409 if
    /// buckets would be led away from their objects, as after a finished migration, unless `partial` leaves those out; 409,
    /// too, if the history does not tell how the gateway was, as after an edit on disk was taken over. S3 keys, found
    /// buckets and migrations stay as they are. Nothing is reloaded.
    #[oai(path = "/config/revisions/:number/rollback", method = "post", operation_id = "rollback_config")]
    async fn rollback(
        &self,
        caller: Caller,
        /// Its number.
        number: Path<RevisionNumber>,
        /// Leave out what would lead buckets away from their objects.
        partial: Query<bool>,
        /// Only tell what would be done.
        dry_run: Query<bool>,
        /// The `state` that was planned: 412 if the gateway is in another one.
        expect: Query<String>,
    ) -> Result<Shown<RollbackView>, Failure<Changing>> {
        let mut faults = Vec::new();
        let (partial, dry_run) = (partial.read(&mut faults), dry_run.read(&mut faults));
        let expect = expect.read(&mut faults);
        if !faults.is_empty() {
            return Err(ApiError::faults(faults).into());
        }
        let RevisionNumber(number) = number.0;
        let back = Back { number, partial: partial.unwrap_or(false), expect };
        let rollback = &self.0.rollback;
        let (planned, applied) = if dry_run.unwrap_or(false) {
            (Some(rollback.plan(&back).await?.into()), None)
        } else {
            (None, Some(rollback.apply(caller.0, &back).await?.into()))
        };
        Ok(Shown(RollbackView { number, planned, applied }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_written_as_diff_writes_it() {
        let diff = |before: Option<&str>, after: Option<&str>| {
            unified(&FileDelta::between("p.conf".to_owned(), before, after))
        };
        assert_eq!(diff(Some("a\nb\n"), Some("a\nB\n")), "--- p.conf\n+++ p.conf\n@@ -2,1 +2,1 @@\n-b\n+B\n");
        assert_eq!(diff(Some("a\n"), Some("a\nb\n")), "--- p.conf\n+++ p.conf\n@@ -1,0 +2,1 @@\n+b\n");
        assert_eq!(diff(None, Some("a\n")), "--- /dev/null\n+++ p.conf\n@@ -0,0 +1,1 @@\n+a\n");
    }
}
