//! One orchestrator a data directory: an advisory lock on a file beside the database.
//!
//! The lock belongs to the process: it ends with it, however it ends. The file stays, and what it says is
//! only a hint for messages.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::domain::time::Timestamp;

/// The lock, held as long as this value lives.
#[derive(Debug)]
pub struct ProcessLock {
    _file: File,
}

/// Who holds a lock, as it said itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// What it does: the address it serves, or the command it runs.
    pub purpose: String,
    /// Since when, in ISO form.
    pub since: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({}, since {})", self.pid, self.purpose, self.since)
    }
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{database} is in use by {}: one orchestrator a data directory. Stop that one first, or use its API", who(.holder.as_ref()))]
    Busy {
        /// What the lock protects.
        database: String,
        /// Who has it; `None` in the instant before it has said so.
        holder: Option<Holder>,
    },
    /// The file could not be made, opened or locked.
    #[error(
        "cannot lock {path}: {source}. The directory of NANIO_ORCHESTRATOR_DB_PATH must be one that this user can write \
         in: give it that right, or change the setting"
    )]
    Fault {
        /// The lock file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

fn who(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "another process".to_owned(), Holder::to_string)
}

impl ProcessLock {
    /// Whether somebody is at work on the data. Nothing is made.
    #[must_use]
    pub fn is_held(database: &Path) -> bool {
        let file = OpenOptions::new().read(true).write(true).open(lock_path(database));
        file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// Locks `database` (its lock file is `<database>.lock`) and writes down who did. Directories that are
    /// missing are made, for this user only.
    ///
    /// # Errors
    /// [`LockError::Busy`] at once, without waiting, if another process holds it.
    pub fn take(database: &Path, purpose: &str, now: Timestamp) -> Result<Self, LockError> {
        let path = lock_path(database);
        let fault = |source| LockError::Fault { path: path.display().to_string(), source };
        if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(fault)?;
        }
        // Not truncated: until the lock is ours, what stands in the file is somebody else's.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(fault)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = read_holder(&mut file);
                return Err(LockError::Busy { database: database.display().to_string(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(fault(source)),
        }
        let text = format!("pid={}\npurpose={purpose}\nsince={}\n", std::process::id(), now.iso());
        file.set_len(0).and_then(|()| file.write_all(text.as_bytes())).map_err(fault)?;
        Ok(Self { _file: file })
    }
}

fn lock_path(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(4096).read_to_string(&mut text).ok()?;
    let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    Some(Holder { pid: line("pid=")?.parse().ok()?, purpose: line("purpose=")?, since: line("since=")? })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use chrono::NaiveDate;

    use super::*;

    fn now() -> Timestamp {
        let time = NaiveDate::from_ymd_opt(2026, 11, 24).and_then(|day| day.and_hms_opt(8, 30, 0));
        Timestamp::of_naive(time.expect("a valid time"))
    }

    fn take(database: &Path) -> Result<ProcessLock, LockError> {
        ProcessLock::take(database, "serves 127.0.0.1:8080", now())
    }

    #[test]
    fn the_second_taker_is_told_who_the_first_is() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("new/orchestrator.db");
        let _first = take(&database).unwrap();
        let error = take(&database).unwrap_err().to_string();
        let first = format!("process {} (serves 127.0.0.1:8080, since 2026-11-24T08:30:00Z)", std::process::id());
        assert!(error.contains(&first), "{error}");
        assert!(error.contains(&database.display().to_string()), "{error}");
    }

    #[test]
    fn the_lock_ends_with_its_holder_and_the_file_that_is_left_does_not_matter() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("orchestrator.db");
        std::fs::write(lock_path(&database), "a much longer text of unknown kind, left by somebody\n".repeat(9))
            .unwrap();
        drop(take(&database).unwrap());
        let _again = take(&database).unwrap();
        assert!(matches!(take(&database), Err(LockError::Busy { holder: Some(_), .. })));
    }

    #[test]
    fn a_holder_that_has_not_spoken_yet_is_another_process() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("orchestrator.db");
        let silent = File::create(lock_path(&database)).unwrap();
        silent.lock().unwrap();
        assert!(take(&database).unwrap_err().to_string().contains("in use by another process"));
    }

    #[test]
    fn only_this_user_can_read_the_file_and_the_directory_made_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("data/orchestrator.db");
        let _lock = take(&database).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&lock_path(&database)) & 0o077, 0);
        assert_eq!(mode(&directory.path().join("data")) & 0o077, 0);
    }

    #[test]
    fn a_place_that_cannot_be_locked_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = take(&file.join("orchestrator.db")).unwrap_err().to_string();
        assert!(error.contains("cannot lock") && error.contains("orchestrator.db.lock"), "{error}");
    }
}
