//! From what a change touched to the files that nginx should see, and the rules that hold between them.

use std::collections::{HashMap, HashSet};

use super::ServiceError;
use super::known::KnownServers;
use super::publish::Touched;
use crate::domain::gateway::{Common, FileName, ManagedFile, PoolRef, Server, Upstream};
use crate::domain::ids::PoolId;
use crate::domain::pool::Pool;
use crate::domain::route::Route;
use crate::domain::vhost::Vhost;
use crate::ports::gateway::{FileChange, Gateway};
use crate::ports::store::Tx;

/// The files of everything that was touched, as the transaction now sees it.
///
/// # Errors
/// What nginx would refuse, said before nginx is asked; or the store's fault.
pub(super) fn desired(
    tx: &mut dyn Tx,
    gateway: &dyn Gateway,
    touched: &Touched,
    known: &mut KnownServers,
) -> Result<FileChange, ServiceError> {
    let mut change = FileChange { remove_unknown: touched.everything, ..FileChange::default() };
    let (pools, vhosts) = if touched.everything {
        (tx.pools()?, tx.vhosts()?)
    } else {
        let mut pools = Vec::new();
        for id in &touched.pools {
            pools.extend(tx.pool(*id)?);
        }
        let mut whole = touched.vhosts.clone();
        for (id, routes) in touched.routes.iter().filter(|(id, _)| !touched.vhosts.contains(id)) {
            match known.with_routes(tx, *id, routes)? {
                Some(server) => change.put.push(ManagedFile::Server(server)),
                None => {
                    whole.insert(*id);
                }
            }
        }
        let mut vhosts = Vec::new();
        for id in whole {
            known.forget(id);
            vhosts.extend(tx.vhost(id)?);
        }
        (pools, vhosts)
    };
    for pool in &pools {
        put_upstream(tx, pool, &mut change)?;
    }
    if !vhosts.is_empty() {
        let refs = tx.pool_refs()?;
        let serving = tx.serving_pools()?;
        for vhost in &vhosts {
            put_server(tx, vhost, &refs, &serving, &mut change)?;
        }
    }
    if touched.everything || !touched.vhosts.is_empty() || !touched.routes.is_empty() {
        let size = tx.gateway_size()?;
        let common = Common::sized(size.most_routes, size.vhosts, size.longest_server_name);
        change.put.push(ManagedFile::Common(common));
    }
    let put: HashSet<FileName> = change.put.iter().map(ManagedFile::name).collect();
    change.remove.extend(touched.retired.iter().cloned());
    change.remove.retain(|name| !put.contains(name));
    record(tx, gateway, &mut change)?;
    Ok(change)
}

/// Adds what we last wrote at the paths of this change (at every path, if unknown files go).
fn record(tx: &mut dyn Tx, gateway: &dyn Gateway, change: &mut FileChange) -> Result<(), ServiceError> {
    if change.remove_unknown {
        change.recorded = tx.files()?.into_iter().map(|file| (file.path, file.sha256)).collect();
        return Ok(());
    }
    let names = change.put.iter().map(ManagedFile::name).chain(change.remove.iter().cloned());
    let mut recorded = HashMap::new();
    for path in names.map(|name| gateway.path(&name)).collect::<HashSet<_>>() {
        if let Some(file) = tx.file(&path)? {
            recorded.insert(path, file.sha256);
        }
    }
    change.recorded = recorded;
    Ok(())
}

fn put_upstream(tx: &mut dyn Tx, pool: &Pool, change: &mut FileChange) -> Result<(), ServiceError> {
    let members = tx.members(pool.id)?;
    if let Some(fault) = pool.fault(&members) {
        return Err(ServiceError::Refused(fault));
    }
    match Upstream::of(pool, &members) {
        Some(upstream) => change.put.push(ManagedFile::Upstream(upstream)),
        None => {
            let users = served_by(tx, pool.id)?;
            if !users.is_empty() {
                return Err(ServiceError::Refused(format!(
                    "pool {} would have no enabled member, but it serves {}; enable or add a member, or give those another pool first",
                    pool.name,
                    users.join(", ")
                )));
            }
            change.remove.push(FileName::Upstream(pool.name.clone()));
        }
    }
    Ok(())
}

fn put_server(
    tx: &mut dyn Tx,
    vhost: &Vhost,
    refs: &HashMap<PoolId, PoolRef>,
    serving: &HashSet<PoolId>,
    change: &mut FileChange,
) -> Result<(), ServiceError> {
    if let Some(fault) = vhost.tls_fault() {
        return Err(ServiceError::Refused(format!("vhost {}: {fault}", vhost.server_name)));
    }
    let routes = if vhost.enabled { tx.routes(vhost.id)? } else { Vec::new() };
    if let Some(route) = routes.iter().find(|route| route.enabled && !serving.contains(&route.pool_id)) {
        let pool = refs.get(&route.pool_id).map_or("?", |pool| pool.name.as_str());
        return Err(ServiceError::Refused(format!(
            "pool {pool} has no enabled member, so nginx could not serve {}{}; add a member to the pool first",
            vhost.server_name, route.path_prefix
        )));
    }
    match Server::of(vhost, &routes, |id| refs.get(&id)) {
        Some(server) => change.put.push(ManagedFile::Server(server.into())),
        None => change.remove.push(FileName::Server(vhost.server_name.clone())),
    }
    Ok(())
}

/// What a pool serves in nginx: `host/prefix`, of enabled vhosts and routes.
fn served_by(tx: &mut dyn Tx, pool: PoolId) -> Result<Vec<String>, ServiceError> {
    let mut served = Vec::new();
    for vhost in tx.vhosts_using(pool)?.into_iter().filter(|vhost| vhost.enabled) {
        let uses = |route: &Route| route.enabled && route.pool_id == pool;
        let routes = tx.routes(vhost.id)?;
        served.extend(
            routes
                .iter()
                .filter(|route| uses(route))
                .map(|route| format!("{}{}", vhost.server_name, route.path_prefix)),
        );
    }
    const SHOWN: usize = 5;
    if served.len() > SHOWN {
        let more = served.len() - SHOWN;
        served.truncate(SHOWN);
        served.push(format!("{more} more"));
    }
    Ok(served)
}
