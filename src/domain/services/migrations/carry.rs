//! Making the destination hold what the source holds under some keys.
//!
//! Deletions first and copies after them, never both at once: a node may not take `a/b` while it has `a`, nor `a` while
//! it has `a/b`. Objects go from node to node through the copier; only markers of folders, which have no content, are
//! made here.

use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::domain::bucket::BucketName;
use crate::domain::copy::{CopyOrder, What, WhyNot, carriable};
use crate::domain::migration::equal::{difference, surely_equal};
use crate::domain::object::ObjectHead;
use crate::domain::site::Site;
use crate::ports::copier::{Copier, CopierError, Watch};
use crate::ports::object_storage::{ObjectStorage, StorageError};

/// How many objects are asked about at a time.
const AT_ONCE: usize = 32;

/// Both sides of a bucket, and who reaches them.
#[derive(Clone)]
pub(super) struct Sides {
    pub storage: Arc<dyn ObjectStorage>,
    pub copier: Arc<dyn Copier>,
    pub bucket: BucketName,
    pub source: Site,
    pub destination: Site,
}

/// What was carried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Carried {
    pub objects: u64,
    pub bytes: u64,
    pub deleted: u64,
    /// Keys that were not, since a node said no: they were written to meanwhile. With its words.
    pub left: Option<(Vec<String>, String)>,
}

/// Why keys were not carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CarryError {
    /// They may be, another time.
    NotNow(String),
    /// They never will be. Names the key.
    Never(String),
    /// They may be, another time; and what was sent may still arrive: the copier was ended in the middle, or a node did
    /// not say what became of it.
    Cut(String),
}

impl From<StorageError> for CarryError {
    fn from(error: StorageError) -> Self {
        Self::NotNow(error.to_string())
    }
}

impl Sides {
    /// Makes the destination equal under each of `keys`.
    pub(super) async fn carry(&self, keys: &[String], watch: Arc<dyn Watch>) -> Result<Carried, CarryError> {
        let mut plan = Plan::default();
        for (key, head) in self.heads(&self.source, keys).await? {
            plan.add(key, head)?;
        }
        let deleted = self.delete(&plan.gone).await?;
        for (key, head) in &plan.markers {
            self.put_marker(key, head).await?;
        }
        let mut carried = Carried { objects: plan.markers.len() as u64, bytes: plan.bytes, deleted, left: None };
        if !plan.copies.is_empty() {
            carried.objects += plan.copies.len() as u64;
            carried.left = self.copy(plan.copies, watch).await?;
        }
        Ok(carried)
    }

    pub(super) async fn put_marker(&self, key: &str, head: &ObjectHead) -> Result<(), CarryError> {
        match self.storage.put_marker(&self.destination, &self.bucket, key, head).await {
            Err(StorageError::Refused { status, code, .. }) if (400..500).contains(&status) => {
                Err(CarryError::Never(format!(
                    "the destination does not take the marker of a folder {key:?} ({code}); delete it, then start again"
                )))
            }
            outcome => outcome.map_err(|error| CarryError::Cut(error.to_string())),
        }
    }

    /// Those of `keys` under which the two sides are not the same for sure.
    pub(super) async fn unsure(&self, keys: &[String]) -> Result<Vec<String>, StorageError> {
        let mut unsure = Vec::new();
        // A large bucket's answers need not be in memory at once.
        for keys in keys.chunks(1000) {
            let differ = self.both(keys).await?.into_iter().filter(|(_, ours, theirs)| match (ours, theirs) {
                (Some(ours), Some(theirs)) => !surely_equal(ours, theirs),
                (ours, theirs) => ours.is_some() || theirs.is_some(),
            });
            unsure.extend(differ.map(|(key, ..)| key));
        }
        Ok(unsure)
    }

