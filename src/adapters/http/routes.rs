//! `/api/vhosts/{vhost_id}/routes`.

use std::sync::Arc;

use poem_openapi::OpenApi;

use super::api::Group;
use super::auth::Caller;
use super::body::JsonBody;
use super::error::{ApiError, Changing, Failure, Finding, Making, Removing};
use super::fields::{Fields, Request};
use super::paging::{self, Listed};
use super::params::{IfMatch, IfNoneMatch, Limit, Path, Query};
use super::reply::{Gone, Made, Saved, Tag, Tagged};
use super::schema::view;
use super::values::Blankable;
use crate::domain::ids::{RouteId, VhostId};
use crate::domain::route::PathPrefix;
use crate::domain::services::Services;
use crate::domain::services::routes::{Consent, CreatedRoute, NewRoute, RoutePatch, RouteView as Found};

view! {
    /// Which pool serves the requests under a path prefix of a vhost.
    RouteView as "Route" {
        /// Its identity; never given again.
        id: i64,
        /// The vhost it belongs to.
        vhost_id: i64,
        /// The requests it serves: `/bucket/`, rarely deeper; `/` for the automatic route of the default pool.
        path_prefix: String,
        /// The pool that serves them.
        pool_id: i64,
        /// That pool's name.
        pool_name: String,
        /// What replaces the prefix on the way to an http pool.
        key_prefix: Option<String>,
        /// Raw nginx directives for this route alone.
        extra_directives: Option<String>,
        /// False takes the route out of nginx.
        enabled: bool,
        /// When it was made, UTC, `YYYY-MM-DD HH:MM:SS`.
        created_at: String,
        /// When it was last changed, UTC.
        updated_at: String,
        /// The migration that a change of the pool has started, in the answer to that change.
        migration_id: Option<i64>,
        /// Changed how often; the `ETag` holds it too.
        revision: i64,
    }
}

view! {
    /// A route that was just made, in the form of 0.4.x.
    MadeRouteView as "CreatedRoute" {
        /// Its identity; never given again.
        id: i64,
        /// The vhost it belongs to.
        vhost_id: i64,
        /// The requests it serves.
        path_prefix: String,
        /// The pool that serves them.
        pool_id: i64,
        /// What replaces the prefix on the way to an http pool.
        key_prefix: Option<String>,
        /// Raw nginx directives for this route alone.
        extra_directives: Option<String>,
        /// 1 or 0: a number here, a boolean everywhere else.
        enabled: i64,
        /// When it was made, UTC, `YYYY-MM-DD HH:MM:SS`.
        created_at: String,
        /// When it was last changed, UTC.
        updated_at: String,
        /// That pool's name.
        pool_name: String,
        /// The first segment of the prefix.
        bucket: String,
        /// Always false: buckets are made by S3 clients.
        bucket_provisioned: bool,
        /// The vhost's default pool.
        default_pool_id: Option<i64>,
        /// Changed how often; the `ETag` holds it too.
        revision: i64,
    }
}

impl From<Found> for RouteView {
    fn from(Found { route, pool_name }: Found) -> Self {
        Self {
            id: route.id.0,
            vhost_id: route.vhost_id.0,
            path_prefix: route.path_prefix.as_str().to_owned(),
            pool_id: route.pool_id.0,
            pool_name: pool_name.as_str().to_owned(),
            key_prefix: route.key_prefix.map(|prefix| prefix.as_str().to_owned()),
            extra_directives: route.extra_directives.map(|snippet| snippet.as_str().to_owned()),
            enabled: route.enabled,
            created_at: route.created_at.sql(),
            updated_at: route.updated_at.sql(),
            migration_id: None,
            revision: route.revision.0,
        }
    }
}

impl From<CreatedRoute> for MadeRouteView {
    fn from(made: CreatedRoute) -> Self {
        let bucket = made.view.route.path_prefix.bucket().to_owned();
        let route = RouteView::from(made.view);
        Self {
            id: route.id,
            vhost_id: route.vhost_id,
            path_prefix: route.path_prefix,
            pool_id: route.pool_id,
            key_prefix: route.key_prefix,
            extra_directives: route.extra_directives,
            enabled: i64::from(route.enabled),
            created_at: route.created_at,
            updated_at: route.updated_at,
            pool_name: route.pool_name,
            bucket,
            bucket_provisioned: false,
            default_pool_id: made.default_pool_id.map(|id| id.0),
            revision: route.revision,
        }
    }
}

