//! What is about to happen to the env file, written down beside the database: enough to complete it or take it back
//! after a crash. It holds the file's secrets, so nobody else can read it.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::disk;
use crate::fault::point;

/// Where intentions are written down.
#[derive(Debug, Clone)]
pub(super) struct Journal(PathBuf);

/// One change of an env file.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Intention {
    /// The file.
    pub file: PathBuf,
    /// The change of the database that goes with it; `None`: it stands for itself.
    pub change: Option<String>,
    /// The text before; `None`: there was no file.
    pub old: Option<String>,
    /// The text after.
    pub new: String,
}

impl Journal {
    /// The journal beside this database.
    pub fn beside(database: &Path) -> Self {
        Self(disk::beside(database, ".settings"))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn write(&self, intention: &Intention) -> io::Result<()> {
        disk::write_private(&self.0, &serde_json::to_vec(intention)?)?;
        point("settings.intended");
        Ok(())
    }

    /// What was written down and not forgotten.
    pub fn read(&self) -> io::Result<Option<Intention>> {
        match disk::read(&self.0)? {
            Some(text) => Ok(Some(serde_json::from_str(&text)?)),
            None => Ok(None),
        }
    }

    pub fn forget(&self) -> io::Result<()> {
        disk::forget(&self.0)?;
        point("settings.forgotten");
        // Where there was none, there need not even be a directory.
        if disk::parent(&self.0).is_dir() { disk::sync_directory(&self.0) } else { Ok(()) }
    }
}
