//! One portion of a back-fill, carried over while nobody writes its keys.
//!
//! First the keys are written down, then the token is frozen: from then on every write asks the gate, which lets those of
//! other keys pass at once. The journal is read after that. Whoever was let through before has a start line in it, and
//! his key is left for later; whoever comes after waits. So no copy is made of a key that is being written, was written,
//! or is there, and none arrives after a newer write: keys are given free when the copier has said that nothing is under
//! way any more, or when nothing can be.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::pin_mut;

use super::carry::{CarryError, Sides};
use super::cutover::GLANCE;
use super::drive::{Drive, outcome_of};
use crate::domain::copy::{CopyOrder, What, WhyNot, carriable};
use crate::domain::migration::equal::difference;
use crate::domain::migration::machine::Outcome;
use crate::domain::migration::portions::{LONGEST, Missing};
use crate::domain::migration::token::Token;
use crate::domain::migration::touched::HeldKeys;
use crate::domain::object::ObjectHead;
use crate::ports::copier::CopierError;
use crate::ports::gate::Admission;

/// How often a key is tried that a node refuses, or a copier does not bring.
const TRIES: u32 = 3;
/// How often it is looked whether what a copier has sent has arrived.
const ARRIVAL: Duration = Duration::from_secs(1);

/// How a copy under the hold ended.
enum End {
    /// Nothing of it is under way any more. Why keys may lack nevertheless.
    Whole(String),
    /// Nothing was sent.
    NotBegun(String),
    /// What was sent may still arrive.
    Cut(String),
}

impl Drive {
    /// Carries over what of these keys the destination lacks and no client has touched.
    pub(super) async fn carry_portion(&mut self, portion: Vec<Missing>) -> Result<(), Outcome> {
        let token = self.gated()?;
        let portion = self.bearable(portion);
        if portion.is_empty() {
            return Ok(());
        }
        let carried = self.carry_frozen(&token, &portion).await;
        if carried.is_err() {
            let undone = portion.into_iter().filter(|one| !self.filling.decided.contains(&one.key));
            self.filling.later.extend(undone);
        }
        let took = self.held_for();
        let freed = self.free(&token).await;
        // Held no more than half of the time.
        let (air, wish) = (self.shared.timer.pause(took), self.live.until_interrupted());
        pin_mut!(air, wish);
        select(air, wish).await;
        carried.and(freed)
    }

    /// Without keys that cannot be carried over under a hold that clients can bear.
    fn bearable(&mut self, portion: Vec<Missing>) -> Vec<Missing> {
        let limit = self.hold_limit();
        let (mut kept, mut faults) = (Vec::new(), Vec::new());
        for one in portion {
            let takes = self.filling.portions.predicted(one.size);
            match carriable(&one.key) {
                Err(WhyNot::Folder) if one.size == 0 => kept.push(one),
                Err(why) => faults.push((one.key, format!("it cannot be copied: {why}"))),
                Ok(()) if takes > limit => faults.push((one.key, too_long(one.size, limit))),
                Ok(()) => kept.push(one),
            }
        }
        self.filling.faults.extend(faults);
        kept
    }

    async fn carry_frozen(&mut self, token: &Token, portion: &[Missing]) -> Result<(), Outcome> {
        let gate = self.shared.gate.clone();
        let pool = self.shared.pool_name(self.migration.serving());
        let pool = pool.ok_or_else(|| Outcome::Failed("the pool that serves the bucket has no name".to_owned()))?;
        let keys: Vec<String> = portion.iter().map(|one| one.key.clone()).collect();
        self.live.set_holds(true);
        self.held_since = Some(self.shared.timer.elapsed());
        gate.note_copy(token, &keys).await.map_err(outcome_of)?;
        gate.admit(token, Admission::HoldKeys(Arc::new(HeldKeys::of(keys)), pool));
        gate.freeze(token).await.map_err(outcome_of)?;
        self.await_held(token).await?;
        gate.sound(token).await.map_err(outcome_of)?;
        if let Some(why) = self.filling.touched.lost() {
            return Err(Outcome::Void(why.to_owned()));
        }
        let free = self.untouched(token, portion);
        self.carry_untouched(token, free).await
    }

