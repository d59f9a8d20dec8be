//! The deletion of what a pool holds of a bucket that nobody is served from.
//!
//! That nobody is, is seen in the transaction that records the purge, and while it is recorded no change can make it
//! otherwise ([`serving`]). So no lock is held while the storage nodes work, and a crash leaves the record: the next
//! start goes on.

mod work;

use std::sync::Arc;

use super::jobs::{self, JobDesk};
use super::publish::Change;
use super::{Context, ServiceError, pool_buckets, serving, vhosts};
use crate::domain::audit::{Action, Actor, PurgeSnapshot, Snapshot, Subject};
use crate::domain::bucket::BucketName;
use crate::domain::ids::{EntityKind, JobId, PoolId, VhostId};
use crate::domain::job::{Job, Purge, Task};
use crate::domain::migration::Named;
use crate::ports::clock::Clock;
use crate::ports::migration_files::MigrationFiles;
use crate::ports::store::Tx;

/// Use cases about purges.
#[derive(Clone)]
pub struct Purges {
    context: Context,
    clock: Arc<dyn Clock>,
    desk: JobDesk,
    migrations: Arc<dyn MigrationFiles>,
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
