//! The one way in which anything changes: plan, test, make live, commit.
//!
//! A change is a closure over a transaction. It runs once in a transaction that is rolled back, which
//! yields the files that nginx should then see; the gateway tests exactly those; they are moved into
//! place under an intent record; the closure runs again in a transaction that commits, with nginx's
//! answer in its audit entry. So no database lock is held while nginx thinks, and a refusal leaves
//! neither a row nor a byte behind. A rehearsal takes the same way up to nginx's answer.
//!
//! Changes are taken one batch at a time: those that wait at the same moment share one test. If the
//! batch is refused, each is tried alone, so that a bad one cannot take good ones with it.

mod change;
mod deeds;
mod pending;
pub mod reason;

pub use change::Change;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tracing::{Instrument as _, Span};

use pending::{Asked, Batch, Pending, Run, SharedBatch, Way, stopping};

use super::ServiceError;
use super::files;
use super::files::Desired;
use super::guard;
use super::known::{KnownServers, RouteCounts};
use super::touched::Touched;
use crate::domain::audit::Actor;
use crate::domain::manifest::Deed;
use crate::domain::revision::{NewRevision, RevisionEntry};
use crate::domain::time::Timestamp;
use crate::ports::clock::Clock;
use crate::ports::gateway::{FileChange, Gateway, GatewayError, Recovery, Tested};
use crate::ports::revisions::Revisions;
use crate::ports::store::{FileRecord, Store, StoreError, Tx};

/// How many changes may share one test. More would make a refused batch slow to take apart.
const BATCH: usize = 64;
/// How many changes may wait; a further caller waits for a place.
const QUEUE: usize = 1024;
/// The fact that names the last change that was committed together with files.
const LAST_CHANGE: &str = "last_change";

/// What came of an accepted change besides its own result.
#[derive(Debug, Clone, Default)]
pub struct Published {
    /// Files and nginx's answer.
    pub tested: Tested,
    rehearsed: Option<Rehearsed>,
}

/// What would come of a change.
#[derive(Debug, Clone)]
pub struct Rehearsed {
    /// The files that it touches, as they would be.
    pub files: FileChange,
    /// Files and nginx's answer, or why the change would be refused.
    pub verdict: Result<Tested, GatewayError>,
}

/// Asks for changes. Cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    queue: mpsc::Sender<Box<dyn Pending>>,
}

/// Makes the changes that [`Publisher`]s ask for, in order, until the last publisher is gone.
pub struct PublishLoop {
    store: Store,
    gateway: Arc<dyn Gateway>,
    revisions: Arc<dyn Revisions>,
    clock: Arc<dyn Clock>,
    queue: mpsc::Receiver<Box<dyn Pending>>,
    known: Arc<Mutex<KnownServers>>,
}

/// A publisher and its loop.
#[must_use]
pub fn channel(
    store: Store,
    gateway: Arc<dyn Gateway>,
    revisions: Arc<dyn Revisions>,
    clock: Arc<dyn Clock>,
) -> (Publisher, PublishLoop) {
    let (sender, queue) = mpsc::channel(QUEUE);
    (Publisher { queue: sender }, PublishLoop { store, gateway, revisions, clock, queue, known: Arc::default() })
}

impl Publisher {
    /// Makes a change. `body` must give the same result each time it runs on the same state: it runs at least twice.
    ///
    /// # Errors
    /// What `body` returns, nginx's refusal, or a fault of database or machine. Nothing has changed.
    pub async fn change<T: Send + 'static>(
        &self,
        actor: Actor,
        body: impl FnMut(&mut Change<'_>) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        self.publish(actor, Way::Shared, body).await.map(|(value, _)| value)
    }

    /// Waits until every change that was asked for before is made or refused.
    pub async fn settled(&self) {
        let nothing = |_: &mut Change<'_>| Err::<(), _>(ServiceError::NotFound("Change"));
        let _ = self.change(Actor::Engine, nothing).await;
    }