const PATH_PREFIX: &str = "`/bucket/`, rarely `/bucket/dir/`. `/` is automatic: the vhost's default pool.";
const POOL: &str = "The pool that serves the requests; of the same type as the vhost's other pools.";
const KEY_PREFIX: &str =
    "What replaces the prefix on the way to an http pool. It would break signed S3 requests: not for nanio pools.";
const DIRECTIVES: &str = "Raw nginx directives for this route alone.";
const ENABLED: &str = "False takes the route out of nginx.";
const ALLOW_ORPHAN: &str = "Do it even if the bucket's objects stay behind on the pool that serves it now.";
const ALLOW_STALE: &str =
    "Do it even if the bucket would then be served from the copy that a migration left; includes `allow_orphan`.";

fn directives(fields: &mut Fields) -> Option<Option<String>> {
    Blankable::settle(fields.clearable("extra_directives", DIRECTIVES))
}

impl Request for NewRoute {
    const NAME: &'static str = "NewRoute";
    const ABOUT: &'static str = "A route to be made.";

    fn read(fields: &mut Fields) -> Option<Self> {
        let path_prefix = fields.required("path_prefix", PATH_PREFIX);
        let pool_id = fields.required("pool_id", POOL);
        let key_prefix = Blankable::settle(fields.clearable("key_prefix", KEY_PREFIX)).flatten();
        let extra_directives = directives(fields).flatten();
        let enabled = fields.defaulted("enabled", ENABLED, true, true);
        let allow_orphan = fields.defaulted("allow_orphan", ALLOW_ORPHAN, false, false);
        Some(Self {
            path_prefix: path_prefix?,
            pool_id: pool_id?,
            key_prefix,
            extra_directives,
            enabled: enabled?,
            allow_orphan: allow_orphan?,
        })
    }
}

impl Request for RoutePatch {
    const NAME: &'static str = "RoutePatch";
    const ABOUT: &'static str =
        "What to change of a route. A field that is not given stays; `null` clears a field that can be empty.";

    fn read(fields: &mut Fields) -> Option<Self> {
        let path_prefix = fields.given("path_prefix", PATH_PREFIX);
        let pool_id = fields.given("pool_id", POOL);
        let key_prefix = Blankable::settle(fields.clearable("key_prefix", KEY_PREFIX));
        let extra_directives = directives(fields);
        let enabled = fields.given("enabled", ENABLED);
        let allow_orphan = fields.defaulted("allow_orphan", ALLOW_ORPHAN, false, false);
        let allow_stale = fields.defaulted("allow_stale", ALLOW_STALE, false, false);
        let consent = Consent { allow_orphan: allow_orphan?, allow_stale: allow_stale? };
        Some(Self { path_prefix, pool_id, key_prefix, extra_directives, enabled, consent })
    }
}

fn tag(found: &Found) -> Tag {
    // The pool can be renamed without a change of the route.
    Tag::with(found.route.revision, found.pool_name.as_str())
}

/// What the query of a removal says yes to.
///
/// # Errors
/// Every fault of it.
pub(super) fn consent(allow_orphan: Query<bool>, allow_stale: Query<bool>) -> Result<Consent, ApiError> {
    let mut faults = Vec::new();
    let (orphan, stale) = (allow_orphan.read(&mut faults), allow_stale.read(&mut faults));
    if !faults.is_empty() {
        return Err(ApiError::faults(faults));
    }
    Ok(Consent { allow_orphan: orphan.unwrap_or(false), allow_stale: stale.unwrap_or(false) })
}

/// The operations on routes.
pub struct RoutesApi(pub Arc<Services>);

