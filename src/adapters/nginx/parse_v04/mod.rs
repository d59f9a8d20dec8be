//! The configuration files of 0.4.x back to values, also after somebody edited them.
//!
//! 0.4.x had no markers around an operator's own text, and nothing but its first line was ever needed: so whatever
//! is not its own form is kept verbatim and in order ([`DiskServer::unmarked`]), for the caller to compare with the
//! sidecar. What it wrote in another way than this program does (`Host $host`, `http2 on;`) says nothing.

mod location;

use super::parse::{ParseError, Reading, directives, facts, find_argument, headline, inside, number};
use super::parse::{only_argument, parse_ip_rules, read_upstream_directive};
use super::text::{self, Directive, Node};
use super::unkept::{Place, comment, otherwise, sort, unkept};
use crate::domain::disk::{DiskRoute, DiskServer, DiskUpstream, Remains, Writer};
use crate::domain::gateway::Tls;
use crate::domain::ids::{PoolId, VhostId};
use crate::domain::pool::{Address, Keepalive, LbMethod, PoolKind, PoolName};
use crate::domain::vhost::{IpRuleMode, PemPath, Port, ServerName};
use location::Locations;

/// Comments in a server block that 0.4.x wrote itself.
const OWN_COMMENTS: &[&str] =
    &["IP allowlist — ", "IP denylist — ", "Named fallback/write location for live migration "];

/// Directives of a server block that 0.4.x always wrote.
const BUFFERING: &[(&str, &str)] =
    &[("client_max_body_size", "0"), ("proxy_request_buffering", "off"), ("proxy_buffering", "off")];

/// Who wrote a file of ours: its form tells. Line 2 with `updated:` is what 0.4.x wrote; our own has routing maps,
/// comments that tell members apart, or line 2 without a time. What has none of it could be a file for 0.4.x only, which needed no
/// more than the first line.
#[must_use]
pub fn writer(nodes: &[Node]) -> Writer {
    let mut ours = false;
    text::walk(nodes, &mut |directive| {
        ours |= directive.name() == "map" && directive.words.iter().any(|word| word.starts_with("$nanio_v"));
        let comments = inside(directive).iter().filter(|_| directive.name() == "upstream").filter_map(comment_of);
        ours |=
            comments.map(facts).any(|facts| facts.get("member").is_some_and(|member| Address::parse(member).is_ok()));
    });
    let blocks = directives(nodes).any(|directive| matches!(directive.name(), "server" | "upstream"));
    // Ours names no ids, so that a comment of an operator's cannot make one of the other.
    let head = ["pool_id", "vhost_id", "pool", "vhost"].into_iter().find_map(|key| headline(nodes, key));
    let theirs = head.map_or(blocks, |head| head.contains_key("updated"));
    if theirs && !ours { Writer::Version04 } else { Writer::Ours }
}

fn comment_of(node: &Node) -> Option<&str> {
    match node {
        Node::Comment { text, .. } => Some(text),
        Node::Directive(_) => None,
    }
}

/// Reads a file in the form of 0.4.x.
///
/// # Errors
/// Something is missing without which there is no pool or vhost.
pub fn read(source: &str, nodes: &[Node]) -> Result<Reading, ParseError> {
    let mut remains = Remains::default();
    let block = directives(nodes).find(|directive| matches!(directive.name(), "server" | "upstream"));
    let block = block.ok_or_else(|| ParseError::Unexpected("it holds neither an upstream nor a server".to_owned()))?;
    for node in nodes {
        match node {
            Node::Directive(directive) if std::ptr::eq(directive, block) => {}
            Node::Directive(directive) => remains.directives.push(unkept(directive, Place::Http)),
            Node::Comment { text, line, .. } => {
                let facts = facts(text);
                let own = *line == 1 || facts.contains_key("pool_id") || facts.contains_key("vhost_id");
                remains.comments.extend((!own).then(|| comment(text, *line)));
            }
        }
    }
    if block.name() == "upstream" {
        read_upstream(nodes, block, remains).map(Reading::Upstream)
    } else {
        read_server(source, nodes, block, remains).map(|server| Reading::Server(Box::new(server)))
    }
}

fn read_upstream(nodes: &[Node], upstream: &Directive, remains: Remains) -> Result<DiskUpstream, ParseError> {
    let head = headline(nodes, "pool_id").unwrap_or_default();
    let mut read = DiskUpstream {
        writer: Writer::Version04,
        id: head.get("pool_id").and_then(|id| number(id, "pool_id").ok()).map(PoolId),
        name: PoolName::parse(only_argument(upstream)?)?,
        kind: head.get("type").and_then(|kind| PoolKind::stored(kind).ok()),
        lb_method: LbMethod::RoundRobin,
        keepalive: Keepalive::default(),
        servers: Vec::new(),
        remains,
    };
    for node in inside(upstream) {
        match node {
            Node::Comment { text, line, .. } => read.remains.comments.push(comment(text, *line)),
            Node::Directive(directive) => {
                if let Err(why) = read_upstream_directive(directive, None, &mut read) {
                    read.remains.directives.push(format!("{}: {why}", unkept(directive, Place::Upstream)));
                }
            }
        }
    }
    sort(&mut read.remains);
    Ok(read)
}

