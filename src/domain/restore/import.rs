//! The whole disk to all rows.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::ids::Ids;
use super::pools::{MemberDraft, PoolDraft};
use super::vhosts::{PoolNamed, RouteDraft, VhostDraft};
use super::{Notes, migrations, records};
use crate::domain::bucket::{Bucket, BucketStatus};
use crate::domain::credential::Credential;
use crate::domain::disk::{
    DiskContent, DiskDatabase, DiskFile, DiskPoolSidecar, DiskServer, DiskUpstream, DiskVhostSidecar, MigrationFile,
    Writer,
};
use crate::domain::ids::{MemberId, PoolId, Revision, RouteId, VhostId};
use crate::domain::migration::Migration;
use crate::domain::pool::{Member, Pool, PoolKind, PoolName};
use crate::domain::route::Route;
use crate::domain::sidecar::HighestIds;
use crate::domain::time::Timestamp;
use crate::domain::vhost::{ServerName, Vhost};

/// Everything that a rebuild reads.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    /// The managed directory, by path.
    pub files: Vec<DiskFile>,
    /// The records of migrations beside the database.
    pub migrations: Vec<MigrationFile>,
    /// What a database of 0.4.x says and its files do not.
    pub former: Option<DiskDatabase>,
}

/// The rows that say what the disk says.
#[derive(Debug, Clone, Default)]
pub struct Import {
    /// Pools by name.
    pub pools: Vec<ImportedPool>,
    /// Vhosts by server name.
    pub vhosts: Vec<ImportedVhost>,
    /// Migrations by id.
    pub migrations: Vec<Migration>,
    /// No id up to these may be given again.
    pub highest: HighestIds,
    /// Files that are what these rows say, or what 0.4.x said: path and hash.
    pub records: Vec<(String, String)>,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// A pool with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedPool {
    /// The pool.
    pub pool: Pool,
    /// Its members.
    pub members: Vec<Member>,
    /// Its S3 keys.
    pub credential: Option<Credential>,
    /// Whether it had a sidecar.
    pub has_sidecar: bool,
}

/// A vhost with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedVhost {
    /// The vhost.
    pub vhost: Vhost,
    /// Its routes.
    pub routes: Vec<Route>,
    /// Its buckets of which something is on disk: the ignored ones.
    pub buckets: Vec<Bucket>,
    /// Whether it had a sidecar.
    pub has_sidecar: bool,
}

/// Reads the rows out of the disk. `now` is the time of what has no time on disk.
#[must_use]
pub fn import(disk: &Disk, now: Timestamp) -> Import {
    let mut notes = Notes::default();
    let found = Found::of(disk, &mut notes);
    let highest = found.highest.unwrap_or_default();
    let pools = pools(&found, highest, now, &mut notes);
    let vhosts = vhosts(&found, highest, &pools, now, &mut notes);
    let migrations = migrations::import(disk, &pools, &vhosts, highest.migrations, now, &mut notes);
    let highest = HighestIds {
        pools: pools.highest,
        members: pools.highest_member,
        vhosts: vhosts.highest,
        routes: vhosts.highest_route,
        migrations: migrations.highest,
    };
    Import {
        records: records::of(disk),
        pools: pools.rows,
        vhosts: vhosts.rows,
        migrations: migrations.rows,
        highest,
        warnings: notes.0,
    }
}

/// The files by what they are about. Names of pools are compared as nginx does, without regard to case.
#[derive(Default)]
struct Found<'d> {
    upstreams: BTreeMap<String, &'d DiskUpstream>,
    pool_sidecars: BTreeMap<String, &'d DiskPoolSidecar>,
    servers: BTreeMap<&'d ServerName, &'d DiskServer>,
    vhost_sidecars: BTreeMap<&'d ServerName, &'d DiskVhostSidecar>,
    highest: Option<HighestIds>,
}

impl<'d> Found<'d> {
    fn of(disk: &'d Disk, notes: &mut Notes) -> Self {
        let mut found = Self::default();
        // A file at its own place comes before one that only says the same name.
        let (own, stray): (Vec<_>, Vec<_>) = disk.files.iter().partition(|file| records::is_at_its_place(file));
        for file in own.into_iter().chain(stray) {
            found.add(file, notes);
        }
        if let Some(former) = &disk.former {
            notes.0.extend(former.remains.iter().cloned());
            found.tell_of_leftovers(former, notes);
            for pool in &former.pools {
                found.pool_sidecars.insert(key(&pool.name), pool);
            }
            for vhost in &former.vhosts {
                found.vhost_sidecars.insert(&vhost.server_name, vhost);
            }
        }
        found
    }

    /// 0.4.x left files behind when it renamed something, and some when it deleted it. nginx has them all the same.
    fn tell_of_leftovers(&self, former: &DiskDatabase, notes: &mut Notes) {
        let pools: HashSet<String> = former.pools.iter().map(|pool| key(&pool.name)).collect();
        let vhosts: HashSet<&ServerName> = former.vhosts.iter().map(|vhost| &vhost.server_name).collect();
        let lost = "is on disk, and the database of 0.4.x does not know it: it may have been renamed or deleted there. It \
                    is taken over as nginx has it; delete it if it is not meant to be";
        for upstream in self.upstreams.iter().filter(|(name, _)| !pools.contains(*name)).map(|(_, conf)| conf) {
            notes.say(format!("pool {} {lost}", upstream.name));
        }
        for name in self.servers.keys().filter(|name| !vhosts.contains(*name)) {
            notes.say(format!("vhost {name} {lost}"));
        }
    }

