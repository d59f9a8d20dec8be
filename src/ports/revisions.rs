//! The history of accepted changes, kept where a lost database does not take it along.

use async_trait::async_trait;

use crate::domain::revision::{NewRevision, Revision, WayBack};

/// Keeps a revision an accepted change, and no other: one is begun before its change is committed, and is part of the
/// history only when it was completed.
///
/// One writer at a time.
#[async_trait]
pub trait Revisions: Send + Sync {
    /// Writes a revision down, lasting when it returns. It is not part of the history yet. First does what
    /// [`Revisions::recover`] does with an earlier one that could not be completed or abandoned in its time: the number that
    /// the new one is based on tells which, so that no accepted change is missing before the next one.
    ///
    /// # Errors
    /// The disk does not let us.
    async fn begin(&self, revision: NewRevision) -> Result<(), RevisionsError>;

    /// The change is committed: the revision that was begun is part of the history. The oldest go that are too many.
    ///
    /// # Errors
    /// The disk does not let us; the next [`Revisions::begin`] or [`Revisions::recover`] does it again.
    async fn complete(&self, number: u64) -> Result<(), RevisionsError>;

    /// The change was not committed: forgets the revision that was begun.
    ///
    /// # Errors
    /// The disk does not let us; the next [`Revisions::begin`] or [`Revisions::recover`] does it again.
    async fn abandon(&self, number: u64) -> Result<(), RevisionsError>;

    /// Completes a revision that a crash left begun, if its number is that of the last committed change, and forgets any
    /// other. Call before anything else.
    ///
    /// # Errors
    /// The disk does not let us.
    async fn recover(&self, committed: Option<u64>) -> Result<(), RevisionsError>;

    /// The highest number in the history; 0 if it is empty.
    ///
    /// # Errors
    /// The disk does not let us.
    async fn highest(&self) -> Result<u64, RevisionsError>;

    /// The newest `limit` revisions before a number, newest first. One that cannot be read is left out.
    ///
    /// # Errors
    /// The disk does not let us.
    async fn list(&self, before: Option<u64>, limit: usize) -> Result<Vec<Revision>, RevisionsError>;

    /// One revision; `None`: there is none of this number, or not any more.
    ///
    /// # Errors
    /// It is there and cannot be read.
    async fn read(&self, number: u64) -> Result<Option<Revision>, RevisionsError>;

    /// What leads back from one revision to the state before it; `None`: there is none of this number, not any more, or it
    /// is of a version that did not write that down.
    ///
    /// # Errors
    /// It is there and cannot be read.
    async fn way_back(&self, number: u64) -> Result<Option<WayBack>, RevisionsError>;
}

/// The machine failed: what was tried, on what, and what the system said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RevisionsError(pub String);
