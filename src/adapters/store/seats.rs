//! Who has a connection when: transactions wait for a seat without holding a thread.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use crate::fault::point;
use crate::ports::store::{Access, Body, StoreError};

use super::tx::{Undo, ended};

/// Readers that can be at work at the same time; more wait for a seat.
const READERS: usize = 4;

/// Why there is no connection, in the words of the database or of the operating system.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ConnectError(String);

impl ConnectError {
    pub(super) fn new(why: impl std::fmt::Display) -> Self {
        Self(why.to_string())
    }
}

/// Where connections come from, and how they run a transaction. All of it blocks.
pub(super) trait Source: Send + Sync + 'static {
    /// A connection.
    type Connection: Send + 'static;

    /// How the database is called in messages; without its password.
    fn place(&self) -> &str;

    /// Makes a connection.
    fn connect(&self, access: Access) -> Result<Self::Connection, ConnectError>;

    /// Whether this error means that a connection was lost while nobody used it.
    fn is_loss(error: &diesel::result::Error) -> bool;

    /// Takes the body out of its place once the transaction has begun, and runs it.
    fn transact(connection: &mut Self::Connection, access: Access, body: &mut Option<Body>) -> Result<(), Undo>;
}

/// Connections for one kind of access: one for [`Access::Write`], a few for [`Access::Read`].
pub(super) struct Seats<S: Source> {
    source: Arc<S>,
    access: Access,
    seats: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<S::Connection>>>,
}

impl<S: Source> Seats<S> {
    pub(super) fn new(source: Arc<S>, access: Access, connections: Vec<S::Connection>) -> Self {
        let seats = match access {
            Access::Write => 1,
            Access::Read => READERS,
        };
        Self { source, access, seats: Arc::new(Semaphore::new(seats)), idle: Arc::new(Mutex::new(connections)) }
    }

    /// Runs one transaction on a thread that may block.
    pub(super) async fn run(&self, body: Body) -> Result<(), StoreError> {
        let unavailable = |why: &str| StoreError::Unavailable(format!("{}: {why}", self.source.place()));
        let seat =
            Arc::clone(&self.seats).acquire_owned().await.map_err(|_| unavailable("the store has been closed"))?;
        let (source, access, idle) = (Arc::clone(&self.source), self.access, Arc::clone(&self.idle));
        let work = move || {
            let _seat = seat;
            let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            // A connection that failed, or whose body panicked, is dropped: closing it rolls back.
            let connection = transact(&*source, access, taken, body)?;
            if access == Access::Write {
                point("store.ended");
            }
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

/// Runs the transaction on the connection that was kept, or on a new one; gives it back if it is still good.
fn transact<S: Source>(
    source: &S,
    access: Access,
    kept: Option<S::Connection>,
    body: Body,
) -> Result<S::Connection, StoreError> {
    let mut body = Some(body);
    if let Some(mut connection) = kept {
        match S::transact(&mut connection, access, &mut body) {
            // It was lost while it lay idle, and the body has not run: nothing was asked of it yet.
            Err(Undo::Failed(error)) if body.is_some() && S::is_loss(&error) => {}
            result => return ended(result).map(|()| connection),
        }
    }
    let mut connection =
        source.connect(access).map_err(|why| StoreError::Unavailable(format!("{}: {why}", source.place())))?;
    ended(S::transact(&mut connection, access, &mut body)).map(|()| connection)
}
