//! The configuration as a whole: state, test, reload, rebuild, preview.

use std::collections::{BTreeSet, HashMap};

use super::publish::Change;
use super::{Context, ServiceError, pools, vhosts};
use crate::domain::audit::{Action, Actor, NewEntry, NginxAnswer, Subject};
use crate::domain::gateway::{FileName, ManagedFile, Upstream};
use crate::domain::ids::{PoolId, VhostId};
use crate::domain::sidecar::SIDECAR_SUFFIX;
use crate::domain::time::Timestamp;
use crate::ports::clock::Clock;
use crate::ports::gateway::{GatewayError, Observed, Others, Rendered};
use crate::ports::store::FileRecord;

/// The fact that holds the outcome of the last reload: `ok` or `failed`, a blank, seconds since 1970.
const LAST_RELOAD: &str = "last_reload";

/// One managed file as it should be, is, and runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStatus {
    /// Where.
    pub path: String,
    /// Hash of what is on disk; `None`: no file.
    pub sha256_disk: Option<String>,
    /// Hash of what we last wrote; `None`: not a file of ours.
    pub sha256_db: Option<String>,
    /// Hash of what nginx runs, if that is known.
    pub sha256_running: Option<String>,
    /// Changed, missing, or unknown to the database.
    pub drifted: bool,
    /// When we last wrote it.
    pub last_synced_at: Option<Timestamp>,
}

/// What is desired, what is on disk, and what runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigStatus {
    /// Every managed file, by path.
    pub files: Vec<FileStatus>,
    /// Whether the last reload was applied.
    pub last_reload_ok: Option<bool>,
    /// When it was asked for.
    pub last_reload_at: Option<Timestamp>,
    /// Whether nginx runs something else than what is on disk; `None`: not known.
    pub pending_reload: Option<bool>,
    /// Whether nginx runs.
    pub nginx_up: bool,
    /// Its version.
    pub nginx_version: Option<String>,
    /// How candidates are tested.
    pub check_mode: &'static str,
}

/// What a rebuild did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// Whether the files are written and nginx runs them.
    pub ok: bool,
    /// nginx's words to the test and the reload.
    pub output: String,
    /// Files written.
    pub written: Vec<String>,
    /// Files removed.
    pub removed: Vec<String>,
    /// What went wrong.
    pub errors: Vec<String>,
}

/// Use cases about the configuration.
#[derive(Clone)]
pub struct Config {
    context: Context,
    clock: std::sync::Arc<dyn Clock>,
}

impl Config {
    pub(super) fn new(context: Context, clock: std::sync::Arc<dyn Clock>) -> Self {
        Self { context, clock }
    }

    /// Desired, on disk, running.
    ///
    /// # Errors
    /// Database or directory cannot be read.
    pub async fn status(&self) -> Result<ConfigStatus, ServiceError> {
        let (recorded, reload) =
            self.context.store.read(|tx| Ok::<_, ServiceError>((tx.files()?, tx.fact(LAST_RELOAD)?))).await?;
        let observed = self.context.gateway.observe().await?;
        let reload = reload.as_deref().and_then(read_reload);
        Ok(ConfigStatus {
            files: compare(recorded, &observed),
            last_reload_ok: reload.map(|(ok, _)| ok),
            last_reload_at: reload.map(|(_, at)| at),
            pending_reload: observed.running.as_ref().map(|running| runs_something_else(running, &observed)),
            nginx_up: observed.nginx_up,
            nginx_version: observed.nginx_version,
            check_mode: observed.check_mode,
        })
    }

    /// Has nginx test what is on disk.
    ///
    /// # Errors
    /// None of its own; nginx's refusal is the answer.
    pub async fn validate(&self) -> Result<NginxAnswer, ServiceError> {
        Ok(self.context.gateway.validate().await)
    }

    /// Has nginx load what is on disk, and waits for the proof.
    ///
    /// # Errors
    /// The database cannot take the audit entry.
    pub async fn reload(&self, actor: Actor) -> Result<NginxAnswer, ServiceError> {
        self.reload_as(actor, Others::Rest).await
    }

    /// The same for the engine, which itself waits for the workers with an older configuration.
    ///
    /// # Errors
    /// As [`reload`](Self::reload).
    pub(super) async fn reload_watched(&self) -> Result<NginxAnswer, ServiceError> {
        self.reload_as(Actor::Engine, Others::Watched).await
    }

