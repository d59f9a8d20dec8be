//! nginx's files: ours, after somebody was at them, and anybody's.

use std::sync::LazyLock;

use nanio_orchestrator::adapters::nginx::parse::{is_understood, parse};
use nanio_orchestrator::adapters::nginx::render::{Dialect, Renderer};
use nanio_orchestrator::adapters::nginx::text::{self, Node, quote};
use nanio_orchestrator::domain::gateway::{Common, ManagedFile};
use nanio_orchestrator::domain::pool::PoolName;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::{config, mutated, mutations};
use crate::support::values;

const DIALECT: Dialect = Dialect::USUAL;

const WORDS: &[&str] = &[
    ";",
    "{",
    "}",
    "\"",
    "'",
    "\\",
    "#",
    "\n",
    " ",
    "$",
    "${",
    "(",
    ")",
    "\r\n",
    "\t",
    "\u{0}",
    "é",
    "0",
    "-1",
    "server {",
    "upstream x {",
    "location / {",
    "map $a $b {",
    "default x;",
    "listen 81;",
    "server_name b;",
    "# route:/x/",
    "# vhost:x",
    "# pool:x type:http",
    "# member:10.0.0.1:9",
    " backup",
    " weight=3",
    "proxy_pass http://x;",
    "rewrite ^ /k$1 break;",
    "allow 10.0.0.0/8;",
    "deny all;",
    "ip_hash;",
    "keepalive 5;",
    "include /etc/passwd;",
    "# zone top #0: as the operator wrote it\n",
    "# zone top #0 ends\n",
    "# zone directives: as the operator wrote it\n",
    "# zone directives ends\n",
    "# ",
    "/x/",
    "*.",
];

/// Files as we write them.
static FILES: LazyLock<Vec<(ManagedFile, String)>> = LazyLock::new(|| {
    let mut runner = TestRunner::deterministic();
    let pools: Vec<PoolName> = ["pool-a", "B.b_1"].into_iter().map(|name| PoolName::parse(name).unwrap()).collect();
    let (upstream, server) = (values::upstream(), values::server(pools, Some(values::tls_paths())));
    let mut files = vec![ManagedFile::Common(Common::sized(100, 3, 40))];
    for _ in 0..24 {
        files.push(ManagedFile::Upstream(upstream.new_tree(&mut runner).unwrap().current()));
        files.push(ManagedFile::Server(server.new_tree(&mut runner).unwrap().current().into()));
    }
    let renderer = Renderer::new();
    files
        .into_iter()
        .map(|file| {
            let text = renderer.render(&file, DIALECT);
            (file, text)
        })
        .collect()
});

thread_local! {
    static RENDERER: Renderer = Renderer::new();
}

fn render(file: &ManagedFile) -> String {
    RENDERER.with(|renderer| renderer.render(file, DIALECT))
}

/// The words of a tree, without places: what a reader means.
fn meaning(nodes: &[Node], into: &mut Vec<String>) {
    for node in nodes {
        match node {
            Node::Comment { .. } => {}
            Node::Directive(directive) => {
                into.extend(directive.words.iter().cloned());
                match &directive.block {
                    None => into.push(";".to_owned()),
                    Some(block) => {
                        into.push("{".to_owned());
                        meaning(block, into);
                        into.push("}".to_owned());
                    }
                }
            }
        }
    }
}

fn written(nodes: &[Node]) -> String {
    let mut text = String::new();
    for node in nodes {
        let Node::Directive(directive) = node else { continue };
        let words: Vec<_> = directive.words.iter().map(|word| quote(word)).collect();
        text += &words.join(" ");
        match &directive.block {
            None => text += ";\n",
            Some(block) => text += &format!(" {{\n{}}}\n", written(block)),
        }
    }
    text
}

