//! One vhost, from its server block and its sidecar.

use std::collections::{HashMap, HashSet};

use super::Notes;
use crate::domain::bucket::BucketName;
use crate::domain::disk::{DiskRoute, DiskServer, DiskVhostSidecar, Split, Writer};
use crate::domain::ids::{PoolId, RouteId, VhostId};
use crate::domain::pool::PoolName;
use crate::domain::route::{KeyPrefix, PathPrefix};
use crate::domain::sidecar::SidecarRoute;
use crate::domain::time::Timestamp;
use crate::domain::vhost::{ExtraBlock, IpRules, PemPath, Port, ServerName, Snippet};

/// A pool as a file names it: its name, and its id in the same tree if the file tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolNamed {
    /// Its name, if the writer knew it.
    pub name: Option<PoolName>,
    /// Its id in the same tree.
    pub id: Option<PoolId>,
}

/// A vhost as the disk has it, before ids are given and references resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VhostDraft {
    /// The id that the files claim.
    pub id: Option<VhostId>,
    /// The name it answers to.
    pub server_name: ServerName,
    /// Its port.
    pub listen_port: Port,
    /// TLS on that port.
    pub ssl: bool,
    /// Certificate chain.
    pub ssl_certificate: Option<PemPath>,
    /// Its private key.
    pub ssl_certificate_key: Option<PemPath>,
    /// Raw directives.
    pub extra_directives: Option<Snippet>,
    /// Raw directives by zone.
    pub extra_blocks: Vec<ExtraBlock>,
    /// Whether nginx is to have it.
    pub enabled: bool,
    /// The default pool.
    pub default_pool: Option<PoolNamed>,
    /// Who may connect.
    pub ip_rules: Option<IpRules>,
    /// Every route, `/` included.
    pub routes: Vec<RouteDraft>,
    /// Buckets that an operator does not want to hear of.
    pub ignored_buckets: Vec<BucketName>,
    /// Buckets that 0.4.x was splitting between two pools.
    pub splits: Vec<Split>,
    /// When it was made, if that is known.
    pub created_at: Option<Timestamp>,
    /// When it was last saved, if that is known.
    pub updated_at: Option<Timestamp>,
}

/// A route as the disk has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteDraft {
    /// The id that the files claim.
    pub id: Option<RouteId>,
    /// The requests it serves.
    pub path_prefix: PathPrefix,
    /// The pool that serves them.
    pub pool: PoolNamed,
    /// Replacement of the prefix.
    pub key_prefix: Option<KeyPrefix>,
    /// Raw directives.
    pub extra_directives: Option<Snippet>,
    /// Whether nginx has it (in an enabled vhost).
    pub enabled: bool,
    /// When it was made, if that is known.
    pub created_at: Option<Timestamp>,
    /// When it was last saved, if that is known.
    pub updated_at: Option<Timestamp>,
}

impl VhostDraft {
    /// Puts the server block that nginx has together with what the sidecar adds; at least one of them must be there.
    #[must_use]
    pub fn of(server: Option<&DiskServer>, sidecar: Option<&DiskVhostSidecar>, notes: &mut Notes) -> Option<Self> {
        match (server, sidecar) {
            (Some(server), sidecar) => Some(Self::served(server, sidecar, notes)),
            (None, Some(sidecar)) => Some(Self::unserved(sidecar)),
            (None, None) => None,
        }
    }

