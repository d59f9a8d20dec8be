//! `/api/vhosts/{vhost_id}/http-bucket-routes`.

use std::sync::Arc;

use poem_openapi::OpenApi;

use super::api::Group;
use super::auth::Caller;
use super::buckets::UnroutedView;
use super::error::{Doing, Failure, Having};
use super::params::Path;
use super::reply::{Added, Shown};
use super::schema::view;
use crate::domain::bucket::BucketName;
use crate::domain::ids::VhostId;
use crate::domain::services::Services;
use crate::domain::services::buckets::{LinkedBucket, LinkedRoute, LinkedRoutes};

view! {
    /// A route of an http vhost.
    LinkedRouteView as "HttpBucketRoute" {
        /// Its identity.
        id: i64,
        /// The requests it serves.
        path_prefix: String,
        /// The pool that serves them.
        pool_id: i64,
        /// That pool's name.
        pool_name: String,
        /// The first segment of the prefix.
        bucket: String,
    }
}

view! {
    /// A bucket of the nanio pool behind an http vhost.
    LinkedBucketView as "LinkedBucket" {
        /// The bucket.
        bucket: String,
        /// Whether the http vhost has a route for it.
        has_route: bool,
    }
}

view! {
    /// The routes of an http vhost, and the buckets that could have one.
    LinkedRoutesView as "HttpBucketRoutes" {
        /// The vhost.
        vhost_id: i64,
        /// Its name.
        server_name: String,
        /// The nanio pool whose files it serves.
        source_nanio_pool_id: i64,
        /// That pool's name.
        source_nanio_pool_name: String,
        /// Its routes without `/`, the longest prefix first.
        routes: Vec<LinkedRouteView>,
        /// Buckets that the nanio pool serves, by name; neither deleted nor ignored ones.
        linked_nanio_buckets: Vec<LinkedBucketView>,
    }
}

view! {
    /// The bucket has a route in the http vhost.
    LinkedView as "AddedHttpBucketRoute" {
        /// True.
        ok: bool,
        /// The bucket.
        bucket: String,
        /// The route's prefix.
        route: String,
        /// The pool that serves it: the vhost's default pool.
        pool_id: i64,
    }
}

impl From<LinkedRoute> for LinkedRouteView {
    fn from(LinkedRoute { route, pool_name }: LinkedRoute) -> Self {
        Self {
            id: route.id.0,
            bucket: route.path_prefix.bucket().to_owned(),
            path_prefix: route.path_prefix.as_str().to_owned(),
            pool_id: route.pool_id.0,
            pool_name: pool_name.as_str().to_owned(),
        }
    }
}

impl From<LinkedBucket> for LinkedBucketView {
    fn from(bucket: LinkedBucket) -> Self {
        Self { bucket: bucket.name.as_str().to_owned(), has_route: bucket.has_route }
    }
}

impl LinkedRoutesView {
    fn of(vhost: VhostId, linked: LinkedRoutes) -> Self {
        let (source, source_name) = linked.source;
        Self {
            vhost_id: vhost.0,
            server_name: linked.server_name.as_str().to_owned(),
            source_nanio_pool_id: source.0,
            source_nanio_pool_name: source_name.as_str().to_owned(),
            routes: linked.routes.into_iter().map(LinkedRouteView::from).collect(),
            linked_nanio_buckets: linked.buckets.into_iter().map(LinkedBucketView::from).collect(),
        }
    }
}

/// The operations on the buckets of an http vhost.
pub struct LinkedBucketsApi(pub Arc<Services>);

#[OpenApi(tag = "Group::Buckets")]
impl LinkedBucketsApi {
    /// List the bucket routes of an http vhost
    ///
    /// And the buckets of the nanio pool behind it. 400 unless the vhost's default pool is an http pool with
    /// `source_nanio_pool_id`.
    #[oai(path = "/vhosts/:vhost_id/http-bucket-routes", method = "get", operation_id = "list_http_bucket_routes")]
    async fn list(
        &self,
        _caller: Caller,
        /// The vhost.
        vhost_id: Path<VhostId>,
    ) -> Result<Shown<LinkedRoutesView>, Failure<Having>> {
        Ok(Shown(LinkedRoutesView::of(vhost_id.0, self.0.buckets.linked(vhost_id.0).await?)))
    }

    /// Give a bucket a route in an http vhost
    ///
    /// To the vhost's default pool. 409 if it has one.
    #[oai(
        path = "/vhosts/:vhost_id/http-bucket-routes/:bucket",
        method = "post",
        operation_id = "add_http_bucket_route"
    )]
    async fn add(
        &self,
        caller: Caller,
        /// The vhost.
        vhost_id: Path<VhostId>,
        /// The bucket.
        bucket: Path<BucketName>,
    ) -> Result<Added<LinkedView>, Failure<Doing>> {
        let route = self.0.buckets.link(caller.0, vhost_id.0, bucket.0.clone()).await?;
        Ok(Added(LinkedView {
            ok: true,
            bucket: bucket.0.as_str().to_owned(),
            route: route.path_prefix.as_str().to_owned(),
            pool_id: route.pool_id.0,
        }))
    }

    /// Remove the route of a bucket from an http vhost
    ///
    /// 404 if it has none.
    #[oai(
        path = "/vhosts/:vhost_id/http-bucket-routes/:bucket",
        method = "delete",
        operation_id = "remove_http_bucket_route"
    )]
    async fn remove(
        &self,
        caller: Caller,
        /// The vhost.
        vhost_id: Path<VhostId>,
        /// The bucket.
        bucket: Path<BucketName>,
    ) -> Result<Shown<UnroutedView>, Failure<Doing>> {
        let removed = self.0.buckets.unlink(caller.0, vhost_id.0, bucket.0.clone()).await?;
        Ok(Shown(UnroutedView {
            ok: true,
            bucket: bucket.0.as_str().to_owned(),
            route_removed: removed.route.as_str().to_owned(),
        }))
    }
}
