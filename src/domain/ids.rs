//! Identities. An id is given once and never again, not even after a deletion.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A pool of storage nodes.
    PoolId
);
id!(
    /// A member (one storage node) of a pool.
    MemberId
);
id!(
    /// A vhost (one nginx `server` block).
    VhostId
);
id!(
    /// A route of a vhost.
    RouteId
);
id!(
    /// A move of a bucket from one pool to another.
    MigrationId
);
id!(
    /// Work that goes on after the request that asked for it.
    JobId
);
id!(
    /// An audit entry.
    AuditId
);

/// How often an entity was saved. A save that names an older revision is refused,
/// so two operators cannot overwrite each other unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub i64);

impl Revision {
    /// The revision of an entity that was never saved.
    pub const NEW: Revision = Revision(0);

    /// The revision of an entity that was never saved, and whose first save gives `number` (at least 1). Entities
    /// of a database that was made again begin above all that their clients may know from its earlier life.
    #[must_use]
    pub fn first(number: i64) -> Revision {
        Revision(-number.max(1))
    }

    /// Whether the entity was never saved.
    #[must_use]
    pub fn is_new(self) -> bool {
        self.0 <= 0
    }

    /// The revision that the next save gives.
    #[must_use]
    pub fn next(self) -> Revision {
        if self.0 < 0 { Revision(-self.0) } else { Revision(self.0 + 1) }
    }
}

/// The kinds of entity that have ids of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntityKind {
    /// Pools.
    Pool,
    /// Pool members.
    Member,
    /// Vhosts.
    Vhost,
    /// Routes.
    Route,
    /// Migrations.
    Migration,
    /// Jobs.
    Job,
    /// Audit entries.
    Audit,
}

impl EntityKind {
    /// The noun under which the entity appears in messages and in the audit log.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            EntityKind::Pool => "pool",
            EntityKind::Member => "pool_member",
            EntityKind::Vhost => "vhost",
            EntityKind::Route => "route",
            EntityKind::Migration => "migration",
            EntityKind::Job => "job",
            EntityKind::Audit => "audit",
        }
    }
}
