//! Managed files as they were last written.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::domain::time::Timestamp;
use crate::ports::store::{FileRecord, StoreError};

use super::error::Table;
use super::schema::config_files;
use super::{Db, on};

const TABLE: Table = Table { name: "config_files", kind: None };

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = config_files, primary_key(path))]
struct FileRow {
    path: String,
    sha256: String,
    written_at: NaiveDateTime,
}

impl From<FileRow> for FileRecord {
    fn from(row: FileRow) -> Self {
        Self { path: row.path, sha256: row.sha256, written_at: Timestamp::of_naive(row.written_at) }
    }
}

pub(super) fn all(db: &mut Db<'_>) -> Result<Vec<FileRecord>, StoreError> {
    let rows = on!(db, c => config_files::table.order(config_files::path).select(FileRow::as_select()).load(c))
        .map_err(TABLE.fault())?;
    Ok(rows.into_iter().map(FileRecord::from).collect())
}

pub(super) fn one(db: &mut Db<'_>, path: &str) -> Result<Option<FileRecord>, StoreError> {
    let row = on!(db, c => config_files::table.find(path).select(FileRow::as_select()).first(c).optional());
    Ok(row.map_err(TABLE.fault())?.map(FileRecord::from))
}

pub(super) fn save(db: &mut Db<'_>, file: &FileRecord) -> Result<(), StoreError> {
    let row = FileRow { path: file.path.clone(), sha256: file.sha256.clone(), written_at: file.written_at.naive() };
    on!(db, c => diesel::insert_into(config_files::table)
        .values(&row)
        .on_conflict(config_files::path)
        .do_update()
        .set(&row)
        .execute(c))
    .map(drop)
    .map_err(TABLE.fault())
}

pub(super) fn forget(db: &mut Db<'_>, path: &str) -> Result<(), StoreError> {
    on!(db, c => diesel::delete(config_files::table.find(path)).execute(c)).map(drop).map_err(TABLE.fault())
}
