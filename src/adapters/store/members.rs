//! Members of pools.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::domain::ids::{EntityKind, MemberId, PoolId, Revision};
use crate::domain::pool::{Address, FailTimeout, MaxFails, Member, Role, Weight};
use crate::domain::time::Timestamp;
use crate::ports::store::StoreError;

use super::decode::{Row, most};
use super::error::Table;
use super::save::save;
use super::schema::pool_members;
use super::{Db, on};

const TABLE: Table = Table { name: "pool_members", kind: Some(EntityKind::Member) };

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = pool_members)]
struct MemberRow {
    id: i64,
    revision: i64,
    pool_id: i64,
    address: String,
    role: String,
    weight: i64,
    max_fails: i64,
    fail_timeout_s: i64,
    enabled: bool,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
}

impl MemberRow {
    fn of(member: &Member, revision: Revision) -> Self {
        Self {
            id: member.id.0,
            revision: revision.0,
            pool_id: member.pool_id.0,
            address: member.address.as_str().to_owned(),
            role: member.role.as_str().to_owned(),
            weight: member.weight.get(),
            max_fails: member.max_fails.get(),
            fail_timeout_s: member.fail_timeout_s.get(),
            enabled: member.enabled,
            created_at: member.created_at.naive(),
            updated_at: member.updated_at.naive(),
        }
    }

    fn member(self) -> Result<Member, StoreError> {
        let row = Row { table: TABLE, id: self.id };
        Ok(Member {
            id: MemberId(self.id),
            revision: Revision(self.revision),
            pool_id: PoolId(self.pool_id),
            address: row.value("address", Address::parse(&self.address))?,
            role: row.value("role", Role::parse(&self.role))?,
            weight: row.value("weight", Weight::new(self.weight))?,
            max_fails: row.value("max_fails", MaxFails::new(self.max_fails))?,
            fail_timeout_s: row.value("fail_timeout_s", FailTimeout::new(self.fail_timeout_s))?,
            enabled: self.enabled,
            created_at: Timestamp::of_naive(self.created_at),
            updated_at: Timestamp::of_naive(self.updated_at),
        })
    }
}

pub(super) fn all(db: &mut Db<'_>) -> Result<Vec<Member>, StoreError> {
    on!(db, c => pool_members::table.order(pool_members::id).select(MemberRow::as_select()).load(c))
        .map_err(TABLE.fault())?
        .into_iter()
        .map(MemberRow::member)
        .collect()
}

pub(super) fn of_pool(db: &mut Db<'_>, pool: PoolId) -> Result<Vec<Member>, StoreError> {
    on!(db, c => pool_members::table
        .filter(pool_members::pool_id.eq(pool.0))
        .order(pool_members::id)
        .select(MemberRow::as_select())
        .load(c))
    .map_err(TABLE.fault())?
    .into_iter()
    .map(MemberRow::member)
    .collect()
}

pub(super) fn after(
    db: &mut Db<'_>,
    pool: PoolId,
    after: Option<MemberId>,
    limit: u64,
) -> Result<Vec<Member>, StoreError> {
    on!(db, c => pool_members::table
        .filter(pool_members::pool_id.eq(pool.0))
        .filter(pool_members::id.gt(after.map_or(i64::MIN, |id| id.0)))
        .order(pool_members::id)
        .limit(most(limit))
        .select(MemberRow::as_select())
        .load(c))
    .map_err(TABLE.fault())?
    .into_iter()
    .map(MemberRow::member)
    .collect()
}

pub(super) fn get(db: &mut Db<'_>, id: MemberId) -> Result<Option<Member>, StoreError> {
    on!(db, c => pool_members::table.find(id.0).select(MemberRow::as_select()).first(c).optional())
        .map_err(TABLE.fault())?
        .map(MemberRow::member)
        .transpose()
}

pub(super) fn save(db: &mut Db<'_>, member: Member) -> Result<Member, StoreError> {
    let (known, revision) = (member.revision, member.revision.next());
    let row = MemberRow::of(&member, revision);
    save!(db, pool_members, TABLE, EntityKind::Member, row, known)?;
    Ok(Member { revision, ..member })
}

pub(super) fn delete(db: &mut Db<'_>, id: MemberId) -> Result<(), StoreError> {
    on!(db, c => diesel::delete(pool_members::table.find(id.0)).execute(c)).map(drop).map_err(TABLE.fault())
}
