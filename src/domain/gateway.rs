//! What nginx should say, as values: a pure function of pools, vhosts and routes.
//!
//! Each value is one managed file. The nginx adapter renders it to text and parses the text
//! back to the same value; nothing else decides what a file holds.

pub mod moving;

use std::collections::HashMap;
use std::sync::Arc;

use moving::{Move, Moving};

use super::ids::{MemberId, PoolId, RouteId, VhostId};
use super::pool::{
    Address, FailTimeout, Keepalive, LbMethod, MaxFails, Member, Pool, PoolKind, PoolName, Role, Weight,
};
use super::route::{KeyPrefix, PathPrefix, Route};
use super::server_routes::ServerRoutes;
use super::sidecar::{HighestIds, PoolSidecar, VhostSidecar};
use super::vhost::{ExtraBlock, IpRules, PemPath, Port, ServerName, Snippet, Vhost};

/// The name of a managed file, without directory and extension.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileName {
    /// Directives that may stand once in nginx's `http` block.
    Common,
    /// The `upstream` of a pool.
    Upstream(PoolName),
    /// The `server` of a vhost.
    Server(ServerName),
    /// What a rebuild needs of a pool and nginx has no directive for.
    PoolSidecar(PoolName),
    /// What a rebuild needs of a vhost and nginx has no directive for.
    VhostSidecar(ServerName),
    /// How high the ids have risen.
    Ids,
}

impl FileName {
    /// Whether nginx reads the file. The others are for a rebuild only.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        matches!(self, FileName::Common | FileName::Upstream(_) | FileName::Server(_))
    }

    /// The file that stands beside this one and goes with it.
    #[must_use]
    pub fn sidecar(&self) -> Option<FileName> {
        match self {
            FileName::Upstream(pool) => Some(FileName::PoolSidecar(pool.clone())),
            FileName::Server(server) => Some(FileName::VhostSidecar(server.clone())),
            FileName::Common | FileName::PoolSidecar(_) | FileName::VhostSidecar(_) | FileName::Ids => None,
        }
    }
}

/// The content of a managed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManagedFile {
    /// Directives that may stand once in nginx's `http` block.
    Common(Common),
    /// The `upstream` of a pool.
    Upstream(Upstream),
    /// The `server` of a vhost. Shared, since it may hold tens of thousands of routes.
    Server(Arc<Server>),
    /// What a rebuild needs of a pool beside its upstream.
    PoolSidecar(Box<PoolSidecar>),
    /// What a rebuild needs of a vhost beside its server block.
    VhostSidecar(Box<VhostSidecar>),
    /// How high the ids have risen.
    Ids(HighestIds),
}

impl ManagedFile {
    /// The name under which it is stored.
    #[must_use]
    pub fn name(&self) -> FileName {
        match self {
            ManagedFile::Common(_) => FileName::Common,
            ManagedFile::Upstream(upstream) => FileName::Upstream(upstream.name.clone()),
            ManagedFile::Server(server) => FileName::Server(server.server_name.clone()),
            ManagedFile::PoolSidecar(sidecar) => FileName::PoolSidecar(sidecar.pool.name.clone()),
            ManagedFile::VhostSidecar(sidecar) => FileName::VhostSidecar(sidecar.vhost.server_name.clone()),
            ManagedFile::Ids(_) => FileName::Ids,
        }
    }
}

/// How large nginx's hash tables must be.
///
/// The sizes are powers of two with room to grow, so that the file seldom changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Common {
    /// `map_hash_max_size`.
    pub map_entries: u64,
    /// `server_names_hash_max_size`.
    pub server_names: u64,
    /// `server_names_hash_bucket_size`, bytes.
    pub server_name_bytes: u64,
    /// `variables_hash_max_size`.
    pub variables: u64,
}

impl Common {
    /// As [`Common::sized`]; `None` without vhosts, since nginx's own sizes do then.
    #[must_use]
    pub fn needed(routes: u64, vhosts: u64, longest_name: u64) -> Option<Self> {
        (vhosts > 0).then(|| Self::sized(routes, vhosts, longest_name))
    }

    /// Sizes for a gateway whose largest vhost has `routes` routes, with `vhosts` vhosts,
    /// the longest of whose names has `longest_name` characters.
    #[must_use]
    pub fn sized(routes: u64, vhosts: u64, longest_name: u64) -> Self {
        let roomy = |count: u64, least: u64| (count.saturating_mul(2)).next_power_of_two().max(least);
        Self {
            map_entries: roomy(routes, 2048),
            server_names: roomy(vhosts, 1024),
            // An entry takes a pointer, a length and the name, rounded up (ngx_hash.c).
            server_name_bytes: (longest_name + 24).next_power_of_two().max(128),
            // A vhost has about eight variables, and more while its buckets move.
            variables: roomy(vhosts.saturating_mul(8), 1024),
        }
    }
}

/// One nginx `upstream`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// The pool.
    pub id: PoolId,
    /// Its name.
    pub name: PoolName,
    /// What its nodes speak.
    pub kind: PoolKind,
    /// How nginx chooses.
    pub lb_method: LbMethod,
    /// Idle connections kept.
    pub keepalive: Keepalive,
    /// The enabled members, in order of id. Never empty.
    pub servers: Vec<UpstreamServer>,
}

/// One `server` line of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamServer {
    /// The member.
    pub id: MemberId,
    /// Where it listens.
    pub address: Address,
    /// Its part; a replica is a `backup`.
    pub role: Role,
    /// Share of the requests.
    pub weight: Weight,
    /// Failures until it is left out.
    pub max_fails: MaxFails,
    /// Seconds it is left out.
    pub fail_timeout_s: FailTimeout,
}

