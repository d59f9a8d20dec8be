//! A server block of S3: the bucket is read from the raw address, or from the host.

use super::acts::{self, Outcome};
use super::{Inside, Serving, Told, Verdict, doubts};
use crate::domain::gateway::{Server, ServerRoute};
use crate::domain::pool::PoolName;
use crate::domain::raw::{begins_with_slash, copied_segment, plain_segment};
use crate::domain::route::is_plain_bucket;

/// What nginx reads of the bucket.
pub(super) struct Named {
    /// The bucket, if it is one that the routing map can hold; else empty.
    pub bucket: String,
    /// The first segment as it is written; with a bucket in the host, the bucket.
    pub segment: String,
    /// The address with the bucket in front, as patterns are compared with it.
    pub address: Vec<u8>,
}

/// What becomes of a request.
pub(super) fn answer(inside: &Inside<'_>, told: &mut Told) -> Verdict {
    let server = inside.server;
    if acts::is_inner(inside) {
        return told.answers(404, None, "the path is one that only nginx itself may ask for");
    }
    let named = match named(inside) {
        Ok(named) => named,
        Err(why) => return told.answers(400, Some("InvalidURI"), why),
    };
    tell_bucket(inside, &named, told);
    let copied = inside.request.copy_source.as_slice();
    let pool = pool_of(server, &named.bucket);
    if copy_pool(server, copied, &named.bucket) != pool {
        let why = "the source of the copy is not surely in the pool of its destination, which alone could copy it";
        return told.answers(501, Some("NotImplemented"), why);
    }
    match acts::outcome(inside, &named, told) {
        Outcome::Answer(verdict) => return verdict,
        Outcome::Pass(verdict) => {
            tell_route(inside, &named, told);
            return inside.pass(verdict, told);
        }
        Outcome::AsUsual => {}
    }
    let special = server.routes.iter().filter(|route| !route.is_plain());
    if let Some(route) = special.into_iter().find(|route| route.path_prefix.covers_raw(&named.address)) {
        return by_location(inside, route, told);
    }
    let Some(pool) = pool else {
        return told.answers(
            404,
            Some("NoSuchBucket"),
            "no route serves the bucket, and the vhost has no default pool",
        );
    };
    tell_route(inside, &named, told);
    told.directives.push(if is_read(&inside.request.method) {
        "proxy_next_upstream error timeout".to_owned()
    } else {
        "proxy_next_upstream error: a write that timed out is not sent to a second node".to_owned()
    });
    inside.pass(Verdict::Pool(pool.clone()), told)
}

/// A route of which a line of the map cannot say everything.
fn by_location(inside: &Inside<'_>, route: &ServerRoute, told: &mut Told) -> Verdict {
    told.why(format!("route {} leads to pool {}", route.path_prefix, route.pool));
    told.route = Some(Serving { id: route.id, prefix: route.path_prefix.to_string() });
    doubts::of_route(inside, route, told);
    // What nginx's `if` takes for false.
    let copies = !matches!(inside.request.copy_source.as_slice(), b"" | b"0");
    if route.path_prefix.plain_bucket().is_none() && copies {
        return told.answers(
            501,
            Some("NotImplemented"),
            "copies are not possible in a route that serves a part of a bucket",
        );
    }
    told.directives.push("proxy_next_upstream error".to_owned());
    inside.pass(Verdict::Pool(route.pool.clone()), told)
}

