//! The managed directory: where files are, what they hold, and the staging copy that nginx tests.
//!
//! ```text
//! <dir>/pools/00-nanio.conf <pool>.conf      live, included by nginx.conf
//! <dir>/vhosts/<server name>.conf            live, included by nginx.conf
//! <dir>/{pools,vhosts}/<name>.meta.json      sidecars: what a rebuild needs and nginx has no directive for
//! <dir>/ids.meta.json                        how high the ids have risen
//! <dir>/.nanio/staging/{pools,vhosts}/       the same files as hard links, but for a candidate's
//! <dir>/.nanio/{intent.json,old/,new/}       a change on its way (see `intent`)
//! ```

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::content::Content;
use crate::domain::gateway::FileName;
use crate::domain::pool::RESERVED_POOL_NAME;
use crate::domain::sidecar::SIDECAR_SUFFIX;
use crate::fault::point;
use crate::ports::gateway::GatewayError;

/// The first line of every file of ours.
pub const MANAGED_LINE: &str = "# managed by nanio-orchestrator";

/// The file of the highest ids.
pub const IDS: &str = "ids.meta.json";

/// The directories under the managed one, in the order in which nginx.conf includes them.
pub const KINDS: [&str; 2] = ["pools", "vhosts"];

/// The managed directory.
pub struct Tree {
    root: PathBuf,
    seen: Mutex<HashMap<PathBuf, (Stamp, Arc<Content>)>>,
}

/// What makes a file the same file with the same bytes, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            inode: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Lower-hex SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

