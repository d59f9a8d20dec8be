//! A vhost's files into its rows.

use std::collections::{BTreeMap, HashMap};

use super::super::files::gated;
use super::super::guard::{self, Serving};
use super::super::publish::Change;
use super::super::{ServiceError, checked_snippet, routes, sidecars, vhosts as rules};
use crate::domain::audit::Absorbed;
use crate::domain::bucket::{Bucket, BucketName, BucketStatus};
use crate::domain::disk::{DiskServer, DiskVhostSidecar};
use crate::domain::gateway::{FileName, PoolRef, Server};
use crate::domain::ids::{EntityKind, PoolId, Revision, RouteId, VhostId};
use crate::domain::pool::PoolKind;
use crate::domain::restore::{Notes, PoolNamed, RouteDraft, VhostDraft};
use crate::domain::route::{PathPrefix, Route};
use crate::domain::time::Timestamp;
use crate::domain::vhost::{ServerName, Vhost};
use crate::ports::gateway::Gateway;
use crate::ports::store::Tx;

/// What a pool serves now and another one after the edit.
pub(super) type Moved = (Serving, PathPrefix);

/// So many buckets are looked at before an edit is taken over. More would be a question of minutes.
const LOOKED_AT: usize = 50;

/// The vhost before and after.
struct Edit {
    before: Option<(Vhost, Vec<Route>)>,
    after: VhostDraft,
    warnings: Vec<String>,
}

impl Edit {
    fn read(
        tx: &mut dyn Tx,
        name: &ServerName,
        server: Option<&DiskServer>,
        sidecar: Option<&DiskVhostSidecar>,
    ) -> Result<Self, ServiceError> {
        let before = match tx.vhost_named(name.as_str())? {
            Some(vhost) => Some((vhost.clone(), tx.routes(vhost.id)?)),
            None => None,
        };
        let (mut told_server, mut told_sidecar) = (None, None);
        if let Some((vhost, routes)) = &before {
            if server.is_none() {
                let refs = tx.pool_refs()?;
                told_server = Server::of(vhost, routes, &refs, &gated(tx)?).map(DiskServer::from);
            }
            if sidecar.is_none() {
                // With every route: what the file lacks is then known to have been there.
                let told = sidecars::vhost_values(tx, vhost.clone(), routes.clone())?;
                told_sidecar = Some(DiskVhostSidecar::from(told));
            }
        }
        let mut notes = Notes::default();
        let after = VhostDraft::of(server.or(told_server.as_ref()), sidecar.or(told_sidecar.as_ref()), &mut notes);
        let after = after.ok_or(ServiceError::NotFound("Vhost"))?;
        Ok(Self { before, after, warnings: notes.0 })
    }
}

/// Finds pools by what a file calls them.
fn pool_of(tx: &mut dyn Tx, named: &PoolNamed, names: &mut HashMap<String, PoolId>) -> Result<PoolId, ServiceError> {
    let Some(name) = &named.name else {
        return named.id.ok_or_else(|| ServiceError::Refused("a pool is named neither by name nor by id".to_owned()));
    };
    if let Some(id) = names.get(name.as_str()) {
        return Ok(*id);
    }
    let Some(pool) = tx.pool_named(name.as_str())? else {
        return Err(ServiceError::Refused(format!("pool {name} does not exist")));
    };
    names.insert(name.as_str().to_owned(), pool.id);
    Ok(pool.id)
}