    /// As [`Publisher::change`], but it shares its test with no other change, and it tells what was written.
    ///
    /// # Errors
    /// As [`Publisher::change`].
    pub async fn alone<T: Send + 'static>(
        &self,
        actor: Actor,
        body: impl FnMut(&mut Change<'_>) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<(T, Published), ServiceError> {
        self.publish(actor, Way::Alone, body).await
    }

    /// Takes a change up to nginx's answer and tells what would come of it. Nothing becomes live or is committed.
    ///
    /// # Errors
    /// What `body` returns, a refusal before nginx was asked, or a fault of the database.
    pub async fn rehearse<T: Send + 'static>(
        &self,
        actor: Actor,
        body: impl FnMut(&mut Change<'_>) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<(T, Rehearsed), ServiceError> {
        let (value, published) = self.publish(actor, Way::Rehearsal, body).await?;
        let rehearsed = published.rehearsed.ok_or_else(stopping)?;
        Ok((value, rehearsed))
    }

    async fn publish<T: Send + 'static>(
        &self,
        actor: Actor,
        way: Way,
        body: impl FnMut(&mut Change<'_>) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<(T, Published), ServiceError> {
        let (reply, answer) = oneshot::channel();
        let (span, reason) = (Span::current(), reason::current());
        let asked = Asked { actor, way, span, reason, body, outcome: None, reply };
        self.queue.send(Box::new(asked)).await.map_err(|_| stopping())?;
        answer.await.unwrap_or_else(|_| Err(stopping()))
    }
}

/// What the rolled-back run found out.
struct Plan {
    files: FileChange,
    counts: Option<RouteCounts>,
    /// Which changes of the batch succeeded; the second run must agree.
    kept: Vec<bool>,
    change: u64,
    /// The change that the database holds.
    base: u64,
    entries: Vec<RevisionEntry>,
    deeds: Vec<Deed>,
    noteworthy: bool,
    now: Timestamp,
}

impl PublishLoop {
    /// Makes good what a crash interrupted. Call once, before [`PublishLoop::run`].
    ///
    /// # Errors
    /// The database cannot be read or the files cannot be put right.
    pub async fn recover(&self) -> Result<Recovery, ServiceError> {
        let committed = self.store.read(|tx| tx.fact(LAST_CHANGE)).await?;
        let recovery = self.gateway.recover(committed.as_deref()).await?;
        self.revisions.recover(committed.and_then(|text| text.parse().ok())).await?;
        Ok(recovery)
    }

    /// Serves changes until every [`Publisher`] is dropped.
    pub async fn run(mut self) {
        while let Some(first) = self.queue.recv().await {
            let mut batch = vec![first];
            let mut last_alone = None;
            while batch.len() < BATCH && batch[0].way() == Way::Shared {
                match self.queue.try_recv() {
                    Ok(next) if next.way() != Way::Shared => {
                        last_alone = Some(next);
                        break;
                    }
                    Ok(next) => batch.push(next),
                    Err(_) => break,
                }
            }
            self.serve(batch).await;
            if let Some(next) = last_alone {
                self.serve(vec![next]).await;
            }
        }
    }

    async fn serve(&self, batch: Batch) {
        let several = batch.len() > 1;
        let (batch, outcome) = self.traced(batch, several).await;
        match outcome {
            Ok(published) => batch.into_iter().for_each(|pending| pending.answer(&published)),
            Err(error) if several && is_about_the_change(&error) => {
                for pending in batch {
                    let (single, outcome) = self.traced(vec![pending], false).await;
                    answer_all(single, outcome);
                }
            }
            Err(error) => answer_all(batch, Err(error)),
        }
    }

    /// Publishes as a part of what asked for the first change of the batch.
    async fn traced(&self, batch: Batch, several: bool) -> (Batch, Result<Published, ServiceError>) {
        let span = match batch.first() {
            Some(first) => tracing::info_span!(parent: first.span(), "publish", changes = batch.len()),
            None => Span::none(),
        };
        self.publish(batch, several).instrument(span).await
    }

