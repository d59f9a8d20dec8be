//! What a nanio pool holds: its buckets, with who serves each, and their objects.

use std::collections::BTreeMap;

use super::guard::{self, Serving};
use super::{Context, ServiceError, pools};
use crate::domain::bucket::BucketName;
use crate::domain::ids::{MigrationId, PoolId, VhostId};
use crate::domain::invalid::words;
use crate::domain::migration::Migration;
use crate::domain::object::ObjectPage;
use crate::domain::pool::{Address, PoolKind, PoolName};
use crate::domain::route::Route;
use crate::domain::vhost::{ServerName, Vhost};
use crate::ports::object_storage::PAGE;
use crate::ports::store::Tx;

/// How many keys are told at once to a client that does not ask for pages.
const AT_ONCE: usize = 10_000;

words!(
    /// What becomes of a bucket on a pool.
    Standing {
        /// Nobody is served from it.
        Unrouted = "unrouted",
        /// A finished migration has left it.
        Orphaned = "orphaned",
        /// A migration that has not ended reads it there, or writes it there, and nobody else is served from it.
        Migrating = "migrating",
        /// The pool is the default pool of vhosts that have no other route for it.
        ViaDefault = "via_default",
        /// It has a route to the pool.
        Routed = "routed",
    }
);

/// A vhost by id and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VhostRef {
    /// Its id.
    pub id: VhostId,
    /// Its name.
    pub server_name: ServerName,
}

/// A bucket on a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBucket {
    /// Its name.
    pub name: BucketName,
    /// What becomes of it.
    pub standing: Standing,
    /// The vhosts that have a route for it to this pool.
    pub routed_in: Vec<VhostRef>,
    /// The vhosts that are served by the pool for want of a route.
    pub default_vhosts: Vec<VhostRef>,
    /// The migration that reads it there, or writes it there.
    pub migration: Option<MigrationId>,
}

/// The buckets of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolBuckets {
    /// The pool.
    pub pool: PoolId,
    /// Its name.
    pub name: PoolName,
    /// Its first enabled member.
    pub member: Address,
    /// The buckets: first those that nobody is served from, each kind by name.
    pub buckets: Vec<HeldBucket>,
    /// The vhosts of S3 clients.
    pub vhosts: Vec<VhostRef>,
}

/// Which objects are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Only keys that begin so.
    pub prefix: String,
    /// At most so many; none: as many as can be told at once.
    pub limit: Option<usize>,
    /// Where an earlier page ended.
    pub continuation: Option<String>,
}

/// Use cases about what pools hold.
#[derive(Clone)]
pub struct PoolBucketsOf {
    context: Context,
}

/// What the database says about a pool's buckets.
struct Known {
    pool: Serving,
    /// The vhosts that the pool serves, each with its routes.
    served: Vec<(Vhost, Vec<Route>)>,
    migrations: Vec<Migration>,
    vhosts: Vec<VhostRef>,
}

impl PoolBucketsOf {
    pub(super) fn new(context: Context) -> Self {
        Self { context }
    }

    /// The buckets that the pool's storage lists, with who serves each.
    ///
    /// # Errors
    /// No such pool, not a nanio pool, no enabled member, or no answer of its storage.
    pub async fn status(&self, id: PoolId) -> Result<PoolBuckets, ServiceError> {
        let known = self.context.store.read(move |tx| known(tx, id)).await?;
        let site = self.context.site(&known.pool)?;
        let names = self.context.storage.buckets(&site).await?;
        let routes = Routed::of(&known);
        let mut buckets: Vec<HeldBucket> = names.into_iter().map(|name| routes.held(name, &known)).collect();
        buckets.sort_by(|a, b| (place(a.standing), &a.name).cmp(&(place(b.standing), &b.name)));
        let member = known.pool.members.first().cloned().ok_or(ServiceError::NotFound("Member"))?;
        Ok(PoolBuckets { pool: id, name: known.pool.name, member, buckets, vhosts: known.vhosts })
    }

    /// Objects of a bucket, by key.
    ///
    /// # Errors
    /// As [`PoolBucketsOf::status`]; or there is no such bucket.
    pub async fn objects(&self, id: PoolId, bucket: BucketName, asked: Listing) -> Result<ObjectPage, ServiceError> {
        let pool = self.context.store.read(move |tx| askable(tx, id)).await?;
        let site = self.context.site(&pool)?;
        let most = asked.limit.unwrap_or(AT_ONCE);
        let mut all = ObjectPage { objects: Vec::new(), next: asked.continuation };
        loop {
            let limit = PAGE.min(most - all.objects.len());
            let from = all.next.as_deref();
            let page = self.context.storage.objects(&site, &bucket, &asked.prefix, from, limit).await?;
            all.objects.extend(page.objects);
            all.next = page.next;
            // A page that was asked for is one page, however many keys the node has put into it.
            if all.next.is_none() || all.objects.len() >= most || asked.limit.is_some() {
                return Ok(all);
            }
        }
    }
}

