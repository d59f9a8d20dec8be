//! New files: never in place, and there whole or not at all.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use super::pieces::Pieces;
use super::tree::{fault, is_sidecar};
use crate::fault::point;
use crate::ports::gateway::GatewayError;

/// Writes a new file durably: a temporary one, fsync, rename. Never in place, since the old file may have
/// other names. A sidecar, which may hold encrypted keys, is readable by its owner only.
///
/// # Errors
/// The disk does not let us.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), GatewayError> {
    write_last(path, bytes, || Ok(()))
}

/// As [`write_new`], of a file that speaks of others: it is there only after `others` has made them durable.
/// Its own bytes go first, since with them a journal takes along what the directories owe.
///
/// # Errors
/// The disk does not let us, or `others` did not succeed.
pub fn write_last(
    path: &Path,
    bytes: &[u8],
    others: impl FnOnce() -> Result<(), GatewayError>,
) -> Result<(), GatewayError> {
    let file = create(path, |file| file.write_all(bytes))?;
    let synced = file.sync_all().map_err(|error| fault("write", path, &error));
    let done = synced.and_then(|()| {
        point("write.synced");
        others()?;
        put_in_place(path)
    });
    done.inspect_err(|_| drop_temporary(path))
}

/// As [`write_new`], but the bytes are on the disk only when the file that is given back was synced.
///
/// # Errors
/// The disk does not let us.
pub fn write_unsynced(path: &Path, text: &Pieces) -> Result<fs::File, GatewayError> {
    let file = create(path, |file| text.write_to(file))?;
    put_in_place(path).inspect_err(|_| drop_temporary(path))?;
    Ok(file)
}

fn create(path: &Path, write: impl FnOnce(&mut fs::File) -> io::Result<()>) -> Result<fs::File, GatewayError> {
    let mode = wanted_mode(path);
    let mut options = fs::OpenOptions::new();
    let create = || -> io::Result<fs::File> {
        let mut file = options.write(true).create(true).truncate(true).mode(mode).open(temporary(path))?;
        point("write.created");
        write(&mut file)?;
        point("write.written");
        Ok(file)
    };
    create().map_err(|error| {
        drop_temporary(path);
        fault("write", path, &error)
    })
}

fn wanted_mode(path: &Path) -> u32 {
    if is_sidecar(path) { 0o600 } else { 0o666 }
}

/// The mode that a file has which we write now; `None` if the system does not tell what our umask takes away.
#[must_use]
pub fn mode_of_new(path: &Path) -> Option<u32> {
    // Asking for it by umask(2) would change it for a moment.
    static UMASK: LazyLock<Option<u32>> = LazyLock::new(|| {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
        u32::from_str_radix(umask.trim(), 8).ok()
    });
    UMASK.map(|umask| wanted_mode(path) & !umask)
}

fn put_in_place(path: &Path) -> Result<(), GatewayError> {
    fs::rename(temporary(path), path).map_err(|error| fault("write", path, &error))?;
    point("write.renamed");
    Ok(())
}

/// After a fault; the next start sweeps up what stays even so.
fn drop_temporary(path: &Path) {
    let _ = fs::remove_file(temporary(path));
}

/// The name of a file on its way.
#[must_use]
pub fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}
