//! Vhosts.

use chrono::NaiveDateTime;
use diesel::dsl::{count_star, exists, max};
use diesel::prelude::*;
use serde::Deserialize;

use crate::domain::ids::{EntityKind, PoolId, Revision, VhostId};
use crate::domain::time::Timestamp;
use crate::domain::vhost::{ExtraBlock, IpRange, IpRuleMode, IpRules, PemPath, Port, ServerName, Snippet, Vhost, Zone};
use crate::ports::store::{ServerNames, StoreError};

use super::decode::{Row, most, to_json};
use super::error::Table;
use super::save::save;
use super::schema::{length, routes, vhosts};
use super::{Db, on};

const TABLE: Table = Table { name: "vhosts", kind: Some(EntityKind::Vhost) };

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = vhosts, treat_none_as_null = true)]
struct VhostRow {
    id: i64,
    revision: i64,
    server_name: String,
    listen_port: i64,
    ssl: bool,
    enabled: bool,
    default_pool_id: Option<i64>,
    ssl_cert_path: Option<String>,
    ssl_key_path: Option<String>,
    ip_rule_mode: Option<String>,
    ip_rule_ips_json: Option<String>,
    extra_directives: Option<String>,
    extra_blocks_json: Option<String>,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
}

/// An [`ExtraBlock`] before its words are checked.
#[derive(Deserialize)]
struct StoredBlock {
    zone: String,
    content: String,
}

impl VhostRow {
    fn of(vhost: &Vhost, revision: Revision) -> Result<Self, StoreError> {
        let id = vhost.id.0;
        let blocks = (!vhost.extra_blocks.is_empty()).then(|| to_json(TABLE, id, &vhost.extra_blocks));
        let rules = vhost.ip_rules.as_ref();
        Ok(Self {
            id,
            revision: revision.0,
            server_name: vhost.server_name.as_str().to_owned(),
            listen_port: vhost.listen_port.get(),
            ssl: vhost.ssl,
            enabled: vhost.enabled,
            default_pool_id: vhost.default_pool_id.map(|id| id.0),
            ssl_cert_path: vhost.ssl_certificate.as_ref().map(|path| path.as_str().to_owned()),
            ssl_key_path: vhost.ssl_certificate_key.as_ref().map(|path| path.as_str().to_owned()),
            ip_rule_mode: rules.map(|rules| rules.mode.as_str().to_owned()),
            ip_rule_ips_json: rules.map(|rules| to_json(TABLE, id, &rules.ranges)).transpose()?,
            extra_directives: vhost.extra_directives.as_ref().map(|text| text.as_str().to_owned()),
            extra_blocks_json: blocks.transpose()?,
            created_at: vhost.created_at.naive(),
            updated_at: vhost.updated_at.naive(),
        })
    }

    fn vhost(self) -> Result<Vhost, StoreError> {
        let row = Row { table: TABLE, id: self.id };
        Ok(Vhost {
            id: VhostId(self.id),
            revision: Revision(self.revision),
            server_name: row.value("server_name", ServerName::parse(&self.server_name))?,
            listen_port: row.value("listen_port", Port::new(self.listen_port))?,
            ssl: self.ssl,
            ssl_certificate: row.optional("ssl_cert_path", self.ssl_cert_path.as_deref(), PemPath::parse)?,
            ssl_certificate_key: row.optional("ssl_key_path", self.ssl_key_path.as_deref(), PemPath::parse)?,
            extra_directives: row.optional("extra_directives", self.extra_directives.as_deref(), Snippet::parse)?,
            extra_blocks: extra_blocks(row, self.extra_blocks_json.as_deref())?,
            enabled: self.enabled,
            default_pool_id: self.default_pool_id.map(PoolId),
            ip_rules: ip_rules(row, self.ip_rule_mode.as_deref(), self.ip_rule_ips_json.as_deref())?,
            created_at: Timestamp::of_naive(self.created_at),
            updated_at: Timestamp::of_naive(self.updated_at),
        })
    }
}

fn extra_blocks(row: Row, json: Option<&str>) -> Result<Vec<ExtraBlock>, StoreError> {
    let Some(json) = json else { return Ok(Vec::new()) };
    let stored: Vec<StoredBlock> = row.json("extra_blocks_json", json)?;
    stored
        .into_iter()
        .map(|block| {
            Ok(ExtraBlock {
                zone: row.value("extra_blocks_json", Zone::parse(&block.zone))?,
                content: row.value("extra_blocks_json", Snippet::parse(&block.content))?,
            })
        })
        .collect()
}

