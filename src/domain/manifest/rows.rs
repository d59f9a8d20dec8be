//! What a document says of a row. What stands below it in the document has rows of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::{MemberSpec, PoolSpec, RouteSpec, VhostSpec};
use crate::domain::pool::{Member, Pool, PoolName};
use crate::domain::route::Route;
use crate::domain::vhost::Vhost;

impl PoolSpec {
    /// A pool without its members.
    #[must_use]
    pub fn of(pool: &Pool, source: Option<PoolName>) -> Self {
        Self {
            description: pool.description.clone(),
            kind: pool.kind,
            lb_method: pool.lb_method,
            keepalive: pool.keepalive,
            source,
            members: Vec::new(),
        }
    }
}

impl MemberSpec {
    /// A member.
    #[must_use]
    pub fn of(member: &Member) -> Self {
        Self {
            address: member.address.clone(),
            role: member.role,
            weight: member.weight,
            max_fails: member.max_fails,
            fail_timeout_s: member.fail_timeout_s,
            enabled: member.enabled,
        }
    }
}

impl VhostSpec {
    /// A vhost without its routes and ignored buckets.
    #[must_use]
    pub fn of(vhost: &Vhost, default_pool: Option<PoolName>) -> Self {
        Self {
            listen_port: vhost.listen_port,
            ssl: vhost.ssl,
            ssl_certificate: vhost.ssl_certificate.clone(),
            ssl_certificate_key: vhost.ssl_certificate_key.clone(),
            extra_directives: vhost.extra_directives.clone(),
            extra_blocks: vhost.extra_blocks.clone(),
            enabled: vhost.enabled,
            default_pool,
            ip_rules: vhost.ip_rules.clone(),
            routes: BTreeMap::new(),
            ignored_buckets: BTreeSet::new(),
        }
    }
}

impl RouteSpec {
    /// A route to a pool of this name.
    #[must_use]
    pub fn of(route: &Route, pool: PoolName) -> Self {
        Self {
            pool,
            key_prefix: route.key_prefix.clone(),
            extra_directives: route.extra_directives.clone(),
            enabled: route.enabled,
        }
    }
}
