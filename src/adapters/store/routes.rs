//! Routes of vhosts: the largest table, tens of thousands of rows in one vhost.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::NaiveDateTime;
use diesel::dsl::{count_star, exists, min};
use diesel::prelude::*;

use crate::domain::bucket::BucketName;
use crate::domain::ids::{EntityKind, PoolId, Revision, RouteId, VhostId};
use crate::domain::route::{KeyPrefix, PathPrefix, Route};
use crate::domain::vhost::Snippet;
use crate::ports::store::{RouteBundle, StoreError};

use super::decode::{Row, most};
use super::error::Table;
use super::save::save;
use super::schema::{length, pools, routes, vhosts};
use super::second::Second;
use super::{Db, on};

const TABLE: Table = Table { name: "routes", kind: Some(EntityKind::Route) };

/// What is read of a route: `canonical_prefix` follows from `path_prefix`.
#[derive(Queryable, Selectable)]
#[diesel(table_name = routes)]
struct RouteRow {
    id: i64,
    revision: i64,
    vhost_id: i64,
    path_prefix: String,
    pool_id: i64,
    key_prefix: Option<String>,
    extra_directives: Option<String>,
    enabled: bool,
    created_at: Second,
    updated_at: Second,
}

/// What is written of a route.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = routes, treat_none_as_null = true)]
struct WrittenRoute<'r> {
    id: i64,
    revision: i64,
    vhost_id: i64,
    path_prefix: &'r str,
    canonical_prefix: &'r str,
    pool_id: i64,
    key_prefix: Option<&'r str>,
    extra_directives: Option<&'r str>,
    enabled: bool,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
}

impl<'r> WrittenRoute<'r> {
    fn of(route: &'r Route, revision: Revision) -> Self {
        Self {
            id: route.id.0,
            revision: revision.0,
            vhost_id: route.vhost_id.0,
            path_prefix: route.path_prefix.as_str(),
            canonical_prefix: route.path_prefix.canonical(),
            pool_id: route.pool_id.0,
            key_prefix: route.key_prefix.as_ref().map(KeyPrefix::as_str),
            extra_directives: route.extra_directives.as_ref().map(Snippet::as_str),
            enabled: route.enabled,
            created_at: route.created_at.naive(),
            updated_at: route.updated_at.naive(),
        }
    }
}

impl RouteRow {
    fn route(self) -> Result<Route, StoreError> {
        let row = Row { table: TABLE, id: self.id };
        Ok(Route {
            id: RouteId(self.id),
            revision: Revision(self.revision),
            vhost_id: VhostId(self.vhost_id),
            path_prefix: row.value("path_prefix", PathPrefix::stored(&self.path_prefix))?,
            pool_id: PoolId(self.pool_id),
            key_prefix: row.optional("key_prefix", self.key_prefix.as_deref(), KeyPrefix::parse)?,
            extra_directives: row.optional("extra_directives", self.extra_directives.as_deref(), Snippet::parse)?,
            enabled: self.enabled,
            created_at: self.created_at.0,
            updated_at: self.updated_at.0,
        })
    }
}

pub(super) fn of_vhost(db: &mut Db<'_>, vhost: VhostId) -> Result<Vec<Route>, StoreError> {
    let mut rows = on!(db, c => routes::table
        .filter(routes::vhost_id.eq(vhost.0))
        .select(RouteRow::as_select())
        .load(c))
    .map_err(TABLE.fault())?;
    // Cheaper here than in the database, which would carry whole rows through its sorter.
    rows.sort_unstable_by_key(|row| (Reverse(row.path_prefix.len()), row.id));
    rows.into_iter().map(RouteRow::route).collect()
}

/// Two ranges of the index instead of one condition with OR, for which a database would read all routes of the
/// vhost up to the place: the routes of the same length behind it, then the shorter ones.
pub(super) fn after(
    db: &mut Db<'_>,
    vhost: VhostId,
    after: Option<(&PathPrefix, RouteId)>,
    limit: u64,
) -> Result<Vec<Route>, StoreError> {
    let mut rows = Vec::new();
    // No prefix is that long: an index holds them.
    let mut shorter_than = i32::MAX;
    if let Some((prefix, id)) = after {
        shorter_than = i32::try_from(prefix.as_str().len()).unwrap_or(i32::MAX);
        rows = on!(db, c => as_long(vhost.0, shorter_than, id.0)
            .limit(most(limit))
            .select(RouteRow::as_select())
            .load::<RouteRow>(c))
        .map_err(TABLE.fault())?;
    }
    let left = limit.saturating_sub(rows.len() as u64);
    if left > 0 {
        let rest = on!(db, c => shorter(vhost.0, shorter_than)
            .limit(most(left))
            .select(RouteRow::as_select())
            .load::<RouteRow>(c));
        rows.extend(rest.map_err(TABLE.fault())?);
    }
    rows.into_iter().map(RouteRow::route).collect()
}

#[diesel::dsl::auto_type]
fn as_long(vhost: i64, prefix_length: i32, after: i64) -> _ {
    routes::table
        .filter(routes::vhost_id.eq(vhost))
        .filter(length(routes::path_prefix).eq(prefix_length))
        .filter(routes::id.gt(after))
        .order(routes::id)
}

#[diesel::dsl::auto_type]
fn shorter(vhost: i64, prefix_length: i32) -> _ {
    routes::table
        .filter(routes::vhost_id.eq(vhost))
        .filter(length(routes::path_prefix).lt(prefix_length))
        .order((length(routes::path_prefix).desc(), routes::id))
}

