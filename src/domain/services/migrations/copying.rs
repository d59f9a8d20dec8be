//! Copy, compare, and carry over what was written meanwhile, until little is left.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use futures_util::pin_mut;

use super::begin::{LOOK, SKEW};
use super::carry::{Carried, CarryError, Sides};
use super::compare::compare;
use super::drive::{Drive, outcome_of};
use super::pace::Verdict;
use crate::domain::copy::{CopyOrder, What};
use crate::domain::migration::MigrationMode;
use crate::domain::migration::machine::Outcome;
use crate::domain::migration::work::MigrationKind;
use crate::domain::object::Upload;
use crate::domain::time::Timestamp;
use crate::ports::copier::{CopierError, Copying};
use crate::ports::gate::GateError;
use crate::ports::object_storage::PAGE;

/// How often the record says how far a copy is.
const REPORT: Duration = Duration::from_secs(2);
/// A write that is under way for longer is waited for before writes are held.
const OLD_WRITE_MS: i64 = 2_000;
/// An upload that was not used for as long is not waited for.
const IDLE_UPLOAD_MS: i64 = 10_000;
/// How many keys that cannot be moved are named.
const NAMED: usize = 5;

/// What a copier is about to send.
pub(super) enum Sending {
    Everything,
    Keys(Vec<String>),
}

impl Drive {
    /// One copy of everything, while clients go on.
    pub(super) async fn copy_all(&mut self) -> Outcome {
        if self.is_adoption() {
            // What is there is not to be overwritten unseen: the comparison tells what is to be carried back.
            return Outcome::Done;
        }
        match self.try_copy_all().await {
            Ok(()) => Outcome::Done,
            Err(outcome) => outcome,
        }
    }

    async fn try_copy_all(&mut self) -> Result<(), Outcome> {
        // One that has ended already was never told to begin: it says nothing of its pools as they are now.
        let ready = self.ready.take().and_then(|mut ready| ready.ended().now_or_never().is_none().then_some(ready));
        let mut copying = match ready {
            Some(ready) => ready,
            None => self.prepared().await?,
        };
        self.sending = Some(Sending::Everything);
        copying.go();
        let ended = loop {
            let ended = {
                let (ended, report) = (copying.ended(), self.shared.timer.pause(REPORT));
                pin_mut!(ended, report);
                match select(ended, report).await {
                    Either::Left((ended, _)) => Some(ended),
                    Either::Right(_) => None,
                }
            };
            if let Some(ended) = ended {
                break ended;
            }
            self.keep_progress().await;
            // The journal grows meanwhile: read in time, it needs little memory at once.
            self.read_journal().await?;
        };
        self.sending = None;
        self.keep_progress().await;
        match ended {
            Ok(copied) => self.say("copying", format!("copied {} objects, {} bytes", copied.objects, copied.bytes)),
            Err(CopierError::Refused { keys, .. }) => self.say(
                "copying",
                format!("copied all but {} objects, which changed meanwhile and are carried over later", keys.len()),
            ),
            Err(error) => {
                // What was sent may still arrive, and must not find the comparison done.
                self.shared.timer.pause(self.shared.settings.settle_wait).await;
                return Err(Outcome::NotNow(format!("rclone copy failed: {error}")));
            }
        }
        Ok(())
    }

    /// Has the copier start while nginx's workers change: that takes rclone as long as a few objects.
    pub(super) async fn make_ready(&mut self) {
        if self.ready.is_none() && self.migration.work.kind == MigrationKind::Move {
            // What is wrong is told when the copy is to begin.
            self.ready = self.prepared().await.ok();
        }
    }

    /// A copy of everything that has not begun.
    async fn prepared(&mut self) -> Result<Box<dyn Copying>, Outcome> {
        let sides = self.sides().await?;
        let order = CopyOrder {
            source: sides.source.clone(),
            destination: sides.destination.clone(),
            bucket: sides.bucket.clone(),
            what: match self.migration.mode {
                MigrationMode::Copy => What::Everything,
                MigrationMode::Sync => What::Mirror,
            },
            // What fails is found by the comparison, and carried over later: a request that was sent twice may arrive
            // twice, the older one last.
            once: true,
        };
        let copier = self.shared.copier.clone();
        copier.prepare(order, self.live.clone()).await.map_err(|error| Outcome::NotNow(error.to_string()))
    }

