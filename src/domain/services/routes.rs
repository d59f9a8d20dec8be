//! Routes.

mod rules;

pub(super) use rules::{check, check_new, edit, erase, find, fits, insert, remove, save, serves_as_before};

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rules::{expect_own, patched, view};

use super::guard::{self, Leftover, Serving};
use super::publish::Change;
use super::{Context, ServiceError, checked_snippet, expect_revision, lost_place, pools, vhosts};
use crate::domain::audit::{Action, Actor};
use crate::domain::ids::{PoolId, Revision, RouteId, VhostId};
use crate::domain::page::{Page, Seen, Window};
use crate::domain::pool::PoolName;
use crate::domain::route::{KeyPrefix, PathPrefix, Route};
use crate::domain::vhost::Snippet;
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
        // What was looked up on the storage nodes holds for the route as it was then.
        let looked_at = Some(seen.revision);
        let edit = move |change: &mut Change<'_>| edit(change, vhost, id, looked_at, &patch, directives.clone());
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
        expect_own(&seen)?;
        self.expect_data_stays(&seen, None, consent).await?;
        // What was looked up on the storage nodes holds for the route as it was then.
        let looked_at = Some(seen.revision);
        let remove = move |change: &mut Change<'_>| remove(change, seen.vhost_id, seen.id, looked_at, action);
        self.context.publisher.change(actor, remove).await
    }

    fn checked(&self, text: Option<&str>) -> Result<Option<Snippet>, ServiceError> {
        text.map(|text| checked_snippet(&*self.context.gateway, "extra_directives", &Snippet::ended(text))).transpose()
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
