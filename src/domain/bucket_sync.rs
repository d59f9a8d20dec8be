//! What lists of buckets change of the buckets that a vhost knows.
//!
//! A bucket lives at the pool that serves it: that of its own route, else the vhost's default pool. Only what that pool
//! says decides. A pool that was not asked, or did not answer, changes nothing; nothing here changes a route.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::Serialize;

use super::bucket::{Bucket, BucketName, BucketStatus};
use super::ids::{PoolId, VhostId};
use super::route::Route;
use super::time::Timestamp;

/// The buckets of each pool that answered.
pub type Listings = HashMap<PoolId, HashSet<BucketName>>;

/// Where the buckets of a vhost live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Homes {
    default: PoolId,
    routed: BTreeMap<BucketName, PoolId>,
}

impl Homes {
    /// What these routes and the default pool of a vhost say.
    #[must_use]
    pub fn of(default: PoolId, routes: &[Route]) -> Self {
        let whole = |route: &Route| Some((route.path_prefix.whole_bucket()?, route.pool_id));
        Self { default, routed: routes.iter().filter(|route| route.enabled).filter_map(whole).collect() }
    }

    /// The pool that serves a bucket.
    #[must_use]
    pub fn pool(&self, bucket: &BucketName) -> PoolId {
        self.route(bucket).unwrap_or(self.default)
    }

    /// The pool of the bucket's own route, if it has one.
    #[must_use]
    pub fn route(&self, bucket: &BucketName) -> Option<PoolId> {
        self.routed.get(bucket).copied()
    }

    /// Every pool that serves one of the buckets.
    #[must_use]
    pub fn pools(&self) -> BTreeSet<PoolId> {
        self.routed.values().copied().chain([self.default]).collect()
    }
}

/// The buckets of a vhost, and what was seen of them.
#[derive(Debug)]
pub struct Sight<'a> {
    /// The vhost.
    pub vhost: VhostId,
    /// Its buckets as they are known.
    pub known: &'a [Bucket],
    /// Where they lived when the pools were asked.
    pub asked: &'a Homes,
    /// Where they live now.
    pub homes: &'a Homes,
    /// Those that are being moved.
    pub migrating: &'a BTreeSet<BucketName>,
    /// What the pools said.
    pub listings: &'a Listings,
}

impl Sight<'_> {
    /// The buckets that are not as they are known, as they are at `now`.
    #[must_use]
    pub fn changes(&self, now: Timestamp) -> Vec<Bucket> {
        let mut changed: Vec<Bucket> = self.known.iter().filter_map(|bucket| self.seen_again(bucket, now)).collect();
        let known: HashSet<&BucketName> = self.known.iter().map(|bucket| &bucket.name).collect();
        let everywhere = self.homes.pools().into_iter().filter_map(|pool| self.listings.get(&pool)).flatten();
        let new: BTreeSet<&BucketName> = everywhere.filter(|name| !known.contains(name)).collect();
        changed.extend(new.into_iter().filter(|name| self.is_there(name) == Some(true)).map(|name| Bucket {
            vhost_id: self.vhost,
            name: name.clone(),
            status: self.status(name),
            routed_pool_id: self.homes.route(name),
            discovered_at: now,
        }));
        changed
    }

    /// A known bucket, if it has changed.
    fn seen_again(&self, bucket: &Bucket, now: Timestamp) -> Option<Bucket> {
        let seen = |status| Bucket { status, routed_pool_id: self.homes.route(&bucket.name), ..bucket.clone() };
        let after = match (bucket.status, self.is_there(&bucket.name)) {
            (BucketStatus::Ignored, _) => return None,
            _ if self.migrating.contains(&bucket.name) => seen(BucketStatus::Migrating),
            (_, None) => return None,
            (_, Some(false)) => seen(BucketStatus::Deleted),
            (BucketStatus::Deleted, Some(true)) => Bucket { discovered_at: now, ..seen(self.status(&bucket.name)) },
            (_, Some(true)) => seen(self.status(&bucket.name)),
        };
        (after != *bucket).then_some(after)
    }

    /// Whether the pool that serves a bucket lists it. One that has begun to serve it since may have been asked too
    /// early.
    fn is_there(&self, bucket: &BucketName) -> Option<bool> {
        let home = self.homes.pool(bucket);
        let listing = self.listings.get(&home).filter(|_| self.asked.pool(bucket) == home)?;
        Some(listing.contains(bucket))
    }

    fn status(&self, bucket: &BucketName) -> BucketStatus {
        if self.migrating.contains(bucket) {
            BucketStatus::Migrating
        } else if self.homes.route(bucket).is_some() {
            BucketStatus::Routed
        } else {
            BucketStatus::Unrouted
        }
    }
}

/// How many buckets of a vhost there are of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct BucketTally {
    /// Those that are there: all but the deleted ones.
    pub found: u64,
    /// Without a route of their own.
    pub unrouted: u64,
    /// With one.
    pub routed: u64,
    /// Being moved.
    pub migrating: u64,
    /// That nobody wants to hear of.
    pub ignored: u64,
    /// Gone.
    pub deleted: u64,
}

impl BucketTally {
    /// Counts buckets.
    #[must_use]
    pub fn of<'a>(buckets: impl IntoIterator<Item = &'a Bucket>) -> Self {
        let mut tally = Self::default();
        for bucket in buckets {
            let kind = match bucket.status {
                BucketStatus::Unrouted => &mut tally.unrouted,
                BucketStatus::Routed => &mut tally.routed,
                BucketStatus::Migrating => &mut tally.migrating,
                BucketStatus::Ignored => &mut tally.ignored,
                BucketStatus::Deleted => &mut tally.deleted,
            };
            *kind += 1;
        }
        tally.found = tally.unrouted + tally.routed + tally.migrating + tally.ignored;
        tally
    }
}

#[cfg(test)]
mod tests;
