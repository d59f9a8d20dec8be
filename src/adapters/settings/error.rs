//! What can go wrong with an env file, and what to do about it.

use std::io;

/// Why the env file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum EnvFileError {
    /// It cannot be read.
    #[error("{path} cannot be read: {source}; give this user the right to read it, or run as root")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// It cannot be written.
    #[error(
        "{path} cannot be written: {source}; nothing was changed. Give this user the right to write it, or run as root"
    )]
    Write {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// There is no directory for it.
    #[error("{path} does not exist. Make it, as root: mkdir -p {path}")]
    NoDirectory {
        /// The directory.
        path: String,
    },
    /// What is about to happen cannot be written down.
    #[error(
        "{path} cannot be written: {source}; nothing was changed. Make room, or give this user the right to write there"
    )]
    Journal {
        /// The journal.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// What a crash left cannot be read.
    #[error(
        "{path}, where an interrupted change of the settings is written down, cannot be read: {source}. Look at the \
         env file, then remove {path}"
    )]
    Left {
        /// The journal.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The text is another one than was looked at.
    #[error("{path} was changed by somebody else meanwhile; nothing was changed. Look at it again")]
    Changed {
        /// The file.
        path: String,
    },
}
