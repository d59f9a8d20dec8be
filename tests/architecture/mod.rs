//! What may know what. `docs/ARCHITECTURE.md` tells why; this fails when it stops being true.

mod paths;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use paths::{Named, Source, read};

/// Who may name what. A file is judged by the rule of the innermost place that it is under.
struct Rule {
    /// Where it holds, relative to the package.
    place: &'static str,
    /// Nothing else may be named; empty: anything may.
    only: &'static [&'static str],
    /// May not be named although `only` would let it through.
    never: &'static [&'static str],
    why: &'static str,
}

/// Input and output that `std` offers; what is pure has no use for them.
const INPUT_OUTPUT: [&str; 8] = [
    "std::fs",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "std::os",
    "std::time::SystemTime",
    "std::time::Instant",
];

const RULES: [Rule; 14] = [
    Rule {
        place: "src/domain",
        only: &["std", "serde", "thiserror", "chrono", "crate::domain"],
        never: &["crate::domain::services", "std::net::TcpStream", "std::net::TcpListener", "std::net::UdpSocket"],
        why: "entities are pure values: they know no port, no service, no I/O",
    },
    Rule {
        place: "src/domain/services",
        only: &[
            "std",
            "async_trait",
            "thiserror",
            "chrono",
            "tracing",
            "tokio::sync",
            "tokio::task_local",
            "futures_util",
            "crate::domain",
            "crate::ports",
        ],
        never: &[],
        why: "use cases reach the world through ports only; tokio::sync queues changes, tokio::task_local tells why they \
              are made, futures_util puts futures together, and none of them does I/O",
    },
    Rule {
        place: "src/ports",
        only: &["std", "async_trait", "thiserror", "crate::domain", "crate::ports"],
        never: &["crate::domain::services"],
        why: "ports speak the domain's words and know neither adapters nor the services that use them",
    },
    Rule {
        place: "src/config",
        only: &[],
        never: &["crate::adapters", "crate::app", "crate::ports"],
        why: "settings are values; who uses them is no business of theirs",
    },
    Rule {
        place: "src/adapters/http",
        only: &[],
        never: &[
            "crate::adapters::store",
            "crate::adapters::nginx",
            "crate::adapters::node_files",
            "crate::adapters::s3",
            "crate::adapters::fake",
            "crate::adapters::cli",
            "crate::app",
        ],
        why: "the API drives services; the composition root alone chooses the adapters behind them",
    },
    Rule {
        place: "src/adapters/cli",
        only: &[],
        never: &["crate::adapters::store", "crate::adapters::nginx", "crate::adapters::s3", "crate::adapters::fake"],
        why: "commands drive services; the composition root alone chooses the adapters behind them",
    },
    Rule {
        place: "src/adapters/drill/history.rs",
        only: &["std", "crate::adapters::drill::content", "crate::adapters::drill::history"],
        never: &[],
        why: "the judgement of a drill is pure: what it says depends on what the clients saw, and on nothing else",
    },
    Rule {
        place: "src/adapters/background.rs",
        only: &[
            "std",
            "chrono",
            "futures_util",
            "tokio",
            "tracing",
            "crate::domain::loops",
            "crate::domain::time",
            "crate::domain::services::loops",
            "crate::ports::clock",
            "crate::adapters::background",
        ],
        never: &[],
        why: "loops know periods, triggers and reports, and no business",
    },
    Rule {
        place: "src/adapters/store",
        only: &[],
        never: &[
            "crate::domain::services",
            "crate::adapters::nginx",
            "crate::adapters::s3",
            "crate::adapters::http",
            "crate::adapters::cli",
            "crate::app",
        ],
        why: "an adapter knows its port, and no other adapter",
    },
    Rule {
        place: "src/adapters/settings",
        only: &[],
        never: &[
            "crate::domain::services",
            "crate::adapters::store",
            "crate::adapters::nginx",
            "crate::adapters::s3",
            "crate::adapters::http",
            "crate::adapters::cli",
            "crate::app",
        ],
        why: "an adapter knows its port, and no other adapter",
    },
    Rule {
        place: "src/adapters/nginx",
        only: &[],
        never: &[
            "crate::domain::services",
            "crate::adapters::store",
            "crate::adapters::s3",
            "crate::adapters::http",
            "crate::adapters::cli",
            "crate::app",
        ],
        why: "an adapter knows its port, and no other adapter",
    },
    Rule {
        place: "src/adapters/gate",
        only: &[],
        never: &[
            "crate::domain::services",
            "crate::adapters::nginx::gateway",
            "crate::adapters::store",
            "crate::adapters::s3",
            "crate::adapters::http",
            "crate::adapters::cli",
            "crate::app",
        ],
        why: "files, sockets, and of nginx only what runs; what they are for is not its business",
    },
    Rule {
        place: "src/adapters/rclone",
        only: &[],
        never: &[
            "crate::domain::services",
            "crate::adapters::store",
            "crate::adapters::nginx",
            "crate::adapters::s3",
            "crate::adapters::http",
            "crate::adapters::cli",
            "crate::app",
        ],
        why: "an adapter knows its port, and no other adapter",
    },
    Rule {
        place: "src/adapters/node_files",
        only: &[
            "std",
            "minijinja",
            "crate::domain",
            "crate::ports::node_files",
            "crate::adapters::nginx::text",
            "crate::adapters::node_files",
        ],
        never: &["crate::domain::services"],
        why: "text from values: it shares nginx's quoting and knows nothing else of the world",
    },
];

