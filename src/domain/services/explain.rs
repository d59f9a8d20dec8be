//! Where a request would go, by what the database says. Of the routes, only those are read that could serve it.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::{Context, ServiceError};
use crate::domain::bucket::BucketName;
use crate::domain::explain::listeners::{Listener, Match, OnPort, answering};
use crate::domain::explain::wire::valid_host;
use crate::domain::explain::{Arrival, Explanation, Lookups, Request, Verdict, arrive, explain};
use crate::domain::gateway::moving::Moving;
use crate::domain::gateway::{FileName, PoolRef, Protocol, Server};
use crate::domain::ids::{PoolId, RouteId, VhostId};
use crate::domain::migration::Migration;
use crate::domain::migration::token::{Token, TokenState};
use crate::domain::pool::{Member, Pool, PoolKind, Role};
use crate::domain::raw::{copied_segment, plain_segment};
use crate::domain::route::{PathPrefix, Route};
use crate::domain::vhost::{Snippet, Vhost};
use crate::ports::gate::Gate;
use crate::ports::store::Tx;

/// So many routes are looked through at a time for one that is enabled.
const PAGE: u64 = 64;

/// A request, as far as the client of the API knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// The method.
    pub method: String,
    /// The Host header, if there is one.
    pub host: Option<String>,
    /// What stands between method and version.
    pub target: String,
    /// The header `x-amz-copy-source`; empty if there is none.
    pub copy_source: String,
    /// Who connects.
    pub from: Option<IpAddr>,
    /// The port; else that of the host, or of the vhost with this name.
    pub port: Option<u16>,
    /// Whether the client speaks TLS; else what the port speaks.
    pub tls: Option<bool>,
}

/// The pool that serves a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServingPool {
    /// The pool.
    pub pool: Pool,
    /// Its enabled members; those that nginx asks only when no other can be asked come last.
    pub members: Vec<Member>,
    /// How many are disabled: nginx does not have them.
    pub disabled: usize,
}

/// The migration that decides about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveNow {
    /// Its record.
    pub migration: Migration,
    /// What the files of its token say; `None`: nginx has none of it.
    pub state: Option<TokenState>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The port that was taken.
    pub port: u16,
    /// Whether the client was taken to speak TLS.
    pub tls: bool,
    /// Where it goes, and why.
    pub explanation: Explanation,
    /// The pool, if it goes to one.
    pub pool: Option<ServingPool>,
    /// The migration, if one decides.
    pub migration: Option<MoveNow>,
}

/// What one look at the database gives.
struct Seen {
    request: Request,
    arrival: Result<(Arrival, Server), Box<Explanation>>,
    gated: Vec<Migration>,
    notes: Vec<String>,
    doubts: Vec<String>,
}

/// Use case: explain where a request goes.
#[derive(Clone)]
pub struct Explain {
    context: Context,
    gate: Arc<dyn Gate>,
}

impl Explain {
    pub(super) fn new(context: Context, gate: Arc<dyn Gate>) -> Self {
        Self { context, gate }
    }

    /// Explains.
    ///
    /// # Errors
    /// The store's.
    pub async fn answer(&self, question: Question) -> Result<Answer, ServiceError> {
        let gateway = self.context.gateway.clone();
        let path = move |vhost: &Vhost| gateway.path(&FileName::Server(vhost.server_name.clone()));
        let Seen { request, arrival, gated, notes, doubts } =
            self.context.store.read(move |tx| look(tx, &question, &path)).await?;
        let mut states = HashMap::new();
        let mut explanation = match arrival {
            Err(explanation) => *explanation,
            Ok((arrival, server)) => {
                let mut unread = Vec::new();
                for one in &server.moves {
                    let state = self.gate.state(&one.gate.token).await.unwrap_or_else(|error| {
                        unread.push(format!("the token of migration {} cannot be read: {error}", one.migration));
                        TokenState::Missing
                    });
                    states.insert(one.gate.token.clone(), state);
                }
                let mut explanation = self.explain(&server, &request, &arrival, &states);
                explanation.uncertain.extend(unread);
                explanation
            }
        };
        explanation.why.extend(notes);
        explanation.uncertain.extend(doubts);
        let moves = explanation.migration.and_then(|id| gated.into_iter().find(|one| one.id == id));
        let migration = moves.map(|migration| {
            let token = migration.work.gate.as_ref().map(|gate| &gate.token);
            MoveNow { state: token.and_then(|token| states.get(token)).copied(), migration }
        });
        let pool = match &explanation.verdict {
            Verdict::Pool(name) => self.serving(name.to_string()).await?,
            _ => None,
        };
        Ok(Answer { port: request.port, tls: request.tls, explanation, pool, migration })
    }

