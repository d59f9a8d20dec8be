//! The database file: it is looked at before anything is written to it.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use diesel::SqliteConnection;
use diesel::connection::SimpleConnection;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::adapters::store::error::{OpenError, unopened};
use crate::adapters::store::schema_state::{is_behind, lines};
use crate::fault::point;
use crate::ports::store::Access;

use super::connection::{SqliteFile, connect, look};
use super::copy::sync_names;
use super::restore::finish;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// The first bytes of every SQLite file (<https://www.sqlite.org/fileformat.html>, 1.3).
pub(super) const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Makes the database ready: makes the file if there is none, refuses what is not ours to change,
/// and brings an older schema up to date.
pub(super) fn prepare(file: &SqliteFile) -> Result<(), OpenError> {
    let place = &file.place;
    // A restore that a crash interrupted is over before anything is read.
    finish(&file.path).map_err(|why| unusable(file, &why))?;
    let behind = if is_new(file)? {
        create(&file.path).map_err(|why| unusable(file, &why))?;
        point("database.made");
        true
    } else {
        inspect(file)?
    };
    let mut connection = connect(&file.path, Access::Write).map_err(|why| unopened(place, &why))?;
    keep_log(&mut connection, place)?;
    point("database.log-kept");
    if behind {
        migrate(&mut connection, place)?;
        point("database.migrated");
    }
    Ok(())
}

/// Brings the schema up to date.
pub(super) fn migrate(connection: &mut SqliteConnection, place: &str) -> Result<(), OpenError> {
    // One transaction for all of them: a start that fails leaves the schema of the last one that did not.
    connection
        .immediate_transaction(|c| -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            c.run_pending_migrations(MIGRATIONS)?;
            Ok(())
        })
        .map_err(|why| unopened(place, &format!("its schema could not be brought up to date: {why}")))
}

/// Turns the write-ahead log on: readers and the writer do not wait for each other.
fn keep_log(connection: &mut SqliteConnection, place: &str) -> Result<(), OpenError> {
    if journal(connection, place)? != "wal" {
        connection.batch_execute("PRAGMA journal_mode = WAL").map_err(|why| unopened(place, &why))?;
        if journal(connection, place)? != "wal" {
            return Err(OpenError::Unusable {
                place: place.to_owned(),
                why: "its file system cannot hold a write-ahead log (a network share?); use a local disk".to_owned(),
            });
        }
    }
    Ok(())
}

fn journal(connection: &mut SqliteConnection, place: &str) -> Result<String, OpenError> {
    let modes = lines(connection, "SELECT journal_mode AS line FROM pragma_journal_mode");
    modes.map_err(|why| unopened(place, &why)).map(|modes| modes.concat())
}

fn unusable(file: &SqliteFile, why: &std::io::Error) -> OpenError {
    OpenError::Unusable { place: file.place.clone(), why: why.to_string() }
}

/// Whether there is no database yet. A file of zero bytes is one that a crash left before its first page.
pub(super) fn is_new(file: &SqliteFile) -> Result<bool, OpenError> {
    let mut open = match File::open(&file.path) {
        Ok(open) => open,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(unusable(file, &error)),
    };
    let mut start = Vec::new();
    open.by_ref().take(MAGIC.len() as u64).read_to_end(&mut start).map_err(|why| unusable(file, &why))?;
    if start.is_empty() {
        Ok(true)
    } else if start == MAGIC {
        Ok(false)
    } else {
        Err(OpenError::NotSqlite { place: file.place.clone() })
    }
}

/// Makes an empty file that only its owner can read: it will hold credentials.
fn create(path: &Path) -> std::io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?.sync_all()?;
    sync_names(path)
}

/// Opens a file without changing a byte of it.
pub(super) fn peek(file: &SqliteFile) -> Result<SqliteConnection, OpenError> {
    look(&file.path).map_err(|why| unopened(&file.place, &why))
}

/// The names of the tables.
pub(super) fn tables(connection: &mut SqliteConnection, place: &str) -> Result<Vec<String>, OpenError> {
    let named = "SELECT name AS line FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    lines(connection, named).map_err(|why| unopened(place, &why))
}

/// Whether a database with these tables lacks a migration.
pub(super) fn lacks_migration(
    connection: &mut SqliteConnection,
    place: &str,
    tables: &[String],
) -> Result<bool, OpenError> {
    is_behind::<Sqlite>(place, &MIGRATIONS, tables, |query| lines(connection, query))
}

/// Reads the schema without changing a byte; `true` if migrations are pending.
fn inspect(file: &SqliteFile) -> Result<bool, OpenError> {
    let place = &file.place;
    let mut connection = peek(file)?;
    let tables = tables(&mut connection, place)?;
    let behind = lacks_migration(&mut connection, place, &tables)?;
    // All but the one that grows for ever: what is wrong there shows when it is read, and stops nothing else.
    for table in tables.iter().filter(|table| *table != "audit_log") {
        let check = format!("SELECT quick_check AS line FROM pragma_quick_check('{table}')");
        let said = lines(&mut connection, &check).map_err(|why| unopened(place, &why))?;
        if let Some(what) = said.into_iter().find(|line| line != "ok") {
            return Err(OpenError::Damaged { place: place.clone(), what });
        }
    }
    Ok(behind)
}
