//! Routes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::buckets::follow_route;
use super::guard::{self, Leftover, Serving};
use super::publish::Change;
use super::{Context, ServiceError, checked_snippet, expect_revision, lost_place, pools, vhosts};
use crate::domain::audit::{Action, Actor, Snapshot, Subject};
use crate::domain::ids::{EntityKind, PoolId, Revision, RouteId, VhostId};
use crate::domain::page::{Page, Seen, Window};
use crate::domain::pool::{Pool, PoolKind, PoolName};
use crate::domain::route::{KeyPrefix, PathPrefix, Route};
use crate::domain::time::Timestamp;
use crate::domain::vhost::{Snippet, Vhost};
use crate::ports::store::Tx;

/// A route with the name of its pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteView {
    /// The route.
    pub route: Route,
    /// The name of its pool.
    pub pool_name: PoolName,
}

/// A route that was just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedRoute {
    /// The route.
    pub view: RouteView,
    /// The default pool of its vhost.
    pub default_pool_id: Option<PoolId>,
}

/// A route to be made.
#[derive(Debug, Clone)]
pub struct NewRoute {
    /// The requests it serves.
    pub path_prefix: PathPrefix,
    /// The pool that serves them.
    pub pool_id: PoolId,
    /// Replacement of the prefix.
    pub key_prefix: Option<KeyPrefix>,
    /// Raw directives, not checked yet.
    pub extra_directives: Option<String>,
    /// Whether nginx uses it.
    pub enabled: bool,
    /// It may be made although the bucket's objects are on another pool.
    pub allow_orphan: bool,
}

/// What to change of a route. `None` leaves a field, `Some(None)` clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoutePatch {
    /// The requests it serves.
    pub path_prefix: Option<PathPrefix>,
    /// The pool that serves them.
    pub pool_id: Option<PoolId>,
    /// Replacement of the prefix.
    pub key_prefix: Option<Option<KeyPrefix>>,
    /// Raw directives, not checked yet.
    pub extra_directives: Option<Option<String>>,
    /// Whether nginx uses it.
    pub enabled: Option<bool>,
    /// What may happen to the bucket's objects.
    pub consent: Consent,
}

/// What may happen to a bucket whose pool changes although its objects do not move.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Consent {
    /// Objects may stay behind on the pool that serves the bucket now.
    pub allow_orphan: bool,
    /// The copy that a migration left may be served again, in place of what was written since. Includes the other.
    pub allow_stale: bool,
}

/// Use cases about routes.
#[derive(Clone)]
pub struct Routes {
    context: Context,
}

impl Routes {
    pub(super) fn new(context: Context) -> Self {
        Self { context }
    }

    /// The routes of a vhost, longest prefix first.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] for the vhost.
    pub async fn list(&self, vhost: VhostId) -> Result<Vec<RouteView>, ServiceError> {
        self.context
            .store
            .read(move |tx| {
                vhosts::find(tx, vhost)?;
                let pools = tx.pool_refs()?;
                let routes = tx.routes(vhost)?.into_iter();
                let view = |route: Route| {
                    let pool_name = pools.get(&route.pool_id)?.name.clone();
                    Some(RouteView { route, pool_name })
                };
                Ok(routes.filter_map(view).collect())
            })
            .await
    }

