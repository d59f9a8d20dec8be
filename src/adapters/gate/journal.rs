//! The journal: a file that nginx appends to, and that we only read.
//!
//! Its first line is ours. Who empties or replaces the file (`copytruncate`) takes that line away, and is found out,
//! also after a restart of ours.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};

use super::place::fault;
use crate::domain::migration::token::Token;
use crate::ports::gate::GateError;

/// What is read at a time, unless a single line is longer.
const PART: usize = 4 * 1024 * 1024;
/// A bulk deletion's body is 4 MB at most, of which each byte takes six at most, and a URI beside it.
const LONGEST_LINE: usize = 32 * 1024 * 1024;
/// With less room than this, the next lines may be lost.
const LEAST_ROOM: u64 = 256 * 1024;

/// Our line.
pub(super) fn first_line(token: &Token) -> Vec<u8> {
    format!("{{\"e\":\"journal\",\"of\":\"{token}\"}}\n").into_bytes()
}

/// Makes a journal with room for so many bytes; `None` if there is a file of this name.
///
/// Readable by our group, since nginx gives its logs to its workers' user when it reopens them (USR1).
pub(super) fn make(path: &Path, token: &Token, room: u64) -> Result<Option<File>, GateError> {
    let file = OpenOptions::new().read(true).append(true).create_new(true).mode(0o640).open(path);
    let mut file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        Err(error) => return Err(fault("make", path, &error)),
    };
    let written = reserve(&file, room).and_then(|()| {
        // Whatever the umask is.
        file.set_permissions(Permissions::from_mode(0o640))?;
        file.write_all(&first_line(token))?;
        file.sync_all()
    });
    written.map_err(|error| {
        // Nobody knows the name: what is left of it would only be in the way.
        let _ = std::fs::remove_file(path);
        GateError::Fault(format!(
            "could not reserve {room} bytes for the journal {}: {error}; free some space there, or set \
             NANIO_ORCHESTRATOR_MIGRATION_GATE_DIR to a file system that can (ext4, xfs, btrfs)",
            path.display()
        ))
    })?;
    Ok(Some(file))
}

/// Reserves room behind what is written, so that a full disk does not stop the journal.
fn reserve(file: &File, room: u64) -> io::Result<()> {
    let length = file.metadata()?.len();
    fallocate(file, FallocateFlags::KEEP_SIZE, length, room)?;
    Ok(())
}

/// Keeps the reserve: when half of it is used, it is filled up again.
///
/// # Errors
/// There is next to nothing left, and no more to be had.
pub(super) fn keep_room(path: &Path, room: u64) -> Result<(), GateError> {
    // Also one that nginx gave to its workers' user can be written by root; by others it can only be looked at.
    let file = OpenOptions::new().append(true).open(path).or_else(|_| File::open(path));
    let file = file.map_err(|error| fault("open", path, &error))?;
    let metadata = file.metadata().map_err(|error| fault("look at", path, &error))?;
    let left = (metadata.blocks() * 512).saturating_sub(metadata.len());
    if left >= room / 2 {
        return Ok(());
    }
    match reserve(&file, room) {
        Ok(()) => Ok(()),
        Err(_) if left >= LEAST_ROOM.min(room / 4) => Ok(()),
        Err(error) => Err(GateError::Void(format!(
            "the room that was reserved for the journal {} is used up, and there is no more: {error}; free some space \
             on its file system",
            path.display()
        ))),
    }
}

/// A part of a journal, as it is in the file.
pub(super) struct Part {
    pub lines: Vec<Vec<u8>>,
    pub end: u64,
}

