//! The records of migrations beside the database.

use async_trait::async_trait;

use crate::domain::disk::MigrationFile;
use crate::ports::gateway::GatewayError;

/// Keeps the records.
#[async_trait]
pub trait MigrationFiles: Send + Sync {
    /// Every record.
    ///
    /// # Errors
    /// The directory cannot be read.
    async fn read(&self) -> Result<Vec<MigrationFile>, GatewayError>;
}
