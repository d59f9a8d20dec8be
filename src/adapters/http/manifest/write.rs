//! Values become a document: the same values are always the same text, and defaults are left out.

use std::fmt::Write as _;

use serde::Serialize;
use serde::ser::{SerializeMap as _, SerializeSeq as _, Serializer};

use crate::domain::manifest::{Manifest, MemberSpec, PoolSpec, RouteSpec, VERSION, VhostSpec};
use crate::domain::pool::{FailTimeout, Keepalive, LbMethod, MaxFails, PoolKind, Role, Weight};
use crate::domain::vhost::Port;

/// What a document is made of.
#[derive(Debug)]
enum Tree {
    Text(String),
    Number(i64),
    Flag(bool),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

/// Writes a document in YAML or in JSON.
#[must_use]
pub fn document(manifest: &Manifest, json: bool) -> String {
    let tree = gateway(manifest);
    if json {
        // Texts, numbers and maps with text keys: serialising them cannot fail.
        return serde_json::to_string_pretty(&tree).unwrap_or_default() + "\n";
    }
    let mut text = String::new();
    block(&mut text, &tree, 0);
    text
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Tree::Text(text) => serializer.serialize_str(text),
            Tree::Number(number) => serializer.serialize_i64(*number),
            Tree::Flag(flag) => serializer.serialize_bool(*flag),
            Tree::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
            Tree::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                entries.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
        }
    }
}

/// The fields of something, without those that are as they are by default.
#[derive(Default)]
struct Fields(Vec<(String, Tree)>);

impl Fields {
    fn put(&mut self, name: &str, value: Tree) {
        self.0.push((name.to_owned(), value));
    }

    fn word(&mut self, name: &str, value: &str, default: &str) {
        if value != default {
            self.put(name, Tree::Text(value.to_owned()));
        }
    }

    fn number(&mut self, name: &str, value: i64, default: i64) {
        if value != default {
            self.put(name, Tree::Number(value));
        }
    }

    /// A flag that is true by default.
    fn flag(&mut self, name: &str, value: bool) {
        if !value {
            self.put(name, Tree::Flag(false));
        }
    }

    fn text<T: ToString>(&mut self, name: &str, value: Option<&T>) {
        if let Some(value) = value {
            self.put(name, Tree::Text(value.to_string()));
        }
    }

    fn list(&mut self, name: &str, items: Vec<Tree>) {
        if !items.is_empty() {
            self.put(name, Tree::List(items));
        }
    }

    fn map(&mut self, name: &str, entries: Vec<(String, Tree)>) {
        if !entries.is_empty() {
            self.put(name, Tree::Map(entries));
        }
    }
}

fn gateway(manifest: &Manifest) -> Tree {
    let mut fields = Fields::default();
    fields.put("version", Tree::Number(VERSION));
    fields.map("pools", manifest.pools.iter().map(|(name, spec)| (name.to_string(), pool(spec))).collect());
    fields.map("vhosts", manifest.vhosts.iter().map(|(name, spec)| (name.to_string(), vhost(spec))).collect());
    Tree::Map(fields.0)
}

fn pool(spec: &PoolSpec) -> Tree {
    let mut fields = Fields::default();
    fields.word("type", spec.kind.as_str(), PoolKind::Nanio.as_str());
    fields.text("description", spec.description.as_ref());
    fields.word("lb_method", spec.lb_method.as_str(), LbMethod::LeastConn.as_str());
    fields.number("keepalive", spec.keepalive.get(), Keepalive::default().get());
    fields.text("source_nanio_pool", spec.source.as_ref());
    fields.list("members", spec.members.iter().map(|one| member(one, spec.kind)).collect());
    Tree::Map(fields.0)
}

fn member(spec: &MemberSpec, kind: PoolKind) -> Tree {
    let mut fields = Fields::default();
    fields.text("address", Some(&spec.address));
    fields.word("role", spec.role.as_str(), Role::usual(kind).as_str());
    fields.number("weight", spec.weight.get(), Weight::default().get());
    fields.number("max_fails", spec.max_fails.get(), MaxFails::default().get());
    fields.number("fail_timeout_s", spec.fail_timeout_s.get(), FailTimeout::default().get());
    fields.flag("enabled", spec.enabled);
    Tree::Map(fields.0)
}

