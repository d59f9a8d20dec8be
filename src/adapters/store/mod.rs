//! The database: diesel behind [`crate::ports::store`].
//!
//! One file an entity holds its row, the way between row and domain value, and its queries.
//! A query is written once, in `on!`, which compiles it for each kind of connection.

mod audit;
mod buckets;
mod clear;
mod credentials;
mod decode;
mod error;
mod facts;
mod files;
mod ids;
mod jobs;
pub mod legacy;
mod members;
mod migration_log;
mod migrations;
#[cfg(test)]
mod plans;
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
pub use postgres::{PostgresBackup, PostgresStore};
pub use sqlite::{RestoreError, Restored, SqliteBackup, SqliteStore, is_there, restore, set_aside};

use postgres::PgConnection;

/// A connection of either kind.
enum Link<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl<'c> From<&'c mut SqliteConnection> for Link<'c> {
    fn from(connection: &'c mut SqliteConnection) -> Self {
        Link::Sqlite(connection)
    }
}

impl<'c> From<&'c mut PgConnection> for Link<'c> {
    fn from(connection: &'c mut PgConnection) -> Self {
        Link::Postgres(connection)
    }
}

/// The database inside a transaction.
struct Db<'c> {
    link: Link<'c>,
    counters: ids::Counters,
}

/// Compiles `$body` once for each kind of connection, as `$c`.
macro_rules! on {
    ($db:expr, $c:ident => $body:expr) => {
        match &mut $db.link {
            $crate::adapters::store::Link::Sqlite(connection) => {
                let $c: &mut diesel::SqliteConnection = &mut *connection;
                $body
            }
            $crate::adapters::store::Link::Postgres(connection) => {
                let $c: &mut $crate::adapters::store::PgConnection = &mut *connection;
                $body
            }
        }
    };
}

pub(crate) use on;
