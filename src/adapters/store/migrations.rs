//! Migrations of buckets (not of the schema).

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::domain::bucket::BucketName;
use crate::domain::ids::{EntityKind, MigrationId, PoolId, Revision, RouteId, VhostId};
use crate::domain::migration::{Migration, MigrationMode, Named, Orphan, Phase};
use crate::domain::time::Timestamp;
use crate::ports::store::StoreError;

use super::decode::{Row, to_json};
use super::error::Table;
use super::save::save;
use super::schema::migrations;
use super::{Db, on};

const TABLE: Table = Table { name: "migrations", kind: Some(EntityKind::Migration) };

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = migrations, treat_none_as_null = true)]
struct MigrationRow {
    id: i64,
    revision: i64,
    vhost_id: i64,
    vhost_name: String,
    bucket: String,
    src_pool_id: i64,
    src_pool_name: String,
    dst_pool_id: i64,
    dst_pool_name: String,
    mode: String,
    phase: String,
    route_id: Option<i64>,
    needs_adoption: bool,
    objects_total: i64,
    objects_done: i64,
    bytes_total: i64,
    bytes_done: i64,
    error_msg: Option<String>,
    started_at: Option<NaiveDateTime>,
    finished_at: Option<NaiveDateTime>,
    orphaned_source_pool_id: Option<i64>,
    orphaned_source_pool_name: Option<String>,
    orphaned_source_prefix: Option<String>,
    orphaned_at: Option<NaiveDateTime>,
    swept_http_vhosts_json: String,
    updated_http_vhosts_json: String,
    created_at: NaiveDateTime,
    work_json: String,
    gated: bool,
    purged_at: Option<NaiveDateTime>,
}

impl MigrationRow {
    fn of(migration: &Migration, revision: Revision) -> Result<Self, StoreError> {
        let id = migration.id.0;
        let orphan = migration.orphan.as_ref();
        Ok(Self {
            id,
            revision: revision.0,
            vhost_id: migration.vhost.id.0,
            vhost_name: migration.vhost.name.clone(),
            bucket: migration.bucket.as_str().to_owned(),
            src_pool_id: migration.source.id.0,
            src_pool_name: migration.source.name.clone(),
            dst_pool_id: migration.destination.id.0,
            dst_pool_name: migration.destination.name.clone(),
            mode: migration.mode.as_str().to_owned(),
            phase: migration.phase.as_str().to_owned(),
            route_id: migration.route_id.map(|id| id.0),
            needs_adoption: migration.needs_adoption,
            objects_total: migration.objects_total,
            objects_done: migration.objects_done,
            bytes_total: migration.bytes_total,
            bytes_done: migration.bytes_done,
            error_msg: migration.error_msg.clone(),
            started_at: migration.started_at.map(Timestamp::naive),
            finished_at: migration.finished_at.map(Timestamp::naive),
            orphaned_source_pool_id: orphan.map(|orphan| orphan.pool.id.0),
            orphaned_source_pool_name: orphan.map(|orphan| orphan.pool.name.clone()),
            orphaned_source_prefix: orphan.map(|orphan| orphan.prefix.clone()),
            orphaned_at: orphan.map(|orphan| orphan.since.naive()),
            swept_http_vhosts_json: to_json(TABLE, id, &migration.swept_http_vhosts)?,
            updated_http_vhosts_json: to_json(TABLE, id, &migration.updated_http_vhosts)?,
            created_at: migration.created_at.naive(),
            work_json: to_json(TABLE, id, &migration.work)?,
            gated: migration.work.has_rest(),
            purged_at: orphan.and_then(|orphan| orphan.purged_at).map(Timestamp::naive),
        })
    }

