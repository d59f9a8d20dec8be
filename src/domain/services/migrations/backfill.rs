//! The steps of a back-fill: what an earlier pool still has of a bucket, and the pool that serves it lacks, is carried
//! over; nothing is overwritten, and nothing that clients delete meanwhile is brought back.
//!
//! What clients do to single keys is read from nginx's journal, which is on before anything is looked at. If it may lack
//! lines, nobody knows any more what they deleted: the back-fill ends, and guesses nothing.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join;

use super::begin::LOOK;
use super::compare::{is_temporary, list};
use super::drive::{Drive, outcome_of};
use super::record;
use crate::domain::bucket::BucketName;
use crate::domain::migration::machine::Outcome;
use crate::domain::migration::portions::{Missing, Portions};
use crate::domain::migration::token::{Token, TokenState};
use crate::domain::migration::touched::{HeldKeys, Touched};
use crate::domain::migration::work::MigrationKind;
use crate::domain::services::ServiceError;
use crate::ports::gate::Admission;

/// How many keys are named, and how many are told of in the log.
const NAMED: usize = 5;
const TOLD: usize = 100;

/// What a back-fill knows while it runs. A restart finds it all again.
pub(super) struct Filling {
    pub touched: Touched,
    /// What the destination lacks.
    pub todo: VecDeque<Missing>,
    /// The same, but not now: clients write these keys at the moment.
    pub later: VecDeque<Missing>,
    pub portions: Portions,
    /// Keys about which it is decided: they are there, or shall not be.
    pub decided: HashSet<String>,
    /// How often a node refused a key.
    pub tries: HashMap<String, u32>,
    /// Keys that could not be carried over, each with the reason.
    pub faults: BTreeMap<String, String>,
    pub objects: u64,
    pub bytes: u64,
    pub longest_hold: Duration,
}

impl Filling {
    pub(super) fn of(bucket: &BucketName) -> Self {
        Self {
            touched: Touched::of(bucket),
            todo: VecDeque::new(),
            later: VecDeque::new(),
            portions: Portions::default(),
            decided: HashSet::new(),
            tries: HashMap::new(),
            faults: BTreeMap::new(),
            objects: 0,
            bytes: 0,
            longest_hold: Duration::ZERO,
        }
    }
}

impl Drive {
    /// Finds what the destination lacks.
    pub(super) async fn seek(&mut self) -> Outcome {
        match self.try_seek().await {
            Ok(()) => Outcome::Done,
            Err(outcome) => outcome,
        }
    }

    async fn try_seek(&mut self) -> Result<(), Outcome> {
        let token = self.gated()?;
        self.shared.gate.sound(&token).await.map_err(outcome_of)?;
        let (missing, there) = self.missing().await?;
        let bytes = missing.iter().fold(0u64, |sum, one| sum.saturating_add(one.size));
        self.say(
            "copying",
            format!(
                "pool {} lacks {} objects ({bytes} bytes) that pool {} has; {there} are on both, and stay as they are",
                self.migration.destination.name,
                missing.len(),
                self.migration.source.name
            ),
        );
        let total = missing.len() as u64;
        self.filling.todo = missing.into();
        let saved = self.save(move |migration| {
            migration.objects_total = number(total);
            migration.bytes_total = number(bytes);
            (migration.objects_done, migration.bytes_done) = (0, 0);
        });
        saved.await.map_err(|error| Outcome::NotNow(error.to_string()))
    }

