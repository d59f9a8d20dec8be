//! Ids: each kind has a counter that only grows, so that an id is never given twice.

use diesel::prelude::*;

use crate::domain::ids::EntityKind;
use crate::ports::store::StoreError;

use super::error::Table;
use super::schema::id_counters;
use super::{Db, on};

const TABLE: Table = Table { name: "id_counters", kind: None };

/// Counts one up.
pub(super) fn next(db: &mut Db<'_>, kind: EntityKind) -> Result<i64, StoreError> {
    on!(db, c => diesel::update(id_counters::table.find(kind.noun()))
        .set(id_counters::highest.eq(id_counters::highest + 1))
        .returning(id_counters::highest)
        .get_result(c))
    .map_err(TABLE.fault())
}

/// Takes note of an id that came from elsewhere (a rebuild keeps the ids of the sidecars).
pub(super) fn note(db: &mut Db<'_>, kind: EntityKind, id: i64) -> Result<(), StoreError> {
    on!(db, c => diesel::update(id_counters::table.find(kind.noun()).filter(id_counters::highest.lt(id)))
        .set(id_counters::highest.eq(id))
        .execute(c))
    .map(drop)
    .map_err(TABLE.fault())
}
