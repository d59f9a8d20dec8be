//! The locations of 0.4.x: a route each, and a second one beside it while reads and writes are split.

use std::collections::{HashMap, HashSet};

use super::super::parse::{directives, facts, inside};
use super::super::snippet;
use super::super::text::{Directive, Node};
use super::super::unkept::{Place, comment, otherwise, unkept};
use crate::domain::disk::{DiskDefaultRoute, DiskRoute, DiskServer, Split};
use crate::domain::ids::RouteId;
use crate::domain::pool::PoolName;
use crate::domain::route::{KeyPrefix, PathPrefix};
use crate::domain::vhost::Snippet;

/// What 0.4.x writes into every location, in its words or in ours.
const COMMON: &[(&str, &[&str])] = &[
    ("proxy_http_version", &["1.1"]),
    ("proxy_set_header", &["Host", "$host"]),
    ("proxy_set_header", &["Host", "$http_host"]),
    ("proxy_set_header", &["X-Real-IP", "$remote_addr"]),
    ("proxy_set_header", &["X-Forwarded-For", "$proxy_add_x_forwarded_for"]),
    ("proxy_set_header", &["Connection", ""]),
];

/// What may stand once in a location, and this program writes there.
const ONCE: &[(&str, &str)] = &[
    ("proxy_pass", "proxy_pass"),
    ("proxy_http_version", "proxy_http_version 1.1"),
    ("proxy_next_upstream", "proxy_next_upstream"),
];

/// The locations of one server block, on their way.
pub struct Locations<'a> {
    source: &'a str,
    /// The id that the last comment gave to the location behind it.
    announced: Option<RouteId>,
    ids: HashSet<RouteId>,
    prefixes: HashSet<String>,
    /// Named locations of migrations: where their writes go.
    destinations: HashMap<String, (usize, Option<PoolName>)>,
    /// Splits, with the name of the location that takes the writes.
    splits: Vec<(Split, String)>,
}

impl<'a> Locations<'a> {
    pub fn new(source: &'a str) -> Self {
        let (ids, prefixes, destinations) = Default::default();
        Self { source, announced: None, ids, prefixes, destinations, splits: Vec::new() }
    }

    /// Remembers what a comment says about the location behind it; `false` if it says nothing.
    pub fn announce(&mut self, text: &str) -> bool {
        let facts = facts(text);
        let (Some(id), Some(_)) = (facts.get("route_id"), facts.get("prefix")) else { return false };
        self.announced = id.parse().ok().map(RouteId);
        true
    }

    /// Reads a location; `false` if it is none of 0.4.x.
    pub fn take(&mut self, location: &Directive, read: &mut DiskServer) -> bool {
        let announced = self.announced.take();
        let taken = self.take_announced(location, announced, read);
        if !taken && let Some(id) = announced {
            read.remains.directives.push(format!(
                "line {}: the location of route {id} has not the form of a route any more; it was kept as it is",
                location.line
            ));
        }
        taken
    }

    fn take_announced(&mut self, location: &Directive, announced: Option<RouteId>, read: &mut DiskServer) -> bool {
        let Some(argument) = location.argument() else { return false };
        if argument.starts_with("@nanio_mig_") {
            let pool = pool_of(location);
            self.destinations.insert(argument.to_owned(), (location.line, pool));
            return true;
        }
        let (Some(pool), Ok(prefix)) = (pool_of(location), PathPrefix::stored(argument)) else { return false };
        if !self.prefixes.insert(prefix.canonical().to_owned()) {
            read.remains
                .directives
                .push(format!("line {}: a second location for {prefix}; the first one was read", location.line));
            return true;
        }
        let id = announced.filter(|id| self.ids.insert(*id));
        let mut body = Body::read(location, &prefix, read);
        let place = if prefix.is_root() { Place::Server } else { Place::Route };
        if let Some(named) = body.split.take() {
            let split = Split { path_prefix: prefix.clone(), source: pool.clone(), destination: None };
            self.splits.push((split, named));
        }
        if prefix.is_root() {
            // The automatic route has no fields for these.
            let lost = body.own.iter().map(|directive| unkept(directive, place));
            read.remains.directives.extend(lost);
            read.default = Some(DiskDefaultRoute { id, pool });
            return true;
        }
        let extra_directives = body.extra_directives(self.source, read);
        read.routes.push(DiskRoute {
            id,
            known_as: None,
            path_prefix: prefix,
            pool,
            key_prefix: body.key_prefix,
            extra_directives,
        });
        true
    }

