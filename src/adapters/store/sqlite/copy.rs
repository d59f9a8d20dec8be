//! A copy of a database that is in use: what is committed, in one file, proven sound, on the disk.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use diesel::SqliteConnection;
use diesel::connection::SimpleConnection;

use crate::adapters::store::schema_state::lines;
use crate::fault::point;

use super::connection::{absolute_text, establish};

/// Why there is no copy: what happened, to what.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct CopyFault(String);

impl CopyFault {
    /// `what` went wrong at `path`.
    pub(super) fn at(path: &Path, what: &str, why: &impl std::fmt::Display) -> Self {
        Self(format!("{what} {}: {why}", path.display()))
    }
}

/// Copies the last committed state that `from` sees into the new file `to`; what was there is gone. It holds a
/// read transaction, so that nobody waits for it. The file is readable by its owner only: it holds credentials.
///
/// # Errors
/// There is no file `to`.
pub(super) fn copy(from: &mut SqliteConnection, to: &Path) -> Result<(), CopyFault> {
    discard(to).map_err(|why| CopyFault::at(to, "cannot remove what is left of an earlier copy,", &why))?;
    let copied = write(from, to);
    if copied.is_err() {
        // The fault that came first says more than one of the removal; the next copy removes it too.
        let _ = discard(to);
    }
    copied
}

fn write(from: &mut SqliteConnection, to: &Path) -> Result<(), CopyFault> {
    let fault = |why: &dyn std::fmt::Display| CopyFault::at(to, "cannot write the copy", &why);
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(|why| fault(&why))?;
    point("copy.made");
    let literal = absolute_text(to).map_err(|why| fault(&why))?.replace('\'', "''");
    from.batch_execute(&format!("VACUUM INTO '{literal}'")).map_err(|why| fault(&why))?;
    point("copy.written");
    prove(to)?;
    File::open(to).and_then(|file| file.sync_all()).map_err(|why| fault(&why))?;
    point("copy.synced");
    Ok(())
}

/// Reads all of a database that nobody writes to.
///
/// # Errors
/// It is damaged, or cannot be read.
pub(super) fn prove(path: &Path) -> Result<(), CopyFault> {
    let unsound = |why: &dyn std::fmt::Display| CopyFault::at(path, "the copy is not sound,", &why);
    let mut connection = establish(path, "mode=ro&immutable=1").map_err(|why| unsound(&why))?;
    let said = lines(&mut connection, "SELECT quick_check AS line FROM pragma_quick_check");
    match said.map_err(|why| unsound(&why))?.into_iter().find(|line| line != "ok") {
        None => Ok(()),
        Some(what) => Err(unsound(&what)),
    }
}

/// Removes a database that is not finished, and its journal.
pub(super) fn discard(path: &Path) -> std::io::Result<()> {
    remove(&beside(path, "-journal"))?;
    remove(path)
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The path whose name goes on with `more`.
pub(super) fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(more);
    name.into()
}

/// Makes the names in the directory of `path` last.
pub(super) fn sync_names(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(directory) if directory != Path::new("") => File::open(directory)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}
