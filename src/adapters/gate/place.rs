//! The gate directory: who may enter it, whether it lasts, and the names of its files.
//!
//! ```text
//! <dir>/<token>.src .held .switched .open    the token: nginx looks at these names at each request
//! <dir>/<token>.journal                      what nginx writes of each write
//! <dir>/<token>.birth                        what the journal was when it was made or renewed
//! <dir>/<token>.copy                         keys of a back-fill that a copier may be writing
//! <dir>/<token>.relay                        uploads that were completed and are not carried over yet
//! <dir>/gate.sock relay.sock                 where nginx asks
//! ```

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::domain::migration::token::Token;
use crate::ports::gate::GateError;

/// File systems that forget what they hold, or that another machine holds (statfs(2)).
const FLEETING: [(u64, &str); 8] = [
    (0x0102_1994, "tmpfs"),
    (0x8584_58f6, "ramfs"),
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x517b, "SMB"),
    (0x0102_1997, "9p"),
    (0x00c3_6400, "Ceph"),
];

/// Places that are emptied while the machine runs or when it starts.
const SWEPT: [&str; 4] = ["/tmp", "/var/tmp", "/run", "/dev/shm"];

/// The gate directory.
#[derive(Debug, Clone)]
pub(super) struct Place {
    directory: PathBuf,
    /// Whether it may be on something that does not last: for a demo or a test.
    fleeting: bool,
}

impl Place {
    pub fn new(directory: PathBuf, fleeting: bool) -> Self {
        Self { directory, fleeting }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A file of a token.
    pub fn file(&self, token: &Token, kind: &str) -> PathBuf {
        self.directory.join(format!("{token}.{kind}"))
    }

    /// Makes the directory if it is not there. Everybody may look up a name that he knows; only we see which there are.
    pub fn prepare(&self) -> Result<(), GateError> {
        let directory = &self.directory;
        if let Some(parent) = directory.parent() {
            fs::create_dir_all(parent).map_err(|error| fault("make the directory", parent, &error))?;
        }
        match fs::DirBuilder::new().mode(0o711).create(directory) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(fault("make the directory", directory, &error)),
        }
        let metadata = fs::metadata(directory).map_err(|error| fault("look at", directory, &error))?;
        if metadata.permissions().mode() & 0o777 != 0o711 {
            fs::set_permissions(directory, Permissions::from_mode(0o711))
                .map_err(|error| fault("set the mode 0711 of", directory, &error))?;
        }
        if self.fleeting { Ok(()) } else { self.expect_lasting() }
    }

    /// Refuses a place that does not last, or is not this machine's.
    pub fn expect_lasting(&self) -> Result<(), GateError> {
        let told = |what: &str| {
            GateError::Fault(format!(
                "{} is {what}: a machine that restarts in the middle of a migration would not know any more which side \
                 has the writes. Set NANIO_ORCHESTRATOR_MIGRATION_GATE_DIR to a directory on a local disk",
                self.directory.display()
            ))
        };
        let canonical = fs::canonicalize(&self.directory).map_err(|error| fault("look at", &self.directory, &error))?;
        if let Some(swept) = SWEPT.iter().find(|swept| canonical.starts_with(swept)) {
            return Err(told(&format!("under {swept}, which is emptied")));
        }
        let kind = rustix::fs::statfs(&canonical)
            .map_err(|error| fault("ask for the file system of", &canonical, &error.into()))?;
        // The field's type differs between machines; the kinds are numbers of 32 bits.
        let kind = u64::from(kind.f_type.cast_unsigned() as u32);
        match FLEETING.iter().find(|(number, _)| *number == kind) {
            Some((_, name)) => Err(told(&format!("on {name}, which does not last or is not this machine's"))),
            None => Ok(()),
        }
    }

    /// Refuses a place whose files a worker of nginx could not look up, since it would hold every write.
    pub fn expect_reachable(&self, worker_user: u32) -> Result<(), GateError> {
        if worker_user == 0 {
            return Ok(());
        }
        let canonical = fs::canonicalize(&self.directory).map_err(|error| fault("look at", &self.directory, &error))?;
        for directory in canonical.ancestors() {
            let metadata = fs::metadata(directory).map_err(|error| fault("look at", directory, &error))?;
            let mode = metadata.permissions().mode();
            // Which groups the worker is in is not known here: one that may enter is given the benefit of the doubt.
            let may_enter = mode & 0o011 != 0 || metadata.uid() == worker_user && mode & 0o100 != 0;
            if !may_enter {
                return Err(GateError::Fault(format!(
                    "nginx's workers (user {worker_user}) cannot enter {}, and so cannot see the files in {}; let them \
                     with: chmod o+x {0}",
                    directory.display(),
                    self.directory.display()
                )));
            }
        }
        Ok(())
    }

    /// Bytes that are free on the file system of the directory, or of the one that it would be made in.
    pub fn free(&self) -> Result<u64, GateError> {
        let there = self.directory.ancestors().find(|directory| directory.is_dir());
        let there = there.unwrap_or(Path::new("/"));
        let told = rustix::fs::statvfs(there).map_err(|error| fault("ask for free space on", there, &error.into()))?;
        Ok(told.f_bavail.saturating_mul(told.f_frsize))
    }

    /// Makes what was created, renamed or removed in the directory lasting.
    pub fn sync(&self) -> Result<(), GateError> {
        let sync = || File::open(&self.directory)?.sync_all();
        sync().map_err(|error| fault("write", &self.directory, &error))
    }

    /// The tokens of which there is any file, in order.
    pub fn tokens(&self) -> Result<Vec<Token>, GateError> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(fault("list", &self.directory, &error)),
        };
        let mut tokens = Vec::new();
        for entry in entries {
            let name = entry.map_err(|error| fault("list", &self.directory, &error))?.file_name();
            let token = name.to_str().and_then(|name| name.split_once('.')).map(|(token, _)| Token::parse(token));
            tokens.extend(token.and_then(Result::ok));
        }
        tokens.sort();
        tokens.dedup();
        Ok(tokens)
    }
}

/// What failed, on what, and what the system said.
pub(super) fn fault(what: &str, path: &Path, error: &io::Error) -> GateError {
    GateError::Fault(format!("could not {what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_shows_nobody_which_files_there_are() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/gate");
        for mode in [0o700, 0o777] {
            Place::new(path.clone(), true).prepare().unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o711);
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        }
    }

    #[test]
    fn a_place_that_does_not_last_is_refused_with_the_setting_to_change() {
        let directory = tempfile::tempdir_in("/dev/shm").unwrap();
        let told = Place::new(directory.path().join("gate"), false).prepare().unwrap_err().to_string();
        assert!(told.contains("/dev/shm") && told.contains("NANIO_ORCHESTRATOR_MIGRATION_GATE_DIR"), "{told}");
        Place::new(directory.path().join("gate"), true).prepare().unwrap();
        let link = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let link = link.path().join("gate");
        std::os::unix::fs::symlink(directory.path().join("gate"), &link).unwrap();
        assert!(Place::new(link, false).prepare().is_err(), "a link to such a place is one too");
    }

    #[test]
    fn a_place_that_workers_cannot_enter_is_refused_with_the_command_to_run() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::new(directory.path().join("gate"), true);
        place.prepare().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
        let told = place.expect_reachable(u32::MAX - 7).unwrap_err().to_string();
        assert!(told.contains(&format!("chmod o+x {}", directory.path().display())), "{told}");
        fs::set_permissions(directory.path(), Permissions::from_mode(0o711)).unwrap();
        place.expect_reachable(u32::MAX - 7).unwrap();
        place.expect_reachable(0).unwrap();
    }
}
