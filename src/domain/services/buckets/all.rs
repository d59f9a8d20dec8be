//! The buckets of every vhost, as numbers.

use std::collections::BTreeMap;

use super::super::ServiceError;
use super::Buckets;
use crate::domain::bucket::BucketStatus;
use crate::domain::ids::VhostId;
use crate::domain::vhost::ServerName;
use crate::ports::store::Tx;

/// How many buckets of each status a vhost has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VhostCounts {
    /// The vhost.
    pub vhost: VhostId,
    /// Its name.
    pub server_name: ServerName,
    /// Statuses of which it has no bucket are left out.
    pub counts: BTreeMap<BucketStatus, u64>,
}

impl Buckets {
    /// The vhosts that have buckets, by server name. Asks the database as often for a thousand vhosts as for one.
    ///
    /// # Errors
    /// The store's.
    pub async fn counts(&self) -> Result<Vec<VhostCounts>, ServiceError> {
        let read = |tx: &mut dyn Tx| {
            let mut counts = tx.bucket_counts()?;
            // Buckets are those of a default pool: without one, what an earlier one had is not told of.
            let vhosts = tx.vhosts()?.into_iter().filter(|vhost| vhost.default_pool_id.is_some());
            let counted = vhosts.filter_map(|vhost| {
                let counts = counts.remove(&vhost.id)?;
                Some(VhostCounts { vhost: vhost.id, server_name: vhost.server_name, counts })
            });
            Ok(counted.collect())
        };
        self.context.store.read(read).await
    }
}
