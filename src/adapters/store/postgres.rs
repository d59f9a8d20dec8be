//! The store in a PostgreSQL database.

mod address;
mod backup;
mod connection;
mod tls;

use std::sync::Arc;

use async_trait::async_trait;
use diesel::connection::{Connection, SimpleConnection};
use diesel::pg::Pg;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::ports::store::{Access, Body, StoreError, Transactions};

use super::error::{OpenError, unopened};
use super::schema_state::{is_behind, lines};
use super::seats::Seats;
use address::Address;
pub use backup::PostgresBackup;
pub(super) use connection::PgConnection;
use connection::{Server, Unlinked};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// A store in a PostgreSQL database.
///
/// Its one writing connection holds an advisory lock from the start, so that no second orchestrator can
/// write to the database. A connection that is lost is made anew by the next transaction; a writing one
/// only together with the lock.
pub struct PostgresStore {
    writer: Seats<Server>,
    readers: Seats<Server>,
}

impl PostgresStore {
    /// Connects to the database of a `postgres://` URL, takes the lock and brings the schema up to date.
    ///
    /// `sslmode` is `disable`, `prefer` (the default), `require` (encrypted, the server's certificate is not
    /// checked) or `verify-full` (checked against the system's authorities, or those in the file `sslrootcert`).
    ///
    /// # Errors
    /// The database is not this program's to use, another orchestrator uses it, or there is no connection;
    /// then nothing was written to it. The messages never hold the password.
    pub async fn connect(url: &str) -> Result<Self, OpenError> {
        let server = Server::at(Address::parse(url)?)?;
        let work = move || {
            let mut connection = server.link(Access::Write).map_err(|why| match why {
                Unlinked::Busy(holder) => OpenError::Busy { place: server.place.clone(), holder },
                Unlinked::Failed(why) => OpenError::Unusable { place: server.place.clone(), why },
            })?;
            prepare(&mut connection, &server.place)?;
            let server = Arc::new(server);
            Ok(Self {
                writer: Seats::new(Arc::clone(&server), Access::Write, vec![connection]),
                readers: Seats::new(server, Access::Read, Vec::new()),
            })
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|stopped| OpenError::Unusable { place: "the database".to_owned(), why: stopped.to_string() })?
    }
}

/// Refuses what is not ours to change, and brings an older schema up to date.
fn prepare(connection: &mut PgConnection, place: &str) -> Result<(), OpenError> {
    let tables =
        lines(&mut *connection, "SELECT tablename::text AS line FROM pg_tables WHERE schemaname = current_schema()")
            .map_err(|why| unopened(place, &why))?;
    if is_behind::<Pg>(place, &MIGRATIONS, &tables, |query| lines(&mut *connection, query))? {
        // One transaction for all of them: a start that fails leaves the schema of the last one that did not.
        connection
            .transaction(|c| -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
                // A large table may take its time.
                c.batch_execute("SET LOCAL statement_timeout = 0")?;
                c.run_pending_migrations(MIGRATIONS)?;
                Ok(())
            })
            .map_err(|why| unopened(place, &format!("its schema could not be brought up to date: {why}")))?;
    }
    Ok(())
}

#[async_trait]
impl Transactions for PostgresStore {
    async fn run(&self, access: Access, body: Body) -> Result<(), StoreError> {
        match access {
            Access::Read => self.readers.run(body).await,
            Access::Write => self.writer.run(body).await,
        }
    }
}
