//! A copier between storage nodes in memory.

use std::collections::{BTreeSet, VecDeque};
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use crate::domain::bucket::BucketName;
use crate::domain::copy::{Copied, CopyOrder, Progress, What, carriable};
use crate::domain::object::{Object, ObjectHead};
use crate::domain::pool::Address;
use crate::domain::site::Site;
use crate::ports::copier::{Copier, CopierError, Copying, Watch};
use crate::ports::object_storage::{ObjectStorage, PAGE, StorageError};

use super::object_storage::FakeStorage;

/// Copies object by object, and fails, hangs or skips when it is told to.
#[derive(Default)]
pub struct FakeCopier {
    world: Arc<World>,
}

#[derive(Default)]
struct World {
    nodes: Mutex<Vec<(Address, Arc<FakeStorage>)>>,
    script: Mutex<Script>,
}

#[derive(Default)]
struct Script {
    mishaps: VecDeque<Mishap>,
    skipped: BTreeSet<String>,
    before_each: Option<Arc<BeforeEach>>,
    orders: Vec<CopyOrder>,
    leftovers: usize,
}

/// What happens before an object is copied.
pub type BeforeEach = dyn Fn(String) -> BoxFuture<'static, ()> + Send + Sync;

/// What befalls a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mishap {
    Fails { after: usize, why: String },
    Hangs { after: usize },
}

impl FakeCopier {
    /// From now on there is a node at this address; nodes with the same storage are members of one pool.
    pub fn add_node(&self, address: &Address, storage: &Arc<FakeStorage>) {
        lock(&self.world.nodes).push((address.clone(), storage.clone()));
    }

    /// The next copy that has no other mishap before it fails after so many objects.
    pub fn fail_next(&self, after: usize, why: &str) {
        self.script().mishaps.push_back(Mishap::Fails { after, why: why.to_owned() });
    }

    /// The next copy that has no other mishap before it hangs after so many objects, until it is cancelled.
    pub fn hang_next(&self, after: usize) {
        self.script().mishaps.push_back(Mishap::Hangs { after });
    }

    /// From now on this key is passed over, and said to be copied.
    pub fn skip(&self, key: &str) {
        self.script().skipped.insert(key.to_owned());
    }

    /// From now on this is awaited before each object is copied.
    pub fn before_each(&self, what: impl Fn(String) -> BoxFuture<'static, ()> + Send + Sync + 'static) {
        self.script().before_each = Some(Arc::new(what));
    }

    /// From now on so many copiers of an earlier life are running.
    pub fn leave(&self, count: usize) {
        self.script().leftovers = count;
    }

