//! The whole disk to all rows.

use super::found::Found;
use super::pool_rows::pools;
use super::vhost_rows::vhosts;
use super::{Notes, migrations, records};
use crate::domain::bucket::Bucket;
use crate::domain::credential::Credential;
use crate::domain::disk::{DiskDatabase, DiskFile, MigrationFile};
use crate::domain::migration::Migration;
use crate::domain::pool::{Member, Pool};
use crate::domain::route::Route;
use crate::domain::sidecar::HighestIds;
use crate::domain::time::Timestamp;
use crate::domain::vhost::Vhost;

/// Everything that a rebuild reads.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    /// The managed directory, by path.
    pub files: Vec<DiskFile>,
    /// The records of migrations beside the database.
    pub migrations: Vec<MigrationFile>,
    /// What a database of 0.4.x says and its files do not.
    pub former: Option<DiskDatabase>,
}

/// The rows that say what the disk says.
#[derive(Debug, Clone, Default)]
pub struct Import {
    /// Pools by name.
    pub pools: Vec<ImportedPool>,
    /// Vhosts by server name.
    pub vhosts: Vec<ImportedVhost>,
    /// Migrations by id.
    pub migrations: Vec<Migration>,
    /// No id up to these may be given again.
    pub highest: HighestIds,
    /// Files that are what these rows say, or what 0.4.x said: path and hash.
    pub records: Vec<(String, String)>,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// A pool with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedPool {
    /// The pool.
    pub pool: Pool,
    /// Its members.
    pub members: Vec<Member>,
    /// Its S3 keys.
    pub credential: Option<Credential>,
    /// Whether it had a sidecar.
    pub has_sidecar: bool,
}

/// A vhost with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedVhost {
    /// The vhost.
    pub vhost: Vhost,
    /// Its routes.
    pub routes: Vec<Route>,
    /// Its buckets of which something is on disk: the ignored ones.
    pub buckets: Vec<Bucket>,
    /// Whether it had a sidecar.
    pub has_sidecar: bool,
}

/// Reads the rows out of the disk. `now` is the time of what has no time on disk.
#[must_use]
pub fn import(disk: &Disk, now: Timestamp) -> Import {
    let mut notes = Notes::default();
    let found = Found::of(disk, &mut notes);
    let highest = found.highest.unwrap_or_default();
    let pools = pools(&found, highest, now, &mut notes);
    let vhosts = vhosts(&found, highest, &pools, now, &mut notes);
    let migrations = migrations::import(disk, &pools, &vhosts, highest.migrations, now, &mut notes);
    let highest = HighestIds {
        pools: pools.highest,
        members: pools.highest_member,
        vhosts: vhosts.highest,
        routes: vhosts.highest_route,
        migrations: migrations.highest,
    };
    Import {
        records: records::of(disk),
        pools: pools.rows,
        vhosts: vhosts.rows,
        migrations: migrations.rows,
        highest,
        warnings: notes.0,
    }
}
