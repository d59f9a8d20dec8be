//! Copies by rclone, a process a call.
//!
//! The process is written down before it becomes rclone; the kernel kills it when we die; it has a group of its own.
//! Secrets are in its environment only, keys of objects go through a pipe, and no file holds either.

mod command;
mod place;
mod process;
mod record;
mod run;
mod words;

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::domain::copy::{Copied, CopyOrder, What, carriable};
use crate::ports::copier::{Copier, CopierError, Copying, Watch};

use process::Spawner;
use record::Records;
use run::Run;

/// The first version that copies metadata.
const NEEDED: (u64, u64) = (1, 59);
/// A program that takes longer to tell its version is not rclone.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much rclone may do at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Objects compared at a time.
    pub checkers: u32,
    /// Objects copied at a time.
    pub transfers: u32,
    /// What rclone's `--bwlimit` takes; none: as fast as it goes.
    pub bandwidth: Option<String>,
}

/// rclone on this machine.
pub struct RcloneCopier {
    program: PathBuf,
    limits: Limits,
    records: Records,
    spawner: Arc<Spawner>,
    proven: Mutex<Option<Proven>>,
}

/// A program that was asked, as the file was then, and its version. To ask takes a tenth of a second: rclone looks for
/// the name of the distribution first.
struct Proven {
    file: (PathBuf, u64, SystemTime),
    version: String,
}

/// What changes when a program is replaced.
fn identity(program: &Path) -> Option<(PathBuf, u64, SystemTime)> {
    let metadata = std::fs::metadata(program).ok()?;
    Some((program.to_owned(), metadata.ino(), metadata.modified().ok()?))
}

impl RcloneCopier {
    /// `program` is a path, or a name to look for in PATH. The records of running copiers are kept beside `database`:
    /// whoever has its lock may end them, and nobody else's are there.
    #[must_use]
    pub fn new(program: PathBuf, limits: Limits, database: &Path) -> Self {
        let mut directory = database.as_os_str().to_owned();
        directory.push(".copiers");
        let records = Records::at(directory.into());
        Self { program, limits, records, spawner: Arc::default(), proven: Mutex::default() }
    }

    fn find(&self) -> Result<PathBuf, CopierError> {
        let is_path = self.program.components().count() > 1;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = if is_path {
            Some(self.program.clone()).filter(|program| program.is_file())
        } else {
            std::env::split_paths(&path).map(|directory| directory.join(&self.program)).find(|file| file.is_file())
        };
        found.ok_or_else(|| self.unusable("there is no such program"))
    }

    fn unusable(&self, why: &str) -> CopierError {
        CopierError::Unusable(format!(
            "{} cannot be used: {why}. Install rclone {}.{} or newer, or set NANIO_ORCHESTRATOR_RCLONE_PATH",
            self.program.display(),
            NEEDED.0,
            NEEDED.1
        ))
    }

    async fn ask(&self, program: &Path) -> Result<String, CopierError> {
        let mut command = Command::new(program);
        command.arg("version").env_clear().envs(command::clean()).stdin(Stdio::null()).kill_on_drop(true);
        let output = match timeout(PATIENCE, command.output()).await {
            Ok(output) => output.map_err(|error| self.unusable(&error.to_string()))?,
            Err(_) => return Err(self.unusable("it does not answer")),
        };
        let said = String::from_utf8_lossy(&output.stdout);
        let version =
            said.lines().find_map(|line| line.strip_prefix("rclone v")).map(|version| version.trim().to_owned());
        let version = version.ok_or_else(|| self.unusable("it does not tell a version as rclone does"))?;
        let mut numbers = version.split(['.', '-']).map_while(|number| number.parse::<u64>().ok());
        if (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default()) < NEEDED {
            return Err(self.unusable(&format!("version {version} loses the metadata of objects")));
        }
        Ok(version)
    }
}

#[async_trait]
impl Copier for RcloneCopier {
    async fn probe(&self) -> Result<String, CopierError> {
        let program = self.find()?;
        let file = identity(&program);
        let proven = || self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            proven().as_ref().filter(|proven| Some(&proven.file) == file.as_ref()).map(|one| one.version.clone());
        if let Some(version) = known {
            return Ok(version);
        }
        let version = self.ask(&program).await?;
        *proven() = file.map(|file| Proven { file, version: version.clone() });
        Ok(version)
    }

