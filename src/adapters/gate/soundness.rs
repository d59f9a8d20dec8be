//! Whether anything can be missing in a journal.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::journal;
use super::log_watch::{LogMark, LogWatch};
use super::place::{Place, fault};
use crate::adapters::nginx::family::Family;
use crate::adapters::nginx::running::RunningNginx;
use crate::domain::gateway::moving::GateFile;
use crate::domain::migration::token::Token;
use crate::fault::point;
use crate::ports::gate::GateError;

/// The kinds of a token's files that belong to its journal.
pub(super) const JOURNAL: &str = GateFile::Journal.word();
pub(super) const BIRTH: &str = "birth";
pub(super) const BIRTH_DRAFT: &str = "birth-draft";

/// nginx tells of a failed write to a log when it has told of none for 59 seconds.
pub(super) const QUIET: Duration = Duration::from_secs(60);
/// So often a renewal waits for writes that succeed.
const RENEWALS: usize = 3;

/// What a journal was when it was made or renewed; on disk, so that a restart of ours proves as much as before.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Birth {
    /// The boot of the machine (`/proc/sys/kernel/random/boot_id`): what nginx wrote last is lost with it.
    boot: String,
    device: u64,
    inode: u64,
    length: u64,
    /// Whether our first line was there.
    whole: bool,
    logs: Vec<LogMark>,
}

/// What is known of a journal since this process looks at it.
#[derive(Default)]
pub(super) struct Memory {
    /// How far it was read.
    pub read: u64,
    watches: Option<Vec<LogWatch>>,
    /// A failed write in nginx's words, and when it was noticed.
    failure: Option<(String, Instant)>,
}

/// Writes down what a journal is from now on.
pub(super) fn note(place: &Place, token: &Token, nginx: &RunningNginx) -> Result<(), GateError> {
    let path = place.file(token, JOURNAL);
    let metadata = fs::metadata(&path).map_err(|error| fault("look at", &path, &error))?;
    let birth = Birth {
        boot: boot()?,
        device: metadata.dev(),
        inode: metadata.ino(),
        length: metadata.len(),
        whole: journal::is_whole(&path, token)?,
        logs: marks(nginx)?,
    };
    let json = serde_json::to_vec(&birth)
        .map_err(|error| GateError::Fault(format!("the state of a journal cannot be written down: {error}")))?;
    let (to, draft) = (place.file(token, BIRTH), place.file(token, BIRTH_DRAFT));
    let write = || -> io::Result<()> {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(&json)?;
        file.sync_all()?;
        fs::rename(&draft, &to)
    };
    write().map_err(|error| fault("write", &to, &error))?;
    point("gate.birth-noted");
    place.sync()
}

fn marks(nginx: &RunningNginx) -> Result<Vec<LogMark>, GateError> {
    nginx.error_logs().map_err(GateError::Fault)?.iter().map(|log| LogMark::now(log)).collect()
}

/// See [`Gate::sound`](crate::ports::gate::Gate::sound).
pub(super) fn prove(
    place: &Place,
    token: &Token,
    nginx: &RunningNginx,
    room: u64,
    memory: &mut Memory,
) -> Result<(), GateError> {
    let path = place.file(token, JOURNAL);
    let birth = birth(place, token)?;
    if birth.boot != boot()? {
        return Err(void(&path, "the machine was restarted: what nginx wrote last may be lost"));
    }
    let length = expect_same(&path, &birth)?;
    if length < birth.length.max(memory.read) || birth.whole && !journal::is_whole(&path, token)? {
        return Err(journal::shrunk(&path));
    }
    journal::keep_room(&path, room)?;
    let family = nginx.family().map_err(GateError::Fault)?;
    expect_open(&path, &family)?;
    watch(&path, &birth, memory)?;
    match &memory.failure {
        Some((words, _)) => Err(void(&path, &format!("nginx could not write all of it: {words}"))),
        None => Ok(()),
    }
}

/// Looks whether nginx has complained. Also while a journal is read, so that a rotation of logs hides nothing.
fn watch(path: &Path, birth: &Birth, memory: &mut Memory) -> Result<(), GateError> {
    let mut watches = match memory.watches.take() {
        Some(watches) => watches,
        None => birth.logs.iter().map(LogWatch::since).collect::<Result<_, _>>()?,
    };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let looks = watches.iter_mut().try_fold(None, |found: Option<String>, log| Ok(found.or(log.look(&name)?)));
    if let Some(line) = looks? {
        memory.failure = Some((line, Instant::now()));
    }
    // Only after a look that saw everything; else the next one begins at the mark.
    memory.watches = Some(watches);
    Ok(())
}

/// As [`watch`], for a journal that is read.
pub(super) fn glance(place: &Place, token: &Token, memory: &mut Memory) {
    if let Ok(birth) = birth(place, token) {
        // What is wrong is found again, and said, when the journal is to be proven.
        let _ = watch(&place.file(token, JOURNAL), &birth, memory);
    }
}

