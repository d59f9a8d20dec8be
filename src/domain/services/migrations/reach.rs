//! Through which vhosts clients reach a bucket on a pool.

use crate::domain::bucket::BucketName;
use crate::domain::ids::PoolId;
use crate::domain::pool::PoolKind;
use crate::domain::route::Route;
use crate::domain::vhost::Vhost;
use crate::ports::store::{StoreError, Tx};

/// How clients reach a bucket on a pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reach {
    /// By a route of the bucket's own, with its vhost. Disabled ones are listed too: they must follow, or lead to an
    /// orphan once they are enabled.
    pub routes: Vec<(Vhost, Route)>,
    /// Through the default pool: vhosts that have no route for the bucket.
    pub defaults: Vec<Vhost>,
    /// Routes of `http` vhosts to pools that serve the same files.
    pub http: Vec<(Vhost, Route)>,
    /// Routes that take a part of the bucket away, as `host/prefix`.
    pub parts: Vec<String>,
}

impl Reach {
    /// Every vhost in it.
    pub(super) fn vhosts(&self) -> impl Iterator<Item = &Vhost> {
        let routed = self.routes.iter().chain(&self.http).map(|(vhost, _)| vhost);
        routed.chain(&self.defaults)
    }

    /// The vhosts in which S3 clients reach it and nginx serves them.
    pub(super) fn served(&self) -> impl Iterator<Item = &Vhost> {
        let routed = self.routes.iter().filter(|(_, route)| route.enabled).map(|(vhost, _)| vhost);
        routed.chain(&self.defaults).filter(|vhost| vhost.enabled)
    }
}

/// The prefix of a route that serves a bucket whole, as [`Tx::route_at`] takes it.
pub(super) fn prefix_of(bucket: &BucketName) -> String {
    format!("/{bucket}")
}

/// How clients reach `bucket` on `pool`.
pub(super) fn reach(tx: &mut dyn Tx, pool: PoolId, bucket: &BucketName) -> Result<Reach, StoreError> {
    let mut reach = Reach::default();
    let prefix = prefix_of(bucket);
    for vhost in tx.vhosts_using(pool)? {
        match tx.route_at(vhost.id, &prefix)? {
            Some(route) if route.pool_id == pool => {
                parts(tx, &vhost, &prefix, &mut reach.parts)?;
                reach.routes.push((vhost, route));
            }
            Some(route) if route.enabled => {}
            // A route that is disabled leaves the bucket to the default pool.
            _ if vhost.default_pool_id == Some(pool) => {
                parts(tx, &vhost, &prefix, &mut reach.parts)?;
                reach.defaults.push(vhost);
            }
            _ => {}
        }
    }
    for linked in tx.pools_backed_by(pool)?.into_iter().filter(|linked| linked.kind == PoolKind::Http) {
        for vhost in tx.vhosts_using(linked.id)? {
            if let Some(route) = tx.route_at(vhost.id, &prefix)?.filter(|route| route.pool_id == linked.id) {
                reach.http.push((vhost, route));
            }
        }
    }
    Ok(reach)
}

/// Routes of parts of the bucket: `/bucket/part/`.
fn parts(tx: &mut dyn Tx, vhost: &Vhost, prefix: &str, parts: &mut Vec<String>) -> Result<(), StoreError> {
    let Ok(bucket) = BucketName::parse(prefix.trim_start_matches('/')) else { return Ok(()) };
    let routes = tx.bucket_routes(vhost.id, &bucket)?.into_iter();
    let inner = routes.filter(|route| route.path_prefix.canonical() != prefix);
    parts.extend(inner.map(|route| format!("{}{}", vhost.server_name, route.path_prefix)));
    Ok(())
}