    /// Waits until every listener was seen to hold, and the writes have ended of which the keys are not known.
    async fn await_held(&mut self, token: &Token) -> Result<(), Outcome> {
        let gate = self.shared.gate.clone();
        let mut waiting = self.knock_all().await?;
        let limit = self.shared.settings.drain_timeout.min(LONGEST / 2);
        loop {
            self.read_journal().await?;
            let arrived = gate.arrived(token);
            waiting.retain(|path, _| self.ledger.canary(path).is_none_or(|canary| !arrived.contains(&canary.rid)));
            let nameless = self.filling.touched.nameless(&arrived);
            if nameless == 0 && waiting.is_empty() {
                return Ok(());
            }
            if self.held_for() > limit {
                return Err(Outcome::NotNow(match waiting.values().next() {
                    Some(name) => format!("writes through {name} do not come to the gate"),
                    None => format!(
                        "{nameless} writes of which the keys are not known, such as bulk deletions, did not end within \
                         {} s (NANIO_ORCHESTRATOR_MIGRATION_DRAIN_TIMEOUT)",
                        limit.as_secs()
                    ),
                }));
            }
            self.shared.timer.pause(GLANCE).await;
        }
    }

    /// Those that no client has touched, nor can have when this is asked. The journal was read after the freeze.
    fn untouched(&mut self, token: &Token, portion: &[Missing]) -> Vec<Missing> {
        let arrived = self.shared.gate.arrived(token);
        let settled = self.settled_ms();
        let filling = &mut self.filling;
        let busy = filling.touched.busy(&arrived);
        let all_later = filling.touched.may_appear(settled);
        let mut free = Vec::new();
        for one in portion {
            if filling.touched.is_theirs(&one.key) {
                filling.decided.insert(one.key.clone());
            } else if all_later || busy.contains(one.key.as_str()) || filling.touched.is_unsure(&one.key, settled) {
                filling.later.push_back(one.clone());
            } else {
                free.push(one.clone());
            }
        }
        free
    }

    async fn carry_untouched(&mut self, token: &Token, free: Vec<Missing>) -> Result<(), Outcome> {
        let sides = self.sides().await?;
        let not_now = |error: crate::ports::object_storage::StorageError| Outcome::NotNow(error.to_string());
        let keys: Vec<String> = free.into_iter().map(|one| one.key).collect();
        let there = sides.heads(&sides.destination, &keys).await.map_err(not_now)?;
        let lacking: Vec<String> = there.into_iter().filter(|(_, head)| head.is_none()).map(|(key, _)| key).collect();
        let heads = sides.heads(&sides.source, &lacking).await.map_err(not_now)?;
        let lacks: HashSet<&String> = lacking.iter().collect();
        self.filling.decided.extend(keys.iter().filter(|key| !lacks.contains(key)).cloned());
        let mut wanted: HashMap<String, ObjectHead> = HashMap::new();
        for (key, head) in heads {
            match head {
                Some(head) => drop(wanted.insert(key, head)),
                None => drop(self.filling.decided.insert(key)),
            }
        }
        let why = match self.copy_held(&sides, &wanted).await {
            End::Whole(why) => why,
            End::NotBegun(why) => return Err(Outcome::NotNow(why)),
            End::Cut(why) => {
                self.say("copying", format!("{why}; its keys are held until nothing of it can arrive any more"));
                let keys: Vec<String> = wanted.keys().cloned().collect();
                if let Err(error) = self.shared.gate.note_copy(token, &keys).await {
                    tracing::error!(migration = self.migration.id.0, %error, "a copy could not be noted again");
                }
                self.await_arrival(&sides, &wanted).await;
                why
            }
        };
        self.note_carried(&sides, wanted, why).await
    }

