//! What a database is, judged by its tables and migrations before anything is written to it.

use std::collections::BTreeSet;

use diesel::backend::Backend;
use diesel::migration::MigrationSource;
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::Text;
use diesel_migrations::EmbeddedMigrations;

use super::error::{OpenError, unopened};
use super::ids::Counters;
use super::{Db, Link, on};

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// The column `line` of a query.
pub(super) fn lines<'c>(link: impl Into<Link<'c>>, query: &str) -> Result<Vec<String>, Error> {
    let mut db = Db { link: link.into(), counters: Counters::default() };
    let lines: Vec<Line> = on!(db, c => diesel::sql_query(query).load(c))?;
    Ok(lines.into_iter().map(|line| line.line).collect())
}

/// Whether a database with these tables, in which `applied` reads the versions of the applied migrations,
/// is ours and lacks a migration.
pub(super) fn is_behind<DB: Backend>(
    place: &str,
    migrations: &EmbeddedMigrations,
    tables: &[String],
    applied: impl FnOnce(&str) -> Result<Vec<String>, Error>,
) -> Result<bool, OpenError> {
    let has = |table: &str| tables.iter().any(|name| name == table);
    let place = place.to_owned();
    if !has("__diesel_schema_migrations") {
        return if tables.is_empty() {
            Ok(true)
        } else if has("pools") && has("vhosts") {
            Err(OpenError::Older { place })
        } else {
            Err(OpenError::Foreign { place })
        };
    }
    let applied = applied("SELECT version AS line FROM __diesel_schema_migrations");
    let applied: BTreeSet<String> = applied.map_err(|why| unopened(&place, &why))?.into_iter().collect();
    let known = MigrationSource::<DB>::migrations(migrations).map_err(|why| unopened(&place, &why))?;
    let known: BTreeSet<String> = known.iter().map(|migration| migration.name().version().to_string()).collect();
    match applied.difference(&known).last() {
        Some(version) => Err(OpenError::Newer { place, version: version.clone() }),
        None => Ok(applied != known),
    }
}
