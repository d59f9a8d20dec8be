//! From a wanted change to a staged candidate: what differs, whether it may be replaced, what nginx will see.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::geteuid;

use super::content::Content;
use super::intent::Moves;
use super::pieces::Pieces;
use super::proof;
use super::render::{Composed, Dialect, Renderer};
use super::tree::{self, KINDS, Tree, fault, remove, sync_dir};
use super::write::{mode_of_new, write_unsynced};
use crate::domain::gateway::ManagedFile;
use crate::fault::point;
use crate::ports::gateway::{FileChange, GatewayError};

/// A change as files.
#[derive(Debug, Default)]
pub struct Candidate {
    /// What differs from the live tree.
    pub moves: Moves,
    /// Every file the change names, by shown path.
    pub named: Vec<(String, Arc<Content>)>,
    /// Shown paths of files that go.
    pub removed: Vec<String>,
    texts: HashMap<PathBuf, (Pieces, Arc<Content>)>,
}

/// Staged files that nginx can read, but whose bytes need not be on the disk yet, nor hashed. No intent record may
/// speak of them before they are.
#[derive(Debug)]
#[must_use = "what was staged must be synced before it can go live"]
pub struct Unsynced(Vec<Staged>);

/// A file that was written, which may have been closed already.
#[derive(Debug)]
struct Staged {
    path: PathBuf,
    file: Option<fs::File>,
    content: Arc<Content>,
}

/// A text of so many bytes is sooner compared with a file than hashed.
const LARGE: usize = 64 * 1024;

/// How many files are kept open until they are synced; a rebuild may write more than there are file descriptors.
const KEPT_OPEN: usize = 64;

/// How many files are synced at the same time: those that wait together share what the journal of the disk writes.
const SYNCED_AT_ONCE: usize = 8;

impl Candidate {
    /// Renders a change and compares it with what is live and with what we last wrote.
    ///
    /// # Errors
    /// [`GatewayError::Drifted`] if a file that must change was edited outside.
    pub fn of(change: &FileChange, tree: &Tree, renderer: &Renderer, dialect: Dialect) -> Result<Self, GatewayError> {
        let mut candidate = Self::default();
        for file in &change.put {
            let name = file.name();
            let (relative, overwrite) = (Tree::relative(&name), change.overwrite.covers(&name));
            let Composed { text, facts } = renderer.compose(file, dialect);
            let content = Arc::new(Content::ours(text.clone(), facts));
            let shown = tree.shown(&relative);
            let recorded = change.recorded.get(&shown);
            let live = tree.root().join(&relative);
            let disk = tree.content(&live)?;
            let disk = disk.as_ref().map(|content| content.sha256());
            candidate.named.push((shown.clone(), content.clone()));
            // So it is neither on disk nor recorded, and hashing it can wait until nginx is at work.
            let changed = disk == recorded && text.size() >= LARGE && differs(&text, &live);
            let same_as_disk = !changed && disk == Some(content.sha256());
            // A file that this change leaves as we wrote it is not touched, drifted or not.
            let unchanged = !changed && recorded == Some(content.sha256()) && !overwrite;
            if same_as_disk || unchanged {
                continue;
            }
            // A sidecar that is gone holds no edit that could be lost.
            let gone = disk.is_none() && tree::is_sidecar(&relative);
            if disk != recorded && !gone && !overwrite {
                return Err(GatewayError::Drifted { path: shown });
            }
            candidate.moves.put.push(relative.clone());
            candidate.texts.insert(relative, (text, content));
        }
        candidate.note_removals(change, tree)?;
        Ok(candidate)
    }

    fn note_removals(&mut self, change: &FileChange, tree: &Tree) -> Result<(), GatewayError> {
        let named: Vec<PathBuf> = change.remove.iter().map(Tree::relative).collect();
        for (relative, name) in named.iter().zip(&change.remove) {
            let shown = tree.shown(relative);
            if let Some(content) = tree.content(&tree.root().join(relative))? {
                if Some(content.sha256()) != change.recorded.get(&shown) && !change.overwrite.covers(name) {
                    return Err(GatewayError::Drifted { path: shown });
                }
                self.moves.remove.push(relative.clone());
            }
            self.removed.push(shown);
        }
        if change.remove_unknown {
            let put = change.put.iter().map(ManagedFile::name);
            let kept: HashSet<PathBuf> =
                put.chain(change.keep.iter().cloned()).map(|name| Tree::relative(&name)).collect();
            let ours = |content: &Content, shown: &String| content.managed || change.recorded.contains_key(shown);
            for (relative, content) in tree.observe()? {
                let shown = tree.shown(&relative);
                if ours(&content, &shown) && !kept.contains(&relative) && !named.contains(&relative) {
                    self.removed.push(shown);
                    self.moves.remove.push(relative);
                }
            }
            let known: HashSet<String> = kept.iter().map(|relative| tree.shown(relative)).collect();
            let gone = change.recorded.keys().filter(|path| !known.contains(*path) && !self.removed.contains(path));
            let gone: Vec<String> = gone.cloned().collect();
            self.removed.extend(gone);
        }
        Ok(())
    }

