//! The schema: what a database holds is looked at before anything is written to it.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::migration::MigrationSource;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::ports::store::Access;

use super::connection::{connect, establish};
use super::error::{OpenError, place, unopened};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// The first bytes of every SQLite file (<https://www.sqlite.org/fileformat.html>, 1.3).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Makes the database at `path` ready: makes the file if there is none, refuses what is not ours to change,
/// and brings an older schema up to date.
pub(super) fn prepare(path: &Path) -> Result<(), OpenError> {
    let place = place(path);
    let pending = if is_new(path)? {
        create(path)?;
        true
    } else {
        inspect(path, &place)?
    };
    let mut connection = connect(path, Access::Write).map_err(|why| unopened(&place, &why))?;
    keep_log(&mut connection, &place)?;
    if pending {
        // One transaction for all of them: a start that fails leaves the schema of the last one that did not.
        connection
            .immediate_transaction(|c| -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
                c.run_pending_migrations(MIGRATIONS)?;
                Ok(())
            })
            .map_err(|why| unopened(&place, &format!("its schema could not be brought up to date: {why}")))?;
    }
    Ok(())
}

/// Turns the write-ahead log on: readers and the writer do not wait for each other.
fn keep_log(connection: &mut SqliteConnection, place: &str) -> Result<(), OpenError> {
    let mode = texts(connection, "SELECT 'wal' AS line FROM pragma_journal_mode WHERE journal_mode = 'wal'", place)?;
    if mode.is_empty() {
        connection.batch_execute("PRAGMA journal_mode = WAL").map_err(|why| unopened(place, &why))?;
        let now = texts(connection, "SELECT journal_mode AS line FROM pragma_journal_mode", place)?.into_iter().next();
        if now.as_deref() != Some("wal") {
            return Err(OpenError::Unusable {
                place: place.to_owned(),
                why: "its file system cannot hold a write-ahead log (a network share?); use a local disk".to_owned(),
            });
        }
    }
    Ok(())
}

/// Whether there is no database yet. A file of zero bytes is one that a crash left before its first page.
fn is_new(path: &Path) -> Result<bool, OpenError> {
    let unusable = |why: std::io::Error| OpenError::Unusable { place: place(path), why: why.to_string() };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(unusable(error)),
    };
    let mut start = Vec::new();
    file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut start).map_err(unusable)?;
    if start.is_empty() {
        Ok(true)
    } else if start == MAGIC {
        Ok(false)
    } else {
        Err(OpenError::NotSqlite { place: place(path) })
    }
}

/// Makes an empty file that only its owner can read: it will hold credentials.
fn create(path: &Path) -> Result<(), OpenError> {
    let made = || {
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?.sync_all()?;
        match path.parent() {
            Some(directory) if directory != Path::new("") => File::open(directory)?.sync_all(),
            _ => File::open(".")?.sync_all(),
        }
    };
    made().map_err(|why| OpenError::Unusable { place: place(path), why: why.to_string() })
}

/// Reads the schema without changing a byte; `true` if migrations are pending.
fn inspect(path: &Path, place: &str) -> Result<bool, OpenError> {
    // immutable keeps SQLite from making its two side files; where there is a log it must be read.
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let query = if Path::new(&log).exists() { "mode=ro" } else { "mode=ro&immutable=1" };
    let mut connection = establish(path, query).map_err(|why| unopened(place, &why))?;
    let tables = texts(
        &mut connection,
        "SELECT name AS line FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        place,
    )?;
    let has = |table: &str| tables.iter().any(|name| name == table);
    let applied: BTreeSet<String> = if has("__diesel_schema_migrations") {
        texts(&mut connection, "SELECT version AS line FROM __diesel_schema_migrations", place)?.into_iter().collect()
    } else if has("pools") && has("vhosts") {
        return Err(OpenError::Older { place: place.to_owned() });
    } else if tables.is_empty() {
        BTreeSet::new()
    } else {
        return Err(OpenError::Foreign { place: place.to_owned() });
    };
    let known = known(place)?;
    if let Some(version) = applied.difference(&known).last() {
        return Err(OpenError::Newer { place: place.to_owned(), version: version.clone() });
    }
    for table in &tables {
        // All but the one that grows for ever: what is wrong there shows when it is read, and stops nothing else.
        if table != "audit_log" {
            let check = format!("SELECT quick_check AS line FROM pragma_quick_check('{table}')");
            match texts(&mut connection, &check, place)?.into_iter().find(|line| line != "ok") {
                None => {}
                Some(what) => return Err(OpenError::Damaged { place: place.to_owned(), what }),
            }
        }
    }
    Ok(applied != known)
}

/// The versions of the migrations that this program knows.
fn known(place: &str) -> Result<BTreeSet<String>, OpenError> {
    let migrations = MigrationSource::<Sqlite>::migrations(&MIGRATIONS).map_err(|why| unopened(place, &why))?;
    Ok(migrations.iter().map(|migration| migration.name().version().to_string()).collect())
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn texts(connection: &mut SqliteConnection, query: &str, place: &str) -> Result<Vec<String>, OpenError> {
    let lines: Vec<Line> = diesel::sql_query(query).load(connection).map_err(|why| unopened(place, &why))?;
    Ok(lines.into_iter().map(|line| line.line).collect())
}