    /// nginx has it: what its file says is so; the sidecar adds what nginx has no word for.
    fn served(server: &DiskServer, sidecar: Option<&DiskVhostSidecar>, notes: &mut Notes) -> Self {
        let name = &server.server_name;
        if sidecar.is_some_and(|sidecar| sidecar.enabled == Some(false)) {
            notes.say(format!(
                "vhost {name} was disabled, but nginx has it: it is taken over as enabled; disable it again to take it \
                 out of nginx"
            ));
        }
        let paths = |of: fn(&DiskVhostSidecar) -> &Option<PemPath>| sidecar.and_then(|sidecar| of(sidecar).clone());
        let (certificate, key) = match &server.tls {
            Some(tls) => (Some(tls.certificate.clone()), Some(tls.key.clone())),
            None => (paths(|s| &s.ssl_certificate), paths(|s| &s.ssl_certificate_key)),
        };
        let (extra_directives, extra_blocks) = own_text(server, sidecar, notes);
        Self {
            id: sidecar.and_then(|sidecar| sidecar.id).or(server.id),
            server_name: name.clone(),
            listen_port: server.listen_port,
            ssl: server.tls.is_some(),
            ssl_certificate: certificate,
            ssl_certificate_key: key,
            extra_directives,
            extra_blocks,
            enabled: true,
            default_pool: server.default.as_ref().map(|route| PoolNamed { name: Some(route.pool.clone()), id: None }),
            ip_rules: server.ip_rules.clone(),
            routes: routes(server, sidecar, notes),
            ignored_buckets: sidecar.map(|sidecar| sidecar.ignored_buckets.clone()).unwrap_or_default(),
            splits: server.splits.clone(),
            created_at: sidecar.and_then(|sidecar| sidecar.created_at.or(sidecar.updated_at)),
            updated_at: sidecar.and_then(|sidecar| sidecar.updated_at),
        }
    }

    /// nginx does not have it: all that is known stands in the sidecar.
    fn unserved(sidecar: &DiskVhostSidecar) -> Self {
        let default_pool =
            sidecar.default_pool.as_ref().map(|(id, name)| PoolNamed { name: name.clone(), id: Some(*id) });
        let mut routes: Vec<RouteDraft> = sidecar.routes.iter().map(RouteDraft::held).collect();
        let rooted = routes.iter().any(|route| route.path_prefix.is_root());
        if let Some(pool) = default_pool.clone().filter(|_| !rooted) {
            routes.push(RouteDraft::plain(None, PathPrefix::root(), pool));
        }
        Self {
            id: sidecar.id,
            server_name: sidecar.server_name.clone(),
            listen_port: sidecar.listen_port.unwrap_or_default(),
            ssl: sidecar.ssl.unwrap_or(false),
            ssl_certificate: sidecar.ssl_certificate.clone(),
            ssl_certificate_key: sidecar.ssl_certificate_key.clone(),
            extra_directives: sidecar.extra_directives.clone(),
            extra_blocks: sidecar.extra_blocks.clone(),
            enabled: sidecar.enabled.unwrap_or(true),
            default_pool,
            ip_rules: sidecar.ip_rules.clone(),
            routes,
            ignored_buckets: sidecar.ignored_buckets.clone(),
            splits: Vec::new(),
            created_at: sidecar.created_at.or(sidecar.updated_at),
            updated_at: sidecar.updated_at,
        }
    }
}

/// The operator's own text. 0.4.x put no marks around it: what its sidecar does not account for was, or is to be,
/// `extra_directives`.
fn own_text(
    server: &DiskServer,
    sidecar: Option<&DiskVhostSidecar>,
    notes: &mut Notes,
) -> (Option<Snippet>, Vec<ExtraBlock>) {
    if server.writer == Writer::Ours {
        return (server.extra_directives.clone(), server.extra_blocks.clone());
    }
    let blocks = sidecar.map(|sidecar| sidecar.extra_blocks.clone()).unwrap_or_default();
    let told = sidecar.and_then(|sidecar| sidecar.extra_directives.as_ref());
    let mut known: HashMap<String, usize> = HashMap::new();
    for text in blocks.iter().map(|block| block.content.as_str()).chain(told.map(|text| text.as_str())) {
        for line in words(text) {
            *known.entry(line).or_default() += 1;
        }
    }
    let mut rest = Vec::new();
    for text in &server.unmarked {
        let lines = words(text);
        let accounted = lines.iter().all(|line| known.get(line).is_some_and(|count| *count > 0));
        if !accounted {
            rest.push(text.as_str());
            continue;
        }
        for line in lines {
            if let Some(count) = known.get_mut(&line) {
                *count -= 1;
            }
        }
    }
    let texts: Vec<&str> = told.map(|text| text.as_str()).into_iter().chain(rest.iter().copied()).collect();
    if texts.is_empty() {
        return (None, blocks);
    }
    match Snippet::parse(&texts.join("\n")) {
        Ok(directives) => (Some(directives), blocks),
        Err(why) => {
            notes.say(format!(
                "vhost {}: raw directives cannot be kept: {why}: {}",
                server.server_name,
                texts.join(" ")
            ));
            (None, blocks)
        }
    }
}