    /// Builds the staging: the live files, and this candidate's in their place.
    ///
    /// # Errors
    /// The disk does not let us.
    pub fn stage(&self, tree: &Tree) -> Result<Unsynced, GatewayError> {
        point("stage.begun");
        if self.moves.concern_nginx() {
            tree.mirror(|relative| self.texts.contains_key(relative))?;
        } else {
            tree.make_staging()?;
        }
        point("stage.mirrored");
        let mut unsynced = Unsynced(Vec::new());
        for (relative, (text, content)) in &self.texts {
            let staged = tree.staging().join(relative);
            let file = match left(&staged, text) {
                Some(file) => file,
                None => write_unsynced(&staged, text)?,
            };
            point("stage.written");
            tree.know(&staged, content.clone());
            let file = (unsynced.0.len() < KEPT_OPEN).then_some(file);
            unsynced.0.push(Staged { path: staged, file, content: content.clone() });
        }
        for relative in &self.moves.remove {
            remove(&tree.staging().join(relative))?;
            point("stage.removed");
        }
        Ok(unsynced)
    }
}

impl Unsynced {
    /// Puts what was staged on the disk.
    ///
    /// # Errors
    /// The disk does not let us: nothing of it may go live.
    pub fn sync(self, tree: &Tree) -> Result<(), GatewayError> {
        let synced = self.sync_all(tree);
        if synced.is_err() {
            // The kernel tells of a fault once. What it could not write must not be found as a file that is there.
            for staged in &self.0 {
                let _ = remove(&staged.path);
            }
        }
        synced
    }

    fn sync_all(&self, tree: &Tree) -> Result<(), GatewayError> {
        let share = self.0.len().div_ceil(SYNCED_AT_ONCE).max(1);
        std::thread::scope(|scope| {
            let others: Vec<_> = self.0.chunks(share).skip(1).map(|part| scope.spawn(|| sync_files(part))).collect();
            let first = self.0.chunks(share).next().map_or(Ok(()), sync_files);
            others.into_iter().fold(first, |synced, other| {
                let other =
                    other.join().unwrap_or_else(|_| Err(GatewayError::Fault("a sync was cut short".to_owned())));
                synced.and(other)
            })
        })?;
        for kind in KINDS {
            sync_dir(&tree.staging().join(kind))?;
        }
        point("stage.done");
        Ok(())
    }

    /// Leaves it as it is: it was staged for nginx to look at, and will not go live.
    ///
    /// # Errors
    /// None.
    pub fn leave(self) -> Result<(), GatewayError> {
        self.0.iter().for_each(|staged| staged.content.hash_now());
        Ok(())
    }
}

fn sync_files(files: &[Staged]) -> Result<(), GatewayError> {
    for Staged { path, file, content } in files {
        // A file that is opened again tells of faults, too, that its writing met in between (Linux 4.16).
        let synced = match file {
            Some(file) => file.sync_all(),
            None => fs::File::open(path).and_then(|file| file.sync_all()),
        };
        synced.map_err(|error| fault("sync", path, &error))?;
        point("stage.synced");
        content.hash_now();
    }
    Ok(())
}

/// A staged file that a plan or a refused change left, if it is what would be written now and nothing else shares it. A
/// new one would cost more: ext4 passes over those that were deleted in the last minutes one by one.
fn left(staged: &Path, text: &Pieces) -> Option<fs::File> {
    let metadata = fs::symlink_metadata(staged).ok()?;
    let fits = metadata.is_file()
        && metadata.nlink() == 1
        && metadata.uid() == geteuid().as_raw()
        && Some(metadata.mode() & 0o7777) == mode_of_new(staged)
        && usize::try_from(metadata.len()) == Ok(text.size());
    let file = fs::File::open(staged).ok().filter(|_| fits)?;
    text.differs_from(&file).is_ok_and(|differs| !differs).then_some(file)
}

/// Whether a file surely holds another text.
fn differs(text: &Pieces, path: &Path) -> bool {
    fs::File::open(path).and_then(|file| text.differs_from(file)).is_ok_and(|differs| differs)
}

/// Proves of a tree what nginx does not check: every pool that a routing map names is defined.
///
/// # Errors
/// The pool, and the file that names it.
pub fn prove_pools(tree: &Tree, base: &Path) -> Result<(), GatewayError> {
    let files = tree.observe_at(base)?;
    match proof::undefined(files.iter().map(|(relative, content)| (relative, &content.facts))) {
        None => Ok(()),
        Some((relative, pool)) => Err(GatewayError::Refused(format!(
            "{} routes to pool {pool}, but no file defines that upstream: its requests would be answered with 502. \
             Rewrite the files with POST /api/config/rebuild, or restore pools/{pool}.conf",
            tree.shown(relative)
        ))),
    }
}

/// What was added to a log since it had `offset` bytes.
#[must_use]
pub fn tail(log: &Path, offset: u64) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = fs::File::open(log)?;
        let start = if file.metadata()?.len() < offset { 0 } else { offset };
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(64 * 1024).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_candidate_that_did_not_reach_the_disk_is_left_to_be_taken_for_one_that_did() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        tree.make_staging().unwrap();
        let staged = |name: &str| {
            let path = tree.staging().join("pools").join(name);
            fs::write(&path, name).unwrap();
            Staged { path, file: None, content: Arc::new(Content::of(name.as_bytes())) }
        };
        let (first, lost) = (staged("first.conf"), staged("lost.conf"));
        let path = first.path.clone();
        fs::remove_file(&lost.path).unwrap();
        let refused = Unsynced(vec![first, lost]).sync(&tree).unwrap_err();
        assert!(refused.to_string().contains("lost.conf"), "{refused}");
        assert!(!path.exists());
    }
}