/// Crates that have one home each.
const HOMES: [(&str, &[&str]); 21] = [
    // The composition root opens the listener.
    ("poem", &["src/adapters/http", "src/app/serve.rs"]),
    ("poem_openapi", &["src/adapters/http"]),
    ("diesel", &["src/adapters/store"]),
    ("diesel_migrations", &["src/adapters/store"]),
    // The demo is a client of its own storage nodes: it makes their buckets and waits for them.
    ("object_store", &["src/adapters/sigv4.rs"]),
    (
        "reqwest",
        &[
            "src/adapters/s3",
            "src/adapters/sigv4.rs",
            "src/adapters/cli",
            "src/adapters/gate/knock.rs",
            "src/adapters/drill/s3.rs",
            "src/adapters/telemetry.rs",
        ],
    ),
    // Two sockets whose requests pass as they came; and the drill must know whether a connection was new.
    ("hyper", &["src/adapters/gate", "src/adapters/drill/wire.rs"]),
    ("hyper_util", &["src/adapters/gate", "src/adapters/drill/wire.rs"]),
    ("http_body_util", &["src/adapters/gate", "src/adapters/drill/wire.rs"]),
    ("quick_xml", &["src/adapters/s3"]),
    ("prometheus", &["src/adapters/http/metrics.rs"]),
    ("x509_cert", &["src/adapters/certificates.rs"]),
    // Settings judge keys, commands make them, the adapter uses them.
    ("fernet", &["src/adapters/fernet.rs", "src/adapters/cli", "src/config"]),
    // Files of nginx and of nodes, and the few pages that the API serves itself.
    ("minijinja", &["src/adapters/nginx", "src/adapters/node_files", "src/adapters/http/pages.rs"]),
    ("clap", &["src/adapters/cli", "src/main.rs"]),
    ("tracing_subscriber", &["src/adapters/logging.rs", "src/adapters/telemetry.rs"]),
    ("tracing_opentelemetry", &["src/adapters/telemetry.rs"]),
    ("opentelemetry", &["src/adapters/telemetry.rs"]),
    ("opentelemetry_sdk", &["src/adapters/telemetry.rs"]),
    ("opentelemetry_otlp", &["src/adapters/telemetry.rs"]),
    // What people write is read in one place.
    ("serde_saphyr", &["src/adapters/http/manifest", "src/adapters/cli/output.rs"]),
];

/// Named by no file: poem's XML body is read by a quick-xml with known faults (RUSTSEC-2026-0194, -0195).
const NOWHERE: [&str; 4] = ["poem_openapi::payload::Xml", "poem_openapi::payload::*", "poem::web::Xml", "poem::web::*"];

/// Nothing that is handed over may hold these.
const UNFINISHED: [&str; 3] = ["todo", "unimplemented", "dbg"];

const LONGEST_FILE: usize = 500;
/// Files that a program wrote may be as long as they come out; there is none yet.
const GENERATED: [&str; 0] = [];

/// Whether `path` is `prefix` or something in it.
fn within(path: &[String], prefix: &str) -> bool {
    let prefix: Vec<&str> = prefix.split("::").collect();
    path.len() >= prefix.len() && path.iter().zip(&prefix).all(|(a, b)| a == b)
}

