//! The database: diesel behind [`crate::ports::store`].
//!
//! One file an entity holds its row, the way between row and domain value, and its queries.
//! A query is written once, in [`on!`], which compiles it for each kind of connection.

mod audit;
mod decode;
mod error;
mod facts;
mod files;
mod ids;
mod members;
mod pools;
mod postgres;
mod routes;
mod save;
mod schema;
mod schema_state;
mod seats;
mod second;
mod sessions;
mod sqlite;
mod tx;
mod vhosts;

use diesel::SqliteConnection;

pub use error::OpenError;
pub use postgres::PostgresStore;
pub use sqlite::SqliteStore;

use postgres::PgConnection;

/// A connection inside a transaction.
enum Db<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl<'c> From<&'c mut SqliteConnection> for Db<'c> {
    fn from(connection: &'c mut SqliteConnection) -> Self {
        Db::Sqlite(connection)
    }
}

impl<'c> From<&'c mut PgConnection> for Db<'c> {
    fn from(connection: &'c mut PgConnection) -> Self {
        Db::Postgres(connection)
    }
}

/// Compiles `$body` once for each kind of connection, as `$c`.
macro_rules! on {
    ($db:expr, $c:ident => $body:expr) => {
        match $db {
            $crate::adapters::store::Db::Sqlite(connection) => {
                let $c: &mut diesel::SqliteConnection = &mut *connection;
                $body
            }
            $crate::adapters::store::Db::Postgres(connection) => {
                let $c: &mut $crate::adapters::store::PgConnection = &mut *connection;
                $body
            }
        }
    };
}

pub(crate) use on;
