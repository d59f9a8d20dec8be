//! What `nginx -t` does not check: that every upstream which a variable may name is defined.
//!
//! nginx resolves `proxy_pass http://$pool` for each request; an unknown name is a 502 then, and exit
//! status 0 at test time. So each file is asked once which upstreams it defines and names.

use std::collections::BTreeSet;

use super::render::is_own;
use super::text::{self, Node};

/// Upstreams in one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Defined, in lower case, as nginx compares them.
    pub defines: BTreeSet<String>,
    /// Named by a routing map, as written.
    pub names: BTreeSet<String>,
}

impl Facts {
    /// The facts of a file. A text that is no configuration has none: nginx will refuse it.
    #[must_use]
    pub fn of(source: &str) -> Self {
        let mut facts = Self::default();
        let nodes = text::read(source).unwrap_or_default();
        for node in &nodes {
            let Node::Directive(directive) = node else { continue };
            match directive.name() {
                "upstream" => facts.defines.extend(directive.argument().map(str::to_ascii_lowercase)),
                "map" if directive.words.get(2).is_some_and(|name| is_pool_variable(name)) => {
                    let entries = directive.block.as_deref().unwrap_or_default().iter();
                    let pools = entries.filter_map(|entry| match entry {
                        Node::Directive(entry) => entry.argument(),
                        Node::Comment { .. } => None,
                    });
                    facts
                        .names
                        .extend(pools.filter(|pool| !pool.is_empty() && !pool.starts_with("unix:")).map(str::to_owned));
                }
                _ => {}
            }
        }
        facts
    }
}

/// `$nanio_v…_pool`, or `$nanio_v…_m<migration>_pool` of a bucket that is being moved.
fn is_pool_variable(name: &str) -> bool {
    let of = name.strip_prefix('$').and_then(|rest| rest.strip_suffix("_pool"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    of.is_some_and(|of| match of.rsplit_once("_m") {
        Some((own, migration)) => is_own(own) && is_number(migration),
        None => is_own(of),
    })
}

/// The first pool that a file names and none defines, with the file.
pub fn undefined<'a, F>(files: impl Iterator<Item = (F, &'a Facts)> + Clone) -> Option<(F, &'a str)> {
    let defined: BTreeSet<&str> =
        files.clone().flat_map(|(_, facts)| facts.defines.iter().map(String::as_str)).collect();
    for (file, facts) in files {
        for name in &facts.names {
            if !defined.contains(name.to_ascii_lowercase().as_str()) {
                return Some((file, name));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_definition_is_found() {
        let map = Facts::of(
            "map $nanio_v0123456789abcdef_subject $nanio_v0123456789abcdef_pool { volatile; default Pool-A; x pool-b; \"!\" \"\"; }",
        );
        let a = Facts::of("upstream pool-a { server 127.0.0.1:1; }");
        assert_eq!(undefined([("m", &map), ("a", &a)].into_iter()), Some(("m", "pool-b")));
        let b = Facts::of("upstream pool-b { server 127.0.0.1:1; }");
        assert_eq!(undefined([("m", &map), ("a", &a), ("b", &b)].into_iter()), None);
    }
}
