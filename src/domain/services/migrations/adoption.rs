//! Ending a split of reads and writes that 0.4.x left in nginx, without losing what a client was told is written.
//!
//! During a split every write goes to the split's destination, deletions too, and reads ask its source first. So what
//! clients did is known at the destination; the source may have objects that the destination lacks: 0.4.x had not
//! copied them, or clients have deleted them. Nobody can tell which; they stay.
//!
//! An adoption is a migration the other way: from the pool that takes the writes to the one that is read first. nginx
//! goes on as the split did and writes down every write; what is newer where writes go is carried back; then writes are
//! held, the last keys follow, and the split's source serves the bucket alone. Nothing is in doubt any more: who wants
//! the bucket at the destination has it moved there, which the split's own record then does as any migration.
//!
//! Once nginx has it there is no way back but forward: without the split, what was written to the one side would be
//! missing on the other.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::compare::Differences;
use super::drive::Drive;
use super::reach::prefix_of;
use super::record;
use crate::domain::migration::machine::{Outcome, Step};
use crate::domain::migration::work::{MigrationKind, Side, Work};
use crate::domain::migration::{Migration, Named, Phase};
use crate::domain::pool::PoolKind;
use crate::domain::route::Route;
use crate::domain::services::ServiceError;
use crate::domain::services::publish::Change;
use crate::ports::object_storage::StorageError;

/// How many objects are asked about at a time.
const AT_ONCE: usize = 32;
/// Times of writing are told in whole seconds, and so are those of the clocks that they are compared by.
const GRAIN: i64 = 2;
/// How many keys are named of those that are in doubt.
const NAMED: usize = 20;
/// How long an adoption waits after all its cutovers were taken back.
const REST: Duration = Duration::from_secs(30);

/// The route leads to where writes go: from now on that is what nginx has of it, beside the gate.
pub(super) fn lead_to_writes(change: &mut Change<'_>, migration: &Migration) -> Result<(), ServiceError> {
    let prefix = prefix_of(&migration.bucket);
    if let Some(route) = change.tx.route_at(migration.vhost.id, &prefix)?
        && route.pool_id == migration.destination.id
    {
        let moved = Route { pool_id: migration.source.id, updated_at: change.now, ..route.clone() };
        change.save_route(Some(route), moved)?;
    }
    Ok(())
}

/// `http` vhosts in which 0.4.x split the reads of the bucket read one side again: the other one has nothing more.
pub(super) fn join_readers(change: &mut Change<'_>, migration: &mut Migration) -> Result<(), ServiceError> {
    let splits: Vec<Migration> =
        change.tx.migrations_of(&migration.bucket)?.into_iter().filter(|one| one.needs_adoption).collect();
    for split in splits {
        if change.tx.pool(split.source.id)?.is_none_or(|pool| pool.kind != PoolKind::Http) {
            continue;
        }
        let (vhost, name) = (split.vhost.id, split.vhost.name.clone());
        end_split(change, split)?;
        if change.tx.migration_to_adopt(vhost)?.is_none() {
            change.touch_vhost(vhost);
            migration.updated_http_vhosts.push(name);
        } else {
            // It splits another bucket: its file stays as it is, and reads of this one find everything.
            migration.swept_http_vhosts.push(name);
        }
    }
    Ok(())
}

/// The split is nobody's any more. If the bucket is wanted at its destination, the record begins anew, as a migration
/// like any other.
pub(super) fn close(change: &mut Change<'_>, adoption: &Migration) -> Result<(), ServiceError> {
    let Some(adopts) = adoption.work.adopts else { return Ok(()) };
    let Some(split) = change.tx.migration(adopts.split)?.filter(|split| split.needs_adoption) else { return Ok(()) };
    if adopts.to == Side::Source {
        return end_split(change, split);
    }
    change.tx.save_migration(Migration {
        phase: Phase::Pending,
        route_id: adoption.route_id,
        needs_adoption: false,
        error_msg: None,
        started_at: None,
        finished_at: None,
        work: Work::default(),
        ..split
    })?;
    Ok(())
}

fn end_split(change: &mut Change<'_>, split: Migration) -> Result<(), ServiceError> {
    let finished_at = Some(change.now);
    let ended = Migration { phase: Phase::Cancelled, needs_adoption: false, error_msg: None, finished_at, ..split };
    change.tx.save_migration(ended)?;
    Ok(())
}

