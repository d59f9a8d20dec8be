//! Backups of an SQLite database: copies beside it, or wherever the operator wants them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::ports::backup::{Backup, BackupError, Means, Taken};
use crate::ports::store::Access;

use super::connection::connect;
use super::copy::{CopyFault, copy, discard};
use super::series::Series;

/// Keeps copies of one SQLite file.
pub struct SqliteBackup {
    work: Arc<Work>,
}

struct Work {
    database: PathBuf,
    series: Series,
    /// Held by whoever touches the copies. A caller that goes away does not stop the work it asked for.
    turn: Mutex<()>,
}

impl SqliteBackup {
    /// Copies of `database` at `path`, `path.2`, … `path.<keep>`. Nothing is touched yet.
    #[must_use]
    pub fn new(database: &Path, path: &Path, keep: u32) -> Self {
        let series = Series { path: path.to_owned(), keep: keep.max(1) };
        Self { work: Arc::new(Work { database: database.to_owned(), series, turn: Mutex::default() }) }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Work) -> Result<T, CopyFault> + Send + 'static,
    ) -> Result<T, BackupError> {
        let own = self.work.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _turn = own.turn.lock().unwrap_or_else(PoisonError::into_inner);
            work(&own)
        });
        match done.await {
            Ok(result) => result.map_err(|fault| BackupError::Failed(fault.to_string())),
            Err(stopped) => Err(BackupError::Failed(format!("the backup was cut short; see the log ({stopped})"))),
        }
    }
}

#[async_trait]
impl Backup for SqliteBackup {
    fn means(&self) -> Means {
        Means::Copies { path: self.work.series.path.display().to_string() }
    }

    async fn take(&self) -> Result<Taken, BackupError> {
        self.run(Work::take).await
    }

    async fn settle(&self) -> Result<(), BackupError> {
        self.run(Work::settle).await
    }
}

impl Work {
    fn take(&self) -> Result<Taken, CopyFault> {
        self.settle()?;
        let (series, unproven) = (&self.series, self.series.unproven());
        // Not a reader's connection: SQLite would not let it write the copy either.
        let mut connection = connect(&self.database, Access::Write)
            .map_err(|why| CopyFault::at(&self.database, "cannot read the database", &why))?;
        copy(&mut connection, &unproven)?;
        drop(connection);
        let bytes = std::fs::metadata(&unproven).map(|file| file.len());
        let bytes = bytes.map_err(|why| CopyFault::at(&unproven, "cannot read the copy", &why))?;
        let fresh = !series.repeats_the_newest()?;
        if fresh {
            series.admit()?;
        } else {
            discard(&unproven).map_err(|why| CopyFault::at(&unproven, "cannot remove the needless copy", &why))?;
        }
        // The copy is made; what lies there too long is another matter.
        if let Err(fault) = series.drop_surplus() {
            tracing::warn!(%fault, "old copies of the database stay");
        }
        Ok(Taken { path: series.path.display().to_string(), bytes, fresh })
    }

    fn settle(&self) -> Result<(), CopyFault> {
        self.series.check(&self.database)?;
        self.series.settle()
    }
}
