//! temp
use async_trait::async_trait;
use crate::domain::disk::MigrationFile;
use crate::ports::gateway::GatewayError;
use crate::ports::migration_files::MigrationFiles;
/// temp
pub struct NoMigrations;
#[async_trait]
impl MigrationFiles for NoMigrations {
    async fn read(&self) -> Result<Vec<MigrationFile>, GatewayError> { Ok(Vec::new()) }
}