    fn add(&mut self, file: &'d DiskFile, notes: &mut Notes) {
        let path = &file.path;
        let second = match &file.content {
            DiskContent::Common | DiskContent::Foreign => None,
            DiskContent::Ids(highest) => {
                self.highest = Some(*highest);
                None
            }
            DiskContent::Unreadable(why) => {
                notes.say(format!("{path} cannot be read: {why}; nothing of it was taken over"));
                None
            }
            DiskContent::Upstream(upstream) => {
                notes.say_remains(path, &upstream.remains);
                let second = self.upstreams.contains_key(&key(&upstream.name));
                self.upstreams.entry(key(&upstream.name)).or_insert(upstream);
                second.then(|| format!("pool {}", upstream.name))
            }
            DiskContent::Server(server) => {
                notes.say_remains(path, &server.remains);
                let second = self.servers.contains_key(&server.server_name);
                self.servers.entry(&server.server_name).or_insert(server);
                second.then(|| format!("vhost {}", server.server_name))
            }
            DiskContent::PoolSidecar(sidecar) => {
                notes.0.extend(sidecar.remains.iter().map(|what| format!("{path}: {what}")));
                let second = self.pool_sidecars.contains_key(&key(&sidecar.name));
                self.pool_sidecars.entry(key(&sidecar.name)).or_insert(sidecar);
                second.then(|| format!("pool {}", sidecar.name))
            }
            DiskContent::VhostSidecar(sidecar) => {
                notes.0.extend(sidecar.remains.iter().map(|what| format!("{path}: {what}")));
                let second = self.vhost_sidecars.contains_key(&sidecar.server_name);
                self.vhost_sidecars.entry(&sidecar.server_name).or_insert(sidecar);
                second.then(|| format!("vhost {}", sidecar.server_name))
            }
        };
        if let Some(what) = second {
            notes.say(format!("{path} is the second file about {what}; nothing of it was taken over"));
        }
    }
}

fn key(name: &PoolName) -> String {
    name.as_str().to_ascii_lowercase()
}

/// Pools with their ids, and the ways to find them.
pub(super) struct Pools {
    pub rows: Vec<ImportedPool>,
    by_name: HashMap<String, usize>,
    /// By the id that the files claim; `None` where several claim it.
    by_claim: HashMap<PoolId, Option<usize>>,
    highest: i64,
    highest_member: i64,
}

impl Pools {
    /// The pool that a file means: by name, else by id among the files of this tree.
    pub fn find(&self, named: &PoolNamed) -> Option<&Pool> {
        match &named.name {
            Some(name) => self.named(name.as_str()),
            None => {
                let place = self.by_claim.get(&named.id?).copied().flatten()?;
                self.rows.get(place).map(|row| &row.pool)
            }
        }
    }

    /// The pool of this name.
    pub fn named(&self, name: &str) -> Option<&Pool> {
        self.by_name.get(&name.to_ascii_lowercase()).and_then(|place| self.rows.get(*place)).map(|row| &row.pool)
    }
}

fn pools(found: &Found<'_>, highest: HighestIds, now: Timestamp, notes: &mut Notes) -> Pools {
    let names: std::collections::BTreeSet<&String> = found.upstreams.keys().chain(found.pool_sidecars.keys()).collect();
    let mut drafts: Vec<PoolDraft> = names
        .into_iter()
        .filter_map(|name| {
            let (conf, sidecar) = (found.upstreams.get(name).copied(), found.pool_sidecars.get(name).copied());
            PoolDraft::of(conf, sidecar, notes)
        })
        .collect();
    drafts.sort_by(|a, b| a.name.cmp(&b.name));
    let (mut ids, mut member_ids) = (Ids::above(highest.pools), Ids::above(highest.members));
    let given = claim(&mut ids, &drafts, |draft| (draft.id.map(|id| id.0), draft.updated_at));
    for member in drafts.iter().flat_map(|draft| &draft.members) {
        member_ids.hear(member.id.map(|id| id.0));
    }
    let mut pools = Pools {
        rows: Vec::with_capacity(drafts.len()),
        by_name: HashMap::new(),
        by_claim: HashMap::new(),
        highest: 0,
        highest_member: 0,
    };
    for (place, (draft, id)) in drafts.iter().zip(given).enumerate() {
        let id = PoolId(id);
        if let Some(claimed) = draft.id.filter(|claimed| *claimed != id) {
            notes.say(format!(
                "pool {} has the id {id}, since its own, {claimed}, belongs to another pool: one of the two may have \
                 been left behind by a rename; delete it if nothing uses it",
                draft.name
            ));
        }
        pools.by_name.insert(key(&draft.name), place);
        if let Some(claimed) = draft.id {
            pools.by_claim.entry(claimed).and_modify(|place| *place = None).or_insert(Some(place));
        }
        let has_sidecar = found.pool_sidecars.contains_key(&key(&draft.name));
        pools.rows.push(pool_row(draft, id, has_sidecar, &mut member_ids, now));
    }
    for (place, draft) in drafts.iter().enumerate() {
        if let Some((id, name)) = &draft.source {
            let source = source(&pools, draft, &PoolNamed { name: name.clone(), id: Some(*id) }, notes);
            pools.rows[place].pool.source_nanio_pool_id = source;
        }
        if let Some(fault) = pools.rows[place].pool.fault(&pools.rows[place].members) {
            notes.say(format!("{fault}; it was taken over all the same, and must be mended before it can change"));
        }
    }
    (pools.highest, pools.highest_member) = (ids.highest(), member_ids.highest());
    pools
}

