//! Values to configuration text. The same value gives the same bytes, always: no time, no version of ours.
//!
//! Templates print every value through [`text::quote`], because that is the environment's formatter; only
//! text that was made here, piece by quoted piece, or accepted by our lexer is passed as it is.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Value, context};

use super::moves;
use super::own_text::BEGINS;
use super::pieces::Pieces;
use super::proof::Facts;
use super::routing::{Said, Sayings, copy_pattern, escape_pattern, route_values};
use super::sidecar::write as sidecar;
use super::text::quote;
use super::tree::sha256;
use crate::adapters::broken;
use crate::domain::gateway::{Common, ManagedFile, Protocol, Server, Upstream};
use crate::domain::pool::{LbMethod, Role};
use crate::domain::vhost::{IpRuleMode, ServerName, Snippet, Zone};

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
    /// No other file sets `variables_hash_*`, which may stand once.
    pub own_variables_hash: bool,
    /// How many connections a worker may have.
    pub worker_connections: u32,
}

impl Dialect {
    /// That of an nginx of which nothing is known.
    pub const USUAL: Self = Self {
        http2_directive: false,
        ipv6: true,
        own_map_hash: true,
        own_server_names_hash: true,
        own_variables_hash: true,
        // What nginx takes unless nginx.conf says otherwise (ngx_event.c, DEFAULT_CONNECTIONS).
        worker_connections: 512,
    };
}

/// Renders managed files.
pub struct Renderer {
    environment: Environment<'static>,
    sayings: Sayings,
    gate_dir: String,
}

/// A file as it is to be written.
#[derive(Debug)]
pub struct Composed {
    /// The whole text.
    pub text: Pieces,
    /// What the text defines and names.
    pub facts: Facts,
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
            ("s3_maps", include_str!("templates/server_s3_maps.conf")),
            ("s3", include_str!("templates/server_s3.conf")),
            ("http", include_str!("templates/server_http.conf")),
            ("moves_maps", include_str!("templates/moves_maps.conf")),
            ("moves_s3", include_str!("templates/moves_s3.conf")),
            ("head", include_str!("templates/server_head.conf")),
            ("proxy", include_str!("templates/proxy.conf")),
        ] {
            environment.add_template(name, source).expect("the built-in templates are well-formed: tests render them");
        }
        Self { environment, sayings: Sayings::default(), gate_dir: moves::USUAL_DIR.to_owned() }
    }

    /// The same, with token, journals and gate in another directory than the usual one.
    ///
    /// # Errors
    /// nginx could not be told of this directory.
    pub fn with_gate_dir(self, dir: &Path) -> Result<Self, String> {
        Ok(Self { gate_dir: moves::directory(dir)?, ..self })
    }

    /// The whole text of a file.
    #[must_use]
    pub fn render(&self, file: &ManagedFile, dialect: Dialect) -> String {
        self.compose(file, dialect).text.to_string()
    }

    /// The text of a file in pieces, and what [`Facts::of`] would find in it.
    #[must_use]
    pub fn compose(&self, file: &ManagedFile, dialect: Dialect) -> Composed {
        let mut facts = Facts::default();
        let text = match file {
            ManagedFile::Common(common) => self.fill("common", &common_values(*common, dialect)).into(),
            ManagedFile::Upstream(upstream) => {
                facts.defines.insert(upstream.name.as_str().to_ascii_lowercase());
                self.fill("upstream", &upstream_values(upstream)).into()
            }
            ManagedFile::Server(server) => {
                let values = |said: &[Arc<Said>]| server_values(server, said, &self.gate_dir, dialect);
                facts.names.extend(moves::pools(server));
                match server.protocol {
                    Protocol::S3 => {
                        let said = self.sayings.of(&server.routes);
                        let default = server.default.iter().map(|route| &route.pool);
                        let pools = said.iter().flat_map(|said| &said.pools).chain(default);
                        facts.names.extend(pools.map(|pool| pool.as_str().to_owned()));
                        let values = values(&said);
                        let before = Arc::from(self.fill("s3_maps", &values));
                        let entries = said.iter().map(|said| said.map_entries.clone());
                        let after = Arc::from(broken::server_text(self.fill("s3", &values)));
                        [before].into_iter().chain(entries).chain([after]).collect()
                    }
                    Protocol::Http => self.fill("http", &values(&[])).into(),
                }
            }
            ManagedFile::PoolSidecar(sidecar) => sidecar::pool(sidecar).into(),
            ManagedFile::VhostSidecar(sidecar) => {
                let routes = sidecar.served.as_ref().map(|served| self.sayings.of(&served.routes));
                sidecar::vhost(sidecar, routes.iter().flatten().map(|said| said.ids.clone()))
            }
            ManagedFile::Ids(highest) => sidecar::ids(*highest).into(),
        };
        Composed { text, facts }
    }

    fn fill(&self, template: &str, values: &Value) -> String {
        let template = self.environment.get_template(template).expect("added in new()");
        template.render(values).expect("the built-in templates take every value: tests render them")
    }
}

