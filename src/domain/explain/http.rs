//! A server block of plain HTTP: prefix locations, compared with the normalised path.

use super::{Inside, Serving, Told, Verdict, doubts};
use crate::domain::gateway::moving::Move;
use crate::domain::gateway::{Server, ServerRoute};
use crate::domain::migration::token::TokenState;
use crate::domain::pool::PoolName;

/// A location of the block.
#[derive(Clone, Copy)]
enum Location<'a> {
    Route(&'a ServerRoute),
    Moved(&'a Move),
}

impl Location<'_> {
    fn prefix(self) -> String {
        match self {
            Location::Route(route) => route.path_prefix.to_string(),
            Location::Moved(one) => format!("/{}/", one.bucket),
        }
    }

    /// Whether the path without the slash at the end of the prefix has a location of its own.
    fn has_bare(self) -> bool {
        matches!(self, Location::Moved(_)) || matches!(self, Location::Route(route) if route.key_prefix.is_none())
    }
}

fn locations(server: &Server) -> impl Iterator<Item = Location<'_>> {
    let moved = server.moves.iter().filter(|one| server.moves_by_default(one)).map(Location::Moved);
    server.routes.iter().map(Location::Route).chain(moved)
}

/// What becomes of a request.
pub(super) fn answer(inside: &Inside<'_>, told: &mut Told) -> Verdict {
    let path = inside.arrival.line.path.as_slice();
    told.why(format!(
        "the vhost serves plain HTTP: prefixes are compared with the path {}",
        String::from_utf8_lossy(path)
    ));
    let bare = |one: &Location<'_>| one.prefix().strip_suffix('/').is_some_and(|bare| bare.as_bytes() == path);
    match locations(inside.server).find(bare) {
        Some(exact) if exact.has_bare() => serve(inside, exact, told),
        Some(below) => {
            let prefix = below.prefix();
            let between = |name: &str| name.as_bytes().starts_with(path) && name < prefix.as_str();
            let names = locations(inside.server).map(|one| one.prefix());
            if names.into_iter().any(|name| between(&name) && name.as_bytes() != path) {
                told.uncertain.push(format!(
                    "nginx may overlook prefix {prefix} here, because of longer prefixes that come before it, and take \
                     the next shorter one"
                ));
            }
            told.answers(301, None, format!("nginx sends clients on to {prefix}, the prefix of a route"))
        }
        None => {
            let covers = |one: &Location<'_>| path.starts_with(one.prefix().as_bytes());
            let longest = locations(inside.server).filter(covers).max_by_key(|one| one.prefix().len());
            match longest {
                Some(location) => serve(inside, location, told),
                None => by_default(inside, told),
            }
        }
    }
}

fn by_default(inside: &Inside<'_>, told: &mut Told) -> Verdict {
    let Some(default) = &inside.server.default else {
        return told.answers(404, None, "no prefix of a route covers the path, and the vhost has no default pool");
    };
    told.why("no prefix of a route covers the path: the default pool serves it");
    told.route = Some(Serving { id: default.id, prefix: "/".to_owned() });
    pass(inside, default.pool.clone(), told)
}

fn serve(inside: &Inside<'_>, location: Location<'_>, told: &mut Told) -> Verdict {
    match location {
        Location::Route(route) => {
            told.why(format!("{} is the longest prefix of a route that covers the path", route.path_prefix));
            told.route = Some(Serving { id: route.id, prefix: route.path_prefix.to_string() });
            doubts::of_route(inside, route, told);
            if let Some(key_prefix) = &route.key_prefix {
                told.why(format!("the pool sees {} in the place of the prefix", key_prefix.as_str()));
            }
            let pool = match inside.server.move_read_by(route) {
                Some(one) => moved(inside, one, told),
                None => route.pool.clone(),
            };
            pass(inside, pool, told)
        }
        Location::Moved(one) => {
            told.route = inside.server.default.as_ref().map(|route| Serving { id: route.id, prefix: "/".to_owned() });
            told.why(format!(
                "no route serves bucket {}: the default pool does, or the one that follows it",
                one.bucket
            ));
            let pool = moved(inside, one, told);
            pass(inside, pool, told)
        }
    }
}

/// Where a bucket is read that is being moved.
fn moved(inside: &Inside<'_>, one: &Move, told: &mut Told) -> PoolName {
    told.migration = Some(one.migration);
    let switched = matches!((inside.look.state)(&one.gate.token), TokenState::Switched | TokenState::Open);
    let (pool, word) = if switched { (&one.destination, "has") } else { (&one.source, "has not") };
    told.why(format!(
        "migration {} moves bucket {} and {word} switched it: it is read from {pool}",
        one.migration, one.bucket
    ));
    pool.clone()
}

fn pass(inside: &Inside<'_>, pool: PoolName, told: &mut Told) -> Verdict {
    told.directives.push("proxy_next_upstream error timeout".to_owned());
    inside.pass(Verdict::Pool(pool), told)
}