/// The whole lines from `from` on, but for our own.
pub(super) fn part(path: &Path, token: &Token, from: u64) -> Result<Part, GateError> {
    let file = File::open(path).map_err(|error| fault("read the journal", path, &error))?;
    let length = file.metadata().map_err(|error| fault("look at", path, &error))?.len();
    let first = first_line(token);
    let from = from.max(first.len() as u64);
    if length < from {
        return Err(shrunk(path));
    }
    let mut size = PART;
    loop {
        let bytes = read_at(&file, from, size).map_err(|error| fault("read the journal", path, &error))?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        if whole > 0 || bytes.len() < size {
            let lines = bytes[..whole].split_inclusive(|byte| *byte == b'\n');
            let lines = lines.map(|line| line[..line.len() - 1].to_vec()).collect();
            return Ok(Part { lines, end: from + whole as u64 });
        }
        if size >= LONGEST_LINE {
            return Err(GateError::Void(format!(
                "the journal {} has a line of more than {LONGEST_LINE} bytes at {from}",
                path.display()
            )));
        }
        size *= 2;
    }
}

/// Whether our line is still where we wrote it.
pub(super) fn is_whole(path: &Path, token: &Token) -> Result<bool, GateError> {
    let first = first_line(token);
    let read = || read_at(&File::open(path)?, 0, first.len());
    Ok(read().map_err(|error| fault("read the journal", path, &error))? == first)
}

pub(super) fn shrunk(path: &Path) -> GateError {
    GateError::Void(format!(
        "the journal {} has become shorter: somebody has emptied it. No rotation of logs may touch that directory",
        path.display()
    ))
}

fn read_at(file: &File, from: u64, size: usize) -> io::Result<Vec<u8>> {
    let (mut bytes, mut filled) = (vec![0; size], 0);
    while filled < size {
        match file.read_at(&mut bytes[filled..], from + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token::parse(&"7".repeat(Token::LENGTH)).unwrap()
    }

    #[test]
    fn lines_are_given_as_bytes_and_only_when_they_are_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("7.journal");
        let mut file = make(&path, &token(), 1 << 20).unwrap().unwrap();
        assert!(make(&path, &token(), 1 << 20).unwrap().is_none(), "a name is used once");
        let empty = part(&path, &token(), 0).unwrap();
        assert_eq!(empty.lines, Vec::<Vec<u8>>::new());
        file.write_all(b"a\xff\n\nhalf").unwrap();
        let first = part(&path, &token(), 0).unwrap();
        assert_eq!(first.lines, [b"a\xff".to_vec(), Vec::new()]);
        file.write_all(b" and half\n").unwrap();
        assert_eq!(part(&path, &token(), first.end).unwrap().lines, [b"half and half".to_vec()]);
    }

    #[test]
    fn a_line_that_is_longer_than_a_part_is_read_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("7.journal");
        let mut file = make(&path, &token(), 1 << 20).unwrap().unwrap();
        let long = [vec![b'x'; PART + 5], b"\nshort\n".to_vec()].concat();
        file.write_all(&long).unwrap();
        let first = part(&path, &token(), 0).unwrap();
        assert_eq!(first.lines.iter().map(Vec::len).collect::<Vec<_>>(), [PART + 5, 5]);
        assert_eq!(part(&path, &token(), first.end).unwrap().lines, Vec::<Vec<u8>>::new());
    }

    #[test]
    fn room_that_is_used_is_reserved_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("7.journal");
        let mut file = make(&path, &token(), 1 << 20).unwrap().unwrap();
        let left = || {
            let metadata = std::fs::metadata(&path).unwrap();
            (metadata.blocks() * 512).saturating_sub(metadata.len())
        };
        assert!(left() >= (1 << 20) - 4096);
        file.write_all(&vec![b'\n'; 900_000]).unwrap();
        file.sync_all().unwrap();
        assert!(left() < 1 << 18);
        keep_room(&path, 1 << 20).unwrap();
        assert!(left() >= 1 << 19);
    }

    #[test]
    fn a_journal_that_was_emptied_is_found_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("7.journal");
        let mut file = make(&path, &token(), 1 << 20).unwrap().unwrap();
        assert!(is_whole(&path, &token()).unwrap());
        file.write_all(b"line\n").unwrap();
        let end = part(&path, &token(), 0).unwrap().end;
        file.set_len(0).unwrap();
        assert!(matches!(part(&path, &token(), end), Err(GateError::Void(_))));
        file.write_all(&[b'\n'; 100]).unwrap();
        assert!(!is_whole(&path, &token()).unwrap());
    }
}
