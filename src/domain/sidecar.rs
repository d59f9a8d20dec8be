//! What a rebuild needs and nginx has no directive for, as values: the content of the `.meta.json` files.
//!
//! Like [`gateway`](super::gateway), a pure function of the database's rows: each value is one managed file. The
//! fields of 0.4.x keep their names; the others are ours. What the `.conf` file beside it says is said there
//! only, except for entities that have no `.conf` file at the moment. Ids are said here only: nginx's files call
//! everything by its name, so that the same gateway has the same files.

use super::bucket::BucketName;
use super::credential::Credential;
use super::gateway::Server;
use super::ids::{PoolId, RouteId};
use super::pool::{Member, Pool, PoolName};
use super::route::{KeyPrefix, PathPrefix, Route};
use super::server_routes::ServerRoutes;
use super::time::Timestamp;
use super::vhost::{Snippet, Vhost};

/// How the names of these files end. nginx's `include *.conf` does not see them.
pub const SIDECAR_SUFFIX: &str = ".meta.json";

/// `pools/<name>.meta.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSidecar {
    /// The pool.
    pub pool: Pool,
    /// The name of the pool behind [`Pool::source_nanio_pool_id`]: a rebuild resolves it by name.
    pub source_nanio_pool_name: Option<PoolName>,
    /// Its S3 keys.
    pub credential: Option<Credential>,
    /// All members, disabled ones included, by id.
    pub members: Vec<Member>,
}

/// `vhosts/<server name>.meta.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VhostSidecar {
    /// The vhost.
    pub vhost: Vhost,
    /// The name of the pool behind [`Vhost::default_pool_id`]: a rebuild resolves it by name.
    pub default_pool_name: Option<PoolName>,
    /// The routes that the `.conf` file does not hold, by id: the disabled ones, or all of a disabled vhost.
    pub routes: Vec<SidecarRoute>,
    /// The routes that the `.conf` file holds; `None` while there is no such file.
    pub served: Option<Served>,
    /// Buckets that an operator does not want to hear of, by name.
    pub ignored_buckets: Vec<BucketName>,
}

/// The routes that a `.conf` file holds. It calls them by what they serve; a sidecar adds their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The automatic route `/`, if there is a default pool.
    pub default: Option<RouteId>,
    /// The others.
    pub routes: ServerRoutes,
}

impl Served {
    /// Those of a server block.
    #[must_use]
    pub fn by(server: &Server) -> Self {
        Self { default: server.default.as_ref().map(|route| route.id), routes: server.routes.clone() }
    }
}

/// A route that nginx does not have at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SidecarRoute {
    /// The route.
    pub id: RouteId,
    /// The requests it would serve.
    pub path_prefix: PathPrefix,
    /// The pool that would serve them.
    pub pool_id: PoolId,
    /// Its name.
    pub pool_name: PoolName,
    /// Replacement of the prefix.
    pub key_prefix: Option<KeyPrefix>,
    /// Raw directives.
    pub extra_directives: Option<Snippet>,
    /// Whether it is enabled (in a disabled vhost).
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last saved.
    pub updated_at: Timestamp,
}

impl SidecarRoute {
    /// A route with the name of its pool.
    #[must_use]
    pub fn of(route: Route, pool_name: PoolName) -> Self {
        Self {
            id: route.id,
            path_prefix: route.path_prefix,
            pool_id: route.pool_id,
            pool_name,
            key_prefix: route.key_prefix,
            extra_directives: route.extra_directives,
            enabled: route.enabled,
            created_at: route.created_at,
            updated_at: route.updated_at,
        }
    }
}

/// `ids.meta.json`: how high the ids have risen, so that none is given twice even after the database is lost.
///
/// The numbers are rounded up to a multiple of [`HighestIds::STEP`], so that the file changes seldom: a rebuild
/// leaves a gap of fewer ids than that, never an id that was given before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HighestIds {
    /// Of pools.
    pub pools: i64,
    /// Of pool members.
    pub members: i64,
    /// Of vhosts.
    pub vhosts: i64,
    /// Of routes.
    pub routes: i64,
    /// Of migrations.
    pub migrations: i64,
}

impl HighestIds {
    /// How far apart the numbers in the file are.
    pub const STEP: i64 = 100;

    /// The higher number of each.
    #[must_use]
    pub fn raised(self, other: Self) -> Self {
        Self {
            pools: self.pools.max(other.pools),
            members: self.members.max(other.members),
            vhosts: self.vhosts.max(other.vhosts),
            routes: self.routes.max(other.routes),
            migrations: self.migrations.max(other.migrations),
        }
    }

    /// The numbers as the file holds them. Rounding rounded numbers changes nothing.
    #[must_use]
    pub fn rounded(self) -> Self {
        let up = |id: i64| id.checked_add(Self::STEP - 1).map_or(id, |sum| sum / Self::STEP * Self::STEP);
        Self {
            pools: up(self.pools),
            members: up(self.members),
            vhosts: up(self.vhosts),
            routes: up(self.routes),
            migrations: up(self.migrations),
        }
    }
}
