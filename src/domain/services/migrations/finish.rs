//! After the commit, or after the end: what nginx and the records say becomes plain again.

use std::time::Duration;

use super::compare::compare;
use super::drive::Drive;
use super::record;
use crate::domain::migration::Migration;
use crate::domain::migration::machine::Outcome;
use crate::domain::migration::token::{GateStage, TokenState};
use crate::domain::migration::work::{Comparison, MigrationKind};
use crate::domain::object::Upload;

/// How often it is looked whether an upload has ended.
const UPLOADS_LOOK: Duration = Duration::from_secs(5);
/// How many uploads are named that are waited for.
const NAMED_UPLOADS: usize = 5;
/// How many keys are named of those that differ after the switch.
const NAMED: usize = 100;

impl Drive {
    /// The routes lead to the destination, in the database and on disk.
    pub(super) async fn record(&mut self) -> Outcome {
        match self.try_record().await {
            Ok(()) => Outcome::Done,
            Err(outcome) => outcome,
        }
    }

    async fn try_record(&mut self) -> Result<(), Outcome> {
        if let Some(token) = self.token() {
            // After a restart: reads have gone to the destination since the rename, and so must writes.
            let sides = self.sides().await?;
            self.shared.gate.reopen(&token).await.map_err(|error| Outcome::NotNow(error.to_string()))?;
            if self.uploads.is_empty() {
                self.uploads = self.source_uploads().await.unwrap_or_default();
            }
            self.open(&sides).await;
        }
        if self.migration.orphan.is_none() {
            let (id, uploads) = (self.migration.id, self.uploads.clone());
            self.change(move |change| record::switch(change, id, &uploads))
                .await
                .map_err(|error| Outcome::NotNow(error.to_string()))?;
        }
        self.keep_file().await;
        for name in &self.migration.swept_http_vhosts.clone() {
            self.say("switching", format!("http vhost {name} could not follow: give its route another pool"));
        }
        Ok(())
    }

    /// nginx loads the plain routes.
    pub(super) async fn settle(&mut self) -> Outcome {
        match self.reload().await {
            Ok(()) => Outcome::Done,
            Err(Outcome::Void(why) | Outcome::Failed(why)) => Outcome::NotNow(why),
            Err(outcome) => outcome,
        }
    }

    /// Waits until no worker is left that asks the token.
    pub(super) async fn await_old_workers(&mut self) -> Outcome {
        if self.workers.is_empty() {
            // After a restart nobody knows which workers loaded what: all of them are older than one more reload.
            if let Err(outcome) = self.reload().await {
                return Outcome::NotNow(outcome.reason().unwrap_or_default().to_owned());
            }
        }
        self.keep_file().await;
        self.shared.backup_soon();
        match self.workers_gone().await {
            Ok(()) => Outcome::Done,
            Err(outcome) => Outcome::NotNow(outcome.reason().unwrap_or_default().to_owned()),
        }
    }

    /// Waits until the uploads that began on the source have ended.
    pub(super) async fn await_uploads(&mut self) -> Outcome {
        let gate = self.migration.work.gate.clone();
        let Some(gate) = gate.filter(|gate| !gate.source_uploads.is_empty()) else { return Outcome::Done };
        if self.uploads.is_empty() {
            self.uploads.clone_from(&gate.source_uploads);
            match self.sides().await {
                Ok(sides) => self.open(&sides).await,
                Err(outcome) => return outcome,
            }
        }
        let mut told = false;
        loop {
            match self.open_uploads(&gate.source_uploads).await {
                Ok(open) if open.is_empty() => break,
                Ok(open) => {
                    if !std::mem::replace(&mut told, true) {
                        self.say("done", self.told_of(&open));
                        // It may be long until the next record.
                        if let Err(error) = self.save(|_| {}).await {
                            return Outcome::NotNow(error.to_string());
                        }
                    }
                    self.shared.timer.pause(UPLOADS_LOOK).await;
                }
                Err(outcome) => return Outcome::NotNow(outcome.reason().unwrap_or_default().to_owned()),
            }
        }
        // They are rendered: nginx must forget them before the token goes.
        let id = self.migration.id;
        if let Err(error) = self.change(move |change| record::plain(change, id)).await {
            return Outcome::NotNow(error.to_string());
        }
        self.settle_again().await
    }

    pub(super) async fn settle_again(&mut self) -> Outcome {
        if let Err(outcome) = self.reload().await {
            return Outcome::NotNow(outcome.reason().unwrap_or_default().to_owned());
        }
        match self.workers_gone().await {
            Ok(()) => Outcome::Done,
            Err(outcome) => Outcome::NotNow(outcome.reason().unwrap_or_default().to_owned()),
        }
    }

