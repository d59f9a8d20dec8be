//! What the API says about files and reloads is what is there.

use serde_json::{Value, json};

use crate::support::echo::Echo;
use crate::support::gateway::Gateway;
use crate::support::nginx::wait_until;

fn file(status: &Value, name: &str) -> Value {
    let files = status["files"].as_array().unwrap();
    files.iter().find(|file| file["path"].as_str().unwrap().ends_with(name)).unwrap_or(&Value::Null).clone()
}

#[test]
fn f31_f32_a_deleted_file_is_drift_and_only_reloads_are_reloads() {
    let (gateway, echo) = (Gateway::start(), Echo::start("first"));
    let pool = gateway.pool("first", &[echo.address()]);
    gateway.vhost("localhost", pool);
    let status = gateway.api.get("/api/config/status");
    assert_eq!(
        (&status["last_reload_ok"], &status["last_reload_at"]),
        (&json!(null), &json!(null)),
        "only tests so far"
    );
    gateway.go_live();
    let status = gateway.api.get("/api/config/status");
    assert_eq!(status["last_reload_ok"], true);
    let first = file(&status, "pools/first.conf");
    assert_eq!(first["drifted"], false, "{first}");
    assert!(first["sha256_disk"].is_string() && first["sha256_disk"] == first["sha256_db"], "{first}");
    assert_eq!(gateway.api.get("/api/health")["drift_alerts"], 0);

    let reloaded_at = status["last_reload_at"].clone();
    gateway.api.refused(
        "POST",
        &format!("/api/pools/{pool}/members"),
        &json!({"address": "no-such-host.invalid:1"}),
        422,
    );
    let status = gateway.api.get("/api/config/status");
    assert_eq!(
        (&status["last_reload_ok"], &status["last_reload_at"]),
        (&json!(true), &reloaded_at),
        "a refused test is no reload"
    );

    std::fs::remove_file(gateway.nginx.managed().join("pools/first.conf")).unwrap();
    let status = gateway.api.get("/api/config/status");
    let first = file(&status, "pools/first.conf");
    assert_eq!((&first["drifted"], &first["sha256_disk"]), (&json!(true), &json!(null)), "{first}");
    // Health looks at the disk once a second.
    wait_until("the alert", || gateway.api.get("/api/health")["drift_alerts"] == 1);
}
