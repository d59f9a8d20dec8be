//! How migrations are shown.

use crate::adapters::http::schema::view;
use crate::domain::migration::Migration;
use crate::domain::migration::log::LogEntry;
use crate::domain::migration::work::{Check, CheckOutcome, Comparison, MigrationKind};
use crate::domain::services::migrations::{MigrationView as Known, Requested, Stale};
use crate::domain::time::Timestamp;

view! {
    /// Something that was looked at before a migration.
    CheckView as "MigrationCheck" {
        /// What was looked at.
        name: String,
        /// `ok`, `warning` or `failed`.
        outcome: String,
        /// What was found, and what to do if it is not as it should be.
        message: String,
    }
}

view! {
    /// A move of a bucket from one pool to another.
    MigrationView as "Migration" {
        /// Its identity.
        id: i64,
        /// `move`: the bucket is given to another pool; `back_fill`: the pool that serves it gets what it lacks and the
        /// source still has; `adoption`: a split of 0.4.x is ended.
        kind: String,
        /// The vhost whose route is meant.
        vhost_id: i64,
        /// That vhost's server name when it was asked for.
        server_name: String,
        /// What moves.
        bucket: String,
        /// From where.
        src_pool_id: i64,
        /// That pool's name when it was asked for.
        src_pool_name: String,
        /// To where.
        dst_pool_id: i64,
        /// That pool's name when it was asked for.
        dst_pool_name: String,
        /// `copy`: what only the destination has stays; `sync`: it goes.
        mode: String,
        /// `pending`, `copying`, `write_routing`, `verifying`, `switching`, `done`, `error` or `cancelled`.
        phase: String,
        /// What is done at the moment, or next.
        step: String,
        /// Whether it waits until it is resumed.
        paused: bool,
        /// Whether its end was asked for.
        cancelling: bool,
        /// Objects to copy, as far as they are known.
        objects_total: i64,
        /// Objects copied.
        objects_done: i64,
        /// Bytes to copy, as far as they are known.
        bytes_total: i64,
        /// Bytes copied.
        bytes_done: i64,
        /// Bytes a second at the moment; null: nothing is being copied.
        bytes_per_second: Option<u64>,
        /// Seconds until everything is copied, if that can be told.
        eta_seconds: Option<u64>,
        /// Why it failed, or what it waits for.
        error_msg: Option<String>,
        /// When copying began, UTC, `YYYY-MM-DD HH:MM:SS`.
        started_at: Option<String>,
        /// When it ended.
        finished_at: Option<String>,
        /// When it was asked for.
        created_at: String,
        /// The pool that still holds the objects after it.
        orphaned_source_pool_id: Option<i64>,
        /// Where in that pool.
        orphaned_source_prefix: Option<String>,
        /// Since when nobody reads them there.
        orphaned_at: Option<String>,
        /// Http vhosts that should have followed and could not be changed.
        swept_http_vhosts: Vec<String>,
        /// Http vhosts that followed.
        updated_http_vhosts: Vec<String>,
        /// The longest time that a client's write was held, in milliseconds.
        write_hold_ms: Option<u64>,
        /// How many cutovers were begun.
        cutover_attempts: u64,
        /// Workers of nginx with the configuration of before, while it waits for them.
        waiting_for_workers: Vec<u64>,
        /// What was found before it began.
        checks: Vec<CheckView>,
        /// The comparison after the switch: `pending`, `ok`, `differences` or `failed`; null: not yet.
        audit: Option<String>,
        /// Keys that differed then: clients may have changed them since. Or why it could not be made.
        audit_details: Vec<String>,
        /// 0.4.x left it in the middle of a split, and nobody has decided yet.
        needs_adoption: bool,
        /// The migration of 0.4.x whose split this one ends.
        adopts: Option<i64>,
        /// What will not follow. Only in the answer to the request.
        cascade_warnings: Option<Vec<String>>,
    }
}

view! {
    /// A line of a migration's log.
    LogView as "MigrationLogEntry" {
        /// Its identity; higher is later.
        id: i64,
        /// The migration.
        migration_id: i64,
        /// The phase, or a word such as `recovery`.
        phase: String,
        /// What happened.
        message: String,
        /// When, UTC, `YYYY-MM-DD HH:MM:SS`.
        created_at: String,
    }
}

view! {
    /// It was done.
    DoneView as "MigrationAnswer" {
        /// True.
        ok: bool,
        /// The migration.
        migration_id: i64,
    }
}

view! {
    /// What would be found before a migration. Nothing was begun.
    PreflightView as "MigrationPreflight" {
        /// Whether it could begin.
        ok: bool,
        /// Each thing that was looked at.
        checks: Vec<CheckView>,
    }
}

view! {
    /// What a finished migration left on its source.
    OrphanView as "OrphanedSource" {
        /// The migration.
        migration_id: i64,
        /// What moved.
        bucket: String,
        /// From where.
        src_pool_id: i64,
        /// To where.
        dst_pool_id: i64,
        /// The pool that still holds the objects.
        orphaned_source_pool_id: i64,
        /// Its name when the bucket moved.
        orphaned_source_pool_name: String,
        /// Where in that pool.
        orphaned_source_prefix: String,
        /// Since when nobody reads them there, UTC, `YYYY-MM-DD HH:MM:SS`.
        orphaned_at: String,
        /// When the migration ended.
        finished_at: Option<String>,
    }
}