    async fn keep_progress(&mut self) {
        let progress = self.live.progress_now();
        let saved = self.save(move |migration| {
            migration.objects_done = number(progress.objects_done);
            migration.objects_total = number(progress.objects_total.max(progress.objects_done));
            migration.bytes_done = number(progress.bytes_done);
            migration.bytes_total = number(progress.bytes_total.max(progress.bytes_done));
        });
        if let Err(error) = saved.await {
            tracing::warn!(migration = self.migration.id.0, %error, "progress could not be written down");
        }
    }

    /// Both sides, listed by ourselves.
    pub(super) async fn compare_all(&mut self) -> Outcome {
        match self.try_compare_all().await {
            Ok(()) => Outcome::Done,
            Err(outcome) => outcome,
        }
    }

    /// The ledger does not know everything: what was written since the migration began may be another object although
    /// listings say that it is not.
    async fn doubt(&mut self) -> Result<(), Outcome> {
        let saved = self.save(|migration| {
            let began = migration.started_at.map_or(0, |began| began.earlier(SKEW).unix());
            let since = &mut migration.work.doubted_since;
            *since = Some(since.map_or(began, |since| since.min(began)));
        });
        saved.await.map_err(|error| Outcome::NotNow(error.to_string()))
    }

    /// The journal may lack lines.
    async fn distrust(&mut self) -> Result<(), Outcome> {
        self.ledger.distrust(self.shared.timer.epoch_ms());
        self.doubt().await
    }

    async fn try_compare_all(&mut self) -> Result<(), Outcome> {
        let sides = self.sides().await?;
        self.read_journal().await?;
        let events = self.is_settled().then(|| self.ledger.events());
        let doubted = self.migration.work.doubted_since.and_then(Timestamp::of_unix);
        let mut found = compare(&*self.shared.storage, (&sides.source, &sides.destination), &sides.bucket, doubted)
            .await
            .map_err(|error| Outcome::NotNow(format!("comparing both sides: {error}")))?;
        if !found.unfit.is_empty() {
            let named: Vec<String> =
                found.unfit.iter().take(NAMED).map(|(key, why)| format!("{key:?} ({why})")).collect();
            return Err(Outcome::Failed(format!(
                "these objects cannot be moved: {}; rename or delete them, then start again",
                named.join(", ")
            )));
        }
        let unsure = sides
            .unsure(&found.doubtful)
            .await
            .map_err(|error| Outcome::NotNow(format!("comparing objects that both sides had before: {error}")))?;
        found.source.extend(unsure);
        if self.is_adoption() {
            self.leave_newer(&mut found).await?;
        }
        self.say(
            "copying",
            format!(
                "compared {} objects: {} are to be carried over, {} are at the destination only",
                found.objects,
                found.source.len(),
                found.destination.len()
            ),
        );
        self.ledger.add(found.source);
        if self.migration.work.owns_destination || self.migration.mode == MigrationMode::Sync {
            self.ledger.add(found.destination);
        }
        if let Some(events) = events {
            self.ledger.compared(events);
        }
        let (objects, bytes) = (found.objects, found.bytes);
        let saved = self.save(move |migration| {
            migration.objects_total = number(objects);
            migration.objects_done = number(objects);
            migration.bytes_total = number(bytes);
            migration.bytes_done = number(bytes);
        });
        saved.await.map_err(|error| Outcome::NotNow(error.to_string()))
    }

    /// One pass over what was written since.
    pub(super) async fn carry_dirty(&mut self) -> Outcome {
        match self.try_carry_dirty().await {
            Ok(ready) if ready => Outcome::Done,
            Ok(_) => Outcome::Again,
            Err(outcome) => outcome,
        }
    }

