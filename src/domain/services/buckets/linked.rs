//! Routes of vhosts that serve the files of a nanio pool over an `http` pool.

use super::super::publish::Change;
use super::super::routes::{self, Consent, NewRoute};
use super::super::{ServiceError, vhosts};
use super::routing::{Unrouted, routable};
use super::{Buckets, pool_name};
use crate::domain::audit::{Action, Actor};
use crate::domain::bucket::{Bucket, BucketName, BucketStatus};
use crate::domain::ids::{PoolId, VhostId};
use crate::domain::pool::{Pool, PoolKind, PoolName};
use crate::domain::route::Route;
use crate::domain::vhost::{ServerName, Vhost};
use crate::ports::store::Tx;

/// The routes of an `http` vhost, and the buckets that could have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedRoutes {
    /// The vhost's name.
    pub server_name: ServerName,
    /// The nanio pool whose files its default pool serves.
    pub source: (PoolId, PoolName),
    /// Its routes without `/`, longest prefix first.
    pub routes: Vec<LinkedRoute>,
    /// Buckets of the nanio pool, by name.
    pub buckets: Vec<LinkedBucket>,
}

/// A route and the name of its pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedRoute {
    /// The route.
    pub route: Route,
    /// The name of its pool.
    pub pool_name: PoolName,
}

/// A bucket of the nanio pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedBucket {
    /// The bucket.
    pub name: BucketName,
    /// Whether the `http` vhost has a route for it.
    pub has_route: bool,
}

impl Buckets {
    /// The routes of an `http` vhost, and the buckets of the nanio pool behind it.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], or a vhost whose default pool is no `http` pool backed by a nanio pool.
    pub async fn linked(&self, id: VhostId) -> Result<LinkedRoutes, ServiceError> {
        self.context.store.read(move |tx| linked(tx, id)).await
    }

    /// Gives a bucket a route to the default pool of an `http` vhost.
    ///
    /// # Errors
    /// As [`Buckets::linked`]; a route that is there; what nginx refuses.
    pub async fn link(&self, actor: Actor, id: VhostId, bucket: BucketName) -> Result<Route, ServiceError> {
        let prefix = routable(&bucket)?;
        let make = move |change: &mut Change<'_>| {
            let (_, default, _) = linked_vhost(change.tx, id)?;
            let new = NewRoute {
                path_prefix: prefix.clone(),
                pool_id: default.id,
                key_prefix: None,
                extra_directives: None,
                enabled: true,
                allow_orphan: false,
            };
            Ok(routes::insert(change, id, &new, None, Action::AddHttpBucketRoute)?.view.route)
        };
        self.context.publisher.change(actor, make).await
    }

    /// Removes the route of a bucket from an `http` vhost.
    ///
    /// # Errors
    /// As [`Buckets::linked`]; no such route.
    pub async fn unlink(&self, actor: Actor, id: VhostId, bucket: BucketName) -> Result<Unrouted, ServiceError> {
        self.context.store.read(move |tx| linked_vhost(tx, id).map(drop)).await?;
        self.remove_route(actor, id, bucket, Consent::default(), Action::RemoveHttpBucketRoute).await
    }
}

/// The vhost, its `http` pool, and the nanio pool behind that.
fn linked_vhost(tx: &mut dyn Tx, id: VhostId) -> Result<(Vhost, Pool, PoolId), ServiceError> {
    let vhost = vhosts::find(tx, id)?;
    let default = vhost.default_pool_id.map(|id| tx.pool(id)).transpose()?.flatten();
    let http = default.filter(|pool| pool.kind == PoolKind::Http);
    match http.and_then(|pool| pool.source_nanio_pool_id.map(|source| (pool, source))) {
        Some((pool, source)) => Ok((vhost, pool, source)),
        None => Err(ServiceError::Rejected(format!(
            "the default pool of vhost {} is not an http pool with source_nanio_pool_id: only such a vhost serves \
             buckets of a nanio pool over http",
            vhost.server_name
        ))),
    }
}

fn linked(tx: &mut dyn Tx, id: VhostId) -> Result<LinkedRoutes, ServiceError> {
    let (vhost, _, source) = linked_vhost(tx, id)?;
    let pools = tx.pool_refs()?;
    let own = tx.routes(id)?.into_iter().filter(|route| !route.path_prefix.is_root());
    let view = |route: Route| {
        let pool_name = pools.get(&route.pool_id)?.name.clone();
        Some(LinkedRoute { route, pool_name })
    };
    let routes: Vec<LinkedRoute> = own.filter_map(view).collect();
    let mut names = buckets_on(tx, source)?;
    names.sort();
    names.dedup();
    let has_route =
        |name: &BucketName| routes.iter().any(|it| it.route.path_prefix.whole_bucket().as_ref() == Some(name));
    let buckets = names.into_iter().map(|name| LinkedBucket { has_route: has_route(&name), name }).collect();
    let source_name = pool_name(tx, source)?.ok_or(ServiceError::NotFound("Pool"))?;
    Ok(LinkedRoutes { server_name: vhost.server_name, source: (source, source_name), routes, buckets })
}

/// The buckets that a nanio pool serves, as the vhosts know them.
fn buckets_on(tx: &mut dyn Tx, pool: PoolId) -> Result<Vec<BucketName>, ServiceError> {
    let mut names = Vec::new();
    for vhost in tx.vhosts_using(pool)? {
        let home = |bucket: &Bucket| bucket.routed_pool_id.or(vhost.default_pool_id) == Some(pool);
        let shown = |bucket: &Bucket| !matches!(bucket.status, BucketStatus::Deleted | BucketStatus::Ignored);
        let buckets = tx.buckets(vhost.id)?.into_iter();
        names.extend(buckets.filter(|bucket| home(bucket) && shown(bucket)).map(|bucket| bucket.name));
    }
    Ok(names)
}
