//! Copies of the database, against the day on which it is lost.

use async_trait::async_trait;

/// Who can copy this kind of database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Means {
    /// This program: the newest copy is at this path, the older ones beside it.
    Copies {
        /// Where the newest copy is.
        path: String,
    },
    /// The database's own server only; the sentence tells the operator what to use.
    Server(&'static str),
}

/// A copy that was made and proven sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Where it is: the newest of the copies.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Whether it differs from the newest copy before it. If not, that one stays in its place, and none is lost.
    pub fresh: bool,
}

/// Copies the database.
#[async_trait]
pub trait Backup: Send + Sync {
    /// Who can copy it.
    fn means(&self) -> Means;

    /// Makes a copy of the last committed state, proves that it can be read, and only then makes it the newest of
    /// the copies that are kept; the oldest beyond their number goes. Readers and writers go on meanwhile. One
    /// caller at a time.
    ///
    /// # Errors
    /// No copy was made, and each good copy is still there.
    async fn take(&self) -> Result<Taken, BackupError>;

    /// Puts right what a crash left in the middle of [`Backup::take`]: a copy that was complete takes its place,
    /// another one goes.
    ///
    /// # Errors
    /// The place of the copies cannot be used; no copy was lost.
    async fn settle(&self) -> Result<(), BackupError>;
}

/// Why no copy was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// Only the database's server can do it; the sentence says how.
    #[error("{0}")]
    Elsewhere(&'static str),
    /// The copy, its place, or the machine: what happened, to what, and what to do.
    #[error("{0}")]
    Failed(String),
}
