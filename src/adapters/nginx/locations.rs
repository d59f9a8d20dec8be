//! The locations of a server block in our form, as routes.

use std::collections::{HashMap, HashSet};

use super::moves;
use super::parse::{ParseError, directives, facts, find_argument, inside, missing};
use super::text::{Directive, Node};
use crate::domain::disk::{DiskDefaultRoute, DiskRoute, DiskServer};
use crate::domain::gateway::Protocol;
use crate::domain::gateway::moving::Move;
use crate::domain::pool::PoolName;
use crate::domain::route::{KeyPrefix, PathPrefix};
use crate::domain::vhost::Snippet;

/// Locations of routes follow a comment with their prefix. That of an `http` vhost speaks for itself, if an operator
/// added it.
///
/// # Errors
/// What is missing or wrong in one of them.
pub(super) fn read(
    body: &[Node],
    server: &mut DiskServer,
    own: &mut HashMap<String, Snippet>,
) -> Result<(), ParseError> {
    let mut announced: Option<&str> = None;
    let mut located = Vec::new();
    let locations = directives(body).filter(|directive| directive.name() == "location");
    let paths: HashSet<&str> = locations.filter_map(Directive::argument).collect();
    for node in body {
        match node {
            Node::Comment { text, .. } => {
                let prefix = facts(text).get("route").copied();
                announced = prefix.filter(|prefix| prefix.starts_with('/')).or(announced);
            }
            Node::Directive(directive) if directive.name() == "location" => {
                // What the location says counts, unless it has a name. One that was put between another and its
                // comment is not that one.
                let path = directive.argument().filter(|word| word.starts_with('/'));
                let between = |prefix: &str| path.is_some_and(|path| path != prefix) && paths.contains(prefix);
                let route = match announced.take_if(|prefix| !between(prefix)) {
                    Some(known_as) => {
                        let texts = own.remove(known_as);
                        let known_as = Some(PathPrefix::stored(known_as)?);
                        let prefix = path.or(known_as.as_ref().map(|prefix| prefix.as_str())).unwrap_or_default();
                        parse_location(directive, prefix, texts, known_as.clone(), &server.moves)?
                    }
                    None if server.protocol == Some(Protocol::Http) => {
                        let prefix = directive.argument().unwrap_or_default();
                        let Ok(route) = parse_location(directive, prefix, None, None, &[]) else { continue };
                        route
                    }
                    None => continue,
                };
                if route.path_prefix.is_root() {
                    server.default = Some(DiskDefaultRoute { id: None, pool: route.pool });
                } else {
                    located.push(route);
                }
            }
            Node::Directive(_) => {}
        }
    }
    // A location says more than the line of the routing map.
    let prefixes: HashSet<&str> = located.iter().map(|route: &DiskRoute| route.path_prefix.canonical()).collect();
    server.routes.retain(|known| !prefixes.contains(known.path_prefix.canonical()));
    server.routes.extend(located);
    Ok(())
}

fn parse_location(
    location: &Directive,
    prefix: &str,
    own: Option<Snippet>,
    known_as: Option<PathPrefix>,
    moves: &[Move],
) -> Result<DiskRoute, ParseError> {
    let body = inside(location);
    let target = find_argument(body, "proxy_pass")?;
    let pool = target.strip_prefix("http://").ok_or_else(|| missing("http:// of proxy_pass"))?;
    let pool = match moves.iter().find(|one| moves::is_pool_of(pool, one)) {
        Some(one) => one.source.clone(),
        None => PoolName::parse(pool)?,
    };
    let rewrite = directives(body).find(|directive| directive.name() == "rewrite");
    let key_prefix = rewrite
        .and_then(|rewrite| rewrite.words.get(2))
        .and_then(|to| to.strip_prefix('/')?.strip_suffix("$1"))
        .map(KeyPrefix::parse)
        .transpose()?;
    Ok(DiskRoute {
        id: None,
        known_as,
        path_prefix: PathPrefix::stored(prefix)?,
        pool,
        key_prefix,
        extra_directives: own,
    })
}
