//! What is done to a route as a part of a change, and the rules that it keeps. The objects of its bucket are for the caller
//! to look at.

use super::{CreatedRoute, NewRoute, RoutePatch, RouteView};
use crate::domain::audit::{Action, Snapshot, Subject};
use crate::domain::ids::{EntityKind, Revision, RouteId, VhostId};
use crate::domain::pool::{Pool, PoolKind};
use crate::domain::route::Route;
use crate::domain::services::buckets::follow_route;
use crate::domain::services::publish::Change;
use crate::domain::services::{ServiceError, expect_revision, guard, pools, vhosts};
use crate::domain::time::Timestamp;
use crate::domain::vhost::{Snippet, Vhost};
use crate::ports::store::Tx;

/// Whether the change of a route leaves every request where it is served now.
pub(in crate::domain::services) fn serves_as_before(before: &Route, after: &Route) -> bool {
    let same_place = before.path_prefix.canonical() == after.path_prefix.canonical();
    let off = !before.enabled && !after.enabled;
    off || (same_place && before.pool_id == after.pool_id && before.enabled == after.enabled)
}

fn subject(id: RouteId) -> Subject {
    Subject::Entity(EntityKind::Route, id.0)
}

pub(in crate::domain::services) fn find(tx: &mut dyn Tx, vhost: VhostId, id: RouteId) -> Result<Route, ServiceError> {
    vhosts::find(tx, vhost)?;
    tx.route(id)?.filter(|route| route.vhost_id == vhost).ok_or(ServiceError::NotFound("Route"))
}

pub(super) fn view(tx: &mut dyn Tx, route: Route) -> Result<RouteView, ServiceError> {
    let pool = pools::find(tx, route.pool_id)?;
    Ok(RouteView { route, pool_name: pool.name })
}

pub(super) fn patched(
    mut route: Route,
    patch: &RoutePatch,
    extra_directives: Option<Option<Snippet>>,
) -> Result<Route, ServiceError> {
    let patch = patch.clone();
    let before = route.clone();
    route.path_prefix = patch.path_prefix.unwrap_or(route.path_prefix);
    route.pool_id = patch.pool_id.unwrap_or(route.pool_id);
    route.key_prefix = patch.key_prefix.unwrap_or(route.key_prefix);
    route.extra_directives = extra_directives.unwrap_or(route.extra_directives);
    route.enabled = patch.enabled.unwrap_or(route.enabled);
    if before.path_prefix.is_root() && route != before {
        return Err(ServiceError::Rejected(
            "The route / follows the vhost: change default_pool_id, extra_directives or enabled of the vhost instead"
                .to_owned(),
        ));
    }
    Ok(route)
}

/// Makes a route, as a part of a change.
///
/// # Errors
/// As [`super::Routes::create`], but for the objects of the bucket: that is for the caller to look at.
pub(in crate::domain::services) fn insert(
    change: &mut Change<'_>,
    vhost: VhostId,
    new: &NewRoute,
    extra_directives: Option<Snippet>,
    action: Action,
) -> Result<CreatedRoute, ServiceError> {
    let owner = vhosts::find(change.tx, vhost)?;
    let id = RouteId(change.tx.next_id(EntityKind::Route)?);
    let route = Route { extra_directives, ..draft(vhost, id, new, change.now) };
    let pool = check(change.tx, &owner, &route)?;
    let route = save(change, None, route, action)?;
    follow_route(change, vhost, &route.path_prefix)?;
    Ok(CreatedRoute { view: RouteView { route, pool_name: pool.name }, default_pool_id: owner.default_pool_id })
}

/// Changes a route, as a part of a change.
///
/// # Errors
/// As [`super::Routes::update`], but for the objects of the bucket: that is for the caller to look at.
pub(in crate::domain::services) fn edit(
    change: &mut Change<'_>,
    vhost: VhostId,
    id: RouteId,
    expected: Option<Revision>,
    patch: &RoutePatch,
    extra_directives: Option<Option<Snippet>>,
) -> Result<RouteView, ServiceError> {
    let before = find(change.tx, vhost, id)?;
    expect_revision("Route", expected, before.revision)?;
    let after = patched(before.clone(), patch, extra_directives)?;
    if after == before {
        return view(change.tx, before);
    }
    if !serves_as_before(&before, &after) {
        guard::expect_not_moving(change.tx, vhost, before.path_prefix.bucket())?;
    }
    let owner = vhosts::find(change.tx, vhost)?;
    let pool = check(change.tx, &owner, &after)?;
    let saved = save(change, Some(before.clone()), after, Action::Update)?;
    for prefix in [&before.path_prefix, &saved.path_prefix] {
        follow_route(change, vhost, prefix)?;
    }
    Ok(RouteView { route: saved, pool_name: pool.name })
}

