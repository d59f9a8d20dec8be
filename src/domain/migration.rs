//! Migrations: moves of a bucket from one pool to another, as they are recorded.
//!
//! A record keeps the names of what it is about beside their ids: it stays true, and readable, after a pool or a
//! vhost is gone, and a rebuild resolves the names, never the ids of another life.

pub mod equal;
pub mod journal;
pub mod log;
pub mod machine;
pub mod portions;
pub mod request;
pub mod token;
pub mod touched;
pub mod work;

use serde::Serialize;

use super::bucket::BucketName;
use super::ids::{MigrationId, PoolId, Revision, RouteId, VhostId};
use super::invalid::{Invalid, words};
use super::time::Timestamp;
use work::{Comparison, MigrationKind, Work};

words!(
    /// What becomes of objects that only the destination has.
    MigrationMode {
        /// They stay.
        Copy = "copy",
        /// They go: the destination becomes a mirror.
        Sync = "sync",
    }
);

words!(
    /// How far a migration is.
    Phase {
        /// It waits for its turn.
        Pending = "pending",
        /// Objects are copied while clients go on.
        Copying = "copying",
        /// Writes are held, so that the last differences can be copied.
        WriteRouting = "write_routing",
        /// Source and destination are compared.
        Verifying = "verifying",
        /// The route is given to the destination.
        Switching = "switching",
        /// The destination serves the bucket.
        Done = "done",
        /// It failed; the source serves the bucket.
        Error = "error",
        /// An operator ended it; the source serves the bucket.
        Cancelled = "cancelled",
    }
);

impl Phase {
    /// Takes over what 0.4.x kept: its first versions cleaned up the source after the switch.
    ///
    /// # Errors
    /// As [`Phase::parse`].
    pub fn stored(word: &str) -> Result<Self, Invalid> {
        match word {
            "purge_source" | "needs_purge" => Ok(Phase::Done),
            _ => Self::parse(word),
        }
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Phase::Done | Phase::Error | Phase::Cancelled)
    }

    /// Whether clients' writes are held, or the route is being given away: nothing else may touch the gateway's
    /// records of this bucket.
    #[must_use]
    pub fn holds_writes(self) -> bool {
        matches!(self, Phase::WriteRouting | Phase::Verifying | Phase::Switching)
    }
}

/// Something that was called by a name when the record was made, and had an id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named<Id> {
    /// Its id. It may be gone by now; ids are never given twice.
    pub id: Id,
    /// Its name then.
    pub name: String,
}

/// What a finished migration left on the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Orphan {
    /// The pool that still holds the objects.
    pub pool: Named<PoolId>,
    /// Where: `/bucket/`.
    pub prefix: String,
    /// Since when nobody reads them.
    pub since: Timestamp,
    /// Since when there is nothing left of them.
    pub purged_at: Option<Timestamp>,
}

/// The record of a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Migration {
    /// Identity.
    pub id: MigrationId,
    /// Saved how often.
    pub revision: Revision,
    /// The vhost whose route is switched.
    pub vhost: Named<VhostId>,
    /// What moves.
    pub bucket: BucketName,
    /// From where.
    pub source: Named<PoolId>,
    /// To where.
    pub destination: Named<PoolId>,
    /// What becomes of objects that only the destination has.
    pub mode: MigrationMode,
    /// How far it is.
    pub phase: Phase,
    /// The route that is switched.
    pub route_id: Option<RouteId>,
    /// 0.4.x left it in the middle of a split of reads and writes: the vhost's file is as 0.4.x wrote it, and
    /// nothing may be rendered over it until an operator has decided.
    pub needs_adoption: bool,
    /// Objects to copy.
    pub objects_total: i64,
    /// Objects copied.
    pub objects_done: i64,
    /// Bytes to copy.
    pub bytes_total: i64,
    /// Bytes copied.
    pub bytes_done: i64,
    /// Why it failed.
    pub error_msg: Option<String>,
    /// When copying began.
    pub started_at: Option<Timestamp>,
    /// When it ended, well or not.
    pub finished_at: Option<Timestamp>,
    /// What was left on the source.
    pub orphan: Option<Orphan>,
    /// `http` vhosts that should have followed and could not be changed.
    pub swept_http_vhosts: Vec<String>,
    /// `http` vhosts that followed.
    pub updated_http_vhosts: Vec<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// What the engine keeps of it.
    pub work: Work,
}

impl Migration {
    /// Whether something is left to be done about it: it has not ended, nginx has something of it, or a step behind the
    /// commit is not taken yet, such as the comparison of both sides.
    #[must_use]
    pub fn is_due(&self) -> bool {
        let compares = self.work.audit == Some(Comparison::Pending);
        !self.phase.is_final() || self.work.gate.is_some() || self.work.step.is_committed() || compares
    }

    /// Whether what a pool holds of the bucket is still needed: `Some(true)` to be read, `Some(false)` to be written.
    ///
    /// It is until nginx has nothing of the migration any more: that goes with the last upload on the source, and the
    /// phase may say `done` before. And as long as both sides are compared.
    #[must_use]
    pub fn needs(&self, pool: PoolId, bucket: &BucketName) -> Option<bool> {
        match *bucket == self.bucket && (self.is_due() || self.needs_adoption) {
            true if self.source.id == pool => Some(true),
            true if self.destination.id == pool => Some(false),
            _ => None,
        }
    }

    /// The pool that serves the bucket while nginx has anything of the migration, before a switch.
    #[must_use]
    pub fn serving(&self) -> &Named<PoolId> {
        match self.work.kind {
            MigrationKind::Move | MigrationKind::Adoption if !self.work.committed => &self.source,
            MigrationKind::Move | MigrationKind::Adoption | MigrationKind::BackFill => &self.destination,
        }
    }

    /// The migration that left objects of the bucket on a pool which are there still and are nobody's, among all
    /// migrations, newest first. A bucket that came back to a pool is in use there again.
    #[must_use]
    pub fn left_on(newest_first: &[Self], pool: PoolId, bucket: &BucketName) -> Option<Self> {
        for migration in newest_first.iter().filter(|migration| migration.bucket == *bucket) {
            if migration.left_behind(pool, bucket) {
                return Some(migration.clone());
            }
            if migration.destination.id == pool && migration.orphan.is_some() {
                return None;
            }
        }
        None
    }

    /// Whether it left objects of the bucket on a pool that are there still.
    #[must_use]
    pub fn left_behind(&self, pool: PoolId, bucket: &BucketName) -> bool {
        let is_there = |orphan: &Orphan| orphan.pool.id == pool && orphan.purged_at.is_none();
        *bucket == self.bucket && self.orphan.as_ref().is_some_and(is_there)
    }
}
