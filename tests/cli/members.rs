//! `pool member` and `pool credentials`.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::json;

use super::{Desk, at_terminal, stderr, words};
use crate::process::place::KEY;

#[test]
fn members_come_change_and_go_by_address_or_id() {
    let desk = Desk::open();
    desk.says(&["pool", "create", "--name", "p"]);
    let (nothing, next) = desk.told(&["pool", "member", "list", "p"]);
    assert!(nothing.is_empty() && next.contains("pool member add"), "{next}");
    desk.says(&["pool", "member", "add", "p", "--address", "10.0.0.1:9000"]);
    desk.says(&["pool", "member", "add", "p", "--address", "[::1]:9000", "--weight", "5"]);
    desk.says(&["pool", "member", "update", "p", "10.0.0.1:9000", "--enabled", "false", "--max-fails", "0"]);
    let members = desk.json(&["pool", "member", "list", "1"]);
    assert_eq!(members, desk.place.get("/api/pools/1/members"));
    assert_eq!(
        (&members[0]["enabled"], &members[0]["max_fails"], &members[1]["weight"]),
        (&json!(false), &json!(0), &json!(5))
    );
    let table = desk.says(&["pool", "member", "list", "p"]);
    assert_eq!(words(&table)[1][..5], ["1", "10.0.0.1:9000", "active", "1", "no"]);
    let said = desk.fails(&["pool", "member", "remove", "p", "10.0.0.1:9000"], 1);
    assert!(said.contains("Requests to pool p then go to its other enabled members: 1."), "{said}");
    desk.says(&["pool", "member", "remove", "p", "1", "-y"]);
    assert_eq!(desk.json(&["pool", "member", "list", "p"]).as_array().unwrap().len(), 1);
}

#[test]
fn f38_a_secret_key_comes_from_standard_input_a_file_or_a_prompt_that_does_not_show_it() {
    let mut desk = Desk::open();
    // With a key for what is stored.
    desk.server = None;
    let secret = desk.says(&["config", "generate-secret"]);
    let serve = || {
        let mut serve = desk.place.serve();
        serve.env("NANIO_ORCHESTRATOR_SECRET", secret.trim());
        serve
    };
    let _server = desk.place.start(serve());
    desk.says(&["pool", "create", "--name", "p"]);
    let (none, told) = desk.told(&["pool", "credentials", "show", "p"]);
    assert!(none.contains("(not set)") && told.contains("pool credentials set p --access-key"), "{none}{told}");

    let set = ["pool", "credentials", "set", "p", "--access-key", "AKIDEXAMPLE"];
    let mut piped = desk.command(&set).stdin(Stdio::piped()).spawn().unwrap();
    piped.stdin.take().unwrap().write_all(b"the-secret-of-stdin\n").unwrap();
    let output = piped.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shown = desk.json(&["pool", "credentials", "show", "p"]);
    assert_eq!(shown, desk.place.get("/api/pools/1/credentials"));
    assert_eq!((&shown["access_key_masked"], &shown["source"]), (&json!("AKID****"), &json!("pool")));

    let file = desk.place.directory.path().join("secret");
    std::fs::write(&file, "the-secret-of-a-file\n").unwrap();
    let with_file = [&set[..], &["--secret-key-file", file.to_str().unwrap(), "--region", "eu-west-1"]].concat();
    desk.says(&with_file);
    assert_eq!(desk.json(&["pool", "credentials", "show", "p"])["region"], "eu-west-1");
    std::fs::write(&file, "\n").unwrap();
    assert!(desk.fails(&with_file, 1).contains("holds no secret key"));

    let (status, screen) = at_terminal(&desk.command(&set), "(not shown): ", "the-secret-of-a-prompt\n");
    assert!(status == 0 && screen.contains("Secret key (not shown):"), "{screen}");
    assert!(!screen.contains("the-secret"), "{screen}");
    assert_eq!(desk.json(&["pool", "credentials", "show", "p"])["region"], "us-east-1");

    let usage = desk.fails(&[&set[..], &["--secret-key", "x"]].concat(), 2);
    assert!(usage.contains("--secret-key"), "a secret is never an argument: {usage}");
    desk.says(&["pool", "credentials", "delete", "p", "--yes"]);
    assert_eq!(desk.json(&["pool", "credentials", "show", "p"])["source"], "global");
    let log = desk.place.get("/api/audit").to_string();
    assert!(log.contains("\"cli\"") && !log.contains("the-secret") && !log.contains(KEY), "{log}");
}
