//! Values to configuration text. The same value gives the same bytes, always: no time, no version of ours.
//!
//! Templates print every value through [`text::quote`], because that is the environment's formatter; only
//! text that was made here, piece by quoted piece, or accepted by our lexer is passed as it is.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Value, context};

use super::sidecar::write as sidecar;
use super::text::quote;
use crate::domain::gateway::{Common, ManagedFile, Protocol, Server, ServerRoute, Upstream};
use crate::domain::pool::{LbMethod, PoolName, Role};
use crate::domain::route::PathPrefix;
use crate::domain::vhost::{IpRuleMode, Snippet, Zone};

/// What depends on the nginx that will read the text, not on the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// nginx knows `http2 on;` (1.25.1 and later); before, it is a parameter of `listen`.
    pub http2_directive: bool,
    /// The machine has IPv6.
    pub ipv6: bool,
    /// No other file sets `map_hash_*`, which may stand once.
    pub own_map_hash: bool,
    /// No other file sets `server_names_hash_*`, which may stand once.
    pub own_server_names_hash: bool,
}

/// Renders managed files.
pub struct Renderer {
    environment: Environment<'static>,
}

impl Default for Renderer {
    fn default() -> Self {
        Self::new()
    }
}

impl Renderer {
    /// A renderer with the built-in templates.
    #[must_use]
    pub fn new() -> Self {
        let mut environment = Environment::new();
        let mut syntax = SyntaxConfig::builder();
        syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
        environment.set_syntax(syntax.build().expect("the delimiters are the default ones"));
        environment.set_formatter(|out, _state, value| {
            let written = match value.as_str() {
                Some(text) if !value.is_safe() => out.write_str(&quote(text)),
                _ => write!(out, "{value}"),
            };
            written.map_err(minijinja::Error::from)
        });
        for (name, source) in [
            ("common", include_str!("templates/common.conf")),
            ("upstream", include_str!("templates/upstream.conf")),
            ("s3", include_str!("templates/server_s3.conf")),
            ("http", include_str!("templates/server_http.conf")),
            ("head", include_str!("templates/server_head.conf")),
            ("proxy", include_str!("templates/proxy.conf")),
        ] {
            environment.add_template(name, source).expect("the built-in templates are well-formed: tests render them");
        }
        Self { environment }
    }

    /// The whole text of a file.
    #[must_use]
    pub fn render(&self, file: &ManagedFile, dialect: Dialect) -> String {
        let (template, values) = match file {
            ManagedFile::Common(common) => ("common", common_values(*common, dialect)),
            ManagedFile::Upstream(upstream) => ("upstream", upstream_values(upstream)),
            ManagedFile::Server(server) => match server.protocol {
                Protocol::S3 => ("s3", server_values(server, dialect)),
                Protocol::Http => ("http", server_values(server, dialect)),
            },
            ManagedFile::PoolSidecar(sidecar) => return sidecar::pool(sidecar),
            ManagedFile::VhostSidecar(sidecar) => return sidecar::vhost(sidecar),
            ManagedFile::Ids(highest) => return sidecar::ids(*highest),
        };
        let template = self.environment.get_template(template).expect("added in new()");
        template.render(values).expect("the built-in templates take every value: tests render them")
    }
}

/// Whether a line is one of our markers around an operator's own text.
#[must_use]
pub fn is_marker(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("# zone ") || line.starts_with("# route ")
}

/// Text that is already configuration.
fn verbatim(text: String) -> Value {
    Value::from_safe_string(text)
}

fn common_values(common: Common, dialect: Dialect) -> Value {
    context! {
        map_hash => dialect.own_map_hash,
        server_names_hash => dialect.own_server_names_hash,
        map_entries => common.map_entries,
        server_names => common.server_names,
        server_name_bytes => common.server_name_bytes,
    }
}

fn upstream_values(upstream: &Upstream) -> Value {
    let servers: Vec<Value> = upstream
        .servers
        .iter()
        .map(|server| {
            context! {
                id => server.id.0,
                address => server.address.as_str(),
                weight => server.weight.get(),
                max_fails => server.max_fails.get(),
                fail_timeout => server.fail_timeout_s.get(),
                backup => server.role == Role::Replica,
            }
        })
        .collect();
    context! {
        id => upstream.id.0,
        name => upstream.name.as_str(),
        kind => upstream.kind.as_str(),
        lb_method => match upstream.lb_method {
            LbMethod::RoundRobin => None,
            method => Some(method.as_str()),
        },
        servers => servers,
        keepalive => upstream.keepalive.get(),
    }
}

fn server_values(server: &Server, dialect: Dialect) -> Value {
    let id = server.id.0;
    let base = server.server_name.wildcard_base();
    let routed = Routed::of(server);
    context! {
        id => id,
        server_name => server.server_name.as_str(),
        port => server.listen_port.get(),
        ipv6 => dialect.ipv6,
        http2_directive => dialect.http2_directive,
        tls => server.tls.as_ref().map(|tls| context! {
            certificate => tls.certificate.as_str(),
            key => tls.key.as_str(),
            protocols => !names_directive(server, "ssl_protocols"),
        }),
        ip_rules => server.ip_rules.as_ref().map(|rules| context! {
            word => rules.mode.as_str(),
            allow => rules.mode == IpRuleMode::Allow,
            ranges => rules.ranges.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }),
        top => zone(server, Zone::Top),
        ssl => zone(server, Zone::Ssl),
        directives => server.extra_directives.as_ref().map(|text| verbatim(marked("zone directives", text))),
        proxy => zone(server, Zone::Proxy),
        end => zone(server, Zone::End),
        default => server.default.as_ref().map(|route| context! {
            id => route.id.0,
            pool => route.pool.as_str(),
        }),
        wildcard => base.map(|base| context! {
            host_pattern => format!(r"~*^([^ ]+\.{}) \1\.?(?::[0-9]+)?$", escape_pattern(base)),
            bucket_pattern => format!(
                r"~^(?<nanio_v{id}_b>[a-z0-9][a-z0-9._-]{{1,61}}[a-z0-9])\.{}$",
                escape_pattern(base)
            ),
        }),
        map_entries => verbatim(routed.map_entries),
        split_buckets => routed.split_buckets.iter().map(|bucket| copy_pattern(bucket)).collect::<Vec<_>>(),
        special => routed.special,
        routes => match server.protocol {
            Protocol::Http => server.routes.iter().map(route_values).collect(),
            Protocol::S3 => Vec::new(),
        },
    }
}