    fn explain(
        &self,
        server: &Server,
        request: &Request,
        arrival: &Arrival,
        states: &HashMap<Token, TokenState>,
    ) -> Explanation {
        let directives = |text: &Snippet| self.context.gateway.directive_names(text.as_str());
        let state = |token: &Token| states.get(token).copied().unwrap_or(TokenState::Missing);
        explain(server, request, arrival, &Lookups { state: &state, directives: &directives })
    }

    async fn serving(&self, name: String) -> Result<Option<ServingPool>, ServiceError> {
        let read = move |tx: &mut dyn Tx| -> Result<_, ServiceError> {
            let Some(pool) = tx.pool_named(&name)? else { return Ok(None) };
            let (mut members, disabled): (Vec<Member>, Vec<Member>) =
                tx.members(pool.id)?.into_iter().partition(|member| member.enabled);
            members.sort_by_key(|member| (member.role == Role::Replica, member.id));
            Ok(Some(ServingPool { pool, members, disabled: disabled.len() }))
        };
        self.context.store.read(read).await
    }
}

fn look(tx: &mut dyn Tx, question: &Question, path: &dyn Fn(&Vhost) -> String) -> Result<Seen, ServiceError> {
    let mut vhosts = tx.vhosts()?;
    // The order in which nginx reads an include with a * in it: glob(3) sorts bytewise.
    vhosts.sort_by_cached_key(path);
    let listeners: Vec<Listener> = vhosts.iter().filter(|vhost| vhost.enabled).map(listener).collect();
    let request = request(question, &listeners);
    let merges = match OnPort::of(&listeners, request.port).reader(&request) {
        Some(reader) => protocol(tx, reader.vhost)? == Protocol::Http,
        None => false,
    };
    let gated = tx.gated_migrations()?;
    let mut seen = Seen { request, arrival: Err(nowhere()), gated, notes: Vec::new(), doubts: Vec::new() };
    let arrival = match arrive(&listeners, &seen.request, |_| merges) {
        Ok(arrival) => arrival,
        Err(explanation) => {
            seen.arrival = Err(explanation);
            return Ok(seen);
        }
    };
    if arrival.chosen.matched != Match::Name
        && let Some(off) = vhosts.iter().find(|one| !one.enabled && one.server_name.as_str().as_bytes() == arrival.host)
    {
        seen.notes.push(format!("vhost {} has the name of the host, and is disabled", off.server_name));
    }
    let Some(vhost) = vhosts.into_iter().find(|vhost| vhost.id == arrival.chosen.vhost) else { return Ok(seen) };
    if let Some(split) = tx.migration_to_adopt(vhost.id)? {
        seen.doubts.push(format!(
            "the file of vhost {} is as 0.4.x wrote it, with a split of bucket {} (migration {}); this tells of what \
             would be written in its place",
            vhost.server_name, split.bucket, split.id
        ));
    }
    let moving: Vec<Moving> = seen.gated.iter().filter_map(Moving::of).collect();
    let refs = tx.pool_refs()?;
    let routes = concerned(tx, vhost.id, &arrival, &seen.request, &moving, &refs)?;
    if let Some(server) = Server::of(&vhost, &routes, &refs, &moving) {
        seen.arrival = Ok((arrival, server));
    }
    Ok(seen)
}

/// What is said if nothing else was found.
fn nowhere() -> Box<Explanation> {
    Box::new(Explanation {
        verdict: Verdict::NoConnection,
        server: None,
        bucket: None,
        route: None,
        migration: None,
        directives: Vec::new(),
        why: Vec::new(),
        uncertain: Vec::new(),
    })
}

fn listener(vhost: &Vhost) -> Listener {
    Listener {
        vhost: vhost.id,
        server_name: vhost.server_name.clone(),
        port: vhost.listen_port,
        tls: vhost.ssl && vhost.tls_fault().is_none(),
    }
}

/// The request that a question means.
fn request(question: &Question, listeners: &[Listener]) -> Request {
    let host = question.host.as_deref();
    let written = host.and_then(|host| host.rsplit_once(':')).and_then(|(_, port)| port.parse().ok());
    let usual = question.tls.map(|tls| if tls { 443 } else { 80 });
    let of_name = || {
        let host = valid_host(host?.as_bytes())?;
        u16::try_from(answering(listeners.iter(), &host)?.0.port.get()).ok()
    };
    let is_open = |port: &u16| OnPort::of(listeners, *port).tls().is_some();
    let any = || [443, 80].into_iter().find(is_open).unwrap_or(443);
    let port = question.port.or(written).or(usual).or_else(of_name).unwrap_or_else(any);
    Request {
        method: question.method.clone().into_bytes(),
        target: question.target.clone().into_bytes(),
        host: question.host.clone().map(String::into_bytes),
        copy_source: question.copy_source.trim_matches([' ', '\t']).as_bytes().to_vec(),
        from: question.from,
        port,
        tls: question.tls.or_else(|| OnPort::of(listeners, port).tls()).unwrap_or(port == 443),
    }
}

