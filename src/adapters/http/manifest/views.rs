//! Plans and what came of them, as the API tells them.

use serde_json::Value;

use crate::adapters::http::config::AnswerView;
use crate::adapters::http::diff::between;
use crate::adapters::http::schema::view;
use crate::domain::manifest::{Difference, Fault, FieldDifference, Subject, Turn};
use crate::domain::services::manifests::{Applied, Draft, Held, Plan};

/// The most bytes that the diffs of a plan have together, and each of them.
const DIFFS: usize = 1 << 20;
const ONE_DIFF: usize = 128 << 10;

view! {
    /// A field that differs.
    FieldView as "PlannedField" {
        /// Its name in the document.
        field: String,
        /// What it is; null: nothing.
        before: Option<String>,
        /// What it is to be; null: nothing.
        after: Option<String>,
    }
}

view! {
    /// One thing that is made, changed or removed.
    ChangeView as "PlannedChange" {
        /// `create`, `update` or `delete`.
        action: String,
        /// `pool`, `member`, `vhost`, `route` or `ignored_bucket`.
        resource: String,
        /// Where it stands in the document, such as `vhosts.s3.example["/photos/"]`.
        place: String,
        /// Of something that is changed: every field that differs.
        fields: Vec<FieldView>,
    }
}

view! {
    /// Something that gets another pool, and has no objects that would stay behind.
    TurnView as "PlannedTurn" {
        /// The vhost through which clients reach it.
        vhost: String,
        /// What it is.
        path_prefix: String,
        /// The pool that serves it now.
        from_pool: String,
        /// The pool that will; null: none.
        to_pool: Option<String>,
    }
}

view! {
    /// A bucket that would be led away from its objects.
    HeldView as "NeedsMigration" {
        /// The vhost through which clients reach it.
        vhost: String,
        /// What it is; `/`: every bucket without a route of its own.
        path_prefix: String,
        /// The pool that serves it now.
        from_pool: String,
        /// The pool that the document names; null: none.
        to_pool: Option<String>,
        /// What clients would not see any more, or see again.
        reason: String,
        /// The command that moves the bucket with its objects; null: there is none.
        command: Option<String>,
    }
}

view! {
    /// A file of nginx as it would be.
    FileView as "PlannedFile" {
        /// Where.
        path: String,
        /// A unified diff from what is on disk; cut if it is very long.
        diff: String,
    }
}

view! {
    /// What an apply of a document would do.
    PlanView as "ConfigPlan" {
        /// Whether anything would change.
        changed: bool,
        /// Whether an apply on the same terms would succeed.
        applicable: bool,
        /// The state that this is about: `expect` of an apply that must not meet another one.
        state: String,
        /// What would be done, in order.
        changes: Vec<ChangeView>,
        /// What only the gateway has, and what stays without `prune`.
        unmanaged: Vec<String>,
        /// What gets another pool, without objects that would stay behind.
        moved: Vec<TurnView>,
        /// What must be moved with its objects first.
        needs_migration: Vec<HeldView>,
        /// What could not be seen.
        warnings: Vec<String>,
        /// The files of nginx that would change.
        files: Vec<FileView>,
        /// How many files more would change.
        more_files: u64,
        /// nginx's answer to these files; null: it would see no difference.
        nginx: Option<AnswerView>,
    }
}

view! {
    /// What an apply of a document did.
    AppliedView as "ConfigApplied" {
        /// Whether anything was changed.
        changed: bool,
        /// The state after it.
        state: String,
        /// What was done, in order.
        changes: Vec<ChangeView>,
        /// What only the gateway has, and what stays without `prune`.
        unmanaged: Vec<String>,
        /// What was left out, as it would have led buckets away from their objects.
        needs_migration: Vec<HeldView>,
        /// What could not be seen.
        warnings: Vec<String>,
        /// nginx's answer; null: it sees no difference.
        nginx: Option<AnswerView>,
    }
}

/// A plan as the API tells it.
#[must_use]
pub fn plan_document(plan: Plan) -> Value {
    // Texts, numbers and lists: serialising them cannot fail.
    serde_json::to_value(PlanView::from(plan)).unwrap_or_default()
}

