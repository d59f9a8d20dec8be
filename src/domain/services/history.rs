//! The history of accepted changes.

use std::sync::Arc;

use super::ServiceError;
use crate::domain::revision::Revision;
use crate::ports::revisions::Revisions;

/// Use case: read what was changed.
#[derive(Clone)]
pub struct History {
    revisions: Arc<dyn Revisions>,
}

impl History {
    pub(super) fn new(revisions: Arc<dyn Revisions>) -> Self {
        Self { revisions }
    }

    /// The newest `limit` revisions before a number, newest first.
    ///
    /// # Errors
    /// The disk's.
    pub async fn list(&self, before: Option<u64>, limit: usize) -> Result<Vec<Revision>, ServiceError> {
        Ok(self.revisions.list(before, limit).await?)
    }

    /// One revision.
    ///
    /// # Errors
    /// There is none of this number, or not any more; the disk's.
    pub async fn read(&self, number: u64) -> Result<Revision, ServiceError> {
        self.revisions.read(number).await?.ok_or(ServiceError::NotFound("Revision"))
    }
}
