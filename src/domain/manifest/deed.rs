//! What a change did, in the words of the document: names, which mean the same when ids do not any more.

use serde::{Deserialize, Serialize};

use super::{MemberSpec, PoolSpec, RouteSpec, VhostSpec};
use crate::domain::bucket::BucketName;
use crate::domain::pool::PoolName;
use crate::domain::route::PathPrefix;
use crate::domain::vhost::ServerName;

/// One thing that a change did to the document: it put one thing in the place of another. No thing: it made or removed one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// What was there.
    pub before: Option<Thing>,
    /// What is there.
    pub after: Option<Thing>,
}

/// A part of the document, without the parts below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thing {
    /// A pool without its members.
    Pool(PoolName, PoolSpec),
    /// A member of a pool.
    Member(PoolName, MemberSpec),
    /// A vhost without its routes and ignored buckets.
    Vhost(ServerName, VhostSpec),
    /// A route of a vhost.
    Route(ServerName, PathPrefix, RouteSpec),
    /// A bucket of a vhost that nobody wants to hear of.
    IgnoredBucket(ServerName, BucketName),
    /// Something of which nobody knows what it is in the document: what became of it, for the operator.
    Untold(String),
}

impl std::fmt::Display for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Thing::Pool(name, _) => write!(f, "pool {name}"),
            Thing::Member(pool, member) => write!(f, "member {} of pool {pool}", member.address),
            Thing::Vhost(name, _) => write!(f, "vhost {name}"),
            Thing::Route(vhost, prefix, _) => write!(f, "route {prefix} of vhost {vhost}"),
            Thing::IgnoredBucket(vhost, bucket) => write!(f, "ignored bucket {bucket} of vhost {vhost}"),
            Thing::Untold(what) => f.write_str(what),
        }
    }
}
