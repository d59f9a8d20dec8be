//! Browser sessions that were ended before their cookies were void.

use std::collections::HashMap;

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::domain::time::Timestamp;
use crate::ports::store::StoreError;

use super::error::Table;
use super::schema::revoked_sessions;
use super::{Db, on};

const TABLE: Table = Table { name: "revoked_sessions", kind: None };

pub(super) fn revoke(db: &mut Db<'_>, session: &str, expires: Timestamp) -> Result<(), StoreError> {
    let expires = expires.naive();
    on!(db, c => diesel::insert_into(revoked_sessions::table)
        .values((revoked_sessions::session.eq(session), revoked_sessions::expires.eq(expires)))
        .on_conflict(revoked_sessions::session)
        .do_update()
        .set(revoked_sessions::expires.eq(expires))
        .execute(c))
    .map(drop)
    .map_err(TABLE.fault())
}

pub(super) fn revoked(db: &mut Db<'_>, now: Timestamp) -> Result<HashMap<String, Timestamp>, StoreError> {
    let rows: Vec<(String, NaiveDateTime)> = on!(db, c => revoked_sessions::table
        .filter(revoked_sessions::expires.gt(now.naive()))
        .select((revoked_sessions::session, revoked_sessions::expires))
        .load(c))
    .map_err(TABLE.fault())?;
    Ok(rows.into_iter().map(|(session, expires)| (session, Timestamp::of_naive(expires))).collect())
}

pub(super) fn forget_void(db: &mut Db<'_>, now: Timestamp) -> Result<(), StoreError> {
    on!(db, c => diesel::delete(revoked_sessions::table.filter(revoked_sessions::expires.le(now.naive()))).execute(c))
        .map(drop)
        .map_err(TABLE.fault())
}
