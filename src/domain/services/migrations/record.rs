//! The changes that a migration makes to the gateway: journal on, switch, tidy up. Each is one change, tested by nginx
//! and committed with its audit entry like any other.

use super::adoption::{close, join_readers, lead_to_writes};
use super::reach::{Reach, prefix_of, reach};
use crate::domain::audit::{Action, MigrationSnapshot, Snapshot, Subject};
use crate::domain::bucket::{Bucket, BucketStatus};
use crate::domain::ids::{EntityKind, MigrationId, PoolId, Revision, RouteId, VhostId};
use crate::domain::migration::token::{GateStage, MigrationGate, Token};
use crate::domain::migration::work::{Comparison, MigrationKind};
use crate::domain::migration::{Migration, Named, Orphan};
use crate::domain::pool::{Pool, PoolKind};
use crate::domain::route::{PathPrefix, Route};
use crate::domain::services::ServiceError;
use crate::domain::services::publish::Change;
use crate::ports::store::Tx;

/// The migration as it is in the database.
pub(super) fn find(tx: &mut dyn Tx, id: MigrationId) -> Result<Migration, ServiceError> {
    tx.migration(id)?.ok_or(ServiceError::NotFound("Migration"))
}

/// nginx writes down every write of the bucket, and asks the token where it goes.
pub(super) fn journal_on(change: &mut Change<'_>, id: MigrationId, token: &Token) -> Result<Migration, ServiceError> {
    let mut migration = find(change.tx, id)?;
    if migration.work.kind == MigrationKind::Adoption {
        lead_to_writes(change, &migration)?;
    }
    let reach = expect_reach(change.tx, &migration)?;
    let gate = MigrationGate { token: token.clone(), stage: GateStage::Gated, source_uploads: Vec::new() };
    migration.work.gate = Some(gate);
    let saved = change.tx.save_migration(migration)?;
    touch(change, &reach);
    mark(change, &saved, BucketStatus::Migrating, saved.serving().id)?;
    change.tell("migration_gated", Subject::Entity(EntityKind::Migration, id.0));
    Ok(saved)
}

/// The routes lead to the destination from now on, whoever used to lead to the source.
pub(super) fn switch(change: &mut Change<'_>, id: MigrationId, uploads: &[String]) -> Result<Migration, ServiceError> {
    let mut migration = find(change.tx, id)?;
    let (source, destination, now) = (migration.source.id, migration.destination.id, change.now);
    let reach = reach(change.tx, source, &migration.bucket)?;
    for (vhost, route) in &reach.routes {
        let moved = Route { pool_id: destination, updated_at: now, ..route.clone() };
        change.save_route(Some(route.clone()), moved)?;
        change.touch_route(vhost.id, route.id);
    }
    for vhost in &reach.defaults {
        give_route(change, vhost.id, &migration, destination)?;
    }
    cascade(change, &reach, &mut migration)?;
    if migration.work.kind == MigrationKind::Adoption {
        join_readers(change, &mut migration)?;
    }
    // The gate must leave the vhosts that had it, and those that keep it for uploads must get it again.
    touch(change, &reach);
    if let Some(gate) = &mut migration.work.gate {
        gate.stage = GateStage::Settled;
        gate.source_uploads = uploads.to_vec();
    }
    migration.work.committed = true;
    // The source is needed until it has been compared with what was made of it.
    migration.work.audit = Some(Comparison::Pending);
    migration.error_msg = None;
    migration.orphan = Some(Orphan {
        pool: migration.source.clone(),
        prefix: format!("/{}/", migration.bucket),
        since: now,
        purged_at: None,
    });
    migration.finished_at = Some(now);
    let before = find(change.tx, id)?;
    let saved = change.tx.save_migration(migration)?;
    mark(change, &saved, BucketStatus::Routed, destination)?;
    audit_done(change, &before, &saved)?;
    Ok(saved)
}

/// Nothing of the migration is rendered any more. Its token stays known: workers of nginx may still ask it.
pub(super) fn plain(change: &mut Change<'_>, id: MigrationId) -> Result<Migration, ServiceError> {
    let mut migration = find(change.tx, id)?;
    if let Some(gate) = &mut migration.work.gate {
        gate.stage = GateStage::Settled;
        gate.source_uploads.clear();
    }
    let serving = migration.serving().id;
    let reach = reach(change.tx, serving, &migration.bucket)?;
    let saved = change.tx.save_migration(migration)?;
    touch(change, &reach);
    if !saved.work.committed {
        mark(change, &saved, BucketStatus::Routed, serving)?;
    }
    change.tell("migration_settled", Subject::Entity(EntityKind::Migration, id.0));
    Ok(saved)
}

/// The back-fill has done what it could: nothing of it is rendered any more.
pub(super) fn conclude(change: &mut Change<'_>, id: MigrationId) -> Result<Migration, ServiceError> {
    let before = find(change.tx, id)?;
    let mut migration = plain(change, id)?;
    if migration.finished_at.is_some() {
        return Ok(migration);
    }
    migration.finished_at = Some(change.now);
    migration.error_msg = None;
    let saved = change.tx.save_migration(migration)?;
    audit_done(change, &before, &saved)?;
    Ok(saved)
}

