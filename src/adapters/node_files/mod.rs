//! A storage node's files from templates. One environment a language, whose formatter is that language's
//! quoting function: no template can print a value as it is.

pub mod quote;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Value, context};

use super::nginx::text;
use crate::domain::node_config::{NodeFile, NodeKind, NodeSetup};
use crate::ports::node_files::NodeFiles;

/// The templates of every language.
pub struct NodeTemplates {
    toml: Environment<'static>,
    systemd: Environment<'static>,
    nginx: Environment<'static>,
    shell: Environment<'static>,
}

impl Default for NodeTemplates {
    fn default() -> Self {
        Self::new()
    }
}

impl NodeTemplates {
    /// The built-in templates.
    #[must_use]
    pub fn new() -> Self {
        Self {
            toml: environment(quote::toml, &[("options", include_str!("templates/options.toml"))]),
            systemd: environment(quote::systemd, &[("unit", include_str!("templates/nanio.service"))]),
            nginx: environment(
                text::quote,
                &[
                    ("serve", include_str!("templates/nanio-serve.conf")),
                    ("proxy", include_str!("templates/nanio-proxy.conf")),
                ],
            ),
            shell: environment(quote::shell, &[("instructions", include_str!("templates/instructions.txt"))]),
        }
    }
}

impl NodeFiles for NodeTemplates {
    fn text(&self, file: NodeFile, setup: &NodeSetup) -> String {
        match file {
            NodeFile::Options => render(&self.toml, "options", setup),
            NodeFile::Unit => render(&self.systemd, "unit", setup),
            NodeFile::FileServer => render(&self.nginx, "serve", setup),
            NodeFile::Proxy => render(&self.nginx, "proxy", setup),
        }
    }

    fn instructions(&self, setup: &NodeSetup) -> String {
        render(&self.shell, "instructions", setup)
    }
}

fn environment(quote: fn(&str) -> Cow<'_, str>, templates: &[(&'static str, &'static str)]) -> Environment<'static> {
    let mut environment = Environment::new();
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
    environment.set_syntax(syntax.build().expect("the delimiters are the default ones"));
    environment.set_formatter(move |out, _state, value| {
        let written = match value.as_str() {
            Some(text) => out.write_str(&quote(text)),
            None => write!(out, "{value}"),
        };
        written.map_err(minijinja::Error::from)
    });
    for (name, source) in templates {
        environment.add_template(name, source).expect("the built-in templates are well-formed: tests render them");
    }
    environment
}

fn render(environment: &Environment<'_>, name: &str, setup: &NodeSetup) -> String {
    let parameters = &setup.parameters;
    let data_dir = &parameters.data_dir;
    let values: Value = context! {
        pool => setup.pool.as_str(),
        member => setup.member.as_str(),
        data_dir => data_dir.as_str(),
        host => parameters.host.as_str(),
        port => parameters.port.get(),
        region => parameters.region.as_str(),
        keys => parameters.keys.as_ref().map(|keys| context! {
            access => keys.access.as_str(),
            secret => keys.secret.reveal(),
        }),
        // systemd hides these directories from a service, and then its data too.
        in_home => ["/home", "/root", "/run/user"].iter().any(|home| data_dir.is_within(home)),
        in_tmp => ["/tmp", "/var/tmp"].iter().any(|tmp| data_dir.is_within(tmp)),
        // Only root, or who has the right, may listen below.
        low_port => parameters.port.get() < 1024,
        listen => setup.listen(),
        nanio_address => setup.nanio_address(),
        has_nanio => parameters.kind.has_nanio(),
        has_nginx => parameters.kind != NodeKind::NanioOnly,
    };
    let template = environment.get_template(name).expect("added in new()");
    template.render(values).expect("the built-in templates take every value: tests render them")
}
