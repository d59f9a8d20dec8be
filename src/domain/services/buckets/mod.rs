//! Buckets of vhosts: found by asking pools, routed, ignored, counted.

mod all;
mod counts;
mod linked;
mod records;
mod routing;
mod sync;

use std::sync::Arc;

use super::routes::Routes;
use super::{Context, ServiceError, guard, vhosts};
use crate::domain::bucket::{Bucket, BucketName};
use crate::domain::ids::{PoolId, VhostId};
use crate::domain::pool::PoolName;
use crate::domain::site::Site;
use crate::domain::vhost::Vhost;
use crate::ports::clock::Clock;
use crate::ports::store::Tx;

pub use all::VhostCounts;
pub use counts::{BucketList, BucketView, Counted, OrphanScan, OrphanedBucket, Uncounted};
pub use linked::{LinkedBucket, LinkedRoute, LinkedRoutes};
pub(super) use records::follow_route;
pub use routing::{Promoted, Promotion, Unrouted};
pub(super) use routing::{heed, ignore};
pub use sync::{PoolFault, Round, Synced, VhostSync};

/// Use cases about the buckets of vhosts.
#[derive(Clone)]
pub struct Buckets {
    context: Context,
    routes: Routes,
    clock: Arc<dyn Clock>,
}

impl Buckets {
    pub(super) fn new(context: Context, clock: Arc<dyn Clock>) -> Self {
        Self { routes: Routes::new(context.clone()), context, clock }
    }

    /// Where a pool is asked, or why it cannot be.
    fn site(&self, pool: Result<&guard::Serving, PoolId>) -> Result<Site, String> {
        let serving = pool.map_err(|id| format!("pool {id} does not exist"))?;
        serving.site(&self.context.keyring).map_err(|unusable| unusable.to_string())
    }
}

/// A vhost and its default pool.
fn with_default_pool(tx: &mut dyn Tx, id: VhostId) -> Result<(Vhost, PoolId), ServiceError> {
    let vhost = vhosts::find(tx, id)?;
    match vhost.default_pool_id {
        Some(pool) => Ok((vhost, pool)),
        None => Err(ServiceError::Rejected(format!(
            "vhost {} has no default pool, so it has no buckets; set its default_pool_id first",
            vhost.server_name
        ))),
    }
}

fn pool_name(tx: &mut dyn Tx, id: PoolId) -> Result<Option<PoolName>, ServiceError> {
    Ok(tx.pool(id)?.map(|pool| pool.name))
}

fn named(tx: &mut dyn Tx, vhost: VhostId, name: &BucketName) -> Result<Option<Bucket>, ServiceError> {
    Ok(tx.bucket(vhost, name)?)
}