    /// Every order that was begun.
    #[must_use]
    pub fn orders(&self) -> Vec<CopyOrder> {
        self.script().orders.clone()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        lock(&self.world.script)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Copier for FakeCopier {
    async fn probe(&self) -> Result<String, CopierError> {
        Ok("in memory".to_owned())
    }

    async fn end_leftovers(&self) -> Result<usize, CopierError> {
        Ok(self.script().leftovers)
    }

    async fn forget_leftovers(&self) -> Result<(), CopierError> {
        self.script().leftovers = 0;
        Ok(())
    }

    async fn prepare(&self, order: CopyOrder, watch: Arc<dyn Watch>) -> Result<Box<dyn Copying>, CopierError> {
        if let What::Keys(keys) = &order.what {
            for key in keys {
                carriable(key).map_err(|why| CopierError::Uncarriable { key: key.clone(), why })?;
            }
        }
        Ok(Box::new(FakeCopying { world: self.world.clone(), order, watch, begun: false, mishap: None, outcome: None }))
    }
}

struct FakeCopying {
    world: Arc<World>,
    order: CopyOrder,
    watch: Arc<dyn Watch>,
    begun: bool,
    mishap: Option<Mishap>,
    outcome: Option<Result<Copied, CopierError>>,
}

#[async_trait]
impl Copying for FakeCopying {
    fn go(&mut self) {
        if !std::mem::replace(&mut self.begun, true) {
            let mut script = lock(&self.world.script);
            script.orders.push(self.order.clone());
            self.mishap = script.mishaps.pop_front();
        }
    }

    async fn ended(&mut self) -> Result<Copied, CopierError> {
        if let Some(outcome) = &self.outcome {
            return outcome.clone();
        }
        if !self.begun {
            return pending().await;
        }
        let outcome = self.copy().await;
        self.outcome = Some(outcome.clone());
        outcome
    }

    async fn cancel(self: Box<Self>) {}
}

impl FakeCopying {
    async fn copy(&self) -> Result<Copied, CopierError> {
        let bucket = &self.order.bucket;
        let (source, destination) =
            (self.storage(&self.order.source, "source")?, self.storage(&self.order.destination, "destination")?);
        let there = all(&source, &self.order.source, bucket).await?;
        let present = all(&destination, &self.order.destination, bucket).await?;
        let wanted: Vec<Object> = match &self.order.what {
            What::Keys(keys) => there.iter().filter(|object| keys.contains(&object.key)).cloned().collect(),
            _ => there
                .iter()
                .filter(|object| carriable(&object.key).is_ok() && !present.contains(object))
                .cloned()
                .collect(),
        };
        let mut progress = Progress {
            objects_total: wanted.len() as u64,
            bytes_total: wanted.iter().map(|object| object.size).sum(),
            ..Progress::default()
        };
        for (index, object) in wanted.iter().enumerate() {
            self.meet_mishap(index).await?;
            let before = lock(&self.world.script).before_each.clone();
            if let Some(before) = before {
                before(object.key.clone()).await;
            }
            if !lock(&self.world.script).skipped.contains(&object.key) {
                let head = source.head(&self.order.source, bucket, &object.key).await.map_err(failed(bucket))?;
                let head = head.unwrap_or_else(|| ObjectHead { size: object.size, ..ObjectHead::default() });
                destination.store(&self.order.destination, bucket, &object.key, head).map_err(failed(bucket))?;
            }
            progress.objects_done += 1;
            progress.bytes_done += object.size;
            self.watch.progress(progress);
        }
        self.meet_mishap(wanted.len()).await?;
        if self.order.what == What::Mirror {
            let gone = present
                .into_iter()
                .map(|object| object.key)
                .filter(|key| there.iter().all(|object| object.key != *key));
            let gone: Vec<String> = gone.collect();
            destination.delete(&self.order.destination, bucket, &gone).await.map_err(failed(bucket))?;
            progress.deleted = gone.len() as u64;
        }
        self.watch.progress(progress);
        Ok(progress.into())
    }

    async fn meet_mishap(&self, done: usize) -> Result<(), CopierError> {
        match &self.mishap {
            Some(Mishap::Fails { after, why }) if *after <= done => {
                self.watch.line(why);
                Err(CopierError::Failed(why.clone()))
            }
            Some(Mishap::Hangs { after }) if *after <= done => pending().await,
            _ => Ok(()),
        }
    }

    /// The storage behind the first member that is there.
    fn storage(&self, site: &Site, side: &str) -> Result<Arc<FakeStorage>, CopierError> {
        let nodes = lock(&self.world.nodes);
        let found = site.members.iter().find_map(|member| nodes.iter().find(|(address, _)| address == member));
        let named: Vec<&str> = site.members.iter().map(Address::as_str).collect();
        let told = || format!("the {side} pool cannot be reached: {}", named.join("; "));
        found.map(|(_, storage)| storage.clone()).ok_or_else(|| CopierError::Unreachable(told()))
    }
}

async fn all(storage: &FakeStorage, site: &Site, bucket: &BucketName) -> Result<Vec<Object>, CopierError> {
    let (mut objects, mut from) = (Vec::new(), None);
    loop {
        let page = storage.objects(site, bucket, "", from.as_deref(), PAGE).await.map_err(failed(bucket))?;
        objects.extend(page.objects);
        from = page.next;
        if from.is_none() {
            return Ok(objects);
        }
    }
}

fn failed(bucket: &BucketName) -> impl Fn(StorageError) -> CopierError {
    move |error| CopierError::Failed(format!("{bucket}: {error}"))
}