fn ip_rules(row: Row, mode: Option<&str>, ranges: Option<&str>) -> Result<Option<IpRules>, StoreError> {
    let Some(mode) = row.optional("ip_rule_mode", mode, IpRuleMode::parse)? else { return Ok(None) };
    let stored: Vec<String> = row.json("ip_rule_ips_json", ranges.unwrap_or("[]"))?;
    let ranges = stored
        .iter()
        .map(|range| row.value("ip_rule_ips_json", IpRange::parse(range)))
        .collect::<Result<Vec<_>, _>>()?;
    row.value("ip_rule_ips_json", IpRules::new(mode, ranges)).map(Some)
}

fn decode(rows: Vec<VhostRow>) -> Result<Vec<Vhost>, StoreError> {
    rows.into_iter().map(VhostRow::vhost).collect()
}

pub(super) fn all(db: &mut Db<'_>) -> Result<Vec<Vhost>, StoreError> {
    on!(db, c => vhosts::table.order(vhosts::server_name).select(VhostRow::as_select()).load(c))
        .map_err(TABLE.fault())
        .and_then(decode)
}

pub(super) fn after(db: &mut Db<'_>, after: Option<&ServerName>, limit: u64) -> Result<Vec<Vhost>, StoreError> {
    // No name is empty.
    let after = after.map_or("", ServerName::as_str);
    on!(db, c => vhosts::table
        .filter(vhosts::server_name.gt(after))
        .order(vhosts::server_name)
        .limit(most(limit))
        .select(VhostRow::as_select())
        .load(c))
    .map_err(TABLE.fault())
    .and_then(decode)
}

pub(super) fn get(db: &mut Db<'_>, id: VhostId) -> Result<Option<Vhost>, StoreError> {
    on!(db, c => vhosts::table.find(id.0).select(VhostRow::as_select()).first(c).optional())
        .map_err(TABLE.fault())?
        .map(VhostRow::vhost)
        .transpose()
}

pub(super) fn named(db: &mut Db<'_>, server_name: &str) -> Result<Option<Vhost>, StoreError> {
    on!(db, c => vhosts::table
        .filter(vhosts::server_name.eq(server_name))
        .select(VhostRow::as_select())
        .first(c)
        .optional())
    .map_err(TABLE.fault())?
    .map(VhostRow::vhost)
    .transpose()
}

pub(super) fn using(db: &mut Db<'_>, pool: PoolId) -> Result<Vec<Vhost>, StoreError> {
    // EXISTS, not IN: one look into the index for each vhost, however many routes use the pool.
    on!(db, c => vhosts::table
        .filter(vhosts::default_pool_id.eq(pool.0).assume_not_null().or(exists(
            routes::table.filter(routes::pool_id.eq(pool.0)).filter(routes::vhost_id.eq(vhosts::id)),
        )))
        .order(vhosts::server_name)
        .select(VhostRow::as_select())
        .load(c))
    .map_err(TABLE.fault())
    .and_then(decode)
}

pub(super) fn save(db: &mut Db<'_>, vhost: Vhost) -> Result<Vhost, StoreError> {
    let (known, revision) = (vhost.revision, vhost.revision.next());
    let row = VhostRow::of(&vhost, revision)?;
    save!(db, vhosts, TABLE, EntityKind::Vhost, row, known)?;
    Ok(Vhost { revision, ..vhost })
}

pub(super) fn delete(db: &mut Db<'_>, id: VhostId) -> Result<(), StoreError> {
    on!(db, c => diesel::delete(vhosts::table.find(id.0)).execute(c)).map(drop).map_err(TABLE.fault())
}

pub(super) fn server_names(db: &mut Db<'_>) -> Result<ServerNames, StoreError> {
    let (count, longest): (i64, Option<i32>) =
        on!(db, c => vhosts::table.select((count_star(), max(length(vhosts::server_name)))).first(c))
            .map_err(TABLE.fault())?;
    Ok(ServerNames { count: count.unsigned_abs(), longest: longest.unwrap_or_default().unsigned_abs().into() })
}
