//! What a file in our form holds beside the value that was read from it: whatever differs between the file and what
//! the value is rendered to, in each direction, unless the difference is nothing to nginx.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::own_text::{BEGINS, OwnText};
use super::parse::{directives, inside, server_of, upstream_of};
use super::render::{Dialect, Renderer};
use super::text::{self, Directive, Node};
use super::unkept::{Place, comment, lacking, otherwise, shown, sort, unkept};
use crate::domain::disk::{DiskServer, DiskUpstream, Remains};
use crate::domain::gateway::{ManagedFile, Protocol};
use crate::domain::pool::PoolKind;

/// What `source` holds beside `read`, which was read from it.
#[must_use]
pub fn of_upstream(source: &str, read: &DiskUpstream, renderer: &Renderer, dialect: Dialect) -> Remains {
    let whole = ManagedFile::Upstream(upstream_of(read.clone(), read.kind.unwrap_or(PoolKind::Nanio)));
    compare(source, &renderer.render(&whole, dialect), read.remains.clone())
}

/// What `source` holds beside `read`, which was read from it.
#[must_use]
pub fn of_server(source: &str, read: &DiskServer, renderer: &Renderer, dialect: Dialect) -> Remains {
    let whole = server_of(read.clone(), read.protocol.unwrap_or(Protocol::Http));
    let dialect = dialect_of(source, dialect);
    compare(source, &renderer.render(&ManagedFile::Server(whole.into()), dialect), read.remains.clone())
}

/// How the nginx was spoken to for which a file was written: that it was another one is no edit.
fn dialect_of(source: &str, here: Dialect) -> Dialect {
    let mut dialect = Dialect { ipv6: source.contains("listen [::]:"), ..here };
    if source.lines().any(|line| line.trim_start().starts_with("http2 ")) {
        dialect.http2_directive = true;
    } else if source.lines().any(|line| line.trim_start().starts_with("listen ") && line.contains(" http2")) {
        dialect.http2_directive = false;
    }
    let held = source.lines().find_map(|line| {
        let (_, most) = line.trim().strip_prefix("limit_conn nanio_v")?.strip_suffix(';')?.rsplit_once(' ')?;
        most.parse::<u32>().ok()
    });
    if let Some(held) = held {
        dialect.worker_connections = held.saturating_mul(4);
    }
    dialect
}

/// The differences between a file and our own text, with what the reader has told already.
fn compare(source: &str, ours: &str, mut told: Remains) -> Remains {
    if source == ours {
        return told;
    }
    // A marked text belongs to one route. What has it besides would lose it.
    let marked = |text: &str| text.lines().filter(|line| line.ends_with(BEGINS)).count();
    if marked(source) > marked(ours) {
        told.directives.push(
            "a text between markers stands once more than its route has locations: give the other route its text by the \
             API, and leave out the markers"
                .to_owned(),
        );
    }
    // Both were read before: neither fails here.
    let tree = |text: &str| OwnText::take(text).ok().and_then(|own| text::read(&own.rest).ok()).unwrap_or_default();
    let (file, ours) = (tree(source), tree(ours));
    let mut comparison = Comparison { remains: told };
    comparison.block(&file, &ours, Place::Http, 1);
    comparison.comments(&file, &ours);
    sort(&mut comparison.remains);
    comparison.remains
}

/// Two directives that say the same have the same key. What is in a block is compared later.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a> {
    words: &'a [String],
    block: bool,
}

impl<'a> Key<'a> {
    fn of(directive: &'a Directive, place: Place) -> Self {
        let words = match directive.name() {
            // The reader has told of parameters that it does not know, and has defaults for those that are not there.
            "server" if place == Place::Upstream => directive.words.get(..2).unwrap_or(&directive.words),
            _ => &directive.words,
        };
        Self { words, block: directive.block.is_some() }
    }
}

struct Comparison {
    remains: Remains,
}

impl Comparison {
    fn block(&mut self, file: &[Node], ours: &[Node], place: Place, line: usize) {
        let ours: Vec<&Directive> = directives(ours).collect();
        let mut open: HashMap<Key<'_>, VecDeque<usize>> = HashMap::new();
        for (index, directive) in ours.iter().enumerate() {
            open.entry(Key::of(directive, place)).or_default().push_back(index);
        }
        let (mut pairs, mut more) = (Vec::new(), Vec::new());
        for directive in directives(file) {
            match open.get_mut(&Key::of(directive, place)).and_then(VecDeque::pop_front) {
                Some(index) => pairs.push((directive, index)),
                None => more.push(directive),
            }
        }
        self.order(&pairs);
        for (directive, index) in &pairs {
            if directive.block.is_some() {
                self.block(inside(directive), inside(ours[*index]), place_in(directive, place), directive.line);
            }
        }
        let mut fewer: Vec<usize> = open.into_values().flatten().collect();
        fewer.sort_unstable();
        self.differences(more, fewer.into_iter().map(|index| ours[index]).collect(), place, line);
    }

