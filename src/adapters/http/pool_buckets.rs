//! `/api/pools/{pool_id}/buckets`: what the storage nodes of a pool hold.

use std::sync::Arc;

use poem_openapi::OpenApi;

use super::api::Group;
use super::auth::Caller;
use super::error::{ApiError, Failure, Visiting};
use super::params::{Limit, Path, Query};
use super::reply::Shown;
use super::schema::view;
use crate::domain::bucket::BucketName;
use crate::domain::ids::{PoolId, VhostId};
use crate::domain::services::Services;
use crate::domain::services::pool_buckets::{HeldBucket, Listing, PoolBuckets, Standing, VhostRef};

view! {
    /// A vhost that has a route.
    RoutedVhostView as "RoutedVhost" {
        /// Its identity.
        vhost_id: VhostId,
        /// Its name.
        server_name: String,
    }
}

view! {
    /// A vhost by name.
    VhostRefView as "VhostRef" {
        /// Its identity.
        id: VhostId,
        /// Its name.
        server_name: String,
    }
}

view! {
    /// A bucket on a pool, and who serves it from there.
    HeldBucketView as "HeldBucket" {
        /// Its name.
        bucket: String,
        /// `routed`: it has a route to this pool. `orphaned`: a finished migration has left it. `migrating`: a migration reads it here or writes it here, and nobody else is served from it. `via_default`: this is the default pool of vhosts that have no other route for it. `unrouted`: nobody is served from it.
        status: Standing,
        /// The vhosts that have an enabled route for it to this pool.
        routed_in: Vec<RoutedVhostView>,
        /// The vhosts that it serves as their default pool.
        default_vhosts: Vec<VhostRefView>,
        /// The migration that has not ended and reads the bucket here, or writes it here: it cannot be purged before.
        migration_id: Option<i64>,
    }
}

view! {
    /// The buckets of a pool.
    PoolBucketsView as "PoolBuckets" {
        /// The pool.
        pool_id: PoolId,
        /// Its name.
        pool_name: String,
        /// Its first enabled member.
        member_address: String,
        /// The buckets: unrouted, orphaned, migrating, via_default, routed; each kind by name.
        buckets: Vec<HeldBucketView>,
        /// The vhosts whose default pool is of type nanio.
        all_vhosts: Vec<VhostRefView>,
    }
}

view! {
    /// Keys of a bucket.
    PoolObjectsView as "PoolObjects" {
        /// The pool.
        pool_id: PoolId,
        /// The bucket.
        bucket: String,
        /// The keys, in order.
        objects: Vec<String>,
        /// How many these are.
        count: u64,
        /// Whether there are more than these.
        truncated: bool,
        /// What to give as `continuation`, for those behind these.
        continuation: Option<String>,
    }
}

impl From<VhostRef> for VhostRefView {
    fn from(vhost: VhostRef) -> Self {
        Self { id: vhost.id, server_name: vhost.server_name.as_str().to_owned() }
    }
}

impl From<HeldBucket> for HeldBucketView {
    fn from(bucket: HeldBucket) -> Self {
        let routed = |vhost: VhostRef| RoutedVhostView {
            vhost_id: vhost.id,
            server_name: vhost.server_name.as_str().to_owned(),
        };
        Self {
            bucket: bucket.name.as_str().to_owned(),
            status: bucket.standing,
            routed_in: bucket.routed_in.into_iter().map(routed).collect(),
            default_vhosts: bucket.default_vhosts.into_iter().map(Into::into).collect(),
            migration_id: bucket.migration.map(|id| id.0),
        }
    }
}

impl From<PoolBuckets> for PoolBucketsView {
    fn from(buckets: PoolBuckets) -> Self {
        Self {
            pool_id: buckets.pool,
            pool_name: buckets.name.as_str().to_owned(),
            member_address: buckets.member.as_str().to_owned(),
            buckets: buckets.buckets.into_iter().map(Into::into).collect(),
            all_vhosts: buckets.vhosts.into_iter().map(Into::into).collect(),
        }
    }
}

/// The operations on what pools hold.
pub struct PoolBucketsApi(pub Arc<Services>);

#[OpenApi(tag = "Group::Buckets")]
impl PoolBucketsApi {
    /// List the buckets of a pool
    ///
    /// As its storage nodes list them now, each with who serves it from there. nanio pools only.
    #[oai(path = "/pools/:pool_id/buckets/status", method = "get", operation_id = "list_pool_buckets")]
    async fn status(
        &self,
        _caller: Caller,
        /// The pool.
        pool_id: Path<PoolId>,
    ) -> Result<Shown<PoolBucketsView>, Failure<Visiting>> {
        Ok(Shown(self.0.pool_buckets.status(pool_id.0).await?.into()))
    }

    /// List objects of a bucket of a pool
    ///
    /// Without `limit` up to 10,000 keys at once. If there are more, `truncated` is true, and `continuation` leads on.
    #[oai(path = "/pools/:pool_id/buckets/:bucket/objects", method = "get", operation_id = "list_pool_objects")]
    async fn objects(
        &self,
        _caller: Caller,
        /// The pool.
        pool_id: Path<PoolId>,
        /// The bucket.
        bucket: Path<BucketName>,
        /// Only keys that begin so.
        prefix: Query<String>,
        /// Keys a page.
        limit: Query<Limit>,
        /// Where an earlier answer ended.
        continuation: Query<String>,
    ) -> Result<Shown<PoolObjectsView>, Failure<Visiting>> {
        let mut faults = Vec::new();
        let asked = Listing {
            prefix: prefix.read(&mut faults).unwrap_or_default(),
            limit: limit.read(&mut faults).and_then(|Limit(limit)| usize::try_from(limit).ok()),
            continuation: continuation.read(&mut faults).filter(|token| !token.is_empty()),
        };
        if !faults.is_empty() {
            return Err(ApiError::faults(faults).into());
        }
        let page = self.0.pool_buckets.objects(pool_id.0, bucket.0.clone(), asked).await?;
        Ok(Shown(PoolObjectsView {
            pool_id: pool_id.0,
            bucket: bucket.0.as_str().to_owned(),
            count: page.objects.len() as u64,
            objects: page.objects.into_iter().map(|object| object.key).collect(),
            truncated: page.next.is_some(),
            continuation: page.next,
        }))
    }
}
