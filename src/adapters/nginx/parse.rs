//! Configuration text back to values: the inverse of `render`.
//!
//! A file that was edited outside may hold things that no value says. So the caller compares: a text is
//! fully understood exactly when rendering the parsed value gives the text again ([`is_understood`]).

use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::hash::Hash;

use super::own_text::OwnText;
use super::render::{self, Dialect, Renderer};
use super::text::{self, Directive, Node, TextError};
use super::unkept::{Place, shown, unkept};
use super::{locations, moves};
use crate::domain::disk::{DiskDefaultRoute, DiskMember, DiskRoute, DiskServer, DiskUpstream, Remains, Writer};
use crate::domain::gateway::{
    Common, DefaultRoute, ManagedFile, Protocol, Server, ServerRoute, Tls, Upstream, UpstreamServer,
};
use crate::domain::ids::{MemberId, PoolId, RouteId, VhostId};
use crate::domain::invalid::Invalid;
use crate::domain::pool::{Address, FailTimeout, Keepalive, LbMethod, MaxFails, PoolKind, PoolName, Role, Weight};
use crate::domain::route::PathPrefix;
use crate::domain::vhost::{IpRange, IpRuleMode, IpRules, PemPath, Port, ServerName};

/// Why a text is not a managed file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not nginx configuration at all.
    #[error(transparent)]
    Text(#[from] TextError),
    /// Something that a managed file always has is not there, or not as it must be.
    #[error("{0}")]
    Unexpected(String),
}

impl From<Invalid> for ParseError {
    fn from(invalid: Invalid) -> Self {
        ParseError::Unexpected(invalid.to_string())
    }
}

pub(super) fn missing(what: &str) -> ParseError {
    ParseError::Unexpected(format!("{what} is missing"))
}

/// A file in our form as it reads, perhaps after an operator's edit. It tells no ids.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// What may stand once.
    Common(Common),
    /// An `upstream`.
    Upstream(DiskUpstream),
    /// A `server`.
    Server(Box<DiskServer>),
}

/// Reads a managed file of any kind in our form, whoever edited it. Directives that no value can say are not
/// looked for here, but for an upstream's: the caller compares with what the value would be rendered to.
///
/// # Errors
/// What is missing or wrong; never a guess.
pub fn read(source: &str) -> Result<Reading, ParseError> {
    let own = OwnText::take(source)?;
    let nodes = text::read(&own.rest)?;
    let top = |name: &str| directives(&nodes).find(|directive| directive.name() == name);
    if let Some(server) = top("server") {
        read_server(&nodes, server, own).map(|server| Reading::Server(Box::new(server)))
    } else if let Some(upstream) = top("upstream") {
        read_upstream(&nodes, upstream).map(Reading::Upstream)
    } else {
        parse_common(&nodes).map(Reading::Common)
    }
}

/// Reads a managed file of any kind as we wrote it. Every id is 0: the text tells none.
///
/// # Errors
/// What is missing or wrong; never a guess.
pub fn parse(source: &str) -> Result<ManagedFile, ParseError> {
    match read(source)? {
        Reading::Common(common) => Ok(ManagedFile::Common(common)),
        Reading::Upstream(upstream) => strict_upstream(upstream).map(ManagedFile::Upstream),
        Reading::Server(server) => strict_server(*server).map(|server| ManagedFile::Server(server.into())),
    }
}

/// The upstream, if nothing is missing.
///
/// # Errors
/// What is missing, or what it holds besides.
pub fn strict_upstream(read: DiskUpstream) -> Result<Upstream, ParseError> {
    if let Some(first) = read.remains.directives.first() {
        return Err(ParseError::Unexpected(first.clone()));
    }
    let kind = read.kind.ok_or_else(|| missing("the pool's type"))?;
    Ok(upstream_of(read, kind))
}

/// What was read of an upstream, as one of this kind. What the text does not name gets its id from the sidecar.
pub(super) fn upstream_of(read: DiskUpstream, kind: PoolKind) -> Upstream {
    let servers = read.servers.into_iter().map(|server| UpstreamServer {
        id: server.id.unwrap_or(MemberId(0)),
        address: server.address,
        role: match kind {
            _ if server.backup => Role::Replica,
            PoolKind::Http => Role::Primary,
            PoolKind::Nanio => Role::Active,
        },
        weight: server.weight,
        max_fails: server.max_fails,
        fail_timeout_s: server.fail_timeout_s,
    });
    Upstream {
        id: read.id.unwrap_or(PoolId(0)),
        name: read.name,
        kind,
        lb_method: read.lb_method,
        keepalive: read.keepalive,
        servers: servers.collect(),
    }
}

