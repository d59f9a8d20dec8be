//! Buckets of vhosts.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::domain::bucket::{Bucket, BucketName, BucketStatus};
use crate::domain::ids::{PoolId, VhostId};
use crate::domain::time::Timestamp;
use crate::ports::store::StoreError;

use super::decode::Row;
use super::error::Table;
use super::schema::bucket_sync;
use super::{Db, on};

const TABLE: Table = Table { name: "bucket_sync", kind: None };

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = bucket_sync, primary_key(vhost_id, bucket), treat_none_as_null = true)]
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

pub(super) fn delete(db: &mut Db<'_>, vhost: VhostId, name: &BucketName) -> Result<(), StoreError> {
    on!(db, c => diesel::delete(bucket_sync::table.find((vhost.0, name.as_str()))).execute(c))
        .map(drop)
        .map_err(TABLE.fault())
}