    /// What the source has and the destination lacks, by their listings; and how many keys both have.
    async fn missing(&mut self) -> Result<(Vec<Missing>, u64), Outcome> {
        let sides = self.sides().await?;
        let (mut missing, mut there) = (Vec::new(), 0);
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let ours = list(&*sides.storage, &sides.source, &sides.bucket, &folder);
            let theirs = list(&*sides.storage, &sides.destination, &sides.bucket, &folder);
            let (ours, theirs) = try_join(ours, theirs)
                .await
                .map_err(|error| Outcome::NotNow(format!("listing both sides: {error}")))?;
            for (key, object) in ours.objects {
                if theirs.objects.contains_key(&key) {
                    there += 1;
                } else if !is_temporary(&key) {
                    missing.push(Missing { key, size: object.size });
                }
            }
            let mut inner = ours.folders;
            inner.sort_unstable();
            inner.dedup();
            folders.extend(inner);
            // The journal grows meanwhile: read in time, it needs little memory at once.
            self.read_journal().await?;
        }
        Ok((missing, there))
    }

    /// Carries over one portion.
    pub(super) async fn fill(&mut self) -> Outcome {
        match self.try_fill().await {
            Ok(true) => Outcome::Done,
            Ok(false) => Outcome::Again,
            Err(outcome) => outcome,
        }
    }

    async fn try_fill(&mut self) -> Result<bool, Outcome> {
        self.read_journal().await?;
        self.bury_dead().await?;
        self.expect_known_deletions()?;
        if self.filling.touched.may_appear(self.settled_ms()) {
            self.shared.timer.pause(LOOK).await;
            return Ok(false);
        }
        if self.filling.todo.is_empty() && !self.filling.later.is_empty() {
            self.shared.timer.pause(LOOK).await;
            self.filling.todo = std::mem::take(&mut self.filling.later);
        }
        let portion = self.filling.portions.take(&mut self.filling.todo);
        if !portion.is_empty() {
            self.carry_portion(portion).await?;
        }
        let held = u64::try_from(self.filling.longest_hold.as_millis()).unwrap_or(u64::MAX);
        let (objects, bytes) = (self.filling.objects, self.filling.bytes);
        let saved = self.save(move |migration| {
            migration.objects_done = number(objects);
            migration.objects_total = migration.objects_total.max(number(objects));
            migration.bytes_done = number(bytes);
            migration.bytes_total = migration.bytes_total.max(number(bytes));
            migration.work.write_hold_ms = (held > 0).then_some(held);
        });
        saved.await.map_err(|error| Outcome::NotNow(error.to_string()))?;
        Ok(self.filling.todo.is_empty() && self.filling.later.is_empty())
    }

    /// Looks once more what the destination lacks, and says why.
    pub(super) async fn verify(&mut self) -> Outcome {
        match self.try_verify().await {
            Ok(true) => Outcome::Done,
            Ok(false) => Outcome::Again,
            Err(outcome) => outcome,
        }
    }

    async fn try_verify(&mut self) -> Result<bool, Outcome> {
        let token = self.gated()?;
        let (missing, there) = self.missing().await?;
        self.shared.gate.sound(&token).await.map_err(outcome_of)?;
        self.expect_known_deletions()?;
        let filling = &mut self.filling;
        let (mut theirs, mut gone) = (Vec::new(), Vec::new());
        for one in missing.into_iter().filter(|one| !filling.faults.contains_key(&one.key)) {
            if filling.touched.is_theirs(&one.key) {
                theirs.push(one.key);
            } else if filling.decided.contains(&one.key) {
                gone.push(one.key);
            } else {
                // New on the source, or not in the listing before.
                filling.todo.push_back(one);
            }
        }
        if !filling.todo.is_empty() {
            return Ok(false);
        }
        if !filling.faults.is_empty() {
            let named: Vec<String> =
                filling.faults.iter().take(NAMED).map(|(key, why)| format!("{key:?} ({why})")).collect();
            let (count, objects) = (filling.faults.len(), filling.objects);
            for (key, why) in self.filling.faults.iter().take(TOLD) {
                self.say("verifying", format!("left out: {key:?}: {why}"));
            }
            return Err(Outcome::Failed(format!(
                "{objects} objects were carried over, and {count} could not be: {}; the log names more of them. See to \
                 that, then start again",
                named.join(", ")
            )));
        }
        self.say(
            "verifying",
            format!("{} objects were carried over; {there} keys are on both sides now", self.filling.objects),
        );
        self.tell_left_out(&theirs, "clients deleted or wrote them meanwhile");
        self.tell_left_out(&gone, "they were there and are gone, although no client deleted them through this nginx");
        Ok(true)
    }

    fn tell_left_out(&self, keys: &[String], why: &str) {
        if keys.is_empty() {
            return;
        }
        let named: Vec<String> = keys.iter().take(TOLD).map(|key| format!("{key:?}")).collect();
        let rest = if keys.len() > TOLD { ", …" } else { "" };
        self.say("verifying", format!("{} objects were left out ({why}): {}{rest}", keys.len(), named.join(", ")));
    }

    /// nginx gets its plain configuration of before.
    pub(super) async fn conclude(&mut self) -> Outcome {
        let id = self.migration.id;
        if let Err(error) = self.change(move |change| record::conclude(change, id)).await {
            return Outcome::NotNow(error.to_string());
        }
        self.keep_file().await;
        self.shared.backup_soon();
        self.settle_again().await
    }

    /// The token that nginx has already. Without it, what clients deleted since is not known.
    pub(super) async fn known_token(&mut self, token: Token) -> Result<Token, Outcome> {
        match self.shared.gate.state(&token).await.map_err(outcome_of)? {
            TokenState::Source | TokenState::Held => {
                self.shared.gate.thaw(&token).await.map_err(outcome_of)?;
                self.shared.gate.sound(&token).await.map_err(outcome_of)?;
                Ok(token)
            }
            TokenState::Missing => Err(Outcome::Void("the token and its journal are gone".to_owned())),
            TokenState::Switched | TokenState::Open => Err(Outcome::Failed(
                "its token was renamed by somebody else; it is made anew by a new start".to_owned(),
            )),
        }
    }

    fn expect_known_deletions(&self) -> Result<(), Outcome> {
        self.filling.touched.lost().map_or(Ok(()), |why| Err(Outcome::Void(why.to_owned())))
    }

    /// What follows from a journal that may lack lines.
    pub(super) fn unknown_deletions(&self, why: &str) -> Outcome {
        Outcome::Failed(format!(
            "what clients have deleted is not known any more ({why}), and nothing of that may be brought back. {} \
             objects were carried over before. Start the back-fill again; but objects that clients deleted from pool {} \
             until then, and that pool {} still has, will be there again",
            self.filling.objects, self.migration.destination.name, self.migration.source.name
        ))
    }

    /// After a restart, or a failure: a copier may have been at work. Its keys stay held until all that it sent has
    /// arrived; then all writes flow.
    pub(super) async fn give_back(&mut self, token: &Token) -> Result<(), Outcome> {
        if self.migration.work.kind != MigrationKind::BackFill || !self.still_copies(token).await {
            return Ok(());
        }
        let gate = self.shared.gate.clone();
        if gate.state(token).await.map_err(outcome_of)? == TokenState::Held {
            self.say("recovery", "keys that were being copied are held until nothing of it can arrive".to_owned());
            self.live.set_holds(true);
            self.shared.timer.pause(self.shared.settings.settle_wait).await;
        }
        gate.copy_ended(token).await.map_err(outcome_of)?;
        self.release_writes().await;
        self.live.set_holds(false);
        Ok(())
    }

    /// Whether a copier may have been at work on keys of a back-fill. Then those are held, and the other writes flow.
    pub(super) async fn still_copies(&self, token: &Token) -> bool {
        let keys = match self.shared.gate.noted_copy(token).await {
            Ok(None) => return false,
            Ok(Some(keys)) => Some(keys),
            Err(error) => {
                tracing::error!(migration = self.migration.id.0, %error, "which keys are being copied cannot be read");
                None
            }
        };
        let pool = self.shared.pool_name(self.migration.serving());
        let admission = match keys.zip(pool) {
            Some((keys, pool)) => Admission::HoldKeys(Arc::new(HeldKeys::of(keys)), pool),
            None => Admission::Hold,
        };
        self.shared.gate.admit(token, admission);
        true
    }

    /// As [`give_back`](Self::give_back), before anything else is done.
    pub(super) async fn take_back(&mut self, token: &Token) -> Result<(), ServiceError> {
        let given = self.give_back(token).await;
        given.map_err(|outcome| ServiceError::Unavailable(outcome.reason().unwrap_or_default().to_owned()))
    }
}

/// A count, as the record keeps it.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
