//! The first steps: look, make nginx write everything down, and wait until every worker does.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join;

use super::backfill::Filling;
use super::carry::Sides;
use super::cutover::GLANCE;
use super::drive::{Drive, outcome_of};
use super::record;
use crate::domain::credential::Credential;
use crate::domain::migration::Migration;
use crate::domain::migration::journal::Ledger;
use crate::domain::migration::machine::Outcome;
use crate::domain::migration::token::{CANARY, Token, TokenState};
use crate::domain::migration::work::{CheckOutcome, MigrationKind};
use crate::domain::object::Occupancy;
use crate::domain::pool::Address;
use crate::domain::services::ServiceError;
use crate::domain::site::Site;
use crate::domain::vhost::IpRuleMode;
use crate::ports::gate::{Admission, Listener};

/// How often it is looked whether something that is waited for has happened.
pub(super) const LOOK: Duration = Duration::from_millis(200);
/// How often that is looked at first, and for how long: mostly it happens within a tenth of a second.
const FIRST_LOOK: Duration = Duration::from_millis(5);
const FIRST_LOOKS: Duration = Duration::from_secs(1);
/// What was found that recently need not be looked for again.
const FRESH: Duration = Duration::from_secs(2);
/// How far the clock of a storage node may be off ours.
pub(super) const SKEW: Duration = Duration::from_secs(300);
/// How long the journal may take to show a canary.
const CANARY_WAIT: Duration = Duration::from_secs(10);

impl Drive {
    /// Whether it can begin. What was asked for may have waited for a long time.
    pub(super) async fn check(&mut self) -> Outcome {
        let looked = if self.is_adoption() {
            self.shared.adoption_checks(&self.migration).await
        } else if self.was_just_checked() {
            Ok(self.migration.work.checks.clone())
        } else {
            self.shared.preflight(&self.migration).await
        };
        let checks = match looked {
            Ok(checks) => checks,
            Err(error) => return Outcome::NotNow(error.to_string()),
        };
        for check in checks.iter().filter(|check| check.outcome == CheckOutcome::Warning) {
            self.say("pending", format!("{}: {}", check.name, check.message));
        }
        if let Some(fault) = checks.iter().find(|check| check.outcome == CheckOutcome::Failed) {
            return Outcome::Failed(fault.message.clone());
        }
        if let Err(outcome) = self.prepare().await {
            return outcome;
        }
        let now = self.shared.clock.now();
        let saved = self.save(move |migration| {
            migration.work.checks = checks;
            migration.started_at = Some(now);
        });
        match saved.await {
            Ok(()) => Outcome::Done,
            Err(error) => Outcome::NotNow(error.to_string()),
        }
    }

    /// Whether nobody had to wait between the request, which was checked, and now.
    fn was_just_checked(&self) -> bool {
        let Migration { started_at, created_at, work, .. } = &self.migration;
        started_at.is_none() && !work.checks.is_empty() && self.shared.clock.now().earlier(FRESH) <= *created_at
    }

    /// Makes the bucket at the destination, and remembers whose its objects are.
    async fn prepare(&mut self) -> Result<(), Outcome> {
        let sides = self.sides().await?;
        let storage = self.shared.storage.clone();
        let not_now = |error: &dyn std::fmt::Display| Outcome::NotNow(format!("the destination: {error}"));
        let occupancy = storage.occupancy(&sides.destination, &sides.bucket).await.map_err(|error| not_now(&error))?;
        if occupancy == Occupancy::Absent {
            storage.create_bucket(&sides.destination, &sides.bucket).await.map_err(|error| not_now(&error))?;
            self.say("pending", format!("made bucket {} on pool {}", sides.bucket, self.migration.destination.name));
        }
        let began = self.migration.started_at.is_some();
        if !began && self.is_adoption() {
            // Both sides were written to during the split.
            let saved = self.save(|migration| migration.work.doubted_since = Some(0));
            saved.await.map_err(|error| Outcome::NotNow(error.to_string()))?;
        }
        if !began && self.migration.work.kind == MigrationKind::Move {
            let orphan = self.shared.own_orphan(&self.migration).await?;
            let saved = self.save(move |migration| {
                let work = &mut migration.work;
                work.owns_destination = occupancy != Occupancy::Occupied || orphan.is_some();
                work.doubted_since = match orphan {
                    _ if occupancy != Occupancy::Occupied => None,
                    // What was left behind was not written since, and was equal then.
                    Some(orphan) => Some(orphan.since.earlier(SKEW).unix()),
                    None => Some(0),
                };
            });
            saved.await.map_err(|error| Outcome::NotNow(error.to_string()))?;
        }
        Ok(())
    }