impl Upstream {
    /// The upstream of a pool; `None` while no member is enabled.
    #[must_use]
    pub fn of(pool: &Pool, members: &[Member]) -> Option<Self> {
        let mut servers: Vec<UpstreamServer> = members
            .iter()
            .filter(|member| member.enabled)
            .map(|member| UpstreamServer {
                id: member.id,
                address: member.address.clone(),
                role: member.role,
                weight: member.weight,
                max_fails: member.max_fails,
                fail_timeout_s: member.fail_timeout_s,
            })
            .collect();
        servers.sort_by_key(|server| server.id);
        (!servers.is_empty()).then(|| Self {
            id: pool.id,
            name: pool.name.clone(),
            kind: pool.kind,
            lb_method: pool.lb_method,
            keepalive: pool.keepalive,
            servers,
        })
    }
}

/// How a server block reads a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// S3: routed by the bucket of the raw, signed URI; nothing is normalised or rewritten.
    S3,
    /// Plain HTTP: routed by nginx's own prefix locations.
    Http,
}

/// Certificate and key of a server block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Certificate chain.
    pub certificate: PemPath,
    /// Private key.
    pub key: PemPath,
}

/// One nginx `server` with the maps it routes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The vhost.
    pub id: VhostId,
    /// The name it answers to.
    pub server_name: ServerName,
    /// Its port.
    pub listen_port: Port,
    /// TLS, if on.
    pub tls: Option<Tls>,
    /// How requests are read.
    pub protocol: Protocol,
    /// Who may connect.
    pub ip_rules: Option<IpRules>,
    /// Raw directives (0.4.x form).
    pub extra_directives: Option<Snippet>,
    /// Raw directives by zone.
    pub extra_blocks: Vec<ExtraBlock>,
    /// The automatic route `/`, if there is a default pool.
    pub default: Option<DefaultRoute>,
    /// The enabled routes: longest prefix first, then by prefix.
    pub routes: ServerRoutes,
    /// Buckets that are being moved and can be reached here.
    pub moves: Vec<Move>,
}

/// The automatic route `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultRoute {
    /// The route.
    pub id: RouteId,
    /// The default pool.
    pub pool: PoolName,
}

/// One route of a server block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRoute {
    /// The route.
    pub id: RouteId,
    /// The requests it serves.
    pub path_prefix: PathPrefix,
    /// The pool that serves them.
    pub pool: PoolName,
    /// Replacement of the prefix.
    pub key_prefix: Option<KeyPrefix>,
    /// Raw directives.
    pub extra_directives: Option<Snippet>,
}

impl ServerRoute {
    /// The order in a server block: longest prefix first, then by prefix.
    #[must_use]
    pub fn order(a: &Self, b: &Self) -> std::cmp::Ordering {
        let length = |route: &Self| route.path_prefix.canonical().len();
        length(b).cmp(&length(a)).then_with(|| a.path_prefix.cmp(&b.path_prefix))
    }

    /// Whether an entry of the routing map says everything about this route.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.path_prefix.plain_bucket().is_some() && self.key_prefix.is_none() && self.extra_directives.is_none()
    }
}

/// What a server block must know of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRef {
    /// The pool's name.
    pub name: PoolName,
    /// What its nodes speak.
    pub kind: PoolKind,
    /// The nanio pool whose objects an `http` pool reads.
    pub source: Option<PoolId>,
}

impl Server {
    /// The server block of a vhost; `None` while the vhost is disabled.
    ///
    /// A route whose pool is not among `pools` is left out, which the store's references make impossible. `gated` are
    /// the migrations of which nginx has anything.
    #[must_use]
    pub fn of(vhost: &Vhost, routes: &[Route], pools: &HashMap<PoolId, PoolRef>, gated: &[Moving]) -> Option<Self> {
        if !vhost.enabled {
            return None;
        }
        let pool = |id: PoolId| pools.get(&id);
        let mut enabled: Vec<ServerRoute> = routes
            .iter()
            .filter(|route| route.enabled && !route.path_prefix.is_root())
            .filter_map(|route| {
                Some(ServerRoute {
                    id: route.id,
                    path_prefix: route.path_prefix.clone(),
                    pool: pool(route.pool_id)?.name.clone(),
                    key_prefix: route.key_prefix.clone(),
                    extra_directives: route.extra_directives.clone(),
                })
            })
            .collect();
        enabled.sort_by(ServerRoute::order);
        let default = routes
            .iter()
            .find(|route| route.path_prefix.is_root())
            .and_then(|route| Some(DefaultRoute { id: route.id, pool: pool(route.pool_id)?.name.clone() }));
        let speaks_s3 = |id: PoolId| pool(id).is_some_and(|found| found.kind == PoolKind::Nanio);
        let any_route = routes.iter().any(|route| route.enabled);
        let s3 = !any_route || routes.iter().any(|route| route.enabled && speaks_s3(route.pool_id));
        let mut server = Self {
            id: vhost.id,
            server_name: vhost.server_name.clone(),
            listen_port: vhost.listen_port,
            tls: match (vhost.ssl, &vhost.ssl_certificate, &vhost.ssl_certificate_key) {
                (true, Some(certificate), Some(key)) => {
                    Some(Tls { certificate: certificate.clone(), key: key.clone() })
                }
                _ => None,
            },
            protocol: if s3 { Protocol::S3 } else { Protocol::Http },
            ip_rules: vhost.ip_rules.clone(),
            extra_directives: vhost.extra_directives.clone(),
            extra_blocks: vhost.extra_blocks.clone(),
            default,
            routes: enabled.into_iter().collect(),
            moves: Vec::new(),
        };
        server.set_moves(gated, pools);
        Some(server)
    }
}