/// What would be served by another pool.
///
/// # Errors
/// The default pool of S3 buckets changes, or more routes than can be looked at.
pub(super) fn moved(
    tx: &mut dyn Tx,
    name: &ServerName,
    server: Option<&DiskServer>,
    sidecar: Option<&DiskVhostSidecar>,
) -> Result<Vec<Moved>, ServiceError> {
    let edit = Edit::read(tx, name, server, sidecar)?;
    let Some((vhost, routes)) = edit.before.filter(|(vhost, _)| vhost.enabled) else { return Ok(Vec::new()) };
    let mut names = HashMap::new();
    // `None`: a pool that is not there yet, or never will be; another one than any that serves now.
    let mut then: HashMap<String, Option<PoolId>> = HashMap::new();
    for route in edit.after.routes.iter().filter(|route| route.enabled) {
        then.insert(route.path_prefix.canonical().to_owned(), pool_of(tx, &route.pool, &mut names).ok());
    }
    let now: BTreeMap<&str, &Route> =
        routes.iter().filter(|route| route.enabled).map(|route| (route.path_prefix.canonical(), route)).collect();
    let default_now = now.get("/").map(|route| route.pool_id);
    let default_then = then.get("/").copied().flatten();
    let refs = tx.pool_refs()?;
    let nanio = |id: PoolId| refs.get(&id).filter(|pool| pool.kind == PoolKind::Nanio);
    if let Some(pool) = default_now.filter(|pool| Some(*pool) != default_then).and_then(nanio) {
        return Err(leaves_default(&vhost, pool));
    }
    let new = edit.after.routes.iter().filter(|route| route.enabled).map(|route| &route.path_prefix);
    let all: BTreeMap<&str, &PathPrefix> = routes
        .iter()
        .filter(|route| route.enabled)
        .map(|route| &route.path_prefix)
        .chain(new)
        .filter(|prefix| !prefix.is_root())
        .map(|prefix| (prefix.canonical(), prefix))
        .collect();
    let mut moved = Vec::new();
    for (canonical, prefix) in all {
        let from = now.get(canonical).map(|route| route.pool_id).or(default_now);
        let to = then.get(canonical).copied().unwrap_or(default_then);
        let Some(from) = from.filter(|from| Some(*from) != to && nanio(*from).is_some()) else { continue };
        if moved.len() == LOOKED_AT {
            return Err(ServiceError::Conflict(format!(
                "more than {LOOKED_AT} buckets of vhost {} would be served by another pool, too many to look into; \
                 repeat with allow_orphan=true if their objects may stay where they are",
                vhost.server_name
            )));
        }
        if let Some(serving) = guard::at_pool(tx, from)? {
            moved.push((serving, prefix.clone()));
        }
    }
    Ok(moved)
}

fn leaves_default(vhost: &Vhost, pool: &PoolRef) -> ServiceError {
    ServiceError::Conflict(format!(
        "every bucket of vhost {} without a route of its own is on pool {}, and clients would no longer see it; repeat \
         with allow_orphan=true if that is meant",
        vhost.server_name, pool.name
    ))
}

/// Saves what the files say, put together with what the database says of the rest.
pub(super) fn save(
    change: &mut Change<'_>,
    gateway: &dyn Gateway,
    name: &ServerName,
    server: Option<&DiskServer>,
    sidecar: Option<&DiskVhostSidecar>,
) -> Result<Absorbed, ServiceError> {
    let (tx, now) = (&mut *change.tx, change.now);
    let Edit { before, after, warnings } = Edit::read(tx, name, server, sidecar)?;
    check_snippets(gateway, &after)?;
    let mut names = HashMap::new();
    let default = after.routes.iter().find(|route| route.path_prefix.is_root());
    let default_pool_id = default.map(|route| pool_of(tx, &route.pool, &mut names)).transpose()?;
    let (known, rows) = before.map_or((None, Vec::new()), |(vhost, rows)| (Some(vhost), rows));
    let vhost = wanted(tx, known.as_ref(), &after, default_pool_id, now)?;
    if let Some(fault) = vhost.tls_fault() {
        return Err(ServiceError::Refused(format!("vhost {name}: {fault}")));
    }
    let saved = if known.as_ref() == Some(&vhost) { vhost } else { tx.save_vhost(Vhost { updated_at: now, ..vhost })? };
    let mut absorbed = Absorbed { warnings, ..Absorbed::default() };
    absorbed.vhosts_new = u64::from(known.is_none());
    absorbed.vhosts_updated = u64::from(known.is_some());
    absorbed.routes_synced = save_routes(tx, &saved, rows, &after.routes, &mut names, now)?;
    if let Some(pool) = saved.default_pool_id.map(|id| tx.pool(id)).transpose()?.flatten() {
        rules::expect_same_kind(tx, saved.id, &pool)?;
    }
    rules::set_default_route(change, &saved)?;
    save_ignored(change.tx, saved.id, &after.ignored_buckets, now)?;
    change.touch_vhost(saved.id);
    change.overwrite(FileName::Server(name.clone()));
    change.overwrite(FileName::VhostSidecar(name.clone()));
    Ok(absorbed)
}