/// A pool whose storage can be asked.
pub(super) fn askable(tx: &mut dyn Tx, id: PoolId) -> Result<Serving, ServiceError> {
    let pool = pools::find(tx, id)?;
    if pool.kind != PoolKind::Nanio {
        return Err(ServiceError::Rejected(format!(
            "Pool {} is of type {}; only pools of type nanio have buckets",
            pool.name,
            pool.kind.as_str()
        )));
    }
    let found = guard::at_pool(tx, id)?.ok_or(ServiceError::NotFound("Pool"))?;
    if found.members.is_empty() {
        return Err(ServiceError::Rejected(format!("Pool {} has no enabled members", pool.name)));
    }
    Ok(found)
}

fn known(tx: &mut dyn Tx, id: PoolId) -> Result<Known, ServiceError> {
    let pool = askable(tx, id)?;
    let mut served = Vec::new();
    for vhost in tx.vhosts_using(id)? {
        let routes = tx.routes(vhost.id)?;
        served.push((vhost, routes));
    }
    let kinds = tx.pool_refs()?;
    let nanio = |vhost: &Vhost| {
        let default = vhost.default_pool_id.and_then(|id| kinds.get(&id));
        default.is_some_and(|pool| pool.kind == PoolKind::Nanio)
    };
    let vhosts = tx.vhosts()?.iter().filter(|vhost| nanio(vhost)).map(of).collect();
    Ok(Known { pool, served, migrations: tx.migrations()?, vhosts })
}

fn of(vhost: &Vhost) -> VhostRef {
    VhostRef { id: vhost.id, server_name: vhost.server_name.clone() }
}

/// Where a kind of bucket stands in the list.
fn place(standing: Standing) -> usize {
    Standing::ALL.iter().position(|other| *other == standing).unwrap_or_default()
}

/// The enabled routes of the vhosts that the pool serves, by bucket: the place of the vhost, and the pool of the route.
struct Routed<'k>(BTreeMap<&'k str, Vec<(usize, PoolId)>>);

impl<'k> Routed<'k> {
    fn of(known: &'k Known) -> Self {
        let mut routed: BTreeMap<&str, Vec<(usize, PoolId)>> = BTreeMap::new();
        for (place, (vhost, routes)) in known.served.iter().enumerate() {
            let whole =
                |route: &'k Route| route.path_prefix.canonical().strip_prefix('/').filter(|rest| !rest.contains('/'));
            for route in routes.iter().filter(|route| route.enabled && vhost.enabled && !route.path_prefix.is_root()) {
                if let Some(bucket) = whole(route) {
                    routed.entry(bucket).or_default().push((place, route.pool_id));
                }
            }
        }
        Self(routed)
    }

    fn held(&self, name: BucketName, known: &Known) -> HeldBucket {
        let routes = self.0.get(name.as_str()).map_or(&[][..], Vec::as_slice);
        let id = known.pool.pool;
        let routed_in: Vec<VhostRef> =
            routes.iter().filter(|(_, pool)| *pool == id).map(|(place, _)| of(&known.served[*place].0)).collect();
        let defaults = known.served.iter().enumerate().filter(|(place, (vhost, _))| {
            vhost.enabled && vhost.default_pool_id == Some(id) && !routes.iter().any(|(other, _)| other == place)
        });
        let default_vhosts: Vec<VhostRef> = defaults.map(|(_, (vhost, _))| of(vhost)).collect();
        let migration = known.migrations.iter().find(|one| one.needs(id, &name).is_some()).map(|one| one.id);
        let standing = if !routed_in.is_empty() {
            Standing::Routed
        } else if migration.is_some() && default_vhosts.is_empty() {
            Standing::Migrating
        } else if migration.is_none() && known.migrations.iter().any(|one| one.left_behind(id, &name)) {
            Standing::Orphaned
        } else if !default_vhosts.is_empty() {
            Standing::ViaDefault
        } else {
            Standing::Unrouted
        };
        HeldBucket { name, standing, routed_in, default_vhosts, migration }
    }
}
