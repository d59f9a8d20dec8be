//! Jobs: their records, and whoever waits for one.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

use super::purges::Purges;
use super::{Context, ServiceError};
use crate::domain::audit::{Action, Actor, NewEntry, Subject};
use crate::domain::ids::{EntityKind, JobId};
use crate::domain::job::{Job, Progress, Task};
use crate::ports::clock::Clock;
use crate::ports::store::{Store, StoreError, Tx};

/// How many jobs are remembered.
pub(super) const KEPT: u64 = 1000;

/// Use cases about jobs. Cheap to clone.
#[derive(Clone)]
pub struct Jobs {
    desk: JobDesk,
    purges: Purges,
}

impl Jobs {
    pub(super) fn new(desk: JobDesk, purges: Purges) -> Self {
        Self { desk, purges }
    }

    /// The newest jobs, newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self, limit: u64) -> Result<Vec<Job>, ServiceError> {
        self.desk.store.read(move |tx| Ok(tx.jobs(limit)?)).await
    }

    /// One job.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn get(&self, id: JobId) -> Result<Job, ServiceError> {
        self.desk.get(id).await
    }

    /// Ends a job before its next step; what it has done stays done.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`]; [`ServiceError::Rejected`] for a job that has ended.
    pub async fn cancel(&self, actor: Actor, id: JobId) -> Result<Job, ServiceError> {
        let now = self.desk.clock.now();
        let cancel = move |tx: &mut dyn Tx| {
            let job = find(tx, id)?;
            if job.state.is_final() {
                return Err(ServiceError::Rejected(format!(
                    "Job {id} has ended already: it is {}",
                    job.state.as_str()
                )));
            }
            let subject = Subject::Entity(EntityKind::Job, id.0);
            let (before, after, nginx) = (None, None, None);
            tx.append_audit(&NewEntry { actor, action: Action::CancelJob, subject, before, after, nginx, at: now })?;
            Ok(tx.save_job(job.cancelled(now))?)
        };
        let job = self.desk.store.write(cancel).await?;
        self.desk.tell();
        Ok(job)
    }

    /// Waits until a job is as `ready` wants it, or has ended.
    ///
    /// # Errors
    /// The store's.
    pub async fn wait(&self, id: JobId, ready: impl Fn(&Job) -> bool + Send) -> Result<Job, ServiceError> {
        let mut news = self.desk.news.subscribe();
        loop {
            let job = self.desk.get(id).await?;
            if job.state.is_final() || ready(&job) || news.changed().await.is_err() {
                return Ok(job);
            }
        }
    }

    /// The jobs that have not ended, in the order in which they were asked for.
    ///
    /// # Errors
    /// The store's.
    pub async fn unfinished(&self) -> Result<Vec<JobId>, ServiceError> {
        let jobs = self.desk.store.read(|tx| Ok::<_, ServiceError>(tx.unfinished_jobs()?)).await?;
        Ok(jobs.into_iter().map(|job| job.id).collect())
    }

    /// Notified when there may be a job to be carried out.
    #[must_use]
    pub fn wanted(&self) -> Arc<Notify> {
        self.desk.wanted.clone()
    }

    /// Carries a job out to its end, from wherever it was.
    ///
    /// # Errors
    /// Its record cannot be read or written: it is unfinished, and is to be carried out again.
    pub async fn carry_out(&self, id: JobId) -> Result<(), ServiceError> {
        let job = self.desk.get(id).await?;
        match &job.task {
            _ if job.state.is_final() => Ok(()),
            Task::Purge(purge) => self.purges.carry_out(id, purge).await,
        }
    }
}

/// Where the records of jobs are kept, for those who do the work.
#[derive(Clone)]
pub(super) struct JobDesk {
    store: Store,
    clock: Arc<dyn Clock>,
    wanted: Arc<Notify>,
    news: watch::Sender<()>,
}

impl JobDesk {
    pub fn new(context: &Context, clock: Arc<dyn Clock>) -> Self {
        Self { store: context.store.clone(), clock, wanted: Arc::default(), news: watch::Sender::new(()) }
    }

    /// A job was recorded: somebody has to carry it out.
    pub fn call(&self) {
        self.wanted.notify_one();
    }

    /// Something has become of some job.
    pub fn tell(&self) {
        self.news.send_replace(());
    }

    pub async fn get(&self, id: JobId) -> Result<Job, ServiceError> {
        self.store.read(move |tx| find(tx, id)).await
    }

    /// A job takes its first step, or goes on.
    pub async fn begin(&self, id: JobId) -> Result<Job, ServiceError> {
        let now = self.clock.now();
        self.save(id, move |job| job.begun(now)).await
    }

    /// Writes down how far a job is. Whether it shall end is in what comes back.
    pub async fn note(&self, id: JobId, progress: &Progress) -> Result<Job, ServiceError> {
        let progress = progress.clone();
        self.save(id, move |job| Job { progress, ..job }).await
    }

    async fn save(&self, id: JobId, edit: impl FnOnce(Job) -> Job + Send + 'static) -> Result<Job, ServiceError> {
        let write = move |tx: &mut dyn Tx| {
            let job = find(tx, id)?;
            if job.state.is_final() {
                return Ok(job);
            }
            Ok::<_, ServiceError>(tx.save_job(edit(job))?)
        };
        let job = self.store.write(write).await?;
        self.tell();
        Ok(job)
    }
}

pub(super) fn find(tx: &mut dyn Tx, id: JobId) -> Result<Job, ServiceError> {
    tx.job(id)?.ok_or(ServiceError::NotFound("Job"))
}

/// The unfinished job whose task is as wanted.
pub(super) fn under_way(tx: &mut dyn Tx, wanted: impl Fn(&Task) -> bool) -> Result<Option<JobId>, StoreError> {
    Ok(tx.unfinished_jobs()?.into_iter().find(|job| wanted(&job.task)).map(|job| job.id))
}
