//! Commands that work on the service's data do so as the service's user.
//!
//! Root, who types them, would leave files behind that the service cannot write: its next start would fail.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::config::Settings;

/// Goes on as the owner of the data directory, if we are root and that is somebody else: then the program is started
/// anew in the place of this one, so call it before anything is opened. Returns if there is nothing to do.
///
/// # Errors
/// The program cannot be started anew.
pub fn become_it(settings: &Settings) -> io::Result<()> {
    let directory = settings.db_path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    match std::fs::metadata(directory) {
        Ok(owner) if owner.uid() != 0 => {
            let mut command = Command::new(std::env::current_exe()?);
            Err(command.args(std::env::args_os().skip(1)).uid(owner.uid()).gid(owner.gid()).exec())
        }
        Ok(_) => Ok(()),
        // The command makes it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
