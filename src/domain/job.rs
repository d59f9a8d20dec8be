//! Jobs: work that goes on after the request that asked for it, and after a restart.
//!
//! A job is recorded before its first step and until its last, so a crash leaves the record, and the next start goes
//! on. Each step may be taken twice.

use serde::{Deserialize, Serialize};

use super::audit::Actor;
use super::bucket::BucketName;
use super::ids::{JobId, PoolId, Revision, VhostId};
use super::invalid::words;
use super::migration::Named;
use super::time::Timestamp;

words!(
    /// How far a job is.
    JobState {
        /// It waits for its turn.
        Pending = "pending",
        /// It is at work.
        Running = "running",
        /// It is at work, and ends before its next step.
        Cancelling = "cancelling",
        /// It has done all there was to do.
        Done = "done",
        /// It could not go on, or not do all; what it has done stays done.
        Failed = "failed",
        /// An operator ended it; what it has done stays done.
        Cancelled = "cancelled",
    }
);

impl JobState {
    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, JobState::Done | JobState::Failed | JobState::Cancelled)
    }
}

words!(
    /// What kind of work it is.
    JobKind {
        /// The objects of a bucket are deleted.
        Purge = "purge",
    }
);

/// The deletion of everything that a pool holds of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// The pool.
    pub pool: Named<PoolId>,
    /// The bucket, which stays, empty.
    pub bucket: BucketName,
    /// The vhost whose default pool it is, if the orphan of one of its routed buckets was meant.
    pub orphan_of: Option<Named<VhostId>>,
}

/// The work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Delete the objects of a bucket.
    Purge(Purge),
}

impl Task {
    /// What kind of work it is.
    #[must_use]
    pub fn kind(&self) -> JobKind {
        match self {
            Task::Purge(_) => JobKind::Purge,
        }
    }
}

/// What has been done so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Things done.
    pub done: u64,
    /// Things to do, once that is known.
    pub total: Option<u64>,
    /// Things that could not be done.
    pub failed: u64,
    /// Some of those, each with the reason.
    pub errors: Vec<JobError>,
}

/// One thing that could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobError {
    /// Which.
    pub what: String,
    /// Why.
    pub why: String,
}

impl Progress {
    /// How many errors are kept.
    pub const MOST_ERRORS: usize = 20;

    /// One thing could not be done.
    pub fn fail(&mut self, what: String, why: String) {
        self.failed += 1;
        if self.errors.len() < Self::MOST_ERRORS {
            self.errors.push(JobError { what, why });
        }
    }

    /// What could not be done will be tried again.
    pub fn forgive(&mut self) {
        self.failed = 0;
        self.errors.clear();
    }
}

/// Work that somebody has asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Identity.
    pub id: JobId,
    /// Saved how often.
    pub revision: Revision,
    /// The work.
    pub task: Task,
    /// How far it is.
    pub state: JobState,
    /// Who asked for it.
    pub actor: Actor,
    /// What has been done so far.
    pub progress: Progress,
    /// Why it failed, as a sentence for the operator.
    pub message: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it took its first step.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl Job {
    /// A job that was just asked for.
    #[must_use]
    pub fn new(id: JobId, task: Task, actor: Actor, now: Timestamp) -> Self {
        Self {
            id,
            revision: Revision::NEW,
            task,
            state: JobState::Pending,
            actor,
            progress: Progress::default(),
            message: None,
            created_at: now,
            started_at: None,
            finished_at: None,
        }
    }

    /// It takes its first step, or goes on after a restart. What failed before is tried again.
    #[must_use]
    pub fn begun(mut self, now: Timestamp) -> Self {
        if self.state == JobState::Pending {
            self.state = JobState::Running;
        }
        self.started_at = self.started_at.or(Some(now));
        self.progress.forgive();
        self
    }

    /// An operator wants it to end. One that has not begun ends at once.
    #[must_use]
    pub fn cancelled(self, now: Timestamp) -> Self {
        match self.state {
            JobState::Pending => self.ended(JobState::Cancelled, None, now),
            JobState::Running => Self { state: JobState::Cancelling, ..self },
            _ => self,
        }
    }

    /// It has ended.
    #[must_use]
    pub fn ended(self, state: JobState, message: Option<String>, now: Timestamp) -> Self {
        Self { state, message, finished_at: Some(now), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        let pool = Named { id: PoolId(1), name: "p".to_owned() };
        let purge = Purge { pool, bucket: BucketName::parse("b").unwrap(), orphan_of: None };
        Job::new(JobId(1), Task::Purge(purge), Actor::Api, Timestamp::UNKNOWN)
    }

    #[test]
    fn a_job_that_has_not_begun_is_cancelled_at_once_and_one_that_has_after_its_step() {
        let now = Timestamp::UNKNOWN;
        let waiting = job().cancelled(now);
        assert_eq!((waiting.state, waiting.finished_at), (JobState::Cancelled, Some(now)));
        let working = job().begun(now).cancelled(now);
        assert_eq!((working.state, working.finished_at), (JobState::Cancelling, None));
        // A restart does not forget it.
        assert_eq!(working.begun(now).state, JobState::Cancelling);
        let ended = job().ended(JobState::Done, None, now);
        assert_eq!(ended.clone().cancelled(now), ended);
    }

    #[test]
    fn errors_are_counted_without_end_and_kept_with_one() {
        let mut progress = Progress::default();
        for number in 0..100 {
            progress.fail(number.to_string(), "AccessDenied".to_owned());
        }
        assert_eq!((progress.failed, progress.errors.len()), (100, Progress::MOST_ERRORS));
    }
}
