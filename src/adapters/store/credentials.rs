//! S3 keys of pools, encrypted.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::domain::credential::{Credential, FernetToken};
use crate::domain::ids::PoolId;
use crate::domain::time::Timestamp;
use crate::ports::store::StoreError;

use super::decode::Row;
use super::error::Table;
use super::schema::pool_credentials;
use super::{Db, on};

const TABLE: Table = Table { name: "pool_credentials", kind: None };

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = pool_credentials, primary_key(pool_id), treat_none_as_null = true)]
struct CredentialRow {
    pool_id: i64,
    access_key_enc: String,
    secret_key_enc: String,
    endpoint_url: Option<String>,
    region: String,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
}

impl CredentialRow {
    fn of(credential: &Credential) -> Self {
        Self {
            pool_id: credential.pool_id.0,
            access_key_enc: credential.access_key_enc.as_str().to_owned(),
            secret_key_enc: credential.secret_key_enc.as_str().to_owned(),
            endpoint_url: credential.endpoint_url.clone(),
            region: credential.region.clone(),
            created_at: credential.created_at.naive(),
            updated_at: credential.updated_at.naive(),
        }
    }

    fn credential(self) -> Result<Credential, StoreError> {
        let row = Row { table: TABLE, id: self.pool_id };
        Ok(Credential {
            pool_id: PoolId(self.pool_id),
            access_key_enc: row.value("access_key_enc", FernetToken::parse(&self.access_key_enc))?,
            secret_key_enc: row.value("secret_key_enc", FernetToken::parse(&self.secret_key_enc))?,
            endpoint_url: self.endpoint_url,
            region: self.region,
            created_at: Timestamp::of_naive(self.created_at),
            updated_at: Timestamp::of_naive(self.updated_at),
        })
    }
}

pub(super) fn of_pool(db: &mut Db<'_>, pool: PoolId) -> Result<Option<Credential>, StoreError> {
    on!(db, c => pool_credentials::table.find(pool.0).select(CredentialRow::as_select()).first(c).optional())
        .map_err(TABLE.fault())?
        .map(CredentialRow::credential)
        .transpose()
}

pub(super) fn all(db: &mut Db<'_>) -> Result<Vec<Credential>, StoreError> {
    on!(db, c => pool_credentials::table
        .order(pool_credentials::pool_id)
        .select(CredentialRow::as_select())
        .load(c))
    .map_err(TABLE.fault())?
    .into_iter()
    .map(CredentialRow::credential)
    .collect()
}

pub(super) fn save(db: &mut Db<'_>, credential: &Credential) -> Result<(), StoreError> {
    let row = CredentialRow::of(credential);
    on!(db, c => diesel::insert_into(pool_credentials::table)
        .values(&row)
        .on_conflict(pool_credentials::pool_id)
        .do_update()
        .set(&row)
        .execute(c))
    .map(drop)
    .map_err(TABLE.fault())
}

pub(super) fn delete(db: &mut Db<'_>, pool: PoolId) -> Result<(), StoreError> {
    on!(db, c => diesel::delete(pool_credentials::table.find(pool.0)).execute(c)).map(drop).map_err(TABLE.fault())
}