fn under(file: &str, place: &str) -> bool {
    file.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.']))
}

/// What is wrong with one file.
fn violations(file: &str, text: &str, crates: &HashSet<String>) -> Vec<String> {
    let Source { paths, macros, allows } = read(text, &module_of(file), crates);
    let mut found = Vec::new();
    for Named { segments, line } in &paths {
        let mut tell = |why: &str| found.push(format!("{file}:{line}: {}: {why}", segments.join("::")));
        for (name, homes) in HOMES {
            if segments[0] == name && file.starts_with("src/") && !homes.iter().any(|home| under(file, home)) {
                tell(&format!("{name} is used in {} only", homes.join(" and ")));
            }
        }
        if NOWHERE.iter().any(|path| within(segments, path)) {
            tell("never: known faults in the XML reader behind it");
        }
        for rule in RULES.iter().filter(|rule| under(file, rule.place) && is_closest(rule, file)) {
            let listed = |allowed: &&str| within(segments, allowed);
            // Dev-dependencies: only the tests of private functions can name them.
            let test_only = ["proptest", "tempfile"].contains(&segments[0].as_str());
            let pure = !rule.only.is_empty();
            if pure && !test_only && !rule.only.iter().any(listed)
                || rule.never.iter().any(|path| within(segments, path))
                || pure && INPUT_OUTPUT.iter().any(|path| within(segments, path))
            {
                tell(rule.why);
            }
        }
    }
    for (name, line) in macros.iter().filter(|(name, _)| UNFINISHED.contains(&name.as_str())) {
        found.push(format!("{file}:{line}: {name}!: what is handed over is finished"));
    }
    for line in allows {
        found.push(format!(
            "{file}:{line}: allow: use #[expect(…, reason = \"…\")], which tells when it is no longer needed"
        ));
    }
    let lines = text.lines().count();
    if lines > LONGEST_FILE && !GENERATED.contains(&file) {
        found.push(format!("{file}: {lines} lines: split it by noun, {LONGEST_FILE} is the most"));
    }
    found
}

/// Whether no other rule is about a place further in.
fn is_closest(rule: &Rule, file: &str) -> bool {
    !RULES.iter().any(|other| under(file, other.place) && other.place.len() > rule.place.len())
}

/// Where a file stands in its crate.
fn module_of(file: &str) -> Vec<String> {
    let inside = file.strip_prefix("src/").or_else(|| file.strip_prefix("tests/")).unwrap_or(file);
    let inside = inside.strip_suffix(".rs").unwrap_or(inside);
    let names = inside.split('/').filter(|name| !["mod", "lib", "main"].contains(name)).map(str::to_owned);
    std::iter::once("crate".to_owned()).chain(names).collect()
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names by which code calls other crates: the keys of the dependency tables, and std's own.
fn crates() -> HashSet<String> {
    let manifest = fs::read_to_string(package().join("Cargo.toml")).unwrap();
    let mut names: HashSet<String> = ["std", "core", "alloc"].map(str::to_owned).into();
    let mut listed = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            listed = line.ends_with("dependencies]");
        } else if listed && let Some((name, _)) = line.split_once('=') {
            names.insert(name.trim().split('.').next().unwrap_or_default().replace('-', "_"));
        }
    }
    names
}

fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut dirs: Vec<PathBuf> = ["src", "tests"].map(|dir| package().join(dir)).into();
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(package()).unwrap().to_str().unwrap().to_owned();
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn every_file_names_only_what_it_may_know() {
    let crates = crates();
    let sources = sources();
    assert!(sources.len() > 100, "only {} files found: the test looks at the wrong place", sources.len());
    let found: Vec<String> = sources.iter().flat_map(|(file, text)| violations(file, text, &crates)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The tables above name places and crates that are there: a rule about nothing forbids nothing.
#[test]
fn every_rule_is_about_something_that_exists() {
    let crates = crates();
    let places = RULES.iter().map(|rule| rule.place).chain(HOMES.iter().flat_map(|(_, homes)| homes.iter().copied()));
    for place in places {
        let there = ["", ".rs"].iter().any(|end| package().join(format!("{place}{end}")).exists());
        assert!(there, "{place} is not there");
    }
    for (name, _) in HOMES {
        assert!(crates.contains(name), "{name} is not a dependency");
    }
}

#[test]
fn a_planted_violation_is_found_however_it_is_written() {
    let planted = [
        ("src/domain/pool.rs", "use crate::ports::store::Store;"),
        ("src/domain/pool.rs", "use super::services::Services;"),
        ("src/domain/pool.rs", "fn f() { tokio::spawn(async {}); }"),
        ("src/domain/pool.rs", "fn f() -> std::io::Result<()> { Ok(()) }"),
        ("src/domain/pool.rs", "use std::{\n    collections::HashMap,\n    fs as files,\n};"),
        ("src/domain/pool.rs", "fn f() { later::read(\"x\"); } use std::fs as later;"),
        ("src/domain/services/pools.rs", "use tokio::{sync::mpsc, net::TcpStream};"),
        ("src/domain/services/pools.rs", "use crate::{adapters::{clock, nginx::{self as n}}, ports};"),
        ("src/domain/services/pools.rs", "fn f() { super::super::super::adapters::clock::now() }"),
        ("src/domain/services/pools.rs", "use crate as us; fn f() { us :: /* here */ adapters :: clock :: now() }"),
        ("src/domain/services/pools.rs", "mod inner { fn f() { super::super::super::super::app::serve() } }"),
        ("src/domain/services/pools.rs", "fn f() { println!(\"{}\", crate::adapters::clock::NAME) }"),
        ("src/ports/store.rs", "use diesel::prelude::*;"),
        ("src/ports/gateway.rs", "use crate::domain::services::ServiceError;"),
        ("src/config/table.rs", "use crate::adapters::http;"),
        ("src/adapters/http/pools.rs", "use super::super::store::SqliteStore;"),
        ("src/adapters/http/pools.rs", "use diesel::prelude::*;"),
        ("src/adapters/http/pools.rs", "use poem_openapi::payload::Xml;"),
        ("src/adapters/http/pools.rs", "use poem_openapi::payload; type T = payload::Xml<u8>;"),
        ("src/adapters/http/pools.rs", "use poem_openapi::payload::*;"),
        ("src/adapters/cli/serve.rs", "use crate::adapters::{\n store as s };"),
        ("src/adapters/cli/demo/api.rs", "fn f(_: ::poem::Body) {}"),
        ("src/adapters/nginx/gateway.rs", "use crate::adapters::store::SqliteStore;"),
        ("src/adapters/background.rs", "use crate::domain::services::backups::Backups;"),
        ("src/adapters/store/pools.rs", "use minijinja::Environment;"),
        ("src/app.rs", "#[allow(dead_code)] fn f() {}"),
        ("src/app.rs", "#![cfg_attr(test, allow(unused))]"),
        ("src/app.rs", "fn f() { todo ! () }"),
        ("src/app.rs", "fn f() { std::unimplemented!{} }"),
        ("src/app.rs", "fn f() { let _ = vec![dbg!(1)]; }"),
        ("tests/readme/mod.rs", &"\n".repeat(501)),
    ];
    let crates = crates();
    for (file, text) in planted {
        assert!(!violations(file, text, &crates).is_empty(), "not found in {file}: {text}");
    }
}

#[test]
fn what_only_looks_like_a_violation_is_none() {
    let innocent = [
        (
            "src/domain/pool.rs",
            "/// See `crate::ports::store`, `#[allow(x)]`, todo!(). \n// use crate::adapters;\nfn f() {}",
        ),
        ("src/domain/pool.rs", "fn f() -> &'static str { \"use crate::ports::store; dbg!(1)\" }"),
        ("src/domain/pool.rs", "fn f(x: u64) -> u64 { u64::from(true) + x.max(Self::MOST) + super::ids::first() }"),
        ("src/domain/pool.rs", "use std::net::{IpAddr, Ipv6Addr}; use serde::Serialize;"),
        ("src/domain/pool.rs", "#[expect(clippy::panic, reason = \"…\")] fn f(allow: u8) { g(allow) }"),
        ("src/domain/services/pools.rs", "use tokio::sync::{mpsc, oneshot}; use crate::ports::store::Tx;"),
        ("src/adapters/http/pools.rs", "use poem_openapi::payload::Json; use crate::adapters::http::fields;"),
    ];
    let crates = crates();
    for (file, text) in innocent {
        assert_eq!(violations(file, text, &crates), Vec::<String>::new(), "{text}");
    }
}
