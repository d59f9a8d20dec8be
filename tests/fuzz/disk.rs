//! What a rebuild reads: sidecars, files of 0.4.x, records of migrations, after somebody was at them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use nanio_orchestrator::adapters::migration_files::{record, text as migration_text};
use nanio_orchestrator::adapters::nginx::parse::{Reading, read as read_ours};
use nanio_orchestrator::adapters::nginx::render::{Dialect, Renderer};
use nanio_orchestrator::adapters::nginx::sidecar::{read, write};
use nanio_orchestrator::adapters::nginx::{parse_v04, remains, text};
use nanio_orchestrator::domain::disk::{DiskPoolSidecar, DiskServer, DiskVhostSidecar, Writer};
use nanio_orchestrator::domain::gateway::ManagedFile;
use nanio_orchestrator::domain::pool::PoolName;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use super::{config, mutated, mutations};
use crate::support::values;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/v0_4_1");
const DIALECT: Dialect = Dialect::USUAL;

const JSON_WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ",",
    ":",
    "null",
    "true",
    "0",
    "-1",
    "1e99",
    "9223372036854775808",
    "\\u0000",
    "\\ud800",
    "\"name\": \"x\",",
    "\"server_name\": \"x\",",
    "\"id\": 1,",
    "\"members\": [],",
    "\"format\": 2,",
    "\"[\\\"",
    "é",
    "\n",
];

const CONF_WORDS: &[&str] = &[
    ";",
    "{",
    "}",
    "\"",
    "'",
    "\\",
    "#",
    "\n",
    "$",
    "é",
    "location /x/ {",
    "location @nanio_mig_11 {",
    "location = / {",
    "proxy_pass http://x;",
    "rewrite ^/img/(.*)$ /k$1 break;",
    "error_page 404 = @nanio_mig_11;",
    "server {",
    "upstream x {",
    "server_name b;",
    "listen 81;",
    "allow 10.0.0.0/8;",
    "deny all;",
    "# route:/x/",
    " updated:x",
    "# member:10.0.0.1:9",
    "# zone top",
    "ssl",
    "map $a $nanio_v0123456789abcdef_pool {",
    "keepalive 5;",
    " backup",
    "weight=3",
];

fn files_of(directory: &str, end: &str) -> Vec<String> {
    let directory = Path::new(FIXTURE).join(directory);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.to_str().unwrap().ends_with(end));
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

/// Values as this program writes them.
fn written<S: Strategy>(strategy: &S, text: impl Fn(&S::Value) -> String) -> Vec<String> {
    let mut runner = TestRunner::deterministic();
    (0..12).map(|_| text(&strategy.new_tree(&mut runner).unwrap().current())).collect()
}

static SIDECARS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut all = [files_of("nginx/pools", ".json"), files_of("nginx/vhosts", ".json")].concat();
    all.extend(written(&values::pool_sidecar(), write::pool));
    all.extend(written(&values::vhost_sidecar(), |sidecar| {
        Renderer::new().render(&ManagedFile::VhostSidecar(Box::new(sidecar.clone())), Dialect::USUAL)
    }));
    all
});

static RECORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut all = files_of("migrations", ".json");
    all.extend(written(&values::migration::migration(), migration_text));
    all
});

static CONFS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut all = [files_of("nginx/pools", ".conf"), files_of("nginx/vhosts", ".conf")].concat();
    let pools = ["pool-a", "B.b_1"].map(|name| PoolName::parse(name).unwrap()).to_vec();
    let server = values::server(pools, Some(values::tls_paths()));
    let renderer = Renderer::new();
    all.extend(written(&server, |server| renderer.render(&ManagedFile::Server(server.clone().into()), DIALECT)));
    all
});

thread_local! {
    static RENDERER: Renderer = Renderer::new();
}

fn pool_names(pool: &DiskPoolSidecar) -> Vec<String> {
    let members = pool.members.iter().flatten();
    let mut names: Vec<_> = members.flat_map(|member| [member.address.to_string(), member.id.to_string()]).collect();
    names.push(pool.name.to_string());
    names.extend(pool.id.map(|id| id.to_string()));
    names.extend(pool.credential.iter().map(|credential| credential.secret_key_enc.to_string()));
    names
}

fn vhost_names(vhost: &DiskVhostSidecar) -> Vec<String> {
    let mut names = vec![vhost.server_name.to_string()];
    names.extend(vhost.id.map(|id| id.to_string()));
    names.extend(vhost.routes.iter().flat_map(|route| [route.path_prefix.to_string(), route.pool_name.to_string()]));
    names.extend(vhost.ignored_buckets.iter().map(ToString::to_string));
    names
}

/// What was read stands in the object. (Host names mean the same in any case; some values have blanks around.)
fn check_names(text: &str, names: &[String]) -> Result<(), TestCaseError> {
    let said = serde_json::from_str::<Value>(text).unwrap().to_string().to_ascii_lowercase();
    for name in names {
        prop_assert!(said.contains(&name.to_ascii_lowercase()), "{name} is invented:\n{text}");
    }
    Ok(())
}

