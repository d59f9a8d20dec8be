//! The parts of a demo that need neither ports nor programs.

use super::*;

#[test]
fn the_server_of_a_demo_is_a_production_server_of_its_own_directory() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = DemoArguments { nanio: Some("/bin/sh".into()), host: "::1".to_owned(), ..DemoArguments::default() };
    let place = Place::open(directory.path()).unwrap();
    let kept = place.kept(&arguments).unwrap();
    let settings = settings(&arguments, &place, &kept, &Programs::find(&arguments).unwrap()).unwrap();
    assert!(!settings.dev);
    assert_eq!(settings.listen_address(), "[::1]:8080");
    for path in [&settings.db_path, &settings.nginx_config_dir, &settings.nginx_conf, &settings.migration_gate_dir] {
        assert!(path.starts_with(directory.path()), "{}", path.display());
    }
    assert_eq!(settings.api_key, kept.api_key);
    assert!(settings.secret.is_some());
    assert_eq!(settings.warnings(), &[] as &[String]);
}

#[test]
fn an_address_that_means_this_machine_is_called_localhost() {
    for (host, name) in [
        ("0.0.0.0", "localhost"),
        ("127.0.0.1", "localhost"),
        ("::", "localhost"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "[2001:db8::1]"),
        ("gw", "gw"),
    ] {
        assert_eq!(reachable(host), name);
    }
}

#[test]
fn the_guide_holds_the_lines_to_try() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::open(directory.path()).unwrap();
    let kept = place.kept(&DemoArguments::default()).unwrap();
    let text = guide::text(&place, &kept, "http://localhost:8080");
    for part in [
        format!("-H \"X-Orchestrator-Key: {}\" http://localhost:8080/api/pools", kept.api_key.reveal()),
        format!("--aws-sigv4 \"aws:amz:us-east-1:s3\" --user demo:{}", kept.s3_secret_key.reveal()),
        "http://localhost:9080/photos/beach.txt".to_owned(),
        "http://localhost:8080/api/docs".to_owned(),
    ] {
        assert!(text.contains(&part), "{part}\nnot in\n{text}");
    }
}
