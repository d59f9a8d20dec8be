//! Storage nodes in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::bucket::BucketName;
use crate::domain::credential::Keys;
use crate::domain::object::{Count, Object, ObjectPage, Occupancy, Undeleted, Upload, UploadPage};
use crate::domain::pool::Address;
use crate::domain::site::{Place, Site};
use crate::ports::object_storage::{ObjectStorage, PAGE, StorageError, Tell};

/// Storage nodes that all see the same buckets, but for those that have their own. Every node answers, and there is no
/// bucket, until it is said otherwise.
#[derive(Debug, Default)]
pub struct FakeStorage {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    buckets: Buckets,
    failing: HashMap<String, String>,
    keys: Option<Keys>,
    /// The nodes that have buckets of their own, and which.
    own: HashMap<String, OwnBuckets>,
    /// As many objects of a bucket as can be counted in the time that there is.
    countable: Option<u64>,
}

type Buckets = BTreeMap<String, Contents>;

#[derive(Debug, Default)]
struct OwnBuckets {
    buckets: Buckets,
    keys: Option<Keys>,
}

/// A node with buckets of its own.
#[derive(Debug, Clone, Copy)]
pub struct FakeNode<'a> {
    storage: &'a FakeStorage,
    node: &'a Address,
}

#[derive(Debug, Default)]
struct Contents {
    objects: BTreeMap<String, u64>,
    uploads: BTreeSet<(String, String)>,
}

impl FakeStorage {
    /// From now on this bucket is there and holds something, whichever node is asked.
    pub fn fill(&self, bucket: &str) {
        self.put(bucket, "key", 1);
    }

    /// From now on this bucket holds an object of so many bytes.
    pub fn put(&self, bucket: &str, key: &str, size: u64) {
        self.state().buckets.entry(bucket.to_owned()).or_default().objects.insert(key.to_owned(), size);
    }

    /// From now on an upload of this key is under way.
    pub fn begin_upload(&self, bucket: &str, key: &str, id: &str) {
        let mut state = self.state();
        state.buckets.entry(bucket.to_owned()).or_default().uploads.insert((key.to_owned(), id.to_owned()));
    }

    /// From now on the node at this address gives no usable answer, for this reason.
    pub fn fail(&self, node: &Address, why: &str) {
        self.state().failing.insert(node.as_str().to_owned(), why.to_owned());
    }

    /// From now on the node at this address answers again.
    pub fn recover(&self, node: &Address) {
        self.state().failing.remove(node.as_str());
    }

    /// From now on every node answers only requests that are signed with these keys.
    pub fn admit_only(&self, keys: Keys) {
        self.state().keys = Some(keys);
    }

    /// From now on there is time to count so many objects of a bucket, and no more.
    pub fn count_at_most(&self, objects: u64) {
        self.state().countable = Some(objects);
    }

    /// A node that from now on has buckets of its own.
    pub fn at<'a>(&'a self, node: &'a Address) -> FakeNode<'a> {
        self.state().own.entry(node.as_str().to_owned()).or_default();
        FakeNode { storage: self, node }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the first place says that answers.
    fn ask<T>(
        &self,
        site: &Site,
        answer: impl FnOnce(&mut Buckets) -> Result<T, (u16, &'static str)>,
    ) -> Result<T, StorageError> {
        let mut state = self.state();
        let mut faults = Vec::new();
        for place in site.places() {
            if let Some(fault) = state.fault(place) {
                faults.push(format!("{place}: {fault}"));
                continue;
            }
            let (buckets, keys) = state.seen_at(place);
            let known = keys.is_none() || *keys == site.keys;
            let told = if known { answer(buckets) } else { Err((403, "AccessDenied")) };
            let refused = |(status, code): (u16, &str)| (place.to_string(), status, code.to_owned());
            return told.map_err(refused).map_err(|(place, status, code)| StorageError::Refused {
                place,
                status,
                code,
            });
        }
        if faults.is_empty() { Err(StorageError::NoMember) } else { Err(StorageError::Unanswered(faults.join("; "))) }
    }
}

impl State {
    fn fault(&self, place: Place<'_>) -> Option<String> {
        if place.base().is_none() {
            return Some("unix sockets cannot be asked".to_owned());
        }
        self.failing.get(&bare(place)).cloned()
    }

    /// What a place has, and whom it answers.
    fn seen_at(&mut self, place: Place<'_>) -> (&mut Buckets, &Option<Keys>) {
        match self.own.get_mut(&bare(place)) {
            Some(own) => (&mut own.buckets, &own.keys),
            None => (&mut self.buckets, &self.keys),
        }
    }
}

impl FakeNode<'_> {
    /// From now on it has this bucket.
    pub fn make(self, bucket: &str) -> Self {
        self.change(|own| {
            own.buckets.entry(bucket.to_owned()).or_default();
        })
    }

    /// From now on it has this object of one byte.
    pub fn put(self, bucket: &str, key: &str) -> Self {
        self.change(|own| {
            own.buckets.entry(bucket.to_owned()).or_default().objects.insert(key.to_owned(), 1);
        })
    }

    /// From now on it has no such bucket.
    pub fn remove(self, bucket: &str) -> Self {
        self.change(|own| drop(own.buckets.remove(bucket)))
    }

    /// From now on it answers only requests that are signed with these keys.
    pub fn admit_only(self, keys: Keys) -> Self {
        self.change(|own| own.keys = Some(keys))
    }

    fn change(self, change: impl FnOnce(&mut OwnBuckets)) -> Self {
        change(self.storage.state().own.entry(self.node.as_str().to_owned()).or_default());
        self
    }
}

/// A place without its scheme.
fn bare(place: Place<'_>) -> String {
    let named = place.to_string();
    named.trim_start_matches("http://").trim_start_matches("https://").to_owned()
}

fn find<'a>(buckets: &'a mut Buckets, name: &BucketName) -> Result<&'a mut Contents, (u16, &'static str)> {
    buckets.get_mut(name.as_str()).ok_or((404, "NoSuchBucket"))
}