pub(super) fn disabled(db: &mut Db<'_>, vhost: VhostId) -> Result<Vec<Route>, StoreError> {
    on!(db, c => routes::table
        .filter(routes::vhost_id.eq(vhost.0))
        .filter(routes::enabled.eq(false))
        .order(routes::id)
        .select(RouteRow::as_select())
        .load(c))
    .map_err(TABLE.fault())?
    .into_iter()
    .map(RouteRow::route)
    .collect()
}

pub(super) fn get(db: &mut Db<'_>, id: RouteId) -> Result<Option<Route>, StoreError> {
    on!(db, c => routes::table.find(id.0).select(RouteRow::as_select()).first(c).optional())
        .map_err(TABLE.fault())?
        .map(RouteRow::route)
        .transpose()
}

pub(super) fn at(db: &mut Db<'_>, vhost: VhostId, canonical: &str) -> Result<Option<Route>, StoreError> {
    on!(db, c => routes::table
        .filter(routes::vhost_id.eq(vhost.0))
        .filter(routes::canonical_prefix.eq(canonical))
        .select(RouteRow::as_select())
        .first(c)
        .optional())
    .map_err(TABLE.fault())?
    .map(RouteRow::route)
    .transpose()
}

/// Two looks into the index: the bucket whole, and what begins with it and a slash.
pub(super) fn of_bucket(db: &mut Db<'_>, vhost: VhostId, bucket: &BucketName) -> Result<Vec<Route>, StoreError> {
    let mut found: Vec<Route> = at(db, vhost, &format!("/{bucket}"))?.into_iter().collect();
    // `0` is the character behind the slash.
    let (first, end) = (format!("/{bucket}/"), format!("/{bucket}0"));
    let parts = on!(db, c => routes::table
        .filter(routes::vhost_id.eq(vhost.0))
        .filter(routes::canonical_prefix.ge(&first))
        .filter(routes::canonical_prefix.lt(&end))
        .select(RouteRow::as_select())
        .load::<RouteRow>(c))
    .map_err(TABLE.fault())?;
    for row in parts {
        found.push(row.route()?);
    }
    found.sort_by_key(|route| route.id);
    Ok(found)
}

pub(super) fn pool_ids(db: &mut Db<'_>, vhost: VhostId) -> Result<HashSet<PoolId>, StoreError> {
    // Asked of each pool, of which there are few: one look into the index each, however many routes there are.
    let ids: Vec<i64> = on!(db, c => pools::table
        .filter(exists(
            routes::table
                .filter(routes::pool_id.eq(pools::id))
                .filter(routes::vhost_id.eq(vhost.0))
                .filter(routes::canonical_prefix.ne(PathPrefix::root().as_str())),
        ))
        .select(pools::id)
        .load(c))
    .map_err(TABLE.fault())?;
    Ok(ids.into_iter().map(PoolId).collect())
}

pub(super) fn save(db: &mut Db<'_>, route: Route) -> Result<Route, StoreError> {
    let (known, revision) = (route.revision, route.revision.next());
    let row = WrittenRoute::of(&route, revision);
    save!(db, routes, TABLE, EntityKind::Route, row, known)?;
    Ok(Route { revision, ..route })
}

pub(super) fn delete(db: &mut Db<'_>, id: RouteId) -> Result<(), StoreError> {
    on!(db, c => diesel::delete(routes::table.find(id.0)).execute(c)).map(drop).map_err(TABLE.fault())
}

pub(super) fn counts(db: &mut Db<'_>) -> Result<HashMap<VhostId, u64>, StoreError> {
    let rows: Vec<(i64, i64)> = on!(db, c => routes::table
        .inner_join(vhosts::table)
        .filter(vhosts::enabled.eq(true))
        .filter(routes::enabled.eq(true))
        .filter(routes::canonical_prefix.ne(PathPrefix::root().as_str()))
        .group_by(routes::vhost_id)
        .select((routes::vhost_id, count_star()))
        .load(c))
    .map_err(TABLE.fault())?;
    Ok(rows.into_iter().map(|(vhost, count)| (VhostId(vhost), count.unsigned_abs())).collect())
}

pub(super) fn bundles(db: &mut Db<'_>) -> Result<Vec<RouteBundle>, StoreError> {
    let rows: Vec<(i64, i64, bool, i64, Option<String>)> = on!(db, c => routes::table
        .filter(routes::canonical_prefix.ne(PathPrefix::root().as_str()))
        .group_by((routes::vhost_id, routes::pool_id, routes::enabled))
        .select((routes::vhost_id, routes::pool_id, routes::enabled, count_star(), min(routes::path_prefix)))
        .load(c))
    .map_err(TABLE.fault())?;
    let mut bundles: BTreeMap<(i64, i64), RouteBundle> = BTreeMap::new();
    for (vhost, pool, enabled, count, example) in rows {
        let bundle = bundles.entry((vhost, pool)).or_insert_with(|| RouteBundle {
            vhost_id: VhostId(vhost),
            pool_id: PoolId(pool),
            enabled: 0,
            disabled: 0,
            example: example.unwrap_or_default(),
        });
        *(if enabled { &mut bundle.enabled } else { &mut bundle.disabled }) = count.unsigned_abs();
    }
    Ok(bundles.into_values().collect())
}