/// Ends the split of an `http` vhost whose bucket is split nowhere else: only reads are concerned.
pub(super) fn adopt_reader(change: &mut Change<'_>, split: Migration, to: Side) -> Result<Migration, ServiceError> {
    let id = split.id;
    for other in change.tx.migrations_of(&split.bucket)? {
        let is_nanio = change.tx.pool(other.source.id)?.is_some_and(|pool| pool.kind == PoolKind::Nanio);
        if other.id != id && other.needs_adoption && is_nanio {
            return Err(ServiceError::Conflict(format!(
                "vhost {} only reads bucket {}: adopt migration {}, and it follows",
                split.vhost.name, split.bucket, other.id
            )));
        }
    }
    let pool = if to == Side::Source { split.source.id } else { split.destination.id };
    if let Some(route) = change.tx.route_at(split.vhost.id, &prefix_of(&split.bucket))? {
        let moved = Route { pool_id: pool, updated_at: change.now, ..route.clone() };
        change.save_route(Some(route), moved)?;
    }
    change.touch_vhost(split.vhost.id);
    end_split(change, split)?;
    record::find(change.tx, id)
}

impl Drive {
    pub(super) fn is_adoption(&self) -> bool {
        self.migration.work.kind == MigrationKind::Adoption
    }

    /// Whether it can only go forward: nginx has an adoption in the place of the split.
    pub(super) fn must_go_on(&self) -> bool {
        self.is_adoption() && self.migration.work.gate.is_some() && !self.migration.work.committed
    }

    /// Keeps the file of the split's record as that is. A rebuild needs it; the migration does not.
    pub(super) async fn keep_file_of_split(&self) {
        let Some(adopts) = self.migration.work.adopts else { return };
        let split = self.shared.store.read(move |tx| record::find(tx, adopts.split)).await;
        let kept = match split {
            Ok(split) => self.shared.files.write(&split).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = kept {
            tracing::error!(migration = adopts.split.0, %error, "the migration's file could not be written");
        }
    }

    /// Takes a step of an adoption: what would end another migration is tried again until somebody has removed the cause.
    pub(super) async fn take_patiently(&mut self, step: Step) -> Outcome {
        if step == Step::JournalOn && !self.must_go_on() && (self.live.is_cancelled() || self.migration.work.cancel) {
            return Outcome::Cancelled;
        }
        let outcome = self.take(step).await;
        match outcome {
            Outcome::Failed(why) if step == Step::Thaw => {
                self.migration.work.attempts = 0;
                self.say("copying", format!("{why}; it is tried again"));
                self.shared.timer.pause(REST).await;
                Outcome::Done
            }
            Outcome::Failed(why) if self.must_go_on() => Outcome::NotNow(why),
            outcome => outcome,
        }
    }

    /// Takes away the keys that are to be left as they are: those that were written last on the pool that is read
    /// first. Says which are in doubt.
    pub(super) async fn leave_newer(&mut self, found: &mut Differences) -> Result<(), Outcome> {
        let sides = self.sides().await?;
        let not_now = |error: StorageError| Outcome::NotNow(format!("comparing times: {error}"));
        let (storage, bucket) = (&sides.storage, &sides.bucket);
        let here = storage.time(&sides.source).await.map_err(not_now)?;
        let there = storage.time(&sides.destination).await.map_err(not_now)?;
        let doubt = (here.unix() - there.unix()).abs() + GRAIN;
        let judged: Vec<(String, bool)> = stream::iter(std::mem::take(&mut found.source))
            .map(|key| async {
                let theirs = storage.written_at(&sides.destination, bucket, &key).await?;
                let ours = match theirs {
                    Some(_) => storage.written_at(&sides.source, bucket, &key).await?,
                    None => None,
                };
                let is_newer =
                    matches!((theirs, ours), (Some(theirs), Some(ours)) if theirs.unix() > ours.unix() + doubt);
                Ok::<_, StorageError>((key, is_newer))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await
            .map_err(not_now)?;
        let (newer, older): (Vec<_>, Vec<_>) = judged.into_iter().partition(|(_, is_newer)| *is_newer);
        found.source = older.into_iter().map(|(key, _)| key).collect();
        let newer: Vec<String> = newer.into_iter().map(|(key, _)| key).collect();
        let Named { name, .. } = &self.migration.destination;
        if !newer.is_empty() {
            self.say("copying", format!("written last on pool {name}, and kept as they are there: {}", named(&newer)));
        }
        if !found.destination.is_empty() {
            let line = format!(
                "on pool {name} only, and kept: 0.4.x had not copied them, or clients have deleted them during the \
                 split, which cannot be told: {}",
                named(&found.destination)
            );
            self.say("copying", line);
        }
        Ok(())
    }
}

/// How many keys, and the first of them.
fn named(keys: &[String]) -> String {
    let first: Vec<String> = keys.iter().take(NAMED).map(|key| format!("{key:?}")).collect();
    let more = if keys.len() > NAMED { ", …" } else { "" };
    format!("{} objects ({}{more})", keys.len(), first.join(", "))
}
