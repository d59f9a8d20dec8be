//! Revisions as JSON files in `revisions/` beside the database, one each, named by number.
//!
//! One that is begun has another name than one that is complete; completing it is a rename. So after a crash every file
//! is what its name says, and the last committed change tells what to do with the one that was begun.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::manifest::Deed;
use crate::domain::revision::{FileDelta, NewRevision, Revision, RevisionEntry, WayBack};
use crate::domain::time::Timestamp;
use crate::fault::point;
use crate::ports::revisions::{Revisions, RevisionsError};

/// How the name of a complete one ends.
const COMPLETE: &str = "json";
/// How the name of one that is begun ends.
const BEGUN: &str = "begun";
/// All of them together have no more bytes; the oldest go.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// The revisions beside one database.
#[derive(Debug, Clone)]
pub struct RevisionDirectory {
    directory: PathBuf,
    keep: u32,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    number: u64,
    base: u64,
    at: String,
    entries: &'a [RevisionEntry],
    files: &'a [FileDelta],
    deeds: &'a [Deed],
}

/// What people read of it.
#[derive(Debug, Deserialize)]
struct Told {
    number: u64,
    at: String,
    entries: Vec<RevisionEntry>,
    files: Vec<FileDelta>,
}

/// What leads back. The first revisions have none of it.
#[derive(Debug, Deserialize)]
struct Back {
    base: Option<u64>,
    deeds: Option<Vec<Deed>>,
}

impl RevisionDirectory {
    /// The revisions beside the database at `database`, `keep` of them at most. Nothing is made before the first one is.
    #[must_use]
    pub fn beside(database: &Path, keep: u32) -> Self {
        Self { directory: database.with_file_name("revisions"), keep }
    }

    fn path(&self, number: u64, end: &str) -> PathBuf {
        self.directory.join(format!("{number:012}.{end}"))
    }

    /// The numbers of the files whose names end so, lowest first.
    fn numbers(&self, end: &str) -> Result<Vec<u64>, RevisionsError> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| fault("list", &self.directory, &error))?,
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| fault("list", &self.directory, &error))?.path();
            if path.extension().is_some_and(|found| found == end) {
                numbers.extend(path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok()));
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn write(&self, revision: &NewRevision) -> Result<(), RevisionsError> {
        self.put_right(Some(revision.base))?;
        let path = self.path(revision.number, BEGUN);
        let json = serde_json::to_vec(&document(revision)).map_err(|error| fault("write", &path, &error.into()))?;
        let write = || -> io::Result<()> {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
            let mut options = OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path)?;
            file.write_all(&json)?;
            file.sync_all()
        };
        write().map_err(|error| fault("write", &path, &error))?;
        self.sync()?;
        point("revision.begun");
        Ok(())
    }

    fn finish(&self, number: u64) -> Result<(), RevisionsError> {
        let path = self.path(number, COMPLETE);
        fs::rename(self.path(number, BEGUN), &path).map_err(|error| fault("complete", &path, &error))?;
        point("revision.completed");
        self.sync()?;
        self.prune()
    }

    /// Removes the oldest that are too many, or too large together.
    fn prune(&self) -> Result<(), RevisionsError> {
        let mut bytes = 0;
        for (place, number) in self.numbers(COMPLETE)?.into_iter().rev().enumerate() {
            let path = self.path(number, COMPLETE);
            bytes += fs::metadata(&path).map_or(0, |metadata| metadata.len());
            // The newest one stays, however large it is.
            if place > 0 && (place >= self.keep as usize || bytes > MOST_BYTES) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    fn put_right(&self, committed: Option<u64>) -> Result<(), RevisionsError> {
        for number in self.numbers(BEGUN)? {
            if committed == Some(number) {
                self.finish(number)?;
            } else {
                remove(&self.path(number, BEGUN))?;
            }
        }
        Ok(())
    }

    /// A part of what a complete file says.
    fn parsed<T: DeserializeOwned>(&self, number: u64) -> Result<Option<T>, RevisionsError> {
        let path = self.path(number, COMPLETE);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|error| fault("read", &path, &error))?,
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| fault("read", &path, &error.into()))
    }

    fn look(&self, number: u64) -> Result<Option<Revision>, RevisionsError> {
        let Some(Told { number, at, entries, files }) = self.parsed(number)? else { return Ok(None) };
        let at = Timestamp::parse(&at).unwrap_or(Timestamp::UNKNOWN);
        Ok(Some(Revision { number, at, entries, files }))
    }

    fn look_back(&self, number: u64) -> Result<Option<WayBack>, RevisionsError> {
        let back = self.parsed(number)?.unwrap_or(Back { base: None, deeds: None });
        Ok(back.base.zip(back.deeds).map(|(base, deeds)| WayBack { base, deeds }))
    }

    fn newest(&self, before: Option<u64>, limit: usize) -> Result<Vec<Revision>, RevisionsError> {
        let mut found = Vec::new();
        let numbers = self.numbers(COMPLETE)?.into_iter().rev();
        for number in numbers.filter(|number| before.is_none_or(|before| *number < before)).take(limit) {
            match self.look(number) {
                Ok(revision) => found.extend(revision),
                Err(error) => tracing::warn!(%error, "a revision is left out of the history"),
            }
        }
        Ok(found)
    }

    /// Makes what was renamed or made lasting.
    fn sync(&self) -> Result<(), RevisionsError> {
        let synced = File::open(&self.directory).and_then(|directory| directory.sync_all());
        synced.map_err(|error| fault("sync", &self.directory, &error))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, RevisionsError> + Send + 'static,
    ) -> Result<T, RevisionsError> {
        let directory = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&directory)).await;
        done.unwrap_or_else(|error| Err(RevisionsError(format!("work on the history was cut short: {error}"))))
    }
}

#[async_trait]
impl Revisions for RevisionDirectory {
    async fn begin(&self, revision: NewRevision) -> Result<(), RevisionsError> {
        self.blocking(move |directory| directory.write(&revision)).await
    }

    async fn complete(&self, number: u64) -> Result<(), RevisionsError> {
        self.blocking(move |directory| directory.finish(number)).await
    }

    async fn abandon(&self, number: u64) -> Result<(), RevisionsError> {
        self.blocking(move |directory| remove(&directory.path(number, BEGUN))).await
    }

    async fn recover(&self, committed: Option<u64>) -> Result<(), RevisionsError> {
        self.blocking(move |directory| directory.put_right(committed)).await
    }

    async fn highest(&self) -> Result<u64, RevisionsError> {
        self.blocking(|directory| Ok(directory.numbers(COMPLETE)?.last().copied().unwrap_or_default())).await
    }

    async fn list(&self, before: Option<u64>, limit: usize) -> Result<Vec<Revision>, RevisionsError> {
        self.blocking(move |directory| directory.newest(before, limit)).await
    }

    async fn read(&self, number: u64) -> Result<Option<Revision>, RevisionsError> {
        self.blocking(move |directory| directory.look(number)).await
    }

    async fn way_back(&self, number: u64) -> Result<Option<WayBack>, RevisionsError> {
        self.blocking(move |directory| directory.look_back(number)).await
    }
}

fn document(revision: &NewRevision) -> Document<'_> {
    let NewRevision { number, base, at, entries, deeds, files } = revision;
    Document { number: *number, base: *base, at: at.iso(), entries, files, deeds }
}

fn remove(path: &Path) -> Result<(), RevisionsError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fault("remove", path, &error)),
        _ => Ok(()),
    }
}

fn fault(what: &str, path: &Path, error: &io::Error) -> RevisionsError {
    RevisionsError(format!("could not {what} {}: {error}", path.display()))
}
