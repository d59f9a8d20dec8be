//! The managed directory back to values: each file is read once, by its place and by what it says.
//!
//! Nothing outside of the managed directory is ever opened: not over `..`, not over a symbolic link; and nothing
//! that is no ordinary file, or larger than any of ours.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use super::parse::{self, ParseError, Reading};
use super::render::{Dialect, Renderer};
use super::sidecar::read;
use super::tree::{self, IDS, KINDS, MANAGED_LINE, Tree, fault};
use super::{parse_v04, remains, text};
use crate::domain::disk::{DiskContent, DiskFile, Writer};
use crate::domain::gateway::FileName;
use crate::domain::pool::{PoolName, RESERVED_POOL_NAME};
use crate::domain::sidecar::SIDECAR_SUFFIX;
use crate::domain::vhost::ServerName;
use crate::ports::gateway::{FileAt, GatewayError};

/// No managed file is larger: 20,000 routes take less than 2 MiB.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Reads managed files.
pub struct Reader<'a> {
    /// Where they are.
    pub tree: &'a Tree,
    /// What a file of ours is compared with.
    pub renderer: &'a Renderer,
    /// How this machine's nginx is spoken to.
    pub dialect: Dialect,
}

/// What is found at a place.
enum Opened {
    File(fs::File),
    Missing,
    /// Not a file that we read; what it is instead.
    Other(String),
}

impl Reader<'_> {
    /// Every file of the managed directory, in order of path.
    ///
    /// # Errors
    /// A directory cannot be listed, or a file in it cannot be read.
    pub fn all(&self) -> Result<Vec<DiskFile>, GatewayError> {
        let mut files = Vec::new();
        for relative in self.tree.places()? {
            if let Some((file, _)) = self.read(&relative)? {
                files.push(file);
            }
        }
        Ok(files)
    }

    /// The file at a path that an operator named.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn at(&self, path: &str) -> Result<FileAt, GatewayError> {
        let Some(relative) = place(self.tree.root(), path) else {
            return Ok(FileAt::NotManaged(format!(
                "{path} is not the path of a managed file; those are {}/pools/*.conf, vhosts/*.conf and the \
                 .meta.json files beside them",
                self.tree.root().display()
            )));
        };
        match self.open(&relative)? {
            Opened::Missing => Ok(FileAt::Missing),
            Opened::Other(what) => Ok(FileAt::NotManaged(format!("{path} {what}"))),
            Opened::File(file) => {
                let (file, text) = self.understand(&relative, &bytes_of(file, &relative)?);
                Ok(FileAt::Present(Box::new(file), text))
            }
        }
    }

    fn read(&self, relative: &Path) -> Result<Option<(DiskFile, String)>, GatewayError> {
        match self.open(relative)? {
            Opened::Missing => Ok(None),
            Opened::File(file) => Ok(Some(self.understand(relative, &bytes_of(file, relative)?))),
            Opened::Other(what) => {
                let file = DiskFile {
                    path: self.tree.shown(relative),
                    name: name_at(relative),
                    sha256: String::new(),
                    content: DiskContent::Unreadable(format!("it {what}")),
                };
                Ok(Some((file, String::new())))
            }
        }
    }

    /// Opens a file if it is an ordinary one inside of the managed directory.
    fn open(&self, relative: &Path) -> Result<Opened, GatewayError> {
        let root = self.tree.root();
        let root = fs::canonicalize(root).map_err(|error| fault("find", root, &error))?;
        let path = root.join(relative);
        let path = match fs::canonicalize(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Opened::Missing),
            found => found.map_err(|error| fault("look at", &path, &error))?,
        };
        if !path.starts_with(&root) {
            return Ok(Opened::Other("is a symbolic link that leads out of the managed directory".to_owned()));
        }
        let seen = fs::symlink_metadata(&path).map_err(|error| fault("look at", &path, &error))?;
        if !seen.is_file() {
            return Ok(Opened::Other("is not an ordinary file".to_owned()));
        }
        if seen.len() > MAX_BYTES {
            return Ok(Opened::Other(format!("is larger than {} MiB, which no managed file is", MAX_BYTES >> 20)));
        }
        let file = fs::File::open(&path).map_err(|error| fault("read", &path, &error))?;
        let opened = file.metadata().map_err(|error| fault("look at", &path, &error))?;
        // Whoever can write here could have put a link to another file in its place meanwhile.
        if (opened.dev(), opened.ino()) != (seen.dev(), seen.ino()) {
            return Err(GatewayError::Fault(format!("{} was replaced while it was read; try again", path.display())));
        }
        Ok(Opened::File(file))
    }

    fn understand(&self, relative: &Path, bytes: &[u8]) -> (DiskFile, String) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let content = match std::str::from_utf8(bytes) {
            Ok(text) => self.content(relative, text),
            Err(_) => DiskContent::Unreadable("it is not UTF-8 text".to_owned()),
        };
        let file =
            DiskFile { path: self.tree.shown(relative), name: name_at(relative), sha256: tree::sha256(bytes), content };
        (file, text)
    }

    fn content(&self, relative: &Path, text: &str) -> DiskContent {
        if tree::is_sidecar(relative) {
            return sidecar_content(relative, text).unwrap_or_else(DiskContent::Unreadable);
        }
        if text.lines().next() != Some(MANAGED_LINE) {
            return DiskContent::Foreign;
        }
        match self.read_any(text) {
            Ok(Reading::Common(_)) if name_at(relative) == Some(FileName::Common) => DiskContent::Common,
            Ok(Reading::Common(_)) => DiskContent::Unreadable("it holds neither an upstream nor a server".to_owned()),
            Ok(Reading::Upstream(upstream)) => DiskContent::Upstream(upstream),
            Ok(Reading::Server(server)) => DiskContent::Server(server),
            Err(error) => DiskContent::Unreadable(error.to_string()),
        }
    }

    /// A configuration file of ours, or of 0.4.x.
    fn read_any(&self, source: &str) -> Result<Reading, ParseError> {
        let nodes = text::read(source)?;
        if parse_v04::writer(&nodes) == Writer::Version04 {
            return parse_v04::read(source, &nodes);
        }
        drop(nodes);
        let mut reading = parse::read(source)?;
        match &mut reading {
            Reading::Common(_) => {}
            Reading::Upstream(read) => read.remains = remains::of_upstream(source, read, self.renderer, self.dialect),
            Reading::Server(read) => read.remains = remains::of_server(source, read, self.renderer, self.dialect),
        }
        Ok(reading)
    }
}

