//! `/api/config`: status, preview, validate, reload, rebuild, backup, loops.

use std::sync::Arc;

use poem_openapi::OpenApi;

use super::api::Group;
use super::auth::Caller;
use super::diff::unified;
use super::error::{Acting, ApiError, Failure, Finding, Reading, Searching};
use super::params::{Limit, Path, Query};
use super::reply::Shown;
use super::schema::view;
use crate::domain::audit::NginxAnswer;
use crate::domain::ids::{PoolId, VhostId};
use crate::domain::loops::LoopReport;
use crate::domain::services::Services;
use crate::domain::services::backups::Attempt;
use crate::domain::services::config::{ConfigStatus, FileStatus, Rebuilt};
use crate::domain::time::Timestamp;
use crate::ports::gateway::Rendered;

view! {
    /// One managed file as it should be, is, and runs. Hashes are lower-hex SHA-256.
    FileView as "FileStatus" {
        /// Where.
        path: String,
        /// What is on disk; null: no file.
        sha256_disk: Option<String>,
        /// What the orchestrator last wrote; null: not a file of ours.
        sha256_db: Option<String>,
        /// What nginx runs, if that is known.
        sha256_running: Option<String>,
        /// Changed by hand, missing, or unknown to the database.
        drifted: bool,
        /// When the orchestrator last wrote it, UTC, `YYYY-MM-DDTHH:MM:SSZ`.
        last_synced_at: Option<String>,
        /// On request, of a drifted file: a unified diff from what the database says to what is on disk.
        diff: Option<String>,
    }
}

view! {
    /// What is desired, what is on disk, and what runs.
    StatusView as "ConfigStatus" {
        /// Every managed file, by path.
        files: Vec<FileView>,
        /// Whether the last reload was applied.
        last_reload_ok: Option<bool>,
        /// When it was asked for, UTC, `YYYY-MM-DD HH:MM:SS`.
        last_reload_at: Option<String>,
        /// Whether nginx runs something else than what is on disk; null: not known.
        pending_reload: Option<bool>,
        /// Whether nginx runs.
        nginx_up: bool,
        /// Its version.
        nginx_version: Option<String>,
        /// How candidates are tested: `staged`, `swap` or `dry-run`.
        check_mode: String,
    }
}

view! {
    /// nginx's answer.
    AnswerView as "NginxAnswer" {
        /// Whether it accepted.
        ok: bool,
        /// Its own words.
        output: String,
    }
}

view! {
    /// What a rebuild did.
    RebuiltView as "Rebuilt" {
        /// Whether the files are written and nginx runs them.
        ok: bool,
        /// nginx's words to the test and the reload.
        output: String,
        /// Files written.
        written: Vec<String>,
        /// Files removed.
        removed: Vec<String>,
        /// What went wrong.
        errors: Vec<String>,
    }
}

view! {
    /// A managed file as it would be written now.
    PreviewView as "Preview" {
        /// Where.
        filepath: String,
        /// Its text; null for a pool without enabled members, which has no file.
        content: Option<String>,
    }
}

view! {
    /// What came of a backup.
    BackupView as "Backup" {
        /// Whether there is a sound copy of what is committed.
        ok: bool,
        /// Where it is; null: there is none.
        backup_path: Option<String>,
        /// Why there is none; null: there is.
        detail: Option<String>,
    }
}

view! {
    /// Something that runs again and again by itself.
    LoopView as "Loop" {
        /// Its name.
        name: String,
        /// Seconds between two runs.
        interval: u64,
        /// How often it has run since the program started.
        runs: u64,
        /// Whether a run is under way.
        running: bool,
        /// When the last run began, UTC, `YYYY-MM-DDTHH:MM:SSZ`.
        last_run_at: Option<String>,
        /// When the last run that did its work ended.
        last_success_at: Option<String>,
        /// What that run did.
        last_result: Option<String>,
        /// Why the last run failed; null: it did not.
        last_error: Option<String>,
        /// When the next run begins, unless something asks for it before.
        next_run_at: Option<String>,
    }
}

impl From<Attempt> for BackupView {
    fn from(attempt: Attempt) -> Self {
        match attempt {
            Attempt::Done(taken) => Self { ok: true, backup_path: Some(taken.path), detail: None },
            Attempt::Failed(why) => Self { ok: false, backup_path: None, detail: Some(why) },
        }
    }
}

impl From<LoopReport> for LoopView {
    fn from(report: LoopReport) -> Self {
        Self {
            name: report.name.to_owned(),
            interval: report.period.as_secs(),
            runs: report.runs,
            running: report.running,
            last_run_at: report.last_run_at.map(Timestamp::iso),
            last_success_at: report.last_success_at.map(Timestamp::iso),
            last_result: report.last_result,
            last_error: report.last_error,
            next_run_at: report.next_run_at.map(Timestamp::iso),
        }
    }
}

impl From<FileStatus> for FileView {
    fn from(file: FileStatus) -> Self {
        Self {
            path: file.path,
            sha256_disk: file.sha256_disk,
            sha256_db: file.sha256_db,
            sha256_running: file.sha256_running,
            drifted: file.drifted,
            last_synced_at: file.last_synced_at.map(Timestamp::iso),
            diff: None,
        }
    }
}

impl From<ConfigStatus> for StatusView {
    fn from(status: ConfigStatus) -> Self {
        Self {
            files: status.files.into_iter().map(FileView::from).collect(),
            last_reload_ok: status.last_reload_ok,
            last_reload_at: status.last_reload_at.map(Timestamp::sql),
            pending_reload: status.pending_reload,
            nginx_up: status.nginx_up,
            nginx_version: status.nginx_version,
            check_mode: status.check_mode.to_owned(),
        }
    }
}

