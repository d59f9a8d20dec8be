//! How many objects buckets hold: asked for by an operator who waits, so in parallel and within a time that a person
//! waits for. What was not counted in that time is said to be so, never guessed.

use std::collections::HashMap;
use std::time::Duration;

use super::super::{ServiceError, guard};
use super::{Buckets, with_default_pool};
use crate::domain::bucket::{Bucket, BucketName, BucketStatus};
use crate::domain::bucket_sync::Homes;
use crate::domain::ids::{PoolId, VhostId};
use crate::domain::object::Count;
use crate::domain::pool::PoolName;
use crate::domain::site::Site;
use crate::domain::time::Timestamp;
use crate::ports::object_storage::StorageError;
use crate::ports::store::Tx;

/// All counts of an answer together: an operator waits for the page, and a larger bucket is worth a partial count only.
const TIME_TO_COUNT: Duration = Duration::from_secs(2);

/// The buckets of a vhost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketList {
    /// By status, then by name.
    pub buckets: Vec<BucketView>,
    /// When the default pool was last asked for them.
    pub listed_at: Option<Timestamp>,
}

/// A bucket, and what else is shown of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketView {
    /// The bucket.
    pub bucket: Bucket,
    /// The pool of its route.
    pub pool_name: Option<PoolName>,
    /// Its objects.
    pub count: Counted,
}

/// What is known of the number of objects of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counted {
    /// Nobody asked.
    NotAsked,
    /// So many, or at least so many.
    Counted(Count),
    /// It was not counted, for this reason.
    Uncounted(String),
}

/// Routed buckets of which the default pool holds objects that no client sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrphanScan {
    /// Those that it does hold objects of, by name.
    pub orphans: Vec<OrphanedBucket>,
    /// How many buckets were looked at.
    pub checked: u64,
    /// Those that could not be looked at.
    pub unchecked: Vec<Uncounted>,
}

/// A bucket with objects on a pool that does not serve it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrphanedBucket {
    /// The bucket.
    pub name: BucketName,
    /// Its objects there.
    pub count: Count,
}

/// A bucket that was not counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncounted {
    /// The bucket.
    pub name: BucketName,
    /// Why.
    pub why: String,
}

impl Buckets {
    /// The buckets of a vhost as they are known; with `count`, their objects at the pools that serve them.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], or a vhost without default pool.
    pub async fn list(&self, id: VhostId, count: bool) -> Result<BucketList, ServiceError> {
        let read = move |tx: &mut dyn Tx| {
            let (_, default) = with_default_pool(tx, id)?;
            let (mut buckets, pools, listed_at) = (tx.buckets(id)?, tx.pool_refs()?, tx.buckets_listed_at(id)?);
            buckets.sort_by(|a, b| (a.status.as_str(), &a.name).cmp(&(b.status.as_str(), &b.name)));
            let homes = if count { Some(Homes::of(default, &tx.routes(id)?)) } else { None };
            let mut serving = HashMap::new();
            for pool in homes.iter().flat_map(Homes::pools) {
                serving.extend(guard::at_pool(tx, pool)?.map(|found| (pool, found)));
            }
            let view = |bucket: Bucket| {
                let pool_name = bucket.routed_pool_id.and_then(|id| pools.get(&id)).map(|pool| pool.name.clone());
                BucketView { bucket, pool_name, count: Counted::NotAsked }
            };
            let list = BucketList { buckets: buckets.into_iter().map(view).collect(), listed_at };
            Ok::<_, ServiceError>((list, homes, serving))
        };
        let (mut list, homes, serving) = self.context.store.read(read).await?;
        if let Some(homes) = homes {
            self.count(&mut list.buckets, &homes, &serving).await;
        }
        Ok(list)
    }

    /// Counts those of the buckets that are in use, each at the pool that serves it.
    async fn count(&self, buckets: &mut [BucketView], homes: &Homes, serving: &HashMap<PoolId, guard::Serving>) {
        let mut sites: HashMap<PoolId, Result<Site, String>> = HashMap::new();
        let (mut asked, mut waiting) = (Vec::new(), Vec::new());
        for view in buckets {
            if matches!(view.bucket.status, BucketStatus::Deleted | BucketStatus::Ignored) {
                view.count = Counted::Uncounted(format!("its status is {}", view.bucket.status.as_str()));
                continue;
            }
            let home = homes.pool(&view.bucket.name);
            match sites.entry(home).or_insert_with(|| self.site(serving.get(&home).ok_or(home))) {
                Ok(site) => {
                    asked.push((site.clone(), view.bucket.name.clone()));
                    waiting.push(&mut view.count);
                }
                Err(why) => view.count = Counted::Uncounted(why.clone()),
            }
        }
        let counts = self.context.storage.counts(&asked, TIME_TO_COUNT).await;
        for (place, count) in waiting.into_iter().zip(counts) {
            *place = match count {
                Ok(count) => Counted::Counted(count),
                Err(error) => Counted::Uncounted(error.to_string()),
            };
        }
    }

    /// Looks at the default pool for objects of buckets that another pool serves.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], or a vhost without default pool.
    pub async fn orphans(&self, id: VhostId) -> Result<OrphanScan, ServiceError> {
        let read = move |tx: &mut dyn Tx| {
            let (_, default) = with_default_pool(tx, id)?;
            let elsewhere = |bucket: &Bucket| bucket.routed_pool_id.is_some_and(|pool| pool != default);
            let buckets = tx.buckets(id)?.into_iter();
            let routed = buckets.filter(|bucket| bucket.status == BucketStatus::Routed && elsewhere(bucket));
            let names: Vec<BucketName> = routed.map(|bucket| bucket.name).collect();
            Ok::<_, ServiceError>((names, guard::at_pool(tx, default)?.ok_or(default)))
        };
        let (names, default) = self.context.store.read(read).await?;
        let mut scan = OrphanScan::default();
        let site = match self.site(default.as_ref().map_err(|id| *id)) {
            Ok(site) => site,
            Err(why) => {
                scan.unchecked = names.into_iter().map(|name| Uncounted { name, why: why.clone() }).collect();
                return Ok(scan);
            }
        };
        let asked: Vec<(Site, BucketName)> = names.into_iter().map(|name| (site.clone(), name)).collect();
        let counts = self.context.storage.counts(&asked, TIME_TO_COUNT).await;
        for ((_, name), count) in asked.into_iter().zip(counts) {
            scan.note(name, count);
        }
        Ok(scan)
    }
}

impl OrphanScan {
    fn note(&mut self, name: BucketName, count: Result<Count, StorageError>) {
        match count {
            Ok(count) => {
                self.checked += 1;
                if count.objects > 0 {
                    self.orphans.push(OrphanedBucket { name, count });
                } else if !count.complete {
                    // Pages without objects: nothing is known yet.
                    self.checked -= 1;
                    self.unchecked.push(Uncounted { name, why: "its listing did not end in time".to_owned() });
                }
            }
            Err(error) if error.is("NoSuchBucket") => self.checked += 1,
            Err(error) => self.unchecked.push(Uncounted { name, why: error.to_string() }),
        }
    }
}
