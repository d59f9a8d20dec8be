//! A copy takes the place of the database.
//!
//! Until the copy is whole, sound and of this program's schema, nothing is touched. Then one rename decides: from
//! `x.db.restored` on, the copy is the database, and whoever opens it next completes what a crash interrupted. There
//! is a database under its name at every instant, the old one or the new one; the old one is kept aside, with its
//! log.

use std::fs;
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use diesel::SqliteConnection;

use crate::adapters::store::error::OpenError;
use crate::domain::audit::{Action, Actor, BackupOutcome, NewEntry, Snapshot, Subject};
use crate::domain::time::Timestamp;
use crate::fault::point;
use crate::ports::store::Access;

use super::connection::{SqliteFile, connect};
use super::copy::{CopyFault, beside, copy, discard, prove, remove, sync_names};
use super::file::{is_new, lacks_migration, migrate, peek, tables};
use super::heritage::{Heritage, transact};

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Where the database is that was there before; `None`: there was none.
    pub aside: Option<PathBuf>,
}

/// Why the database was not restored. Unless it says otherwise, it is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is no such file.
    #[error("there is no file {place}; nothing was changed")]
    Missing {
        /// Which file.
        place: String,
    },
    /// There is nothing in it.
    #[error("{place} holds no database of nanio-orchestrator: it is empty; nothing was changed. Choose another copy")]
    Empty {
        /// Which file.
        place: String,
    },
    /// It is the database itself.
    #[error("{place} is the database that is in use, not a copy of it; nothing was changed")]
    Itself {
        /// Which file.
        place: String,
    },
    /// It is not a copy that this program can use.
    #[error("it cannot be restored: {0}")]
    Copy(#[from] OpenError),
    /// It could not be copied to the place of the database.
    #[error("{0}; nothing was changed")]
    Fault(String),
    /// The copy is there, but not yet under the database's name.
    #[error(
        "{place} was decided on and could not be completed: {why}. Put that right, then start the server, which \
         completes it"
    )]
    Unfinished {
        /// The database.
        place: String,
        /// What stands in the way.
        why: String,
    },
}

impl From<CopyFault> for RestoreError {
    fn from(fault: CopyFault) -> Self {
        RestoreError::Fault(fault.to_string())
    }
}

/// Puts a copy of the database at `from` in the place of `database`. The file `from` stays as it is. Call it under
/// the process lock only.
///
/// # Errors
/// Unless it is [`RestoreError::Unfinished`], nothing was changed.
pub fn restore(database: &Path, from: &Path, now: Timestamp) -> Result<Restored, RestoreError> {
    let source = SqliteFile { path: from.to_owned(), place: from.display().to_string() };
    let fault = |path: &Path, why: std::io::Error| RestoreError::Fault(format!("{}: {why}", path.display()));
    let Some(given) = identity(from).map_err(|why| fault(from, why))? else {
        return Err(RestoreError::Missing { place: source.place });
    };
    finish(database).map_err(|why| fault(database, why))?;
    if identity(database).map_err(|why| fault(database, why))? == Some(given) {
        return Err(RestoreError::Itself { place: source.place });
    }
    if beside(from, "-journal").exists() {
        let what = "was interrupted in the middle of a write (its -journal is beside it); open it once with sqlite3";
        return Err(RestoreError::Fault(format!("{} {what}", source.place)));
    }
    if is_new(&source)? {
        return Err(RestoreError::Empty { place: source.place });
    }
    let restoring = beside(database, RESTORING);
    let mut connection = peek(&source)?;
    let behind = ours(&mut connection, &source.place)?;
    copy(&mut connection, &restoring)?;
    drop(connection);
    prepare(&restoring, behind, Heritage::of(database, now), &source.place, now)
        .and_then(|()| give_to_its_owner(&restoring, database))
        .inspect_err(|_| {
            // The fault that came first says more than one of the removal; the next start removes it too.
            let _ = discard(&restoring);
        })?;
    decide(&restoring, database)?;
    let unfinished = |why: std::io::Error| RestoreError::Unfinished {
        place: format!("the restore of {}", database.display()),
        why: why.to_string(),
    };
    let aside = finish(database).map_err(unfinished)?;
    Ok(Restored { aside })
}

const RESTORING: &str = ".restoring";
const RESTORED: &str = ".restored";

/// Whether there is a database, or one that was decided on and that the next opening puts in its place.
#[must_use]
pub fn is_there(database: &Path) -> bool {
    database.exists() || beside(database, RESTORED).exists()
}

/// Refuses what is not ours; `true` if its schema is an older one of ours.
fn ours(connection: &mut SqliteConnection, place: &str) -> Result<bool, RestoreError> {
    let tables = tables(connection, place)?;
    if tables.is_empty() {
        return Err(RestoreError::Empty { place: place.to_owned() });
    }
    Ok(lacks_migration(connection, place, &tables)?)
}

