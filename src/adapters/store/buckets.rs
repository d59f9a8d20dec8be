//! Buckets of vhosts.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDateTime;
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel::upsert::excluded;

use crate::domain::bucket::{Bucket, BucketName, BucketStatus};
use crate::domain::ids::{PoolId, VhostId};
use crate::domain::time::Timestamp;
use crate::ports::store::StoreError;

use super::decode::Row;
use super::error::Table;
use super::schema::{bucket_listings, bucket_sync};
use super::{Db, on};

const TABLE: Table = Table { name: "bucket_sync", kind: None };
const LISTINGS: Table = Table { name: "bucket_listings", kind: None };
/// Rows a statement: five values each, and SQLite binds 32,766 at most.
const ROWS_A_STATEMENT: usize = 1000;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = bucket_sync, primary_key(vhost_id, bucket), treat_none_as_null = true,
    treat_none_as_default_value = false)]
struct BucketRow {
    vhost_id: i64,
    bucket: String,
    status: String,
    routed_pool_id: Option<i64>,
    discovered_at: NaiveDateTime,
}

impl BucketRow {
    fn of(bucket: &Bucket) -> Self {
        Self {
            vhost_id: bucket.vhost_id.0,
            bucket: bucket.name.as_str().to_owned(),
            status: bucket.status.as_str().to_owned(),
            routed_pool_id: bucket.routed_pool_id.map(|id| id.0),
            discovered_at: bucket.discovered_at.naive(),
        }
    }

    fn bucket(self) -> Result<Bucket, StoreError> {
        let row = Row { table: TABLE, id: self.vhost_id };
        Ok(Bucket {
            vhost_id: VhostId(self.vhost_id),
            name: row.value("bucket", BucketName::parse(&self.bucket))?,
            status: row.value("status", BucketStatus::parse(&self.status))?,
            routed_pool_id: self.routed_pool_id.map(PoolId),
            discovered_at: Timestamp::of_naive(self.discovered_at),
        })
    }
}

pub(super) fn of_vhost(db: &mut Db<'_>, vhost: VhostId) -> Result<Vec<Bucket>, StoreError> {
    on!(db, c => bucket_sync::table
        .filter(bucket_sync::vhost_id.eq(vhost.0))
        .order(bucket_sync::bucket)
        .select(BucketRow::as_select())
        .load(c))
    .map_err(TABLE.fault())?
    .into_iter()
    .map(BucketRow::bucket)
    .collect()
}

pub(super) fn with_status(
    db: &mut Db<'_>,
    vhost: VhostId,
    status: BucketStatus,
) -> Result<Vec<BucketName>, StoreError> {
    let names: Vec<String> = on!(db, c => bucket_sync::table
        .filter(bucket_sync::vhost_id.eq(vhost.0))
        .filter(bucket_sync::status.eq(status.as_str()))
        .order(bucket_sync::bucket)
        .select(bucket_sync::bucket)
        .load(c))
    .map_err(TABLE.fault())?;
    let row = Row { table: TABLE, id: vhost.0 };
    names.iter().map(|name| row.value("bucket", BucketName::parse(name))).collect()
}

pub(super) fn counts(db: &mut Db<'_>) -> Result<HashMap<VhostId, BTreeMap<BucketStatus, u64>>, StoreError> {
    let rows: Vec<(i64, String, i64)> = on!(db, c => bucket_sync::table
        .group_by((bucket_sync::vhost_id, bucket_sync::status))
        .select((bucket_sync::vhost_id, bucket_sync::status, count_star()))
        .load(c))
    .map_err(TABLE.fault())?;
    let mut counts: HashMap<VhostId, BTreeMap<BucketStatus, u64>> = HashMap::new();
    for (vhost, status, count) in rows {
        let status = Row { table: TABLE, id: vhost }.value("status", BucketStatus::parse(&status))?;
        counts.entry(VhostId(vhost)).or_default().insert(status, count.unsigned_abs());
    }
    Ok(counts)
}

pub(super) fn get(db: &mut Db<'_>, vhost: VhostId, name: &BucketName) -> Result<Option<Bucket>, StoreError> {
    on!(db, c => bucket_sync::table
        .find((vhost.0, name.as_str()))
        .select(BucketRow::as_select())
        .first(c)
        .optional())
    .map_err(TABLE.fault())?
    .map(BucketRow::bucket)
    .transpose()
}

pub(super) fn save(db: &mut Db<'_>, bucket: &Bucket) -> Result<(), StoreError> {
    let row = BucketRow::of(bucket);
    on!(db, c => diesel::insert_into(bucket_sync::table)
        .values(&row)
        .on_conflict((bucket_sync::vhost_id, bucket_sync::bucket))
        .do_update()
        .set(&row)
        .execute(c))
    .map(drop)
    .map_err(TABLE.fault())
}

pub(super) fn save_all(db: &mut Db<'_>, buckets: &[Bucket]) -> Result<(), StoreError> {
    for some in buckets.chunks(ROWS_A_STATEMENT) {
        let rows: Vec<BucketRow> = some.iter().map(BucketRow::of).collect();
        on!(db, c => diesel::insert_into(bucket_sync::table)
            .values(&rows)
            .on_conflict((bucket_sync::vhost_id, bucket_sync::bucket))
            .do_update()
            .set((
                bucket_sync::status.eq(excluded(bucket_sync::status)),
                bucket_sync::routed_pool_id.eq(excluded(bucket_sync::routed_pool_id)),
                bucket_sync::discovered_at.eq(excluded(bucket_sync::discovered_at)),
            ))
            .execute(c))
        .map_err(TABLE.fault())?;
    }
    Ok(())
}

pub(super) fn listed_at(db: &mut Db<'_>, vhost: VhostId) -> Result<Option<Timestamp>, StoreError> {
    on!(db, c => bucket_listings::table.find(vhost.0).select(bucket_listings::listed_at).first(c).optional())
        .map(|time: Option<NaiveDateTime>| time.map(Timestamp::of_naive))
        .map_err(LISTINGS.fault())
}

pub(super) fn note_listed(db: &mut Db<'_>, vhosts: &[VhostId], at: Timestamp) -> Result<(), StoreError> {
    for some in vhosts.chunks(ROWS_A_STATEMENT) {
        let row = |vhost: &VhostId| (bucket_listings::vhost_id.eq(vhost.0), bucket_listings::listed_at.eq(at.naive()));
        let rows: Vec<_> = some.iter().map(row).collect();
        on!(db, c => diesel::insert_into(bucket_listings::table)
            .values(&rows)
            .on_conflict(bucket_listings::vhost_id)
            .do_update()
            .set(bucket_listings::listed_at.eq(excluded(bucket_listings::listed_at)))
            .execute(c))
        .map_err(LISTINGS.fault())?;
    }
    Ok(())
}

pub(super) fn delete(db: &mut Db<'_>, vhost: VhostId, name: &BucketName) -> Result<(), StoreError> {
    on!(db, c => diesel::delete(bucket_sync::table.find((vhost.0, name.as_str()))).execute(c))
        .map(drop)
        .map_err(TABLE.fault())
}
