//! Emptying the tables that a rebuild fills.

use diesel::prelude::*;

use crate::ports::store::StoreError;

use super::error::fault;
use super::schema::{
    bucket_listings, bucket_sync, config_files, migrations, pool_credentials, pool_members, pools, routes, vhosts,
};
use super::{Db, on};

/// Removes the gateway and the records about it. The audit log, jobs, the ids that were given, facts and
/// ended sessions stay.
pub(super) fn gateway(db: &mut Db<'_>) -> Result<(), StoreError> {
    on!(db, c => c.transaction(|c| {
        // Rows that refer to others go before them.
        diesel::delete(bucket_sync::table).execute(c)?;
        diesel::delete(bucket_listings::table).execute(c)?;
        diesel::delete(pool_credentials::table).execute(c)?;
        diesel::delete(routes::table).execute(c)?;
        diesel::delete(vhosts::table).execute(c)?;
        diesel::delete(pool_members::table).execute(c)?;
        diesel::update(pools::table).set(pools::source_nanio_pool_id.eq(None::<i64>)).execute(c)?;
        diesel::delete(pools::table).execute(c)?;
        diesel::delete(migrations::table).execute(c)?;
        diesel::delete(config_files::table).execute(c)
    }))
    .map(drop)
    .map_err(|error| fault("clearing the tables of the gateway", error))
}
