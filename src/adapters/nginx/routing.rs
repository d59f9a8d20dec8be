//! What the file of an S3 server says of its routes, run by run: what was said of a run once is said again as
//! long as a server block holds the run, so a change of one route does not cost the text of 20,000.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use minijinja::{Value, context};

use super::render::marked;
use super::sidecar::write as sidecar;
use super::text::quote;
use crate::domain::gateway::ServerRoute;
use crate::domain::pool::PoolName;
use crate::domain::route::PathPrefix;
use crate::domain::server_routes::{Run, ServerRoutes};

/// What is said of a run of routes.
#[derive(Debug)]
pub struct Said {
    /// One line of the routing map per bucket that is routed whole. Made here and not in the template: there may
    /// be 20,000.
    pub map_entries: Arc<str>,
    /// The pools that those lines name.
    pub pools: BTreeSet<PoolName>,
    /// Routes that need a location.
    pub special: Vec<Value>,
    /// Buckets of which a route serves a part only, or whose name the routing map cannot hold: where a copy
    /// from them would be read is not known from the bucket alone.
    pub split_buckets: BTreeSet<String>,
    /// What the sidecar says of their ids.
    pub ids: Arc<str>,
}

impl Said {
    fn of(run: &Run) -> Self {
        let mut map_entries = String::with_capacity(run.len() * 64);
        let (mut pools, mut special, mut split_buckets) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
        for route in run {
            let bucket = route.path_prefix.plain_bucket();
            match bucket {
                Some(bucket) => {
                    map_entry(&mut map_entries, bucket, route);
                    if !pools.contains(&route.pool) {
                        pools.insert(route.pool.clone());
                    }
                }
                None => {
                    split_buckets.insert(route.path_prefix.bucket().to_owned());
                }
            }
            if !route.is_plain() {
                special.push(route_values(route, None));
            }
        }
        let ids = sidecar::route_ids(run).into();
        Self { map_entries: map_entries.into(), pools, special, split_buckets, ids }
    }
}

/// What was said of the runs that server blocks hold.
#[derive(Default)]
pub struct Sayings {
    /// By the address of the run, which is no other run's while it is pointed to, weakly even.
    known: Mutex<HashMap<usize, Saying>>,
}

struct Saying {
    run: Weak<Run>,
    said: Arc<Said>,
}

impl Sayings {
    /// What is said of each run, in order.
    pub fn of(&self, routes: &ServerRoutes) -> Vec<Arc<Said>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut news = false;
        let mut say = |run: &Arc<Run>| {
            let saying = known.entry(Arc::as_ptr(run).addr()).or_insert_with(|| {
                news = true;
                Saying { run: Arc::downgrade(run), said: Arc::new(Said::of(run)) }
            });
            saying.said.clone()
        };
        let said = routes.runs().iter().map(&mut say).collect();
        if news {
            known.retain(|_, saying| saying.run.strong_count() > 0);
        }
        said
    }
}

/// A name as the key of a map: words that mean something there (ngx_http_map_module) are plain behind a backslash.
pub fn map_key(name: &str) -> Cow<'_, str> {
    let special = matches!(name, "default" | "include" | "hostnames" | "volatile");
    if special { Cow::Owned(format!("\\{name}")) } else { Cow::Borrowed(name) }
}

fn map_entry(text: &mut String, bucket: &str, route: &ServerRoute) {
    text.push_str("    ");
    text.push_str(&quote(&map_key(bucket)));
    text.push(' ');
    text.push_str(&quote(route.pool.as_str()));
    text.push(';');
    if !route.path_prefix.as_str().ends_with('/') {
        let _ = write!(text, " # prefix:{}", route.path_prefix);
    }
    text.push('\n');
}

/// What the templates ask of a route; `pool` is written in the place of its own.
pub fn route_values(route: &ServerRoute, pool: Option<Value>) -> Value {
    let prefix = &route.path_prefix;
    let whole = prefix.plain_bucket();
    context! {
        location => location_name(prefix),
        prefix => prefix.as_str(),
        without_slash => prefix.as_str().strip_suffix('/'),
        pool => pool.unwrap_or_else(|| route.pool.as_str().into()),
        pattern => raw_pattern(prefix),
        copies => whole.is_some(),
        rewrite => route.key_prefix.as_ref().map(|key_prefix| context! {
            from => format!("^{}(.*)$", escape_pattern(prefix.as_str())),
            to => format!("/{}$1", key_prefix.as_str()),
        }),
        directives => route.extra_directives.as_ref().map(|text| {
            Value::from_safe_string(marked(&format!("route {prefix} directives"), text))
        }),
    }
}

/// The location of a route that needs one.
fn location_name(prefix: &PathPrefix) -> String {
    format!("@nanio_route_{prefix}")
}

/// Finds a bucket as the source of a copy.
pub fn copy_pattern(bucket: &str) -> String {
    format!("~^(?:/|%2[Ff])?{}(?:[/?]|%2[Ff]|$)", escape_pattern(bucket))
}

/// A name as a regular expression that finds the name only. Names have no other special character than a dot.
pub fn escape_pattern(text: &str) -> String {
    text.replace('.', r"\.")
}

/// A regular expression that finds a prefix in the raw URI.
///
/// A plain bucket is always written plainly (anything else is refused before); in the key, every
/// character may also be percent-encoded, and means the same key to the node.
pub fn raw_pattern(prefix: &PathPrefix) -> String {
    let canonical = prefix.canonical().trim_start_matches('/');
    let (bucket, key) = canonical.split_once('/').unwrap_or((canonical, ""));
    let mut pattern = format!("~^/{}", escape_pattern(bucket));
    if key.is_empty() {
        pattern.push_str("(?:[/?]|$)");
        return pattern;
    }
    for c in std::iter::once('/').chain(key.chars()) {
        let _ = write!(pattern, "(?:{}|%{})", escape_pattern(&c.to_string()), hex_pattern(c as u32));
    }
    pattern.push_str(if prefix.as_str().ends_with('/') { "(?:/|%2[Ff])" } else { "(?:[/?]|%2[Ff]|$)" });
    pattern
}

/// The two hexadecimal digits of a character, in either case.
pub fn hex_pattern(code: u32) -> String {
    format!("{code:02x}")
        .chars()
        .map(|digit| match digit {
            'a'..='f' => format!("[{digit}{}]", digit.to_ascii_uppercase()),
            _ => digit.to_string(),
        })
        .collect()
}
