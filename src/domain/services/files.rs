//! From what a change touched to the files that nginx should see, and the rules that hold between them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::known::{KnownServers, RouteCounts};
use super::touched::Touched;
use super::{ServiceError, sidecars};
use crate::domain::gateway::moving::Moving;
use crate::domain::gateway::{Common, FileName, ManagedFile, PoolRef, Server, Upstream};
use crate::domain::ids::{MigrationId, PoolId};
use crate::domain::pool::Pool;
use crate::domain::route::Route;
use crate::domain::vhost::Vhost;
use crate::ports::gateway::{FileChange, Gateway};
use crate::ports::store::Tx;

/// The files of a change, and what is known once it is committed.
pub(super) struct Desired {
    /// What to write and remove.
    pub files: FileChange,
    /// How many routes nginx then has of each vhost, if the change concerns vhosts.
    pub counts: Option<RouteCounts>,
}

/// The files of everything that was touched, as the transaction now sees it.
///
/// # Errors
/// What nginx would refuse, said before nginx is asked; or the store's fault.
pub(super) fn desired(
    tx: &mut dyn Tx,
    gateway: &dyn Gateway,
    touched: &Touched,
    known: &mut KnownServers,
) -> Result<Desired, ServiceError> {
    let overwrite = touched.overwrite.clone();
    let mut change = FileChange { remove_unknown: touched.everything, overwrite, ..FileChange::default() };
    if touched.sidecars {
        known.forget_all();
        put_sidecars(tx, &mut change)?;
    }
    let (pools, vhosts) = if touched.everything { (tx.pools()?, tx.vhosts()?) } else { named(tx, touched)? };
    let vhosts = without_splits(tx, vhosts, touched.everything, &mut change)?;
    let gated = if vhosts.is_empty() { Vec::new() } else { gated(tx)? };
    let mut whole: Vec<Vhost> = Vec::new();
    for vhost in vhosts {
        let routes =
            touched.routes.get(&vhost.id).filter(|_| !touched.everything && !touched.vhosts.contains(&vhost.id));
        match routes.map(|routes| known.with_routes(tx, vhost.id, routes, &gated)).transpose()?.flatten() {
            Some(server) => {
                whole_buckets(tx, &server, &gated)?;
                change.put.push(sidecars::of_vhost(tx, vhost, Some(&server))?);
                change.put.push(ManagedFile::Server(server));
            }
            None => {
                known.forget(vhost.id);
                whole.push(vhost);
            }
        }
    }
    for pool in pools {
        put_upstream(tx, &pool, &mut change)?;
        change.put.push(sidecars::of_pool(tx, pool)?);
    }
    if !whole.is_empty() {
        let refs = tx.pool_refs()?;
        let serving = tx.serving_pools()?;
        for vhost in whole {
            let server = put_server(tx, &vhost, &refs, &serving, &gated, &mut change)?;
            change.put.push(sidecars::of_vhost(tx, vhost, server.as_deref())?);
        }
    }
    let concerns_vhosts =
        touched.common || touched.everything || !touched.vhosts.is_empty() || !touched.routes.is_empty();
    let counts = if concerns_vhosts { Some(counted(tx, touched, known, &mut change)?) } else { None };
    change.put.push(ManagedFile::Ids(tx.highest_ids()?.rounded()));
    let put: HashSet<FileName> = change.put.iter().map(ManagedFile::name).collect();
    for name in &touched.retired {
        change.remove.extend(name.sidecar());
        change.remove.push(name.clone());
    }
    change.remove.retain(|name| !put.contains(name));
    record(tx, gateway, &mut change)?;
    Ok(Desired { files: change, counts })
}

