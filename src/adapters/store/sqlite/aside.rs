//! A database that is not to be used any more gets another name, with its log; nothing of it is lost.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::copy::{beside, remove, sync_names};
use crate::fault::point;

/// Gives the database at `path` the first free name that begins with `<path>.<word>`, and tells it.
///
/// It has both names until the new one is lasting, and loses the old one before its log does: a database is never
/// seen without the log that belongs to it.
///
/// # Errors
/// The disk does not let us; the database is where it was.
pub fn set_aside(path: &Path, word: &str) -> io::Result<PathBuf> {
    let name = free_name(path, word)?;
    for end in ["-wal", ""] {
        match fs::hard_link(beside(path, end), beside(&name, end)) {
            Err(error) if error.kind() == ErrorKind::NotFound && !end.is_empty() => {}
            linked => linked?,
        }
    }
    sync_names(path)?;
    point("aside.named");
    remove(path)?;
    sync_names(path)?;
    point("aside.gone");
    discard_log(path)?;
    Ok(name)
}

/// Removes the log of a database that is not there any more.
///
/// # Errors
/// It stays.
fn discard_log(path: &Path) -> io::Result<()> {
    for end in ["-wal", "-shm"] {
        remove(&beside(path, end))?;
    }
    sync_names(path)
}

/// The first name that no database and no log has.
fn free_name(path: &Path, word: &str) -> io::Result<PathBuf> {
    for number in 1..1000_u32 {
        let end = if number == 1 { format!(".{word}") } else { format!(".{word}.{number}") };
        let name = beside(path, &end);
        if !name.exists() && !beside(&name, "-wal").exists() {
            return Ok(name);
        }
    }
    Err(io::Error::new(ErrorKind::AlreadyExists, format!("too many files are called {}.{word}…", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_goes_aside_with_its_log_and_takes_nobody_s_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        for round in ["one", "two"] {
            fs::write(&path, round).unwrap();
            fs::write(beside(&path, "-wal"), format!("log of {round}")).unwrap();
            fs::write(beside(&path, "-shm"), "").unwrap();
            let name = set_aside(&path, "corrupt").unwrap();
            assert_eq!(fs::read_to_string(&name).unwrap(), round);
            assert_eq!(fs::read_to_string(beside(&name, "-wal")).unwrap(), format!("log of {round}"));
            assert!(!path.exists() && !beside(&path, "-wal").exists() && !beside(&path, "-shm").exists());
        }
        assert!(beside(&path, ".corrupt").exists() && beside(&path, ".corrupt.2").exists());
    }
}