fn audit_done(change: &mut Change<'_>, before: &Migration, after: &Migration) -> Result<(), ServiceError> {
    let snapshot = |migration| Some(Snapshot::Migration(MigrationSnapshot::of(migration)));
    let subject = Subject::Entity(EntityKind::Migration, after.id.0);
    Ok(change.audit(Action::MigrationDone, subject, snapshot(before), snapshot(after))?)
}

/// The token is nobody's any more.
pub(super) fn ungate(change: &mut Change<'_>, id: MigrationId) -> Result<Migration, ServiceError> {
    let mut migration = find(change.tx, id)?;
    migration.work.gate = None;
    migration.work.waiting_for_workers.clear();
    close(change, &migration)?;
    Ok(change.tx.save_migration(migration)?)
}

/// What the migration was asked for is still so.
pub(super) fn expect_reach(tx: &mut dyn Tx, migration: &Migration) -> Result<Reach, ServiceError> {
    for named in [&migration.source, &migration.destination] {
        let pool = tx.pool(named.id)?;
        if pool.as_ref().is_none_or(|pool| pool.name.as_str() != named.name) {
            return Err(ServiceError::Rejected(format!("pool {} is not there any more", named.name)));
        }
    }
    let serving = migration.serving();
    let reach = reach(tx, serving.id, &migration.bucket)?;
    if !reach.routes.iter().any(|(vhost, route)| vhost.id == migration.vhost.id && route.enabled && vhost.enabled) {
        return Err(ServiceError::Rejected(format!(
            "vhost {} has no enabled route /{}/ to pool {} any more",
            migration.vhost.name, migration.bucket, serving.name
        )));
    }
    if let Some(part) = reach.parts.first() {
        return Err(ServiceError::Rejected(format!(
            "{part} routes a part of bucket {}: the bucket cannot be moved as a whole; remove that route first",
            migration.bucket
        )));
    }
    Ok(reach)
}

fn touch(change: &mut Change<'_>, reach: &Reach) {
    for vhost in reach.vhosts() {
        change.touch_vhost(vhost.id);
    }
}

/// A vhost that reached the bucket through its default pool would find the orphan there.
fn give_route(
    change: &mut Change<'_>,
    vhost: VhostId,
    migration: &Migration,
    pool: PoolId,
) -> Result<(), ServiceError> {
    let prefix = PathPrefix::parse(&format!("/{}/", migration.bucket)).map_err(|invalid| {
        ServiceError::Rejected(format!("bucket {} cannot have a route: {invalid}", migration.bucket))
    })?;
    let now = change.now;
    if let Some(disabled) = change.tx.route_at(vhost, &prefix_of(&migration.bucket))? {
        let moved = Route { pool_id: pool, enabled: true, updated_at: now, ..disabled.clone() };
        change.save_route(Some(disabled), moved)?;
        return Ok(());
    }
    let id = RouteId(change.tx.next_id(EntityKind::Route)?);
    let route = Route {
        id,
        revision: Revision::NEW,
        vhost_id: vhost,
        path_prefix: prefix,
        pool_id: pool,
        key_prefix: None,
        extra_directives: None,
        enabled: true,
        created_at: now,
        updated_at: now,
    };
    change.save_route(None, route)?;
    Ok(())
}

/// Linked `http` vhosts follow to the `http` pool that is linked with the destination.
fn cascade(change: &mut Change<'_>, reach: &Reach, migration: &mut Migration) -> Result<(), ServiceError> {
    if reach.http.is_empty() {
        return Ok(());
    }
    let target = http_twin(change.tx, migration.destination.id)?;
    let (mut swept, mut updated) = (Vec::new(), Vec::new());
    for (vhost, route) in &reach.http {
        match &target {
            Some(pool) => {
                let moved = Route { pool_id: pool.id, updated_at: change.now, ..route.clone() };
                change.save_route(Some(route.clone()), moved)?;
                change.touch_route(vhost.id, route.id);
                updated.push(vhost.server_name.to_string());
            }
            None => swept.push(vhost.server_name.to_string()),
        }
    }
    migration.swept_http_vhosts = swept;
    migration.updated_http_vhosts = updated;
    Ok(())
}

/// The `http` pool that serves the files of a pool: the first one that has members.
pub(super) fn http_twin(tx: &mut dyn Tx, pool: PoolId) -> Result<Option<Pool>, ServiceError> {
    let mut linked = tx.pools_backed_by(pool)?;
    linked.sort_by_key(|pool| pool.id);
    for candidate in linked.into_iter().filter(|linked| linked.kind == PoolKind::Http) {
        if tx.members(candidate.id)?.iter().any(|member| member.enabled) {
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}

/// Writes into the lists of buckets what is now true of this one.
fn mark(
    change: &mut Change<'_>,
    migration: &Migration,
    status: BucketStatus,
    pool: PoolId,
) -> Result<(), ServiceError> {
    let Named { id: vhost, .. } = migration.vhost;
    if change.tx.vhost(vhost)?.is_none() {
        return Ok(());
    }
    let known = change.tx.bucket(vhost, &migration.bucket)?;
    let bucket = Bucket {
        vhost_id: vhost,
        name: migration.bucket.clone(),
        status,
        routed_pool_id: Some(pool),
        discovered_at: known.as_ref().map_or(change.now, |known| known.discovered_at),
    };
    change.tx.save_bucket(&bucket)?;
    Ok(change.remember(known.map(Snapshot::Bucket), Some(Snapshot::Bucket(bucket)))?)
}
