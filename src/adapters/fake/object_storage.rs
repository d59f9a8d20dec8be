//! Storage nodes in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

use crate::domain::bucket::BucketName;
use crate::domain::credential::Keys;
use crate::domain::object::{
    Count, FolderPage, Object, ObjectHead, ObjectPage, Occupancy, Undeleted, Upload, UploadPage,
};
use crate::domain::pool::Address;
use crate::domain::site::{Place, Site};
use crate::domain::time::Timestamp;
use crate::ports::object_storage::{ObjectStorage, PAGE, StorageError, Tell};

/// Storage nodes that all see the same buckets, but for those that have their own. Every node answers, and there is no
/// bucket, until it is said otherwise.
#[derive(Debug, Default)]
pub struct FakeStorage {
    state: Mutex<State>,
    requests: AtomicU64,
    hold: Arc<RwLock<()>>,
}

#[derive(Debug, Default)]
struct State {
    buckets: Buckets,
    failing: HashMap<String, String>,
    keys: Option<Keys>,
    time: Option<Timestamp>,
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
    objects: BTreeMap<String, ObjectHead>,
    /// When objects were written, as far as somebody told.
    written: BTreeMap<String, Timestamp>,
    locked: BTreeSet<String>,
    uploads: BTreeSet<(String, String)>,
}

impl FakeStorage {
    /// From now on this bucket is there and holds something, whichever node is asked.
    pub fn fill(&self, bucket: &str) {
        self.put(bucket, "key", 1);
    }

    /// From now on this bucket holds an object of so many bytes.
    pub fn put(&self, bucket: &str, key: &str, size: u64) {
        let etag = Some(format!("{size:032x}"));
        self.put_object(bucket, key, ObjectHead { size, etag, ..ObjectHead::default() });
    }

    /// From now on this bucket holds this object.
    pub fn put_object(&self, bucket: &str, key: &str, head: ObjectHead) {
        self.state().buckets.entry(bucket.to_owned()).or_default().objects.insert(key.to_owned(), head);
    }

    /// From now on the first node of a site that answers holds this object, as if a client had put it there.
    ///
    /// # Errors
    /// Nobody answers, or there is no such bucket.
    pub fn store(&self, site: &Site, bucket: &BucketName, key: &str, head: ObjectHead) -> Result<(), StorageError> {
        self.ask(site, |buckets| {
            find(buckets, bucket)?.objects.insert(key.to_owned(), head);
            Ok(())
        })
    }

    /// From now on it is this time at every node.
    pub fn set_time(&self, time: Timestamp) {
        self.state().time = Some(time);
    }

    /// From now on an upload of this key is under way.
    pub fn begin_upload(&self, bucket: &str, key: &str, id: &str) {
        let mut state = self.state();
        state.buckets.entry(bucket.to_owned()).or_default().uploads.insert((key.to_owned(), id.to_owned()));
    }

    /// From now on this object cannot be deleted.
    pub fn lock(&self, bucket: &str, key: &str) {
        self.state().buckets.entry(bucket.to_owned()).or_default().locked.insert(key.to_owned());
    }

    /// From now on this object can be deleted again.
    pub fn unlock(&self, bucket: &str, key: &str) {
        if let Some(contents) = self.state().buckets.get_mut(bucket) {
            contents.locked.remove(key);
        }
    }

    /// How many objects a bucket holds.
    pub fn objects_in(&self, bucket: &str) -> usize {
        self.state().buckets.get(bucket).map_or(0, |contents| contents.objects.len())
    }

    /// How many uploads are under way in a bucket.
    pub fn uploads_in(&self, bucket: &str) -> usize {
        self.state().buckets.get(bucket).map_or(0, |contents| contents.uploads.len())
    }