/// How a vhost reads requests. Its routes are all of one kind, so one that is enabled tells.
fn protocol(tx: &mut dyn Tx, vhost: VhostId) -> Result<Protocol, ServiceError> {
    let Some(route) = any_enabled(tx, vhost)? else { return Ok(Protocol::S3) };
    let kind = tx.pool(route.pool_id)?.map_or(PoolKind::Nanio, |pool| pool.kind);
    Ok(if kind == PoolKind::Nanio { Protocol::S3 } else { Protocol::Http })
}

fn any_enabled(tx: &mut dyn Tx, vhost: VhostId) -> Result<Option<Route>, ServiceError> {
    if let Some(root) = tx.route_at(vhost, "/")?.filter(|route| route.enabled) {
        return Ok(Some(root));
    }
    let mut last: Option<Route> = None;
    loop {
        let after = last.as_ref().map(|route| (&route.path_prefix, route.id));
        let page = tx.routes_after(vhost, after, PAGE)?;
        if let Some(enabled) = page.iter().find(|route| route.enabled) {
            return Ok(Some(enabled.clone()));
        }
        let Some(end) = page.into_iter().last() else { return Ok(None) };
        last = Some(end);
    }
}

/// The routes that could have a part in what becomes of a request. A server block of them does with it what the whole
/// one does.
fn concerned(
    tx: &mut dyn Tx,
    vhost: VhostId,
    arrival: &Arrival,
    request: &Request,
    moving: &[Moving],
    refs: &HashMap<PoolId, PoolRef>,
) -> Result<Vec<Route>, ServiceError> {
    let Some(one) = any_enabled(tx, vhost)? else { return Ok(Vec::new()) };
    let is_http = refs.get(&one.pool_id).is_some_and(|pool| pool.kind == PoolKind::Http);
    let mut found = BTreeMap::from([(one.id, one)]);
    let mut add = |routes: Vec<Route>| found.extend(routes.into_iter().map(|route| (route.id, route)));
    if is_http {
        if !moving.is_empty() {
            // What a bucket is called behind a route is told by the route alone.
            return Ok(tx.routes(vhost)?);
        }
        let path = &arrival.line.path;
        let routes = prefixes(tx, vhost, path)?;
        let is_bare = |route: &Route| route.path_prefix.as_str().strip_suffix('/').map(str::as_bytes) == Some(path);
        if routes.iter().any(|route| route.key_prefix.is_some() && is_bare(route)) {
            // What nginx does then depends on the other prefixes too.
            return Ok(tx.routes(vhost)?);
        }
        add(routes);
    } else {
        let host = String::from_utf8_lossy(&arrival.host);
        let named = [plain_segment(&arrival.line.address).unwrap_or_default(), copied_segment(&request.copy_source).0];
        let wildcard = arrival.chosen.server_name.wildcard_base();
        let by_host = wildcard.and_then(|base| host.strip_suffix(base)?.strip_suffix('.')).unwrap_or_default();
        let buckets = named.into_iter().chain([by_host]).filter_map(|name| BucketName::parse(name).ok());
        for bucket in buckets.chain(moving.iter().map(|one| one.bucket.clone())) {
            add(tx.bucket_routes(vhost, &bucket)?);
        }
    }
    Ok(found.into_values().collect())
}

/// The routes whose prefix, with or without the slash at its end, a path begins with.
fn prefixes(tx: &mut dyn Tx, vhost: VhostId, path: &[u8]) -> Result<Vec<Route>, ServiceError> {
    let mut found: BTreeMap<RouteId, Route> = BTreeMap::new();
    let longest = path.len().min(PathPrefix::MAX);
    for end in 2..=longest {
        let Ok(prefix) = std::str::from_utf8(&path[..end]) else { break };
        if prefix.ends_with('/') {
            continue;
        }
        // Nothing that goes on from here can be a prefix of a route.
        if PathPrefix::parse(prefix).is_err() && !prefix.ends_with('.') {
            break;
        }
        if let Some(route) = tx.route_at(vhost, prefix)? {
            found.insert(route.id, route);
        }
    }
    Ok(found.into_values().collect())
}
