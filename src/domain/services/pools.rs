//! Pools.

use super::files::gated;
use super::publish::Change;
use super::{Context, ServiceError, expect_revision, lost_place};
use crate::domain::audit::{Action, Actor, Snapshot, Subject};
use crate::domain::gateway::FileName;
use crate::domain::gateway::moving::Moving;
use crate::domain::ids::{EntityKind, PoolId, Revision};
use crate::domain::page::{Page, Window};
use crate::domain::pool::{Keepalive, LbMethod, Pool, PoolKind, PoolName};
use crate::domain::vhost::Vhost;
use crate::ports::store::Tx;

/// A pool to be made.
#[derive(Debug, Clone)]
pub struct NewPool {
    /// Its name.
    pub name: PoolName,
    /// Free text.
    pub description: Option<String>,
    /// What its nodes speak.
    pub kind: PoolKind,
    /// How nginx chooses.
    pub lb_method: LbMethod,
    /// Idle connections kept.
    pub keepalive: Keepalive,
    /// The nanio pool behind an `http` pool.
    pub source_nanio_pool_id: Option<PoolId>,
}

/// What to change of a pool. `None` leaves a field, `Some(None)` clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolPatch {
    /// Its name.
    pub name: Option<PoolName>,
    /// Free text.
    pub description: Option<Option<String>>,
    /// What its nodes speak.
    pub kind: Option<PoolKind>,
    /// How nginx chooses.
    pub lb_method: Option<LbMethod>,
    /// Idle connections kept.
    pub keepalive: Option<Keepalive>,
    /// The nanio pool behind an `http` pool.
    pub source_nanio_pool_id: Option<Option<PoolId>>,
}

/// Use cases about pools.
#[derive(Clone)]
pub struct Pools {
    context: Context,
}

impl Pools {
    pub(super) fn new(context: Context) -> Self {
        Self { context }
    }