    async fn try_carry_dirty(&mut self) -> Result<bool, Outcome> {
        let token = self.gated()?;
        let sides = self.sides().await?;
        self.read_journal().await?;
        self.bury_dead().await?;
        if let Err(error) = self.shared.gate.sound(&token).await {
            self.distrust().await?;
            match self.shared.gate.renew(&token).await {
                Ok(()) => {}
                Err(GateError::Void(why)) => return Err(Outcome::Failed(why)),
                // Not even that can be written down: there may be room another time.
                Err(fault) => self.say("copying", fault.to_string()),
            }
            return Err(outcome_of(error));
        }
        self.voids = 0;
        if self.ledger.has_unknown() {
            // A comparison before everything has arrived would have to be made again.
            if !self.is_settled() {
                self.shared.timer.pause(LOOK).await;
                return Ok(false);
            }
            self.doubt().await?;
            self.try_compare_all().await?;
        }
        let batch = self.ledger.batch();
        let count = batch.keys.len();
        let began = self.shared.timer.elapsed();
        let carried = self.send(&sides, &batch.keys).await?;
        let left = carried.left.map(|(keys, _)| keys).unwrap_or_default();
        self.ledger.carried(&batch.without(&left));
        let took = self.shared.timer.elapsed().saturating_sub(began);
        self.read_journal().await?;
        let backlog = self.ledger.backlog();
        self.pace.note(count, took, backlog);
        let settings = &self.shared.settings;
        match self.pace.verdict(backlog, settings.hold_target, settings.max_hold, settings.max_copy_passes) {
            Verdict::More => Ok(false),
            Verdict::Hopeless => Err(Outcome::Failed(format!(
                "{} passes in a row did not make the backlog smaller ({backlog} keys): the source diverges faster \
                 than rclone can copy. Try again when fewer clients write, or raise \
                 NANIO_ORCHESTRATOR_MIGRATION_TRANSFERS",
                settings.max_copy_passes
            ))),
            Verdict::Ready => self.is_quiet().await,
        }
    }

    /// Whether nothing is under way that could make the hold long, or the bucket unequal after it.
    async fn is_quiet(&mut self) -> Result<bool, Outcome> {
        let now = self.shared.timer.epoch_ms();
        let old_write = self.ledger.oldest_open_ms().is_some_and(|since| now - since > OLD_WRITE_MS);
        if !self.is_settled() || self.ledger.has_unknown() || old_write || self.uploads_busy(now) {
            self.shared.timer.pause(LOOK).await;
            return Ok(false);
        }
        Ok(true)
    }

    /// Whether everything has arrived that nobody saw the end of.
    pub(super) fn is_settled(&self) -> bool {
        self.ledger.youngest_uncertain_ms().is_none_or(|at| at < self.settled_ms())
    }

    /// Whatever ended before has arrived by now, if it ever will.
    pub(super) fn settled_ms(&self) -> i64 {
        let wait = i64::try_from(self.shared.settings.settle_wait.as_millis()).unwrap_or(i64::MAX);
        self.shared.timer.epoch_ms().saturating_sub(wait)
    }

    /// Carries keys over.
    pub(super) async fn send(&mut self, sides: &Sides, keys: &[String]) -> Result<Carried, Outcome> {
        self.sending = Some(Sending::Keys(keys.to_vec()));
        let sent = sides.carry(keys, self.live.clone()).await;
        if matches!(sent, Err(CarryError::Cut(_))) {
            self.doubt_what_was_sent();
        }
        self.sending = None;
        sent.map_err(|error| match error {
            CarryError::Never(why) => Outcome::Failed(why),
            CarryError::NotNow(why) | CarryError::Cut(why) => Outcome::NotNow(why),
        })
    }