fn read_server(source: &str, nodes: &[Node], server: &Directive, remains: Remains) -> Result<DiskServer, ParseError> {
    let body = inside(server);
    let head = headline(nodes, "vhost_id").unwrap_or_default();
    let named = directives(body).find(|directive| directive.name() == "server_name");
    let name = named.and_then(|named| named.arguments().first()).map_or("", String::as_str);
    let name = ServerName::parse(name).map_err(|why| ParseError::Unexpected(format!("server_name: {why}")))?;
    let mut read = DiskServer {
        writer: Writer::Version04,
        id: head.get("vhost_id").and_then(|id| number(id, "vhost_id").ok()).map(VhostId),
        server_name: name,
        listen_port: Port::default(),
        tls: None,
        protocol: None,
        ip_rules: None,
        extra_directives: None,
        extra_blocks: Vec::new(),
        unmarked: Vec::new(),
        default: None,
        routes: Vec::new(),
        splits: Vec::new(),
        moves: Vec::new(),
        remains,
    };
    read_listen(body, &mut read)?;
    read.ip_rules = if are_whole_ip_rules(body) { parse_ip_rules(body).ok().flatten() } else { None };
    let mut locations = Locations::new(source);
    for node in body {
        match node {
            Node::Directive(directive) if directive.name() == "location" => {
                if !locations.take(directive, &mut read) {
                    read.unmarked.push(source[directive.span.0..directive.end].to_owned());
                }
            }
            Node::Directive(directive) => match role(directive, named, &read) {
                Role::Known => {}
                Role::Another(sentence) => read.remains.directives.push(sentence),
                Role::Operators => read.unmarked.push(source[directive.span.0..directive.end].to_owned()),
            },
            Node::Comment { text, line, span } => {
                if locations.announce(text) || OWN_COMMENTS.iter().any(|own| text.starts_with(own)) {
                    continue;
                }
                let piece = source[span.0..span.1].trim_end();
                // These words would be taken for markers of ours.
                if super::render::is_marker(piece) {
                    read.remains.comments.push(comment(text, *line));
                } else {
                    read.unmarked.push(piece.to_owned());
                }
            }
        }
    }
    locations.finish(&mut read);
    read.routes.sort_by(DiskRoute::order);
    sort(&mut read.remains);
    Ok(read)
}

fn read_listen(body: &[Node], read: &mut DiskServer) -> Result<(), ParseError> {
    let mut listens = directives(body).filter(|directive| directive.name() == "listen");
    let listen = listens.next().ok_or_else(|| ParseError::Unexpected("listen is missing".to_owned()))?;
    let (port, plain) =
        port_of(listen).ok_or_else(|| ParseError::Unexpected(format!("line {}: listen names no port", listen.line)))?;
    read.listen_port = Port::new(port)?;
    if listen.arguments().iter().any(|word| word == "ssl") {
        read.tls = Some(Tls {
            certificate: PemPath::parse(find_argument(body, "ssl_certificate")?)?,
            key: PemPath::parse(find_argument(body, "ssl_certificate_key")?)?,
        });
    }
    let parameters = |listen: &Directive| listen.arguments()[1..].iter().any(|word| word != "ssl" && word != "http2");
    if !plain || parameters(listen) {
        read.remains.directives.push(otherwise(listen, &format!("listen {port}")));
    }
    for other in listens {
        // IPv6 on the same port is what this program writes too.
        let same = other.arguments().first().is_some_and(|word| *word == format!("[::]:{port}"));
        if !same || parameters(other) {
            read.remains.directives.push(unkept(other, Place::Server));
        }
    }
    Ok(())
}

/// The port of a `listen`, and whether it says nothing but the port.
fn port_of(listen: &Directive) -> Option<(i64, bool)> {
    let word = listen.arguments().first()?;
    match word.parse() {
        Ok(port) => Some((port, true)),
        Err(_) => Some((word.rsplit_once(':')?.1.parse().ok()?, false)),
    }
}

/// Whether the rules say what 0.4.x says: only these may, or these may not. Others stay as they are.
fn are_whole_ip_rules(body: &[Node]) -> bool {
    let rules: Vec<_> = directives(body)
        .filter(|directive| IpRuleMode::parse(directive.name()).is_ok())
        .map(|rule| (rule.name(), rule.argument().unwrap_or_default()))
        .collect();
    match rules.split_last() {
        Some((("deny", "all"), listed)) => {
            !listed.is_empty() && listed.iter().all(|(word, range)| *word == "allow" && *range != "all")
        }
        Some((("deny", _), _)) => rules.iter().all(|(word, range)| *word == "deny" && *range != "all"),
        _ => false,
    }
}

/// What a directive of a server block is to 0.4.x.
enum Role {
    /// Its own; a field has it.
    Known,
    /// Something in the place of its own.
    Another(String),
    /// Not its own.
    Operators,
}

fn role(directive: &Directive, named: Option<&Directive>, read: &DiskServer) -> Role {
    let name = directive.name();
    match name {
        "listen" => Role::Known,
        "server_name" => match directive.arguments() {
            [_] if named.is_some_and(|named| std::ptr::eq(named, directive)) => Role::Known,
            _ => Role::Another(otherwise(directive, &format!("server_name {}", read.server_name))),
        },
        "allow" | "deny" if read.ip_rules.is_some() => Role::Known,
        "http2" if read.tls.is_some() && directive.argument() == Some("on") => Role::Known,
        "ssl_certificate" | "ssl_certificate_key" if read.tls.is_some() => Role::Known,
        _ => match BUFFERING.iter().find(|(known, _)| *known == name) {
            Some((_, value)) if directive.argument() == Some(value) => Role::Known,
            Some((_, value)) => Role::Another(otherwise(directive, &format!("{name} {value}"))),
            None => Role::Operators,
        },
    }
}
