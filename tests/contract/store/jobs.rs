//! Jobs outlive requests, restarts and what they were about.

use nanio_orchestrator::domain::audit::Actor;
use nanio_orchestrator::domain::bucket::BucketName;
use nanio_orchestrator::domain::ids::{EntityKind, JobId, PoolId, Revision, VhostId};
use nanio_orchestrator::domain::job::{Job, JobError, JobState, Progress, Purge, Task};
use nanio_orchestrator::domain::migration::Named;
use nanio_orchestrator::ports::store::{Store, StoreError};

use super::adapters::{at, read, write};

fn a_job(id: i64, state: JobState) -> Job {
    let purge = Purge {
        pool: Named { id: PoolId(4), name: "old".to_owned() },
        bucket: BucketName::parse("photos").unwrap(),
        orphan_of: Some(Named { id: VhostId(7), name: "s3.example.test".to_owned() }),
    };
    let error = JobError { what: "a \"key\"\nü".to_owned(), why: "AccessDenied".to_owned() };
    Job {
        state,
        progress: Progress { done: 1 << 40, total: Some(1 << 41), failed: 1, errors: vec![error] },
        message: Some("no\nway".to_owned()),
        started_at: Some(at(2)),
        finished_at: state.is_final().then(|| at(3)),
        ..Job::new(JobId(id), Task::Purge(purge), Actor::Web, at(1))
    }
}

fn ids(jobs: &[Job]) -> Vec<i64> {
    jobs.iter().map(|job| job.id.0).collect()
}

pub async fn every_field_of_a_job_comes_back_and_the_newest_come_first(store: &Store) {
    let full = write(store, |tx| tx.save_job(a_job(3, JobState::Done))).await;
    assert_eq!(full, Job { revision: Revision(1), ..a_job(3, JobState::Done) });
    let Task::Purge(purge) = a_job(4, JobState::Pending).task;
    let task = Task::Purge(Purge { orphan_of: None, ..purge });
    let bare = write(store, move |tx| tx.save_job(Job::new(JobId(4), task.clone(), Actor::Api, at(1)))).await;
    assert_eq!(read(store, |tx| tx.job(JobId(3))).await, Some(full.clone()));
    assert_eq!(read(store, |tx| tx.job(JobId(4))).await, Some(bare.clone()));
    assert_eq!(read(store, |tx| tx.job(JobId(5))).await, None);
    assert_eq!(read(store, |tx| tx.jobs(9)).await, [bare.clone(), full.clone()]);
    assert_eq!(read(store, |tx| tx.jobs(1)).await, std::slice::from_ref(&bare));
    assert_eq!(read(store, |tx| tx.unfinished_jobs()).await, [bare]);
    let saved = write(store, move |tx| tx.save_job(Job { message: None, ..full })).await;
    assert_eq!((saved.revision, read(store, |tx| tx.job(JobId(3))).await), (Revision(2), Some(saved)));
    let stale = store.write(|tx| tx.save_job(a_job(3, JobState::Failed))).await;
    assert_eq!(stale, Err(StoreError::Stale { kind: EntityKind::Job, id: 3 }));
    assert_eq!(write(store, |tx| tx.next_id(EntityKind::Job)).await, 5);
    // A gateway that is made again does not end what is under way.
    write(store, |tx| tx.clear_gateway()).await;
    assert_eq!(ids(&read(store, |tx| tx.jobs(9)).await), [4, 3]);
}

pub async fn ended_jobs_are_forgotten_oldest_first_and_others_never(store: &Store) {
    write(store, |tx| {
        for (id, state) in
            [(1, JobState::Running), (2, JobState::Done), (3, JobState::Failed), (4, JobState::Cancelled)]
        {
            tx.save_job(a_job(id, state))?;
        }
        Ok(())
    })
    .await;
    write(store, |tx| tx.prune_jobs(4)).await;
    assert_eq!(ids(&read(store, |tx| tx.jobs(9)).await), [4, 3, 2, 1]);
    write(store, |tx| tx.prune_jobs(3)).await;
    assert_eq!(ids(&read(store, |tx| tx.jobs(9)).await), [4, 3, 1]);
    write(store, |tx| tx.prune_jobs(0)).await;
    assert_eq!(ids(&read(store, |tx| tx.jobs(9)).await), [1]);
    assert_eq!(write(store, |tx| tx.next_id(EntityKind::Job)).await, 5);
}
