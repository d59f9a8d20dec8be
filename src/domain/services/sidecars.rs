//! From rows to the files that a rebuild reads beside nginx's.

use std::collections::HashMap;

use super::ServiceError;
use crate::domain::bucket::BucketStatus;
use crate::domain::gateway::{ManagedFile, Server};
use crate::domain::ids::PoolId;
use crate::domain::pool::{Pool, PoolName};
use crate::domain::route::Route;
use crate::domain::sidecar::{PoolSidecar, Served, SidecarRoute, VhostSidecar};
use crate::domain::vhost::Vhost;
use crate::ports::store::Tx;

/// The sidecar of a pool.
///
/// # Errors
/// The store's.
pub(super) fn of_pool(tx: &mut dyn Tx, pool: Pool) -> Result<ManagedFile, ServiceError> {
    Ok(ManagedFile::PoolSidecar(Box::new(pool_values(tx, pool)?)))
}

/// What the sidecar of a pool says.
///
/// # Errors
/// The store's.
pub(super) fn pool_values(tx: &mut dyn Tx, pool: Pool) -> Result<PoolSidecar, ServiceError> {
    let source_nanio_pool_name = match pool.source_nanio_pool_id {
        Some(id) => tx.pool(id)?.map(|source| source.name),
        None => None,
    };
    let credential = tx.credential(pool.id)?;
    let members = tx.members(pool.id)?;
    Ok(PoolSidecar { pool, source_nanio_pool_name, credential, members })
}

/// The sidecar of a vhost with this server block. Of its routes it holds those that the `.conf` file does not: few,
/// unless the vhost is disabled. Of the others it holds the ids.
///
/// # Errors
/// The store's.
pub(super) fn of_vhost(tx: &mut dyn Tx, vhost: Vhost, server: Option<&Server>) -> Result<ManagedFile, ServiceError> {
    let held = if vhost.enabled { tx.disabled_routes(vhost.id)? } else { tx.routes(vhost.id)? };
    let values = vhost_values(tx, vhost, held)?;
    Ok(ManagedFile::VhostSidecar(Box::new(VhostSidecar { served: server.map(Served::by), ..values })))
}

/// The sidecar of a vhost of which the server block is not at hand.
///
/// # Errors
/// The store's.
pub(super) fn of_vhost_alone(tx: &mut dyn Tx, vhost: Vhost) -> Result<ManagedFile, ServiceError> {
    let (routes, refs) = (tx.routes(vhost.id)?, tx.pool_refs()?);
    let server = Server::of(&vhost, &routes, &refs, &[]);
    of_vhost(tx, vhost, server.as_ref())
}

/// What the sidecar of a vhost says, if it holds these of its routes.
///
/// # Errors
/// The store's.
pub(super) fn vhost_values(tx: &mut dyn Tx, vhost: Vhost, mut held: Vec<Route>) -> Result<VhostSidecar, ServiceError> {
    let mut names = Names::default();
    let default_pool_name = match vhost.default_pool_id {
        Some(id) => names.of(tx, id)?,
        None => None,
    };
    held.sort_by_key(|route: &Route| route.id);
    let mut routes = Vec::with_capacity(held.len());
    for route in held {
        if let Some(pool_name) = names.of(tx, route.pool_id)? {
            routes.push(SidecarRoute::of(route, pool_name));
        }
    }
    let ignored_buckets = tx.buckets_with(vhost.id, BucketStatus::Ignored)?;
    Ok(VhostSidecar { vhost, default_pool_name, routes, served: None, ignored_buckets })
}

/// Names of pools, each asked for once.
#[derive(Default)]
struct Names(HashMap<PoolId, Option<PoolName>>);

impl Names {
    fn of(&mut self, tx: &mut dyn Tx, id: PoolId) -> Result<Option<PoolName>, ServiceError> {
        if let Some(known) = self.0.get(&id) {
            return Ok(known.clone());
        }
        let name = tx.pool(id)?.map(|pool| pool.name);
        self.0.insert(id, name.clone());
        Ok(name)
    }
}
