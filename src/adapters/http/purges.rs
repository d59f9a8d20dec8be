//! The purges of `/api/pools/{pool_id}/buckets` and `/api/vhosts/{vhost_id}/buckets`.

use std::sync::Arc;
use std::time::Duration;

use poem_openapi::OpenApi;

use super::api::Group;
use super::auth::Caller;
use super::error::{Failure, Purging};
use super::params::Path;
use super::reply::Settled;
use super::schema::view;
use crate::domain::bucket::BucketName;
use crate::domain::ids::{JobId, PoolId, VhostId};
use crate::domain::job::{Job, JobState};
use crate::domain::services::{ServiceError, Services};
use crate::ports::object_storage::StorageError;

/// Up to so many objects, a client is told what became of them.
const SMALL: u64 = 1000;
/// Unless the storage nodes take longer than this.
const PATIENCE: Duration = Duration::from_secs(30);

view! {
    /// What a purge of a pool's bucket has deleted.
    PoolPurgeView as "PoolPurge" {
        /// Whether everything is deleted.
        ok: bool,
        /// The pool.
        pool_id: PoolId,
        /// The bucket.
        bucket: String,
        /// Objects deleted.
        deleted: u64,
        /// Objects that were there.
        total: u64,
        /// The keys of those that could not be deleted, at most 20.
        errors: Vec<String>,
    }
}

view! {
    /// What a purge of an orphan has deleted.
    OrphanPurgeView as "OrphanPurge" {
        /// Whether everything is deleted.
        ok: bool,
        /// The bucket.
        bucket: String,
        /// Objects deleted.
        deleted: u64,
        /// Objects that were there.
        total: u64,
        /// The keys of those that could not be deleted, at most 20.
        errors: Vec<String>,
    }
}

view! {
    /// The job that does what was asked for.
    JobRefView as "JobRef" {
        /// Its identity: `GET /api/jobs/{job_id}` tells how far it is.
        job_id: JobId,
    }
}

/// The operations that purge.
pub struct PurgesApi(pub Arc<Services>);

impl PurgesApi {
    /// What became of a purge, if that is soon known; otherwise none.
    async fn outcome(&self, id: JobId) -> Result<Option<Job>, ServiceError> {
        let is_long = |job: &Job| job.progress.total.is_some_and(|total| total > SMALL);
        let waited = tokio::time::timeout(PATIENCE, self.0.jobs.wait(id, is_long)).await;
        let job = match waited {
            Ok(job) => job?,
            Err(_) => return Ok(None),
        };
        let done = job.progress.done;
        match job.state {
            JobState::Done if job.progress.done <= SMALL => Ok(Some(job)),
            JobState::Failed if job.progress.failed > 0 => Ok(Some(job)),
            JobState::Failed => {
                let why = job.message.unwrap_or_default();
                let told = format!("{why}; {done} objects were deleted before. Repeat the purge when that is mended");
                Err(StorageError::Unanswered(told).into())
            }
            JobState::Cancelled => Err(ServiceError::Conflict(format!(
                "the purge was ended by POST /api/jobs/{id}/cancel after {done} objects"
            ))),
            _ => Ok(None),
        }
    }
}

#[OpenApi(tag = "Group::Buckets")]
impl PurgesApi {
    /// Delete everything that a pool holds of a bucket
    ///
    /// Objects and uploads; the bucket itself stays, empty. 409 while anybody is served from it: by a route or as the
    /// default pool (also where they are disabled), through an `http` pool, or by a migration. Until it has ended, no
    /// change can make it otherwise. Up to 1,000 objects are deleted before the answer; more by a job: 202.
    #[oai(path = "/pools/:pool_id/buckets/:bucket/purge", method = "post", operation_id = "purge_pool_bucket")]
    async fn of_pool(
        &self,
        caller: Caller,
        /// The pool.
        pool_id: Path<PoolId>,
        /// The bucket.
        bucket: Path<BucketName>,
    ) -> Result<Settled<PoolPurgeView, JobRefView>, Failure<Purging>> {
        let id = self.0.purges.of_pool(caller.0, pool_id.0, bucket.0.clone()).await?;
        let view = |job: Job| PoolPurgeView {
            ok: job.state == JobState::Done,
            pool_id: pool_id.0,
            bucket: bucket.0.as_str().to_owned(),
            deleted: job.progress.done,
            total: job.progress.done + job.progress.failed,
            errors: job.progress.errors.into_iter().map(|error| error.what).collect(),
        };
        Ok(settled(id, self.outcome(id).await?.map(view)))
    }

    /// Delete what a routed bucket has left on the default pool
    ///
    /// As a purge of the default pool's copy, under the same conditions; the bucket must have a route in this vhost.
    #[oai(path = "/vhosts/:vhost_id/buckets/:bucket/purge-orphan", method = "post", operation_id = "purge_orphan")]
    async fn of_default_pool(
        &self,
        caller: Caller,
        /// The vhost.
        vhost_id: Path<VhostId>,
        /// The bucket.
        bucket: Path<BucketName>,
    ) -> Result<Settled<OrphanPurgeView, JobRefView>, Failure<Purging>> {
        let id = self.0.purges.of_default_pool(caller.0, vhost_id.0, bucket.0.clone()).await?;
        let view = |job: Job| OrphanPurgeView {
            ok: job.state == JobState::Done,
            bucket: bucket.0.as_str().to_owned(),
            deleted: job.progress.done,
            total: job.progress.done + job.progress.failed,
            errors: job.progress.errors.into_iter().map(|error| error.what).collect(),
        };
        Ok(settled(id, self.outcome(id).await?.map(view)))
    }
}

fn settled<T>(id: JobId, done: Option<T>) -> Settled<T, JobRefView> {
    match done {
        Some(done) => Settled::Done(done),
        None => Settled::Begun(JobRefView { job_id: id }, format!("/api/jobs/{id}")),
    }
}