/// Removes a route, as a part of a change.
///
/// # Errors
/// As [`super::Routes::delete`], but for the objects of the bucket: that is for the caller to look at.
pub(in crate::domain::services) fn remove(
    change: &mut Change<'_>,
    vhost: VhostId,
    id: RouteId,
    expected: Option<Revision>,
    action: Action,
) -> Result<(), ServiceError> {
    let route = find(change.tx, vhost, id)?;
    expect_revision("Route", expected, route.revision)?;
    expect_own(&route)?;
    guard::expect_not_moving(change.tx, vhost, route.path_prefix.bucket())?;
    let prefix = route.path_prefix.clone();
    erase(change, route, action)?;
    follow_route(change, vhost, &prefix)
}

/// Saves a route that was found to fit. The record of its bucket is for the caller to bring in line.
///
/// # Errors
/// The store's.
pub(in crate::domain::services) fn save(
    change: &mut Change<'_>,
    before: Option<Route>,
    after: Route,
    action: Action,
) -> Result<Route, ServiceError> {
    let saved = change.tx.save_route(Route { updated_at: change.now, ..after })?;
    change.touch_route(saved.vhost_id, saved.id);
    change.audit(action, subject(saved.id), before.map(Snapshot::Route), Some(Snapshot::Route(saved.clone())))?;
    Ok(saved)
}

/// Removes a route that may go. The record of its bucket is for the caller to bring in line.
///
/// # Errors
/// The store's.
pub(in crate::domain::services) fn erase(
    change: &mut Change<'_>,
    route: Route,
    action: Action,
) -> Result<(), ServiceError> {
    change.tx.delete_route(route.id)?;
    change.touch_route(route.vhost_id, route.id);
    change.audit(action, subject(route.id), Some(Snapshot::Route(route)), None)?;
    Ok(())
}

/// The route `/` is made and removed with the vhost's default pool.
pub(super) fn expect_own(route: &Route) -> Result<(), ServiceError> {
    if !route.path_prefix.is_root() {
        return Ok(());
    }
    Err(ServiceError::Rejected(
        "The route / follows the vhost's default pool: change default_pool_id of the vhost instead".to_owned(),
    ))
}

/// The rules that a new route must keep.
pub(in crate::domain::services) fn check_new(
    tx: &mut dyn Tx,
    vhost: &Vhost,
    new: &NewRoute,
) -> Result<Pool, ServiceError> {
    check(tx, vhost, &draft(vhost.id, RouteId(0), new, Timestamp::UNKNOWN))
}

fn draft(vhost: VhostId, id: RouteId, new: &NewRoute, now: Timestamp) -> Route {
    let new = new.clone();
    Route {
        id,
        revision: Revision::NEW,
        vhost_id: vhost,
        path_prefix: new.path_prefix,
        pool_id: new.pool_id,
        key_prefix: new.key_prefix,
        extra_directives: None,
        enabled: new.enabled,
        created_at: now,
        updated_at: now,
    }
}

/// The rules between a route, its vhost and its pool.
pub(in crate::domain::services) fn check(tx: &mut dyn Tx, vhost: &Vhost, route: &Route) -> Result<Pool, ServiceError> {
    let Some(pool) = tx.pool(route.pool_id)? else {
        return Err(ServiceError::Rejected(format!("pool_id: pool {} does not exist", route.pool_id)));
    };
    let default = vhost.default_pool_id.map(|id| tx.pool(id)).transpose()?.flatten();
    fits(vhost, default.as_ref(), &pool, route)?;
    match tx.route_at(vhost.id, route.path_prefix.canonical())? {
        Some(other) if other.id != route.id => Err(ServiceError::Conflict(format!(
            "Route '{}' already exists in vhost {}",
            other.path_prefix, vhost.server_name
        ))),
        _ => Ok(pool),
    }
}

/// The same, but for the prefix, which must be free.
pub(in crate::domain::services) fn fits(
    vhost: &Vhost,
    default: Option<&Pool>,
    pool: &Pool,
    route: &Route,
) -> Result<(), ServiceError> {
    if let Some(default) = default
        && default.kind != pool.kind
    {
        return Err(ServiceError::Rejected(format!(
            "pool {} is of type {}, but vhost {} serves {} pools (its default pool is {})",
            pool.name,
            pool.kind.as_str(),
            vhost.server_name,
            default.kind.as_str(),
            default.name
        )));
    }
    if route.key_prefix.is_some() && pool.kind == PoolKind::Nanio {
        return Err(ServiceError::Rejected(format!(
            "key_prefix cannot be used with pool {} of type nanio: S3 requests sign their path, and a changed path breaks the signature",
            pool.name
        )));
    }
    Ok(())
}
