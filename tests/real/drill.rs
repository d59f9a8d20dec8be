//! `nanio-orchestrator drill` on a real gateway with real storage nodes.

use std::process::{Command, Output};

use serde_json::Value;

use crate::support::child::path;
use crate::support::nanio::{ACCESS_KEY, SECRET_KEY};
use crate::support::orchestrator::API_KEY;

use super::clients::TwoPools;

/// Runs a drill.
pub fn run(pools: &TwoPools, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nanio-orchestrator"));
    command.args(["drill", "--server", &format!("http://127.0.0.1:{}", pools.gateway.api.port)]);
    command.args(more).env_clear().env("PATH", path()).current_dir(pools.gateway.nginx.dir.path());
    let set = |key: &str| format!("NANIO_ORCHESTRATOR_{key}");
    command.env(set("DEV"), "false").env(set("API_KEY"), API_KEY);
    command.env(set("S3_ACCESS_KEY"), ACCESS_KEY).env(set("S3_SECRET_KEY"), SECRET_KEY);
    command.output().unwrap()
}

/// A drill of 15 s that finds every answer true; its report.
fn drill(pools: &TwoPools) -> Value {
    let output = run(pools, &["--seconds", "15"]);
    let told = String::from_utf8_lossy(&output.stderr);
    // What nginx said of an error is all that is left of it.
    let log = std::fs::read_to_string(pools.gateway.nginx.dir.path().join("error.log")).unwrap_or_default();
    let told =
        log.lines().filter(|line| !line.contains("[notice]")).fold(told.into_owned(), |told, line| told + line + "\n");
    assert_eq!(output.status.code(), Some(0), "{told}\n{}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("one line of JSON: {error}\n{told}"))
}

#[test]
fn sixteen_clients_find_every_answer_of_a_real_gateway_true_and_leave_nothing_behind() {
    let pools = TwoPools::start();
    let report = drill(&pools);
    for count in ["lost", "stale", "resurrected", "missing", "extra", "wrong_body", "wrong_metadata"] {
        assert_eq!(report[count], 0, "{count}: {report}");
    }
    assert_eq!((&report["client_errors"], &report["held_slowdown"]), (&0.into(), &0.into()), "{report}");
    // The first objects alone, and their last reading, are more.
    assert!(report["operations"].as_u64().unwrap() > 1000, "{report}");
    assert_eq!((pools.first.buckets(), pools.second.buckets()), (Vec::new(), Vec::new()));
    let routes = pools.gateway.api.get(&format!("/api/vhosts/{}/routes", pools.vhost));
    let prefixes: Vec<&Value> = routes.as_array().unwrap().iter().map(|route| &route["path_prefix"]).collect();
    assert_eq!(prefixes, ["/routed/", "/"]);
}
