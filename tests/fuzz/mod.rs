//! Text from outside, of any kind: it is read or refused, and nothing is read that is not there.
//!
//! `make test` tries 20,000 texts a promise, `make fuzz` a million and more (`PROPTEST_CASES`, optimised). What
//! once failed is kept in `seeds/` and is tried first, for ever.

mod disk;
mod env_file;
mod nginx;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::FileFailurePersistence;

/// How often each promise is tested, and where its failures are kept.
fn config(seeds: &'static str) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000);
    let failure_persistence = Some(Box::new(FileFailurePersistence::Direct(seeds)) as Box<_>);
    // What is rejected is made anew; the mutations reject nothing.
    ProptestConfig { cases, failure_persistence, ..ProptestConfig::default() }
}

/// One change to a text.
#[derive(Debug, Clone)]
enum Mutation {
    Insert(Index, &'static str),
    InsertAny(Index, char),
    Remove(Index, usize),
    /// A piece is taken from one place and put to another as well.
    Repeat(Index, usize, Index),
    Truncate(Index),
    /// A line takes the place of another.
    SwapLines(Index, Index),
    RemoveLine(Index),
    RepeatLine(Index, Index),
}

fn mutation(words: &'static [&'static str]) -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), select(words)).prop_map(|(at, word)| Mutation::Insert(at, word)),
        1 => (at(), any::<char>()).prop_map(|(at, c)| Mutation::InsertAny(at, c)),
        3 => (at(), 1usize..12).prop_map(|(at, length)| Mutation::Remove(at, length)),
        1 => (at(), 1usize..80, at()).prop_map(|(from, length, to)| Mutation::Repeat(from, length, to)),
        1 => at().prop_map(Mutation::Truncate),
        2 => (at(), at()).prop_map(|(a, b)| Mutation::SwapLines(a, b)),
        2 => at().prop_map(Mutation::RemoveLine),
        2 => (at(), at()).prop_map(|(from, to)| Mutation::RepeatLine(from, to)),
    ]
}

fn mutations(words: &'static [&'static str]) -> impl Strategy<Value = Vec<Mutation>> {
    prop::collection::vec(mutation(words), 0..4)
}

/// A place in a text at which a character begins, or its end.
fn place(text: &str, index: &Index) -> usize {
    let mut at = index.index(text.len() + 1);
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

fn piece(text: &str, index: &Index, length: usize) -> (usize, usize) {
    let start = place(text, index);
    let mut end = (start + length).min(text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    (start, end)
}

fn mutated(text: &str, mutations: &[Mutation]) -> String {
    let mut text = text.to_owned();
    for mutation in mutations {
        match mutation {
            Mutation::Insert(at, word) => text.insert_str(place(&text, at), word),
            Mutation::InsertAny(at, c) => text.insert(place(&text, at), *c),
            Mutation::Remove(at, length) => {
                let (start, end) = piece(&text, at, *length);
                text.replace_range(start..end, "");
            }
            Mutation::Repeat(from, length, to) => {
                let (start, end) = piece(&text, from, *length);
                let copy = text[start..end].to_owned();
                text.insert_str(place(&text, to), &copy);
            }
            Mutation::Truncate(at) => text.truncate(place(&text, at)),
            Mutation::SwapLines(..) | Mutation::RemoveLine(_) | Mutation::RepeatLine(..) => {
                text = with_lines(&text, mutation);
            }
        }
    }
    text
}

fn with_lines(text: &str, mutation: &Mutation) -> String {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    if lines.is_empty() {
        return String::new();
    }
    match mutation {
        Mutation::SwapLines(a, b) => {
            let (a, b) = (a.index(lines.len()), b.index(lines.len()));
            lines.swap(a, b);
        }
        Mutation::RemoveLine(at) => drop(lines.remove(at.index(lines.len()))),
        Mutation::RepeatLine(from, to) => {
            let line = lines[from.index(lines.len())];
            lines.insert(to.index(lines.len()), line);
        }
        _ => {}
    }
    lines.concat()
}