    /// What an operator should know of uploads that are waited for: only their client, or whoever ends them, ends the wait.
    fn told_of(&self, open: &[Upload]) -> String {
        let Migration { bucket, source, .. } = &self.migration;
        let named: Vec<String> = open
            .iter()
            .take(NAMED_UPLOADS)
            .map(|upload| format!("{:?} (upload id {})", upload.key, upload.id))
            .collect();
        let more = open.len().saturating_sub(NAMED_UPLOADS);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!(
            "uploads that began on pool {} have not ended: {}{more}. Their clients can go on with them, and what they \
             complete will be on pool {}; the migration keeps its place in nginx until then. Whatever nobody will complete, \
             abort (aws s3api abort-multipart-upload --bucket {bucket} --key … --upload-id …)",
            source.name,
            named.join(", "),
            self.migration.destination.name
        )
    }

    /// Those of the known uploads that the source still has.
    async fn open_uploads(&mut self, known: &[String]) -> Result<Vec<Upload>, Outcome> {
        let listed = self.listed_uploads().await?;
        Ok(listed.into_values().filter(|upload| known.contains(&upload.id)).collect())
    }

    /// Token and journal go.
    pub(super) async fn forget(&mut self) -> Outcome {
        let Some(token) = self.token() else { return Outcome::Done };
        let id = self.migration.id;
        self.shared.gate.forget(&token);
        // The files first, which no worker needs any more: a crash in between leaves a record of what is left.
        if let Err(error) = self.shared.gate.remove(&token).await {
            tracing::warn!(migration = id.0, %error, "token and journal could not be removed");
        }
        if let Err(error) = self.change(move |change| record::ungate(change, id)).await {
            return Outcome::NotNow(error.to_string());
        }
        self.keep_file().await;
        self.keep_file_of_split().await;
        Outcome::Done
    }

    /// Compares both sides. What differs may have been changed by clients since: nothing is done about it.
    pub(super) async fn report(&mut self) -> Outcome {
        let sides = match self.sides().await {
            Ok(sides) => sides,
            Err(outcome) => return outcome,
        };
        let found = compare(&*self.shared.storage, (&sides.source, &sides.destination), &sides.bucket, None).await;
        let audit = match found {
            Ok(found) if found.source.is_empty() => Comparison::Ok,
            Ok(mut found) => {
                found.source.truncate(NAMED);
                Comparison::Differences(found.source)
            }
            Err(error) => Comparison::Failed(error.to_string()),
        };
        self.say(
            "done",
            match &audit {
                Comparison::Ok | Comparison::Pending => "both sides were compared and are equal".to_owned(),
                Comparison::Differences(keys) => {
                    format!(
                        "compared after the switch: {} keys differ, as clients may have changed them since",
                        keys.len()
                    )
                }
                Comparison::Failed(why) => format!("both sides could not be compared after the switch: {why}"),
            },
        );
        match self.save(move |migration| migration.work.audit = Some(audit)).await {
            Ok(()) => {
                self.keep_file().await;
                Outcome::Done
            }
            Err(error) => Outcome::NotNow(error.to_string()),
        }
    }

    /// After an error or a cancellation: nginx gets its plain configuration, then the token goes.
    pub(super) async fn withdraw(&mut self) -> Outcome {
        let Some(token) = self.token() else { return Outcome::Done };
        let gate = self.shared.gate.clone();
        if let Err(outcome) = self.give_back(&token).await {
            return Outcome::NotNow(outcome.reason().unwrap_or_default().to_owned());
        }
        let moves = self.migration.work.kind != MigrationKind::BackFill;
        match gate.state(&token).await {
            Ok(TokenState::Switched | TokenState::Open) if moves => return Outcome::Again,
            Ok(TokenState::Switched | TokenState::Open | TokenState::Source | TokenState::Held) => {
                self.release_writes().await;
            }
            // It was removed already, or is lost: nothing can be let flow by it.
            Ok(TokenState::Missing) => {}
            Err(error) => return Outcome::NotNow(error.to_string()),
        }
        let stage = self.migration.work.gate.as_ref().map(|gate| gate.stage);
        if stage == Some(GateStage::Gated) {
            let id = self.migration.id;
            if let Err(error) = self.change(move |change| record::plain(change, id)).await {
                return Outcome::NotNow(error.to_string());
            }
        }
        match self.settle_again().await {
            Outcome::Done => self.forget().await,
            outcome => outcome,
        }
    }
}