impl Tree {
    /// The tree at `root`, which is made with its sub-directories if it is not there.
    ///
    /// # Errors
    /// The directories cannot be made.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, GatewayError> {
        let root = root.into();
        for kind in KINDS {
            let dir = root.join(kind);
            fs::create_dir_all(&dir).map_err(|error| fault("make the directory", &dir, &error))?;
        }
        let tree = Self { root, seen: Mutex::new(HashMap::new()) };
        // nginx's master reads the staging as root, or as the same user: nobody else needs to look.
        make_private(&tree.work())?;
        tree.make_staging()?;
        Ok(tree)
    }

    /// The tree at `root` for a look: nothing is made.
    #[must_use]
    pub fn looked_at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), seen: Mutex::new(HashMap::new()) }
    }

    /// The managed directory, as configured.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where changes on their way are kept.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.root.join(".nanio")
    }

    /// The tree that nginx tests.
    #[must_use]
    pub fn staging(&self) -> PathBuf {
        self.work().join("staging")
    }

    /// A file's place below the root.
    #[must_use]
    pub fn relative(name: &FileName) -> PathBuf {
        match name {
            FileName::Common => Path::new("pools").join(format!("{RESERVED_POOL_NAME}.conf")),
            FileName::Upstream(pool) => Path::new("pools").join(format!("{pool}.conf")),
            FileName::Server(server) => Path::new("vhosts").join(format!("{server}.conf")),
            FileName::PoolSidecar(pool) => Path::new("pools").join(format!("{pool}{SIDECAR_SUFFIX}")),
            FileName::VhostSidecar(server) => Path::new("vhosts").join(format!("{server}{SIDECAR_SUFFIX}")),
            FileName::Ids => Path::new(IDS).to_owned(),
        }
    }

    /// The path under which a file is known to operators and to the database.
    #[must_use]
    pub fn shown(&self, relative: &Path) -> String {
        self.root.join(relative).to_string_lossy().into_owned()
    }

    /// Everything nginx would include, and the sidecars, by place below the root.
    ///
    /// # Errors
    /// A directory or file cannot be read.
    pub fn observe(&self) -> Result<BTreeMap<PathBuf, Arc<Content>>, GatewayError> {
        let mut files = self.observe_at(&self.root)?;
        files.extend(self.observe_sidecars()?);
        Ok(files)
    }

    /// The sidecars and the file of ids, by place below the root.
    fn observe_sidecars(&self) -> Result<BTreeMap<PathBuf, Arc<Content>>, GatewayError> {
        let mut files = BTreeMap::new();
        let mut places = vec![PathBuf::from(IDS)];
        for kind in KINDS {
            let names = names_in(&self.root.join(kind), SIDECAR_SUFFIX)?;
            places.extend(names.into_iter().map(|name| Path::new(kind).join(name)));
        }
        for relative in places {
            if let Some(content) = self.content(&self.root.join(&relative))? {
                files.insert(relative, content);
            }
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|path, _| {
            let here = is_sidecar(path) && path.starts_with(&self.root) && !path.starts_with(self.work());
            !here || path.strip_prefix(&self.root).is_ok_and(|relative| files.contains_key(relative))
        });
        Ok(files)
    }

    /// Where managed files are, below the root, in order.
    ///
    /// # Errors
    /// A directory cannot be listed.
    pub fn places(&self) -> Result<Vec<PathBuf>, GatewayError> {
        let mut places = vec![PathBuf::from(IDS)];
        for kind in KINDS {
            for end in [".conf", SIDECAR_SUFFIX] {
                let names = names_in(&self.root.join(kind), end)?;
                places.extend(names.into_iter().map(|name| Path::new(kind).join(name)));
            }
        }
        places.sort();
        Ok(places)
    }

    /// As [`Tree::observe`], of a tree of the same form: the live one or the staging.
    ///
    /// # Errors
    /// A directory or file cannot be read.
    pub fn observe_at(&self, base: &Path) -> Result<BTreeMap<PathBuf, Arc<Content>>, GatewayError> {
        let mut files = BTreeMap::new();
        for kind in KINDS {
            for name in included(&base.join(kind))? {
                let relative = Path::new(kind).join(name);
                if let Some(content) = self.content(&base.join(&relative))? {
                    files.insert(relative, content);
                }
            }
        }
        // What is gone is forgotten, but only what belongs to this tree.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let dirs = KINDS.map(|kind| base.join(kind));
        seen.retain(|path, _| {
            let here = !is_sidecar(path) && path.parent().is_some_and(|parent| dirs.iter().any(|dir| dir == parent));
            !here || path.strip_prefix(base).is_ok_and(|relative| files.contains_key(relative))
        });
        Ok(files)
    }

    /// Forgets what was learned by reading.
    pub fn forget_contents(&self) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What a live file holds; read only if it is not the file that was read before.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn content(&self, path: &Path) -> Result<Option<Arc<Content>>, GatewayError> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault("look at", path, &error)),
        };
        let stamp = Stamp::of(&metadata);
        if let Some((known, content)) = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(path)
            && *known == stamp
        {
            return Ok(Some(content.clone()));
        }
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault("read", path, &error)),
        };
        let content = Arc::new(if is_sidecar(path) { Content::of_sidecar(&bytes) } else { Content::of(&bytes) });
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(path.to_owned(), (stamp, content.clone()));
        Ok(Some(content))
    }

    /// Remembers what a file holds that we have just written ourselves, so that it need not be read.
    pub fn know(&self, path: &Path, content: Arc<Content>) {
        if let Ok(metadata) = fs::metadata(path) {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.insert(path.to_owned(), (Stamp::of(&metadata), content));
        }
    }

    /// After staged files went live: what was known of them there is known of them here, unless somebody
    /// has written to them since. (Links alone change a file's ctime.)
    pub fn carry_over(&self, relative: &Path) {
        let (live, staged) = (self.root.join(relative), self.staging().join(relative));
        let known = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(&staged).cloned();
        let (Some((stamp, content)), Ok(metadata)) = (known, fs::metadata(&live)) else { return };
        let now = Stamp::of(&metadata);
        if (now.inode, now.size, now.modified) == (stamp.inode, stamp.size, stamp.modified) {
            self.know(&live, content.clone());
            self.know(&staged, content);
        }
    }

    /// Drops a staged file that went live and is of no use to the next change.
    ///
    /// # Errors
    /// It stays.
    pub fn drop_staged(&self, relative: &Path) -> Result<(), GatewayError> {
        let staged = self.staging().join(relative);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(&staged);
        remove(&staged)
    }

    /// Makes the directories of the staging, should somebody have removed them.
    ///
    /// # Errors
    /// The disk does not let us.
    pub fn make_staging(&self) -> Result<(), GatewayError> {
        KINDS.iter().try_for_each(|kind| make_private(&self.staging().join(kind)))
    }

    /// Makes the staging hold the live files: hard links, so that what is unchanged costs nothing. What `comes` is left as
    /// it is: the caller puts it there.
    ///
    /// # Errors
    /// The disk does not let us.
    pub fn mirror(&self, comes: impl Fn(&Path) -> bool) -> Result<(), GatewayError> {
        self.make_staging()?;
        for kind in KINDS {
            let (live, staged) = (self.root.join(kind), self.staging().join(kind));
            let names = included(&live)?;
            for name in included(&staged)? {
                if !names.contains(&name) && !comes(&Path::new(kind).join(&name)) {
                    remove(&staged.join(name))?;
                    point("mirror.removed");
                }
            }
            for name in names.into_iter().filter(|name| !comes(&Path::new(kind).join(name))) {
                link_if_other(&live.join(&name), &staged.join(&name))?;
            }
        }
        Ok(())
    }
}