    /// A setting with another value is one difference, not two.
    fn differences(&mut self, more: Vec<&Directive>, fewer: Vec<&Directive>, place: Place, line: usize) {
        let mut by_name: BTreeMap<&str, (Vec<&Directive>, Vec<&Directive>)> = BTreeMap::new();
        for directive in more {
            by_name.entry(directive.name()).or_default().0.push(directive);
        }
        for directive in fewer {
            by_name.entry(directive.name()).or_default().1.push(directive);
        }
        for (name, (more, fewer)) in by_name {
            match (&more[..], &fewer[..]) {
                ([one], [other]) if one.block.is_none() && other.block.is_none() => {
                    self.remains.directives.push(otherwise(one, &shown(other)))
                }
                // The reader has told of them.
                _ if place == Place::Upstream && fewer.is_empty() && !is_of_upstream(name) => {}
                _ => {
                    self.remains.directives.extend(more.iter().map(|directive| unkept(directive, place)));
                    self.remains.directives.extend(fewer.iter().map(|directive| lacking(directive, line)));
                }
            }
        }
    }

    /// Lines that nginx takes in order must be in ours.
    fn order(&mut self, pairs: &[(&Directive, usize)]) {
        let mut last: HashMap<Order, usize> = HashMap::new();
        for (directive, index) in pairs {
            let Some(order) = Order::of(directive) else { continue };
            let before = last.entry(order).or_insert(*index);
            if *index < *before {
                self.remains.directives.push(format!(
                    "line {}: `{}` stands in another place than the orchestrator writes it, and nginx takes such \
                     lines in their order",
                    directive.line,
                    shown(directive)
                ));
                return;
            }
            *before = *index;
        }
    }

    fn comments(&mut self, file: &[Node], ours: &[Node]) {
        let mut known: HashMap<&str, usize> = HashMap::new();
        each_comment(ours, &mut |text, _| *known.entry(text).or_default() += 1);
        let mut foreign = Vec::new();
        each_comment(file, &mut |text, line| match known.get_mut(text) {
            Some(left) if *left > 0 => *left -= 1,
            // One of ours beside what an edit changed.
            _ if tells_a_name(text) => {}
            _ => foreign.push(comment(text, line)),
        });
        self.remains.comments.extend(foreign);
    }
}

/// Whether a comment is one of ours, which tells what something was called when we wrote it.
fn tells_a_name(comment: &str) -> bool {
    let comment = comment.trim_start_matches('#').trim_start();
    ["member:", "route:/", "prefix:/"].iter().any(|start| comment.starts_with(start)) && !comment.contains(' ')
}

/// Directives of an upstream that the reader takes, the last of several.
fn is_of_upstream(name: &str) -> bool {
    matches!(name, "server" | "least_conn" | "ip_hash" | "keepalive" | "keepalive_timeout")
}

/// Where the content of a block stands.
fn place_in(block: &Directive, around: Place) -> Place {
    match block.name() {
        "upstream" => Place::Upstream,
        "server" => Place::Server,
        "location" => match block.arguments().last().map(String::as_str) {
            Some("/" | "@nanio_write") => around,
            // Of a bucket that is being moved. Those of routes are named @nanio_route_….
            Some(name) if name.starts_with("/_nanio_") => Place::Machinery,
            Some(name) if name.starts_with("@nanio_") && !name.starts_with("@nanio_route_") => Place::Machinery,
            _ => Place::Route,
        },
        _ => Place::Machinery,
    }
}

/// Directives whose order among each other means something to nginx.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Order {
    /// The first rule that fits decides.
    Access,
    /// One after the other (ngx_http_rewrite_module).
    Rewrite,
    /// The first pattern of a map that fits decides.
    Pattern,
}

impl Order {
    fn of(directive: &Directive) -> Option<Self> {
        match directive.name() {
            "allow" | "deny" => Some(Order::Access),
            "rewrite" | "set" | "if" | "return" | "break" => Some(Order::Rewrite),
            name if name.starts_with('~') => Some(Order::Pattern),
            _ => None,
        }
    }
}

fn each_comment<'a>(nodes: &'a [Node], visit: &mut dyn FnMut(&'a str, usize)) {
    for node in nodes {
        match node {
            Node::Comment { text, line, .. } => visit(text, *line),
            Node::Directive(directive) => each_comment(inside(directive), visit),
        }
    }
}
