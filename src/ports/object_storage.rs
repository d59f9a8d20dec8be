//! The S3 side of a storage node, as far as routing decisions need it.

use async_trait::async_trait;

use crate::domain::pool::Address;

/// Whether a bucket holds anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occupancy {
    /// The bucket does not exist, or holds no object.
    Empty,
    /// At least one object.
    Occupied,
}

/// Looks into the buckets of storage nodes. Never changes them.
#[async_trait]
pub trait ObjectStorage: Send + Sync {
    /// Whether `bucket` holds an object, asked of `members` in turn until one answers.
    ///
    /// Answers within a few seconds, whatever the nodes do.
    ///
    /// # Errors
    /// No member gave a usable answer; the bucket may hold anything.
    async fn occupancy(&self, members: &[Address], bucket: &str) -> Result<Occupancy, StorageError>;
}

/// No member could say what a bucket holds. The text names each member and its answer, and
/// never repeats what a node sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StorageError(pub String);
