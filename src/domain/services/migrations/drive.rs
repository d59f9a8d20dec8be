//! One migration on its way: does what [`machine`](crate::domain::migration::machine) says, tells it what came of it,
//! and decides nothing else.
//!
//! While writes are held nothing is waited for but the storage and the journal: records are written beside the work.
//! The token, not the database, says whether it is committed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, join, select};
use futures_util::pin_mut;
use tracing::Instrument as _;

use super::backfill::Filling;
use super::carry::Sides;
use super::copying::Sending;
use super::engine::Shared;
use super::live::Live;
use super::pace::Pace;
use super::record;
use crate::domain::audit::{Action, Actor, MigrationSnapshot, NewEntry, Snapshot, Subject};
use crate::domain::ids::{EntityKind, MigrationId};
use crate::domain::migration::journal::Ledger;
use crate::domain::migration::log::NewLogEntry;
use crate::domain::migration::machine::{Outcome, Step, Turn, next, resumed};
use crate::domain::migration::token::{Token, TokenState};
use crate::domain::migration::work::MigrationKind;
use crate::domain::migration::{Migration, Phase};
use crate::domain::services::ServiceError;
use crate::domain::services::publish::Change;
use crate::ports::copier::Copying;
use crate::ports::gate::{GateError, Worker};

/// How many lines the log of a migration keeps.
const LOG_LINES: u64 = 5000;
/// How often a step that can be taken back is tried before the migration gives up.
const TRIES: u32 = 5;
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A migration that is being driven.
pub(super) struct Drive {
    pub(super) shared: Arc<Shared>,
    pub(super) live: Arc<Live>,
    pub(super) migration: Migration,
    pub(super) ledger: Ledger,
    /// Bytes of the journal that the ledger has read.
    pub(super) position: u64,
    /// Since when uploads are waited for before the cutover, and for which.
    pub(super) awaited: Option<(Duration, Vec<String>)>,
    /// Uploads that had begun on the source, and had not ended, when writes were held.
    pub(super) uploads: Vec<String>,
    /// How many uploads had been seen to begin when these were listed.
    pub(super) uploads_begun: u64,
    /// Where both sides are.
    pub(super) sides: Option<Sides>,
    /// The workers that ran before nginx was last told to load.
    pub(super) workers: HashSet<Worker>,
    /// What is being copied.
    pub(super) sending: Option<Sending>,
    /// The copy of everything, ready to begin.
    pub(super) ready: Option<Box<dyn Copying>>,
    /// When writes were held, on the timer.
    pub(super) held_since: Option<Duration>,
    pub(super) pace: Pace,
    /// What a back-fill knows.
    pub(super) filling: Filling,
    /// Numbers the canaries.
    pub(super) canaries: u32,
    /// Since when the present waiting lasts, on the timer.
    pub(super) waiting_since: Option<Duration>,
    /// How often in a row the journal could not be relied upon.
    pub(super) voids: u32,
    /// Steps in a row that could not be taken.
    failures: u32,
    /// Why the last cutover was taken back.
    last_setback: String,
}

impl Drive {
    pub(super) fn new(shared: Arc<Shared>, live: Arc<Live>, migration: Migration) -> Self {
        Self {
            ledger: Ledger::of(&migration.bucket),
            filling: Filling::of(&migration.bucket),
            shared,
            live,
            migration,
            position: 0,
            awaited: None,
            uploads: Vec::new(),
            uploads_begun: 0,
            sides: None,
            workers: HashSet::new(),
            sending: None,
            ready: None,
            held_since: None,
            pace: Pace::default(),
            canaries: 0,
            waiting_since: None,
            voids: 0,
            failures: 0,
            last_setback: String::new(),
        }
    }

    /// Drives the migration to its end.
    ///
    /// # Errors
    /// The database cannot be written, or this program is at fault. The migration stays where it is; it is driven again
    /// later.
    pub(super) async fn run(mut self) -> Result<(), ServiceError> {
        self.take_up().await?;
        loop {
            let (phase, step) = (self.migration.phase, self.migration.work.step);
            if step == Step::End {
                return Ok(());
            }
            let span = tracing::info_span!("step", migration = self.migration.id.0, step = step.as_str());
            let outcome = self.outcome(step).instrument(span).await;
            let turn = next(self.migration.work.kind, phase, step, outcome.kind())
                .map_err(|illegal| ServiceError::Unavailable(format!("migration {}: {illegal}", self.migration.id)))?;
            self.turn(turn, &outcome).await?;
        }
    }