/// Ids for all drafts, in their order. Of two that claim one id, the one that was saved last keeps it.
fn claim<T>(ids: &mut Ids, drafts: &[T], of: impl Fn(&T) -> (Option<i64>, Option<Timestamp>)) -> Vec<i64> {
    let mut order: Vec<usize> = (0..drafts.len()).collect();
    order.sort_by_key(|place| std::cmp::Reverse(of(&drafts[*place]).1));
    for draft in drafts {
        ids.hear(of(draft).0);
    }
    let mut given = vec![None; drafts.len()];
    for place in order {
        given[place] = ids.claim(of(&drafts[place]).0);
    }
    given.into_iter().map(|id| id.unwrap_or_else(|| ids.fresh())).collect()
}

fn source(pools: &Pools, draft: &PoolDraft, named: &PoolNamed, notes: &mut Notes) -> Option<PoolId> {
    match pools.find(named) {
        Some(source) if source.kind == PoolKind::Nanio && draft.kind == PoolKind::Http => Some(source.id),
        Some(source) => {
            notes.say(format!(
                "pool {}: its source pool {} is not kept: an http pool has a nanio pool behind it",
                draft.name, source.name
            ));
            None
        }
        None => {
            let what = named.name.as_ref().map_or_else(
                || named.id.map_or_else(String::new, |id| format!("with the id {id}")),
                ToString::to_string,
            );
            notes.say(format!("pool {}: its source pool {what} is not on disk, so the link is not kept", draft.name));
            None
        }
    }
}

fn pool_row(draft: &PoolDraft, id: PoolId, has_sidecar: bool, member_ids: &mut Ids, now: Timestamp) -> ImportedPool {
    let pool = Pool {
        id,
        revision: Revision::NEW,
        name: draft.name.clone(),
        description: draft.description.clone(),
        kind: draft.kind,
        lb_method: draft.lb_method,
        keepalive: draft.keepalive,
        source_nanio_pool_id: None,
        created_at: draft.created_at.unwrap_or(now),
        updated_at: draft.updated_at.unwrap_or(now),
    };
    let credential = draft.credential.as_ref().map(|credential| Credential {
        pool_id: id,
        access_key_enc: credential.access_key_enc.clone(),
        secret_key_enc: credential.secret_key_enc.clone(),
        endpoint_url: credential.endpoint_url.clone(),
        region: credential.region.clone(),
        created_at: credential.created_at.unwrap_or(pool.created_at),
        updated_at: credential.updated_at.unwrap_or(pool.updated_at),
    });
    let member = |draft: &MemberDraft| Member {
        id: MemberId(member_ids.claim(draft.id.map(|id| id.0)).unwrap_or_else(|| member_ids.fresh())),
        revision: Revision::NEW,
        pool_id: id,
        address: draft.address.clone(),
        role: draft.role,
        weight: draft.weight,
        max_fails: draft.max_fails,
        fail_timeout_s: draft.fail_timeout_s,
        enabled: draft.enabled,
        created_at: draft.created_at.unwrap_or(now),
        updated_at: draft.updated_at.unwrap_or(now),
    };
    ImportedPool { members: draft.members.iter().map(member).collect(), pool, credential, has_sidecar }
}

/// Vhosts with their ids, and the ways to find them.
pub(super) struct Vhosts {
    pub rows: Vec<ImportedVhost>,
    /// What 0.4.x was splitting, by place in `rows`.
    pub splits: Vec<(usize, crate::domain::disk::Split)>,
    by_claim: HashMap<VhostId, Option<usize>>,
    highest: i64,
    highest_route: i64,
}

impl Vhosts {
    /// The vhost to which a file of this tree gives this id.
    pub fn claimed(&self, id: VhostId) -> Option<usize> {
        self.by_claim.get(&id).copied().flatten()
    }
}

fn vhosts(found: &Found<'_>, highest: HighestIds, pools: &Pools, now: Timestamp, notes: &mut Notes) -> Vhosts {
    let names: std::collections::BTreeSet<&ServerName> =
        found.servers.keys().chain(found.vhost_sidecars.keys()).copied().collect();
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
    let given = claim(&mut ids, &drafts, |draft| (draft.id.map(|id| id.0), draft.updated_at));
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
