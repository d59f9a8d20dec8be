//! Ids: each kind has a counter that only grows, so that an id is never given twice.
//!
//! A transaction reads the counters once and writes them once, when it is committed: PostgreSQL keeps every
//! version of a row that a transaction makes, and a rebuild would make tens of thousands of one row.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;
use diesel::result::Error;

use crate::domain::ids::EntityKind;
use crate::domain::sidecar::HighestIds;
use crate::ports::store::StoreError;

use super::error::Table;
use super::schema::id_counters;
use super::{Db, on};

const TABLE: Table = Table { name: "id_counters", kind: None };

/// The counters as a transaction knows them.
#[derive(Default)]
pub(super) struct Counters {
    /// The highest id ever given, by kind; empty until they are read.
    highest: HashMap<String, i64>,
    /// The kinds whose counter is to be written.
    grown: BTreeSet<&'static str>,
}

/// Counts one up. What a savepoint undoes leaves a gap, which is no fault.
pub(super) fn next(db: &mut Db<'_>, kind: EntityKind) -> Result<i64, StoreError> {
    let highest = counter(db, kind)?;
    let id = highest.checked_add(1).ok_or_else(|| exhausted(kind))?;
    *highest = id;
    db.counters.grown.insert(kind.noun());
    Ok(id)
}

fn exhausted(kind: EntityKind) -> StoreError {
    StoreError::Corrupt(format!("table id_counters: there is no id left for another {}", kind.noun()))
}

/// Takes note of an id that came from elsewhere (a rebuild keeps the ids of the sidecars).
pub(super) fn note(db: &mut Db<'_>, kind: EntityKind, id: i64) -> Result<(), StoreError> {
    let highest = counter(db, kind)?;
    if *highest < id {
        *highest = id;
        db.counters.grown.insert(kind.noun());
    }
    Ok(())
}

/// The counters of everything that sidecars name.
pub(super) fn highest(db: &mut Db<'_>) -> Result<HighestIds, StoreError> {
    Ok(HighestIds {
        pools: *counter(db, EntityKind::Pool)?,
        members: *counter(db, EntityKind::Member)?,
        vhosts: *counter(db, EntityKind::Vhost)?,
        routes: *counter(db, EntityKind::Route)?,
        migrations: *counter(db, EntityKind::Migration)?,
    })
}

/// Takes note of ids that were given in an earlier life of the database.
pub(super) fn raise(db: &mut Db<'_>, highest: HighestIds) -> Result<(), StoreError> {
    for (kind, id) in [
        (EntityKind::Pool, highest.pools),
        (EntityKind::Member, highest.members),
        (EntityKind::Vhost, highest.vhosts),
        (EntityKind::Route, highest.routes),
        (EntityKind::Migration, highest.migrations),
    ] {
        note(db, kind, id)?;
    }
    Ok(())
}

/// Writes the counters that have grown. The last thing that a transaction does.
pub(super) fn write(db: &mut Db<'_>) -> Result<(), Error> {
    for kind in std::mem::take(&mut db.counters.grown) {
        let highest = db.counters.highest.get(kind).copied().unwrap_or_default();
        on!(db, c => diesel::update(id_counters::table.find(kind)).set(id_counters::highest.eq(highest)).execute(c))?;
    }
    Ok(())
}

fn counter<'d>(db: &'d mut Db<'_>, kind: EntityKind) -> Result<&'d mut i64, StoreError> {
    if db.counters.highest.is_empty() {
        let rows: Vec<(String, i64)> = on!(db, c => id_counters::table.load(c)).map_err(TABLE.fault())?;
        db.counters.highest = rows.into_iter().collect();
    }
    let missing = || StoreError::Corrupt(format!("table id_counters: no row for {}", kind.noun()));
    db.counters.highest.get_mut(kind.noun()).ok_or_else(missing)
}