    /// A part of the list of routes.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] for the vhost, [`ServiceError::Refused`] when the place where the part begins
    /// cannot be known.
    pub async fn page(
        &self,
        vhost: VhostId,
        window: Window<RouteId, PathPrefix>,
    ) -> Result<Page<RouteView>, ServiceError> {
        let read = move |tx: &mut dyn Tx| {
            vhosts::find(tx, vhost)?;
            let prefix = |id: RouteId| match tx.route(id)? {
                Some(route) if route.vhost_id == vhost => Ok(route.path_prefix),
                _ => Err(lost_place("route", id, "path_prefix")),
            };
            let place = |seen: Seen<RouteId, PathPrefix>| Ok::<_, ServiceError>((seen.id, seen.key_or(prefix)?));
            let after = window.after.map(place).transpose()?;
            let after = after.as_ref().map(|(id, prefix)| (prefix, *id));
            let page = Page::cut(tx.routes_after(vhost, after, Page::<Route>::reach(window.limit))?, window.limit);
            // Only the pools of this page: there may be many.
            let mut names = HashMap::new();
            let mut view = |route: Route| {
                let pool_name = match names.entry(route.pool_id) {
                    Entry::Occupied(known) => PoolName::clone(known.get()),
                    Entry::Vacant(place) => place.insert(pools::find(tx, route.pool_id)?.name).clone(),
                };
                Ok::<_, ServiceError>(RouteView { route, pool_name })
            };
            Ok(Page { more: page.more, entries: page.entries.into_iter().map(&mut view).collect::<Result<_, _>>()? })
        };
        self.context.store.read(read).await
    }

    /// One route of a vhost.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] for vhost or route.
    pub async fn get(&self, vhost: VhostId, id: RouteId) -> Result<RouteView, ServiceError> {
        self.context
            .store
            .read(move |tx| {
                let route = find(tx, vhost, id)?;
                view(tx, route)
            })
            .await
    }

    /// Makes a route.
    ///
    /// # Errors
    /// A prefix that is taken, a pool that is unknown, of another type or without members, objects of the
    /// bucket that clients would no longer see, or what nginx refuses.
    pub async fn create(&self, actor: Actor, vhost: VhostId, new: NewRoute) -> Result<CreatedRoute, ServiceError> {
        let directives = self.checked(new.extra_directives.as_deref())?;
        if new.enabled && !new.allow_orphan {
            self.expect_no_orphans_on_create(vhost, &new).await?;
        }
        let make = move |change: &mut Change<'_>| insert(change, vhost, &new, directives.clone(), Action::Create);
        self.context.publisher.change(actor, make).await
    }

