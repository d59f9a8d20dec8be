//! Storage nodes in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::domain::bucket::BucketName;
use crate::domain::credential::Keys;
use crate::domain::object::{FolderPage, Object, ObjectHead, ObjectPage, Occupancy, Undeleted, Upload, UploadPage};
use crate::domain::pool::Address;
use crate::domain::site::{Place, Site};
use crate::domain::time::Timestamp;
use crate::ports::object_storage::{ObjectStorage, PAGE, StorageError, Tell};

/// Storage nodes that all see the same buckets. Every node answers, and there is no bucket, until it is said
/// otherwise.
#[derive(Debug, Default)]
pub struct FakeStorage {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    buckets: BTreeMap<String, Contents>,
    failing: HashMap<String, String>,
    keys: Option<Keys>,
    time: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Contents {
    objects: BTreeMap<String, ObjectHead>,
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

    /// From now on it is this time at every node.
    pub fn set_time(&self, time: Timestamp) {
        self.state().time = Some(time);
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the first place says that answers.
    fn ask<T>(
        &self,
        site: &Site,
        answer: impl FnOnce(&mut State) -> Result<T, (u16, &'static str)>,
    ) -> Result<T, StorageError> {
        let mut state = self.state();
        let mut faults = Vec::new();
        for place in site.places() {
            if let Some(fault) = state.fault(place) {
                faults.push(format!("{place}: {fault}"));
                continue;
            }
            let known = state.keys.is_none() || state.keys == site.keys;
            let told = if known { answer(&mut state) } else { Err((403, "AccessDenied")) };
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
    Object { key: key.to_owned(), size: head.size, etag: head.etag.clone() }
}

impl State {
    fn fault(&self, place: Place<'_>) -> Option<String> {
        if place.base().is_none() {
            return Some("unix sockets cannot be asked".to_owned());
        }
        let named = place.to_string();
        let bare = named.trim_start_matches("http://").trim_start_matches("https://");
        self.failing.get(bare).cloned()
    }

    fn bucket(&mut self, name: &BucketName) -> Result<&mut Contents, (u16, &'static str)> {
        self.buckets.get_mut(name.as_str()).ok_or((404, "NoSuchBucket"))
    }
}

#[async_trait]
impl ObjectStorage for FakeStorage {
    async fn buckets(&self, site: &Site) -> Result<Vec<BucketName>, StorageError> {
        self.ask(site, |state| Ok(state.buckets.keys().filter_map(|name| BucketName::parse(name).ok()).collect()))
    }

    async fn occupancy(&self, site: &Site, bucket: &BucketName) -> Result<Occupancy, StorageError> {
        self.ask(site, |state| {
            Ok(match state.buckets.get(bucket.as_str()) {
                None => Occupancy::Absent,
                Some(contents) if contents.objects.is_empty() => Occupancy::Empty,
                Some(_) => Occupancy::Occupied,
            })
        })
    }

    async fn create_bucket(&self, site: &Site, bucket: &BucketName) -> Result<(), StorageError> {
        self.ask(site, |state| {
            state.buckets.entry(bucket.as_str().to_owned()).or_default();
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
        self.ask(site, |state| {
            let all = &state.bucket(bucket)?.objects;
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
        self.ask(site, |state| {
            let mut things: BTreeMap<String, Option<Object>> = BTreeMap::new();
            for (key, head) in &state.bucket(bucket)?.objects {
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
        self.ask(site, |state| Ok(state.bucket(bucket)?.objects.get(key).cloned()))
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
        self.ask(site, |state| {
            state.bucket(bucket)?.objects.insert(key.to_owned(), head);
            Ok(())
        })
    }

    async fn abort_upload(&self, site: &Site, bucket: &BucketName, upload: &Upload) -> Result<(), StorageError> {
        let named = (upload.key.clone(), upload.id.clone());
        self.ask(site, |state| {
            state.bucket(bucket)?.uploads.remove(&named);
            Ok(())
        })
    }

    async fn time(&self, site: &Site) -> Result<Timestamp, StorageError> {
        // Told to everybody, as HTTP tells it.
        let keys = self.state().keys.clone();
        match self.ask(&Site { keys, ..site.clone() }, |state| Ok(state.time))? {
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
        self.ask(site, |state| {
            let all = state.bucket(bucket)?.uploads.iter().filter(|(key, _)| key.starts_with(prefix)).filter(is_behind);
            let mut uploads: Vec<Upload> =
                all.take(PAGE + 1).map(|(key, id)| Upload { key: key.clone(), id: id.clone() }).collect();
            let more = uploads.len() > PAGE;
            uploads.truncate(PAGE);
            let next = uploads.last().filter(|_| more).cloned();
            Ok(UploadPage { uploads, next })
        })
    }

    async fn delete(&self, site: &Site, bucket: &BucketName, keys: &[String]) -> Result<Vec<Undeleted>, StorageError> {
        self.ask(site, |state| {
            let Ok(contents) = state.bucket(bucket) else {
                let left = |key: &String| Undeleted { key: key.clone(), why: "NoSuchBucket".to_owned() };
                return Ok(keys.iter().map(left).collect());
            };
            for key in keys {
                contents.objects.remove(key);
            }
            Ok(Vec::new())
        })
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
