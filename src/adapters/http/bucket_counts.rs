//! `/api/buckets`: how the buckets of all vhosts fare.

use std::sync::Arc;

use poem_openapi::OpenApi;

use super::api::Group;
use super::auth::Caller;
use super::error::{Failure, Reading};
use super::reply::Shown;
use super::schema::view;
use crate::domain::bucket::BucketStatus;
use crate::domain::services::Services;
use crate::domain::services::buckets::VhostCounts;

view! {
    /// How many buckets of a vhost are of each kind, as the last sync found them.
    CountsView as "BucketCounts" {
        /// The vhost.
        vhost_id: i64,
        /// Its server name.
        server_name: String,
        /// Buckets with a route of their own.
        routed: u64,
        /// Buckets that are being moved.
        migrating: u64,
        /// Buckets that the default pool serves and that nobody has decided about.
        unrouted: u64,
        /// Buckets that were ignored.
        ignored: u64,
        /// Buckets that are gone from the pool that served them.
        deleted: u64,
    }
}

impl From<VhostCounts> for CountsView {
    fn from(counted: VhostCounts) -> Self {
        let count = |status| counted.counts.get(&status).copied().unwrap_or_default();
        Self {
            vhost_id: counted.vhost.0,
            server_name: counted.server_name.to_string(),
            routed: count(BucketStatus::Routed),
            migrating: count(BucketStatus::Migrating),
            unrouted: count(BucketStatus::Unrouted),
            ignored: count(BucketStatus::Ignored),
            deleted: count(BucketStatus::Deleted),
        }
    }
}

/// The operation on the buckets of all vhosts.
pub struct BucketCountsApi(pub Arc<Services>);

#[OpenApi(tag = "Group::Buckets")]
impl BucketCountsApi {
    /// Count the buckets of all vhosts
    ///
    /// By vhost and by status, as the last sync found them. Vhosts without buckets are left out.
    #[oai(path = "/buckets", method = "get", operation_id = "count_buckets")]
    async fn count(&self, _caller: Caller) -> Result<Shown<Vec<CountsView>>, Failure<Reading>> {
        Ok(Shown(self.0.buckets.counts().await?.into_iter().map(CountsView::from).collect()))
    }
}
