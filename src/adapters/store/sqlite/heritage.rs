//! What a restored copy takes over from the database that it replaces: what was given or ended for good since the
//! copy was made.

use std::collections::HashMap;
use std::path::Path;

use diesel::SqliteConnection;

use crate::adapters::store::seats::Source;
use crate::adapters::store::tx::ended;
use crate::domain::sidecar::HighestIds;
use crate::domain::time::Timestamp;
use crate::ports::store::{Access, Body, StoreError, Tx};

use super::connection::SqliteFile;
use super::file::peek;

/// Ids that were given, and sessions that were ended.
#[derive(Debug, Default)]
pub(super) struct Heritage {
    highest: HighestIds,
    ended: HashMap<String, Timestamp>,
}

impl Heritage {
    /// What a database knows. One that is gone, or cannot be read, which is why it is replaced, knows nothing.
    pub(super) fn of(database: &Path, now: Timestamp) -> Self {
        if !database.exists() {
            return Self::default();
        }
        let file = SqliteFile { path: database.to_owned(), place: database.display().to_string() };
        let Ok(mut connection) = peek(&file) else { return Self::default() };
        let read = transact(&mut connection, Access::Read, move |tx| {
            Ok(Self { highest: tx.highest_ids()?, ended: tx.revoked_sessions(now)? })
        });
        read.unwrap_or_default()
    }

    /// Enters it into the copy.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn enter(self, tx: &mut dyn Tx) -> Result<(), StoreError> {
        // Where nobody remembers, the nginx directory does, but only by the hundred.
        let highest = tx.highest_ids()?.rounded();
        tx.raise_ids(highest)?;
        tx.raise_ids(self.highest)?;
        self.ended.iter().try_for_each(|(session, expires)| tx.revoke_session(session, *expires))
    }
}

/// One transaction on a connection that nobody else uses.
///
/// # Errors
/// What `body` returns, or the store's own fault; then nothing was written.
pub(super) fn transact<T: Send + 'static>(
    connection: &mut SqliteConnection,
    access: Access,
    body: impl FnOnce(&mut dyn Tx) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (answer, outcome) = std::sync::mpsc::sync_channel(1);
    let mut body: Option<Body> = Some(Box::new(move |tx| {
        let done = body(tx);
        let commit = done.is_ok();
        // The receiver is alive: it is read below.
        let _ = answer.send(done);
        commit
    }));
    let ran = ended(SqliteFile::transact(connection, access, &mut body));
    match outcome.try_recv() {
        Ok(Ok(value)) => ran.map(|()| value),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(ran.err().unwrap_or_else(|| StoreError::Unavailable("the transaction did not run".to_owned()))),
    }
}
