//! What a storage node is to be set up with. A value that exists can be written to each of the node's files;
//! the secret key in it is never printed by accident and never kept.

mod setup;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;

use super::credential::Credential;
use super::invalid::{Invalid, checked_string, ranged, words};
use super::pool::PoolKind;

pub use setup::{NodeFile, NodeSetup};

words!(
    /// What runs on a node.
    NodeKind {
        /// nanio, reached directly.
        NanioOnly = "nanio-only",
        /// nginx that serves the objects as files.
        NginxOnly = "nginx-only",
        /// nanio behind an nginx on the same node.
        NginxNanio = "nginx-nanio",
    }
);

impl NodeKind {
    /// What the members of a pool usually run.
    #[must_use]
    pub fn suggested(pool: PoolKind) -> Self {
        match pool {
            PoolKind::Nanio => Self::NanioOnly,
            PoolKind::Http => Self::NginxOnly,
        }
    }

    /// Whether nanio runs on the node.
    #[must_use]
    pub fn has_nanio(self) -> bool {
        self != Self::NginxOnly
    }

    /// The files that such a node needs.
    #[must_use]
    pub fn files(self) -> &'static [NodeFile] {
        match self {
            Self::NanioOnly => &[NodeFile::Options, NodeFile::Unit],
            Self::NginxOnly => &[NodeFile::FileServer],
            Self::NginxNanio => &[NodeFile::Options, NodeFile::Unit, NodeFile::Proxy],
        }
    }
}

ranged!(
    /// Where nanio listens.
    NanioPort: 1..=65535, default 9000
);

checked_string!(
    /// The directory that holds a node's buckets.
    DataDir
);

impl DataDir {
    /// The most bytes of a path (`PATH_MAX` without the closing NUL).
    pub const MAX: usize = 4095;

    /// Checks a path: absolute and plain, without control characters and without `$` (nginx reads one in `root`
    /// as a variable). Surrounding blanks and slashes at the end are dropped.
    ///
    /// The root directory is refused: nginx would serve, and nanio could write, the whole machine.
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Invalid::TooShort { min: 1 });
        }
        if text.len() > Self::MAX {
            return Err(Invalid::TooLong { max: Self::MAX });
        }
        if !text.starts_with('/') || text.chars().any(|c| c.is_control() || c == '$') {
            return Err(Invalid::rule("must be an absolute path without control characters and without $"));
        }
        let path = text.trim_end_matches('/');
        if path.is_empty() {
            return Err(Invalid::rule("must not be the root directory: give the objects a directory of their own"));
        }
        if path.split('/').skip(1).any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(Invalid::rule("must be written plainly: without empty, . or .. segments"));
        }
        Ok(Self(path.to_owned()))
    }

    /// Whether this is `directory` or in it.
    #[must_use]
    pub fn is_within(&self, directory: &str) -> bool {
        self.0.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl Default for DataDir {
    fn default() -> Self {
        Self("/data".to_owned())
    }
}

checked_string!(
    /// The address that nanio binds: an IP address (IPv6 without brackets) or a host name.
    BindHost
);

impl BindHost {
    /// Checks an address. Surrounding blanks are dropped.
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Invalid::TooShort { min: 1 });
        }
        let is_name = || {
            text.len() <= 253
                && text.split('.').all(|label| {
                    !label.is_empty()
                        && !label.starts_with('-')
                        && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
                })
        };
        if text.parse::<IpAddr>().is_err() && !is_name() {
            return Err(Invalid::rule("must be an IPv4 or IPv6 address (without brackets) or a host name"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Default for BindHost {
    fn default() -> Self {
        Self("0.0.0.0".to_owned())
    }
}

checked_string!(
    /// The region that a node reports, and that requests to it are signed for.
    Region
);

impl Region {
    /// The most characters a region may have.
    pub const MAX: usize = 64;
    const PATTERN: &'static str = "^[A-Za-z0-9][A-Za-z0-9._-]*$";

    /// Checks a region. It is part of a signature's scope, which slashes divide. Surrounding blanks are dropped.
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Invalid::TooShort { min: 1 });
        }
        if text.len() > Self::MAX {
            return Err(Invalid::TooLong { max: Self::MAX });
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !text.chars().all(fits) || !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(Invalid::Pattern { pattern: Self::PATTERN });
        }
        Ok(Self(text.to_owned()))
    }
}

impl Default for Region {
    fn default() -> Self {
        Self(Credential::DEFAULT_REGION.to_owned())
    }
}

checked_string!(
    /// The public half of a user's S3 keys.
    AccessKey
);

impl AccessKey {
    /// The most characters an access key may have.
    pub const MAX: usize = 128;
    const PATTERN: &'static str = "^[!-+.0-~-]+$";

    /// Checks a key: visible ASCII without the `/` and `,` that divide an `Authorization` header.
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() {
            return Err(Invalid::TooShort { min: 1 });
        }
        if text.chars().count() > Self::MAX {
            return Err(Invalid::TooLong { max: Self::MAX });
        }
        if !text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '/' | ',')) {
            return Err(Invalid::Pattern { pattern: Self::PATTERN });
        }
        Ok(Self(text.to_owned()))
    }
}

/// The secret half of a user's S3 keys. It is shown to the caller that gave it, in the file that it is for, and
/// nowhere else: not in the database, not in a log, not in an error.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(String);

impl SecretKey {
    /// The most characters a secret key may have.
    pub const MAX: usize = 1024;

    /// Checks a key: no control characters.
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() {
            return Err(Invalid::TooShort { min: 1 });
        }
        if text.chars().count() > Self::MAX {
            return Err(Invalid::TooLong { max: Self::MAX });
        }
        if text.chars().any(char::is_control) {
            return Err(Invalid::rule("must not contain control characters"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The key itself, for the file that it is for.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(****)")
    }
}

/// The S3 keys of a node's user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// The public half.
    pub access: AccessKey,
    /// The secret half.
    pub secret: SecretKey,
}

/// What an operator decides about a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// What runs on it.
    pub kind: NodeKind,
    /// Where its buckets are.
    pub data_dir: DataDir,
    /// Where nanio listens.
    pub port: NanioPort,
    /// The address that nanio binds.
    pub host: BindHost,
    /// The region that nanio reports.
    pub region: Region,
    /// The keys of nanio's user.
    pub keys: Option<Keys>,
}

impl Parameters {
    /// What is usual for such a node.
    #[must_use]
    pub fn usual(kind: NodeKind) -> Self {
        Self {
            kind,
            data_dir: DataDir::default(),
            port: NanioPort::default(),
            host: BindHost::default(),
            region: Region::default(),
            keys: None,
        }
    }
}

/// A file for a node, with its text.
#[derive(Clone, PartialEq, Eq)]
pub struct WrittenFile {
    /// Where it belongs on the node.
    pub path: &'static str,
    /// Its text, which may hold the secret key.
    pub content: String,
}

impl fmt::Debug for WrittenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrittenFile").field("path", &self.path).finish_non_exhaustive()
    }
}
