//! The audit log.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::domain::audit::{Entry, Filter, NewEntry, NginxAnswer};
use crate::domain::ids::{AuditId, EntityKind};
use crate::domain::time::Timestamp;
use crate::ports::store::StoreError;

use super::decode::{most, to_json};
use super::error::Table;
use super::schema::audit_log;
use super::{Db, ids, on};

const TABLE: Table = Table { name: "audit_log", kind: None };

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = audit_log)]
struct AuditRow {
    id: i64,
    actor: String,
    action: String,
    entity_type: String,
    entity_id: Option<i64>,
    before_json: Option<String>,
    after_json: Option<String>,
    nginx_reload_ok: Option<bool>,
    nginx_reload_output: Option<String>,
    created_at: NaiveDateTime,
}

impl AuditRow {
    fn entry(self) -> Entry {
        Entry {
            id: AuditId(self.id),
            actor: self.actor,
            action: self.action,
            entity_type: self.entity_type,
            entity_id: self.entity_id,
            before_json: self.before_json,
            after_json: self.after_json,
            nginx: self
                .nginx_reload_ok
                .map(|ok| NginxAnswer { ok, output: self.nginx_reload_output.unwrap_or_default() }),
            created_at: Timestamp::of_naive(self.created_at),
        }
    }
}

pub(super) fn append(db: &mut Db<'_>, entry: &NewEntry) -> Result<AuditId, StoreError> {
    let id = ids::next(db, EntityKind::Audit)?;
    let (entity_type, entity_id) = entry.subject.columns();
    let row = AuditRow {
        id,
        actor: entry.actor.as_str().to_owned(),
        action: entry.action.as_str().to_owned(),
        entity_type: entity_type.to_owned(),
        entity_id,
        before_json: entry.before.as_ref().map(|before| to_json(TABLE, id, before)).transpose()?,
        after_json: entry.after.as_ref().map(|after| to_json(TABLE, id, after)).transpose()?,
        nginx_reload_ok: entry.nginx.as_ref().map(|answer| answer.ok),
        nginx_reload_output: entry.nginx.as_ref().map(|answer| answer.output.clone()),
        created_at: entry.at.naive(),
    };
    on!(db, c => diesel::insert_into(audit_log::table).values(&row).execute(c)).map_err(TABLE.fault())?;
    Ok(AuditId(id))
}

pub(super) fn prune(db: &mut Db<'_>, before: Timestamp, limit: u64) -> Result<u64, StoreError> {
    let old: Vec<i64> = on!(db, c => audit_log::table
        .filter(audit_log::created_at.lt(before.naive()))
        .order((audit_log::created_at, audit_log::id))
        .limit(most(limit))
        .select(audit_log::id)
        .load(c))
    .map_err(TABLE.fault())?;
    on!(db, c => diesel::delete(audit_log::table.filter(audit_log::id.eq_any(&old))).execute(c))
        .map_err(TABLE.fault())?;
    Ok(old.len() as u64)
}

pub(super) fn read(db: &mut Db<'_>, filter: &Filter) -> Result<Vec<Entry>, StoreError> {
    let rows: Vec<AuditRow> = on!(db, c => {
        let mut query = audit_log::table.select(AuditRow::as_select()).into_boxed();
        if let Some(entity_type) = &filter.entity_type {
            query = query.filter(audit_log::entity_type.eq(entity_type));
        }
        if let Some(entity_id) = filter.entity_id {
            query = query.filter(audit_log::entity_id.eq(entity_id));
        }
        if let Some(from) = filter.from {
            query = query.filter(audit_log::created_at.ge(from.naive()));
        }
        if let Some(to) = filter.to {
            query = query.filter(audit_log::created_at.le(to.naive()));
        }
        query.order(audit_log::id.desc()).limit(most(filter.take)).offset(most(filter.skip)).load(c)
    })
    .map_err(TABLE.fault())?;
    Ok(rows.into_iter().map(AuditRow::entry).collect())
}
