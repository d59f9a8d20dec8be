//! `explain`, `history`, `adopt` and documents, at whatever server is named.

use std::process::Command;

use serde_json::{Value, json};

use super::double::{Double, Said, asking};
use super::{Desk, stderr, stdout};
use crate::process::place::KEY;
use crate::support::nginx::free_port;

/// A command from where nothing is known of a server but its key.
fn elsewhere(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nanio-orchestrator"));
    command.args(arguments).env_clear().env("NANIO_ORCHESTRATOR_API_KEY", KEY);
    command
}

#[test]
fn the_server_that_is_named_is_asked() {
    let desk = Desk::furnished();
    let url = format!("http://127.0.0.1:{}", desk.place.port);
    let empty = desk.place.directory.path().join("gateway.yaml");
    std::fs::write(&empty, "version: 1\n").unwrap();
    let empty = empty.to_str().unwrap();
    let newest = desk.json(&["history", "list"])[0]["number"].to_string();
    for (arguments, status, part) in [
        (&["explain", "GET", "http://s3.test:8081/b/k"][..], 0, "  member 127.0.0.1:9 (weight 1)"),
        (&["history", "list", "--limit", "1"], 0, "create vhost 1 by cli"),
        (&["history", "show", &newest], 0, "+server {"),
        // 2: there is something to change.
        (&["history", "rollback", "1", "--dry-run"], 2, "  - vhost vhosts.s3.test"),
        (&["history", "rollback", &newest, "--yes"], 0, "Nothing was to be changed."),
        (&["adopt", "7", "--to", "source"], 1, "answered 404 Not Found"),
        (&["export"], 0, "  s3.test:"),
        (&["plan", "-f", empty], 0, "Nothing to change"),
        (&["plan", "-f", empty, "--prune"], 2, "  - vhost vhosts.s3.test"),
        (&["apply", "-f", empty, "--yes"], 0, "Nothing"),
    ] {
        let flag = elsewhere(&[arguments, &["--server", &url]].concat()).output().unwrap();
        let variable = elsewhere(arguments).env("NANIO_ORCHESTRATOR_SERVER", &url).output().unwrap();
        for output in [flag, variable] {
            let said = stdout(&output) + &stderr(&output);
            assert!(output.status.code() == Some(status) && said.contains(part), "{arguments:?}: {part}\n{said}");
        }
    }
}

#[test]
fn where_none_answers_the_exit_status_says_so() {
    for arguments in [
        &["explain", "GET", "http://s3.test/b"][..],
        &["history", "list"],
        &["adopt", "7", "--to", "source"],
        &["export"],
    ] {
        let output = asking(free_port(), arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("no server answers") && stderr(&output).contains("--server"));
    }
}

#[test]
fn an_adoption_is_told_to_people_in_sentences_and_to_programs_as_it_is() {
    let carried = json!({"id": 9, "adopts": 7, "bucket": "b", "src_pool_name": "old", "dst_pool_name": "new"});
    let ended = json!({"id": 7, "adopts": null, "bucket": "b", "server_name": "s3.test"});
    let double = Double::start(vec![
        ("POST /api/migrations/7/adopt", vec![Said::ok(carried.clone())]),
        ("POST /api/migrations/8/adopt", vec![Said::ok(ended)]),
    ]);
    let adopt = ["adopt", "7", "--to", "destination"];
    let output = double.command(&adopt).output().unwrap();
    assert_eq!(
        stdout(&output),
        "migration 9 carries what is newer of bucket b from pool old to pool new\n\
         migration 7 then moves the bucket to pool old\n"
    );
    assert_eq!(stderr(&output), "");
    let output = double.command(&[&adopt[..], &["-o", "json"]].concat()).output().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&stdout(&output)).unwrap(), carried);
    let output = double.command(&["adopt", "8", "--to", "source"]).output().unwrap();
    assert_eq!(stdout(&output), "vhost s3.test reads bucket b from one pool again\n");
    assert!(stderr(&output).contains("config reload"), "{}", stderr(&output));
    assert_eq!(double.calls()[0], "POST /api/migrations/7/adopt {\"to\":\"destination\"}");
}

#[test]
fn what_somebody_gave_as_a_reason_cannot_command_the_terminal_that_shows_it() {
    let entry =
        json!({"actor": "web", "action": "create", "entity_type": "pool", "entity_id": 1, "reason": "\u{1b}[2Jx"});
    let revision = json!({"number": 1, "at": "2026-11-27T10:00:00Z", "entries": [entry], "files": []});
    let double = Double::start(vec![("GET /api/config/revisions", vec![Said::ok(json!([revision]))])]);
    let output = double.command(&["history", "list"]).output().unwrap();
    assert!(stdout(&output).contains("(\\u{1b}[2Jx)"), "{:?}", stdout(&output));
}