/// What the names of a server block's variables begin with: nothing but the block's name tells it, so that the same
/// gateway has the same files, however it came about. (nginx takes the last of two maps that set one variable.)
pub fn own(name: &ServerName) -> String {
    let hash = sha256(name.as_str().as_bytes());
    format!("nanio_v{}", &hash[..OWN_DIGITS])
}

/// Whether a word is what [`own`] gives for some server.
pub fn is_own(word: &str) -> bool {
    let digits = word.strip_prefix("nanio_v").unwrap_or_default();
    digits.len() == OWN_DIGITS && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// 64 bits: that two of 20,000 vhosts share them has a chance of one in 10¹¹. More would not fit: nginx has 64 bytes for
/// the name of a variable and what belongs to it, PCRE 32 for that of a group.
const OWN_DIGITS: usize = 16;

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
        variables_hash => dialect.own_variables_hash,
        map_entries => common.map_entries,
        server_names => common.server_names,
        server_name_bytes => common.server_name_bytes,
        variables => common.variables,
    }
}

fn upstream_values(upstream: &Upstream) -> Value {
    let servers: Vec<Value> = upstream
        .servers
        .iter()
        .map(|server| {
            context! {
                address => server.address.as_str(),
                weight => server.weight.get(),
                max_fails => server.max_fails.get(),
                fail_timeout => server.fail_timeout_s.get(),
                backup => server.role == Role::Replica,
            }
        })
        .collect();
    context! {
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

fn server_values(server: &Server, said: &[Arc<Said>], gate_dir: &str, dialect: Dialect) -> Value {
    let own = &own(&server.server_name);
    let base = server.server_name.wildcard_base();
    let split_buckets: BTreeSet<&String> = said.iter().flat_map(|said| &said.split_buckets).collect();
    context! {
        own => own.as_str(),
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
        default => server.default.as_ref().map(|route| context! { pool => route.pool.as_str() }),
        wildcard => base.map(|base| context! {
            host_pattern => format!(r"~*^([^ ]+\.{}) \1\.?(?::[0-9]+)?$", escape_pattern(base)),
            bucket_pattern => format!(
                r"~^(?<{own}_b>[a-z0-9][a-z0-9._-]{{1,61}}[a-z0-9])\.{}$",
                escape_pattern(base)
            ),
        }),
        split_buckets => split_buckets.into_iter().map(|bucket| copy_pattern(bucket)).collect::<Vec<_>>(),
        special => said.iter().flat_map(|said| said.special.iter().cloned()).collect::<Vec<_>>(),
        routes => match server.protocol {
            Protocol::Http => server.routes.iter().map(|route| {
                let pool = server.move_read_by(route).map(|one| verbatim(format!("${}_pool", moves::prefix(server, one))));
                route_values(route, pool)
            }).collect(),
            Protocol::S3 => Vec::new(),
        },
        dir => gate_dir,
        style => if base.is_some() { "host" } else { "path" },
        most_held => moves::most_held(dialect.worker_connections),
        moves => server.moves.iter().map(|one| moves::values(server, one, gate_dir)).collect::<Vec<_>>(),
        upload_pattern => moves::upload_pattern(server),
        copied_switched => moves::copied_switched(server, gate_dir),
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
pub fn marked(label: &str, snippet: &Snippet) -> String {
    format!("    # {label}{BEGINS}\n{snippet}\n    # {label} ends\n")
}