/// The server block, if nothing is missing.
///
/// # Errors
/// What is missing.
pub fn strict_server(read: DiskServer) -> Result<Server, ParseError> {
    let protocol = read.protocol.ok_or_else(|| missing("the routing map"))?;
    Ok(server_of(read, protocol))
}

/// What was read of a server block, as one of this protocol. What the text does not name gets its id from the sidecar.
pub(super) fn server_of(read: DiskServer, protocol: Protocol) -> Server {
    let routes = read.routes.into_iter().map(|route| ServerRoute {
        id: route.id.unwrap_or(RouteId(0)),
        path_prefix: route.path_prefix,
        pool: route.pool,
        key_prefix: route.key_prefix,
        extra_directives: route.extra_directives,
    });
    Server {
        id: read.id.unwrap_or(VhostId(0)),
        server_name: read.server_name,
        listen_port: read.listen_port,
        tls: read.tls,
        protocol,
        ip_rules: read.ip_rules,
        extra_directives: read.extra_directives,
        extra_blocks: read.extra_blocks,
        default: read.default.map(|route| DefaultRoute { id: route.id.unwrap_or(RouteId(0)), pool: route.pool }),
        routes: routes.collect(),
        moves: read.moves,
    }
}

/// Whether `source` holds exactly what its parsed value says, and nothing else.
#[must_use]
pub fn is_understood(source: &str, renderer: &Renderer, dialect: Dialect) -> bool {
    parse(source).is_ok_and(|file| renderer.render(&file, dialect) == source)
}

pub(super) fn directives(nodes: &[Node]) -> impl Iterator<Item = &Directive> {
    nodes.iter().filter_map(|node| match node {
        Node::Directive(directive) => Some(directive),
        Node::Comment { .. } => None,
    })
}

pub(super) fn inside(directive: &Directive) -> &[Node] {
    directive.block.as_deref().unwrap_or_default()
}

pub(super) fn only_argument(directive: &Directive) -> Result<&str, ParseError> {
    directive.argument().ok_or_else(|| {
        ParseError::Unexpected(format!("line {}: {} must have one argument", directive.line, directive.name()))
    })
}

/// `key:value` pairs of a comment such as `pool:web-a type:http`.
pub(super) fn facts(comment: &str) -> HashMap<&str, &str> {
    comment.split(' ').filter_map(|pair| pair.split_once(':')).collect()
}

/// Refuses what stands twice and can be there once: the second would be another entity, or the first one lost.
pub(super) fn once<T: Eq + Hash + Display>(what: &str, all: impl Iterator<Item = T>) -> Result<(), ParseError> {
    let mut seen = HashSet::new();
    for one in all {
        if let Some(twice) = seen.replace(one) {
            return Err(ParseError::Unexpected(format!("{what} {twice} stands there twice")));
        }
    }
    Ok(())
}

pub(super) fn number(text: &str, what: &str) -> Result<i64, ParseError> {
    text.parse().map_err(|_| ParseError::Unexpected(format!("{what} is not a number: {text:?}")))
}

/// The first comment at this level that says `key:…`.
pub(super) fn headline<'a>(nodes: &'a [Node], key: &str) -> Option<HashMap<&'a str, &'a str>> {
    nodes.iter().find_map(|node| match node {
        Node::Comment { text, .. } => Some(facts(text)).filter(|facts| facts.contains_key(key)),
        Node::Directive(_) => None,
    })
}

/// The facts of the comments behind directives, by line.
fn trailing_facts(nodes: &[Node]) -> HashMap<usize, HashMap<&str, &str>> {
    nodes
        .iter()
        .filter_map(|node| match node {
            Node::Comment { text, line, .. } => Some((*line, facts(text))),
            Node::Directive(_) => None,
        })
        .collect()
}

fn parse_common(nodes: &[Node]) -> Result<Common, ParseError> {
    let value = |name: &str, default: u64| -> Result<u64, ParseError> {
        match directives(nodes).find(|directive| directive.name() == name) {
            Some(directive) => Ok(number(only_argument(directive)?, name)?.unsigned_abs()),
            None => Ok(default),
        }
    };
    Ok(Common {
        map_entries: value("map_hash_max_size", 2048)?,
        server_names: value("server_names_hash_max_size", 1024)?,
        server_name_bytes: value("server_names_hash_bucket_size", 128)?,
        variables: value("variables_hash_max_size", 1024)?,
    })
}

fn read_upstream(nodes: &[Node], upstream: &Directive) -> Result<DiskUpstream, ParseError> {
    // The operator's editor may have lost the comment.
    let head = headline(nodes, "pool").unwrap_or_default();
    let mut read = DiskUpstream {
        writer: Writer::Ours,
        id: None,
        name: PoolName::parse(only_argument(upstream)?)?,
        kind: head.get("type").map(|kind| PoolKind::parse(kind)).transpose()?,
        lb_method: LbMethod::RoundRobin,
        keepalive: Keepalive::default(),
        servers: Vec::new(),
        remains: Remains::default(),
    };
    read_upstream_body(inside(upstream), &mut read)?;
    Ok(read)
}

