//! No call moves a bucket away from its data unseen.

use super::keyring::{Keyring, Unusable};
use super::{Context, ServiceError, migrations, serving};
use crate::domain::bucket::BucketName;
use crate::domain::credential::Credential;
use crate::domain::ids::{MigrationId, PoolId, VhostId};
use crate::domain::migration::Migration;
use crate::domain::object::Occupancy;
use crate::domain::pool::{Address, PoolKind, PoolName};
use crate::domain::route::{PathPrefix, Route};
use crate::domain::site::Site;
use crate::domain::time::Timestamp;
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

/// Refuses a state in which something that is under way could not go on: a purge, or a migration. Called with the state
/// after a change, whatever the change was.
pub(super) fn refuse_conflicts(tx: &mut dyn Tx) -> Result<(), ServiceError> {
    serving::refuse_purged(tx)?;
    migrations::refuse_disturbed(tx)
}

/// A pool and where to ask it.
pub(super) fn at_pool(tx: &mut dyn Tx, id: PoolId) -> Result<Option<Serving>, StoreError> {
    let Some(pool) = tx.pool(id)? else { return Ok(None) };
    let members = tx.members(id)?.into_iter().filter(|member| member.enabled).map(|member| member.address).collect();
    let credential = tx.credential(id)?;
    Ok(Some(Serving { pool: pool.id, name: pool.name, kind: pool.kind, members, credential }))
}

impl Serving {
    /// Where the pool is asked, and with what keys.
    pub(super) fn site(&self, keyring: &Keyring) -> Result<Site, Unusable> {
        keyring.site(self.members.clone(), self.credential.as_ref())
    }
}

/// Refuses while a migration moves a bucket of a vhost.
pub(super) fn expect_not_moving(tx: &mut dyn Tx, vhost: VhostId, bucket: &str) -> Result<(), ServiceError> {
    refuse_moving(&tx.unfinished_migrations()?, vhost, bucket)
}

/// Refuses while one of these migrations moves a bucket of a vhost.
pub(super) fn refuse_moving(unfinished: &[Migration], vhost: VhostId, bucket: &str) -> Result<(), ServiceError> {
    let moves = |one: &&Migration| one.vhost.id == vhost && one.bucket.as_str() == bucket;
    match unfinished.iter().find(moves) {
        None => Ok(()),
        Some(migration) => Err(ServiceError::Conflict(format!(
            "bucket {bucket} is being moved by migration {} (phase {}); wait for its end, or cancel it first",
            migration.id,
            migration.phase.as_str()
        ))),
    }
}

/// The copy of a bucket that a migration left on a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leftover {
    migration: MigrationId,
    since: Timestamp,
}

/// The copy of the bucket of `prefix` that the newest of such migrations has left on a pool.
pub(super) fn leftover(tx: &mut dyn Tx, pool: PoolId, prefix: &PathPrefix) -> Result<Option<Leftover>, StoreError> {
    let Ok(bucket) = BucketName::parse(prefix.bucket()) else { return Ok(None) };
    Ok(leftover_of(&tx.migrations_of(&bucket)?, pool, &bucket))
}

/// The same, among these migrations, newest first.
pub(super) fn leftover_of(newest_first: &[Migration], pool: PoolId, bucket: &BucketName) -> Option<Leftover> {
    let left = Migration::left_on(newest_first, pool, bucket);
    left.and_then(|one| Some(Leftover { migration: one.id, since: one.orphan?.since }))
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
        pool.site(&self.keyring)
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
        let site = match serving.site(&self.keyring) {
            Ok(site) => site,
            Err(unusable) => return Holding::Unknown(unusable.to_string()),
        };
        match self.storage.occupancy(&site, &bucket).await {
            Ok(Occupancy::Absent | Occupancy::Empty) => Holding::Nothing,
            Ok(Occupancy::Occupied) => Holding::Objects,
            Err(error) => Holding::Unknown(error.to_string()),
        }
    }

    /// What clients would no longer see of a bucket, or might not, and what can be done; `None`: nothing.
    pub(super) async fn left_behind(&self, serving: &Serving, prefix: &PathPrefix) -> Option<String> {
        let (bucket, pool) = (prefix.bucket(), &serving.name);
        match self.holding(serving, prefix).await {
            Holding::Nothing => None,
            Holding::Objects => Some(format!(
                "bucket {bucket} holds objects on pool {pool}, which clients would no longer see; \
                 migrate the bucket, or repeat with allow_orphan=true to leave them there"
            )),
            Holding::Unknown(why) => Some(format!(
                "bucket {bucket} may hold objects on pool {pool}, and they could not be counted ({why}); \
                 make the pool reachable, or repeat with allow_orphan=true to leave them there"
            )),
        }
    }

    /// Refuses to leave objects behind, or to guess.
    pub(super) async fn refuse_orphans(&self, serving: &Serving, prefix: &PathPrefix) -> Result<(), ServiceError> {
        self.left_behind(serving, prefix).await.map_or(Ok(()), |why| Err(ServiceError::Conflict(why)))
    }

    /// Which old copy of a bucket clients would be shown by this pool, or might be; `None`: none.
    pub(super) async fn stale_copy(&self, serving: &Serving, left: &Leftover, prefix: &PathPrefix) -> Option<String> {
        let (bucket, pool) = (prefix.bucket(), &serving.name);
        let Leftover { migration, since } = left;
        let doubt = match self.holding(serving, prefix).await {
            Holding::Nothing => return None,
            Holding::Objects => String::new(),
            Holding::Unknown(why) => format!(" (if it still does: it could not be asked: {why})"),
        };
        Some(format!(
            "pool {pool} would serve bucket {bucket}, and still holds the copy that migration {migration} left there \
             on {since}{doubt}: clients would see that old copy in place of what they have written since. Purge it \
             first, or repeat with allow_stale=true to have it served",
            since = since.sql()
        ))
    }
}
