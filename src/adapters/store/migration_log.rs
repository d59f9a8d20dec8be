//! What the engine said of migrations.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::domain::ids::MigrationId;
use crate::domain::migration::log::{LogEntry, NewLogEntry};
use crate::domain::time::Timestamp;
use crate::ports::store::StoreError;

use super::decode::most;
use super::error::Table;
use super::schema::migration_log;
use super::{Db, on};

const TABLE: Table = Table { name: "migration_log", kind: None };

#[derive(Insertable)]
#[diesel(table_name = migration_log)]
struct NewRow<'a> {
    migration_id: i64,
    phase: &'a str,
    message: &'a str,
    created_at: NaiveDateTime,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = migration_log)]
struct LogRow {
    id: i64,
    migration_id: i64,
    phase: String,
    message: String,
    created_at: NaiveDateTime,
}

pub(super) fn append(db: &mut Db<'_>, entries: &[NewLogEntry]) -> Result<(), StoreError> {
    let rows: Vec<NewRow<'_>> = entries
        .iter()
        .map(|entry| NewRow {
            migration_id: entry.migration.0,
            phase: &entry.phase,
            message: &entry.message,
            created_at: entry.at.naive(),
        })
        .collect();
    // One by one: SQLite takes no list of rows here, and they are few.
    for row in &rows {
        on!(db, c => diesel::insert_into(migration_log::table).values(row).execute(c)).map_err(TABLE.fault())?;
    }
    Ok(())
}

pub(super) fn newest(db: &mut Db<'_>, migration: MigrationId, take: u64) -> Result<Vec<LogEntry>, StoreError> {
    let rows: Vec<LogRow> = on!(db, c => migration_log::table
        .filter(migration_log::migration_id.eq(migration.0))
        .order(migration_log::id.desc())
        .limit(most(take))
        .select(LogRow::as_select())
        .load(c))
    .map_err(TABLE.fault())?;
    let entry = |row: LogRow| LogEntry {
        id: row.id,
        migration: MigrationId(row.migration_id),
        phase: row.phase,
        message: row.message,
        at: Timestamp::of_naive(row.created_at),
    };
    Ok(rows.into_iter().map(entry).collect())
}

pub(super) fn prune(db: &mut Db<'_>, migration: MigrationId, keep: u64) -> Result<(), StoreError> {
    let newest_to_go: Option<i64> = on!(db, c => migration_log::table
        .filter(migration_log::migration_id.eq(migration.0))
        .order(migration_log::id.desc())
        .offset(most(keep))
        .select(migration_log::id)
        .first(c)
        .optional())
    .map_err(TABLE.fault())?;
    let Some(newest_to_go) = newest_to_go else { return Ok(()) };
    on!(db, c => diesel::delete(migration_log::table
        .filter(migration_log::migration_id.eq(migration.0))
        .filter(migration_log::id.le(newest_to_go)))
        .execute(c))
    .map(drop)
    .map_err(TABLE.fault())
}