    /// Makes the markers, and copies the others, each once.
    async fn copy_held(&mut self, sides: &Sides, wanted: &HashMap<String, ObjectHead>) -> End {
        let (markers, mut copies): (Vec<&String>, Vec<&String>) =
            wanted.keys().partition(|key| carriable(key).is_err());
        for key in markers {
            match sides.put_marker(key, &wanted[key]).await {
                Ok(()) => {}
                Err(CarryError::Never(why)) => drop(self.filling.faults.insert(key.clone(), why)),
                Err(CarryError::NotNow(why) | CarryError::Cut(why)) => return End::Cut(why),
            }
        }
        if copies.is_empty() {
            return End::Whole(String::new());
        }
        copies.sort_unstable();
        let order = CopyOrder {
            source: sides.source.clone(),
            destination: sides.destination.clone(),
            bucket: sides.bucket.clone(),
            what: What::Keys(copies.into_iter().cloned().collect()),
            // A request that was sent twice may arrive twice.
            once: true,
        };
        let limit = self.hold_limit().saturating_sub(self.held_for());
        let mut copying = match sides.copier.start(order, self.live.clone()).await {
            Ok(copying) => copying,
            Err(error) => return End::NotBegun(error.to_string()),
        };
        let began = self.shared.timer.elapsed();
        let ended = {
            let (ended, late) = (copying.ended(), self.shared.timer.pause(limit));
            pin_mut!(ended, late);
            match select(ended, late).await {
                Either::Left((ended, _)) => Some(ended),
                Either::Right(_) => None,
            }
        };
        let took = self.shared.timer.elapsed().saturating_sub(began);
        let target = self.shared.settings.hold_target;
        match ended {
            Some(Ok(_)) => {
                let bytes = wanted.values().fold(0u64, |sum, head| sum.saturating_add(head.size));
                self.filling.portions.note(bytes, took, target);
                End::Whole("the copier passed over it".to_owned())
            }
            Some(Err(CopierError::Refused { why, .. })) => End::Whole(why),
            Some(Err(error @ CopierError::Unreachable(_))) => End::NotBegun(error.to_string()),
            Some(Err(error)) => End::Cut(format!("rclone copy failed: {error}")),
            None => {
                copying.cancel().await;
                self.filling.portions.note(0, took, target);
                if let (1, Some((key, head))) = (wanted.len(), wanted.iter().next()) {
                    self.filling.faults.insert(key.clone(), too_long(head.size, self.hold_limit()));
                }
                End::Cut(format!("a copy took longer than {} s, and was ended", limit.as_secs()))
            }
        }
    }

    /// Waits until each of these has arrived, or none can any more. Nobody else writes them meanwhile.
    async fn await_arrival(&self, sides: &Sides, wanted: &HashMap<String, ObjectHead>) {
        let timer = self.shared.timer.clone();
        let deadline = timer.elapsed() + self.shared.settings.settle_wait;
        let mut pending: Vec<String> = wanted.keys().cloned().collect();
        loop {
            if let Ok(heads) = sides.heads(&sides.destination, &pending).await {
                pending = heads.into_iter().filter(|(_, head)| head.is_none()).map(|(key, _)| key).collect();
            }
            let left = deadline.saturating_sub(timer.elapsed());
            if pending.is_empty() || left.is_zero() {
                return;
            }
            timer.pause(left.min(ARRIVAL)).await;
        }
    }

    /// What became of each key. Nothing of the copy is under way any more, and the keys are held still.
    async fn note_carried(
        &mut self,
        sides: &Sides,
        wanted: HashMap<String, ObjectHead>,
        why: String,
    ) -> Result<(), Outcome> {
        let keys: Vec<String> = wanted.keys().cloned().collect();
        let found = sides.heads(&sides.destination, &keys).await.map_err(|error| Outcome::NotNow(error.to_string()))?;
        let filling = &mut self.filling;
        for (key, head) in found {
            let size = wanted[&key].size;
            match head.map(|head| difference(&wanted[&key], &head)) {
                Some(differs) => {
                    filling.objects += 1;
                    filling.bytes = filling.bytes.saturating_add(size);
                    if let Some(how) = differs {
                        filling.faults.insert(key.clone(), format!("it was carried over, and {how}"));
                    }
                    filling.decided.insert(key);
                }
                None if filling.faults.contains_key(&key) => {}
                None => {
                    let tries = filling.tries.entry(key.clone()).or_default();
                    *tries += 1;
                    if *tries == TRIES {
                        filling.faults.insert(key, why.clone());
                    } else {
                        filling.later.push_back(Missing { key, size });
                    }
                }
            }
        }
        Ok(())
    }

    /// All writes flow again.
    async fn free(&mut self, token: &Token) -> Result<(), Outcome> {
        let gate = self.shared.gate.clone();
        gate.copy_ended(token).await.map_err(outcome_of)?;
        gate.thaw(token).await.map_err(outcome_of)?;
        self.admit_source(token);
        self.filling.longest_hold = self.filling.longest_hold.max(self.held_for());
        self.held_since = None;
        self.live.set_holds(false);
        Ok(())
    }

    fn hold_limit(&self) -> Duration {
        self.shared.settings.max_hold.min(LONGEST)
    }
}

fn too_long(size: u64, limit: Duration) -> String {
    format!(
        "its {size} bytes take longer than the {} s for which writes of a key may be held \
         (NANIO_ORCHESTRATOR_MIGRATION_MAX_HOLD, 50 s at most)",
        limit.as_secs()
    )
}
