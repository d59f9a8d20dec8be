//! Jobs.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::audit::Actor;
use crate::domain::bucket::BucketName;
use crate::domain::ids::{EntityKind, JobId, PoolId, Revision, VhostId};
use crate::domain::job::{Job, JobKind, JobState, Progress, Purge, Task};
use crate::domain::migration::Named;
use crate::domain::time::Timestamp;
use crate::ports::store::StoreError;

use super::decode::{Row, most, to_json};
use super::error::Table;
use super::save::save;
use super::schema::jobs;
use super::{Db, on};

const TABLE: Table = Table { name: "jobs", kind: Some(EntityKind::Job) };

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = jobs, treat_none_as_null = true)]
struct JobRow {
    id: i64,
    revision: i64,
    kind: String,
    task_json: String,
    state: String,
    actor: String,
    done: i64,
    total: Option<i64>,
    failed: i64,
    errors_json: String,
    message: Option<String>,
    created_at: NaiveDateTime,
    started_at: Option<NaiveDateTime>,
    finished_at: Option<NaiveDateTime>,
}

/// A purge as it is kept.
#[derive(Serialize, Deserialize)]
struct PurgeText {
    pool_id: i64,
    pool_name: String,
    bucket: String,
    orphan_of: Option<(i64, String)>,
}

impl JobRow {
    fn of(job: &Job, revision: Revision) -> Result<Self, StoreError> {
        let (id, progress) = (job.id.0, &job.progress);
        let Task::Purge(purge) = &job.task;
        let task = PurgeText {
            pool_id: purge.pool.id.0,
            pool_name: purge.pool.name.clone(),
            bucket: purge.bucket.as_str().to_owned(),
            orphan_of: purge.orphan_of.as_ref().map(|vhost| (vhost.id.0, vhost.name.clone())),
        };
        Ok(Self {
            id,
            revision: revision.0,
            kind: job.task.kind().as_str().to_owned(),
            task_json: to_json(TABLE, id, &task)?,
            state: job.state.as_str().to_owned(),
            actor: job.actor.as_str().to_owned(),
            done: most(progress.done),
            total: progress.total.map(most),
            failed: most(progress.failed),
            errors_json: to_json(TABLE, id, &progress.errors)?,
            message: job.message.clone(),
            created_at: job.created_at.naive(),
            started_at: job.started_at.map(Timestamp::naive),
            finished_at: job.finished_at.map(Timestamp::naive),
        })
    }

    fn task(&self, row: Row) -> Result<Task, StoreError> {
        match row.value("kind", JobKind::parse(&self.kind))? {
            JobKind::Purge => {
                let text: PurgeText = row.json("task_json", &self.task_json)?;
                Ok(Task::Purge(Purge {
                    pool: Named { id: PoolId(text.pool_id), name: text.pool_name },
                    bucket: row.value("task_json", BucketName::parse(&text.bucket))?,
                    orphan_of: text.orphan_of.map(|(id, name)| Named { id: VhostId(id), name }),
                }))
            }
        }
    }

    fn job(self) -> Result<Job, StoreError> {
        let row = Row { table: TABLE, id: self.id };
        Ok(Job {
            id: JobId(self.id),
            revision: Revision(self.revision),
            task: self.task(row)?,
            state: row.value("state", JobState::parse(&self.state))?,
            actor: row.value("actor", Actor::parse(&self.actor))?,
            progress: Progress {
                done: self.done.unsigned_abs(),
                total: self.total.map(i64::unsigned_abs),
                failed: self.failed.unsigned_abs(),
                errors: row.json("errors_json", &self.errors_json)?,
            },
            message: self.message,
            created_at: Timestamp::of_naive(self.created_at),
            started_at: self.started_at.map(Timestamp::of_naive),
            finished_at: self.finished_at.map(Timestamp::of_naive),
        })
    }
}

/// The words of the states in which a job has ended, or has not.
fn words(is_final: bool) -> Vec<&'static str> {
    JobState::ALL.iter().filter(|state| state.is_final() == is_final).map(|state| state.as_str()).collect()
}

pub(super) fn newest(db: &mut Db<'_>, limit: u64) -> Result<Vec<Job>, StoreError> {
    on!(db, c => jobs::table.order(jobs::id.desc()).limit(most(limit)).select(JobRow::as_select()).load(c))
        .map_err(TABLE.fault())?
        .into_iter()
        .map(JobRow::job)
        .collect()
}

pub(super) fn unfinished(db: &mut Db<'_>) -> Result<Vec<Job>, StoreError> {
    let open = words(false);
    on!(db, c => jobs::table
        .filter(jobs::state.eq_any(&open))
        .order(jobs::id)
        .select(JobRow::as_select())
        .load(c))
    .map_err(TABLE.fault())?
    .into_iter()
    .map(JobRow::job)
    .collect()
}

pub(super) fn get(db: &mut Db<'_>, id: JobId) -> Result<Option<Job>, StoreError> {
    on!(db, c => jobs::table.find(id.0).select(JobRow::as_select()).first(c).optional())
        .map_err(TABLE.fault())?
        .map(JobRow::job)
        .transpose()
}

pub(super) fn save(db: &mut Db<'_>, job: Job) -> Result<Job, StoreError> {
    let (known, revision) = (job.revision, job.revision.next());
    let row = JobRow::of(&job, revision)?;
    save!(db, jobs, TABLE, EntityKind::Job, row, known)?;
    Ok(Job { revision, ..job })
}

pub(super) fn prune(db: &mut Db<'_>, keep: u64) -> Result<(), StoreError> {
    let all: i64 = on!(db, c => jobs::table.count().get_result(c)).map_err(TABLE.fault())?;
    let surplus = all.saturating_sub(most(keep));
    if surplus <= 0 {
        return Ok(());
    }
    let ended = words(true);
    let oldest: Vec<i64> = on!(db, c => jobs::table
        .filter(jobs::state.eq_any(&ended))
        .order(jobs::id)
        .limit(surplus)
        .select(jobs::id)
        .load(c))
    .map_err(TABLE.fault())?;
    on!(db, c => diesel::delete(jobs::table.filter(jobs::id.eq_any(&oldest))).execute(c))
        .map(drop)
        .map_err(TABLE.fault())
}