fn check_sidecar(text: &str) -> Result<(), TestCaseError> {
    if let Ok(pool) = read::pool(text) {
        check_names(text, &pool_names(&pool))?;
        let ids: BTreeSet<_> = pool.members.iter().flatten().map(|member| member.id).collect();
        prop_assert_eq!(ids.len(), pool.members.iter().flatten().count(), "an id is given twice:\n{}", text);
    }
    if let Ok(vhost) = read::vhost(text) {
        check_names(text, &vhost_names(&vhost))?;
    }
    let _ = read::ids(text);
    Ok(())
}

fn check_record(text: &str) -> Result<(), TestCaseError> {
    let Ok(record) = record(text, "migration-1.state.json") else { return Ok(()) };
    let mut names = vec![record.id.to_string(), record.bucket.to_string()];
    names.extend(record.vhost.1.map(|name| name.to_string()));
    check_names(text, &names)
}

/// A split is no route, a location of a migration is none, and what is kept verbatim stands in the file.
fn check_theirs(source: &str, server: &DiskServer) -> Result<(), TestCaseError> {
    let plain = |text: &str| text.replace(['\\', '"', '\''], "").to_ascii_lowercase();
    let said = plain(source);
    let mut names = vec![server.server_name.to_string()];
    names.extend(server.routes.iter().flat_map(|route| [route.path_prefix.to_string(), route.pool.to_string()]));
    names.extend(server.default.iter().map(|default| default.pool.to_string()));
    names.extend(server.splits.iter().map(|split| split.source.to_string()));
    for name in names {
        prop_assert!(said.contains(&plain(&name)), "{name} is invented:\n{source}");
    }
    for piece in &server.unmarked {
        prop_assert!(source.contains(piece.as_str()), "{piece} is invented:\n{source}");
    }
    prop_assert!(server.routes.len() <= source.matches("location").count());
    let prefixes: BTreeSet<_> = server.routes.iter().map(|route| route.path_prefix.canonical()).collect();
    prop_assert_eq!(prefixes.len(), server.routes.len(), "a prefix is there twice:\n{}", source);
    let mut splits = server.splits.iter().map(|split| &split.path_prefix);
    let routed = splits.all(|prefix| prefix.is_root() || prefixes.contains(prefix.canonical()));
    prop_assert!(routed, "a split of no route:\n{source}");
    Ok(())
}

fn check_conf(source: &str) -> Result<(), TestCaseError> {
    let Ok(nodes) = text::read(source) else { return Ok(()) };
    if parse_v04::writer(&nodes) == Writer::Version04 {
        return match parse_v04::read(source, &nodes) {
            Ok(Reading::Server(server)) => check_theirs(source, &server),
            Ok(Reading::Upstream(upstream)) => {
                prop_assert!(upstream.servers.len() <= source.matches("server").count());
                Ok(())
            }
            Ok(Reading::Common(_)) => Err(TestCaseError::fail("0.4.x had no such file")),
            Err(_) => Ok(()),
        };
    }
    // The comparison with our own text gives the same answer twice, and sentences that name a line of the file.
    let lines = source.lines().count() + 1;
    if let Ok(Reading::Server(server)) = read_ours(source) {
        let told = || RENDERER.with(|renderer| remains::of_server(source, &server, renderer, DIALECT));
        let first = told();
        prop_assert_eq!(&first, &told());
        for sentence in first.directives.iter().chain(&first.comments) {
            let line = sentence.strip_prefix("line ").and_then(|rest| rest.split(':').next()?.parse::<usize>().ok());
            prop_assert!(line.is_none_or(|line| (1..=lines).contains(&line)), "{sentence}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config("tests/fuzz/seeds/disk.txt"))]

    #[test]
    fn a_damaged_sidecar_says_only_what_stands_in_it(file in any::<Index>(), mutations in mutations(JSON_WORDS)) {
        check_sidecar(&mutated(file.get::<String>(&SIDECARS), &mutations))?;
    }

    #[test]
    fn a_damaged_record_says_only_what_stands_in_it(file in any::<Index>(), mutations in mutations(JSON_WORDS)) {
        check_record(&mutated(file.get::<String>(&RECORDS), &mutations))?;
    }

    #[test]
    fn a_damaged_file_of_0_4_x_or_ours_says_only_what_stands_in_it(file in any::<Index>(), mutations in mutations(CONF_WORDS)) {
        check_conf(&mutated(file.get::<String>(&CONFS), &mutations))?;
    }

    #[test]
    fn any_json_is_read_or_refused(text in "[\\[\\]{}\":,0-9a-z\\\\ ]{0,60}") {
        check_sidecar(&text)?;
        check_record(&text)?;
    }
}
