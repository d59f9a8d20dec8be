//! Which buckets would be served by another pool. Their objects do not move with a change of the configuration.

use std::collections::{BTreeMap, HashMap};

use super::{Manifest, VhostSpec};
use crate::domain::pool::PoolName;
use crate::domain::route::PathPrefix;
use crate::domain::vhost::ServerName;

/// Something that gets another pool.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Turn {
    /// The vhost through which clients reach it.
    pub vhost: ServerName,
    /// What it is; `/`: every bucket without a route of its own.
    pub prefix: PathPrefix,
    /// The pool that serves it.
    pub from: PoolName,
    /// The pool that would; `None`: nobody.
    pub to: Option<PoolName>,
    /// Whether the default pool serves it now, as it has no route of its own in use.
    pub by_default: bool,
}

/// What is served by another pool in `after` than in `before`. Vhosts and routes that are off serve nothing, but a vhost
/// that is off counts as if it were on: it comes back, its objects would not.
#[must_use]
pub fn turns(before: &Manifest, after: &Manifest) -> Vec<Turn> {
    let mut all = Vec::new();
    for (name, vhost) in &before.vhosts {
        of_vhost(name, vhost, after.vhosts.get(name), &mut all);
    }
    all
}

fn of_vhost(name: &ServerName, before: &VhostSpec, after: Option<&VhostSpec>, all: &mut Vec<Turn>) {
    let default_then = after.and_then(|vhost| vhost.default_pool.as_ref());
    let turn = |prefix: &PathPrefix, from: &PoolName, to: Option<&PoolName>, by_default| Turn {
        vhost: name.clone(),
        prefix: prefix.clone(),
        from: from.clone(),
        to: to.cloned(),
        by_default,
    };
    if let Some(default) = before.default_pool.as_ref().filter(|pool| after.is_some() && Some(*pool) != default_then) {
        all.push(turn(&PathPrefix::root(), default, default_then, true));
    }
    let (now, then) = (in_use(before), after.map(in_use).unwrap_or_default());
    let prefixes: BTreeMap<&str, &PathPrefix> =
        then.iter().chain(&now).map(|(canonical, (prefix, _))| (*canonical, *prefix)).collect();
    for (canonical, prefix) in prefixes {
        let own = now.get(canonical).map(|(_, pool)| *pool);
        let Some(from) = own.or(before.default_pool.as_ref()) else { continue };
        let to = then.get(canonical).map(|(_, pool)| *pool).or(default_then);
        if to != Some(from) {
            all.push(turn(prefix, from, to, own.is_none()));
        }
    }
}

fn in_use(vhost: &VhostSpec) -> HashMap<&str, (&PathPrefix, &PoolName)> {
    let routes = vhost.routes.iter().filter(|(_, route)| route.enabled);
    routes.map(|(prefix, route)| (prefix.canonical(), (prefix, &route.pool))).collect()
}