    /// Goes on from where an earlier life left it.
    async fn take_up(&mut self) -> Result<(), ServiceError> {
        let state = match self.token() {
            Some(token) => {
                self.take_back(&token).await?;
                Some(self.shared.gate.state(&token).await?)
            }
            None => None,
        };
        let switched = self.migration.work.kind != MigrationKind::BackFill
            && (matches!(state, Some(TokenState::Switched | TokenState::Open)) || self.migration.work.committed);
        let gated = self.migration.work.gate.is_some();
        let work = &self.migration.work;
        let turn = resumed(self.migration.phase, work.step, switched, gated);
        if turn.step != work.step {
            let line = format!("taken up again after a restart, at {}", turn.step.as_str());
            self.say("recovery", line);
            self.enter(turn).await?;
        }
        Ok(())
    }

    /// Takes a step, unless an operator wants something else.
    async fn outcome(&mut self, step: Step) -> Outcome {
        match self.wanted_outcome(step).await {
            Outcome::Void(why) if self.migration.work.kind == MigrationKind::BackFill && !step.is_committed() => {
                self.unknown_deletions(&why)
            }
            outcome => outcome,
        }
    }

    async fn wanted_outcome(&mut self, step: Step) -> Outcome {
        if step.can_pause() {
            self.wait_while_paused().await;
        }
        if self.is_adoption() && step != Step::Check {
            return self.take_patiently(step).await;
        }
        let cancellable = !step.is_committed() && !matches!(step, Step::Commit | Step::Withdraw | Step::End);
        if !cancellable {
            return self.take(step).await;
        }
        let live = self.live.clone();
        if live.is_cancelled() {
            return Outcome::Cancelled;
        }
        if step.is_atomic() {
            return self.take(step).await;
        }
        let interrupted = async {
            if step.can_pause() {
                live.until_interrupted().await;
            } else {
                live.until_cancelled().await;
            }
        };
        let work = self.take(step);
        pin_mut!(interrupted, work);
        match select(work, interrupted).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) if live.is_cancelled() => Outcome::Cancelled,
            Either::Right(_) => Outcome::NotNow(String::new()),
        }
    }

    async fn wait_while_paused(&mut self) {
        if self.live.is_paused() {
            self.say("paused", "waits until it is resumed".to_owned());
            self.ready = None;
            // It may be long until the next record.
            if let Err(error) = self.save(|_| {}).await {
                tracing::warn!(migration = self.migration.id.0, %error, "that it is paused could not be written down");
            }
            self.live.until_resumed().await;
        }
    }

    pub(super) async fn take(&mut self, step: Step) -> Outcome {
        self.doubt_what_was_sent();
        if !matches!(step, Step::AwaitWorkers | Step::CopyAll) {
            self.ready = None;
        }
        match step {
            Step::Check => self.check().await,
            Step::JournalOn => self.journal_on().await,
            Step::AwaitWorkers => self.await_workers().await,
            Step::CopyAll => self.copy_all().await,
            Step::CompareAll => self.compare_all().await,
            Step::CarryDirty => self.carry_dirty().await,
            Step::Freeze => self.freeze().await,
            Step::Drain => self.drain().await,
            Step::CarryLast => self.carry_last().await,
            Step::Commit => self.commit().await,
            Step::Thaw => self.thaw().await,
            Step::Record => self.record().await,
            Step::Settle => self.settle().await,
            Step::AwaitOldWorkers => self.await_old_workers().await,
            Step::AwaitUploads => self.await_uploads().await,
            Step::Forget => self.forget().await,
            Step::Report => self.report().await,
            Step::Seek => self.seek().await,
            Step::Fill => self.fill().await,
            Step::Verify => self.verify().await,
            Step::Conclude => self.conclude().await,
            Step::Withdraw => self.withdraw().await,
            Step::End => Outcome::Done,
        }
    }

    /// Goes where an outcome leads, and writes it down.
    async fn turn(&mut self, turn: Turn, outcome: &Outcome) -> Result<(), ServiceError> {
        let step = self.migration.work.step;
        if let Some(why) = outcome.reason().filter(|why| !why.is_empty()) {
            self.say(self.migration.phase.as_str(), why.to_owned());
        }
        match outcome {
            Outcome::NotNow(why) if why.is_empty() => {}
            Outcome::NotNow(why) if turn.step == Step::Thaw => self.last_setback.clone_from(why),
            Outcome::NotNow(why) => {
                self.failures += 1;
                if self.must_go_on() {
                    let why = why.clone();
                    self.save(move |migration| migration.error_msg = Some(why)).await?;
                } else if self.failures >= TRIES && !step.is_committed() && step != Step::Withdraw {
                    return self.give_up(why).await;
                }
                self.back_off(self.failures).await;
            }
            // Everything would be copied again and again for as long as a disk is full.
            Outcome::Void(why) if turn.step == step || step == Step::CarryDirty => {
                self.voids += 1;
                if self.voids >= TRIES {
                    return self.give_up(why).await;
                }
                self.back_off(self.voids).await;
            }
            _ => self.failures = 0,
        }
        if turn.step == Step::Withdraw && step != Step::Withdraw {
            return self.end_badly(turn, outcome).await;
        }
        if matches!(step, Step::Freeze | Step::Drain | Step::CarryLast | Step::Commit) {
            // Writes are held: the record is written beside the next step, by `enter_aside`.
            self.migration.work.step = turn.step;
            self.migration.phase = turn.phase;
            return self.enter_aside(turn).await;
        }
        self.enter(turn).await
    }

    async fn give_up(&mut self, why: &str) -> Result<(), ServiceError> {
        let why = format!("given up after {TRIES} tries: {why}");
        self.migration.error_msg = Some(why.clone());
        let turn = Turn { step: Step::Withdraw, phase: Phase::Error };
        self.end_badly(turn, &Outcome::Failed(why)).await
    }

    async fn back_off(&self, failures: u32) {
        let wait = Duration::from_secs(1 << failures.min(5)).min(LONGEST_WAIT);
        self.shared.timer.pause(wait / 2).await;
    }

    /// Writes the turn down.
    pub(super) async fn enter(&mut self, turn: Turn) -> Result<(), ServiceError> {
        let changed = self.migration.phase != turn.phase;
        self.save(move |migration| {
            migration.phase = turn.phase;
            migration.work.step = turn.step;
        })
        .await?;
        if changed {
            self.keep_file().await;
        }
        Ok(())
    }

    /// Does the next step at once, and writes the turn down meanwhile.
    async fn enter_aside(&mut self, turn: Turn) -> Result<(), ServiceError> {
        let (shared, id) = (self.shared.clone(), self.migration.id);
        let lines = self.live.take_lines(id, shared.clock.now());
        // What was begun counts when it is taken back, also after a restart in between.
        let attempts = (turn.step == Step::Thaw).then_some(self.migration.work.attempts);
        let saving = async move {
            shared
                .store
                .write(move |tx| {
                    save(tx, id, &lines, |migration| {
                        migration.phase = turn.phase;
                        migration.work.step = turn.step;
                        migration.work.attempts = attempts.unwrap_or(migration.work.attempts);
                    })
                })
                .await
        };
        let held = matches!(turn.step, Step::Drain | Step::CarryLast | Step::Commit);
        if !held {
            self.migration = saving.await?;
            return Ok(());
        }
        let (saved, outcome) = join(saving, self.outcome(turn.step)).await;
        // Whether or not it could be written down, what was done was done.
        let written = saved.map(|saved| self.migration.revision = saved.revision);
        if let Err(error) = &written {
            tracing::error!(migration = id.0, %error, "a step of a cutover could not be written down");
        }
        let turn = next(self.migration.work.kind, turn.phase, turn.step, outcome.kind())
            .map_err(|illegal| ServiceError::Unavailable(format!("migration {id}: {illegal}")))?;
        Box::pin(self.turn(turn, &outcome)).await
    }

    /// It failed, or nobody wants it any more: written down, before anything is tidied up.
    async fn end_badly(&mut self, turn: Turn, outcome: &Outcome) -> Result<(), ServiceError> {
        let (action, why) = match outcome {
            Outcome::Cancelled => (Action::MigrationCancelled, None),
            other => (Action::MigrationError, other.reason().map(str::to_owned)),
        };
        // Clients wait: writes flow before anything is written down.
        self.release_writes().await;
        let word = if turn.phase == Phase::Cancelled { "cancelled" } else { "error" };
        self.say(word, why.clone().unwrap_or_else(|| "cancelled by an operator".to_owned()));
        let (id, now) = (self.migration.id, self.shared.clock.now());
        let lines = self.live.take_lines(id, now);
        let saved = self
            .shared
            .store
            .write(move |tx| {
                let before = record::find(tx, id)?;
                let saved = save(tx, id, &lines, |migration| {
                    migration.phase = turn.phase;
                    migration.work.step = turn.step;
                    migration.work.waiting_for_workers.clear();
                    migration.error_msg = why.or(migration.error_msg.take());
                    migration.finished_at = Some(now);
                })?;
                tx.append_audit(&NewEntry {
                    actor: Actor::Engine,
                    action,
                    subject: Subject::Entity(EntityKind::Migration, id.0),
                    before: Some(Snapshot::Migration(MigrationSnapshot::of(&before))),
                    after: Some(Snapshot::Migration(MigrationSnapshot::of(&saved))),
                    nginx: None,
                    at: now,
                })?;
                Ok::<_, ServiceError>(saved)
            })
            .await?;
        self.migration = saved;
        self.keep_file().await;
        Ok(())
    }

    /// Changes the record, with the lines that were said since.
    pub(super) async fn save(
        &mut self,
        edit: impl FnOnce(&mut Migration) + Send + 'static,
    ) -> Result<(), ServiceError> {
        let id = self.migration.id;
        let lines = self.live.take_lines(id, self.shared.clock.now());
        self.migration = self.shared.store.write(move |tx| save(tx, id, &lines, edit)).await?;
        Ok(())
    }

    /// Changes the gateway together with the record.
    pub(super) async fn change(
        &mut self,
        body: impl FnMut(&mut Change<'_>) -> Result<Migration, ServiceError> + Send + 'static,
    ) -> Result<(), ServiceError> {
        self.migration = self.shared.publisher.change(Actor::Engine, body).await?;
        Ok(())
    }

    /// Says something for the migration's log. Written with the next record.
    pub(super) fn say(&self, phase: &str, line: String) {
        tracing::info!(migration = self.migration.id.0, bucket = %self.migration.bucket, phase, "{line}");
        self.live.say(phase, line);
    }

    /// Keeps the migration's file beside the database as the record is. A rebuild needs it; the migration does not.
    pub(super) async fn keep_file(&self) {
        self.keeping().await;
    }

    /// The same, beside something else.
    pub(super) fn keeping(&self) -> impl Future<Output = ()> + use<> {
        let (files, migration) = (self.shared.files.clone(), self.migration.clone());
        async move {
            if let Err(error) = files.write(&migration).await {
                tracing::error!(migration = migration.id.0, %error, "the migration's file could not be written");
            }
        }
    }

    pub(super) fn token(&self) -> Option<Token> {
        self.migration.work.gate.as_ref().map(|gate| gate.token.clone())
    }

    /// The token, where there must be one.
    pub(super) fn gated(&self) -> Result<Token, Outcome> {
        self.token().ok_or_else(|| Outcome::Failed("its token is not known any more".to_owned()))
    }

    pub(super) fn last_setback(&self) -> &str {
        &self.last_setback
    }
}

/// What a fault of gate or journal means for a step.
pub(super) fn outcome_of(error: GateError) -> Outcome {
    match error {
        GateError::Void(why) => Outcome::Void(why),
        GateError::State(why) | GateError::Fault(why) => Outcome::NotNow(why),
    }
}

/// The record as it is in the database, changed, with lines of its log.
fn save(
    tx: &mut dyn crate::ports::store::Tx,
    id: MigrationId,
    lines: &[NewLogEntry],
    edit: impl FnOnce(&mut Migration),
) -> Result<Migration, ServiceError> {
    let mut migration = record::find(tx, id)?;
    edit(&mut migration);
    if !lines.is_empty() {
        tx.append_migration_log(lines)?;
        tx.prune_migration_log(id, LOG_LINES)?;
    }
    Ok(tx.save_migration(migration)?)
}
