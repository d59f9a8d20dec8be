//! Small facts of the program's own.

use diesel::prelude::*;

use crate::ports::store::StoreError;

use super::error::Table;
use super::schema::facts;
use super::{Db, on};

const TABLE: Table = Table { name: "facts", kind: None };

pub(super) fn get(db: &mut Db<'_>, key: &str) -> Result<Option<String>, StoreError> {
    on!(db, c => facts::table.find(key).select(facts::value).first(c).optional()).map_err(TABLE.fault())
}

pub(super) fn set(db: &mut Db<'_>, key: &str, value: &str) -> Result<(), StoreError> {
    on!(db, c => diesel::insert_into(facts::table)
        .values((facts::key.eq(key), facts::value.eq(value)))
        .on_conflict(facts::key)
        .do_update()
        .set(facts::value.eq(value))
        .execute(c))
    .map(drop)
    .map_err(TABLE.fault())
}
