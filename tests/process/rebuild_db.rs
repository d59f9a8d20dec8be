//! `rebuild-db`: a database that is lost, damaged or of 0.4.x is made again from the disk.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use super::place::Place;
use super::stderr;
use crate::support::postgres;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let place = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &place);
        } else {
            fs::copy(&path, &place).unwrap();
        }
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v0_4_1").join(name)
}

/// What 0.4.1 left on its machine.
fn installation_of_0_4_1() -> Place {
    let place = Place::new();
    copy(&fixture("nginx"), &place.directory.path().join("dev-data/nginx"));
    copy(&fixture("migrations"), &place.data().join("migrations"));
    fs::copy(fixture("orchestrator.db"), place.beside("")).unwrap();
    place
}

fn rebuild(place: &Place, arguments: &[&str]) -> Output {
    place.command().arg("rebuild-db").args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Everything that came over, as the API tells it, without times.
fn taken_over(place: &Place) -> Value {
    let _server = place.start(place.serve());
    let mut told = json!({"pools": place.get("/api/pools"), "vhosts": place.get("/api/vhosts")});
    for id in 1..=4 {
        told[format!("members {id}")] = place.get(&format!("/api/pools/{id}/members"));
    }
    for id in 1..=6 {
        told[format!("routes {id}")] = place.get(&format!("/api/vhosts/{id}/routes"));
    }
    without_times(told)
}

fn without_times(value: Value) -> Value {
    let timed = |key: &str| key.ends_with("_at") || key.starts_with("reachable") || key == "revision";
    match value {
        Value::Array(list) => list.into_iter().map(without_times).collect(),
        Value::Object(object) => object
            .into_iter()
            .filter(|(key, _)| !timed(key) && key != "unreachable_because")
            .map(|(key, value)| (key, without_times(value)))
            .collect(),
        other => other,
    }
}

#[test]
fn f55_a_database_of_0_4_x_is_refused_with_the_command_to_run_and_not_a_byte_of_it_changes() {
    let place = installation_of_0_4_1();
    let output = place.serve().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("rebuild-db --dry-run"), "{}", stderr(&output));
    let output = rebuild(&place, &["--dry-run"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = stdout(&output);
    for line in [
        "pool-old (nanio, 2 members, credentials, sidecar)",
        "pool-empty (nanio, 0 members, no credentials, sidecar)",
        "s3.example.test (5 routes, default pool, TLS, extra blocks, IP rules, sidecar)",
        "finish or cancel that migration there first",
        "off.example.test was disabled",
    ] {
        assert!(told.contains(line), "{line} is not in\n{told}");
    }
    let before = fs::read(fixture("orchestrator.db")).unwrap();
    assert!(fs::read(place.beside("")).unwrap() == before);
    assert!(!place.beside("-wal").exists() && !place.beside(".pre-import").exists());
}

#[test]
fn f50_what_only_the_database_of_0_4_x_knew_comes_over_and_it_is_kept() {
    let place = installation_of_0_4_1();
    let output = rebuild(&place, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains(".pre-import"), "{}", stdout(&output));
    let kept = fs::read(place.beside(".pre-import")).unwrap();
    assert!(kept == fs::read(fixture("orchestrator.db")).unwrap());
    let told = taken_over(&place);
    let off: Vec<&Value> =
        told["members 1"].as_array().unwrap().iter().filter(|member| member["enabled"] == false).collect();
    assert_eq!((off.len(), &off[0]["address"], &off[0]["weight"]), (1, &json!("[::1]:9000"), &json!(5)));
    let routes = told["routes 1"].as_array().unwrap();
    assert!(routes.iter().any(|route| route["path_prefix"] == "/off/" && route["enabled"] == false), "{told}");
    // The replica's weight, which no file of 0.4.x had.
    assert_eq!(told["members 4"][2]["weight"], 9);
    // Now the disk knows it too: lose the database, lose nothing.
    for end in ["", "-wal", "-shm", ".pre-import"] {
        let _ = fs::remove_file(place.beside(end));
    }
    assert_eq!(rebuild(&place, &[]).status.code(), Some(0));
    assert_eq!(taken_over(&place), told);
    let sidecar = place.directory.path().join("dev-data/nginx/vhosts/s3.example.test.meta.json");
    assert!(fs::read_to_string(sidecar).unwrap().contains("secret-stuff"));
}

#[test]
fn a_database_that_is_in_use_is_replaced_only_with_force() {
    let place = installation_of_0_4_1();
    assert_eq!(rebuild(&place, &[]).status.code(), Some(0));
    let output = rebuild(&place, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--force"), "{}", stderr(&output));
    let output = rebuild(&place, &["--force"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    // The database of 0.4.x is history by now: what was changed since is not undone.
    assert!(!stdout(&output).contains("0.4.x, kept as"), "{}", stdout(&output));
}

#[test]
fn a_running_server_is_asked_to_do_it() {
    let place = Place::new();
    let _server = place.start(place.serve());
    place.make_pool("a");
    let output = rebuild(&place, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--force"), "{}", stderr(&output));
    let output = rebuild(&place, &["--force"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let entry = place.get("/api/audit")[0].clone();
    assert_eq!((&entry["actor"], &entry["action"]), (&json!("cli"), &json!("rebuild_from_disk")));
    assert_eq!(place.pools(), ["a"]);
}

#[test]
fn f19_a_damaged_database_is_set_aside_and_made_again() {
    let place = Place::new();
    let mut server = place.start(place.serve());
    place.make_pool("a");
    server.end(rustix::process::Signal::TERM);
    for damage in [b"not a database at all".to_vec(), damaged(&fs::read(place.beside("")).unwrap())] {
        fs::write(place.beside(""), &damage).unwrap();
        let output = rebuild(&place, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let aside = [".corrupt", ".corrupt.2"].map(|end| place.beside(end));
        let kept = aside.iter().rfind(|path| path.exists()).unwrap();
        assert!(fs::read(kept).unwrap() == damage);
        let _server = place.start(place.serve());
        assert_eq!(place.pools(), ["a"]);
    }
}

/// A database whose pages are noise behind the first.
fn damaged(bytes: &[u8]) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    damaged[4096..].iter_mut().for_each(|byte| *byte ^= 0x5a);
    damaged
}

#[test]
fn a_kill_at_any_step_of_a_takeover_is_made_good_by_the_next_try() {
    let expected = {
        let place = installation_of_0_4_1();
        assert_eq!(rebuild(&place, &[]).status.code(), Some(0));
        taken_over(&place)
    };
    for point in ["aside.named", "aside.gone", "database.made", "database.migrated", "stage.done", "move.renamed"] {
        let place = installation_of_0_4_1();
        let mut command = place.command();
        command.arg("rebuild-db").env("NANIO_ORCHESTRATOR_FAULT_POINT", format!("{point}:1"));
        let output = command.output().unwrap();
        assert_eq!(output.status.signal(), Some(9), "{point}: {}", stderr(&output));
        assert!(place.beside(".pre-import").exists(), "{point}");
        let output = rebuild(&place, &[]);
        assert_eq!(output.status.code(), Some(0), "{point}: {}", stderr(&output));
        assert_eq!(taken_over(&place), expected, "{point}");
        assert!(fs::read(place.beside(".pre-import")).unwrap() == fs::read(fixture("orchestrator.db")).unwrap());
    }
}

#[test]
fn a_gateway_of_0_4_x_moves_to_postgresql() {
    let place = installation_of_0_4_1();
    let url = postgres::Server::new_database();
    let on_postgres = |arguments: &[&str]| {
        let mut command = place.command();
        command.args(arguments).env("NANIO_ORCHESTRATOR_DATABASE_URL", &url);
        command
    };
    let output = on_postgres(&["rebuild-db"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(fs::read(place.beside("")).unwrap() == fs::read(fixture("orchestrator.db")).unwrap());
    let _server = place.start(on_postgres(&["serve"]));
    assert_eq!(place.pools(), ["pool-old", "pool-new", "pool-empty", "web-files"]);
    let members = place.get("/api/pools/1/members");
    assert!(members.as_array().unwrap().iter().any(|member| member["enabled"] == false), "{members}");
}