/// The lexer invents nothing: every directive has its `;` or `{`, its words are where it says, and a tree that
/// is written down is read as the same tree.
fn check_lexer(text: &str) -> Result<(), TestCaseError> {
    let Ok(nodes) = text::read(text) else { return Ok(()) };
    let (mut directives, mut faults) = (0, Vec::new());
    text::walk(&nodes, &mut |directive| {
        directives += 1;
        let (start, end) = directive.span;
        if directive.words.is_empty() || text.get(start..end).is_none_or(str::is_empty) {
            faults.push(directive.clone());
        }
    });
    prop_assert!(faults.is_empty(), "{faults:?}");
    let ends = text.matches([';', '{']).count();
    prop_assert!(directives <= ends);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    meaning(&nodes, &mut first);
    let again = written(&nodes);
    meaning(&text::read(&again).map_err(|error| TestCaseError::fail(format!("{error}\n{again}")))?, &mut second);
    prop_assert_eq!(first, second, "{}", again);
    Ok(())
}

/// The parser invents nothing: what it reads is what our own rendering of it says, and every name in it stands
/// in the text.
fn check_parser(text: &str) -> Result<(), TestCaseError> {
    let Ok(file) = parse(text) else { return Ok(()) };
    let ours = render(&file);
    let again = parse(&ours);
    prop_assert_eq!(again.as_ref(), Ok(&file), "\n--- read\n{}\n--- rendered\n{}", text, ours);
    // Host names mean the same in any case, and are read in lower case.
    let plain = |text: &str| text.replace(['\\', '"', '\''], "").to_ascii_lowercase();
    let text = plain(text);
    for name in names(&file) {
        let name = plain(&name);
        prop_assert!(text.contains(&name), "{name} is invented:\n{text}");
    }
    Ok(())
}

fn names(file: &ManagedFile) -> Vec<String> {
    match file {
        ManagedFile::Common(_) | ManagedFile::PoolSidecar(_) | ManagedFile::VhostSidecar(_) | ManagedFile::Ids(_) => {
            Vec::new()
        }
        ManagedFile::Upstream(upstream) => {
            let members = upstream.servers.iter().map(|server| server.address.to_string());
            members.chain([upstream.name.to_string()]).collect()
        }
        ManagedFile::Server(server) => {
            let mut names = vec![server.server_name.to_string()];
            for route in server.routes.iter() {
                let bucket = route.path_prefix.canonical().trim_matches('/').to_owned();
                names.extend([bucket, route.pool.to_string()]);
                names.extend(route.key_prefix.as_ref().map(ToString::to_string));
            }
            names.extend(server.default.as_ref().map(|route| route.pool.to_string()));
            names
        }
    }
}

proptest! {
    #![proptest_config(config("tests/fuzz/seeds/nginx.txt"))]

    #[test]
    fn any_text_is_read_as_what_stands_in_it_or_refused(text in "[a-c;{}\"'\\\\#$() \n\té\u{0}]{0,60}") {
        check_lexer(&text)?;
        check_parser(&text)?;
    }

    #[test]
    fn a_damaged_file_is_lexed_as_what_stands_in_it(file in any::<Index>(), mutations in mutations(WORDS)) {
        check_lexer(&mutated(&file.get(&FILES).1, &mutations))?;
    }

    #[test]
    fn a_damaged_file_says_only_what_stands_in_it(file in any::<Index>(), mutations in mutations(WORDS)) {
        let (value, text) = file.get(&FILES);
        let damaged = mutated(text, &mutations);
        check_parser(&damaged)?;
        let understood = RENDERER.with(|renderer| is_understood(&damaged, renderer, DIALECT));
        if damaged == *text {
            prop_assert!(understood);
        } else if understood {
            // It is a file of ours all the same, of another value: nothing in it goes unseen.
            let other = parse(&damaged);
            let differs = other.as_ref() != Ok(value);
            prop_assert!(differs);
            prop_assert_eq!(other.map(|other| render(&other)), Ok(damaged));
        }
    }
}
