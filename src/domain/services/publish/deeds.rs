//! What a change does to the document, told from the rows that it writes. Rows hold ids; what is kept for later holds
//! names, which are asked for while they are there.

use crate::domain::audit::{Action, NewEntry, Snapshot};
use crate::domain::bucket::BucketStatus;
use crate::domain::ids::{PoolId, VhostId};
use crate::domain::manifest::{Deed, MemberSpec, PoolSpec, RouteSpec, Thing, VhostSpec};
use crate::domain::pool::PoolName;
use crate::domain::vhost::ServerName;
use crate::ports::store::{StoreError, Tx};

/// What the audit entry tells of the document.
///
/// # Errors
/// The store's.
pub(super) fn of(tx: &mut dyn Tx, entry: &NewEntry) -> Result<Option<Deed>, StoreError> {
    let untold = |what: &str| Some(Deed { before: None, after: Some(Thing::Untold(what.to_owned())) });
    match entry.action {
        Action::RebuildFromDisk => Ok(untold("the rebuild of the database from the disk")),
        Action::SyncFromDisk | Action::AbsorbDrift => Ok(untold("the edit that was taken over from the disk")),
        _ => between(tx, entry.before.as_ref(), entry.after.as_ref()),
    }
}

/// What lies between two states of a row; nothing, if the document does not show it.
///
/// # Errors
/// The store's.
pub(super) fn between(
    tx: &mut dyn Tx,
    before: Option<&Snapshot>,
    after: Option<&Snapshot>,
) -> Result<Option<Deed>, StoreError> {
    let (before, after) = (thing(tx, before)?, thing(tx, after)?);
    Ok((before != after).then_some(Deed { before, after }))
}

/// What the document shows of a row.
fn thing(tx: &mut dyn Tx, snapshot: Option<&Snapshot>) -> Result<Option<Thing>, StoreError> {
    let named = match snapshot {
        Some(Snapshot::Pool(pool)) => {
            let source = optional_pool_name(tx, pool.source_nanio_pool_id)?;
            source.map(|source| Thing::Pool(pool.name.clone(), PoolSpec::of(pool, source)))
        }
        Some(Snapshot::Member(member)) => {
            pool_name(tx, member.pool_id)?.map(|pool| Thing::Member(pool, MemberSpec::of(member)))
        }
        Some(Snapshot::Vhost(vhost)) => {
            let default = optional_pool_name(tx, vhost.default_pool_id)?;
            default.map(|default| Thing::Vhost(vhost.server_name.clone(), VhostSpec::of(vhost, default)))
        }
        // The route / is made and removed with the vhost's default pool.
        Some(Snapshot::Route(route)) if !route.path_prefix.is_root() => {
            let names = vhost_name(tx, route.vhost_id)?.zip(pool_name(tx, route.pool_id)?);
            let prefix = route.path_prefix.clone();
            names.map(|(vhost, pool)| Thing::Route(vhost, prefix, RouteSpec::of(route, pool)))
        }
        Some(Snapshot::Bucket(bucket)) if bucket.status == BucketStatus::Ignored => {
            vhost_name(tx, bucket.vhost_id)?.map(|vhost| Thing::IgnoredBucket(vhost, bucket.name.clone()))
        }
        _ => return Ok(None),
    };
    let nameless = || Thing::Untold("a change of something whose pool or vhost was gone".to_owned());
    Ok(Some(named.unwrap_or_else(nameless)))
}

/// The name behind an id that may be missing; `None`: there is an id, but no such pool.
fn optional_pool_name(tx: &mut dyn Tx, id: Option<PoolId>) -> Result<Option<Option<PoolName>>, StoreError> {
    match id {
        None => Ok(Some(None)),
        Some(id) => Ok(pool_name(tx, id)?.map(Some)),
    }
}

fn pool_name(tx: &mut dyn Tx, id: PoolId) -> Result<Option<PoolName>, StoreError> {
    Ok(tx.pool(id)?.map(|pool| pool.name))
}

fn vhost_name(tx: &mut dyn Tx, id: VhostId) -> Result<Option<ServerName>, StoreError> {
    Ok(tx.vhost(id)?.map(|vhost| vhost.server_name))
}
