//! What an operator wants the gateway to be, as one document: names, never ids, and no secret.
//!
//! Two gateways with the same document are the same to their clients. What runs by itself is not in it: migrations,
//! found buckets, times. Neither are the S3 keys of pools, which a document neither shows nor touches.

mod check;
mod deed;
mod difference;
mod differences;
mod keep;
mod renames;
mod rows;
mod turns;
mod undo;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::bucket::BucketName;
use super::pool::{Address, FailTimeout, Keepalive, LbMethod, MaxFails, PoolKind, PoolName, Role, Weight};
use super::route::{KeyPrefix, PathPrefix};
use super::vhost::{ExtraBlock, IpRules, PemPath, Port, ServerName, Snippet};

pub use check::Fault;
pub use deed::{Deed, Thing};
pub use difference::{Difference, FieldDifference, Subject, Verb};
pub use differences::{Differences, compare};
pub use renames::{Names, Renames};
pub use turns::{Turn, turns};
pub use undo::Past;

/// The only version of the document there is.
pub const VERSION: i64 = 1;

/// A gateway, as its operator declares it. In order of name, so that equal documents are written alike.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Manifest {
    /// Groups of storage nodes.
    pub pools: BTreeMap<PoolName, PoolSpec>,
    /// What clients reach.
    pub vhosts: BTreeMap<ServerName, VhostSpec>,
}

/// A declared pool.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PoolSpec {
    /// Free text.
    pub description: Option<String>,
    /// What its nodes speak.
    pub kind: PoolKind,
    /// How nginx chooses a member.
    pub lb_method: LbMethod,
    /// Idle connections kept.
    pub keepalive: Keepalive,
    /// The nanio pool whose files an `http` pool serves.
    pub source: Option<PoolName>,
    /// Its storage nodes. One that is listed twice is there twice.
    #[serde(skip)]
    pub members: Vec<MemberSpec>,
}

/// A declared storage node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MemberSpec {
    /// Where it listens.
    pub address: Address,
    /// The part it plays.
    pub role: Role,
    /// Share of the requests.
    pub weight: Weight,
    /// Failures until it is left out.
    pub max_fails: MaxFails,
    /// Seconds it is left out.
    pub fail_timeout_s: FailTimeout,
    /// Whether nginx uses it.
    pub enabled: bool,
}

/// A declared vhost.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VhostSpec {
    /// The port for clients.
    pub listen_port: Port,
    /// TLS on that port.
    pub ssl: bool,
    /// Certificate chain.
    pub ssl_certificate: Option<PemPath>,
    /// Private key.
    pub ssl_certificate_key: Option<PemPath>,
    /// Raw directives after the proxy settings.
    pub extra_directives: Option<Snippet>,
    /// Raw directives by zone.
    pub extra_blocks: Vec<ExtraBlock>,
    /// Whether nginx serves it.
    pub enabled: bool,
    /// Who serves a bucket without a route.
    pub default_pool: Option<PoolName>,
    /// Who may connect.
    pub ip_rules: Option<IpRules>,
    /// Its routes, but for the automatic one.
    #[serde(skip)]
    pub routes: BTreeMap<PathPrefix, RouteSpec>,
    /// Buckets that nobody wants to hear of.
    #[serde(skip)]
    pub ignored_buckets: BTreeSet<BucketName>,
}

/// A declared route.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RouteSpec {
    /// The pool that serves it.
    pub pool: PoolName,
    /// Replacement of the prefix.
    pub key_prefix: Option<KeyPrefix>,
    /// Raw directives for this route alone.
    pub extra_directives: Option<Snippet>,
    /// Whether nginx uses it.
    pub enabled: bool,
}

impl Manifest {
    /// Every pool that something in it refers to.
    #[must_use]
    pub fn referred(&self) -> BTreeSet<&PoolName> {
        let sources = self.pools.values().filter_map(|pool| pool.source.as_ref());
        let vhosts = self.vhosts.values();
        let served =
            vhosts.flat_map(|vhost| vhost.default_pool.iter().chain(vhost.routes.values().map(|route| &route.pool)));
        sources.chain(served).collect()
    }

    /// This document together with what only `present` has: the gateway after an apply that removes nothing.
    #[must_use]
    pub fn over(&self, present: &Manifest) -> Manifest {
        let mut all = self.clone();
        for (name, pool) in &present.pools {
            match all.pools.get_mut(name) {
                None => {
                    all.pools.insert(name.clone(), pool.clone());
                }
                Some(wanted) => wanted.keep_members(pool),
            }
        }
        for (name, vhost) in &present.vhosts {
            match all.vhosts.get_mut(name) {
                None => {
                    all.vhosts.insert(name.clone(), vhost.clone());
                }
                Some(wanted) => wanted.keep_routes(vhost),
            }
        }
        all
    }
}

impl PoolSpec {
    /// Adds the members that only `present` has.
    fn keep_members(&mut self, present: &PoolSpec) {
        let mut left: Vec<&Address> = self.members.iter().map(|member| &member.address).collect();
        let mut kept = Vec::new();
        for member in &present.members {
            match left.iter().position(|address| **address == member.address) {
                Some(place) => {
                    left.swap_remove(place);
                }
                None => kept.push(member.clone()),
            }
        }
        self.members.extend(kept);
    }
}

impl VhostSpec {
    /// Adds the routes and the ignored buckets that only `present` has.
    fn keep_routes(&mut self, present: &VhostSpec) {
        let own: BTreeSet<String> = self.routes.keys().map(|prefix| prefix.canonical().to_owned()).collect();
        let missing = present.routes.iter().filter(|(prefix, _)| !own.contains(prefix.canonical()));
        self.routes.extend(missing.map(|(prefix, route)| (prefix.clone(), route.clone())));
        self.ignored_buckets.extend(present.ignored_buckets.iter().cloned());
    }
}

#[cfg(test)]
mod tests;