    /// How many requests have been answered.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// No deletion is answered until what this gives is dropped.
    pub async fn hold_deletions(&self) -> OwnedRwLockWriteGuard<()> {
        self.hold.clone().write_owned().await
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
        self.requests.fetch_add(1, Ordering::Relaxed);
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

fn object(key: &str, head: &ObjectHead) -> Object {
    Object { key: key.to_owned(), size: head.size, etag: head.etag.clone(), modified: None }
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
            let head = ObjectHead { size: 1, etag: Some(format!("{:032x}", 1)), ..ObjectHead::default() };
            own.buckets.entry(bucket.to_owned()).or_default().objects.insert(key.to_owned(), head);
        })
    }

    /// From now on it has this object of so many bytes, written at this time.
    pub fn put_at(self, bucket: &str, key: &str, size: u64, written: Timestamp) -> Self {
        self.change(|own| {
            let head = ObjectHead { size, etag: Some(format!("{size:032x}")), ..ObjectHead::default() };
            let contents = own.buckets.entry(bucket.to_owned()).or_default();
            contents.objects.insert(key.to_owned(), head);
            contents.written.insert(key.to_owned(), written);
        })
    }

    /// The keys of a bucket and the sizes of its objects.
    pub fn sizes(self, bucket: &str) -> BTreeMap<String, u64> {
        let state = self.storage.state();
        let own = state.own.get(self.node.as_str()).and_then(|own| own.buckets.get(bucket));
        let objects = own.into_iter().flat_map(|contents| &contents.objects);
        objects.map(|(key, head)| (key.clone(), head.size)).collect()
    }

    /// From now on it does not have this object.
    pub fn delete(self, bucket: &str, key: &str) -> Self {
        self.change(|own| {
            own.buckets.entry(bucket.to_owned()).or_default().objects.remove(key);
        })
    }

    /// From now on it has no such bucket.
    pub fn remove(self, bucket: &str) -> Self {
        self.change(|own| drop(own.buckets.remove(bucket)))
    }

    /// From now on an upload of this key is under way.
    pub fn begin_upload(self, bucket: &str, key: &str, id: &str) -> Self {
        self.change(|own| {
            own.buckets.entry(bucket.to_owned()).or_default().uploads.insert((key.to_owned(), id.to_owned()));
        })
    }

    /// From now on no upload is under way in a bucket.
    pub fn end_uploads(self, bucket: &str) -> Self {
        self.change(|own| own.buckets.entry(bucket.to_owned()).or_default().uploads.clear())
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
            let mut objects: Vec<Object> = behind.take(limit + 1).map(|(key, head)| object(key, head)).collect();
            let more = objects.len() > limit;
            objects.truncate(limit);
            let next = objects.last().filter(|_| more).map(|last| last.key.clone());
            Ok(ObjectPage { objects, next })
        })
    }

    async fn folder(
        &self,
        site: &Site,
        bucket: &BucketName,
        prefix: &str,
        from: Option<&str>,
        limit: usize,
    ) -> Result<FolderPage, StorageError> {
        let limit = limit.clamp(1, PAGE);
        self.ask(site, |buckets| {
            let mut things: BTreeMap<String, Option<Object>> = BTreeMap::new();
            for (key, head) in &find(buckets, bucket)?.objects {
                let Some(rest) = key.strip_prefix(prefix) else { continue };
                match rest.split_once('/') {
                    Some((name, _)) => things.insert(format!("{prefix}{name}/"), None),
                    None => things.insert(key.clone(), Some(object(key, head))),
                };
            }
            things.retain(|name, _| from.is_none_or(|from| name.as_str() > from));
            let next = things.keys().nth(limit - 1).filter(|_| things.len() > limit).cloned();
            let mut page = FolderPage { next, ..FolderPage::default() };
            for (name, object) in things.into_iter().take(limit) {
                match object {
                    Some(object) => page.objects.push(object),
                    None => page.folders.push(name),
                }
            }
            Ok(page)
        })
    }

    async fn head(&self, site: &Site, bucket: &BucketName, key: &str) -> Result<Option<ObjectHead>, StorageError> {
        self.ask(site, |buckets| Ok(find(buckets, bucket)?.objects.get(key).cloned()))
    }

    async fn written_at(&self, site: &Site, bucket: &BucketName, key: &str) -> Result<Option<Timestamp>, StorageError> {
        let now = self.state().time;
        let told = self.ask(site, |buckets| {
            let contents = find(buckets, bucket)?;
            let written = contents.written.get(key).copied().or(now);
            Ok(written.filter(|_| contents.objects.contains_key(key)))
        });
        match told {
            Err(StorageError::Refused { status: 404, .. }) => Ok(None),
            told => told,
        }
    }

    async fn put_marker(
        &self,
        site: &Site,
        bucket: &BucketName,
        key: &str,
        head: &ObjectHead,
    ) -> Result<(), StorageError> {
        if !key.ends_with('/') {
            return Err(StorageError::Unanswered(format!("{key:?} does not end in / and is no marker of a folder")));
        }
        let head = ObjectHead { size: 0, etag: Some(format!("{:032x}", 0)), ..head.clone() };
        self.ask(site, |buckets| {
            find(buckets, bucket)?.objects.insert(key.to_owned(), head);
            Ok(())
        })
    }

    async fn time(&self, site: &Site) -> Result<Timestamp, StorageError> {
        // Told to everybody, as HTTP tells it.
        let (keys, time) = {
            let state = self.state();
            (state.keys.clone(), state.time)
        };
        match self.ask(&Site { keys, ..site.clone() }, |_| Ok(time))? {
            Some(time) => Ok(time),
            None => Err(StorageError::Unanswered("nobody tells the time".to_owned())),
        }
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

    async fn abort(&self, site: &Site, bucket: &BucketName, upload: &Upload) -> Result<(), StorageError> {
        self.ask(site, |buckets| {
            find(buckets, bucket)?.uploads.remove(&(upload.key.clone(), upload.id.clone()));
            Ok(())
        })
    }

    async fn delete(&self, site: &Site, bucket: &BucketName, keys: &[String]) -> Result<Vec<Undeleted>, StorageError> {
        // As on the wire: a request for each page of keys.
        self.requests.fetch_add((keys.len().div_ceil(PAGE) as u64).saturating_sub(1), Ordering::Relaxed);
        let _turn = self.hold.read().await;
        self.ask(site, |buckets| {
            let Ok(contents) = find(buckets, bucket) else {
                let left = |key: &String| Undeleted { key: key.clone(), why: "NoSuchBucket".to_owned() };
                return Ok(keys.iter().map(left).collect());
            };
            let (locked, free): (Vec<_>, Vec<_>) = keys.iter().partition(|key| contents.locked.contains(*key));
            for key in free {
                contents.objects.remove(key);
            }
            let left = |key: &String| Undeleted { key: key.clone(), why: "AccessDenied".to_owned() };
            Ok(locked.into_iter().map(left).collect())
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
            let (objects, bytes) = (all.len() as u64, all.values().map(|head| head.size).sum());
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
