//! `restore-db`: a copy takes the place of the database, wholly or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::place::{Place, passed};
use super::stderr;
use crate::crash::written_points;
use crate::support::child::project_program;
use crate::support::database::pools;
use crate::support::nginx::snapshot;
use crate::support::postgres;

/// A copy with the pools a and b, a database with c too, whose last change is only in its log.
fn with_a_copy() -> Place {
    let place = Place::new();
    let mut server = place.start(place.serve());
    place.make_pool("a");
    place.make_pool("b");
    assert_eq!(place.post("/api/config/backup", &Value::Null)["ok"], true);
    place.make_pool("c");
    // Killed: nobody folds the log into the database.
    server.end(rustix::process::Signal::KILL);
    assert!(place.beside("-wal").exists());
    place
}

fn restore(place: &Place, file: &Path) -> Output {
    place.command().arg("restore-db").arg(file).output().unwrap()
}

/// The pools of the server that starts on what is there.
fn served(place: &Place) -> Vec<String> {
    let _server = place.start(place.serve());
    place.pools()
}

/// What was kept aside: the databases, without their logs.
fn asides(place: &Place) -> Vec<PathBuf> {
    let entries = fs::read_dir(place.data()).unwrap().map(|entry| entry.unwrap().path());
    let aside = |path: &PathBuf| {
        let name = path.to_string_lossy().into_owned();
        name.contains(".before-restore-") && !name.ends_with("-wal") && !name.ends_with("-shm")
    };
    entries.filter(aside).collect()
}

/// Every file of the data directory but the lock, with its bytes.
fn bytes(place: &Place) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = snapshot(&place.data());
    all.remove(&place.beside(".lock"));
    all
}

/// Lets another program than ours change a database.
fn sql(database: &Path, statements: &str) {
    let script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])";
    let mut python = Command::new(project_program("python"));
    let output = python.args(["-c", script]).arg(database).arg(statements).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

/// The message of a refusal, after a look that it changed nothing.
fn refusal(place: &Place, file: &Path) -> String {
    let before = bytes(place);
    let output = restore(place, file);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(before == bytes(place), "something was changed");
    let said = stderr(&output);
    assert!(said.contains("nothing was changed"), "{said}");
    said
}

