//! Words for what a file holds and no field can take: what, where, and what the operator can do about it.

use std::borrow::Cow;

use super::text::{Directive, quote};
use crate::domain::disk::Remains;

/// The longest piece of a file that a sentence repeats.
const LONGEST: usize = 120;

/// Where a directive stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Outside of every block.
    Http,
    /// In an `upstream`.
    Upstream,
    /// In a `server`, or in a block of it that is no route's.
    Server,
    /// In the location of a route.
    Route,
    /// In something that the orchestrator writes whole: a map, a condition.
    Machinery,
}

impl Place {
    fn advice(self, name: &str) -> String {
        match self {
            Place::Http => "move it to a file of your own that nginx.conf includes".to_owned(),
            Place::Upstream => "remove it, or move the upstream to a file of your own".to_owned(),
            Place::Server => format!("give it as an extra block of zone {}", zone_of(name)),
            Place::Route => "give it as extra_directives of the route".to_owned(),
            Place::Machinery => "remove it".to_owned(),
        }
    }
}

/// The zone of the server block where an operator would look for a directive.
fn zone_of(name: &str) -> &'static str {
    match name {
        _ if name.starts_with("ssl_") => "ssl",
        _ if name.starts_with("proxy_") => "proxy",
        "location" => "end",
        _ => "top",
    }
}

/// A directive without what is in its block, on one line.
#[must_use]
pub fn shown(directive: &Directive) -> String {
    let special = |c: char| c.is_whitespace() || matches!(c, ';' | '"' | '\'' | '{' | '}');
    let plain = |word: &str| !word.is_empty() && !word.contains(special);
    let words = directive.words.iter().map(|word| if plain(word) { Cow::Borrowed(word.as_str()) } else { quote(word) });
    let words: Vec<_> = words.collect();
    let mut text = words.join(" ").replace(['\n', '\r'], " ");
    if text.len() > LONGEST {
        let mut cut = LONGEST;
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        text.truncate(cut);
        text.push('…');
    }
    if directive.block.is_some() {
        text.push_str(" { … }");
    }
    text
}

/// A directive that would be lost.
#[must_use]
pub fn unkept(directive: &Directive, place: Place) -> String {
    format!(
        "line {}: `{}` is nothing that the orchestrator can keep here; {}",
        directive.line,
        shown(directive),
        place.advice(directive.name())
    )
}

/// A directive that the orchestrator writes in another way.
#[must_use]
pub fn otherwise(directive: &Directive, ours: &str) -> String {
    format!("line {}: `{}` stands where the orchestrator writes `{ours}`", directive.line, shown(directive))
}

/// A directive that the orchestrator writes and that is not there.
#[must_use]
pub fn lacking(ours: &Directive, block: usize) -> String {
    format!("line {block}: `{}` is missing in this block; the orchestrator always writes it", shown(ours))
}

/// A comment that is not ours.
#[must_use]
pub fn comment(text: &str, line: usize) -> String {
    let text: String = text.chars().take(LONGEST).collect();
    format!("line {line}: # {text}")
}

/// Puts sentences in the order of the lines that they are about.
pub fn sort(remains: &mut Remains) {
    let line = |sentence: &String| {
        let digits = sentence.strip_prefix("line ").and_then(|rest| rest.split(':').next());
        digits.and_then(|digits| digits.parse::<usize>().ok())
    };
    remains.directives.sort_by_key(line);
    remains.comments.sort_by_key(line);
}