/// Takes out the vhosts that 0.4.x was splitting: their files stay as they are until an operator has decided.
fn without_splits(
    tx: &mut dyn Tx,
    vhosts: Vec<Vhost>,
    everything: bool,
    change: &mut FileChange,
) -> Result<Vec<Vhost>, ServiceError> {
    let mut rest = Vec::with_capacity(vhosts.len());
    let adopted: Vec<MigrationId> = tx
        .gated_migrations()?
        .iter()
        .filter_map(|migration| migration.work.adopts.map(|adopts| adopts.split))
        .collect();
    for vhost in vhosts {
        match tx.migration_to_adopt(vhost.id)?.filter(|split| !adopted.contains(&split.id)) {
            None => rest.push(vhost),
            Some(_) if everything => {
                change.keep.push(FileName::Server(vhost.server_name.clone()));
                change.put.push(sidecars::of_vhost_alone(tx, vhost)?);
            }
            Some(migration) => {
                return Err(ServiceError::Conflict(format!(
                    "vhost {} cannot be changed: 0.4.x left bucket {} split between pools {} and {} (migration {}), and \
                     new objects would be lost. Finish or cancel that migration under 0.4.x, or adopt it (POST /api/migrations/{4}/adopt), first",
                    vhost.server_name,
                    migration.bucket,
                    migration.source.name,
                    migration.destination.name,
                    migration.id
                )));
            }
        }
    }
    Ok(rest)
}

/// The sidecars of everything.
fn put_sidecars(tx: &mut dyn Tx, change: &mut FileChange) -> Result<(), ServiceError> {
    for pool in tx.pools()? {
        change.put.push(sidecars::of_pool(tx, pool)?);
    }
    for vhost in tx.vhosts()? {
        change.put.push(sidecars::of_vhost_alone(tx, vhost)?);
    }
    Ok(())
}

/// The pools and vhosts that were touched and are there.
fn named(tx: &mut dyn Tx, touched: &Touched) -> Result<(Vec<Pool>, Vec<Vhost>), ServiceError> {
    let (mut pools, mut vhosts) = (Vec::new(), Vec::new());
    for id in &touched.pools {
        pools.extend(tx.pool(*id)?);
    }
    for id in touched.vhosts.iter().chain(touched.routes.keys()).collect::<BTreeSet<_>>() {
        vhosts.extend(tx.vhost(*id)?);
    }
    Ok((pools, vhosts))
}

/// Adds the file whose sizes follow the number of routes and vhosts, if there are any; gives the number of routes.
fn counted(
    tx: &mut dyn Tx,
    touched: &Touched,
    known: &mut KnownServers,
    change: &mut FileChange,
) -> Result<RouteCounts, ServiceError> {
    let mut counts = if touched.everything { RouteCounts::default() } else { known.counts(tx)? };
    for id in &touched.vhosts {
        counts.remove(*id);
    }
    for file in &change.put {
        if let ManagedFile::Server(server) = file {
            counts.put(server);
        }
    }
    let names = tx.server_names()?;
    match Common::needed(counts.most(), names.count, names.longest) {
        Some(common) => change.put.push(ManagedFile::Common(common)),
        None => change.remove.push(FileName::Common),
    }
    Ok(counts)
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
    gated: &[Moving],
    change: &mut FileChange,
) -> Result<Option<Arc<Server>>, ServiceError> {
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
    match Server::of(vhost, &routes, refs, gated) {
        Some(server) => {
            whole_buckets(tx, &server, gated)?;
            let server = Arc::new(server);
            change.put.push(ManagedFile::Server(server.clone()));
            Ok(Some(server))
        }
        None => {
            change.remove.push(FileName::Server(vhost.server_name.clone()));
            Ok(None)
        }
    }
}

/// The migrations of which nginx has anything.
pub(super) fn gated(tx: &mut dyn Tx) -> Result<Vec<Moving>, ServiceError> {
    Ok(tx.gated_migrations()?.iter().filter_map(Moving::of).collect())
}

/// Refuses a route through which writes to a bucket that is being moved would go unseen.
fn whole_buckets(tx: &mut dyn Tx, server: &Server, gated: &[Moving]) -> Result<(), ServiceError> {
    for moving in gated {
        let Some(source) = tx.pool(moving.source)? else { continue };
        if let Some(route) = moving.part_in(server, &source.name) {
            return Err(ServiceError::Conflict(format!(
                "route {} of vhost {} serves a part of bucket {} from pool {}, and migration {} moves the whole bucket \
                 away from there: what is written through this route would be lost. Wait until the migration has ended, \
                 or cancel it, first",
                route.path_prefix, server.server_name, moving.bucket, route.pool, moving.migration
            )));
        }
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
