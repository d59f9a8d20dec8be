//! Connections to one SQLite file: how they are opened, and who has one when.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tokio::sync::Semaphore;

use crate::ports::store::{Access, Body, StoreError};

use super::error::place;
use super::tx::{SqlTx, ended};

/// Readers that can be at work at the same time; more wait for a seat.
const READERS: usize = 4;

/// Connections for one kind of access. A transaction waits for a seat without holding a thread.
pub(super) struct Connections {
    path: PathBuf,
    access: Access,
    seats: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<SqliteConnection>>>,
}

impl Connections {
    /// For [`Access::Write`] there is one connection, for [`Access::Read`] there are a few.
    pub(super) fn new(path: &Path, access: Access) -> Self {
        let seats = match access {
            Access::Write => 1,
            Access::Read => READERS,
        };
        Self { path: path.to_owned(), access, seats: Arc::new(Semaphore::new(seats)), idle: Arc::default() }
    }

    /// Runs one transaction on a thread that may block.
    pub(super) async fn run(&self, body: Body) -> Result<(), StoreError> {
        let unavailable = |why: &str| StoreError::Unavailable(format!("{}: {why}", place(&self.path)));
        let seat =
            Arc::clone(&self.seats).acquire_owned().await.map_err(|_| unavailable("the store has been closed"))?;
        let (path, access, idle) = (self.path.clone(), self.access, Arc::clone(&self.idle));
        let work = move || {
            let _seat = seat;
            let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut connection = match taken {
                Some(connection) => connection,
                None => {
                    connect(&path, access).map_err(|why| StoreError::Unavailable(format!("{}: {why}", place(&path))))?
                }
            };
            // A connection that failed, or whose body panicked, is dropped: closing it rolls back.
            transact(&mut connection, access, body)?;
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            Ok(())
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(stopped) if stopped.is_panic() => {
                Err(unavailable("the transaction was stopped by a fault of this program and rolled back; see its log"))
            }
            Err(_) => Err(unavailable("the program is stopping")),
        }
    }
}

fn transact(connection: &mut SqliteConnection, access: Access, body: Body) -> Result<(), StoreError> {
    ended(match access {
        Access::Read => connection.transaction(|c| SqlTx::run(c, access, body)),
        // Takes the write lock at once: a transaction that reads first and writes later could not be given it.
        Access::Write => connection.immediate_transaction(|c| SqlTx::run(c, access, body)),
    })
}

/// Why there is no connection, in the words of SQLite or of the operating system.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ConnectError(String);

impl ConnectError {
    pub(super) fn new(why: impl std::fmt::Display) -> Self {
        Self(why.to_string())
    }
}

/// Opens a connection to a file that exists.
pub(super) fn connect(path: &Path, access: Access) -> Result<SqliteConnection, ConnectError> {
    // Without mode=rw SQLite would make an empty database where one has gone missing.
    let mut connection = establish(path, "mode=rw")?;
    for setting in [
        "PRAGMA busy_timeout = 5000",
        "PRAGMA foreign_keys = ON",
        // What was acknowledged survives a loss of power.
        "PRAGMA synchronous = FULL",
        "PRAGMA temp_store = MEMORY",
        "PRAGMA cache_size = -8192",
    ] {
        connection.batch_execute(setting).map_err(ConnectError::new)?;
    }
    if access == Access::Read {
        connection.batch_execute("PRAGMA query_only = ON").map_err(ConnectError::new)?;
    }
    Ok(connection)
}

/// Opens a connection with SQLite's own defaults; `query` is the query of its URI.
pub(super) fn establish(path: &Path, query: &str) -> Result<SqliteConnection, ConnectError> {
    let absolute = std::path::absolute(path).map_err(ConnectError::new)?;
    let url = format!("file:{}?{query}", encoded(&absolute).ok_or_else(|| ConnectError::new("the path is not UTF-8"))?);
    SqliteConnection::establish(&url).map_err(ConnectError::new)
}

/// The path as it stands in a URI: SQLite would take `?`, `#` and `%` in it for its own.
fn encoded(path: &Path) -> Option<String> {
    let mut uri = String::new();
    for byte in path.to_str()?.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-') {
            uri.push(byte.into());
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    Some(uri)
}
