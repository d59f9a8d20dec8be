//! The cutover: hold writes, carry over the last keys, commit. Bounded, and taken back whenever anything is not as it
//! must be: until the commit the source has every write that a client was told of.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{Either, join_all, select};
use futures_util::pin_mut;

use super::begin::LOOK;
use super::carry::{CarryError, Sides};
use super::drive::{Drive, outcome_of};
use super::live::Live;
use crate::domain::migration::machine::Outcome;
use crate::domain::migration::token::TokenState;
use crate::ports::gate::{Admission, Carrier, Destination};

/// How often it is looked whether the last write has ended.
pub(super) const GLANCE: Duration = Duration::from_millis(5);

impl Drive {
    /// Holds writes.
    pub(super) async fn freeze(&mut self) -> Outcome {
        match self.try_freeze().await {
            Ok(()) => Outcome::Done,
            Err(outcome) => outcome,
        }
    }

    async fn try_freeze(&mut self) -> Result<(), Outcome> {
        let token = self.gated()?;
        let gate = self.shared.gate.clone();
        gate.sound(&token).await.map_err(outcome_of)?;
        self.list_uploads().await?;
        self.migration.work.attempts += 1;
        gate.admit(&token, Admission::Hold);
        self.held_since = Some(self.shared.timer.elapsed());
        gate.freeze(&token).await.map_err(outcome_of)
    }

    /// Which uploads the source has. One that begins while it is asked may be missing: see [`Drive::uploads_begun`].
    async fn list_uploads(&mut self) -> Result<(), Outcome> {
        self.read_journal().await?;
        self.uploads_begun = self.ledger.uploads_begun();
        self.uploads = self.source_uploads().await?;
        Ok(())
    }

    /// Waits until the writes that were let through have ended, and every listener was seen to hold.
    pub(super) async fn drain(&mut self) -> Outcome {
        match self.try_drain().await {
            Ok(()) => Outcome::Done,
            Err(outcome) => outcome,
        }
    }

    async fn try_drain(&mut self) -> Result<(), Outcome> {
        let token = self.gated()?;
        let gate = self.shared.gate.clone();
        let mut waiting = self.knock_all().await?;
        let limit = self.shared.settings.drain_timeout;
        let mut looked = self.held_for();
        loop {
            self.read_journal().await?;
            // A dead worker writes no end: clients need not wait for it. Who is alive cannot be told at each moment.
            if self.held_for().saturating_sub(looked) > LOOK {
                looked = self.held_for();
                let _ = self.bury_dead().await;
            }
            if !self.is_settled() {
                return Err(Outcome::NotNow(
                    "a write had begun of which nobody knows how it ended; writes flow to the source again".to_owned(),
                ));
            }
            let arrived = gate.arrived(&token);
            waiting.retain(|path, _| self.ledger.canary(path).is_none_or(|canary| !arrived.contains(&canary.rid)));
            let in_flight = self.ledger.in_flight(&arrived);
            if in_flight == 0 && waiting.is_empty() {
                // Whoever began an upload since they were listed goes on with it after the switch.
                if self.ledger.uploads_begun() != self.uploads_begun {
                    self.list_uploads().await?;
                }
                return Ok(());
            }
            if self.held_for() > limit {
                self.bury_dead().await?;
                return Err(Outcome::NotNow(match waiting.values().next() {
                    Some(name) => {
                        format!("writes through {name} do not come to the gate; writes flow to the source again")
                    }
                    None => format!(
                        "{in_flight} writes that had begun did not end within {} s \
                         (NANIO_ORCHESTRATOR_MIGRATION_DRAIN_TIMEOUT); writes flow to the source again",
                        limit.as_secs()
                    ),
                }));
            }
            self.shared.timer.pause(GLANCE).await;
        }
    }

    /// Sends a canary through every listener; gives those that must come to the gate.
    pub(super) async fn knock_all(&mut self) -> Result<HashMap<String, String>, Outcome> {
        let mut sent = Vec::new();
        for (listener, guarded) in self.listeners().await? {
            if !guarded {
                sent.push((self.canary_path(), listener));
            }
        }
        let gate = self.shared.gate.clone();
        let knocked = join_all(sent.iter().map(|(path, listener)| gate.knock(listener, path))).await;
        for status in knocked {
            status.map_err(outcome_of)?;
        }
        Ok(sent.into_iter().map(|(path, listener)| (path, listener.server_name.to_string())).collect())
    }

    /// How long writes have been held.
    pub(super) fn held_for(&self) -> Duration {
        let since = self.held_since.unwrap_or_default();
        self.shared.timer.elapsed().saturating_sub(since)
    }

    /// Carries over the last keys, and compares exactly those.
    pub(super) async fn carry_last(&mut self) -> Outcome {
        let left = self.shared.settings.max_hold.saturating_sub(self.held_for());
        let timer = self.shared.timer.clone();
        let limit = timer.pause(left);
        let work = self.try_carry_last();
        pin_mut!(limit, work);
        match select(work, limit).await {
            Either::Left((Ok(()), _)) => Outcome::Done,
            Either::Left((Err(outcome), _)) => outcome,
            Either::Right(_) => Outcome::NotNow(
                "the last keys could not be carried over in time (NANIO_ORCHESTRATOR_MIGRATION_MAX_HOLD); writes flow \
                 to the source again"
                    .to_owned(),
            ),
        }
    }

