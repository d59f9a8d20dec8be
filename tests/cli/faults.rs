//! What goes wrong is said with what to do next, on stderr, with the exit status that `--help` documents.

use serde_json::json;

use super::double::{Double, Said, asking};
use super::{Desk, stderr};
use crate::process::config::Home;
use crate::process::program;

#[test]
fn what_is_not_there_is_named_with_the_command_that_lists_what_is() {
    let desk = Desk::furnished();
    for (command, part) in [
        (&["pool", "get", "nope"][..], "there is no pool nope; those there are: nanio-orchestrator pool list"),
        (&["pool", "member", "list", "nope"], "there is no pool nope"),
        (&["pool", "member", "update", "old", "nope:1", "--weight", "2"], "there is no member nope:1"),
        (&["pool", "credentials", "show", "nope"], "there is no pool nope"),
        (
            &["vhost", "update", "nope", "--enabled", "false"],
            "there is no vhost nope; those there are: nanio-orchestrator vhost list",
        ),
        (&["route", "list", "nope"], "there is no vhost nope"),
        (
            &["route", "get", "s3.test", "nope"],
            "there is no route /nope/; those there are: nanio-orchestrator route list VHOST",
        ),
        (&["bucket", "sync", "--vhost", "nope"], "there is no vhost nope"),
        (&["bucket", "list", "--pool", "nope"], "there is no pool nope"),
        (&["migration", "get", "7"], "404"),
        (&["migration", "watch", "7"], "404"),
        (&["migration", "start", "b", "--src", "nope", "--dst", "new"], "there is no pool nope"),
    ] {
        let said = desk.fails(command, 1);
        assert!(said.contains(part), "{command:?}: {part}\nnot in\n{said}");
    }
}

#[test]
fn a_value_that_is_wrong_is_named_by_its_field() {
    let desk = Desk::open();
    let said = desk.fails(&["pool", "create", "--name", "a b", "--keepalive", "5000"], 1);
    assert!(said.contains("422") && said.contains("\n  name: ") && said.contains("\n  keepalive: "), "{said}");
    let said = desk.fails(&["pool", "create", "--keepalive", "8"], 1);
    assert!(said.contains("name: "), "{said}");
}

#[test]
fn f05_a_change_that_nginx_refuses_is_told_in_its_own_words() {
    let mut home = Home::new();
    home.nginx.start();
    let _server = home.serve();
    let run = |arguments: &[&str]| home.command(arguments).output().unwrap();
    for arguments in
        [&["pool", "create", "--name", "p"][..], &["pool", "member", "add", "p", "--address", "127.0.0.1:9"]]
    {
        assert_eq!(run(arguments).status.code(), Some(0), "{}", stderr(&run(arguments)));
    }
    let missing = home.file("missing.pem");
    let missing = missing.to_str().unwrap();
    let refused = run(&[
        "vhost",
        "create",
        "--server-name",
        "s3.test",
        "--listen-port",
        "8443",
        "--ssl-certificate",
        missing,
        "--ssl-certificate-key",
        missing,
        "--default-pool",
        "p",
    ]);
    let said = stderr(&refused);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("422") && said.contains("cannot load certificate") && said.contains(missing), "{said}");
    assert_eq!(home.ask("GET", "/api/vhosts", &json!(null)), json!([]));
}

#[test]
fn wrong_usage_is_status_2_and_asks_no_server() {
    let double = Double::start(vec![]);
    for arguments in [
        &["pool"][..],
        &["pool", "get"],
        &["pool", "create"],
        &["pool", "update", "p"],
        &["pool", "create", "--name", "p", "--type", "tape"],
        &["vhost", "update", "v", "--extra-blocks", "no zone"],
        &["bucket", "list"],
        &["bucket", "list", "--vhost", "v", "--pool", "p"],
        &["bucket", "ignore", "../../pools", "--vhost", "v"],
        &["bucket", "promote", "b", "--vhost", "v", "--pool", "p", "--wait"],
        &["migration", "get", "x"],
        &["migration", "start", "b", "--src", "p"],
        &["pool", "list", "-o", "xml"],
        &["completions", "cmd"],
    ] {
        let output = double.command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
    }
    assert!(double.calls().is_empty());
}

#[test]
fn where_no_server_answers_the_status_is_3_and_the_ways_out_are_named() {
    let mut desk = Desk::furnished();
    let port = desk.place.port;
    desk.server = None;
    for command in [&["pool", "list"][..], &["migration", "watch", "1"], &["pool", "delete", "old", "--yes"]] {
        let said = desk.fails(command, 3);
        assert!(said.contains(&format!("no server answers at http://127.0.0.1:{port}")), "{said}");
        assert!(said.contains("Connection refused") && said.contains("--server"), "{said}");
    }
}

#[test]
fn a_wrong_key_and_a_missing_one_are_told_apart() {
    let desk = Desk::open();
    let url = format!("http://127.0.0.1:{}", desk.place.port);
    let wrong = asking(desk.place.port, &["pool", "list"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    assert!(stderr(&wrong).contains("has another API key"), "{}", stderr(&wrong));
    let directory = tempfile::tempdir().unwrap();
    let mut missing = program(directory.path());
    missing.args(["pool", "list", "--server", &url]).env("NANIO_ORCHESTRATOR_DEV", "false");
    missing.env("NANIO_ORCHESTRATOR_CONFIG_FILE", directory.path().join("none"));
    let missing = missing.output().unwrap();
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        stderr(&missing).contains("no API key is known here: set NANIO_ORCHESTRATOR_API_KEY"),
        "{}",
        stderr(&missing)
    );
}

#[test]
fn with_a_url_and_a_key_nothing_of_this_machine_is_needed() {
    let double = Double::start(vec![("GET /api/pools", vec![Said::ok(json!([]))])]);
    let other = Double::start(vec![]);
    let mut command = double.command(&["pool", "list"]);
    // A file that nobody may read does not concern who asks elsewhere.
    command.env("NANIO_ORCHESTRATOR_CONFIG_FILE", "/").env("NANIO_ORCHESTRATOR_DEV", "false");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    // The flag wins over the variable.
    let url = format!("http://127.0.0.1:{}/", double.port);
    let output = other.command(&["pool", "list", "--server", &url]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!((double.calls().len(), other.calls().len()), (2, 0));
}