/// Reads what is inside of an upstream's braces.
fn read_upstream_body(body: &[Node], read: &mut DiskUpstream) -> Result<(), ParseError> {
    let comments = trailing_facts(body);
    for directive in directives(body) {
        // Always the same: the template says why.
        if directive.name() == "keepalive_timeout" {
            continue;
        }
        let known_as = comments.get(&directive.line).and_then(|facts| facts.get("member"));
        read_upstream_directive(directive, known_as.and_then(|address| Address::parse(address).ok()), read)?;
    }
    let place = |server: &DiskMember| server.address.as_str().to_owned();
    identify(&mut read.servers, place, |server| &mut server.known_as, |address| address.as_str().to_owned());
    Ok(())
}

/// Keeps of the comments that tell what something was called before an edit those that one line only bears, and that no
/// other line is about: who copies a line and edits the copy adds something.
fn identify<T, Name: Clone>(
    all: &mut [T],
    place: impl Fn(&T) -> String,
    known_as: impl Fn(&mut T) -> &mut Option<Name>,
    place_of: impl Fn(&Name) -> String,
) {
    let mut claims: HashMap<String, usize> = HashMap::new();
    for one in all.iter_mut() {
        let here = place(one);
        let earlier = known_as(one);
        let before = earlier.as_ref().map(&place_of);
        if before.as_ref() == Some(&here) {
            *earlier = None;
        } else if let Some(before) = before {
            *claims.entry(before).or_default() += 1;
        }
        // It stands there, so no other line is it under another name.
        *claims.entry(here).or_default() += 2;
    }
    for one in all {
        let earlier = known_as(one);
        if earlier.as_ref().is_some_and(|before| claims.get(&place_of(before)) != Some(&1)) {
            *earlier = None;
        }
    }
}

/// Reads one directive of an upstream, in our form or that of 0.4.x.
pub(super) fn read_upstream_directive(
    directive: &Directive,
    known_as: Option<Address>,
    read: &mut DiskUpstream,
) -> Result<(), ParseError> {
    match directive.name() {
        "least_conn" => read.lb_method = LbMethod::LeastConn,
        "ip_hash" => read.lb_method = LbMethod::IpHash,
        "keepalive" => read.keepalive = Keepalive::new(number(only_argument(directive)?, "keepalive")?)?,
        "server" => read.servers.push(read_member(directive, known_as, &mut read.remains)?),
        _ => read.remains.directives.push(unkept(directive, Place::Upstream)),
    }
    Ok(())
}

fn read_member(
    directive: &Directive,
    known_as: Option<Address>,
    remains: &mut Remains,
) -> Result<DiskMember, ParseError> {
    let (address, parameters) = directive.arguments().split_first().ok_or_else(|| missing("a member's address"))?;
    let mut member = DiskMember {
        id: None,
        known_as,
        address: Address::parse(address)?,
        backup: false,
        weight: Weight::default(),
        max_fails: MaxFails::default(),
        fail_timeout_s: FailTimeout::default(),
    };
    for parameter in parameters {
        match parameter.split_once('=') {
            Some(("weight", value)) => member.weight = Weight::new(number(value, "weight")?)?,
            Some(("max_fails", value)) => member.max_fails = MaxFails::new(number(value, "max_fails")?)?,
            Some(("fail_timeout", value)) => {
                member.fail_timeout_s = FailTimeout::new(seconds(value)?)?;
            }
            None if parameter == "backup" => member.backup = true,
            _ => remains.directives.push(format!(
                "line {}: the parameter {parameter} of `{}` is nothing that the orchestrator can keep; remove it, or \
                 move the upstream to a file of your own",
                directive.line,
                shown(directive)
            )),
        }
    }
    Ok(member)
}

/// A time as nginx writes it, if it is one of whole seconds and of one unit.
fn seconds(text: &str) -> Result<i64, ParseError> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b's') => (&text[..text.len() - 1], 1),
        Some(b'm') => (&text[..text.len() - 1], 60),
        _ => (text, 1),
    };
    Ok(number(digits, "fail_timeout")?.saturating_mul(unit))
}