    /// After the last location: who takes the writes of what is split.
    pub fn finish(mut self, read: &mut DiskServer) {
        for (mut split, named) in self.splits {
            split.destination = self.destinations.remove(&named).and_then(|(_, pool)| pool);
            read.splits.push(split);
        }
        let mut unused: Vec<_> = self.destinations.into_iter().map(|(name, (line, _))| (line, name)).collect();
        unused.sort();
        read.remains.directives.extend(unused.into_iter().map(|(line, name)| {
            format!("line {line}: `location {name}` belongs to a migration of 0.4.x, and no route leads to it")
        }));
    }
}

/// The pool to which a location passes requests unchanged, if it has the form of a route.
fn pool_of(location: &Directive) -> Option<PoolName> {
    let pass = directives(inside(location)).find(|directive| directive.name() == "proxy_pass")?;
    PoolName::parse(pass.argument()?.strip_prefix("http://")?).ok()
}

/// What is in a location beside its pool.
struct Body<'a> {
    key_prefix: Option<KeyPrefix>,
    split: Option<String>,
    /// The operator's own directives.
    own: Vec<&'a Directive>,
}

impl<'a> Body<'a> {
    fn read(location: &'a Directive, prefix: &PathPrefix, read: &mut DiskServer) -> Self {
        let nodes = inside(location);
        let mut body = Self { key_prefix: None, split: split_of(nodes), own: Vec::new() };
        let mut passed = false;
        for node in nodes {
            let directive = match node {
                Node::Directive(directive) => directive,
                Node::Comment { text, line, .. } => {
                    if body.split.is_none() {
                        read.remains.comments.push(comment(text, *line));
                    }
                    continue;
                }
            };
            let arguments = directive.arguments();
            let first_pass = directive.name() == "proxy_pass" && !std::mem::replace(&mut passed, true);
            let common = COMMON.iter().any(|(name, words)| directive.name() == *name && arguments == *words);
            if first_pass || common || (body.split.is_some() && is_of_split(directive)) {
                continue;
            }
            if body.key_prefix.is_none()
                && let Some(key_prefix) = key_prefix_of(directive, prefix)
            {
                body.key_prefix = Some(key_prefix);
            } else if let Some((_, ours)) = ONCE.iter().find(|(name, _)| directive.name() == *name) {
                read.remains.directives.push(otherwise(directive, ours));
            } else {
                body.own.push(directive);
            }
        }
        body
    }

    /// The operator's own text, if it can be kept.
    fn extra_directives(&self, source: &str, read: &mut DiskServer) -> Option<Snippet> {
        let pieces: Vec<_> = self.own.iter().map(|directive| &source[directive.span.0..directive.end]).collect();
        let text = pieces.join("\n");
        if text.is_empty() {
            return None;
        }
        let kept = snippet::check(&text, true).and_then(|()| Snippet::parse(&text).map_err(|why| why.to_string()));
        kept.map_err(|why| {
            let sentences = self.own.iter().map(|directive| format!("{}: {why}", unkept(directive, Place::Route)));
            read.remains.directives.extend(sentences);
        })
        .ok()
    }
}

/// The named location to which 0.4.x sends what the source is not to answer, if it splits here.
fn split_of(nodes: &[Node]) -> Option<String> {
    directives(nodes)
        .filter(|directive| directive.name() == "error_page")
        .filter_map(|directive| directive.arguments().last())
        .find_map(|named| named.strip_prefix('=').unwrap_or(named).starts_with("@nanio_mig_").then(|| named.clone()))
        .map(|named| named.trim_start_matches('=').to_owned())
}

/// Whether a directive is one that 0.4.x writes into the location of a route that it splits.
fn is_of_split(directive: &Directive) -> bool {
    match directive.name() {
        "error_page" => directive.arguments().last().is_some_and(|named| named.contains("@nanio_mig_")),
        "proxy_intercept_errors" => directive.argument() == Some("on"),
        "if" => {
            let returns = directives(inside(directive)).all(|inner| inner.words == ["return", "418"]);
            returns && directive.arguments().first().is_some_and(|word| word == "($request_method")
        }
        _ => false,
    }
}

/// The replacement of the prefix, as 0.4.x writes it (`^/img/(.*)$`) or as this program does (with `\.`).
fn key_prefix_of(directive: &Directive, prefix: &PathPrefix) -> Option<KeyPrefix> {
    let ["rewrite", from, to, "break"] = directive.words.iter().map(String::as_str).collect::<Vec<_>>()[..] else {
        return None;
    };
    let plain = format!("^{prefix}(.*)$");
    if from != plain && from.replace("\\.", ".") != plain {
        return None;
    }
    KeyPrefix::parse(to.strip_prefix('/')?.strip_suffix("$1")?).ok()
}
