//! Held writes are given back to the source when nobody is there to decide: by `release`, and by each start.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;

use super::place::Place;

fn token(place: &Place, digit: &str, kind: &str) -> PathBuf {
    place.directory.path().join("dev-data/gate").join(format!("{}.{kind}", digit.repeat(32)))
}

fn hold(place: &Place) {
    fs::create_dir_all(place.directory.path().join("dev-data/gate")).unwrap();
    for (digit, kind) in [("1", "held"), ("2", "held"), ("3", "src"), ("4", "switched")] {
        fs::write(token(place, digit, kind), "").unwrap();
    }
}

fn expect_released(place: &Place) {
    for (digit, kind) in [("1", "src"), ("2", "src"), ("3", "src"), ("4", "switched")] {
        assert!(token(place, digit, kind).exists(), "{digit}.{kind}");
    }
    assert!(!token(place, "1", "held").exists() && !token(place, "2", "held").exists());
}

#[test]
fn release_tells_which_and_has_nothing_to_do_the_second_time() {
    let place = Place::new();
    let release = || {
        let output = place.command().arg("release").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(release(), "", "without a directory there is nothing to do");
    hold(&place);
    assert_eq!(release(), format!("released {}\nreleased {}\n", "1".repeat(32), "2".repeat(32)));
    expect_released(&place);
    assert_eq!(release(), "");
    assert!(!place.data().join("orchestrator.db").exists(), "it needs no database, and makes none");
}

#[test]
fn release_works_beside_a_server_and_says_what_it_could_not_do() {
    let place = Place::new();
    let _server = place.start(place.serve());
    hold(&place);
    fs::write(token(&place, "1", "src"), "").unwrap();
    let output = place.command().arg("release").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("contradict"), "{output:?}");
    assert!(token(&place, "2", "src").exists(), "the others are released all the same");
}

#[test]
fn each_start_of_the_server_releases_what_is_held() {
    let place = Place::new();
    hold(&place);
    let mut server = place.start(place.serve());
    expect_released(&place);
    assert!(server.said.iter().any(|line| line.contains("given back to the source")), "{:?}", server.said);
    assert_eq!(server.end(Signal::TERM).code(), Some(0));
}

#[test]
fn a_second_server_that_may_not_start_releases_nothing() {
    let place = Place::new();
    let _first = place.start(place.serve());
    hold(&place);
    let second = place.serve().output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(token(&place, "1", "held").exists());
}

#[test]
fn a_production_start_refuses_a_gate_directory_that_does_not_last() {
    let place = Place::new();
    let mut command = place.serve();
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    command.env("NANIO_ORCHESTRATOR_DEV", "false");
    command.env("NANIO_ORCHESTRATOR_NGINX_CONFIG_DIR", place.directory.path().join("nginx"));
    command.env("NANIO_ORCHESTRATOR_MIGRATION_GATE_DIR", directory.path().join("gate"));
    let refused = command.output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("NANIO_ORCHESTRATOR_MIGRATION_GATE_DIR"), "{said}");
}