    /// Changes a route; a change of nothing is not a change.
    ///
    /// # Errors
    /// As [`Routes::create`]; the automatic route `/` follows its vhost and cannot be changed here.
    pub async fn update(
        &self,
        actor: Actor,
        vhost: VhostId,
        id: RouteId,
        expected: Option<Revision>,
        patch: RoutePatch,
    ) -> Result<RouteView, ServiceError> {
        let directives = match &patch.extra_directives {
            Some(text) => Some(self.checked(text.as_deref())?),
            None => None,
        };
        let seen = self.context.store.read(move |tx| find(tx, vhost, id)).await?;
        expect_revision("Route", expected, seen.revision)?;
        let wanted = patched(seen.clone(), &patch, directives.clone())?;
        self.expect_data_stays(&seen, Some(&wanted), patch.consent).await?;
        let edit = move |change: &mut Change<'_>| {
            let before = find(change.tx, vhost, id)?;
            // What was looked up on the storage nodes holds for the route as it was then.
            expect_revision("Route", Some(seen.revision), before.revision)?;
            let after = patched(before.clone(), &patch, directives.clone())?;
            if after == before {
                return view(change.tx, before);
            }
            if !serves_as_before(&before, &after) {
                guard::expect_not_moving(change.tx, vhost, before.path_prefix.bucket())?;
            }
            let owner = vhosts::find(change.tx, vhost)?;
            let pool = check(change.tx, &owner, &after)?;
            let saved = change.tx.save_route(Route { updated_at: change.now, ..after })?;
            change.touch_route(vhost, id);
            for prefix in [&before.path_prefix, &saved.path_prefix] {
                follow_route(change.tx, vhost, prefix)?;
            }
            let (old, new) = (Snapshot::Route(before), Snapshot::Route(saved.clone()));
            change.audit(Action::Update, subject(id), Some(old), Some(new))?;
            Ok(RouteView { route: saved, pool_name: pool.name })
        };
        self.context.publisher.change(actor, edit).await
    }

    /// Removes a route.
    ///
    /// # Errors
    /// The automatic route `/`; objects of the bucket that clients would no longer see, or old ones that they would;
    /// a bucket that is being moved.
    pub async fn delete(
        &self,
        actor: Actor,
        vhost: VhostId,
        id: RouteId,
        expected: Option<Revision>,
        consent: Consent,
    ) -> Result<(), ServiceError> {
        let seen = self.context.store.read(move |tx| find(tx, vhost, id)).await?;
        expect_revision("Route", expected, seen.revision)?;
        self.remove(actor, seen, consent, Action::Delete).await
    }

    /// Removes a route that was just read.
    pub(super) async fn remove(
        &self,
        actor: Actor,
        seen: Route,
        consent: Consent,
        action: Action,
    ) -> Result<(), ServiceError> {
        if seen.path_prefix.is_root() {
            return Err(ServiceError::Rejected(
                "The route / follows the vhost's default pool: change default_pool_id of the vhost instead".to_owned(),
            ));
        }
        self.expect_data_stays(&seen, None, consent).await?;
        let remove = move |change: &mut Change<'_>| {
            let route = find(change.tx, seen.vhost_id, seen.id)?;
            // What was looked up on the storage nodes holds for the route as it was then.
            expect_revision("Route", Some(seen.revision), route.revision)?;
            guard::expect_not_moving(change.tx, route.vhost_id, route.path_prefix.bucket())?;
            change.tx.delete_route(route.id)?;
            change.touch_route(route.vhost_id, route.id);
            follow_route(change.tx, route.vhost_id, &route.path_prefix)?;
            change.audit(action, subject(route.id), Some(Snapshot::Route(route)), None)?;
            Ok(())
        };
        self.context.publisher.change(actor, remove).await
    }

    fn checked(&self, text: Option<&str>) -> Result<Option<Snippet>, ServiceError> {
        text.map(|text| checked_snippet(&*self.context.gateway, "extra_directives", &ended(text))).transpose()
    }

    /// A new route takes its bucket from the default pool. What that pool holds must not vanish; but a pool
    /// that cannot be asked does not stand in the way of a first route, as it would on a gateway being set up.
    async fn expect_no_orphans_on_create(&self, vhost: VhostId, new: &NewRoute) -> Result<(), ServiceError> {
        let prefix = new.path_prefix.clone();
        let serving = self.context.store.read(move |tx| Ok::<_, ServiceError>(guard::serving(tx, vhost, &prefix)?));
        let Some(serving) = serving.await?.filter(|serving| serving.pool != new.pool_id) else { return Ok(()) };
        match self.context.holding(&serving, &new.path_prefix).await {
            guard::Holding::Objects => self.context.refuse_orphans(&serving, &new.path_prefix).await,
            guard::Holding::Unknown(why) => {
                tracing::warn!(route = %new.path_prefix, pool = %serving.name, why, "could not see whether the bucket has objects that this route hides");
                Ok(())
            }
            guard::Holding::Nothing => Ok(()),
        }
    }

    /// Refuses a change after which another pool would serve what this route serves now, unless that pool holds no
    /// old copy of it and the present one nothing, or `consent` says yes.
    async fn expect_data_stays(
        &self,
        before: &Route,
        after: Option<&Route>,
        consent: Consent,
    ) -> Result<(), ServiceError> {
        if after.is_some_and(|after| serves_as_before(before, after)) {
            return Ok(());
        }
        for prefix in [Some(before), after].into_iter().flatten().map(|route| route.path_prefix.clone()) {
            let Some(turn) = self.turn(before, after, &prefix).await? else { continue };
            let stale = match &turn.to {
                Some((serving, left)) => self.context.stale_copy(serving, left, &prefix).await,
                None => None,
            };
            match (stale, &turn.from) {
                (Some(why), _) if !consent.allow_stale => return Err(ServiceError::Conflict(why)),
                (None, Some(serving)) if !consent.allow_orphan => {
                    self.context.refuse_orphans(serving, &prefix).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Who serves `prefix` now and who will, if a change makes that another pool.
    async fn turn(
        &self,
        before: &Route,
        after: Option<&Route>,
        prefix: &PathPrefix,
    ) -> Result<Option<Turn>, ServiceError> {
        let (vhost, prefix) = (before.vhost_id, prefix.clone());
        let claims = after.filter(|after| after.enabled && after.path_prefix.canonical() == prefix.canonical());
        let new_pool = claims.map(|after| after.pool_id);
        let read = move |tx: &mut dyn Tx| {
            let from = guard::serving(tx, vhost, &prefix)?;
            let then = match new_pool {
                Some(pool) => Some(pool),
                None => tx.route_at(vhost, "/")?.map(|route| route.pool_id),
            };
            if from.as_ref().map(|serving| serving.pool) == then {
                return Ok::<_, ServiceError>(None);
            }
            let to = match then {
                Some(pool) => guard::at_pool(tx, pool)?.zip(guard::leftover(tx, pool, &prefix)?),
                None => None,
            };
            Ok(Some(Turn { from, to }))
        };
        self.context.store.read(read).await
    }
}

/// A bucket that gets another pool.
struct Turn {
    /// The pool that serves it now.
    from: Option<Serving>,
    /// The pool that will, if a migration has left a copy there.
    to: Option<(Serving, Leftover)>,
}

/// Whether the change of a route leaves every request where it is served now.
fn serves_as_before(before: &Route, after: &Route) -> bool {
    let same_place = before.path_prefix.canonical() == after.path_prefix.canonical();
    let off = !before.enabled && !after.enabled;
    off || (same_place && before.pool_id == after.pool_id && before.enabled == after.enabled)
}

/// 0.4.x took the directives of a route without the semicolon at their end, and only so.
fn ended(text: &str) -> String {
    let text = text.trim_end();
    let bare = !text.is_empty() && !text.contains([';', '{', '}', '#', '\n']);
    if bare { format!("{text};") } else { text.to_owned() }
}

fn subject(id: RouteId) -> Subject {
    Subject::Entity(EntityKind::Route, id.0)
}

fn find(tx: &mut dyn Tx, vhost: VhostId, id: RouteId) -> Result<Route, ServiceError> {
    vhosts::find(tx, vhost)?;
    tx.route(id)?.filter(|route| route.vhost_id == vhost).ok_or(ServiceError::NotFound("Route"))
}

fn view(tx: &mut dyn Tx, route: Route) -> Result<RouteView, ServiceError> {
    let pool = pools::find(tx, route.pool_id)?;
    Ok(RouteView { route, pool_name: pool.name })
}

fn patched(
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
/// As [`Routes::create`], but for the objects of the bucket: that is for the caller to look at.
pub(super) fn insert(
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
    let route = change.tx.save_route(route)?;
    change.touch_route(vhost, route.id);
    follow_route(change.tx, vhost, &route.path_prefix)?;
    change.audit(action, subject(route.id), None, Some(Snapshot::Route(route.clone())))?;
    Ok(CreatedRoute { view: RouteView { route, pool_name: pool.name }, default_pool_id: owner.default_pool_id })
}

/// The rules that a new route must keep.
pub(super) fn check_new(tx: &mut dyn Tx, vhost: &Vhost, new: &NewRoute) -> Result<Pool, ServiceError> {
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
pub(super) fn check(tx: &mut dyn Tx, vhost: &Vhost, route: &Route) -> Result<Pool, ServiceError> {
    let Some(pool) = tx.pool(route.pool_id)? else {
        return Err(ServiceError::Rejected(format!("pool_id: pool {} does not exist", route.pool_id)));
    };
    if let Some(default) = vhost.default_pool_id.map(|id| tx.pool(id)).transpose()?.flatten()
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
    match tx.route_at(vhost.id, route.path_prefix.canonical())? {
        Some(other) if other.id != route.id => Err(ServiceError::Conflict(format!(
            "Route '{}' already exists in vhost {}",
            other.path_prefix, vhost.server_name
        ))),
        _ => Ok(pool),
    }
}