#[OpenApi(tag = "Group::Routes")]
impl RoutesApi {
    /// List the routes of a vhost
    ///
    /// The longest prefix first, then by id: all of them or, with `limit` or `after`, a page. Follow its `Link` to
    /// the next one.
    #[oai(path = "/vhosts/:vhost_id/routes", method = "get", operation_id = "list_routes")]
    async fn list(
        &self,
        _caller: Caller,
        /// The vhost.
        vhost_id: Path<VhostId>,
        /// At most so many.
        limit: Query<Limit>,
        /// Those after the route with this id: the last one seen. 100, unless `limit` is given.
        after: Query<RouteId>,
        /// The path prefix that it had: then it may have been changed or deleted since.
        after_key: Query<String>,
    ) -> Result<Listed<RouteView>, Failure<Finding>> {
        let Some(window) = paging::window(limit, after, after_key, PathPrefix::stored)? else {
            return Ok(Listed::whole(self.0.routes.list(vhost_id.0).await?));
        };
        let limit = window.limit;
        let page = self.0.routes.page(vhost_id.0, window).await?;
        let path = format!("/api/vhosts/{}/routes", vhost_id.0);
        Ok(Listed::page(page, &path, limit, |found: &Found| (found.route.id.0, Some(found.route.path_prefix.as_str()))))
    }

    /// Create a route
    ///
    /// 409 if the bucket has objects on the pool that serves it now, unless `allow_orphan` says yes to that.
    #[oai(path = "/vhosts/:vhost_id/routes", method = "post", operation_id = "create_route")]
    async fn create(
        &self,
        caller: Caller,
        /// The vhost.
        vhost_id: Path<VhostId>,
        new: JsonBody<NewRoute>,
    ) -> Result<Made<MadeRouteView>, Failure<Making>> {
        let made = self.0.routes.create(caller.0, vhost_id.0, new.0).await?;
        let tag = tag(&made.view);
        Ok(Made(made.into(), tag))
    }

    /// Get a route
    ///
    /// With its `ETag`.
    #[oai(path = "/vhosts/:vhost_id/routes/:route_id", method = "get", operation_id = "get_route")]
    async fn get(
        &self,
        _caller: Caller,
        /// The vhost.
        vhost_id: Path<VhostId>,
        /// The route.
        route_id: Path<RouteId>,
        /// Answer 304 if this is still its `ETag`.
        #[oai(name = "If-None-Match")]
        if_none_match: IfNoneMatch,
    ) -> Result<Tagged<RouteView>, Failure<Finding>> {
        let found = self.0.routes.get(vhost_id.0, route_id.0).await?;
        Ok(if_none_match.answer(tag(&found), found))
    }

    /// Change a route
    ///
    /// Fields that are not given stay; `null` clears `key_prefix` and `extra_directives`. A change that would
    /// lead a bucket away from its objects is 409, unless `allow_orphan` says yes to that; one that would lead it to
    /// the old copy that a migration left is 409, unless `allow_stale` does.
    #[oai(path = "/vhosts/:vhost_id/routes/:route_id", method = "put", operation_id = "update_route")]
    async fn update(
        &self,
        caller: Caller,
        /// The vhost.
        vhost_id: Path<VhostId>,
        /// The route.
        route_id: Path<RouteId>,
        /// Change it only if this is still its `ETag`.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
        patch: JsonBody<RoutePatch>,
    ) -> Result<Saved<RouteView>, Failure<Changing>> {
        let found = self.0.routes.update(caller.0, vhost_id.0, route_id.0, if_match.0, patch.0).await?;
        let tag = tag(&found);
        Ok(Saved(found.into(), tag))
    }

    /// Delete a route
    ///
    /// 409 if the bucket has objects on the route's pool, unless `allow_orphan` says yes to leaving them, and if it
    /// would be served from the old copy that a migration left, unless `allow_stale` says yes to that.
    #[oai(path = "/vhosts/:vhost_id/routes/:route_id", method = "delete", operation_id = "delete_route")]
    async fn delete(
        &self,
        caller: Caller,
        /// The vhost.
        vhost_id: Path<VhostId>,
        /// The route.
        route_id: Path<RouteId>,
        /// Do it even if the bucket's objects stay behind on the pool that serves it now.
        allow_orphan: Query<bool>,
        /// Do it even if the bucket would then be served from the copy that a migration left; includes `allow_orphan`.
        allow_stale: Query<bool>,
        /// Delete it only if this is still its `ETag`.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
    ) -> Result<Gone, Failure<Removing>> {
        let consent = consent(allow_orphan, allow_stale)?;
        self.0.routes.delete(caller.0, vhost_id.0, route_id.0, if_match.0, consent).await?;
        Ok(Gone)
    }
}