fn read_server(nodes: &[Node], server: &Directive, mut texts: OwnText) -> Result<DiskServer, ParseError> {
    let body = inside(server);
    let server_name = ServerName::parse(find_argument(body, "server_name")?)?;
    let own = render::own(&server_name);
    let maps: Vec<_> = directives(nodes).filter_map(|map| Some((map, pool_map_of(map)?))).collect();
    // A copy under another name has the variables of the original.
    let pool_map = maps.iter().find(|(_, of)| *of == own).or(maps.first().filter(|_| maps.len() == 1));
    let pool_map = pool_map.map(|(map, _)| *map);
    let mut parsed = DiskServer {
        writer: Writer::Ours,
        id: None,
        server_name,
        listen_port: Port::default(),
        tls: None,
        protocol: Some(if pool_map.is_some() { Protocol::S3 } else { Protocol::Http }),
        ip_rules: parse_ip_rules(body)?,
        extra_directives: texts.directives.take(),
        extra_blocks: texts.extra_blocks(),
        unmarked: Vec::new(),
        default: None,
        routes: Vec::new(),
        splits: Vec::new(),
        moves: moves::read(nodes)?,
        remains: Remains::default(),
    };
    let listen = directives(body).find(|directive| directive.name() == "listen").ok_or_else(|| missing("listen"))?;
    let port = listen.arguments().first().ok_or_else(|| missing("the port"))?;
    parsed.listen_port = Port::new(number(port, "listen")?)?;
    if listen.arguments().iter().any(|word| word == "ssl") {
        parsed.tls = Some(Tls {
            certificate: PemPath::parse(find_argument(body, "ssl_certificate")?)?,
            key: PemPath::parse(find_argument(body, "ssl_certificate_key")?)?,
        });
    }
    if let Some(map) = pool_map {
        parse_pool_map(inside(map), &mut parsed)?;
    }
    locations::read(body, &mut parsed, &mut texts.routes)?;
    let homeless = texts
        .routes
        .keys()
        .map(|prefix| format!("the directives of route {prefix} stand in no location of that route"));
    parsed.remains.directives.extend(homeless);
    parsed.routes.sort_by(DiskRoute::order);
    let place = |prefix: &PathPrefix| prefix.canonical().to_owned();
    identify(&mut parsed.routes, |route| place(&route.path_prefix), |route| &mut route.known_as, place);
    once("the prefix", parsed.routes.iter().map(|route| route.path_prefix.canonical()))?;
    Ok(parsed)
}

/// What the names of the server block begin with whose buckets a `map` gives to pools.
fn pool_map_of(map: &Directive) -> Option<&str> {
    let ["map", _, variable] = map.words.iter().map(String::as_str).collect::<Vec<_>>()[..] else { return None };
    variable.strip_prefix('$')?.strip_suffix("_pool").filter(|own| render::is_own(own))
}

pub(super) fn find_argument<'a>(nodes: &'a [Node], name: &str) -> Result<&'a str, ParseError> {
    let found = directives(nodes).find(|directive| directive.name() == name).ok_or_else(|| missing(name))?;
    only_argument(found)
}

pub(super) fn parse_ip_rules(body: &[Node]) -> Result<Option<IpRules>, ParseError> {
    let mut rules: Option<(IpRuleMode, Vec<IpRange>)> = None;
    for directive in directives(body) {
        let Ok(mode) = IpRuleMode::parse(directive.name()) else { continue };
        let range = only_argument(directive)?;
        if range == "all" {
            continue;
        }
        let (known, ranges) = rules.get_or_insert((mode, Vec::new()));
        if *known != mode {
            return Err(ParseError::Unexpected(format!("line {}: allow and deny are mixed", directive.line)));
        }
        ranges.push(IpRange::parse(range)?);
    }
    rules.map(|(mode, ranges)| IpRules::new(mode, ranges)).transpose().map_err(ParseError::from)
}

fn parse_pool_map(entries: &[Node], server: &mut DiskServer) -> Result<(), ParseError> {
    let comments = trailing_facts(entries);
    for entry in directives(entries) {
        let Some(pool) = entry.argument() else { continue };
        if pool.is_empty() {
            continue;
        }
        let pool = PoolName::parse(pool)?;
        if entry.name() == "default" {
            server.default = Some(DiskDefaultRoute { id: None, pool });
            continue;
        }
        let bucket = entry.name().strip_prefix('\\').unwrap_or(entry.name());
        let told = comments.get(&entry.line).and_then(|facts| facts.get("prefix").copied());
        let told = told.map(PathPrefix::parse).transpose()?;
        // nginx goes by the line. The comment tells how the prefix is written, or what it was before somebody edited it.
        let (path_prefix, known_as) = match told {
            Some(told) if told.bucket() == bucket => (told, None),
            told => (PathPrefix::parse(&format!("/{bucket}/"))?, told),
        };
        server.routes.push(DiskRoute {
            id: None,
            known_as,
            path_prefix,
            pool,
            key_prefix: None,
            extra_directives: None,
        });
    }
    Ok(())
}