    /// Writes every file anew from the database, over drift, removes files that are not ours to keep, and reloads.
    ///
    /// # Errors
    /// A fault of database or machine. A refusal by nginx is in the answer, and changes nothing.
    pub async fn rebuild(&self, actor: Actor) -> Result<Rebuilt, ServiceError> {
        let everything = |change: &mut Change<'_>| {
            change.touch_everything();
            change.audit(Action::Rebuild, Subject::Config, None, None)?;
            Ok(())
        };
        let published = match self.context.publisher.alone(actor, everything).await {
            Ok(((), published)) => published.tested,
            Err(ServiceError::Refused(output) | ServiceError::Gateway(GatewayError::Refused(output))) => {
                let errors = vec![output.clone()];
                return Ok(Rebuilt { ok: false, output, written: Vec::new(), removed: Vec::new(), errors });
            }
            Err(error) => return Err(error),
        };
        let reload = self.reload_as(actor, Others::Rest).await?;
        let tested = published.nginx.map(|answer| answer.output).unwrap_or_default();
        let output =
            [tested, reload.output.clone()].iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>();
        Ok(Rebuilt {
            ok: reload.ok,
            output: output.join("\n"),
            written: published.written.into_iter().map(|(path, _)| path).collect(),
            removed: published.removed,
            errors: if reload.ok { Vec::new() } else { vec![reload.output] },
        })
    }

    /// A pool's file as it would be written; no text while no member is enabled.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn preview_pool(&self, id: PoolId) -> Result<(String, Option<String>), ServiceError> {
        let (name, upstream) = self
            .context
            .store
            .read(move |tx| {
                let pool = pools::find(tx, id)?;
                let members = tx.members(id)?;
                Ok::<_, ServiceError>((pool.name.clone(), Upstream::of(&pool, &members)))
            })
            .await?;
        let gateway = &self.context.gateway;
        let content = upstream.map(|upstream| gateway.render(&ManagedFile::Upstream(upstream)).content);
        Ok((gateway.path(&FileName::Upstream(name)), content))
    }

    /// A vhost's file as it would be written.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn preview_vhost(&self, id: VhostId) -> Result<Rendered, ServiceError> {
        let server = self.context.store.read(move |tx| vhosts::desired(tx, id)).await?;
        Ok(self.context.gateway.render(&ManagedFile::Server(server.into())))
    }

    async fn reload_as(&self, actor: Actor, others: Others) -> Result<NginxAnswer, ServiceError> {
        let answer = self.context.gateway.reload(others).await.answer;
        let (nginx, at) = (answer.clone(), self.clock.now());
        self.context
            .store
            .write(move |tx| {
                let word = if nginx.ok { "ok" } else { "failed" };
                tx.set_fact(LAST_RELOAD, &format!("{word} {}", at.unix()))?;
                let entry = NewEntry {
                    actor,
                    action: Action::ManualReload,
                    subject: Subject::Config,
                    before: None,
                    after: None,
                    nginx: Some(nginx),
                    at,
                };
                tx.append_audit(&entry)?;
                Ok::<_, ServiceError>(())
            })
            .await?;
        Ok(answer)
    }
}

fn read_reload(fact: &str) -> Option<(bool, Timestamp)> {
    let (word, seconds) = fact.split_once(' ')?;
    let at = chrono::DateTime::from_timestamp(seconds.parse().ok()?, 0)?;
    Some((word == "ok", Timestamp::of(at)))
}

/// Whether nginx runs something else than what is on disk. It loads no sidecars.
fn runs_something_else(running: &HashMap<String, String>, observed: &Observed) -> bool {
    let mut configuration = observed.files.iter().filter(|(path, _)| !path.ends_with(SIDECAR_SUFFIX));
    let count = configuration.clone().count();
    count != running.len() || configuration.any(|(path, hash)| running.get(path) != Some(hash))
}

/// Puts what we wrote beside what is there.
pub(super) fn compare(recorded: Vec<FileRecord>, observed: &Observed) -> Vec<FileStatus> {
    let known: std::collections::HashMap<&str, &FileRecord> =
        recorded.iter().map(|file| (file.path.as_str(), file)).collect();
    let paths: BTreeSet<&str> = known.keys().copied().chain(observed.files.keys().map(String::as_str)).collect();
    let running = |path: &str| observed.running.as_ref().and_then(|running| running.get(path).cloned());
    paths
        .into_iter()
        .map(|path| {
            let disk = observed.files.get(path).cloned();
            let db = known.get(path).map(|file| file.sha256.clone());
            FileStatus {
                drifted: disk != db,
                sha256_disk: disk,
                sha256_db: db,
                sha256_running: running(path),
                last_synced_at: known.get(path).map(|file| file.written_at),
                path: path.to_owned(),
            }
        })
        .collect()
}