/// A sidecar is told by its place, what it is about by its name field.
fn sidecar_content(relative: &Path, text: &str) -> Result<DiskContent, String> {
    if relative == Path::new(IDS) {
        return Ok(DiskContent::Ids(read::ids(text)?));
    }
    let elsewhere = |name: &str| {
        let here = relative.file_name().and_then(|file| file.to_str()?.strip_suffix(SIDECAR_SUFFIX)) == Some(name);
        (!here).then(|| format!("it says that its name is {name}; that counts, not the name of the file"))
    };
    if relative.starts_with(KINDS[0]) {
        let mut pool = read::pool(text)?;
        pool.remains.extend(elsewhere(pool.name.as_str()));
        return Ok(DiskContent::PoolSidecar(Box::new(pool)));
    }
    let mut vhost = read::vhost(text)?;
    vhost.remains.extend(elsewhere(vhost.server_name.as_str()));
    Ok(DiskContent::VhostSidecar(Box::new(vhost)))
}

/// At most [`MAX_BYTES`]: a file may grow after it was measured.
fn bytes_of(file: fs::File, relative: &Path) -> Result<Vec<u8>, GatewayError> {
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(|error| fault("read", relative, &error))?;
    Ok(bytes)
}

/// The place below the root that a path means, if a managed file can be there.
fn place(root: &Path, path: &str) -> Option<PathBuf> {
    let relative = Path::new(path).strip_prefix(root).ok()?;
    let mut parts = Vec::new();
    for component in relative.components() {
        let Component::Normal(part) = component else { return None };
        parts.push(part.to_str()?);
    }
    let managed = match parts[..] {
        [name] => name == IDS,
        [kind, name] => KINDS.contains(&kind) && tree::is_managed_name(name),
        _ => false,
    };
    (managed && !path.ends_with('/')).then(|| relative.to_owned())
}

/// The managed file that belongs at a path that an operator named.
#[must_use]
pub fn name_of(root: &Path, path: &str) -> Option<FileName> {
    name_at(&place(root, path)?)
}

/// The managed file that belongs at a place.
fn name_at(relative: &Path) -> Option<FileName> {
    if relative == Path::new(IDS) {
        return Some(FileName::Ids);
    }
    let file = relative.file_name()?.to_str()?;
    let pools = relative.starts_with(KINDS[0]);
    let name = match (file.strip_suffix(".conf"), file.strip_suffix(SIDECAR_SUFFIX)) {
        (Some(RESERVED_POOL_NAME), _) if pools => FileName::Common,
        (Some(stem), _) if pools => FileName::Upstream(PoolName::parse(stem).ok()?),
        (Some(stem), _) => FileName::Server(ServerName::parse(stem).ok()?),
        (None, Some(stem)) if pools => FileName::PoolSidecar(PoolName::parse(stem).ok()?),
        (None, Some(stem)) => FileName::VhostSidecar(ServerName::parse(stem).ok()?),
        (None, None) => return None,
    };
    // Names that are written otherwise, such as in capitals, have another place.
    (Tree::relative(&name) == relative).then_some(name)
}
