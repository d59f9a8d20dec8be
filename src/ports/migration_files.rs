//! The records of migrations on disk, beside the database: what a rebuild knows of them.

use async_trait::async_trait;

use crate::domain::disk::MigrationFile;
use crate::domain::ids::MigrationId;
use crate::domain::migration::Migration;

/// Keeps a file a migration: its state while it runs, and for ever that it is done.
#[async_trait]
pub trait MigrationFiles: Send + Sync {
    /// Every record, in order of path, those of 0.4.x included. One that cannot be read is listed with the reason.
    /// After a crash a migration may have two: then the one that says `done` is the later.
    ///
    /// # Errors
    /// The directory cannot be listed.
    async fn read(&self) -> Result<Vec<MigrationFile>, MigrationFilesError>;

    /// Makes the records say what the migration says, and lasting. A cancelled one has none.
    ///
    /// # Errors
    /// The disk does not let us; the record is what it was before.
    async fn write(&self, migration: &Migration) -> Result<(), MigrationFilesError>;

    /// Removes the records of a migration, if it has any.
    ///
    /// # Errors
    /// One is there and stays.
    async fn remove(&self, id: MigrationId) -> Result<(), MigrationFilesError>;
}

/// The machine failed: what was tried, on what, and what the system said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MigrationFilesError(pub String);
