//! Backups of a PostgreSQL database are its server's business.

use async_trait::async_trait;

use crate::ports::backup::{Backup, BackupError, Means, Taken};

const ADVICE: &str = "the database is PostgreSQL (NANIO_ORCHESTRATOR_DATABASE_URL), which only its own server backs up: \
    use pg_dump, or a base backup with WAL archiving for any point in time. No copy was made";

/// Makes no copies, and says who does.
#[derive(Debug, Clone, Copy, Default)]
pub struct PostgresBackup;

#[async_trait]
impl Backup for PostgresBackup {
    fn means(&self) -> Means {
        Means::Server(ADVICE)
    }

    async fn take(&self) -> Result<Taken, BackupError> {
        Err(BackupError::Elsewhere(ADVICE))
    }

    async fn settle(&self) -> Result<(), BackupError> {
        Ok(())
    }
}