#[async_trait]
impl ObjectStorage for FakeStorage {
    async fn buckets(&self, site: &Site) -> Result<Vec<BucketName>, StorageError> {
        self.ask(site, |buckets| Ok(buckets.keys().filter_map(|name| BucketName::parse(name).ok()).collect()))
    }

    async fn occupancy(&self, site: &Site, bucket: &BucketName) -> Result<Occupancy, StorageError> {
        self.ask(site, |buckets| {
            Ok(match buckets.get(bucket.as_str()) {
                None => Occupancy::Absent,
                Some(contents) if contents.objects.is_empty() => Occupancy::Empty,
                Some(_) => Occupancy::Occupied,
            })
        })
    }

    async fn create_bucket(&self, site: &Site, bucket: &BucketName) -> Result<(), StorageError> {
        self.ask(site, |buckets| {
            buckets.entry(bucket.as_str().to_owned()).or_default();
            Ok(())
        })
    }

    async fn objects(
        &self,
        site: &Site,
        bucket: &BucketName,
        prefix: &str,
        from: Option<&str>,
        limit: usize,
    ) -> Result<ObjectPage, StorageError> {
        let limit = limit.clamp(1, PAGE);
        self.ask(site, |buckets| {
            let all = &find(buckets, bucket)?.objects;
            let behind =
                all.iter().filter(|(key, _)| key.starts_with(prefix) && from.is_none_or(|from| key.as_str() > from));
            let mut objects: Vec<Object> =
                behind.take(limit + 1).map(|(key, size)| Object { key: key.clone(), size: *size }).collect();
            let more = objects.len() > limit;
            objects.truncate(limit);
            let next = objects.last().filter(|_| more).map(|last| last.key.clone());
            Ok(ObjectPage { objects, next })
        })
    }

    async fn uploads(
        &self,
        site: &Site,
        bucket: &BucketName,
        prefix: &str,
        behind: Option<&Upload>,
    ) -> Result<UploadPage, StorageError> {
        let is_behind = |(key, id): &&(String, String)| behind.is_none_or(|mark| (key, id) > (&mark.key, &mark.id));
        self.ask(site, |buckets| {
            let all =
                find(buckets, bucket)?.uploads.iter().filter(|(key, _)| key.starts_with(prefix)).filter(is_behind);
            let mut uploads: Vec<Upload> =
                all.take(PAGE + 1).map(|(key, id)| Upload { key: key.clone(), id: id.clone() }).collect();
            let more = uploads.len() > PAGE;
            uploads.truncate(PAGE);
            let next = uploads.last().filter(|_| more).cloned();
            Ok(UploadPage { uploads, next })
        })
    }

    async fn delete(&self, site: &Site, bucket: &BucketName, keys: &[String]) -> Result<Vec<Undeleted>, StorageError> {
        self.ask(site, |buckets| {
            let Ok(contents) = find(buckets, bucket) else {
                let left = |key: &String| Undeleted { key: key.clone(), why: "NoSuchBucket".to_owned() };
                return Ok(keys.iter().map(left).collect());
            };
            for key in keys {
                contents.objects.remove(key);
            }
            Ok(Vec::new())
        })
    }

    async fn listings(&self, sites: &[Site]) -> Vec<Result<Vec<BucketName>, StorageError>> {
        let mut all = Vec::with_capacity(sites.len());
        for site in sites {
            all.push(self.buckets(site).await);
        }
        all
    }

    async fn counts(&self, asked: &[(Site, BucketName)], _time: Duration) -> Vec<Result<Count, StorageError>> {
        let countable = self.state().countable.unwrap_or(u64::MAX);
        let count = |buckets: &mut Buckets, bucket| {
            let all = &find(buckets, bucket)?.objects;
            let (objects, bytes) = (all.len() as u64, all.values().sum());
            Ok(Count { objects: objects.min(countable), bytes, complete: objects <= countable })
        };
        asked.iter().map(|(site, bucket)| self.ask(site, |buckets| count(buckets, bucket))).collect()
    }

    async fn probe(&self, members: &[Address], tell: &Tell<'_>) {
        for member in members {
            let fault = self.state().failing.get(member.as_str()).cloned();
            tell(
                member,
                match fault {
                    Some(why) => Err(StorageError::Unanswered(format!("{member}: {why}"))),
                    None => Ok(()),
                },
            );
        }
    }
}