    /// Takes one batch through all steps. Changes whose body failed are answered on the way; the rest comes back.
    async fn publish(&self, batch: Batch, several: bool) -> (Batch, Result<Published, ServiceError>) {
        let rehearsal = batch.iter().any(|pending| pending.way() == Way::Rehearsal);
        let shared: SharedBatch = Arc::new(Mutex::new(batch));
        let planned = self.plan(&shared, rehearsal).await;
        let plan = match planned {
            Ok(Some(plan)) => plan,
            Ok(None) => return (take(&shared), Ok(Published::default())),
            Err(error) => return (take(&shared), Err(error)),
        };
        if rehearsal {
            let verdict = self.gateway.rehearse(plan.files.clone()).await;
            let rehearsed = Some(Rehearsed { files: plan.files, verdict });
            return (take(&shared), Ok(Published { rehearsed, ..Published::default() }));
        }
        let (published, counts, change, now) = (plan.files.put.clone(), plan.counts, plan.change, plan.now);
        let (base, entries, deeds, noteworthy) = (plan.base, plan.entries, plan.deeds, plan.noteworthy);
        let revision = NewRevision { number: change, base, at: now, entries, deeds, files: Vec::new() };
        let tested = match self.gateway.test(plan.files).await {
            Ok(tested) => tested,
            Err(error) => {
                if !several {
                    tracing::warn!(%error, "a change was refused; nothing has changed");
                }
                return (take(&shared), Err(ServiceError::from(error)));
            }
        };
        let (live, recorded) = (tested.moves, tested.moves || noteworthy);
        if recorded && let Err(error) = self.make_live(revision, live).await {
            return (take(&shared), Err(error));
        }
        let change_id = recorded.then(|| change.to_string());
        let committed = self.commit(&shared, tested.clone(), change_id, plan.kept, now).await;
        let after = match (&committed, live) {
            (_, false) => Ok(()),
            (Ok(()), true) => self.gateway.settle().await,
            (Err(_), true) => self.gateway.undo().await,
        };
        if let Err(error) = after {
            // The intent record stays; the next start reads it and does the same again.
            tracing::error!(%error, "the intent record could not be cleared");
        }
        if recorded {
            self.end_revision(change, committed.is_ok()).await;
        }
        if committed.is_ok() {
            self.known.lock().unwrap_or_else(PoisonError::into_inner).keep(published.iter(), counts);
        }
        (take(&shared), committed.map(|()| Published { tested, rehearsed: None }))
    }

    /// Writes down what is about to be changed, and makes the tested files live, if there are any.
    async fn make_live(&self, revision: NewRevision, files: bool) -> Result<(), ServiceError> {
        if !files {
            return Ok(self.revisions.begin(revision).await?);
        }
        let (change, files) = (revision.number, self.gateway.deltas().await?);
        self.revisions.begin(NewRevision { files, ..revision }).await?;
        let live = self.gateway.put_live(&change.to_string()).await;
        if live.is_err() {
            self.end_revision(change, false).await;
        }
        Ok(live?)
    }

    /// Makes a revision that was begun part of the history, or not.
    async fn end_revision(&self, change: u64, committed: bool) {
        let ended = match committed {
            true => self.revisions.complete(change).await,
            false => self.revisions.abandon(change).await,
        };
        if let Err(error) = ended {
            // It stays as it was begun; the next start looks at what was committed.
            tracing::error!(%error, "the history could not be brought up to date");
        }
    }

    /// Runs the batch in a transaction that is rolled back. `None`: no change of the batch succeeded.
    async fn plan(&self, batch: &SharedBatch, rehearsal: bool) -> Result<Option<Plan>, ServiceError> {
        let (batch, now, gateway, known) = (batch.clone(), self.clock.now(), self.gateway.clone(), self.known.clone());
        let highest = self.revisions.highest().await?;
        let planned = self.store.write(move |tx| -> Result<(), Planned> {
            let mut batch = batch.lock().unwrap_or_else(PoisonError::into_inner);
            let mut touched = Touched::default();
            let kept = attempt_all(tx, &mut batch, now, Run::RolledBack, &mut touched)?;
            if !kept.contains(&true) {
                return Err(Planned::Nothing);
            }
            guard::refuse_conflicts(tx)?;
            let Desired { files, counts } = {
                let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
                if rehearsal {
                    // What is known stays so.
                    files::desired(tx, gateway.as_ref(), &touched, &mut known.clone())?
                } else {
                    files::desired(tx, gateway.as_ref(), &touched, &mut known)?
                }
            };
            let base = number_of(tx.fact(LAST_CHANGE)?.as_deref());
            // The history may know more than a database that was made again.
            let change = base.max(highest) + 1;
            let Touched { entries, deeds, noteworthy, .. } = touched;
            let plan = Plan { files, counts, kept, change, base, entries, deeds, noteworthy, now };
            Err(Planned::Files(Box::new(plan)))
        });
        match planned.await {
            Ok(()) | Err(Planned::Nothing) => Ok(None),
            Err(Planned::Files(plan)) => Ok(Some(*plan)),
            Err(Planned::Failed(error)) => Err(error),
        }
    }