/// Whether nginx loads the file at this path.
pub fn is_loaded(path: &str) -> bool {
    !is_sidecar(Path::new(path))
}

/// Whether a file is for a rebuild only, and not for nginx.
#[must_use]
pub fn is_sidecar(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(SIDECAR_SUFFIX.as_bytes())
}

/// Whether a file of this name in one of [`KINDS`] is for us to read.
#[must_use]
pub fn is_managed_name(name: &str) -> bool {
    let ours = name.ends_with(".conf") || name.ends_with(SIDECAR_SUFFIX);
    ours && !name.starts_with('.') && !name.contains('\0')
}

/// The names that nginx's `include <dir>/*.conf` finds, sorted. A hidden file is not one of them.
fn included(dir: &Path) -> Result<Vec<std::ffi::OsString>, GatewayError> {
    names_in(dir, ".conf")
}

/// The names that end so, sorted, without hidden ones.
fn names_in(dir: &Path, end: &str) -> Result<Vec<std::ffi::OsString>, GatewayError> {
    let entries = fs::read_dir(dir).map_err(|error| fault("list", dir, &error))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| fault("list", dir, &error))?.file_name();
        let text = name.to_string_lossy();
        if text.ends_with(end) && !text.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn link_if_other(live: &Path, staged: &Path) -> Result<(), GatewayError> {
    let inode = |path: &Path| fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
    match (inode(live), inode(staged)) {
        (Some(a), Some(b)) if a == b => Ok(()),
        (None, None) => Ok(()),
        (None, Some(_)) => remove(staged),
        (Some(_), present) => {
            if present.is_some() {
                remove(staged)?;
                point("mirror.unlinked");
            }
            link(live, staged)?;
            point("mirror.linked");
            Ok(())
        }
    }
}

/// A second name for a file; where that is not possible (another file system), a symbolic link.
///
/// # Errors
/// Neither is possible.
pub fn link(from: &Path, to: &Path) -> Result<(), GatewayError> {
    let linked = fs::hard_link(from, to).or_else(|_| {
        let absolute = fs::canonicalize(from)?;
        std::os::unix::fs::symlink(absolute, to)
    });
    linked.map_err(|error| fault("link", to, &error))
}

/// Removes a file; one that is not there is removed already.
///
/// # Errors
/// It is there and stays.
pub fn remove(path: &Path) -> Result<(), GatewayError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fault("remove", path, &error)),
        _ => Ok(()),
    }
}

/// Makes renames and removals in a directory durable.
///
/// # Errors
/// The disk does not let us.
pub fn sync_dir(dir: &Path) -> Result<(), GatewayError> {
    point("directory.before-sync");
    fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| fault("sync", dir, &error))?;
    point("directory.synced");
    Ok(())
}

fn make_private(dir: &Path) -> Result<(), GatewayError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| fault("make the directory", dir, &error))
}

/// A fault of the machine, with what was tried on what.
pub fn fault(what: &str, path: &Path, error: &io::Error) -> GatewayError {
    GatewayError::Fault(format!("could not {what} {}: {error}", path.display()))
}