view! {
    /// A migration that cannot go on.
    StaleView as "StaleMigration" {
        /// The migration.
        migration_id: i64,
        /// What moves.
        bucket: String,
        /// From where.
        src_pool_id: i64,
        /// To where.
        dst_pool_id: i64,
        /// How far it is.
        phase: String,
        /// `src_no_members`, `dst_no_members` or `src_bucket_missing`.
        reason: String,
        /// When it was asked for, UTC, `YYYY-MM-DD HH:MM:SS`.
        created_at: String,
    }
}

view! {
    /// Buckets that can be moved away from a pool.
    SourceBucketsView as "SourceBuckets" {
        /// The pool.
        pool_id: i64,
        /// Their names.
        buckets: Vec<String>,
    }
}

impl From<Check> for CheckView {
    fn from(check: Check) -> Self {
        let outcome = match check.outcome {
            CheckOutcome::Ok => "ok",
            CheckOutcome::Warning => "warning",
            CheckOutcome::Failed => "failed",
        };
        Self { name: check.name, outcome: outcome.to_owned(), message: check.message }
    }
}

impl From<Migration> for MigrationView {
    fn from(migration: Migration) -> Self {
        let work = migration.work;
        let orphan = migration.orphan;
        let (audit, audit_details) = match work.audit {
            None => (None, Vec::new()),
            Some(Comparison::Pending) => (Some("pending"), Vec::new()),
            Some(Comparison::Ok) => (Some("ok"), Vec::new()),
            Some(Comparison::Differences(keys)) => (Some("differences"), keys),
            Some(Comparison::Failed(why)) => (Some("failed"), vec![why]),
        };
        Self {
            id: migration.id.0,
            kind: match work.kind {
                MigrationKind::Move => "move".to_owned(),
                MigrationKind::BackFill => "back_fill".to_owned(),
                MigrationKind::Adoption => "adoption".to_owned(),
            },
            vhost_id: migration.vhost.id.0,
            server_name: migration.vhost.name,
            bucket: migration.bucket.as_str().to_owned(),
            src_pool_id: migration.source.id.0,
            src_pool_name: migration.source.name,
            dst_pool_id: migration.destination.id.0,
            dst_pool_name: migration.destination.name,
            mode: migration.mode.as_str().to_owned(),
            phase: migration.phase.as_str().to_owned(),
            step: work.step.as_str().to_owned(),
            paused: work.paused,
            cancelling: work.cancel && !migration.phase.is_final(),
            objects_total: migration.objects_total,
            objects_done: migration.objects_done,
            bytes_total: migration.bytes_total,
            bytes_done: migration.bytes_done,
            bytes_per_second: None,
            eta_seconds: None,
            error_msg: migration.error_msg,
            started_at: migration.started_at.map(Timestamp::sql),
            finished_at: migration.finished_at.map(Timestamp::sql),
            created_at: migration.created_at.sql(),
            orphaned_source_pool_id: orphan.as_ref().map(|orphan| orphan.pool.id.0),
            orphaned_source_prefix: orphan.as_ref().map(|orphan| orphan.prefix.clone()),
            orphaned_at: orphan.map(|orphan| orphan.since.sql()),
            swept_http_vhosts: migration.swept_http_vhosts,
            updated_http_vhosts: migration.updated_http_vhosts,
            write_hold_ms: work.write_hold_ms,
            cutover_attempts: work.attempts.into(),
            waiting_for_workers: work.waiting_for_workers.into_iter().map(u64::from).collect(),
            checks: work.checks.into_iter().map(CheckView::from).collect(),
            audit: audit.map(str::to_owned),
            audit_details,
            needs_adoption: migration.needs_adoption,
            adopts: work.adopts.map(|adopts| adopts.split.0),
            cascade_warnings: None,
        }
    }
}

impl From<Known> for MigrationView {
    fn from(known: Known) -> Self {
        let copies = !known.migration.phase.is_final();
        let progress = known.progress.filter(|_| copies);
        Self {
            bytes_per_second: progress.map(|progress| progress.speed),
            eta_seconds: progress.and_then(|progress| progress.eta),
            ..known.migration.into()
        }
    }
}

impl From<Requested> for MigrationView {
    fn from(requested: Requested) -> Self {
        let warnings = requested.cascade_warnings;
        Self { cascade_warnings: (!warnings.is_empty()).then_some(warnings), ..requested.migration.into() }
    }
}

impl From<LogEntry> for LogView {
    fn from(entry: LogEntry) -> Self {
        Self {
            id: entry.id,
            migration_id: entry.migration.0,
            phase: entry.phase,
            message: entry.message,
            created_at: entry.at.sql(),
        }
    }
}

impl OrphanView {
    /// What a migration left, if it did.
    #[must_use]
    pub fn of(migration: Migration) -> Option<Self> {
        let orphan = migration.orphan?;
        Some(Self {
            migration_id: migration.id.0,
            bucket: migration.bucket.as_str().to_owned(),
            src_pool_id: migration.source.id.0,
            dst_pool_id: migration.destination.id.0,
            orphaned_source_pool_id: orphan.pool.id.0,
            orphaned_source_pool_name: orphan.pool.name,
            orphaned_source_prefix: orphan.prefix,
            orphaned_at: orphan.since.sql(),
            finished_at: migration.finished_at.map(Timestamp::sql),
        })
    }
}

impl From<Stale> for StaleView {
    fn from(Stale { migration, reason }: Stale) -> Self {
        Self {
            migration_id: migration.id.0,
            bucket: migration.bucket.as_str().to_owned(),
            src_pool_id: migration.source.id.0,
            dst_pool_id: migration.destination.id.0,
            phase: migration.phase.as_str().to_owned(),
            reason: reason.to_owned(),
            created_at: migration.created_at.sql(),
        }
    }
}
