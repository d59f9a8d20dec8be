//! Migration records as JSON files in `migrations/` beside the database, in the form of 0.4.x and a little more.
//!
//! A record is replaced as a whole and durably, and only its owner may look at it. What a crash left half written
//! has another name and is not read.

mod read;
mod write;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use crate::domain::disk::MigrationFile;
use crate::domain::ids::MigrationId;
use crate::domain::migration::{Migration, Phase};
use crate::ports::migration_files::{MigrationFiles, MigrationFilesError};

pub use read::record;
pub use write::text;

/// The form that this program writes. A later one that cannot be read by this program gets another number.
pub const FORMAT: u32 = 1;

/// How the name of the record of a migration under way ends.
const STATE: &str = ".state.json";
/// How the name of the record of a migration that is done ends.
const DONE: &str = ".done.json";
/// No record is larger.
const MAX_BYTES: u64 = 1024 * 1024;

/// The records beside one database.
#[derive(Debug, Clone)]
pub struct MigrationDirectory {
    directory: PathBuf,
}

impl MigrationDirectory {
    /// The records beside the database at `database`. Nothing is made before the first record is.
    #[must_use]
    pub fn beside(database: &Path) -> Self {
        Self { directory: database.with_file_name("migrations") }
    }

    fn path(&self, id: MigrationId, end: &str) -> PathBuf {
        self.directory.join(format!("migration-{id}{end}"))
    }

    fn read_all(&self) -> Result<Vec<MigrationFile>, MigrationFilesError> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| fault("list", &self.directory, &error))?,
        };
        let mut paths = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| fault("list", &self.directory, &error))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("migration-") && (name.ends_with(STATE) || name.ends_with(DONE)) {
                paths.push(entry.path());
            }
        }
        paths.sort();
        let file = |path: PathBuf| MigrationFile {
            content: read_file(&path).and_then(|text| record(&text, &file_name(&path))),
            path: path.display().to_string(),
        };
        Ok(paths.into_iter().map(file).collect())
    }

    fn write_one(&self, migration: &Migration) -> Result<(), MigrationFilesError> {
        if migration.phase == Phase::Cancelled {
            return self.remove_all(migration.id);
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)
            .map_err(|error| fault("make the directory", &self.directory, &error))?;
        let done = migration.phase == Phase::Done;
        let path = self.path(migration.id, if done { DONE } else { STATE });
        replace(&path, text(migration).as_bytes()).map_err(|error| fault("write", &path, &error))?;
        self.sync()?;
        // The other record goes only after this one has come.
        if remove(&self.path(migration.id, if done { STATE } else { DONE }))? {
            self.sync()?;
        }
        Ok(())
    }

    fn remove_all(&self, id: MigrationId) -> Result<(), MigrationFilesError> {
        let (state, done) = (remove(&self.path(id, STATE))?, remove(&self.path(id, DONE))?);
        if state || done { self.sync() } else { Ok(()) }
    }

    /// Makes what was renamed or removed lasting.
    fn sync(&self) -> Result<(), MigrationFilesError> {
        let synced = File::open(&self.directory).and_then(|directory| directory.sync_all());
        synced.map_err(|error| fault("sync", &self.directory, &error))
    }
}

#[async_trait]
impl MigrationFiles for MigrationDirectory {
    async fn read(&self) -> Result<Vec<MigrationFile>, MigrationFilesError> {
        self.blocking(Self::read_all).await
    }

    async fn write(&self, migration: &Migration) -> Result<(), MigrationFilesError> {
        let migration = migration.clone();
        self.blocking(move |directory| directory.write_one(&migration)).await
    }

    async fn remove(&self, id: MigrationId) -> Result<(), MigrationFilesError> {
        self.blocking(move |directory| directory.remove_all(id)).await
    }
}

impl MigrationDirectory {
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, MigrationFilesError> + Send + 'static,
    ) -> Result<T, MigrationFilesError> {
        let directory = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&directory)).await;
        done.unwrap_or_else(|error| Err(MigrationFilesError(format!("work on the records was cut short: {error}"))))
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn read_file(path: &Path) -> Result<String, String> {
    let metadata = fs::symlink_metadata(path).map_err(|error| format!("it cannot be looked at: {error}"))?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err("it is not an ordinary file of at most 1 MiB".to_owned());
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes));
    read.map_err(|error| format!("it cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("json.tmp");
    let write = || {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

/// Whether there was something to remove.
fn remove(path: &Path) -> Result<bool, MigrationFilesError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(fault("remove", path, &error)),
    }
}

fn fault(what: &str, path: &Path, error: &io::Error) -> MigrationFilesError {
    MigrationFilesError(format!("could not {what} {}: {error}", path.display()))
}
