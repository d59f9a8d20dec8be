//! No call moves a bucket away from its data unseen.

use super::keyring::Unusable;
use super::{Context, ServiceError};
use crate::domain::bucket::BucketName;
use crate::domain::credential::Credential;
use crate::domain::ids::{PoolId, VhostId};
use crate::domain::object::Occupancy;
use crate::domain::pool::{Address, PoolKind, PoolName};
use crate::domain::route::{PathPrefix, Route};
use crate::domain::site::Site;
use crate::ports::store::{StoreError, Tx};

/// The pool that serves a bucket now, and where to ask it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Serving {
    pub pool: PoolId,
    pub name: PoolName,
    pub kind: PoolKind,
    /// The enabled ones.
    pub members: Vec<Address>,
    credential: Option<Credential>,
}

/// The pool that serves `prefix` in a vhost: by its own enabled route, else by the default pool.
pub(super) fn serving(tx: &mut dyn Tx, vhost: VhostId, prefix: &PathPrefix) -> Result<Option<Serving>, StoreError> {
    let enabled = |route: Option<Route>| route.filter(|route| route.enabled);
    let own = enabled(tx.route_at(vhost, prefix.canonical())?);
    let route = match own {
        Some(route) => Some(route),
        None => enabled(tx.route_at(vhost, "/")?),
    };
    match route {
        Some(route) => at_pool(tx, route.pool_id),
        None => Ok(None),
    }
}

/// A pool and where to ask it.
pub(super) fn at_pool(tx: &mut dyn Tx, id: PoolId) -> Result<Option<Serving>, StoreError> {
    let Some(pool) = tx.pool(id)? else { return Ok(None) };
    let members = tx.members(id)?.into_iter().filter(|member| member.enabled).map(|member| member.address).collect();
    let credential = tx.credential(id)?;
    Ok(Some(Serving { pool: pool.id, name: pool.name, kind: pool.kind, members, credential }))
}

/// What a bucket that would move holds where it is served now.
pub(super) enum Holding {
    /// Nothing would be left behind.
    Nothing,
    /// Objects would be left behind.
    Objects,
    /// Nobody could say.
    Unknown(String),
}

impl Context {
    /// Where the storage of a pool is asked.
    pub(super) fn site(&self, pool: &Serving) -> Result<Site, Unusable> {
        self.keyring.site(pool.members.clone(), pool.credential.as_ref())
    }

    /// Looks what the bucket of `prefix` holds at the pool that serves it.
    pub(super) async fn holding(&self, serving: &Serving, prefix: &PathPrefix) -> Holding {
        if serving.kind != PoolKind::Nanio {
            return Holding::Nothing;
        }
        let bucket = match BucketName::parse(prefix.bucket()) {
            Ok(bucket) => bucket,
            Err(invalid) => return Holding::Unknown(invalid.to_string()),
        };
        let site = match self.site(serving) {
            Ok(site) => site,
            Err(unusable) => return Holding::Unknown(unusable.to_string()),
        };
        match self.storage.occupancy(&site, &bucket).await {
            Ok(Occupancy::Absent | Occupancy::Empty) => Holding::Nothing,
            Ok(Occupancy::Occupied) => Holding::Objects,
            Err(error) => Holding::Unknown(error.to_string()),
        }
    }

    /// Refuses to leave objects behind, or to guess.
    pub(super) async fn refuse_orphans(&self, serving: &Serving, prefix: &PathPrefix) -> Result<(), ServiceError> {
        let (bucket, pool) = (prefix.bucket(), &serving.name);
        match self.holding(serving, prefix).await {
            Holding::Nothing => Ok(()),
            Holding::Objects => Err(ServiceError::Conflict(format!(
                "bucket {bucket} holds objects on pool {pool}, which clients would no longer see; \
                 migrate the bucket, or repeat with allow_orphan=true to leave them there"
            ))),
            Holding::Unknown(why) => Err(ServiceError::Conflict(format!(
                "bucket {bucket} may hold objects on pool {pool}, and they could not be counted ({why}); \
                 make the pool reachable, or repeat with allow_orphan=true to leave them there"
            ))),
        }
    }
}
