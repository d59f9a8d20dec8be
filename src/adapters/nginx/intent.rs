//! A change of several files, all or nothing, through any crash.
//!
//! The new bytes (those that nginx tested) and the old ones get second names under `.nanio/new` and
//! `.nanio/old`; the intent record, fsynced, says which file is which; then each file is renamed into place
//! and the directories are fsynced; then the database commits; then the record goes. A start that finds a
//! record compares its change with the database's last one and moves the files forward or back.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::tree::{self, IDS, KINDS, Tree, fault, link, remove, sync_dir};
use super::write::{temporary, write_last};
use crate::domain::sidecar::SIDECAR_SUFFIX;
use crate::fault::point;
use crate::ports::gateway::{GatewayError, Recovery};

/// What a candidate changes, by place below the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moves {
    /// Files whose staged bytes go live.
    pub put: Vec<PathBuf>,
    /// Files that go.
    pub remove: Vec<PathBuf>,
}

impl Moves {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.remove.is_empty()
    }

    /// Whether nginx would see a difference.
    #[must_use]
    pub fn concern_nginx(&self) -> bool {
        self.put.iter().chain(&self.remove).any(|path| !tree::is_sidecar(path))
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Intent {
    change: String,
    files: Vec<Move>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Move {
    path: PathBuf,
    had_old: bool,
    has_new: bool,
}

impl Tree {
    fn record(&self) -> PathBuf {
        self.work().join("intent.json")
    }

    fn kept(&self, side: &str, index: usize) -> PathBuf {
        self.work().join(side).join(index.to_string())
    }

    /// Makes a staged candidate live, under a record that names `change`.
    ///
    /// # Errors
    /// The disk does not let us; the old files are back.
    pub fn put_live(&self, moves: &Moves, change: &str) -> Result<(), GatewayError> {
        let intent = self.prepare(moves, change)?;
        self.move_files(&intent, true).or_else(|error| {
            self.move_files(&intent, false)?;
            self.forget()?;
            Err(error)
        })
    }

    /// Drops the record: the database has committed.
    ///
    /// # Errors
    /// The disk does not let us.
    pub fn forget(&self) -> Result<(), GatewayError> {
        point("forget.begun");
        remove(&self.record())?;
        point("forget.removed");
        sync_dir(&self.work())?;
        for side in ["old", "new"] {
            empty(&self.work().join(side))?;
        }
        point("forget.done");
        Ok(())
    }

    /// Puts the old files back and drops the record: the database has not committed.
    ///
    /// # Errors
    /// The disk does not let us.
    pub fn undo(&self) -> Result<(), GatewayError> {
        if let Some(intent) = self.read_record()? {
            self.move_files(&intent, false)?;
        }
        self.forget()
    }

    /// Completes or reverts what a crash interrupted, and removes what it left lying about.
    ///
    /// # Errors
    /// The disk does not let us, or the record cannot be read.
    pub fn recover(&self, committed: Option<&str>) -> Result<Recovery, GatewayError> {
        let outcome = match self.read_record()? {
            None => Recovery::Clean,
            Some(intent) => {
                let forward = committed == Some(intent.change.as_str());
                point("recover.record-read");
                self.move_files(&intent, forward)?;
                point("recover.moved");
                if forward { Recovery::RolledForward } else { Recovery::RolledBack }
            }
        };
        self.forget()?;
        self.sweep()?;
        point("recover.swept");
        Ok(outcome)
    }

    /// Removes files that a crash stopped on their way: ours beside the live files, all in directories of ours.
    fn sweep(&self) -> Result<(), GatewayError> {
        let ours = [".conf.tmp", ".meta.json.tmp"].as_slice();
        let kinds = KINDS.map(|kind| (self.root().join(kind), ours));
        // A staged sidecar is of no use to the next change, and may hold encrypted keys.
        let staged = KINDS.map(|kind| (self.staging().join(kind), [".tmp", SIDECAR_SUFFIX].as_slice()));
        let others = [
            (self.root().to_owned(), [".meta.json.tmp"].as_slice()),
            (self.staging(), [".tmp", SIDECAR_SUFFIX].as_slice()),
            (self.work(), [".tmp"].as_slice()),
        ];
        for (dir, ends) in kinds.into_iter().chain(staged).chain(others) {
            for path in entries(&dir)? {
                if ends.iter().any(|end| path.to_string_lossy().ends_with(end)) {
                    remove(&path)?;
                }
            }
        }
        Ok(())
    }

    /// Gives old and new bytes their second names and writes the record.
    fn prepare(&self, moves: &Moves, change: &str) -> Result<Intent, GatewayError> {
        for side in ["old", "new"] {
            let dir = self.work().join(side);
            fs::create_dir_all(&dir).map_err(|error| fault("make the directory", &dir, &error))?;
            point("prepare.directory");
            empty(&dir)?;
        }
        let mut files = Vec::new();
        let all = moves.put.iter().map(|path| (path, true)).chain(moves.remove.iter().map(|path| (path, false)));
        for (index, (path, has_new)) in all.enumerate() {
            let live = self.root().join(path);
            let had_old = live.exists();
            if had_old {
                link(&live, &self.kept("old", index))?;
                point("prepare.old-kept");
            }
            if has_new {
                link(&self.staging().join(path), &self.kept("new", index))?;
                point("prepare.new-kept");
            }
            files.push(Move { path: path.clone(), had_old, has_new });
        }
        let intent = Intent { change: change.to_owned(), files };
        let json = serde_json::to_vec_pretty(&intent)
            .map_err(|error| GatewayError::Fault(format!("could not write the intent record: {error}")))?;
        point("intent.before-record");
        write_last(&self.record(), &json, || {
            ["old", "new"].iter().try_for_each(|side| sync_dir(&self.work().join(side)))
        })?;
        sync_dir(&self.work())?;
        point("intent.recorded");
        Ok(intent)
    }

    fn read_record(&self) -> Result<Option<Intent>, GatewayError> {
        let path = self.record();
        if !path.exists() {
            return Ok(None);
        }
        let bytes = fs::read(&path).map_err(|error| fault("read", &path, &error))?;
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            GatewayError::Fault(format!(
                "the intent record {} cannot be read ({error}); look at the files it names, then remove it",
                path.display()
            ))
        })
    }

    /// Puts every file of an intent on its new or its old side. Doing it again changes nothing.
    fn move_files(&self, intent: &Intent, forward: bool) -> Result<(), GatewayError> {
        for (index, file) in intent.files.iter().enumerate() {
            let live = self.root().join(&file.path);
            let (side, wanted) = if forward { ("new", file.has_new) } else { ("old", file.had_old) };
            if wanted {
                replace(&self.kept(side, index), &live)?;
            } else {
                remove(&live)?;
                point("move.removed");
            }
        }
        for kind in KINDS {
            sync_dir(&self.root().join(kind))?;
        }
        if intent.files.iter().any(|file| file.path == Path::new(IDS)) {
            sync_dir(self.root())?;
        }
        point("move.done");
        Ok(())
    }
}

/// Gives `live` the bytes of `kept` in one step.
fn replace(kept: &Path, live: &Path) -> Result<(), GatewayError> {
    let temporary = temporary(live);
    remove(&temporary)?;
    tree::link(kept, &temporary)?;
    point("move.linked");
    fs::rename(&temporary, live).map_err(|error| fault("replace", live, &error))?;
    point("move.renamed");
    // rename(2) does nothing when both names are one file already, and leaves the first one.
    remove(&temporary)
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, GatewayError> {
    let read = || -> std::io::Result<Vec<PathBuf>> { fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect() };
    read().map_err(|error| fault("list", dir, &error))
}

fn empty(dir: &Path) -> Result<(), GatewayError> {
    if dir.exists() {
        for path in entries(dir)? {
            remove(&path)?;
            point("kept.removed");
        }
    }
    Ok(())
}