/// One round of [`Gate::renew`](crate::ports::gate::Gate::renew): how long to wait before the next, or that it is done.
pub(super) fn renew(
    place: &Place,
    token: &Token,
    nginx: &RunningNginx,
    quiet: Duration,
    memory: &mut Memory,
) -> Result<Option<Duration>, GateError> {
    let path = place.file(token, JOURNAL);
    let birth = birth(place, token)?;
    expect_same(&path, &birth)?;
    // A log that was rotated away or emptied is no reason to wait longer than for a failure that it might have told of.
    if watch(&path, &birth, memory).is_err() && memory.failure.is_none() {
        memory.failure = Some(("a log that is gone".to_owned(), Instant::now()));
    }
    if let Some((_, noticed)) = &memory.failure
        && noticed.elapsed() < quiet
    {
        return Ok(Some(quiet - noticed.elapsed()));
    }
    note(place, token, nginx)?;
    *memory = Memory::default();
    Ok(None)
}

/// As often as [`renew`] may be asked to wait.
pub(super) fn rounds() -> std::ops::Range<usize> {
    0..RENEWALS
}

/// After all rounds.
pub(super) fn hopeless(place: &Place, token: &Token) -> GateError {
    void(&place.file(token, JOURNAL), "nginx still fails to write it; is its file system full?")
}

fn birth(place: &Place, token: &Token) -> Result<Birth, GateError> {
    let path = place.file(token, BIRTH);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(void(&path, "it is gone, so nothing is known of the journal"));
        }
        Err(error) => return Err(fault("read", &path, &error)),
    };
    serde_json::from_slice(&bytes).map_err(|_| void(&path, "it is damaged, so nothing is known of the journal"))
}

/// The journal's length, if it is still the file that was made.
fn expect_same(path: &Path, birth: &Birth) -> Result<u64, GateError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if (metadata.dev(), metadata.ino()) == (birth.device, birth.inode) => Ok(metadata.len()),
        Ok(_) => Err(void(path, "it is another file than the one that nginx writes to")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(void(path, "it is gone")),
        Err(error) => Err(fault("look at", path, &error)),
    }
}

/// That every process of nginx has this file open, as far as we may see what they have.
fn expect_open(path: &Path, family: &Family) -> Result<(), GateError> {
    let metadata = fs::metadata(path).map_err(|error| fault("look at", path, &error))?;
    for process in std::iter::once(family.master).chain(family.workers.iter().copied()) {
        // One that has ended meanwhile has nothing open, and one of another user shows nothing. One that is ending
        // shows some files of many: it is looked at twice.
        let lacks = || {
            let open = open_files(process.pid).unwrap_or_default();
            !open.is_empty() && !open.contains(&(metadata.dev(), metadata.ino()))
        };
        if !(lacks() && lacks()) {
            continue;
        }
        return Err(void(
            path,
            &format!("process {} of nginx does not write to it; reload nginx, so that it opens its logs", process.pid),
        ));
    }
    Ok(())
}

/// Whether nginx has never written to a journal, and no process of it would now. One whose files we may not see might.
pub(super) fn is_unused(place: &Place, token: &Token, nginx: &RunningNginx) -> Result<bool, GateError> {
    let path = place.file(token, JOURNAL);
    let metadata = match fs::metadata(&path) {
        Ok(metadata) => metadata,
        // It is made first and removed last: somebody else took it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(fault("look at", &path, &error)),
    };
    if metadata.len() > journal::first_line(token).len() as u64 {
        return Ok(false);
    }
    let family = nginx.family().map_err(GateError::Fault)?;
    let all = std::iter::once(family.master).chain(family.workers.iter().copied());
    let may_write = |pid: u32| {
        let open = open_files(pid).unwrap_or_default();
        open.is_empty() || open.contains(&(metadata.dev(), metadata.ino()))
    };
    Ok(!all.into_iter().any(|process| may_write(process.pid)))
}

/// Device and inode of the regular files that a process has open.
fn open_files(pid: u32) -> io::Result<HashSet<(u64, u64)>> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"))?;
    let file = |path: PathBuf| {
        // Sockets are the many; files are named by a path.
        fs::read_link(&path).ok().filter(|target| target.is_absolute())?;
        let metadata = fs::metadata(&path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    Ok(entries.filter_map(|entry| file(entry.ok()?.path())).collect())
}

fn boot() -> Result<String, GateError> {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    let read = File::open(path).and_then(io::read_to_string);
    read.map(|text| text.trim().to_owned()).map_err(|error| fault("read", path, &error))
}

fn void(path: &Path, why: &str) -> GateError {
    GateError::Void(format!("the journal {} cannot be relied upon: {why}", path.display()))
}