    async fn end_leftovers(&self) -> Result<usize, CopierError> {
        self.records.end_all().await.map_err(|error| fault("a copier of an earlier run cannot be ended", &error))
    }

    async fn forget_leftovers(&self) -> Result<(), CopierError> {
        let forgotten = self.records.forget_all().await;
        forgotten.map_err(|error| fault("the record of a copier of an earlier run cannot be removed", &error))
    }

    async fn prepare(&self, order: CopyOrder, watch: Arc<dyn Watch>) -> Result<Box<dyn Copying>, CopierError> {
        if let What::Keys(keys) = &order.what {
            for key in keys {
                carriable(key).map_err(|why| CopierError::Uncarriable { key: key.clone(), why })?;
            }
        }
        let run = Run {
            program: self.find()?,
            limits: self.limits.clone(),
            records: self.records.clone(),
            spawner: self.spawner.clone(),
            order,
            watch,
        };
        let ((cancel, cancelled), (go, told)) = (oneshot::channel(), oneshot::channel());
        let task = tokio::spawn(run.carry_out(cancelled, told));
        Ok(Box::new(RcloneCopying { cancel, go: Some(go), task, outcome: None }))
    }
}

/// Dropped, it drops `cancel`, which the task takes for a cancellation: it ends the process and waits for it.
struct RcloneCopying {
    cancel: oneshot::Sender<()>,
    /// Until it was told.
    go: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<Copied, CopierError>>,
    outcome: Option<Result<Copied, CopierError>>,
}

#[async_trait]
impl Copying for RcloneCopying {
    fn go(&mut self) {
        if let Some(go) = self.go.take() {
            // Who does not listen any more has failed, and says so when it is asked how it ended.
            let _ = go.send(());
        }
    }

    async fn ended(&mut self) -> Result<Copied, CopierError> {
        if self.outcome.is_none() {
            let ended = (&mut self.task).await;
            self.outcome =
                Some(ended.unwrap_or_else(|error| Err(CopierError::Fault(format!("the copy broke off: {error}")))));
        }
        self.outcome.clone().unwrap_or(Err(CopierError::Cancelled))
    }

    async fn cancel(self: Box<Self>) {
        let Self { cancel, task, outcome, .. } = *self;
        let _ = cancel.send(());
        if outcome.is_none()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "a copier broke off while it was ended");
        }
    }
}

fn fault(what: &str, error: &io::Error) -> CopierError {
    CopierError::Fault(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A program of this version that writes down each time it is asked.
    fn program(directory: &Path, version: &str) -> PathBuf {
        let (draft, path) = (directory.join("draft"), directory.join("rclone"));
        let script = format!("#!/bin/sh\necho asked >> {}/log\necho 'rclone v{version}'\n", directory.display());
        // Written by another process: a file that ours has open for writing, be it in a fork of another test, cannot be run.
        let write = ["-c", "printf %s \"$1\" >\"$2\" && chmod 755 \"$2\"", "sh", &script];
        assert!(std::process::Command::new("sh").args(write).arg(&draft).status().unwrap().success());
        fs::rename(&draft, &path).unwrap();
        path
    }

    #[tokio::test]
    async fn a_program_is_asked_for_its_version_once_and_again_when_it_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let limits = Limits { checkers: 1, transfers: 1, bandwidth: None };
        let copier = RcloneCopier::new(program(directory.path(), "1.60.1"), limits, &directory.path().join("db"));
        assert_eq!(copier.probe().await.unwrap(), "1.60.1");
        assert_eq!(copier.probe().await.unwrap(), "1.60.1");
        program(directory.path(), "1.70.0");
        assert_eq!(copier.probe().await.unwrap(), "1.70.0");
        assert_eq!(fs::read_to_string(directory.path().join("log")).unwrap().lines().count(), 2);
        program(directory.path(), "1.2.0");
        assert!(copier.probe().await.unwrap_err().to_string().contains("loses the metadata"));
        assert!(copier.probe().await.is_err(), "what cannot be used is asked again");
    }
}
