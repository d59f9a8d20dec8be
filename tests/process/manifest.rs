//! `export`, `plan` and `apply` as the operator runs them, with and without a server.

use std::io::Write as _;
use std::process::{Output, Stdio};

use rustix::process::Signal;

use super::place::Place;
use super::stderr;

const DOCUMENT: &str = "version: 1\npools:\n  hot:\n    members:\n      - address: \"127.0.0.1:9\"\nvhosts:\n  a.example:\n    \
                        listen_port: 80\n    ssl: false\n    default_pool: hot\n    routes:\n      /photos/:\n        pool: hot\n";

impl Place {
    /// Runs a command with a text on its standard input.
    fn run(&self, arguments: &[&str], text: &str) -> Output {
        let mut command = self.command();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn said(output: &Output, status: i32) -> String {
    assert_eq!(output.status.code(), Some(status), "{}{}", stdout(output), stderr(output));
    stdout(output)
}

/// Everything that an operator does with a document, by whoever has the data.
fn goes_round(place: &Place) {
    let plan = said(&place.run(&["plan", "-f", "-"], DOCUMENT), 2);
    assert!(plan.starts_with("4 to make, 0 to change, 0 to remove:\n  + pool pools.hot\n"), "{plan}");
    assert!(plan.contains("\n+upstream hot {"), "{plan}");
    let shown = said(&place.run(&["apply", "-f", "-", "--dry-run", "-o", "json"], DOCUMENT), 2);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let state = shown["state"].as_str().unwrap();
    assert_eq!(said(&place.run(&["export"], ""), 0), "version: 1\n", "nothing was changed");

    let file = place.directory.path().join("gateway.yaml");
    std::fs::write(&file, DOCUMENT).unwrap();
    let file = file.to_str().unwrap();
    let applied = place.run(&["apply", "-f", file, "--expect", state], "");
    assert!(said(&applied, 0).contains("  + route vhosts.a.example.routes[\"/photos/\"]\n"), "{applied:?}");
    assert!(stderr(&applied).contains("config reload"), "{applied:?}");
    let exported = said(&place.run(&["export"], ""), 0);
    assert_eq!(exported, DOCUMENT);
    assert_eq!(
        said(&place.run(&["plan", "-f", "-", "--prune"], &exported), 0),
        "Nothing to change: the gateway is what the document says.\n"
    );
    let json = said(&place.run(&["export", "--format", "json"], ""), 0);
    said(&place.run(&["apply", "-f", "-", "--prune", "--yes"], &json), 0);

    let stale = place.run(&["apply", "-f", file, "--expect", state], "");
    assert!(said(&stale, 1).is_empty() && stderr(&stale).contains("The gateway was changed"), "{stale:?}");
    let wrong =
        place.run(&["plan", "-f", "-"], "version: 1\nvhosts: {x.example: {routes: {/a/: {pool: p}, /b/: {}}}}\n");
    said(&wrong, 1);
    assert!(stderr(&wrong).contains("vhosts.x.example.routes[\"/b/\"].pool: Field required"), "{wrong:?}");
    let wrong =
        place.run(&["plan", "-f", "-"], "version: 1\nvhosts: {x.example: {ssl: false, routes: {/a/: {pool: p}}}}\n");
    said(&wrong, 1);
    assert!(stderr(&wrong).contains("vhosts.x.example.routes[\"/a/\"].pool: no pool named p"), "{wrong:?}");
    // Nobody answers at the pool: nothing is led away from it.
    let held = place.run(&["apply", "-f", "-", "--prune"], "version: 1\n");
    said(&held, 1);
    assert!(stderr(&held).contains("a.example/photos/: bucket photos may hold objects on pool hot"), "{held:?}");
    let partly = said(&place.run(&["apply", "-f", "-", "--prune", "--partial"], "version: 1\n"), 0);
    assert!(partly.starts_with("Nothing was to be changed.\n\nNeeds a migration first"), "{partly}");
    assert_eq!(said(&place.run(&["export"], ""), 0), DOCUMENT);
    said(&place.run(&["plan", "-f", "/nonexistent/gateway.yaml"], ""), 1);
    said(&place.run(&["plan"], ""), 2);
}

#[test]
fn a_gateway_without_a_server_is_exported_planned_and_applied() {
    let place = Place::new();
    let mut server = place.start(place.serve());
    assert_eq!(server.end(Signal::TERM).code(), Some(0));
    goes_round(&place);
}

#[test]
fn where_there_is_no_gateway_nothing_is_told_of_one_and_none_is_made() {
    let place = Place::new();
    let file = place.directory.path().join("gateway.yaml");
    std::fs::write(&file, DOCUMENT).unwrap();
    let file = file.to_str().unwrap();
    let commands = [
        &["export"][..],
        &["plan", "-f", file],
        &["apply", "-f", file, "--dry-run"],
        &["apply", "-f", file],
        &["config", "reload"],
        // It would take everything off the disk.
        &["config", "rebuild"],
    ];
    for command in commands {
        let refused = place.command().args(command).output().unwrap();
        assert_eq!(said(&refused, 1), "");
        let told = stderr(&refused);
        assert!(told.contains("there is no gateway on this machine") && told.contains("serve"), "{told}");
        assert!(told.contains(place.beside("").to_str().unwrap()), "{told}");
        assert_eq!(std::fs::read_dir(place.data()).unwrap().count(), 0, "{command:?}");
    }
    // A lost database is no empty gateway either.
    let server = place.start(place.serve());
    place.make_pool("p");
    drop(server);
    std::fs::remove_file(place.beside("")).unwrap();
    for command in commands {
        let refused = place.command().args(command).output().unwrap();
        assert!(said(&refused, 1).is_empty() && stderr(&refused).contains("rebuild-db"), "{refused:?}");
        assert!(!place.beside("").exists(), "{command:?}");
    }
    said(&place.run(&["rebuild-db"], ""), 0);
    assert!(said(&place.run(&["export"], ""), 0).contains("pools:\n  p:"));
}

#[test]
fn with_a_server_the_server_does_it() {
    let place = Place::new();
    let server = place.start(place.serve());
    goes_round(&place);
    let log = place.get("/api/audit?per_page=1");
    assert_eq!(log[0]["actor"], "cli", "{log}");
    drop(server);
}

#[test]
fn what_is_printed_for_editors_is_what_is_committed() {
    let printed = Place::new().run(&["schema"], "");
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/gateway.schema.json")).unwrap();
    assert_eq!(said(&printed, 0), committed);
}