    /// A copier that is ended in the middle may have sent what arrives later, over something newer. It is so when
    /// [`send`](Self::send) was given up while it waited: an operator wants a pause, or clients have waited for too long.
    pub(super) fn doubt_what_was_sent(&mut self) {
        let now = self.shared.timer.epoch_ms();
        match self.sending.take() {
            None => {}
            Some(Sending::Everything) => self.ledger.distrust(now),
            Some(Sending::Keys(keys)) => self.ledger.add_uncertain(keys, now),
        }
    }

    /// Whether an upload that was being made when this was first asked is still being made, and may be waited for. Later
    /// ones are not waited for: on a busy bucket there is always one, and each can be completed after the switch too.
    fn uploads_busy(&mut self, now: i64) -> bool {
        let used = |used: &i64| now - used < IDLE_UPLOAD_MS;
        let present = self.ledger.uploads();
        let (since, first) = self.awaited.get_or_insert_with(|| {
            let first = present.iter().filter(|(_, last)| used(last)).map(|(id, _)| id.clone());
            (self.shared.timer.elapsed(), first.collect())
        });
        let waited = self.shared.timer.elapsed().saturating_sub(*since);
        let busy = first.iter().any(|id: &String| present.get(id).is_some_and(used));
        busy && waited < self.shared.settings.multipart_wait
    }

    /// The uploads that the source has, by identity.
    pub(super) async fn listed_uploads(&mut self) -> Result<BTreeMap<String, Upload>, Outcome> {
        let sides = self.sides().await?;
        let (mut uploads, mut behind) = (BTreeMap::new(), None);
        loop {
            let page = self
                .shared
                .storage
                .uploads(&sides.source, &sides.bucket, "", behind.as_ref())
                .await
                .map_err(|error| Outcome::NotNow(format!("listing uploads: {error}")))?;
            uploads.extend(page.uploads.into_iter().map(|upload| (upload.id.clone(), upload)));
            match page.next {
                // nanio lists everything on every page.
                Some(next) if behind.as_ref() != Some(&next) && uploads.len() < 1000 * PAGE => behind = Some(next),
                _ => return Ok(uploads),
            }
        }
    }

    /// Identities of the uploads that began on the source and have not ended.
    pub(super) async fn source_uploads(&mut self) -> Result<Vec<String>, Outcome> {
        let mut uploads: HashSet<String> = self.listed_uploads().await?.into_keys().collect();
        uploads.extend(self.ledger.uploads().keys().cloned());
        let mut uploads: Vec<String> = uploads.into_iter().filter(|id| !self.ledger.has_ended(id)).collect();
        uploads.sort_unstable();
        Ok(uploads)
    }

    /// Takes over what nginx has written down since.
    pub(super) async fn read_journal(&mut self) -> Result<(), Outcome> {
        let token = self.gated()?;
        loop {
            let part = self.shared.gate.journal(&token, self.position).await.map_err(outcome_of)?;
            if part.end == self.position {
                break;
            }
            part.lines.iter().for_each(|entry| self.ledger.read(entry));
            if self.migration.work.kind == MigrationKind::BackFill {
                part.lines.iter().for_each(|entry| self.filling.touched.read(entry));
                // It needs no list of what differs.
                let all = self.ledger.batch();
                self.ledger.carried(&all);
            }
            self.position = part.end;
        }
        if self.ledger.is_unreadable() {
            self.distrust().await?;
            return Err(Outcome::Void("a line of the journal cannot be read".to_owned()));
        }
        if self.ledger.bucket_gone() {
            return Err(Outcome::Failed("a client made or removed the bucket itself meanwhile".to_owned()));
        }
        Ok(())
    }

    /// Writes of workers that died have no end line.
    pub(super) async fn bury_dead(&mut self) -> Result<(), Outcome> {
        let alive = self.shared.gate.workers().await.map_err(outcome_of)?;
        let alive: HashSet<u32> = alive.into_iter().map(|worker| worker.pid).collect();
        self.ledger.bury(&alive, self.shared.timer.epoch_ms());
        self.filling.touched.bury(&alive, self.shared.timer.epoch_ms());
        Ok(())
    }
}

/// A count, as the record keeps it.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