/// Brings the copy up to date, notes in it where it came from, and proves that it is sound after all.
fn prepare(
    restoring: &Path,
    behind: bool,
    heritage: Heritage,
    came_from: &str,
    now: Timestamp,
) -> Result<(), RestoreError> {
    let fault = |why: &dyn std::fmt::Display| RestoreError::from(CopyFault::at(restoring, "cannot prepare", &why));
    let mut connection = connect(restoring, Access::Write).map_err(|why| fault(&why))?;
    if behind {
        migrate(&mut connection, &restoring.display().to_string()).map_err(|why| fault(&why))?;
    }
    let outcome = BackupOutcome { ok: true, backup_path: Some(came_from.to_owned()), detail: None };
    let entry = NewEntry {
        actor: Actor::Cli,
        action: Action::Restore,
        subject: Subject::Config,
        before: None,
        after: Some(Snapshot::Backup(outcome)),
        nginx: None,
        at: now,
    };
    transact(&mut connection, Access::Write, move |tx| {
        heritage.enter(tx)?;
        tx.append_audit(&entry).map(drop)
    })
    .map_err(|why| fault(&why))?;
    drop(connection);
    prove(restoring)?;
    fs::File::open(restoring).and_then(|file| file.sync_all()).map_err(|why| fault(&why))?;
    point("restore.prepared");
    Ok(())
}

/// The copy belongs to whom the database belongs, or its directory: root may restore what another user serves.
fn give_to_its_owner(restoring: &Path, database: &Path) -> Result<(), RestoreError> {
    let fault = |why: std::io::Error| RestoreError::from(CopyFault::at(restoring, "cannot give away", &why));
    let directory = database.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let owner = fs::metadata(database).or_else(|_| fs::metadata(directory)).map_err(fault)?;
    let file = fs::File::open(restoring).map_err(fault)?;
    let present = file.metadata().map_err(fault)?;
    if (present.uid(), present.gid()) != (owner.uid(), owner.gid()) {
        fchown(&file, Some(owner.uid()), Some(owner.gid())).and_then(|()| file.sync_all()).map_err(fault)?;
    }
    Ok(())
}

/// From here on the copy is the database.
fn decide(restoring: &Path, database: &Path) -> Result<(), RestoreError> {
    let restored = beside(database, RESTORED);
    let fault = |why: std::io::Error| RestoreError::from(CopyFault::at(&restored, "cannot make", &why));
    fs::rename(restoring, &restored).map_err(fault)?;
    sync_names(&restored).map_err(|why| RestoreError::Unfinished {
        place: format!("the restore of {}", database.display()),
        why: why.to_string(),
    })?;
    point("restore.decided");
    Ok(())
}

/// Completes a restore that was decided on, and removes what is left of one that was not. Tells where the database
/// is that was there before.
pub(super) fn finish(database: &Path) -> std::io::Result<Option<PathBuf>> {
    discard(&beside(database, RESTORING))?;
    let restored = beside(database, RESTORED);
    let Ok(metadata) = fs::metadata(&restored) else { return Ok(None) };
    // The file's own time, so that the same name comes out however often this is begun.
    let time = DateTime::<Utc>::from(metadata.modified()?).format("%Y%m%dT%H%M%SZ");
    let aside = match identity(database)? {
        Some(present) => Some(keep_aside(database, present, &format!(".before-restore-{time}"))?),
        None => None,
    };
    for log in ["-wal", "-journal"] {
        let present = beside(database, log);
        if let (Some(aside), Some(identity)) = (&aside, identity(&present)?) {
            link(&present, identity, &beside(aside, log))?;
            point("restore.log-kept");
        }
    }
    sync_names(database)?;
    for log in ["-wal", "-journal", "-shm"] {
        remove(&beside(database, log))?;
    }
    sync_names(database)?;
    point("restore.log-removed");
    fs::rename(&restored, database)?;
    sync_names(database)?;
    point("restore.placed");
    Ok(aside)
}

/// Gives the present database another name beside its own.
fn keep_aside(database: &Path, present: Identity, name: &str) -> std::io::Result<PathBuf> {
    let mut aside = beside(database, name);
    let mut number = 2;
    // Taken by another one: a restore of the same second.
    while identity(&aside)?.is_some_and(|taken| taken != present) {
        aside = beside(database, &format!("{name}-{number}"));
        number += 1;
    }
    link(database, present, &aside)?;
    point("restore.kept-aside");
    Ok(aside)
}

/// A second name for a file, unless it has that one already.
fn link(file: &Path, present: Identity, name: &Path) -> std::io::Result<()> {
    if identity(name)? == Some(present) {
        return Ok(());
    }
    fs::hard_link(file, name)
}

/// Device and inode.
type Identity = (u64, u64);

fn identity(path: &Path) -> std::io::Result<Option<Identity>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some((metadata.dev(), metadata.ino()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
