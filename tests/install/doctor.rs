//! `doctor` on this machine, whatever it is, with settings of the test's.

use std::process::{Command, Output};

use serde_json::Value;

use super::place::said;

fn doctor(env: &str, flags: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.env");
    std::fs::write(&file, env).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_nanio-orchestrator"));
    command.arg("doctor").args(flags).current_dir(directory.path());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("NANIO_ORCHESTRATOR_CONFIG_FILE", &file).output().unwrap()
}

#[test]
fn settings_with_which_no_server_starts_are_a_fault_and_exit_status_one() {
    let env = "NANIO_ORCHESTRATOR_API_KEY=very-secret-key\nNANIO_ORCHESTRATOR_PORT=many\n";
    let output = doctor(env, &["--output", "json"]);
    let (out, err) = said(&output);
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["ok"], false);
    let checks = told["checks"].as_array().unwrap();
    let of = |name: &str| checks.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("{name}: {out}"));
    assert_eq!(of("settings")["verdict"], "fault");
    assert!(of("settings")["detail"].as_str().unwrap().contains("NANIO_ORCHESTRATOR_PORT=\"many\""), "{out}");
    assert_eq!(of("SECRET")["verdict"], "fault");
    assert!(of("SECRET")["remedy"].as_str().unwrap().contains("generate-secret"), "{out}");
    assert_eq!(of("nginx")["verdict"], "good", "the tests have one: {out}");
    assert_eq!(of("rclone")["verdict"], "good", "the tests have one: {out}");
    assert!(!out.contains("very-secret-key") && !err.contains("very-secret-key"));
}

#[test]
fn people_get_a_sign_a_sentence_and_what_to_do() {
    let output = doctor("NANIO_ORCHESTRATOR_API_KEY=k\n", &[]);
    let (out, err) = said(&output);
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    assert!(out.lines().any(|line| line.starts_with("  ✗ SECRET ")), "{out}");
    assert!(out.lines().any(|line| line.trim_start().starts_with("→ ") && line.contains("generate-secret")), "{out}");
    assert!(err.contains("found"), "{err}");
}

#[test]
fn dev_mode_is_told_that_there_is_nothing_to_look_at() {
    let output = Command::new(env!("CARGO_BIN_EXE_nanio-orchestrator"))
        .arg("doctor")
        .env_clear()
        .env("DEV", "true")
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .unwrap();
    let (_, err) = said(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("NANIO_ORCHESTRATOR_DEV=false"), "{err}");
}
