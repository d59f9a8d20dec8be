//! The work of a purge: page by page, each step of which may be taken again.

use super::{Purges, named, snapshot};
use crate::domain::audit::NewEntry;
use crate::domain::ids::JobId;
use crate::domain::job::{Job, JobState, Progress, Purge};
use crate::domain::migration::{Migration, Orphan};
use crate::domain::object::Object;
use crate::domain::services::guard::Serving;
use crate::domain::services::{ServiceError, jobs, pool_buckets, serving};
use crate::domain::site::Site;
use crate::domain::time::Timestamp;
use crate::ports::object_storage::{PAGE, StorageError};
use crate::ports::store::Tx;

/// How often a listing is gone through: what is still there then comes back as fast as it is deleted.
const SWEEPS: usize = 16;
/// How many pages without an object are put up with, one after the other.
const BARREN: usize = 16;

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
    /// Deletes, page by page, until nothing is left, or what is left cannot be deleted.
    pub(in crate::domain::services) async fn carry_out(&self, id: JobId, purge: &Purge) -> Result<(), ServiceError> {
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
                let here = page.objects.len() as u64;
                let all = if page.next.is_some() { self.count(&site, purge).await.max(here + 1) } else { here };
                progress.total = Some(progress.done + all);
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

    /// How many objects there are; 0 if nobody can say.
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

fn emptied(migration: Migration, now: Timestamp) -> Migration {
    let orphan = migration.orphan.map(|orphan| Orphan { purged_at: Some(now), ..orphan });
    Migration { orphan, ..migration }
}
