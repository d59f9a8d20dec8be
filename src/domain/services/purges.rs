//! The deletion of what a pool holds of a bucket that nobody is served from.
//!
//! That nobody is, is seen in the transaction that records the purge, and while it is recorded no change can make it
//! otherwise ([`serving`]). So no lock is held while the storage nodes work, and a crash leaves the record: the next
//! start goes on.

use std::sync::Arc;

use super::guard::Serving;
use super::jobs::{self, JobDesk};
use super::publish::Change;
use super::{Context, ServiceError, pool_buckets, serving, vhosts};
use crate::domain::audit::{Action, Actor, NewEntry, PurgeSnapshot, Snapshot, Subject};
use crate::domain::bucket::BucketName;
use crate::domain::ids::{EntityKind, JobId, PoolId, VhostId};
use crate::domain::job::{Job, JobState, Progress, Purge, Task};
use crate::domain::migration::{Migration, Named, Orphan};
use crate::domain::object::Object;
use crate::domain::site::Site;
use crate::ports::clock::Clock;
use crate::ports::migration_files::MigrationFiles;
use crate::ports::object_storage::{PAGE, StorageError};
use crate::ports::store::Tx;

/// How often a listing is gone through: what is still there then comes back as fast as it is deleted.
const SWEEPS: usize = 16;
/// How many pages without an object are put up with, one after the other.
const BARREN: usize = 16;

/// Use cases about purges.
#[derive(Clone)]
pub struct Purges {
    context: Context,
    clock: Arc<dyn Clock>,
    desk: JobDesk,
    migrations: Arc<dyn MigrationFiles>,
}

/// Why a purge went no further.
enum Halt {
    /// An operator ended it.
    Cancelled,
    /// It cannot go on, for a reason that the operator can read.
    Failed(String),
    /// Its record cannot be read or written.
    Broken(ServiceError),
}

impl From<ServiceError> for Halt {
    fn from(error: ServiceError) -> Self {
        Halt::Broken(error)
    }
}

impl From<StorageError> for Halt {
    fn from(error: StorageError) -> Self {
        Halt::Failed(error.to_string())
    }
}

impl Purges {
    pub(super) fn new(
        context: Context,
        clock: Arc<dyn Clock>,
        desk: JobDesk,
        migrations: Arc<dyn MigrationFiles>,
    ) -> Self {
        Self { context, clock, desk, migrations }
    }

    /// Begins to delete what a pool holds of a bucket.
    ///
    /// # Errors
    /// No such pool, not a nanio pool, no enabled member; [`ServiceError::Conflict`] while anybody is served from it,
    /// or it is being purged already.
    pub async fn of_pool(&self, actor: Actor, pool: PoolId, bucket: BucketName) -> Result<JobId, ServiceError> {
        let purge = move |tx: &mut dyn Tx| {
            let pool = pool_buckets::askable(tx, pool)?;
            let pool = Named { id: pool.pool, name: pool.name.as_str().to_owned() };
            Ok(Purge { pool, bucket: bucket.clone(), orphan_of: None })
        };
        self.begin(actor, purge).await
    }

    /// Begins to delete what the default pool of a vhost holds of a bucket that has a route of its own.
    ///
    /// # Errors
    /// No such vhost, no default pool, no route for the bucket; otherwise as [`Purges::of_pool`].
    pub async fn of_default_pool(
        &self,
        actor: Actor,
        vhost: VhostId,
        bucket: BucketName,
    ) -> Result<JobId, ServiceError> {
        let purge = move |tx: &mut dyn Tx| {
            let vhost = vhosts::find(tx, vhost)?;
            let Some(default) = vhost.default_pool_id else {
                return Err(ServiceError::Rejected(format!("vhost {} has no default pool", vhost.server_name)));
            };
            let pool = pool_buckets::askable(tx, default)?;
            if tx.route_at(vhost.id, &format!("/{bucket}"))?.is_none() {
                return Err(ServiceError::Rejected(format!(
                    "bucket {bucket} has no route of its own in vhost {}: pool {} serves it",
                    vhost.server_name, pool.name
                )));
            }
            let orphan_of = Named { id: vhost.id, name: vhost.server_name.as_str().to_owned() };
            let pool = Named { id: pool.pool, name: pool.name.as_str().to_owned() };
            Ok(Purge { pool, bucket: bucket.clone(), orphan_of: Some(orphan_of) })
        };
        self.begin(actor, purge).await
    }