    async fn try_carry_last(&mut self) -> Result<(), Outcome> {
        let token = self.gated()?;
        let sides = self.sides().await?;
        if self.ledger.has_unknown() {
            return Err(Outcome::NotNow("a write of unknown keys came in between".to_owned()));
        }
        let batch = self.ledger.batch();
        if let Some((_, why)) = self.send(&sides, &batch.keys).await?.left {
            return Err(Outcome::NotNow(why));
        }
        let differing = sides.differing(&batch.keys).await.map_err(|error| Outcome::NotNow(error.to_string()))?;
        if let Some(first) = differing.first() {
            return Err(Outcome::NotNow(format!("{} keys still differ: {first}", differing.len())));
        }
        // nginx must have held all along.
        self.shared.gate.sound(&token).await.map_err(outcome_of)?;
        self.read_journal().await?;
        match self.ledger.in_flight(&self.shared.gate.arrived(&token)) {
            0 => Ok(()),
            late => Err(Outcome::NotNow(format!("{late} writes were let through while writes were held"))),
        }
    }

    /// One rename. What cannot be told afterwards is asked of the token.
    pub(super) async fn commit(&mut self) -> Outcome {
        let (token, sides) = match (self.gated(), self.sides().await) {
            (Ok(token), Ok(sides)) => (token, sides),
            (Err(outcome), _) | (_, Err(outcome)) => return outcome,
        };
        let gate = self.shared.gate.clone();
        if let Err(error) = gate.commit(&token).await {
            match gate.state(&token).await {
                Ok(TokenState::Switched | TokenState::Open) => {}
                _ => return outcome_of(error),
            }
        }
        self.open(&sides).await;
        let held = u64::try_from(self.held_for().as_millis()).unwrap_or(u64::MAX);
        self.held_since = None;
        self.migration.work.committed = true;
        self.say("switching", format!("committed; writes were held for {held} ms"));
        let attempts = self.migration.work.attempts;
        let saved = self.save(move |migration| {
            migration.work.committed = true;
            migration.work.write_hold_ms = Some(held);
            migration.work.attempts = attempts;
        });
        if let Err(error) = saved.await {
            tracing::error!(migration = self.migration.id.0, %error, "the commit could not be written down yet");
        }
        Outcome::Done
    }

    /// Lets writes flow to the destination. Can be repeated.
    pub(super) async fn open(&mut self, sides: &Sides) {
        let Some(token) = self.token() else { return };
        let gate = self.shared.gate.clone();
        let names = (self.shared.pool_name(&self.migration.destination), self.shared.pool_name(&self.migration.source));
        if let (Some(pool), Some(source)) = names {
            let destination = Destination {
                bucket: sides.bucket.clone(),
                pool,
                source,
                source_site: sides.source.clone(),
                uploads: self.uploads.iter().cloned().collect(),
                carrier: Arc::new(OneKey { sides: sides.clone(), live: self.live.clone() }),
            };
            gate.admit(&token, Admission::Destination(Arc::new(destination)));
        }
        if let Err(error) = gate.open(&token).await {
            // The gate answers instead, request by request.
            tracing::warn!(migration = self.migration.id.0, %error, "writes keep asking the gate");
        }
    }

    /// Takes the cutover back: writes flow to the source.
    pub(super) async fn thaw(&mut self) -> Outcome {
        let token = match self.gated() {
            Ok(token) => token,
            Err(outcome) => return outcome,
        };
        let gate = self.shared.gate.clone();
        if let Err(error) = gate.thaw(&token).await {
            return match gate.state(&token).await {
                Ok(TokenState::Switched | TokenState::Open) => Outcome::Again,
                _ => outcome_of(error),
            };
        }
        self.admit_source(&token);
        let held = self.held_for();
        self.held_since = None;
        self.say("copying", format!("writes were held for {} ms and flow to the source again", held.as_millis()));
        let (attempts, most) = (self.migration.work.attempts, self.shared.settings.cutover_attempts);
        if attempts >= most {
            return Outcome::Failed(format!(
                "{attempts} cutovers were taken back, the last because {}",
                self.last_setback()
            ));
        }
        if self.ledger.has_unknown() || self.ledger.is_unreadable() {
            return Outcome::Void("everything is compared again".to_owned());
        }
        // Whatever stood in the way gets time to go.
        self.shared.timer.pause(Duration::from_secs(1 << attempts.min(4))).await;
        Outcome::Done
    }

    /// Lets writes flow to the source if they are held. The token decides whether they may.
    pub(super) async fn release_writes(&mut self) {
        let Some(token) = self.token() else { return };
        if self.still_copies(&token).await {
            return;
        }
        match self.shared.gate.thaw(&token).await {
            Ok(()) => self.admit_source(&token),
            Err(error) => {
                tracing::error!(migration = self.migration.id.0, %error, "writes could not be let flow to the source");
            }
        }
        self.held_since = None;
    }
}

/// Carries over the object that an upload made on the source after the switch.
struct OneKey {
    sides: Sides,
    live: Arc<Live>,
}

#[async_trait]
impl Carrier for OneKey {
    async fn carry(&self, key: &str) -> Result<(), String> {
        match self.sides.carry(&[key.to_owned()], self.live.clone()).await {
            Ok(carried) => carried.left.map_or(Ok(()), |(_, why)| Err(why)),
            Err(CarryError::NotNow(why) | CarryError::Never(why) | CarryError::Cut(why)) => Err(why),
        }
    }
}
