//! A change at work: what it may do inside its transaction, and what it tells of the files it touches.

use std::collections::HashSet;

use super::deeds;
use crate::domain::audit::{Action, Actor, NewEntry, NginxAnswer, Snapshot, Subject};
use crate::domain::gateway::FileName;
use crate::domain::ids::{PoolId, RouteId, VhostId};
use crate::domain::revision::{Reason, RevisionEntry};
use crate::domain::route::Route;
use crate::domain::services::ServiceError;
use crate::domain::services::touched::Touched;
use crate::domain::time::Timestamp;
use crate::ports::gateway::Overwrite;
use crate::ports::store::{StoreError, Tx};

/// A change at work inside its transaction.
pub struct Change<'a> {
    /// The transaction.
    pub tx: &'a mut dyn Tx,
    /// The time of the change.
    pub now: Timestamp,
    pub(super) actor: Actor,
    /// Why it is made.
    pub(super) reason: Option<Reason>,
    pub(super) nginx: Option<NginxAnswer>,
    /// Whether the audit log is kept: it is not when the transaction will be rolled back.
    pub(super) logs: bool,
    pub(super) touched: &'a mut Touched,
}

impl Change<'_> {
    /// The pool's file may have to change.
    pub fn touch_pool(&mut self, id: PoolId) {
        self.touched.pools.insert(id);
    }

    /// The vhost's file may have to change.
    pub fn touch_vhost(&mut self, id: VhostId) {
        self.touched.vhosts.insert(id);
    }

    /// Of the vhost's file, only what this route says may have to change.
    pub fn touch_route(&mut self, vhost: VhostId, id: RouteId) {
        self.touched.routes.entry(vhost).or_default().insert(id);
    }

    /// What the vhost's sidecar says of its buckets may have to change; its routes are as they were.
    pub fn touch_buckets(&mut self, vhost: VhostId) {
        self.touched.routes.entry(vhost).or_default();
    }

    /// The file of this name is no longer ours to keep, unless something else needs it.
    pub fn retire(&mut self, name: FileName) {
        self.touched.retired.insert(name);
    }

    /// The file whose sizes follow the number of routes and vhosts may have to change.
    pub fn touch_common(&mut self) {
        self.touched.common = true;
    }

    /// Every file is to be written anew, over what was edited outside, and what is not ours to keep removed.
    pub fn touch_everything(&mut self) {
        self.touched.everything = true;
        self.touched.overwrite = Overwrite::Everything;
    }

    /// Every sidecar is to say what the database says, whatever was there. nginx sees nothing of it.
    pub fn touch_all_sidecars(&mut self) {
        self.touched.sidecars = true;
        self.touched.overwrite = Overwrite::Everything;
    }

    /// It is part of the history, even if no file on disk has to change for it.
    pub fn keep_in_history(&mut self) {
        self.touched.noteworthy = true;
    }

    /// The file of this name may be written over although it was edited outside.
    pub fn overwrite(&mut self, name: FileName) {
        match &mut self.touched.overwrite {
            Overwrite::Everything => {}
            Overwrite::These(names) => {
                names.insert(name);
            }
            none => *none = Overwrite::These(HashSet::from([name])),
        }
    }

    /// Does a part of the change that may fail alone: what it wrote and touched is then as if it had not been.
    ///
    /// # Errors
    /// The store's; the part's own error is the inner result.
    pub fn attempt<T>(
        &mut self,
        part: impl FnOnce(&mut Change<'_>) -> Result<T, ServiceError>,
    ) -> Result<Result<T, ServiceError>, StoreError> {
        let (now, actor, nginx, logs) = (self.now, self.actor, self.nginx.clone(), self.logs);
        let reason = self.reason.clone();
        let mut own = Touched::default();
        let mut part = Some(part);
        let mut outcome = None;
        self.tx.savepoint(&mut |tx| {
            let (nginx, reason) = (nginx.clone(), reason.clone());
            let mut change = Change { tx, now, actor, reason, nginx, logs, touched: &mut own };
            outcome = part.take().map(|part| part(&mut change));
            outcome.as_ref().is_some_and(Result::is_ok)
        })?;
        let outcome =
            outcome.ok_or_else(|| StoreError::Unavailable("a part of the change was not run; try again".to_owned()))?;
        if outcome.is_ok() {
            self.touched.add(own);
        }
        Ok(outcome)
    }

    /// Does something in a transaction that will be rolled back, to see what it would do.
    pub fn discarded<T>(tx: &mut dyn Tx, actor: Actor, part: impl FnOnce(&mut Change<'_>) -> T) -> T {
        let touched = &mut Touched::default();
        part(&mut Change { tx, now: Timestamp::UNKNOWN, actor, reason: None, nginx: None, logs: false, touched })
    }

    /// Writes down what was done, with nginx's answer to it.
    ///
    /// # Errors
    /// The store's.
    pub fn audit(
        &mut self,
        action: Action,
        subject: Subject,
        before: Option<Snapshot>,
        after: Option<Snapshot>,
    ) -> Result<(), StoreError> {
        let nginx = self.nginx.clone();
        let entry = NewEntry { actor: self.actor, action, subject, before, after, nginx, at: self.now };
        if self.logs {
            self.tx.append_audit(&entry)?;
            return Ok(());
        }
        // The history is written before the commit: it tells what the first run did.
        self.touched.deeds.extend(deeds::of(self.tx, &entry)?);
        self.touched.entries.push(RevisionEntry::of(&entry, self.reason.as_ref()));
        Ok(())
    }

    /// Has the history tell who changed nginx's files, where the audit log tells of the whole only: a migration changes
    /// them several times.
    pub fn tell(&mut self, action: &'static str, subject: Subject) {
        if !self.logs {
            let (entity_type, entity_id) = subject.columns();
            self.touched.entries.push(RevisionEntry {
                actor: self.actor.as_str().to_owned(),
                action: action.to_owned(),
                entity_type: entity_type.to_owned(),
                entity_id,
                outcome: None,
                reason: None,
            });
        }
    }

    /// Has the history know of something that the audit log does not tell, as it follows from what it tells.
    ///
    /// # Errors
    /// The store's.
    pub fn remember(&mut self, before: Option<Snapshot>, after: Option<Snapshot>) -> Result<(), StoreError> {
        if !self.logs {
            self.touched.deeds.extend(deeds::between(self.tx, before.as_ref(), after.as_ref())?);
        }
        Ok(())
    }

    /// Saves a route that follows from what the audit log tells.
    ///
    /// # Errors
    /// The store's.
    pub fn save_route(&mut self, before: Option<Route>, after: Route) -> Result<Route, StoreError> {
        let saved = self.tx.save_route(after)?;
        self.remember(before.map(Snapshot::Route), Some(Snapshot::Route(saved.clone())))?;
        Ok(saved)
    }
}