    /// Records a purge, in the transaction that sees that nobody is served from what it deletes.
    async fn begin(
        &self,
        actor: Actor,
        purge: impl Fn(&mut dyn Tx) -> Result<Purge, ServiceError> + Send + 'static,
    ) -> Result<JobId, ServiceError> {
        let record = move |change: &mut Change<'_>| {
            let (tx, now) = (&mut *change.tx, change.now);
            let purge = purge(tx)?;
            let (pool, bucket) = (purge.pool.id, purge.bucket.clone());
            let same =
                |task: &Task| matches!(task, Task::Purge(other) if other.pool.id == pool && other.bucket == bucket);
            if let Some(id) = jobs::under_way(tx, same)? {
                return Err(ServiceError::Conflict(format!(
                    "bucket {bucket} of pool {} is being purged already, by job {id}",
                    purge.pool.name
                )));
            }
            if let Some(claim) = serving::claim(tx, pool, &bucket)? {
                return Err(ServiceError::Conflict(format!(
                    "bucket {bucket} of pool {} is served by {claim}; nothing was deleted. Give it another pool first",
                    purge.pool.name
                )));
            }
            let id = JobId(tx.next_id(EntityKind::Job)?);
            let job = tx.save_job(Job::new(id, Task::Purge(purge.clone()), actor, now))?;
            tx.prune_jobs(jobs::KEPT)?;
            let (action, subject) = named(&purge);
            change.audit(action, subject, None, Some(snapshot(&job, &purge)))?;
            Ok(id)
        };
        let id = self.context.publisher.change(actor, record).await?;
        self.desk.call();
        Ok(id)
    }

    /// Deletes, page by page, until nothing is left, or what is left cannot be deleted.
    pub(super) async fn carry_out(&self, id: JobId, purge: &Purge) -> Result<(), ServiceError> {
        let job = self.desk.begin(id).await?;
        let mut progress = job.progress;
        let outcome = match self.delete(id, purge, &mut progress).await {
            Ok(()) => self.record_empty(purge).await,
            halt => halt,
        };
        let (state, message) = match outcome {
            Ok(()) => (JobState::Done, None),
            Err(Halt::Cancelled) => (JobState::Cancelled, None),
            Err(Halt::Failed(why)) => (JobState::Failed, Some(why)),
            Err(Halt::Broken(error)) => return Err(error),
        };
        progress.total = match state {
            JobState::Done => Some(progress.done),
            _ => progress.total,
        };
        self.end(id, purge.clone(), progress, state, message).await
    }

    /// A listing is gone through until one shows nothing: nodes may leave out what lies behind a page that shrinks.
    async fn delete(&self, id: JobId, purge: &Purge, progress: &mut Progress) -> Result<(), Halt> {
        let site = self.expect_unclaimed(purge).await?;
        self.abort_uploads(id, purge, &site, progress).await?;
        for _ in 0..SWEEPS {
            let before = progress.done;
            progress.forgive();
            let seen = self.sweep(id, purge, progress).await?;
            if seen == 0 {
                return Ok(());
            }
            if progress.done == before {
                return Err(Halt::Failed(format!("{} objects could not be deleted", progress.failed)));
            }
        }
        Err(Halt::Failed(
            "objects appear as fast as they are deleted: somebody writes there without a route".to_owned(),
        ))
    }

    /// Goes once through the listing, and deletes; tells how many objects it has seen.
    async fn sweep(&self, id: JobId, purge: &Purge, progress: &mut Progress) -> Result<u64, Halt> {
        let (mut from, mut seen, mut barren) = (None::<String>, 0, 0);
        loop {
            // Each time anew: keys and members may change, and a restored database may know more than we did.
            let site = self.expect_unclaimed(purge).await?;
            let page = self.context.storage.objects(&site, &purge.bucket, "", from.as_deref(), PAGE).await?;
            if progress.total.is_none() {
                let rest = if page.next.is_some() { self.count(&site, purge).await } else { page.objects.len() as u64 };
                progress.total = Some(progress.done + rest);
                self.note(id, progress).await?;
            }
            barren = if page.objects.is_empty() { barren + 1 } else { 0 };
            if barren > BARREN {
                return Err(Halt::Failed(format!("the listing of {} does not end", purge.bucket)));
            }
            seen += page.objects.len() as u64;
            self.delete_page(&site, purge, page.objects, progress).await?;
            self.note(id, progress).await?;
            match page.next {
                Some(next) => from = Some(next),
                None => return Ok(seen),
            }
        }
    }

    async fn delete_page(
        &self,
        site: &Site,
        purge: &Purge,
        objects: Vec<Object>,
        progress: &mut Progress,
    ) -> Result<(), Halt> {
        if objects.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = objects.into_iter().map(|object| object.key).collect();
        let left = self.context.storage.delete(site, &purge.bucket, &keys).await?;
        progress.done += (keys.len().saturating_sub(left.len())) as u64;
        for undeleted in left {
            progress.fail(undeleted.key, undeleted.why);
        }
        Ok(())
    }

    /// How much there is to do; what cannot be counted is told as far as it was.
    async fn count(&self, site: &Site, purge: &Purge) -> u64 {
        match self.context.storage.count(site, &purge.bucket, "", u64::MAX).await {
            Ok(count) => count.objects,
            Err(error) => {
                tracing::warn!(%error, bucket = %purge.bucket, "the objects of a bucket could not be counted before they are deleted");
                0
            }
        }
    }

    /// Ends the uploads that were begun, so that none of them makes an object afterwards.
    async fn abort_uploads(&self, id: JobId, purge: &Purge, site: &Site, progress: &Progress) -> Result<(), Halt> {
        let mut behind = None;
        loop {
            let page = match self.context.storage.uploads(site, &purge.bucket, "", behind.as_ref()).await {
                Err(StorageError::Refused { code, .. }) if code == "NotImplemented" => return Ok(()),
                page => page?,
            };
            for upload in &page.uploads {
                self.context.storage.abort(site, &purge.bucket, upload).await?;
            }
            self.note(id, progress).await?;
            match page.next {
                Some(next) => behind = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn note(&self, id: JobId, progress: &Progress) -> Result<(), Halt> {
        let job = self.desk.note(id, progress).await?;
        match job.state {
            JobState::Cancelling => Err(Halt::Cancelled),
            // Somebody else has ended it.
            state if state.is_final() => Err(Halt::Cancelled),
            _ => Ok(()),
        }
    }

    /// Where the pool is asked, if still nobody is served from it.
    async fn expect_unclaimed(&self, purge: &Purge) -> Result<Site, Halt> {
        let (pool, bucket) = (purge.pool.id, purge.bucket.clone());
        let read = move |tx: &mut dyn Tx| {
            let claim = serving::claim(tx, pool, &bucket)?;
            Ok::<_, ServiceError>((claim, pool_buckets::askable(tx, pool)))
        };
        let (claim, pool): (_, Result<Serving, _>) = self.context.store.read(read).await?;
        if let Some(claim) = claim {
            return Err(Halt::Failed(format!("the bucket is served by {claim}")));
        }
        let pool = pool.map_err(|error| Halt::Failed(error.to_string()))?;
        self.context.site(&pool).map_err(|error| Halt::Failed(error.to_string()))
    }

    /// Nothing is left: the records of the migrations that had left it there say so from now on.
    async fn record_empty(&self, purge: &Purge) -> Result<(), Halt> {
        let wanted = purge.clone();
        let read = move |tx: &mut dyn Tx| {
            Ok::<_, ServiceError>(
                tx.migrations_of(&wanted.bucket)?.into_iter().filter(|one| left(one, &wanted)).collect(),
            )
        };
        let left: Vec<Migration> = self.context.store.read(read).await?;
        for migration in left {
            // The file before the row: a crash between them repeats the purge, which then finds nothing to delete.
            let migration = emptied(migration, self.clock.now());
            self.migrations.write(&migration).await.map_err(|error| {
                Halt::Failed(format!("the objects are deleted, but {error}; repeat the purge when that is mended"))
            })?;
        }
        Ok(())
    }

    async fn end(
        &self,
        id: JobId,
        purge: Purge,
        progress: Progress,
        state: JobState,
        message: Option<String>,
    ) -> Result<(), ServiceError> {
        let now = self.clock.now();
        let write = move |tx: &mut dyn Tx| {
            let job = jobs::find(tx, id)?;
            if job.state.is_final() {
                return Ok(());
            }
            let job = tx.save_job(Job { progress, ..job.ended(state, message, now) })?;
            if state == JobState::Done {
                for migration in tx.migrations_of(&purge.bucket)?.into_iter().filter(|one| left(one, &purge)) {
                    tx.save_migration(emptied(migration, now))?;
                }
            }
            let (action, subject) = named(&purge);
            let after = Some(snapshot(&job, &purge));
            tx.append_audit(&NewEntry {
                actor: job.actor,
                action,
                subject,
                before: None,
                after,
                nginx: None,
                at: now,
            })?;
            Ok::<_, ServiceError>(())
        };
        self.context.store.write(write).await?;
        self.desk.tell();
        Ok(())
    }
}

fn left(migration: &Migration, purge: &Purge) -> bool {
    migration.left_behind(purge.pool.id, &purge.bucket)
}

fn emptied(migration: Migration, now: crate::domain::time::Timestamp) -> Migration {
    let orphan = migration.orphan.map(|orphan| Orphan { purged_at: Some(now), ..orphan });
    Migration { orphan, ..migration }
}

/// How the audit log calls a purge.
fn named(purge: &Purge) -> (Action, Subject) {
    match &purge.orphan_of {
        Some(vhost) => (Action::PurgeOrphan, Subject::Bucket(vhost.id.0)),
        None => (Action::PoolBucketPurge, Subject::Entity(EntityKind::Pool, purge.pool.id.0)),
    }
}

fn snapshot(job: &Job, purge: &Purge) -> Snapshot {
    Snapshot::Purge(PurgeSnapshot {
        job_id: job.id,
        pool_id: purge.pool.id,
        bucket: purge.bucket.clone(),
        state: job.state.as_str(),
        deleted: job.progress.done,
        failed: job.progress.failed,
        message: job.message.clone(),
    })
}
