//! Who stands upon what a pool holds of a bucket.

use std::fmt;

use super::ids::MigrationId;
use super::pool::PoolName;
use super::route::PathPrefix;
use super::vhost::ServerName;

/// Something that serves a bucket from a pool, or will: its objects must not go. Shown as the end of a sentence:
/// *it is served by …*
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// A route to the pool.
    Route {
        /// Its vhost.
        vhost: ServerName,
        /// What it serves: the bucket, or a part of it.
        prefix: PathPrefix,
        /// Its pool.
        pool: PoolName,
        /// Whether nginx uses it now. One that is switched off is meant to come back, and so are its objects.
        active: bool,
    },
    /// A vhost without a route of its own for the bucket, whose default pool it is.
    Default {
        /// The vhost.
        vhost: ServerName,
        /// Its default pool.
        pool: PoolName,
        /// Whether nginx serves the vhost now.
        active: bool,
    },
    /// A migration reads the bucket there, or writes it.
    Migration {
        /// Which.
        id: MigrationId,
        /// Whether it reads: the pool is its source.
        reads: bool,
    },
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asleep = |active: &bool| if *active { "" } else { ", which is disabled" };
        match self {
            Self::Route { vhost, prefix, pool, active } => {
                write!(f, "route {prefix} of vhost {vhost} (pool {pool}){}", asleep(active))
            }
            Self::Default { vhost, pool, active } => {
                write!(f, "the default pool {pool} of vhost {vhost}{}", asleep(active))
            }
            Self::Migration { id, reads: true } => write!(f, "migration {id}, which reads it there"),
            Self::Migration { id, reads: false } => write!(f, "migration {id}, which writes it there"),
        }
    }
}