    /// Runs the batch again, for good, with the records of the files that are now live.
    async fn commit(
        &self,
        batch: &SharedBatch,
        tested: Tested,
        change_id: Option<String>,
        kept: Vec<bool>,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let batch = batch.clone();
        self.store
            .write(move |tx| -> Result<(), ServiceError> {
                let mut batch = batch.lock().unwrap_or_else(PoisonError::into_inner);
                let run = Run::Kept(tested.nginx.as_ref());
                if attempt_all(tx, &mut batch, now, run, &mut Touched::default())? != kept {
                    // The files hold what the first run gave; a second opinion must not be committed with them.
                    return Err(
                        StoreError::Unavailable("the change could not be repeated; try again".to_owned()).into()
                    );
                }
                for (path, sha256) in &tested.written {
                    tx.save_file(&FileRecord { path: path.clone(), sha256: sha256.clone(), written_at: now })?;
                }
                for path in &tested.removed {
                    tx.forget_file(path)?;
                }
                if let Some(id) = &change_id {
                    tx.set_fact(LAST_CHANGE, id)?;
                }
                Ok(())
            })
            .await
    }
}

/// Runs every change of a batch, each undone alone if it fails; tells which succeeded.
fn attempt_all(
    tx: &mut dyn Tx,
    batch: &mut Batch,
    now: Timestamp,
    run: Run<'_>,
    touched: &mut Touched,
) -> Result<Vec<bool>, StoreError> {
    let mut kept = Vec::with_capacity(batch.len());
    for pending in batch.iter_mut() {
        tx.savepoint(&mut |tx| {
            let succeeded = pending.attempt(tx, now, run, touched);
            kept.push(succeeded);
            succeeded
        })?;
    }
    Ok(kept)
}

/// How the rolled-back run ended. Every variant rolls back.
enum Planned {
    Nothing,
    Files(Box<Plan>),
    Failed(ServiceError),
}

impl From<StoreError> for Planned {
    fn from(error: StoreError) -> Self {
        Planned::Failed(error.into())
    }
}

impl From<ServiceError> for Planned {
    fn from(error: ServiceError) -> Self {
        Planned::Failed(error)
    }
}

/// The number of the last change that was committed together with files: whoever sees the same number twice has
/// seen one state of rows and files between.
pub(super) fn last_change(tx: &mut dyn Tx) -> Result<Option<String>, ServiceError> {
    Ok(tx.fact(LAST_CHANGE)?)
}

/// The number of a change; 0: there was none.
pub(super) fn number_of(change: Option<&str>) -> u64 {
    change.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Whether taking the batch apart could let some of its changes through.
fn is_about_the_change(error: &ServiceError) -> bool {
    !matches!(
        error,
        ServiceError::Store(StoreError::Unavailable(_) | StoreError::Corrupt(_))
            | ServiceError::Gateway(GatewayError::Fault(_))
    )
}

fn take(batch: &SharedBatch) -> Batch {
    std::mem::take(&mut *batch.lock().unwrap_or_else(PoisonError::into_inner))
}

fn answer_all(batch: Batch, outcome: Result<Published, ServiceError>) {
    match outcome {
        Ok(published) => batch.into_iter().for_each(|pending| pending.answer(&published)),
        Err(error) => batch.into_iter().for_each(|pending| pending.refuse(error.clone())),
    }
}