    /// All pools by name.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self) -> Result<Vec<Pool>, ServiceError> {
        self.context.store.read(|tx| Ok(tx.pools()?)).await
    }

    /// A part of the list of pools.
    ///
    /// # Errors
    /// [`ServiceError::Refused`] when the place where it begins cannot be known.
    pub async fn page(&self, window: Window<PoolId, PoolName>) -> Result<Page<Pool>, ServiceError> {
        let read = move |tx: &mut dyn Tx| {
            let name = |id: PoolId| match tx.pool(id)? {
                Some(pool) => Ok(pool.name),
                None => Err(lost_place("pool", id, "name")),
            };
            let after = window.after.map(|seen| seen.key_or(name)).transpose()?;
            let pools = tx.pools_after(after.as_ref(), Page::<Pool>::reach(window.limit))?;
            Ok(Page::cut(pools, window.limit))
        };
        self.context.store.read(read).await
    }

    /// One pool.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn get(&self, id: PoolId) -> Result<Pool, ServiceError> {
        self.context.store.read(move |tx| find(tx, id)).await
    }

    /// Makes a pool. It has no file until a member is enabled.
    ///
    /// # Errors
    /// A taken name, an unusable source pool, or what nginx would refuse.
    pub async fn create(&self, actor: Actor, new: NewPool) -> Result<Pool, ServiceError> {
        self.context.publisher.change(actor, move |change: &mut Change<'_>| insert(change, &new)).await
    }

    /// Changes a pool; a change of nothing is not a change.
    ///
    /// # Errors
    /// As [`Pools::create`], and a kind that members or vhosts contradict.
    pub async fn update(
        &self,
        actor: Actor,
        id: PoolId,
        expected: Option<Revision>,
        patch: PoolPatch,
    ) -> Result<Pool, ServiceError> {
        self.context.publisher.change(actor, move |change: &mut Change<'_>| edit(change, id, expected, &patch)).await
    }

    /// Removes a pool that nothing uses, with its members. `http` pools that named it as their
    /// source name none afterwards.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] while a vhost or route uses it.
    pub async fn delete(&self, actor: Actor, id: PoolId, expected: Option<Revision>) -> Result<(), ServiceError> {
        self.context.publisher.change(actor, move |change: &mut Change<'_>| remove(change, id, expected)).await
    }
}

/// Makes a pool, as a part of a change.
///
/// # Errors
/// As [`Pools::create`].
pub(super) fn insert(change: &mut Change<'_>, new: &NewPool) -> Result<Pool, ServiceError> {
    let (tx, now, new) = (&mut *change.tx, change.now, new.clone());
    expect_free_name(tx, new.name.as_str(), None)?;
    expect_usable_source(tx, new.kind, new.source_nanio_pool_id)?;
    let pool = Pool {
        id: PoolId(tx.next_id(EntityKind::Pool)?),
        revision: Revision::NEW,
        name: new.name,
        description: new.description,
        kind: new.kind,
        lb_method: new.lb_method,
        keepalive: new.keepalive,
        source_nanio_pool_id: new.source_nanio_pool_id,
        created_at: now,
        updated_at: now,
    };
    let pool = tx.save_pool(pool)?;
    change.touch_pool(pool.id);
    change.audit(Action::Create, subject(pool.id), None, Some(Snapshot::Pool(pool.clone())))?;
    Ok(pool)
}

/// Changes a pool, as a part of a change.
///
/// # Errors
/// As [`Pools::update`].
pub(super) fn edit(
    change: &mut Change<'_>,
    id: PoolId,
    expected: Option<Revision>,
    patch: &PoolPatch,
) -> Result<Pool, ServiceError> {
    let before = find(change.tx, id)?;
    expect_revision("Pool", expected, before.revision)?;
    let after = patched(before.clone(), patch)?;
    if after == before {
        return Ok(before);
    }
    let users = checked_users(change.tx, &before, &after)?;
    let saved = change.tx.save_pool(Pool { updated_at: change.now, ..after })?;
    if saved.name != before.name {
        change.retire(FileName::Upstream(before.name.clone()));
        // Their sidecars name it.
        for backed in change.tx.pools_backed_by(id)? {
            change.touch_pool(backed.id);
        }
    }
    change.touch_pool(id);
    for vhost in users {
        change.touch_vhost(vhost.id);
    }
    let (old, new) = (Snapshot::Pool(before), Snapshot::Pool(saved.clone()));
    change.audit(Action::Update, subject(id), Some(old), Some(new))?;
    Ok(saved)
}

/// Removes a pool, as a part of a change.
///
/// # Errors
/// As [`Pools::delete`].
pub(super) fn remove(change: &mut Change<'_>, id: PoolId, expected: Option<Revision>) -> Result<(), ServiceError> {
    let pool = find(change.tx, id)?;
    expect_revision("Pool", expected, pool.revision)?;
    expect_unused(change.tx, &pool)?;
    expect_not_moving(change.tx, &pool)?;
    for backed in change.tx.pools_backed_by(id)? {
        let cleared = Pool { source_nanio_pool_id: None, updated_at: change.now, ..backed.clone() };
        let cleared = change.tx.save_pool(cleared)?;
        change.touch_pool(cleared.id);
        let (old, new) = (Snapshot::Pool(backed), Snapshot::Pool(cleared.clone()));
        change.audit(Action::Update, subject(cleared.id), Some(old), Some(new))?;
    }
    for member in change.tx.members(id)? {
        change.remember(Some(Snapshot::Member(member)), None)?;
    }
    change.tx.delete_pool(id)?;
    change.retire(FileName::Upstream(pool.name.clone()));
    change.audit(Action::Delete, subject(id), Some(Snapshot::Pool(pool)), None)?;
    Ok(())
}

pub(super) fn find(tx: &mut dyn Tx, id: PoolId) -> Result<Pool, ServiceError> {
    tx.pool(id)?.ok_or(ServiceError::NotFound("Pool"))
}

fn subject(id: PoolId) -> Subject {
    Subject::Entity(EntityKind::Pool, id.0)
}

fn patched(mut pool: Pool, patch: &PoolPatch) -> Result<Pool, ServiceError> {
    let patch = patch.clone();
    pool.name = patch.name.unwrap_or(pool.name);
    pool.description = patch.description.unwrap_or(pool.description);
    pool.kind = patch.kind.unwrap_or(pool.kind);
    pool.lb_method = patch.lb_method.unwrap_or(pool.lb_method);
    pool.keepalive = patch.keepalive.unwrap_or(pool.keepalive);
    match patch.source_nanio_pool_id {
        Some(Some(_)) if pool.kind != PoolKind::Http => return Err(source_needs_http()),
        Some(source) => pool.source_nanio_pool_id = source,
        None if pool.kind != PoolKind::Http => pool.source_nanio_pool_id = None,
        None => {}
    }
    Ok(pool)
}

fn source_needs_http() -> ServiceError {
    ServiceError::Refused("source_nanio_pool_id is only allowed on pools of type http".to_owned())
}

/// nginx and the gate know the pools of a moving bucket by their names.
fn expect_not_moving(tx: &mut dyn Tx, pool: &Pool) -> Result<(), ServiceError> {
    let linked = pool.source_nanio_pool_id.unwrap_or(pool.id);
    let concerns =
        |moving: &Moving| [pool.id, linked].iter().any(|id| [moving.source, moving.destination].contains(id));
    match gated(tx)?.into_iter().find(concerns) {
        None => Ok(()),
        Some(moving) => Err(ServiceError::Conflict(format!(
            "pool {} cannot be renamed or removed now: migration {} moves bucket {} from it or to it. Wait until the \
             migration has ended, or cancel it, first",
            pool.name, moving.migration, moving.bucket
        ))),
    }
}

/// Checks a changed pool against all that refers to it; returns the vhosts whose files it changes.
pub(super) fn checked_users(tx: &mut dyn Tx, before: &Pool, after: &Pool) -> Result<Vec<Vhost>, ServiceError> {
    if after.name != before.name {
        expect_free_name(tx, after.name.as_str(), Some(before.id))?;
        expect_not_moving(tx, before)?;
    }
    expect_usable_source(tx, after.kind, after.source_nanio_pool_id)?;
    if after.source_nanio_pool_id == Some(after.id) {
        return Err(ServiceError::Refused("a pool cannot be its own source".to_owned()));
    }
    if after.kind != before.kind {
        expect_kind_fits(tx, before, after)?;
    }
    if after.kind != before.kind || after.name != before.name { Ok(tx.vhosts_using(after.id)?) } else { Ok(Vec::new()) }
}

fn expect_free_name(tx: &mut dyn Tx, name: &str, own: Option<PoolId>) -> Result<(), ServiceError> {
    match tx.pool_named(name)? {
        Some(other) if Some(other.id) != own => Err(ServiceError::Conflict(format!(
            "Pool '{}' already exists (nginx compares upstream names without regard to case)",
            other.name
        ))),
        _ => Ok(()),
    }
}

pub(super) fn expect_usable_source(
    tx: &mut dyn Tx,
    kind: PoolKind,
    source: Option<PoolId>,
) -> Result<(), ServiceError> {
    let Some(source) = source else { return Ok(()) };
    if kind != PoolKind::Http {
        return Err(source_needs_http());
    }
    match tx.pool(source)? {
        None => Err(ServiceError::Refused(format!("source_nanio_pool_id: pool {source} does not exist"))),
        Some(pool) if pool.kind != PoolKind::Nanio => Err(ServiceError::Refused(format!(
            "source_nanio_pool_id: pool {} is of type {}, not nanio",
            pool.name,
            pool.kind.as_str()
        ))),
        Some(_) => Ok(()),
    }
}

fn expect_kind_fits(tx: &mut dyn Tx, before: &Pool, after: &Pool) -> Result<(), ServiceError> {
    if let Some(member) = tx.members(after.id)?.into_iter().find(|member| !member.role.fits(after.kind)) {
        return Err(ServiceError::Rejected(format!(
            "Cannot change type to {}: member {} has role {}",
            after.kind.as_str(),
            member.address,
            member.role.as_str()
        )));
    }
    if tx.credential(after.id)?.is_some() {
        return Err(ServiceError::Rejected(format!(
            "Cannot change type of pool {}: it has S3 keys of its own, which only nanio pools have; remove them first",
            before.name
        )));
    }
    if let Some(vhost) = tx.vhosts_using(after.id)?.first() {
        return Err(ServiceError::Rejected(format!(
            "Cannot change type of pool {} while vhost {} uses it",
            before.name, vhost.server_name
        )));
    }
    if let Some(backed) = tx.pools_backed_by(after.id)?.first() {
        return Err(ServiceError::Rejected(format!(
            "Cannot change type of pool {}: it is the source of pool {}",
            before.name, backed.name
        )));
    }
    Ok(())
}

fn expect_unused(tx: &mut dyn Tx, pool: &Pool) -> Result<(), ServiceError> {
    let users = tx.vhosts_using(pool.id)?;
    if users.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = users.iter().map(|vhost| vhost.server_name.as_str()).collect();
    Err(ServiceError::Conflict(format!(
        "Pool '{}' is used by the routes or as the default pool of: {}",
        pool.name,
        names.join(", ")
    )))
}
