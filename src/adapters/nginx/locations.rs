//! The locations of a server block in our form, as routes.

use std::collections::{HashMap, HashSet};

use super::moves;
use super::parse::{ParseError, directives, find_argument, inside, missing};
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
    let mut announced: Option<PathPrefix> = None;
    let mut located = Vec::new();
    let locations = directives(body).filter(|directive| directive.name() == "location");
    let paths: HashSet<&str> = locations.filter_map(Directive::argument).collect();
    for node in body {
        match node {
            Node::Comment { text, .. } => {
                // Nothing else stands in it; what people write about a route is no such comment.
                let prefix = text.trim().strip_prefix("route:").and_then(|prefix| PathPrefix::stored(prefix).ok());
                announced = prefix.or(announced);
            }
            Node::Directive(directive) if directive.name() == "location" => {
                let Some(word) = directive.argument() else {
                    // An exact one beside another, or a pattern.
                    continue;
                };
                if server.protocol == Some(Protocol::S3) && !word.starts_with("@nanio_route_") {
                    continue;
                }
                // What the location says counts, unless it has a name. One that was put between another and its
                // comment is not that one.
                let path = Some(word).filter(|word| word.starts_with('/'));
                let between = |prefix: &str| path.is_some_and(|path| path != prefix) && paths.contains(prefix);
                let route = match announced.take_if(|prefix| !between(prefix.as_str())) {
                    Some(known_as) => {
                        let prefix = path.unwrap_or(known_as.as_str());
                        let mut route = match parse_location(directive, prefix, Some(known_as.clone()), &server.moves) {
                            Ok(route) => route,
                            // The operator's own, which stands where the route's was.
                            Err(_) if prefix != known_as.as_str() => continue,
                            Err(error) => return Err(error),
                        };
                        route.extra_directives = own.remove(known_as.as_str());
                        route
                    }
                    None if server.protocol == Some(Protocol::Http) => {
                        let Ok(route) = parse_location(directive, word, None, &[]) else { continue };
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
        extra_directives: None,
    })
}