    fn migration(self) -> Result<Migration, StoreError> {
        let row = Row { table: TABLE, id: self.id };
        let orphan = match (self.orphaned_source_pool_id, self.orphaned_at) {
            (Some(id), Some(since)) => Some(Orphan {
                pool: Named { id: PoolId(id), name: self.orphaned_source_pool_name.unwrap_or_default() },
                prefix: self.orphaned_source_prefix.unwrap_or_default(),
                since: Timestamp::of_naive(since),
                purged_at: self.purged_at.map(Timestamp::of_naive),
            }),
            _ => None,
        };
        Ok(Migration {
            id: MigrationId(self.id),
            revision: Revision(self.revision),
            vhost: Named { id: VhostId(self.vhost_id), name: self.vhost_name },
            bucket: row.value("bucket", BucketName::parse(&self.bucket))?,
            source: Named { id: PoolId(self.src_pool_id), name: self.src_pool_name },
            destination: Named { id: PoolId(self.dst_pool_id), name: self.dst_pool_name },
            mode: row.value("mode", MigrationMode::parse(&self.mode))?,
            phase: row.value("phase", Phase::parse(&self.phase))?,
            route_id: self.route_id.map(RouteId),
            needs_adoption: self.needs_adoption,
            objects_total: self.objects_total,
            objects_done: self.objects_done,
            bytes_total: self.bytes_total,
            bytes_done: self.bytes_done,
            error_msg: self.error_msg,
            started_at: self.started_at.map(Timestamp::of_naive),
            finished_at: self.finished_at.map(Timestamp::of_naive),
            orphan,
            swept_http_vhosts: row.json("swept_http_vhosts_json", &self.swept_http_vhosts_json)?,
            updated_http_vhosts: row.json("updated_http_vhosts_json", &self.updated_http_vhosts_json)?,
            created_at: Timestamp::of_naive(self.created_at),
            work: row.json("work_json", &self.work_json)?,
        })
    }
}

fn decode(rows: Vec<MigrationRow>) -> Result<Vec<Migration>, StoreError> {
    rows.into_iter().map(MigrationRow::migration).collect()
}

pub(super) fn all(db: &mut Db<'_>) -> Result<Vec<Migration>, StoreError> {
    on!(db, c => migrations::table.order(migrations::id.desc()).select(MigrationRow::as_select()).load(c))
        .map_err(TABLE.fault())
        .and_then(decode)
}

pub(super) fn unfinished(db: &mut Db<'_>) -> Result<Vec<Migration>, StoreError> {
    let words: Vec<&str> = Phase::ALL.iter().filter(|phase| !phase.is_final()).map(|phase| phase.as_str()).collect();
    on!(db, c => migrations::table
        .filter(migrations::phase.eq_any(&words))
        .order(migrations::id)
        .select(MigrationRow::as_select())
        .load(c))
    .map_err(TABLE.fault())
    .and_then(decode)
}

pub(super) fn gated(db: &mut Db<'_>) -> Result<Vec<Migration>, StoreError> {
    on!(db, c => migrations::table
        .filter(migrations::gated.eq(true))
        .order(migrations::id)
        .select(MigrationRow::as_select())
        .load(c))
    .map_err(TABLE.fault())
    .and_then(decode)
}

pub(super) fn of_bucket(db: &mut Db<'_>, bucket: &BucketName) -> Result<Vec<Migration>, StoreError> {
    on!(db, c => migrations::table
        .filter(migrations::bucket.eq(bucket.as_str()))
        .order(migrations::id.desc())
        .select(MigrationRow::as_select())
        .load(c))
    .map_err(TABLE.fault())
    .and_then(decode)
}

pub(super) fn to_adopt(db: &mut Db<'_>, vhost: VhostId) -> Result<Option<Migration>, StoreError> {
    on!(db, c => migrations::table
        .filter(migrations::vhost_id.eq(vhost.0))
        .filter(migrations::needs_adoption.eq(true))
        .order(migrations::id)
        .select(MigrationRow::as_select())
        .first(c)
        .optional())
    .map_err(TABLE.fault())?
    .map(MigrationRow::migration)
    .transpose()
}

pub(super) fn get(db: &mut Db<'_>, id: MigrationId) -> Result<Option<Migration>, StoreError> {
    on!(db, c => migrations::table.find(id.0).select(MigrationRow::as_select()).first(c).optional())
        .map_err(TABLE.fault())?
        .map(MigrationRow::migration)
        .transpose()
}

pub(super) fn save(db: &mut Db<'_>, migration: Migration) -> Result<Migration, StoreError> {
    let (known, revision) = (migration.revision, migration.revision.next());
    let row = MigrationRow::of(&migration, revision)?;
    save!(db, migrations, TABLE, EntityKind::Migration, row, known)?;
    Ok(Migration { revision, ..migration })
}