impl From<NginxAnswer> for AnswerView {
    fn from(NginxAnswer { ok, output }: NginxAnswer) -> Self {
        Self { ok, output }
    }
}

impl From<Rebuilt> for RebuiltView {
    fn from(Rebuilt { ok, output, written, removed, errors }: Rebuilt) -> Self {
        Self { ok, output, written, removed, errors }
    }
}

impl From<Rendered> for PreviewView {
    fn from(Rendered { path, content, .. }: Rendered) -> Self {
        Self { filepath: path, content: Some(content) }
    }
}

/// The operations on the configuration as a whole.
pub struct ConfigApi(pub Arc<Services>);

#[OpenApi(tag = "Group::Config")]
impl ConfigApi {
    /// Compare desired, written and running configuration
    ///
    /// Every managed file with what should be in it, what is on disk, and what nginx runs.
    #[oai(path = "/config/status", method = "get", operation_id = "config_status")]
    async fn status(
        &self,
        _caller: Caller,
        /// With a diff of each drifted file.
        diff: Query<bool>,
        /// Drifted files only.
        drifted: Query<bool>,
        /// At most so many files.
        limit: Query<Limit>,
    ) -> Result<Shown<StatusView>, Failure<Searching>> {
        let mut faults = Vec::new();
        let (diff, drifted, limit) = (diff.read(&mut faults), drifted.read(&mut faults), limit.read(&mut faults));
        if !faults.is_empty() {
            return Err(ApiError::faults(faults).into());
        }
        let mut status = self.0.config.status().await?;
        if drifted == Some(true) {
            status.files.retain(|file| file.drifted);
        }
        if let Some(Limit(most)) = limit {
            status.files.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        }
        let mut status = StatusView::from(status);
        if diff == Some(true) {
            for file in status.files.iter_mut().filter(|file| file.drifted) {
                file.diff = Some(unified(&file.path, &self.0.drift.texts(&file.path).await?));
            }
        }
        Ok(Shown(status))
    }

    /// Test the configuration
    ///
    /// `nginx -t` on what is on disk. 200 also when nginx refuses: `ok` says so.
    #[oai(path = "/config/validate", method = "post", operation_id = "validate_config")]
    async fn validate(&self, _caller: Caller) -> Result<Shown<AnswerView>, Failure<Acting>> {
        Ok(Shown(self.0.config.validate().await?.into()))
    }

    /// Make the configuration live
    ///
    /// Reloads nginx and waits for the proof that it runs what is on disk. 200 also when it does not: `ok` says so.
    #[oai(path = "/config/reload", method = "post", operation_id = "reload_config")]
    async fn reload(&self, caller: Caller) -> Result<Shown<AnswerView>, Failure<Acting>> {
        Ok(Shown(self.0.config.reload(caller.0).await?.into()))
    }

    /// Write every file anew
    ///
    /// From the database to disk, over what was edited by hand, then a reload. Files of ours that nothing
    /// accounts for are removed. If nginx refuses, nothing is written and `ok` is false.
    #[oai(path = "/config/rebuild", method = "post", operation_id = "rebuild_config")]
    async fn rebuild(&self, caller: Caller) -> Result<Shown<RebuiltView>, Failure<Acting>> {
        Ok(Shown(self.0.config.rebuild(caller.0).await?.into()))
    }

    /// Back up the database
    ///
    /// Copies it while it is used, proves that the copy is sound, and keeps it as the newest of `DB_BACKUP_ROTATE`.
    /// 200 also when that failed: `ok` says so, `detail` says why, and the copies that were there still are. 409 on
    /// PostgreSQL, which its own server backs up.
    #[oai(path = "/config/backup", method = "post", operation_id = "backup_database")]
    async fn backup(&self, caller: Caller) -> Result<Shown<BackupView>, Failure<Acting>> {
        let backups = self.0.backups.clone();
        // A client that goes away takes back neither the copy nor its entry in the audit log.
        let attempt = tokio::spawn(async move { backups.demand(caller.0).await }).await;
        Ok(Shown(attempt.map_err(|_| ApiError::internal())??.into()))
    }

    /// List what runs by itself
    ///
    /// Each loop with what its last run did and when the next one begins.
    #[oai(path = "/config/loops", method = "get", operation_id = "list_loops")]
    async fn loops(&self, _caller: Caller) -> Result<Shown<Vec<LoopView>>, Failure<Reading>> {
        Ok(Shown(self.0.loops.reports().into_iter().map(LoopView::from).collect()))
    }

    /// Preview a pool's file
    ///
    /// As it would be written now.
    #[oai(path = "/config/preview/pool/:pool_id", method = "get", operation_id = "preview_pool_config")]
    async fn preview_pool(
        &self,
        _caller: Caller,
        /// The pool.
        pool_id: Path<PoolId>,
    ) -> Result<Shown<PreviewView>, Failure<Finding>> {
        let (filepath, content) = self.0.config.preview_pool(pool_id.0).await?;
        Ok(Shown(PreviewView { filepath, content }))
    }

    /// Preview a vhost's file
    ///
    /// As it would be written now.
    #[oai(path = "/config/preview/vhost/:vhost_id", method = "get", operation_id = "preview_vhost_config")]
    async fn preview_vhost(
        &self,
        _caller: Caller,
        /// The vhost.
        vhost_id: Path<VhostId>,
    ) -> Result<Shown<PreviewView>, Failure<Finding>> {
        Ok(Shown(self.0.config.preview_vhost(vhost_id.0).await?.into()))
    }
}
