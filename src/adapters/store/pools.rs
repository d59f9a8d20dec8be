//! Pools.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::domain::gateway::PoolRef;
use crate::domain::ids::{EntityKind, PoolId, Revision};
use crate::domain::pool::{Keepalive, LbMethod, Pool, PoolKind, PoolName};
use crate::domain::time::Timestamp;
use crate::ports::store::StoreError;

use super::decode::{Row, most};
use super::error::Table;
use super::save::save;
use super::schema::{lower, pool_members, pools};
use super::{Db, on};

const TABLE: Table = Table { name: "pools", kind: Some(EntityKind::Pool) };

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = pools, treat_none_as_null = true)]
struct PoolRow {
    id: i64,
    revision: i64,
    name: String,
    description: Option<String>,
    kind: String,
    lb_method: String,
    keepalive: i64,
    source_nanio_pool_id: Option<i64>,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
}

impl PoolRow {
    fn of(pool: &Pool, revision: Revision) -> Self {
        Self {
            id: pool.id.0,
            revision: revision.0,
            name: pool.name.as_str().to_owned(),
            description: pool.description.clone(),
            kind: pool.kind.as_str().to_owned(),
            lb_method: pool.lb_method.as_str().to_owned(),
            keepalive: pool.keepalive.get(),
            source_nanio_pool_id: pool.source_nanio_pool_id.map(|id| id.0),
            created_at: pool.created_at.naive(),
            updated_at: pool.updated_at.naive(),
        }
    }

    fn pool(self) -> Result<Pool, StoreError> {
        let row = Row { table: TABLE, id: self.id };
        Ok(Pool {
            id: PoolId(self.id),
            revision: Revision(self.revision),
            name: row.value("name", PoolName::parse(&self.name))?,
            description: self.description,
            kind: row.value("type", PoolKind::parse(&self.kind))?,
            lb_method: row.value("lb_method", LbMethod::parse(&self.lb_method))?,
            keepalive: row.value("keepalive", Keepalive::new(self.keepalive))?,
            source_nanio_pool_id: self.source_nanio_pool_id.map(PoolId),
            created_at: Timestamp::of_naive(self.created_at),
            updated_at: Timestamp::of_naive(self.updated_at),
        })
    }
}

fn decode(rows: Vec<PoolRow>) -> Result<Vec<Pool>, StoreError> {
    rows.into_iter().map(PoolRow::pool).collect()
}

pub(super) fn all(db: &mut Db<'_>) -> Result<Vec<Pool>, StoreError> {
    on!(db, c => pools::table.order(pools::name).select(PoolRow::as_select()).load(c))
        .map_err(TABLE.fault())
        .and_then(decode)
}

pub(super) fn after(db: &mut Db<'_>, after: Option<&PoolName>, limit: u64) -> Result<Vec<Pool>, StoreError> {
    // No name is empty.
    let after = after.map_or("", PoolName::as_str);
    on!(db, c => pools::table
        .filter(pools::name.gt(after))
        .order(pools::name)
        .limit(most(limit))
        .select(PoolRow::as_select())
        .load(c))
    .map_err(TABLE.fault())
    .and_then(decode)
}

pub(super) fn get(db: &mut Db<'_>, id: PoolId) -> Result<Option<Pool>, StoreError> {
    on!(db, c => pools::table.find(id.0).select(PoolRow::as_select()).first(c).optional())
        .map_err(TABLE.fault())?
        .map(PoolRow::pool)
        .transpose()
}

pub(super) fn named(db: &mut Db<'_>, name: &str) -> Result<Option<Pool>, StoreError> {
    let folded = name.to_ascii_lowercase();
    on!(db, c => pools::table.filter(lower(pools::name).eq(&folded)).select(PoolRow::as_select()).first(c).optional())
        .map_err(TABLE.fault())?
        .map(PoolRow::pool)
        .transpose()
}

pub(super) fn refs(db: &mut Db<'_>) -> Result<HashMap<PoolId, PoolRef>, StoreError> {
    let columns = (pools::id, pools::name, pools::kind, pools::source_nanio_pool_id);
    let rows: Vec<(i64, String, String, Option<i64>)> =
        on!(db, c => pools::table.select(columns).load(c)).map_err(TABLE.fault())?;
    rows.into_iter()
        .map(|(id, name, kind, source)| {
            let row = Row { table: TABLE, id };
            let name = row.value("name", PoolName::parse(&name))?;
            let kind = row.value("type", PoolKind::parse(&kind))?;
            Ok((PoolId(id), PoolRef { name, kind, source: source.map(PoolId) }))
        })
        .collect()
}

pub(super) fn serving(db: &mut Db<'_>) -> Result<HashSet<PoolId>, StoreError> {
    let ids: Vec<i64> = on!(db, c => pool_members::table
        .filter(pool_members::enabled.eq(true))
        .select(pool_members::pool_id)
        .distinct()
        .load(c))
    .map_err(TABLE.fault())?;
    Ok(ids.into_iter().map(PoolId).collect())
}

pub(super) fn backed_by(db: &mut Db<'_>, id: PoolId) -> Result<Vec<Pool>, StoreError> {
    on!(db, c => pools::table
        .filter(pools::source_nanio_pool_id.eq(id.0))
        .order(pools::name)
        .select(PoolRow::as_select())
        .load(c))
    .map_err(TABLE.fault())
    .and_then(decode)
}

pub(super) fn save(db: &mut Db<'_>, pool: Pool) -> Result<Pool, StoreError> {
    let (known, revision) = (pool.revision, pool.revision.next());
    let row = PoolRow::of(&pool, revision);
    save!(db, pools, TABLE, EntityKind::Pool, row, known)?;
    Ok(Pool { revision, ..pool })
}

pub(super) fn delete(db: &mut Db<'_>, id: PoolId) -> Result<(), StoreError> {
    on!(db, c => c.transaction(|c| {
        // Not left to the foreign key: the pools change, so their revisions do.
        diesel::update(pools::table.filter(pools::source_nanio_pool_id.eq(id.0)))
            .set((pools::source_nanio_pool_id.eq(None::<i64>), pools::revision.eq(pools::revision + 1)))
            .execute(c)?;
        diesel::delete(pools::table.find(id.0)).execute(c)
    }))
    .map(drop)
    .map_err(TABLE.fault())
}
