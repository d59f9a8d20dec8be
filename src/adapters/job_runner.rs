//! Carries jobs out, a few at the same time, from the start of the program until it stops. It knows no business.
//!
//! What is under way when it stops is left as it is: its record tells the next start to go on.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinHandle, JoinSet};

use crate::domain::ids::JobId;
use crate::domain::services::jobs::Jobs;

/// So many jobs are carried out at the same time: each has a pool's storage nodes at work.
const AT_A_TIME: usize = 4;
/// How long it waits when the database does not answer.
const PAUSE: Duration = Duration::from_secs(5);

/// The runner at work.
pub struct JobRunner {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl JobRunner {
    /// Begins to carry out jobs, first those that an earlier run has left.
    #[must_use]
    pub fn start(jobs: Jobs) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self { stop, task: tokio::spawn(run(jobs, stopped)) }
    }

    /// Leaves the jobs where they are.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the runner of jobs was cut short; the next start goes on with them");
        }
    }
}

/// Jobs being carried out.
#[derive(Default)]
struct Hands {
    tasks: JoinSet<()>,
    /// Who does which. One whose work has broken off stays here, so that it does not break off again and again.
    at_work: HashMap<JobId, Option<Id>>,
}

impl Hands {
    fn take(&mut self, jobs: &Jobs, id: JobId) {
        if self.tasks.len() >= AT_A_TIME || self.at_work.contains_key(&id) {
            return;
        }
        let jobs = jobs.clone();
        let task = self.tasks.spawn(async move {
            if let Err(error) = jobs.carry_out(id).await {
                tracing::error!(%error, job = %id, "the record of a job could not be kept; it is tried again");
                tokio::time::sleep(PAUSE).await;
            }
        });
        self.at_work.insert(id, Some(task.id()));
    }

    async fn release(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((task, ()))) => self.at_work.retain(|_, worker| *worker != Some(task)),
            Some(Err(error)) => {
                tracing::error!(%error, "a job was cut short by a fault of this program; the next start goes on with it");
                for worker in self.at_work.values_mut().filter(|worker| **worker == Some(error.id())) {
                    *worker = None;
                }
            }
            None => {}
        }
    }
}

async fn run(jobs: Jobs, mut stopped: watch::Receiver<bool>) {
    let (wanted, mut hands) = (jobs.wanted(), Hands::default());
    loop {
        let mut pause = Duration::MAX;
        match jobs.unfinished().await {
            Ok(ids) => ids.into_iter().for_each(|id| hands.take(&jobs, id)),
            Err(error) => {
                tracing::error!(%error, "the jobs could not be read; they are looked for again");
                pause = PAUSE;
            }
        }
        tokio::select! {
            biased;
            // Also when whoever started it is gone.
            _ = stopped.wait_for(|stopped| *stopped) => break,
            () = wanted.notified() => {}
            () = hands.release(), if !hands.tasks.is_empty() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    hands.tasks.shutdown().await;
}
