//! Vhosts as rows: with ids, and their references resolved.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::Notes;
use super::found::Found;
use super::ids::{self, Ids};
use super::import::ImportedVhost;
use super::pool_rows::Pools;
use super::vhosts::{RouteDraft, VhostDraft};
use crate::domain::bucket::{Bucket, BucketStatus};
use crate::domain::disk::{DiskServer, Split, Writer};
use crate::domain::ids::{PoolId, Revision, RouteId, VhostId};
use crate::domain::pool::PoolKind;
use crate::domain::route::Route;
use crate::domain::sidecar::HighestIds;
use crate::domain::time::Timestamp;
use crate::domain::vhost::{ServerName, Vhost};

/// Vhosts with their ids, and the ways to find them.
pub(super) struct Vhosts {
    pub rows: Vec<ImportedVhost>,
    /// What 0.4.x was splitting, by place in `rows`.
    pub splits: Vec<(usize, Split)>,
    by_claim: HashMap<VhostId, Option<usize>>,
    pub highest: i64,
    pub highest_route: i64,
}

impl Vhosts {
    /// The vhost to which a file of this tree gives this id.
    pub fn claimed(&self, id: VhostId) -> Option<usize> {
        self.by_claim.get(&id).copied().flatten()
    }
}

/// The rows of every vhost.
pub(super) fn vhosts(
    found: &Found<'_>,
    highest: HighestIds,
    pools: &Pools,
    now: Timestamp,
    notes: &mut Notes,
) -> Vhosts {
    let names: BTreeSet<&ServerName> = found.servers.keys().chain(found.vhost_sidecars.keys()).copied().collect();
    let drafts: Vec<VhostDraft> = names
        .into_iter()
        .filter_map(|name| {
            let (server, sidecar) = (found.servers.get(name).copied(), found.vhost_sidecars.get(name).copied());
            if let Some(server) = server.filter(|server| server.writer == Writer::Version04) {
                flag_former_habits(server, notes);
            }
            VhostDraft::of(server, sidecar, notes)
        })
        .collect();
    let (mut ids, mut route_ids) = (Ids::above(highest.vhosts), Ids::above(highest.routes));
    let given = ids::claim(&mut ids, &drafts, |draft| (draft.id.map(|id| id.0), draft.updated_at));
    for route in drafts.iter().flat_map(|draft| &draft.routes) {
        route_ids.hear(route.id.map(|id| id.0));
    }
    let mut vhosts = Vhosts {
        rows: Vec::with_capacity(drafts.len()),
        splits: Vec::new(),
        by_claim: HashMap::new(),
        highest: 0,
        highest_route: 0,
    };
    for (place, (draft, id)) in drafts.into_iter().zip(given).enumerate() {
        if let Some(claimed) = draft.id {
            vhosts.by_claim.entry(claimed).and_modify(|place| *place = None).or_insert(Some(place));
        }
        vhosts.splits.extend(draft.splits.iter().map(|split| (place, split.clone())));
        let has_sidecar = found.vhost_sidecars.contains_key(&draft.server_name);
        vhosts.rows.push(vhost_row(draft, VhostId(id), has_sidecar, pools, &mut route_ids, now, notes));
    }
    (vhosts.highest, vhosts.highest_route) = (ids.highest(), route_ids.highest());
    vhosts
}

/// What the same words mean in another way here.
fn flag_former_habits(server: &DiskServer, notes: &mut Notes) {
    let name = &server.server_name;
    if name.wildcard_base().is_some() {
        notes.say(format!(
            "vhost {name}: 0.4.x read the bucket from the path; from its next change on, a name with a wildcard means \
             that the bucket is read from the host name"
        ));
    }
}

fn vhost_row(
    draft: VhostDraft,
    id: VhostId,
    has_sidecar: bool,
    pools: &Pools,
    route_ids: &mut Ids,
    now: Timestamp,
    notes: &mut Notes,
) -> ImportedVhost {
    let name = draft.server_name.clone();
    let (created_at, updated_at) = (draft.created_at.unwrap_or(now), draft.updated_at.unwrap_or(now));
    let mut seen = HashSet::new();
    let mut routes = Vec::with_capacity(draft.routes.len());
    for route in draft.routes {
        let prefix = &route.path_prefix;
        if !seen.insert(prefix.canonical().to_owned()) {
            notes.say(format!("vhost {name}: a second route {prefix} was not taken over"));
            continue;
        }
        let Some(pool) = pools.find(&route.pool) else {
            let pool = route.pool.name.as_ref().map_or("?", |name| name.as_str());
            notes.say(format!("vhost {name}: route {prefix} was not taken over: its pool {pool} is not on disk"));
            continue;
        };
        if route.key_prefix.is_some() && pool.kind == PoolKind::Nanio {
            notes.say(format!(
                "vhost {name}: route {prefix} has a key_prefix, which breaks the signature of S3 requests; remove it"
            ));
        }
        routes.push(route_row(route, id, pool.id, route_ids, now));
    }
    let default_pool_id = routes.iter().find(|route| route.path_prefix.is_root()).map(|route| route.pool_id);
    let ignored = |bucket| Bucket {
        vhost_id: id,
        name: bucket,
        status: BucketStatus::Ignored,
        routed_pool_id: None,
        discovered_at: now,
    };
    ImportedVhost {
        buckets: draft.ignored_buckets.into_iter().map(ignored).collect(),
        vhost: Vhost {
            id,
            revision: Revision::NEW,
            server_name: draft.server_name,
            listen_port: draft.listen_port,
            ssl: draft.ssl,
            ssl_certificate: draft.ssl_certificate,
            ssl_certificate_key: draft.ssl_certificate_key,
            extra_directives: draft.extra_directives,
            extra_blocks: draft.extra_blocks,
            enabled: draft.enabled,
            default_pool_id,
            ip_rules: draft.ip_rules,
            created_at,
            updated_at,
        },
        routes,
        has_sidecar,
    }
}

fn route_row(draft: RouteDraft, vhost: VhostId, pool: PoolId, ids: &mut Ids, now: Timestamp) -> Route {
    Route {
        id: RouteId(ids.claim(draft.id.map(|id| id.0)).unwrap_or_else(|| ids.fresh())),
        revision: Revision::NEW,
        vhost_id: vhost,
        path_prefix: draft.path_prefix,
        pool_id: pool,
        key_prefix: draft.key_prefix,
        extra_directives: draft.extra_directives,
        enabled: draft.enabled,
        created_at: draft.created_at.unwrap_or(now),
        updated_at: draft.updated_at.unwrap_or(now),
    }
}