#[test]
fn a_copy_takes_the_place_of_the_database_which_is_kept_aside_with_its_log() {
    let place = with_a_copy();
    let copy = fs::read(place.copy("")).unwrap();
    let output = restore(&place, &place.copy(""));
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let [aside] = &asides(&place)[..] else { panic!("{:?}", asides(&place)) };
    for part in [aside.to_str().unwrap(), "/api/config/status", "/api/config/rebuild", "rebuild-db"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    assert!(fs::read(place.copy("")).unwrap() == copy, "the copy stays as it is");
    let mode = fs::metadata(place.beside("")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(pools(&place.beside("")).unwrap(), ["a", "b"]);
    {
        let _server = place.start(place.serve());
        assert_eq!(place.pools(), ["a", "b"]);
        let entry = place.get("/api/audit")[0].clone();
        assert_eq!((&entry["actor"], &entry["action"]), (&json!("cli"), &json!("restore")));
        let told: Value = serde_json::from_str(entry["after_json"].as_str().unwrap()).unwrap();
        assert_eq!(told["backup_path"], json!(place.copy("")));
        // Ids that were given since the copy was made are not given again.
        assert!(place.make_pool("later")["id"].as_i64() > Some(100));
    }
    // And back: nothing that was committed is lost.
    assert_eq!(restore(&place, aside).status.code(), Some(0));
    assert_eq!(served(&place), ["a", "b", "c"]);
    assert_eq!(asides(&place).len(), 2);
}

#[test]
fn what_was_given_or_ended_for_good_since_the_copy_was_made_stays_so() {
    let place = Place::new();
    let cookie = {
        let _server = place.start(place.serve());
        place.make_pool("a");
        assert_eq!(place.post("/api/config/backup", &Value::Null)["ok"], true);
        let cookie = place.log_in();
        assert_eq!(place.with_cookie("GET", "/api/pools", &cookie).status, 200);
        assert_eq!(place.with_cookie("POST", "/logout", &cookie).status, 303);
        assert_eq!(place.with_cookie("GET", "/api/pools", &cookie).status, 401);
        cookie
    };
    // As many pools were made and deleted since.
    sql(&place.beside(""), "UPDATE id_counters SET highest = 4711 WHERE kind = 'pool'");
    assert_eq!(restore(&place, &place.copy("")).status.code(), Some(0));
    let _server = place.start(place.serve());
    assert_eq!(place.make_pool("b")["id"], 4712);
    assert_eq!(place.with_cookie("GET", "/api/pools", &cookie).status, 401);
}

#[test]
fn root_restores_a_database_for_the_user_whose_it_is() {
    let place = with_a_copy();
    // Others than root restore their own.
    if rustix::process::geteuid().is_root() {
        for owned in [place.data(), place.beside("")] {
            chown(owned, Some(65534), Some(65534)).unwrap();
        }
    }
    let owner = |path: &Path| fs::metadata(path).map(|file| (file.uid(), file.gid())).unwrap();
    let before = owner(&place.beside(""));
    for _ in 0..2 {
        assert_eq!(restore(&place, &place.copy("")).status.code(), Some(0));
        assert_eq!(owner(&place.beside("")), before);
        // Lost, the next time.
        fs::remove_file(place.beside("")).unwrap();
    }
}

#[test]
fn a_lost_database_is_restored_too() {
    let place = with_a_copy();
    for more in ["", "-wal", "-shm"] {
        fs::remove_file(place.beside(more)).unwrap();
    }
    let output = restore(&place, &place.copy(""));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(asides(&place), Vec::<PathBuf>::new());
    assert_eq!(served(&place), ["a", "b"]);
}

#[test]
fn a_damaged_database_is_replaced_and_kept_as_it_is() {
    let place = with_a_copy();
    fs::write(place.beside(""), "rubbish, all of it").unwrap();
    let refused = place.serve().output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(restore(&place, &place.copy("")).status.code(), Some(0));
    assert_eq!(fs::read_to_string(&asides(&place)[0]).unwrap(), "rubbish, all of it");
    assert_eq!(served(&place), ["a", "b"]);
}

#[test]
fn a_restore_under_a_running_server_is_refused_and_names_it() {
    let place = with_a_copy();
    let server = place.start(place.serve());
    let output = restore(&place, &place.copy(""));
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains(&format!("process {} (serves", server.child.id())), "{said}");
    assert_eq!((place.pools().len(), asides(&place).len()), (3, 0));
}

#[test]
fn what_is_no_sound_copy_of_ours_is_refused_and_changes_nothing() {
    let place = with_a_copy();
    let odd = place.directory.path().join("odd");
    assert!(refusal(&place, &odd).contains("there is no file"));
    fs::write(&odd, "").unwrap();
    assert!(refusal(&place, &odd).contains("empty"));
    fs::write(&odd, "just a text").unwrap();
    assert!(refusal(&place, &odd).contains("not an SQLite database"));
    fs::remove_file(&odd).unwrap();
    sql(&odd, "CREATE TABLE songs (id INTEGER)");
    assert!(refusal(&place, &odd).contains("another program"));
    fs::remove_file(&odd).unwrap();
    sql(&odd, "CREATE TABLE pools (id INTEGER); CREATE TABLE vhosts (id INTEGER)");
    assert!(refusal(&place, &odd).contains("0.4.x"));
    fs::copy(place.copy(""), &odd).unwrap();
    sql(&odd, "INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')");
    assert!(refusal(&place, &odd).contains("newer version"));
    // Everything but the first pages.
    let mut copy = fs::read(place.copy("")).unwrap();
    copy[8192..].fill(0x5A);
    fs::write(&odd, copy).unwrap();
    let told = refusal(&place, &odd);
    assert!(told.contains("malformed"), "{told}");
    assert!(refusal(&place, &place.beside("")).contains("not a copy of it"));
    assert_eq!(served(&place), ["a", "b", "c"]);
}

#[test]
fn postgresql_is_restored_by_its_own_means() {
    let place = with_a_copy();
    let mut command = place.command();
    command.env("NANIO_ORCHESTRATOR_DATABASE_URL", postgres::Server::new_database());
    let output = command.arg("restore-db").arg(place.copy("")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("pg_restore"), "{}", stderr(&output));
}

/// Restores until the program kills itself at a point; `None`: it was never there.
fn killed_at(place: &Place, at: &str) -> Option<()> {
    let mut command = place.command();
    command.env("NANIO_ORCHESTRATOR_FAULT_POINT", at);
    let output = command.arg("restore-db").arg(place.copy("")).output().unwrap();
    (output.status.signal() == Some(9)).then_some(())
}

#[test]
fn a_kill_at_any_step_of_a_restore_leaves_the_old_database_or_the_new_one() {
    let place = with_a_copy();
    let kept = tempfile::tempdir().unwrap();
    place.keep(kept.path());
    let log = kept.path().with_extension("points");
    let mut command = place.command();
    command.env("NANIO_ORCHESTRATOR_FAULT_LOG", &log);
    assert!(command.arg("restore-db").arg(place.copy("")).status().unwrap().success());
    let points: BTreeSet<String> = passed(&log).into_iter().collect();
    fs::remove_file(&log).unwrap();
    let own: BTreeSet<String> = written_points().into_iter().filter(|name| name.starts_with("restore.")).collect();
    assert!(own.is_subset(&points), "never passed: {:?}", own.difference(&points));

    let mut decided = BTreeSet::new();
    for at in &points {
        place.restore(kept.path());
        killed_at(&place, at).unwrap_or_else(|| panic!("{at}: not reached"));
        assert!(place.beside("").exists(), "{at}: there is no database");
        // What the next one does, the server here and another restore below, must not depend on who it is.
        let half = tempfile::tempdir().unwrap();
        place.keep(half.path());
        let found = served(&place);
        check(&place, at, &found);
        if found.len() == 2 {
            decided.insert(at.clone());
        }
        // Once more, killed at each of the points that the completion passes.
        for again in &own {
            place.restore(half.path());
            let mut server = place.serve();
            server.env("NANIO_ORCHESTRATOR_FAULT_POINT", again);
            if at_once_killed(server) {
                assert!(place.beside("").exists(), "{at}, {again}: there is no database");
                let twice = served(&place);
                assert_eq!(twice, found, "{at}, {again}");
                check(&place, &format!("{at}, {again}"), &twice);
            }
        }
        place.restore(half.path());
        assert_eq!(restore(&place, &place.copy("")).status.code(), Some(0), "{at}");
        assert_eq!(served(&place), ["a", "b"], "{at}");
    }
    let expected =
        ["restore.decided", "restore.kept-aside", "restore.log-kept", "restore.log-removed", "restore.placed"];
    assert_eq!(decided, expected.map(str::to_owned).into());
}

/// Starts a server that may kill itself before it serves; tells whether it did.
fn at_once_killed(mut command: Command) -> bool {
    let mut child = command.spawn().unwrap();
    let served = BufReader::new(child.stderr.take().unwrap()).lines().any(|line| line.unwrap().contains("starting on"));
    if served {
        child.kill().unwrap();
    }
    child.wait().unwrap();
    !served
}

/// The server started after a kill: either state is whole, and nothing is on its way.
fn check(place: &Place, at: &str, found: &[String]) {
    let aside = asides(place);
    match found.len() {
        2 => {
            assert_eq!(found, ["a", "b"], "{at}");
            assert_eq!(aside.len(), 1, "{at}: {aside:?}");
            // With its log, so that the last change is in it.
            assert!(PathBuf::from(format!("{}-wal", aside[0].display())).exists(), "{at}");
        }
        _ => {
            assert_eq!(found, ["a", "b", "c"], "{at}");
            assert_eq!(aside, Vec::<PathBuf>::new(), "{at}");
        }
    }
    for more in [".restoring", ".restoring-journal", ".restored"] {
        assert!(!place.beside(more).exists(), "{at}: {more}");
    }
}
