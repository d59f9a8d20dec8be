//! The copies that are kept: `x.bak`, `x.bak.2`, … `x.bak.N`, the newest first.
//!
//! A copy on its way is `x.bak.tmp` until it is proven sound, and `x.bak.new` until it is `x.bak`. Older copies move
//! up only for a sound one, and only as far as the first name that is free: so a crash between two moves leaves each
//! copy under some name, and the same moves made again put it right.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::fault::point;

use super::copy::{CopyFault, beside, discard, remove, sync_names};
use super::file::MAGIC;

/// The greatest number of copies that the setting allows: whatever has a higher one in its name is not ours.
const MOST: u32 = 1000;
/// How much of two copies is compared at a time.
const CHUNK: usize = 64 * 1024;

/// The names of the copies.
#[derive(Debug, Clone)]
pub(super) struct Series {
    /// The newest.
    pub(super) path: PathBuf,
    /// How many there may be.
    pub(super) keep: u32,
}

impl Series {
    /// The copy on its way.
    pub(super) fn unproven(&self) -> PathBuf {
        beside(&self.path, ".tmp")
    }

    /// The sound copy whose place is not free yet.
    fn coming(&self) -> PathBuf {
        beside(&self.path, ".new")
    }

    /// The copy of this number; 1 is the newest.
    fn name(&self, number: u32) -> PathBuf {
        if number == 1 { self.path.clone() } else { beside(&self.path, &format!(".{number}")) }
    }

    /// Refuses to move or replace anything that is not a copy of a database.
    pub(super) fn check(&self, database: &Path) -> Result<(), CopyFault> {
        let refuse = |path: &Path, why: &str| {
            let todo = "nothing was moved or replaced. Set NANIO_ORCHESTRATOR_DB_BACKUP_PATH to another path, or move \
                        the file away";
            CopyFault::at(path, "cannot keep a copy at", &format!("{why}; {todo}"))
        };
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let own = ["", "-wal", "-shm", "-journal", ".lock"].map(|more| absolute(&beside(database, more)));
        let names: Vec<PathBuf> =
            (1..=self.keep).map(|number| self.name(number)).chain([self.unproven(), self.coming()]).collect();
        if let Some(path) = names.iter().find(|path| own.contains(&absolute(path))) {
            return Err(refuse(path, "that name belongs to the database itself"));
        }
        if let Some(directory) = absolute(&self.path).parent().filter(|directory| !directory.is_dir()) {
            let why = format!("the directory {} is not there; make it, or mount what holds it", directory.display());
            return Err(CopyFault::at(&self.path, "cannot keep a copy at", &why));
        }
        let live = fs::metadata(database).map_err(|why| CopyFault::at(database, "cannot read the database", &why))?;
        for path in &names {
            match look(path) {
                Ok(Found::Nothing | Found::Empty) => {}
                Ok(Found::Database { device, inode }) if (device, inode) != (live.dev(), live.ino()) => {}
                Ok(Found::Database { .. }) => return Err(refuse(path, "it is the database itself")),
                // The first bytes of a copy that was cut short may be anything.
                Ok(Found::Other) if *path == self.unproven() => {}
                Ok(Found::Other) => return Err(refuse(path, "what is there is no copy of a database")),
                Err(why) => return Err(CopyFault::at(path, "cannot look at", &why)),
            }
        }
        Ok(())
    }

    /// Whether the copy on its way is the newest copy once more, byte for byte.
    pub(super) fn repeats_the_newest(&self) -> Result<bool, CopyFault> {
        let unproven = self.unproven();
        same_bytes(&unproven, &self.path).map_err(|why| CopyFault::at(&self.path, "cannot compare the copy with", &why))
    }

    /// The copy on its way is sound: makes it the newest.
    pub(super) fn admit(&self) -> Result<(), CopyFault> {
        let (unproven, coming) = (self.unproven(), self.coming());
        fs::rename(&unproven, &coming)
            .and_then(|()| sync_names(&coming))
            .map_err(|why| CopyFault::at(&coming, "cannot give the copy its name", &why))?;
        point("backup.proven");
        self.place()
    }

    /// Completes what a crash interrupted, as far as the copy was sound; removes it otherwise.
    pub(super) fn settle(&self) -> Result<(), CopyFault> {
        let (unproven, coming) = (self.unproven(), self.coming());
        discard(&unproven).map_err(|why| CopyFault::at(&unproven, "cannot remove what is left of a copy,", &why))?;
        if look(&coming).is_ok_and(|found| matches!(found, Found::Database { .. })) {
            self.place()?;
        }
        Ok(())
    }

    /// Moves the older copies up to the first free name, then the new one to the front.
    fn place(&self) -> Result<(), CopyFault> {
        let free = |number: &u32| matches!(look(&self.name(*number)), Ok(Found::Nothing | Found::Empty));
        // With no free name the oldest copy is replaced by the one after it.
        let last = (1..=self.keep).find(free).unwrap_or(self.keep);
        for number in (1..last).rev() {
            rename(&self.name(number), &self.name(number + 1))?;
            point("backup.moved");
        }
        rename(&self.coming(), &self.path)?;
        sync_names(&self.path).map_err(|why| CopyFault::at(&self.path, "cannot make the names last around", &why))?;
        point("backup.placed");
        Ok(())
    }

    /// Removes copies beyond the number that is kept, of a time when it was higher.
    pub(super) fn drop_surplus(&self) -> Result<(), CopyFault> {
        for path in (self.keep + 1..=MOST).map(|number| self.name(number)) {
            if matches!(look(&path), Ok(Found::Database { .. })) {
                remove(&path).map_err(|why| CopyFault::at(&path, "cannot remove the surplus copy", &why))?;
            }
        }
        Ok(())
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), CopyFault> {
    fs::rename(from, to)
        .map_err(|why| CopyFault::at(from, "cannot move the copy", &format!("to {}: {why}", to.display())))
}

/// What stands under a name.
enum Found {
    Nothing,
    /// A file of no bytes.
    Empty,
    /// An SQLite file, of whatever content.
    Database {
        device: u64,
        inode: u64,
    },
    Other,
}

fn look(path: &Path) -> std::io::Result<Found> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        other => other?,
    };
    if !metadata.is_file() {
        return Ok(Found::Other);
    }
    let mut start = Vec::new();
    File::open(path)?.take(MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok(match start.as_slice() {
        [] => Found::Empty,
        start if start == MAGIC => Found::Database { device: metadata.dev(), inode: metadata.ino() },
        _ => Found::Other,
    })
}

fn same_bytes(one: &Path, other: &Path) -> std::io::Result<bool> {
    let (mut one, mut other) = match File::open(other) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        opened => (File::open(one)?, opened?),
    };
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (Vec::with_capacity(CHUNK), Vec::with_capacity(CHUNK));
    loop {
        left.clear();
        right.clear();
        one.by_ref().take(CHUNK as u64).read_to_end(&mut left)?;
        other.by_ref().take(CHUNK as u64).read_to_end(&mut right)?;
        if left != right {
            return Ok(false);
        }
        if left.is_empty() {
            return Ok(true);
        }
    }
}
