//! Connections to one SQLite file.

use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use crate::adapters::store::seats::{ConnectError, Source};
use crate::adapters::store::tx::{SqlTx, Undo};
use crate::ports::store::{Access, Body};

use super::copy::beside;

/// The file that connections are made to.
pub(super) struct SqliteFile {
    pub(super) path: PathBuf,
    pub(super) place: String,
}

impl Source for SqliteFile {
    type Connection = SqliteConnection;

    fn place(&self) -> &str {
        &self.place
    }

    fn connect(&self, access: Access) -> Result<SqliteConnection, ConnectError> {
        connect(&self.path, access)
    }

    fn is_loss(_: &diesel::result::Error) -> bool {
        false
    }

    fn transact(connection: &mut SqliteConnection, access: Access, body: &mut Option<Body>) -> Result<(), Undo> {
        match access {
            Access::Read => connection.transaction(|c| SqlTx::run(c, access, body)),
            // Takes the write lock at once: a transaction that reads first and writes later could not be given it.
            Access::Write => connection.immediate_transaction(|c| SqlTx::run(c, access, body)),
        }
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

/// Opens a file to look at it: not a byte of it changes.
pub fn look(path: &Path) -> Result<SqliteConnection, ConnectError> {
    // immutable keeps SQLite from making its two side files; where there is a log it must be read.
    establish(path, if beside(path, "-wal").exists() { "mode=ro" } else { "mode=ro&immutable=1" })
}

/// Opens a connection with SQLite's own defaults; `query` is the query of its URI.
pub(super) fn establish(path: &Path, query: &str) -> Result<SqliteConnection, ConnectError> {
    let encoded = encoded(&absolute_text(path)?);
    SqliteConnection::establish(&format!("file:{encoded}?{query}")).map_err(ConnectError::new)
}

/// The path as it stands in a URI: SQLite would take `?`, `#` and `%` in it for its own.
fn encoded(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-') {
            uri.push(byte.into());
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

/// The whole path, as text: SQLite knows no other.
pub(super) fn absolute_text(path: &Path) -> Result<String, ConnectError> {
    let absolute = std::path::absolute(path).map_err(ConnectError::new)?;
    absolute.into_os_string().into_string().map_err(|_| ConnectError::new("the path is not UTF-8"))
}
