//! The store in one SQLite file.

mod aside;
mod backup;
mod connection;
mod copy;
mod file;
mod heritage;
mod restore;
mod series;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use crate::ports::store::{Access, Body, StoreError, Transactions};

use super::error::OpenError;
use super::seats::Seats;
pub use aside::set_aside;
pub use backup::SqliteBackup;
use connection::SqliteFile;
pub use restore::{RestoreError, Restored, is_there, restore};

pub(super) use connection::look;

/// A store in one SQLite file. Readers see the last committed state and never wait for the writer;
/// what was committed survives a loss of power.
pub struct SqliteStore {
    writer: Seats<SqliteFile>,
    readers: Seats<SqliteFile>,
}

impl SqliteStore {
    /// Opens the database at `path`; makes it (readable by its owner only) if there is none, and brings
    /// its schema up to date. Blocks while it reads the file.
    ///
    /// # Errors
    /// The file is not this program's to use, or cannot be used; then nothing was written to it.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let file = Arc::new(SqliteFile { path: path.to_owned(), place: path.display().to_string() });
        file::prepare(&file)?;
        Ok(Self {
            writer: Seats::new(Arc::clone(&file), Access::Write, Vec::new()),
            readers: Seats::new(file, Access::Read, Vec::new()),
        })
    }
}

#[async_trait]
impl Transactions for SqliteStore {
    async fn run(&self, access: Access, body: Body) -> Result<(), StoreError> {
        match access {
            Access::Read => self.readers.run(body).await,
            Access::Write => self.writer.run(body).await,
        }
    }
}