/// Whether one of the operator's own blocks already says something about `name`, which may stand once.
fn names_directive(server: &Server, name: &str) -> bool {
    let blocks = server.extra_blocks.iter().map(|block| &block.content);
    blocks.chain(&server.extra_directives).any(|snippet| {
        let mut found = false;
        let nodes = super::text::read(snippet.as_str()).unwrap_or_default();
        super::text::walk(&nodes, &mut |directive| found |= directive.name() == name);
        found
    })
}

fn zone(server: &Server, zone: Zone) -> Option<Value> {
    let mut text = String::new();
    for (index, block) in server.extra_blocks.iter().enumerate().filter(|(_, block)| block.zone == zone) {
        text.push_str(&marked(&format!("zone {} #{index}", zone.as_str()), &block.content));
    }
    (!text.is_empty()).then(|| verbatim(text))
}

/// The operator's text between two markers, so that it can be read back to the letter.
fn marked(label: &str, snippet: &Snippet) -> String {
    format!("    # {label}: as the operator wrote it\n{snippet}\n    # {label} ends\n")
}

fn route_values(route: &ServerRoute) -> Value {
    let prefix = &route.path_prefix;
    let whole = prefix.plain_bucket();
    context! {
        id => route.id.0,
        prefix => prefix.as_str(),
        without_slash => prefix.as_str().strip_suffix('/'),
        pool => route.pool.as_str(),
        pattern => raw_pattern(prefix),
        copies => whole.is_some(),
        rewrite => route.key_prefix.as_ref().map(|key_prefix| context! {
            from => format!("^{}(.*)$", escape_pattern(prefix.as_str())),
            to => format!("/{}$1", key_prefix.as_str()),
        }),
        directives => route.extra_directives.as_ref().map(|text| {
            verbatim(marked(&format!("route {} directives", route.id), text))
        }),
    }
}

/// The routes of an S3 server by the way in which they are said.
#[derive(Default)]
struct Routed<'a> {
    /// One line per bucket that is routed whole. Made here and not in the template: there may be 20,000.
    map_entries: String,
    /// Routes that need a location.
    special: Vec<Value>,
    /// Buckets of which a route serves a part only, or whose name the routing map cannot hold: where a copy
    /// from them would be read is not known from the bucket alone.
    split_buckets: BTreeSet<&'a str>,
}

impl<'a> Routed<'a> {
    fn of(server: &'a Server) -> Self {
        let mut routed = Self { map_entries: String::with_capacity(server.routes.len() * 64), ..Self::default() };
        if server.protocol == Protocol::Http {
            return routed;
        }
        let mut pool: Option<(&PoolName, Cow<'_, str>)> = None;
        for route in &server.routes {
            let mut whole = true;
            match route.path_prefix.plain_bucket() {
                Some(bucket) => {
                    // Few pools and many routes: neighbours mostly lead to the same one.
                    let quoted = match pool {
                        Some((known, quoted)) if known == &route.pool => quoted,
                        _ => quote(route.pool.as_str()),
                    };
                    map_entry(&mut routed.map_entries, bucket, &quoted, route);
                    pool = Some((&route.pool, quoted));
                }
                None => {
                    routed.split_buckets.insert(route.path_prefix.bucket());
                    whole = false;
                }
            }
            if !whole || route.key_prefix.is_some() || route.extra_directives.is_some() {
                routed.special.push(route_values(route));
            }
        }
        routed
    }
}

fn map_entry(text: &mut String, bucket: &str, pool: &str, route: &ServerRoute) {
    // These words mean something to `map` (ngx_http_map_module): a backslash makes them plain.
    let special = matches!(bucket, "default" | "include" | "hostnames" | "volatile");
    text.push_str("    ");
    let key = if special { Cow::Owned(format!("\\{bucket}")) } else { Cow::Borrowed(bucket) };
    text.push_str(&quote(&key));
    text.push(' ');
    text.push_str(pool);
    text.push_str("; # route_id:");
    text.push_str(itoa::Buffer::new().format(route.id.0));
    if !route.path_prefix.as_str().ends_with('/') {
        let _ = write!(text, " prefix:{}", route.path_prefix);
    }
    text.push('\n');
}

/// Finds a bucket as the source of a copy.
fn copy_pattern(bucket: &str) -> String {
    format!("~^(?:/|%2[Ff])?{}(?:[/?]|%2[Ff]|$)", escape_pattern(bucket))
}

fn escape_pattern(text: &str) -> String {
    text.replace('.', r"\.")
}

/// A regular expression that finds a prefix in the raw URI.
///
/// A plain bucket is always written plainly (anything else is refused before); in the key, every
/// character may also be percent-encoded, and means the same key to the node.
fn raw_pattern(prefix: &PathPrefix) -> String {
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
fn hex_pattern(code: u32) -> String {
    format!("{code:02x}")
        .chars()
        .map(|digit| match digit {
            'a'..='f' => format!("[{digit}{}]", digit.to_ascii_uppercase()),
            _ => digit.to_string(),
        })
        .collect()
}