fn named(inside: &Inside<'_>) -> Result<Named, &'static str> {
    let raw = &inside.arrival.line.address;
    let Some(base) = inside.server.server_name.wildcard_base() else {
        let segment = plain_segment(raw).ok_or(
            "the bucket must be written plainly, without percent-encoding or empty, . or .. segments: a node would read \
             another bucket",
        )?;
        let bucket = if is_plain_bucket(segment) { segment.to_owned() } else { String::new() };
        return Ok(Named { bucket, segment: segment.to_owned(), address: raw.clone() });
    };
    let host = String::from_utf8_lossy(&inside.arrival.host);
    let in_front = host.strip_suffix(base).and_then(|rest| rest.strip_suffix('.')).filter(|rest| !rest.is_empty());
    let (Some(segment), true) = (in_front, is_told_to_nodes(inside)) else {
        return Err("the Host header, which nodes read, does not name a bucket of this vhost");
    };
    let bucket = if is_plain_bucket(segment) { segment.to_owned() } else { String::new() };
    let address = [b"/", bucket.as_bytes(), raw].concat();
    Ok(Named { segment: segment.to_owned(), bucket, address })
}

/// Whether the Host header is the host that nginx took, but for a dot at its end and a port.
fn is_told_to_nodes(inside: &Inside<'_>) -> bool {
    let header = inside.request.host.as_deref().unwrap_or_default().to_ascii_lowercase();
    let Some(rest) = header.strip_prefix(inside.arrival.host.as_slice()) else { return false };
    let rest = rest.strip_prefix(b".").unwrap_or(rest);
    rest.is_empty()
        || rest.strip_prefix(b":").is_some_and(|port| !port.is_empty() && port.iter().all(u8::is_ascii_digit))
}

fn tell_bucket(inside: &Inside<'_>, named: &Named, told: &mut Told) {
    let place = if inside.server.server_name.wildcard_base().is_some() { "host" } else { "raw address" };
    if named.segment.is_empty() {
        told.why("the address names no bucket");
        return;
    }
    told.bucket = Some(named.segment.clone());
    let odd =
        if named.bucket.is_empty() { "; only a route with a location of its own can serve such a name" } else { "" };
    told.why(format!("the bucket is {} by the {place}{odd}", named.segment));
}

fn tell_route(inside: &Inside<'_>, named: &Named, told: &mut Told) {
    let server = inside.server;
    let own = server.routes.iter().find(|route| route.path_prefix.canonical().get(1..) == Some(named.segment.as_str()));
    if let Some(route) = own {
        told.why(format!("route {} leads to pool {}", route.path_prefix, route.pool));
        told.route = Some(Serving { id: route.id, prefix: route.path_prefix.to_string() });
        doubts::of_route(inside, route, told);
    } else if let Some(default) = &server.default {
        told.why(format!("no route serves it: the default pool {} does", default.pool));
        told.route = Some(Serving { id: default.id, prefix: "/".to_owned() });
    }
}

/// What the routing map says of a bucket, or of anything else.
fn pool_of<'a>(server: &'a Server, bucket: &str) -> Option<&'a PoolName> {
    let routed =
        server.routes.iter().find(|route| !bucket.is_empty() && route.path_prefix.plain_bucket() == Some(bucket));
    routed.map(|route| &route.pool).or(server.default.as_ref().map(|default| &default.pool))
}

/// What the routing map says of the bucket that a copy reads.
fn copy_pool<'a>(server: &'a Server, copied: &[u8], own: &str) -> Option<&'a PoolName> {
    if copied.is_empty() {
        return pool_of(server, own);
    }
    // Where a copy from such a bucket would be read is not known from the bucket alone.
    let mut split = server.routes.iter().filter(|route| route.path_prefix.plain_bucket().is_none());
    if split.any(|route| names_bucket(copied, route.path_prefix.bucket())) {
        return None;
    }
    let (bucket, rest) = copied_segment(copied);
    let is_ended = rest.first() == Some(&b'?') || begins_with_slash(rest);
    if !is_ended || matches!(bucket, "" | "." | "..") {
        return None;
    }
    pool_of(server, if is_plain_bucket(bucket) { bucket } else { "" })
}

/// Whether the source of a copy is in this bucket.
pub(super) fn names_bucket(copied: &[u8], bucket: &str) -> bool {
    let (named, rest) = copied_segment(copied);
    named == bucket && (matches!(rest.first(), None | Some(b'?')) || begins_with_slash(rest))
}

/// Whether nginx sends it as a read.
pub(super) fn is_read(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"HEAD" | b"OPTIONS")
}
