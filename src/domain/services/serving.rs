//! Who stands upon what a pool holds of a bucket, so that it must not be purged; and that nobody comes to while it is.
//!
//! What is switched off counts as if it were on: a route or vhost is disabled for a while and comes back, its objects
//! would not. Who does not want them any more removes the route, or gives the vhost another default pool, and says so
//! to the guard of those calls. A pool is not asked alone: pools that share a storage node hold the same objects, and
//! an `http` pool shows those of the pool that it is backed by.

use std::collections::HashSet;

use super::ServiceError;
use crate::domain::bucket::BucketName;
use crate::domain::claim::Claim;
use crate::domain::credential::Endpoint;
use crate::domain::ids::PoolId;
use crate::domain::job::{Purge, Task};
use crate::domain::pool::{Pool, PoolKind};
use crate::domain::route::Route;
use crate::domain::vhost::Vhost;
use crate::ports::store::{StoreError, Tx};

/// Somebody who stands upon what a pool holds of a bucket, as the transaction sees it.
pub(super) fn claim(tx: &mut dyn Tx, pool: PoolId, bucket: &BucketName) -> Result<Option<Claim>, StoreError> {
    let twins = twins(tx, pool)?;
    for migration in tx.migrations_of(bucket)? {
        let needs = twins.iter().find_map(|twin| migration.needs(twin.id, bucket));
        if let Some(reads) = needs {
            return Ok(Some(Claim::Migration { id: migration.id, reads }));
        }
    }
    for vhost in tx.vhosts()? {
        if let Some(claim) = claim_of(tx, &vhost, &twins, bucket)? {
            return Ok(Some(claim));
        }
    }
    Ok(None)
}

/// Refuses a state in which somebody would be served from what is being purged. Called with the state after a change,
/// whatever the change was.
pub(super) fn refuse_purged(tx: &mut dyn Tx) -> Result<(), ServiceError> {
    for job in tx.unfinished_jobs()? {
        let Task::Purge(Purge { pool, bucket, .. }) = &job.task;
        let advice =
            format!("wait until job {0} has ended (GET /api/jobs/{0}), or end it (POST /api/jobs/{0}/cancel)", job.id);
        if tx.pool(pool.id)?.is_none() {
            return Err(ServiceError::Conflict(format!(
                "bucket {bucket} of pool {} is being purged, and the pool would be gone; {advice}",
                pool.name
            )));
        }
        if let Some(claim) = claim(tx, pool.id, bucket)? {
            return Err(ServiceError::Conflict(format!(
                "bucket {bucket} of pool {} is being purged, and would be served by {claim}; {advice}",
                pool.name
            )));
        }
    }
    Ok(())
}

/// What one vhost serves of the bucket from these pools.
fn claim_of(tx: &mut dyn Tx, vhost: &Vhost, twins: &[Pool], bucket: &BucketName) -> Result<Option<Claim>, StoreError> {
    let of = |id: PoolId| twins.iter().find(|twin| twin.id == id);
    let mut routes = tx.bucket_routes(vhost.id, bucket)?;
    let whole = |route: &Route| route.path_prefix.canonical().strip_prefix('/') == Some(bucket.as_str());
    // Its own route, if it is in use, leaves nothing of the bucket to the default pool.
    let taken = routes.iter().any(|route| route.enabled && route.key_prefix.is_none() && whole(route));
    routes.retain(|route| route.key_prefix.is_none());
    if twins.iter().any(|twin| twin.kind == PoolKind::Http) && uses(tx, vhost, twins)? {
        // A route whose prefix is replaced shows a bucket under any name.
        let others = tx.routes(vhost.id)?.into_iter();
        routes
            .extend(others.filter(|route| route.key_prefix.as_ref().is_some_and(|key| reaches(key.as_str(), bucket))));
    }
    for route in routes {
        if let Some(pool) = of(route.pool_id) {
            return Ok(Some(Claim::Route {
                vhost: vhost.server_name.clone(),
                prefix: route.path_prefix,
                pool: pool.name.clone(),
                active: vhost.enabled && route.enabled,
            }));
        }
    }
    let default = vhost.default_pool_id.and_then(of).filter(|_| !taken);
    Ok(default.map(|pool| Claim::Default {
        vhost: vhost.server_name.clone(),
        pool: pool.name.clone(),
        active: vhost.enabled,
    }))
}

fn uses(tx: &mut dyn Tx, vhost: &Vhost, pools: &[Pool]) -> Result<bool, StoreError> {
    let routed = tx.route_pool_ids(vhost.id)?;
    Ok(pools.iter().any(|pool| routed.contains(&pool.id)))
}

/// Whether a path that begins with `key` may lead into the bucket.
fn reaches(key: &str, bucket: &BucketName) -> bool {
    match key.split_once('/') {
        Some((first, _)) => first == bucket.as_str(),
        None => bucket.as_str().starts_with(key),
    }
}

/// The pool, the pools with the same objects, and the `http` pools that show them.
fn twins(tx: &mut dyn Tx, id: PoolId) -> Result<Vec<Pool>, StoreError> {
    let own = places(tx, id)?;
    let mut twins = Vec::new();
    for pool in tx.pools()? {
        let same = pool.id == id || pool.kind == PoolKind::Nanio && !places(tx, pool.id)?.is_disjoint(&own);
        if same {
            twins.extend(tx.pools_backed_by(pool.id)?);
            twins.push(pool);
        }
    }
    Ok(twins)
}

/// Where a pool's objects are: its members, disabled ones too, and what is asked in their place.
fn places(tx: &mut dyn Tx, id: PoolId) -> Result<HashSet<String>, StoreError> {
    let members = tx.members(id)?.into_iter().map(|member| member.address.as_str().to_ascii_lowercase());
    let mut places: HashSet<String> = members.collect();
    if let Some(text) = tx.credential(id)?.and_then(|credential| credential.endpoint_url)
        && let Ok(endpoint) = Endpoint::parse(&text)
    {
        places.insert(endpoint.host_port().to_ascii_lowercase());
    }
    Ok(places)
}