    /// Both sides, as they are now.
    pub(super) async fn sides(&mut self) -> Result<Sides, Outcome> {
        if let Some(sides) = &self.sides {
            return Ok(sides.clone());
        }
        let (source, destination) = (self.migration.source.id, self.migration.destination.id);
        let read = self.shared.store.read(move |tx| {
            let mut pools: Vec<(Vec<Address>, Option<Credential>)> = Vec::new();
            for id in [source, destination] {
                let members = tx.members(id)?.into_iter().filter(|member| member.enabled);
                pools.push((members.map(|member| member.address).collect(), tx.credential(id)?));
            }
            Ok::<_, ServiceError>(pools)
        });
        let pools = read.await.map_err(|error| Outcome::NotNow(error.to_string()))?;
        let mut sites = pools.into_iter().map(|(members, own)| self.shared.keyring.site(members, own.as_ref()));
        let mut next = || -> Result<Site, Outcome> {
            let site = sites.next().ok_or_else(|| Outcome::NotNow("the pools could not be read".to_owned()))?;
            site.map_err(|unusable| Outcome::NotNow(unusable.to_string()))
        };
        let sides = Sides {
            storage: self.shared.storage.clone(),
            copier: self.shared.copier.clone(),
            bucket: self.migration.bucket.clone(),
            source: next()?,
            destination: next()?,
        };
        self.sides = Some(sides.clone());
        Ok(sides)
    }

    /// Token, journal, render, test, reload: once.
    pub(super) async fn journal_on(&mut self) -> Outcome {
        match self.try_journal_on().await {
            Ok(()) => Outcome::Done,
            Err(outcome) => outcome,
        }
    }

    async fn try_journal_on(&mut self) -> Result<(), Outcome> {
        let gate = self.shared.gate.clone();
        let token = self.usable_token().await?;
        self.admit_source(&token);
        // Read from its beginning: what is carried over twice is carried over.
        (self.ledger, self.position) = (Ledger::of(&self.migration.bucket), 0);
        self.filling = Filling::of(&self.migration.bucket);
        if let Some(at) = self.migration.work.cut_short_ms {
            self.ledger.distrust(at);
        }
        let id = self.migration.id;
        let rendered = token.clone();
        if let Err(error) = self.change(move |change| record::journal_on(change, id, &rendered)).await {
            if self.migration.work.gate.is_none() {
                let _ = gate.remove(&token).await;
            }
            return Err(match error {
                ServiceError::Store(_) => Outcome::NotNow(error.to_string()),
                refused => Outcome::Failed(refused.to_string()),
            });
        }
        let kept = self.keeping();
        let (loaded, ()) = join(self.reload(), kept).await;
        loaded?;
        self.say("copying", "nginx writes down every write of the bucket".to_owned());
        Ok(())
    }

    /// The token that nginx has already, if it is as it must be; else a new one.
    async fn usable_token(&mut self) -> Result<Token, Outcome> {
        let gate = self.shared.gate.clone();
        if let Some(token) = self.token() {
            if self.migration.work.kind == MigrationKind::BackFill {
                return self.known_token(token).await;
            }
            match gate.state(&token).await.map_err(outcome_of)? {
                TokenState::Source => return Ok(token),
                TokenState::Held => {
                    gate.thaw(&token).await.map_err(outcome_of)?;
                    return Ok(token);
                }
                TokenState::Missing => self.say("copying", "its token is gone; it gets a new one".to_owned()),
                TokenState::Switched | TokenState::Open => {
                    return Err(Outcome::NotNow("its token says that it is committed".to_owned()));
                }
            }
        }
        gate.create().await.map_err(outcome_of)
    }

    /// Has nginx load what is on disk, and remembers the workers that ran before.
    pub(super) async fn reload(&mut self) -> Result<(), Outcome> {
        let before: HashSet<_> = self.shared.gate.workers().await.map_err(outcome_of)?.into_iter().collect();
        let answer = self.shared.config.reload_watched().await.map_err(|error| Outcome::NotNow(error.to_string()))?;
        if !answer.ok {
            return Err(Outcome::NotNow(format!("nginx could not be reloaded: {}", answer.output)));
        }
        self.workers = before;
        self.waiting_since = Some(self.shared.timer.elapsed());
        Ok(())
    }

    /// Waits until the workers of before the last reload are gone, and sends the canaries.
    pub(super) async fn await_workers(&mut self) -> Outcome {
        self.make_ready().await;
        if let Err(outcome) = self.workers_gone().await {
            return outcome;
        }
        match self.send_canaries().await {
            Ok(()) => Outcome::Done,
            Err(outcome) => outcome,
        }
    }