/// The lines of a text without indentation, empty ones left out.
fn words(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn routes(server: &DiskServer, sidecar: Option<&DiskVhostSidecar>, notes: &mut Notes) -> Vec<RouteDraft> {
    let mut routes: Vec<RouteDraft> = Vec::with_capacity(server.routes.len() + 1);
    if let Some(default) = &server.default {
        let pool = PoolNamed { name: Some(default.pool.clone()), id: None };
        routes.push(RouteDraft::plain(default.id, PathPrefix::root(), pool));
    }
    routes.extend(server.routes.iter().map(RouteDraft::served));
    let Some(sidecar) = sidecar else { return routes };
    let held = sidecar.routes.as_slice();
    let told = held.iter().map(|route| (route.path_prefix.canonical(), route.id));
    let ids: HashMap<&str, RouteId> =
        sidecar.route_ids.iter().map(|(prefix, id)| (prefix.canonical(), *id)).chain(told).collect();
    let known_as = server.default.iter().map(|_| None).chain(server.routes.iter().map(|route| route.known_as.as_ref()));
    let of = |prefix: &PathPrefix| ids.get(prefix.canonical()).copied();
    for (route, known_as) in routes.iter_mut().zip(known_as) {
        route.id = route.id.or_else(|| of(known_as.unwrap_or(&route.path_prefix)));
    }
    // What a line was may have been taken over already, and its comment be left as it was.
    let mut given: HashSet<RouteId> = routes.iter().filter_map(|route| route.id).collect();
    for route in routes.iter_mut().filter(|route| route.id.is_none()) {
        route.id = of(&route.path_prefix).filter(|id| given.insert(*id));
    }
    if held.is_empty() {
        return routes;
    }
    let places: HashMap<String, usize> =
        routes.iter().enumerate().map(|(place, route)| (route.path_prefix.canonical().to_owned(), place)).collect();
    let given: HashSet<RouteId> = routes.iter().filter_map(|route| route.id).collect();
    for route in held {
        if let Some(place) = places.get(route.path_prefix.canonical()) {
            routes[*place].remember(route);
            continue;
        }
        // The one that nginx has under this id was this one before an operator edited its prefix.
        if given.contains(&route.id) || route.path_prefix.is_root() {
            continue;
        }
        let mut draft = RouteDraft::held(route);
        if draft.enabled {
            notes.say(format!(
                "route {} of vhost {} is not in its .conf file, so nginx does not have it; it is kept as disabled",
                draft.path_prefix, server.server_name
            ));
            draft.enabled = false;
        }
        routes.push(draft);
    }
    routes
}

impl RouteDraft {
    fn plain(id: Option<RouteId>, path_prefix: PathPrefix, pool: PoolNamed) -> Self {
        Self {
            id,
            path_prefix,
            pool,
            key_prefix: None,
            extra_directives: None,
            enabled: true,
            created_at: None,
            updated_at: None,
        }
    }

    fn served(route: &DiskRoute) -> Self {
        Self {
            key_prefix: route.key_prefix.clone(),
            extra_directives: route.extra_directives.clone(),
            ..Self::plain(route.id, route.path_prefix.clone(), PoolNamed { name: Some(route.pool.clone()), id: None })
        }
    }

    fn held(route: &SidecarRoute) -> Self {
        Self {
            id: Some(route.id),
            path_prefix: route.path_prefix.clone(),
            pool: PoolNamed { name: Some(route.pool_name.clone()), id: Some(route.pool_id) },
            key_prefix: route.key_prefix.clone(),
            extra_directives: route.extra_directives.clone(),
            enabled: route.enabled,
            created_at: Some(route.created_at),
            updated_at: Some(route.updated_at),
        }
    }

    /// Takes over what nginx's file does not say about a route that it holds.
    fn remember(&mut self, told: &SidecarRoute) {
        self.id = self.id.or(Some(told.id));
        self.created_at = Some(told.created_at);
        self.updated_at = Some(told.updated_at);
    }
}