    /// The keys under which the two sides differ, each with how.
    pub(super) async fn differing(&self, keys: &[String]) -> Result<Vec<String>, StorageError> {
        let differs = self.both(keys).await?.into_iter().filter_map(|(key, ours, theirs)| {
            let how = match (&ours, &theirs) {
                (None, None) => return None,
                (Some(ours), Some(theirs)) => difference(ours, theirs)?,
                (Some(_), None) => "the destination lacks it",
                (None, Some(_)) => "only the destination has it",
            };
            Some(format!("{key:?}: {how}"))
        });
        Ok(differs.collect())
    }

    /// What both sides say of each key.
    async fn both(
        &self,
        keys: &[String],
    ) -> Result<Vec<(String, Option<ObjectHead>, Option<ObjectHead>)>, StorageError> {
        let (ours, theirs) =
            futures_util::future::try_join(self.heads(&self.source, keys), self.heads(&self.destination, keys)).await?;
        Ok(ours.into_iter().zip(theirs).map(|((key, ours), (_, theirs))| (key, ours, theirs)).collect())
    }

    /// What a side says of each key, in the same order.
    pub(super) async fn heads(
        &self,
        site: &Site,
        keys: &[String],
    ) -> Result<Vec<(String, Option<ObjectHead>)>, StorageError> {
        stream::iter(keys.to_vec())
            .map(|key| async move {
                let head = self.storage.head(site, &self.bucket, &key).await?;
                Ok((key, head))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    /// Deletes at the destination what is there, the deepest first.
    async fn delete(&self, keys: &[String]) -> Result<u64, CarryError> {
        let mut there: Vec<String> = self
            .heads(&self.destination, keys)
            .await?
            .into_iter()
            .filter_map(|(key, head)| head.map(|_| key))
            .collect();
        there.sort_by_key(|key| std::cmp::Reverse(key.matches('/').count()));
        if there.is_empty() {
            return Ok(0);
        }
        let left = self.storage.delete(&self.destination, &self.bucket, &there).await;
        let left = left.map_err(|error| CarryError::Cut(error.to_string()))?;
        match left.first() {
            None => Ok(there.len() as u64),
            Some(first) => Err(CarryError::NotNow(format!(
                "{} objects could not be deleted at the destination, the first is {:?}: {}",
                left.len(),
                first.key,
                first.why
            ))),
        }
    }

    async fn copy(
        &self,
        keys: Vec<String>,
        watch: Arc<dyn Watch>,
    ) -> Result<Option<(Vec<String>, String)>, CarryError> {
        let order = CopyOrder {
            source: self.source.clone(),
            destination: self.destination.clone(),
            bucket: self.bucket.clone(),
            what: What::Keys(keys),
            // A request that was sent twice may arrive twice, the older one last.
            once: true,
        };
        let ended = match self.copier.start(order, watch).await {
            Ok(mut copying) => copying.ended().await,
            Err(error) => Err(error),
        };
        match ended {
            Ok(_) => Ok(None),
            Err(CopierError::Refused { keys, why }) => Ok(Some((keys, why))),
            Err(error @ CopierError::Uncarriable { .. }) => Err(CarryError::Never(error.to_string())),
            Err(error @ (CopierError::Cancelled | CopierError::Failed(_))) => Err(CarryError::Cut(error.to_string())),
            Err(error) => Err(CarryError::NotNow(error.to_string())),
        }
    }
}

/// What is to be done with some keys.
#[derive(Default)]
struct Plan {
    gone: Vec<String>,
    markers: Vec<(String, ObjectHead)>,
    copies: Vec<String>,
    bytes: u64,
}

impl Plan {
    fn add(&mut self, key: String, head: Option<ObjectHead>) -> Result<(), CarryError> {
        let Some(head) = head else {
            self.gone.push(key);
            return Ok(());
        };
        self.bytes = self.bytes.saturating_add(head.size);
        match carriable(&key) {
            Ok(()) => self.copies.push(key),
            Err(WhyNot::Folder) if head.size == 0 => self.markers.push((key, head)),
            Err(why) => {
                return Err(CarryError::Never(format!(
                    "the object {key:?} cannot be moved: {why}; rename or delete it, then start again"
                )));
            }
        }
        Ok(())
    }
}