/// What an apply did, as the API tells it.
#[must_use]
pub fn applied_document(applied: Applied) -> Value {
    serde_json::to_value(AppliedView::from(applied)).unwrap_or_default()
}

fn place(subject: &Subject) -> String {
    Fault { path: subject.path(), what: String::new() }.place()
}

impl From<FieldDifference> for FieldView {
    fn from(FieldDifference { field, before, after }: FieldDifference) -> Self {
        Self { field: field.to_owned(), before, after }
    }
}

impl From<Difference> for ChangeView {
    fn from(Difference { verb, subject, fields }: Difference) -> Self {
        Self {
            action: verb.as_str().to_owned(),
            resource: subject.noun().to_owned(),
            place: place(&subject),
            fields: fields.into_iter().map(FieldView::from).collect(),
        }
    }
}

impl From<Turn> for TurnView {
    fn from(Turn { vhost, prefix, from, to, .. }: Turn) -> Self {
        Self {
            vhost: vhost.to_string(),
            path_prefix: prefix.to_string(),
            from_pool: from.to_string(),
            to_pool: to.map(|pool| pool.to_string()),
        }
    }
}

impl From<Held> for HeldView {
    fn from(held: Held) -> Self {
        let command = held.command();
        let Held { turn, why } = held;
        let TurnView { vhost, path_prefix, from_pool, to_pool } = turn.into();
        Self { vhost, path_prefix, from_pool, to_pool, reason: why, command }
    }
}

/// Diffs of files, all together bounded.
fn diffs(files: Vec<Draft>) -> Vec<FileView> {
    let mut left = DIFFS;
    let shown = |Draft { path, before, after }| {
        let diff = between(&path, (before.as_deref(), "now"), (after.as_deref(), "planned"));
        let diff = cut(diff, ONE_DIFF.min(left));
        left = left.saturating_sub(diff.len());
        FileView { path, diff }
    };
    files.into_iter().map(shown).collect()
}

/// At most so many bytes of a diff, in whole lines, with a last one that tells how many are missing.
fn cut(diff: String, most: usize) -> String {
    if diff.len() <= most {
        return diff;
    }
    let mut kept = String::new();
    for line in diff.split_inclusive('\n') {
        if kept.len() + line.len() > most {
            break;
        }
        kept.push_str(line);
    }
    let missing = diff.lines().count() - kept.lines().count();
    kept + &format!("\\ {missing} lines more\n")
}

impl From<Plan> for PlanView {
    fn from(plan: Plan) -> Self {
        let accepted = plan.nginx.as_ref().is_none_or(|answer| answer.ok);
        Self {
            changed: !plan.differences.steps.is_empty(),
            applicable: accepted && (plan.partial || plan.needs_migration.is_empty()),
            state: plan.state,
            changes: plan.differences.steps.into_iter().map(ChangeView::from).collect(),
            unmanaged: plan.differences.unmanaged.iter().map(place).collect(),
            moved: plan.turns.into_iter().map(TurnView::from).collect(),
            needs_migration: plan.needs_migration.into_iter().map(HeldView::from).collect(),
            warnings: plan.warnings,
            files: diffs(plan.files),
            more_files: plan.more_files as u64,
            nginx: plan.nginx.map(AnswerView::from),
        }
    }
}

impl From<Applied> for AppliedView {
    fn from(applied: Applied) -> Self {
        Self {
            changed: !applied.differences.steps.is_empty(),
            state: applied.state,
            changes: applied.differences.steps.into_iter().map(ChangeView::from).collect(),
            unmanaged: applied.differences.unmanaged.iter().map(place).collect(),
            needs_migration: applied.needs_migration.into_iter().map(HeldView::from).collect(),
            warnings: applied.warnings,
            nginx: applied.nginx.map(AnswerView::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_diff_ends_with_what_is_missing() {
        assert_eq!(cut("a\nb\n".to_owned(), 4), "a\nb\n");
        assert_eq!(cut("a\nb\nc\n".to_owned(), 4), "a\nb\n\\ 1 lines more\n");
        assert_eq!(cut("ä\n".to_owned(), 0), "\\ 1 lines more\n");
    }
}