/// An edit of a file gives no rights that a client of the API does not have.
fn check_snippets(gateway: &dyn Gateway, draft: &VhostDraft) -> Result<(), ServiceError> {
    let blocks = draft.extra_blocks.iter().map(|block| &block.content);
    let routes = draft.routes.iter().filter_map(|route| route.extra_directives.as_ref());
    for text in draft.extra_directives.iter().chain(blocks).chain(routes) {
        checked_snippet(gateway, "extra_directives", text.as_str())?;
    }
    Ok(())
}

fn wanted(
    tx: &mut dyn Tx,
    known: Option<&Vhost>,
    draft: &VhostDraft,
    default_pool_id: Option<PoolId>,
    now: Timestamp,
) -> Result<Vhost, ServiceError> {
    let (id, revision, created_at, updated_at) = match known {
        Some(vhost) => (vhost.id, vhost.revision, vhost.created_at, vhost.updated_at),
        None => (VhostId(tx.next_id(EntityKind::Vhost)?), Revision::NEW, draft.created_at.unwrap_or(now), now),
    };
    Ok(Vhost {
        id,
        revision,
        server_name: draft.server_name.clone(),
        listen_port: draft.listen_port,
        ssl: draft.ssl,
        ssl_certificate: draft.ssl_certificate.clone(),
        ssl_certificate_key: draft.ssl_certificate_key.clone(),
        extra_directives: draft.extra_directives.clone(),
        extra_blocks: draft.extra_blocks.clone(),
        enabled: draft.enabled,
        default_pool_id,
        ip_rules: draft.ip_rules.clone(),
        created_at,
        updated_at,
    })
}

/// Makes the rows of a vhost's routes, but for `/`, what the files say; tells how many differ.
fn save_routes(
    tx: &mut dyn Tx,
    vhost: &Vhost,
    rows: Vec<Route>,
    drafts: &[RouteDraft],
    names: &mut HashMap<String, PoolId>,
    now: Timestamp,
) -> Result<u64, ServiceError> {
    let mut by_id: HashMap<RouteId, Route> =
        rows.into_iter().filter(|route| !route.path_prefix.is_root()).map(|route| (route.id, route)).collect();
    let by_prefix: HashMap<String, RouteId> =
        by_id.values().map(|route| (route.path_prefix.canonical().to_owned(), route.id)).collect();
    let drafts: Vec<&RouteDraft> = drafts.iter().filter(|route| !route.path_prefix.is_root()).collect();
    let mut pairs = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let at_prefix = || by_prefix.get(draft.path_prefix.canonical()).copied();
        let id = draft.id.filter(|id| by_id.contains_key(id)).or_else(at_prefix);
        pairs.push((id.and_then(|id| by_id.remove(&id)), draft));
    }
    let mut synced = 0;
    // Left over: rows that no file which was taken over lists any more. They go first, and make room.
    for route in by_id.into_values() {
        tx.delete_route(route.id)?;
        synced += 1;
    }
    for (before, draft) in pairs {
        let pool_id = pool_of(tx, &draft.pool, names)?;
        let (id, revision, created_at, updated_at) = match &before {
            Some(route) => (route.id, route.revision, route.created_at, route.updated_at),
            None => (RouteId(tx.next_id(EntityKind::Route)?), Revision::NEW, now, now),
        };
        let route = Route {
            id,
            revision,
            vhost_id: vhost.id,
            path_prefix: draft.path_prefix.clone(),
            pool_id,
            key_prefix: draft.key_prefix.clone(),
            extra_directives: draft.extra_directives.clone(),
            enabled: draft.enabled,
            created_at,
            updated_at,
        };
        if before.as_ref() == Some(&route) {
            continue;
        }
        routes::check(tx, vhost, &route)?;
        tx.save_route(Route { updated_at: now, ..route })?;
        synced += 1;
    }
    Ok(synced)
}

/// Makes the ignored buckets of a vhost those that its sidecar lists.
fn save_ignored(tx: &mut dyn Tx, vhost: VhostId, wanted: &[BucketName], now: Timestamp) -> Result<(), ServiceError> {
    let present = tx.buckets_with(vhost, BucketStatus::Ignored)?;
    for name in present.iter().filter(|name| !wanted.contains(name)) {
        tx.delete_bucket(vhost, name)?;
    }
    for name in wanted.iter().filter(|name| !present.contains(name)) {
        let status = BucketStatus::Ignored;
        tx.save_bucket(&Bucket {
            vhost_id: vhost,
            name: name.clone(),
            status,
            routed_pool_id: None,
            discovered_at: now,
        })?;
    }
    Ok(())
}
