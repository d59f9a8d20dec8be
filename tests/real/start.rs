//! What is not there is said, and never taken for a success.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::child::path;
use crate::support::echo::Echo;
use crate::support::gateway::Gateway;
use crate::support::nginx::free_port;

#[test]
fn f43_without_a_configuration_the_program_does_not_start_with_a_known_key() {
    let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut command = Command::new(env!("CARGO_BIN_EXE_nanio-orchestrator"));
    command.args(["serve", "--port", &port.to_string()]).current_dir(directory.path());
    // `DEV` is not set either: nothing but a file named dev.env, or a clear yes, is dev mode.
    let output = command.env_clear().env("PATH", path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("NANIO_ORCHESTRATOR_API_KEY"), "{said}");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "and it makes nothing");
}

#[test]
fn f43_an_nginx_that_does_not_run_or_is_not_there_is_no_success() {
    let (mut gateway, echo) = (Gateway::start(), Echo::start("first"));
    let pool = gateway.pool("first", &[echo.address()]);
    gateway.vhost("localhost", pool);
    gateway.go_live();
    gateway.nginx.stop();
    let answer = gateway.api.post("/api/config/reload", &json!({}));
    assert_eq!(answer["ok"], false, "{answer}");
    assert!(answer["output"].as_str().unwrap().contains("not running"), "{answer}");
    let status = gateway.api.get("/api/config/status");
    assert_eq!((&status["last_reload_ok"], &status["nginx_up"]), (&json!(false), &json!(false)), "{status}");

    gateway.api.set("NGINX_BIN", Path::new("/nonexistent/nginx"));
    gateway.api.restart();
    let answer = gateway.api.call("POST", "/api/pools", Some(&json!({"name": "second"})));
    assert_eq!(answer.status, 201, "a pool without members is nothing to nginx: {}", answer.text());
    let before = gateway.everything();
    let answer = gateway.api.call("POST", "/api/pools/2/members", Some(&json!({"address": echo.address()})));
    assert!(
        answer.status >= 500 && answer.text().contains("/nonexistent/nginx"),
        "{} {}",
        answer.status,
        answer.text()
    );
    assert!(gateway.everything().files == before.files);
    let answer = gateway.api.post("/api/config/validate", &json!({}));
    assert_eq!(answer["ok"], false, "{answer}");
}