    /// Waits for workers, as long as the settings allow.
    pub(super) async fn workers_gone(&mut self) -> Result<(), Outcome> {
        let began = self.waiting_since.unwrap_or_else(|| self.shared.timer.elapsed());
        loop {
            let now: HashSet<_> = self.shared.gate.workers().await.map_err(outcome_of)?.into_iter().collect();
            let mut left: Vec<u32> = self.workers.intersection(&now).map(|worker| worker.pid).collect();
            left.sort_unstable();
            let waited = self.shared.timer.elapsed().saturating_sub(began);
            if !left.is_empty() && waited < FIRST_LOOKS {
                self.shared.timer.pause(FIRST_LOOK).await;
                continue;
            }
            if left != self.migration.work.waiting_for_workers {
                if !left.is_empty() {
                    self.say(
                        self.migration.phase.as_str(),
                        format!("waits for workers of nginx with the configuration of before: {left:?}"),
                    );
                }
                let waiting = left.clone();
                let saved = self.save(move |migration| migration.work.waiting_for_workers = waiting);
                saved.await.map_err(|error| Outcome::NotNow(error.to_string()))?;
            }
            if left.is_empty() {
                return Ok(());
            }
            if !self.migration.work.committed && waited > self.shared.settings.worker_wait {
                return Err(Outcome::Failed(format!(
                    "workers {left:?} of nginx still finish requests with the configuration of before; the migration \
                     waited for {} s (NANIO_ORCHESTRATOR_MIGRATION_WORKER_WAIT). End those requests, or start the \
                     migration when there are none as long",
                    self.shared.settings.worker_wait.as_secs()
                )));
            }
            self.shared.timer.pause(LOOK).await;
        }
    }

    /// A write through each listener must show in the journal.
    async fn send_canaries(&mut self) -> Result<(), Outcome> {
        for (listener, guarded) in self.listeners().await? {
            let path = self.canary_path();
            let status = self.shared.gate.knock(&listener, &path).await.map_err(outcome_of)?;
            let deadline = self.shared.timer.elapsed() + CANARY_WAIT;
            loop {
                // A long journal takes its time to be read: what counts is when that began.
                let late = self.shared.timer.elapsed() > deadline;
                self.read_journal().await?;
                if self.ledger.canary(&path).is_some_and(|canary| canary.ended) {
                    break;
                }
                if guarded && status == 403 {
                    self.say("copying", format!(
                        "{} lets only some addresses in, not this machine's own: the journal of this vhost could not be tried",
                        listener.server_name
                    ));
                    break;
                }
                if late {
                    return Err(Outcome::Failed(format!(
                        "a write to {} port {} (status {status}) does not show in the journal: another server block \
                         of nginx may answer for this name, or nginx may run another configuration; see nginx -T",
                        listener.server_name,
                        listener.port.get()
                    )));
                }
                self.shared.timer.pause(GLANCE).await;
            }
            if (200..300).contains(&status) {
                self.remove_canary(&path).await?;
            }
        }
        Ok(())
    }

    /// A storage that takes unsigned writes has made an object of the canary.
    async fn remove_canary(&mut self, path: &str) -> Result<(), Outcome> {
        let sides = self.sides().await?;
        let key = path.rsplit('/').next().unwrap_or_default().to_owned();
        let site = match self.migration.work.kind {
            MigrationKind::Move | MigrationKind::Adoption => &sides.source,
            MigrationKind::BackFill => &sides.destination,
        };
        let deleted = self.shared.storage.delete(site, &sides.bucket, &[key]).await;
        deleted.map(drop).map_err(|error| Outcome::NotNow(error.to_string()))
    }

    pub(super) fn canary_path(&mut self) -> String {
        self.canaries += 1;
        let token = self.token();
        let name = token.as_ref().map_or("", |token| &token.as_str()[..12]);
        format!("/{}/{CANARY}{name}-{}-{}", self.migration.bucket, self.shared.timer.epoch_ms(), self.canaries)
    }

    /// Where clients reach the bucket, and whether only some addresses are let in there.
    pub(super) async fn listeners(&self) -> Result<Vec<(Listener, bool)>, Outcome> {
        let migration = self.migration.clone();
        let read = self.shared.store.read(move |tx| record::expect_reach(tx, &migration));
        let reach = read.await.map_err(|error| Outcome::Failed(error.to_string()))?;
        let listeners = reach.served().map(|vhost| {
            let guarded = vhost.ip_rules.as_ref().is_some_and(|rules| rules.mode == IpRuleMode::Allow);
            let (server_name, port) = (vhost.server_name.clone(), vhost.listen_port);
            (Listener { server_name, port, tls: vhost.ssl }, guarded)
        });
        Ok(listeners.collect())
    }

    /// Writes that come to the gate go where the bucket is.
    pub(super) fn admit_source(&self, token: &Token) {
        if let Some(pool) = self.shared.pool_name(self.migration.serving()) {
            self.shared.gate.admit(token, Admission::Source(pool));
        }
    }
}
