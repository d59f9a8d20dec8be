//! `/api/jobs`: work that goes on after the request that asked for it.

use std::sync::Arc;

use poem_openapi::OpenApi;

use super::api::Group;
use super::auth::Caller;
use super::error::ApiError;
use super::error::{Ending, Failure, Finding, Searching};
use super::params::{Limit, Path, Query};
use super::reply::Shown;
use super::schema::view;
use crate::domain::ids::{JobId, PoolId, VhostId};
use crate::domain::job::{Job, JobKind, JobState, Task};
use crate::domain::services::Services;
use crate::domain::time::Timestamp;

/// How many jobs are listed when it is not said.
const LIMIT: u64 = 50;

view! {
    /// One thing that a job could not do.
    JobErrorView as "JobError" {
        /// Which: the key of an object.
        what: String,
        /// Why: the error code of the storage node.
        why: String,
    }
}

view! {
    /// Work that goes on after the request that asked for it.
    JobView as "Job" {
        /// Its identity.
        id: JobId,
        /// The kind of work.
        kind: JobKind,
        /// How far it is: `pending`, `running`, `cancelling`; or how it ended: `done`, `failed`, `cancelled`.
        state: JobState,
        /// The pool that it works on.
        pool_id: PoolId,
        /// The pool's name when it was asked for.
        pool_name: String,
        /// The bucket that it works on.
        bucket: String,
        /// The vhost one of whose routed buckets had left an orphan there, if that was asked for.
        vhost_id: Option<VhostId>,
        /// Who asked for it: `api`, `web` or `cli`.
        actor: String,
        /// Objects deleted.
        done: u64,
        /// Objects to delete in all; null: not counted yet.
        total: Option<u64>,
        /// Objects that could not be deleted.
        failed: u64,
        /// The first of them.
        errors: Vec<JobErrorView>,
        /// Why it failed.
        message: Option<String>,
        /// When it was asked for, UTC, `YYYY-MM-DD HH:MM:SS`.
        created_at: String,
        /// When it began, UTC.
        started_at: Option<String>,
        /// When it ended, UTC.
        finished_at: Option<String>,
    }
}

impl From<Job> for JobView {
    fn from(job: Job) -> Self {
        let kind = job.task.kind();
        let Task::Purge(purge) = job.task;
        let error = |error: crate::domain::job::JobError| JobErrorView { what: error.what, why: error.why };
        Self {
            id: job.id,
            kind,
            state: job.state,
            pool_id: purge.pool.id,
            pool_name: purge.pool.name,
            bucket: purge.bucket.as_str().to_owned(),
            vhost_id: purge.orphan_of.map(|vhost| vhost.id),
            actor: job.actor.as_str().to_owned(),
            done: job.progress.done,
            total: job.progress.total,
            failed: job.progress.failed,
            errors: job.progress.errors.into_iter().map(error).collect(),
            message: job.message,
            created_at: job.created_at.sql(),
            started_at: job.started_at.map(Timestamp::sql),
            finished_at: job.finished_at.map(Timestamp::sql),
        }
    }
}

/// The operations on jobs.
pub struct JobsApi(pub Arc<Services>);

#[OpenApi(tag = "Group::Jobs")]
impl JobsApi {
    /// List jobs
    ///
    /// Newest first. The last thousand are remembered.
    #[oai(path = "/jobs", method = "get", operation_id = "list_jobs")]
    async fn list(
        &self,
        _caller: Caller,
        /// How many, 50 unless given.
        limit: Query<Limit>,
    ) -> Result<Shown<Vec<JobView>>, Failure<Searching>> {
        let limit = limit.alone().map_err(ApiError::faults)?.map_or(LIMIT, |Limit(limit)| limit);
        let jobs = self.0.jobs.list(limit).await?;
        Ok(Shown(jobs.into_iter().map(JobView::from).collect()))
    }

    /// Get a job
    ///
    /// How far it is, or how it ended. It is remembered after that, until a thousand newer ones were asked for.
    #[oai(path = "/jobs/:job_id", method = "get", operation_id = "get_job")]
    async fn get(
        &self,
        _caller: Caller,
        /// The job.
        job_id: Path<JobId>,
    ) -> Result<Shown<JobView>, Failure<Finding>> {
        Ok(Shown(self.0.jobs.get(job_id.0).await?.into()))
    }

    /// End a job
    ///
    /// Before its next step; what it has done stays done. 400 if it has ended already.
    #[oai(path = "/jobs/:job_id/cancel", method = "post", operation_id = "cancel_job")]
    async fn cancel(
        &self,
        caller: Caller,
        /// The job.
        job_id: Path<JobId>,
    ) -> Result<Shown<JobView>, Failure<Ending>> {
        Ok(Shown(self.0.jobs.cancel(caller.0, job_id.0).await?.into()))
    }
}