fn vhost(spec: &VhostSpec) -> Tree {
    let mut fields = Fields::default();
    fields.number("listen_port", spec.listen_port.get(), Port::default().get());
    fields.flag("ssl", spec.ssl);
    fields.text("ssl_certificate", spec.ssl_certificate.as_ref());
    fields.text("ssl_certificate_key", spec.ssl_certificate_key.as_ref());
    fields.flag("enabled", spec.enabled);
    fields.text("default_pool", spec.default_pool.as_ref());
    if let Some(rules) = &spec.ip_rules {
        fields.put("ip_rule_mode", Tree::Text(rules.mode.as_str().to_owned()));
        fields.list("ip_rule_ips", rules.ranges.iter().map(|range| Tree::Text(range.to_string())).collect());
    }
    fields.text("extra_directives", spec.extra_directives.as_ref());
    let blocks = spec.extra_blocks.iter().map(|block| {
        let mut fields = Fields::default();
        fields.put("zone", Tree::Text(block.zone.as_str().to_owned()));
        fields.put("content", Tree::Text(block.content.to_string()));
        Tree::Map(fields.0)
    });
    fields.list("extra_blocks", blocks.collect());
    fields.list("ignored_buckets", spec.ignored_buckets.iter().map(|name| Tree::Text(name.to_string())).collect());
    fields.map("routes", spec.routes.iter().map(|(prefix, spec)| (prefix.to_string(), route(spec))).collect());
    Tree::Map(fields.0)
}

fn route(spec: &RouteSpec) -> Tree {
    let mut fields = Fields::default();
    fields.text("pool", Some(&spec.pool));
    fields.text("key_prefix", spec.key_prefix.as_ref());
    fields.text("extra_directives", spec.extra_directives.as_ref());
    fields.flag("enabled", spec.enabled);
    Tree::Map(fields.0)
}

/// Writes a map or list on lines of their own.
fn block(text: &mut String, tree: &Tree, depth: usize) {
    match tree {
        Tree::Map(entries) => {
            for (key, value) in entries {
                indent(text, depth);
                entry(text, key, value, depth);
            }
        }
        Tree::List(items) => {
            for item in items {
                indent(text, depth);
                text.push_str("- ");
                match item {
                    Tree::Map(entries) if !entries.is_empty() => {
                        for (number, (key, value)) in entries.iter().enumerate() {
                            if number > 0 {
                                indent(text, depth + 1);
                            }
                            entry(text, key, value, depth + 1);
                        }
                    }
                    other => value(text, other, depth),
                }
            }
        }
        other => value(text, other, depth),
    }
}

fn entry(text: &mut String, key: &str, item: &Tree, depth: usize) {
    text.push_str(&scalar(key));
    text.push(':');
    match item {
        Tree::Map(entries) if !entries.is_empty() => {
            text.push('\n');
            block(text, item, depth + 1);
        }
        Tree::List(items) if !items.is_empty() => {
            text.push('\n');
            block(text, item, depth + 1);
        }
        other => {
            text.push(' ');
            value(text, other, depth);
        }
    }
}

/// Writes what ends a line, and the line's end.
fn value(text: &mut String, tree: &Tree, depth: usize) {
    match tree {
        Tree::Text(written) if is_literal(written) => {
            text.push_str("|-\n");
            for line in written.split('\n') {
                if !line.is_empty() {
                    indent(text, depth + 1);
                    text.push_str(line);
                }
                text.push('\n');
            }
            return;
        }
        Tree::Text(written) => text.push_str(&scalar(written)),
        Tree::Number(number) => {
            // Writing to a string cannot fail.
            let _ = write!(text, "{number}");
        }
        Tree::Flag(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Tree::List(_) => text.push_str("[]"),
        Tree::Map(_) => text.push_str("{}"),
    }
    text.push('\n');
}

fn indent(text: &mut String, depth: usize) {
    for _ in 0..depth {
        text.push_str("  ");
    }
}

/// Whether a text of several lines can stand as it is: a first line that tells the indentation, no blank at the end
/// that nobody sees, and nothing that a reader of YAML takes for a line's end or refuses.
fn is_literal(text: &str) -> bool {
    let plain = |c: char| c == '\n' || c == '\t' || (' '..='~').contains(&c) || ('\u{a0}'..='\u{2027}').contains(&c);
    let sound = |line: &str| !line.ends_with([' ', '\t']);
    text.contains('\n')
        && !text.starts_with([' ', '\t', '\n'])
        && !text.ends_with('\n')
        && text.chars().all(plain)
        && text.split('\n').all(sound)
}

/// A text on one line: as it is, if nobody can take it for something else, or else in quotes.
fn scalar(text: &str) -> String {
    const TAKEN: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '/');
    let rest = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '@');
    if first && text.chars().all(rest) && !TAKEN.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        let written = match c {
            '"' => quoted.write_str("\\\""),
            '\\' => quoted.write_str("\\\\"),
            '\n' => quoted.write_str("\\n"),
            '\t' => quoted.write_str("\\t"),
            // Controls, other line ends, marks of byte order, and what YAML does not let stand as it is.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') => {
                write!(quoted, "\\U{:08X}", u32::from(c))
            }
            c => quoted.write_char(c),
        };
        // Writing to a string cannot fail.
        let _ = written;
    }
    quoted.push('"');
    quoted
}
