//! Backups as the operator sees them: files beside the database, whatever happens to program and disk.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::place::{Place, passed};
use crate::support::database::pools;
use crate::support::nginx::wait_until;
use crate::support::postgres;

/// The pools in each copy, the newest copy first; a name that is not there is `None`.
fn copies(place: &Place) -> [Option<Vec<String>>; 3] {
    ["", ".2", ".3"].map(|more| {
        let path = place.copy(more);
        path.exists().then(|| pools(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    })
}

/// What lies in the data directory besides the database, its lock, its logs, its copies and the history of changes.
fn leftovers(place: &Place) -> Vec<PathBuf> {
    let entries = fs::read_dir(place.data()).unwrap().map(|entry| entry.unwrap().path());
    let known = ["", "-wal", "-shm", ".lock", ".bak", ".bak.2", ".bak.3"];
    let known: Vec<PathBuf> = known.iter().map(|more| place.beside(more)).collect();
    entries.filter(|path| !known.contains(path) && !path.ends_with("revisions")).collect()
}

#[test]
fn a_timed_backup_is_made_after_its_interval_and_the_loops_tell_of_it() {
    let place = Place::new();
    let mut command = place.serve();
    command.env("NANIO_ORCHESTRATOR_DB_BACKUP_INTERVAL", "1").env("NANIO_ORCHESTRATOR_AUDIT_RETENTION_DAYS", "30");
    let mut server = place.start(command);
    place.make_pool("a");
    wait_until("a copy that holds the pool", || {
        place.copy("").exists() && pools(&place.copy("")) == Ok(vec!["a".to_owned()])
    });
    let loops = place.get("/api/config/loops");
    assert_eq!((&loops[0]["name"], &loops[0]["interval"]), (&json!("backup"), &json!(1)));
    let interval = |name: &str| {
        let named = loops.as_array().unwrap().iter().find(|one| one["name"] == name);
        named.unwrap_or_else(|| panic!("{name} is not in {loops}"))["interval"].clone()
    };
    assert_eq!(["drift", "reachability", "audit_retention"].map(interval), [json!(60), json!(10), json!(3600)]);
    wait_until("a run that finds nothing to copy", || {
        let report = place.get("/api/config/loops")[0].clone();
        report["last_result"] == "nothing was written since the newest copy" && report["last_error"].is_null()
    });
    assert_eq!(server.end(Signal::TERM).code(), Some(0));
    let said: Vec<String> = server.stderr.by_ref().map(Result::unwrap).collect();
    assert!(!said.iter().any(|line| line.contains("ERROR")), "{said:?}");
}

#[test]
fn the_copies_go_where_the_setting_says() {
    let place = Place::new();
    let elsewhere = place.directory.path().join("other disk");
    fs::create_dir(&elsewhere).unwrap();
    let mut command = place.serve();
    command.env("NANIO_ORCHESTRATOR_DB_BACKUP_PATH", elsewhere.join("gateway.copy"));
    command.env("NANIO_ORCHESTRATOR_DB_BACKUP_ROTATE", "2");
    let _server = place.start(command);
    for name in ["a", "b", "c"] {
        place.make_pool(name);
        let answer = place.post("/api/config/backup", &Value::Null);
        assert_eq!(answer, json!({"ok": true, "backup_path": elsewhere.join("gateway.copy"), "detail": null}));
    }
    assert_eq!(pools(&elsewhere.join("gateway.copy")).unwrap(), ["a", "b", "c"]);
    assert_eq!(pools(&elsewhere.join("gateway.copy.2")).unwrap(), ["a", "b"]);
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 2);
}

#[test]
fn a_restart_without_a_change_wears_no_copy_out() {
    let place = Place::new();
    for name in ["a", "b"] {
        let _server = place.start(place.serve());
        place.make_pool(name);
        place.post("/api/config/backup", &Value::Null);
    }
    let mut command = place.serve();
    command.env("NANIO_ORCHESTRATOR_DB_BACKUP_INTERVAL", "1");
    let _server = place.start(command);
    // The entry about the last backup is copied once; then there is nothing new.
    wait_until("two runs", || place.get("/api/config/loops")[0]["runs"].as_u64() >= Some(3));
    let (a, b) = (vec!["a".to_owned()], vec!["a".to_owned(), "b".to_owned()]);
    assert_eq!(copies(&place), [Some(b.clone()), Some(b), Some(a)]);
}

/// Another way to start a program, with the environment and the pipes that it would have had.
fn in_place_of(command: &Command, mut other: Command) -> Command {
    other.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    other.current_dir(command.get_current_dir().unwrap());
    other.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    other
}

/// The shell's `ulimit -f`: a file that grows beyond it fails to be written, as on a disk that is full.
fn limited(command: &Command, kibibytes: u32) -> Command {
    let mut shell = Command::new("bash");
    let script = format!("trap '' XFSZ; ulimit -f {kibibytes}; exec \"$0\" \"$@\"");
    shell.arg("-c").arg(script).arg(command.get_program()).args(command.get_args());
    in_place_of(command, shell)
}

#[test]
fn f48_a_backup_that_finds_no_room_costs_no_copy_and_leaves_nothing_behind() {
    let place = Place::new();
    {
        let mut server = place.start(place.serve());
        for name in ["a", "b", "c"] {
            place.make_pool(name);
            place.post("/api/config/backup", &Value::Null);
        }
        let before = copies(&place);
        // Enough for the database to outgrow the room that there will be.
        for number in 0..60 {
            let body = json!({"name": format!("bulk-{number}"), "description": "x".repeat(1000)});
            place.post("/api/pools", &body);
        }
        assert_eq!(server.end(Signal::TERM).code(), Some(0));
        assert_eq!(copies(&place), before);
    }
    let (before, size) = (copies(&place), fs::metadata(place.beside("")).unwrap().len());
    assert!(size > 200 * 1024, "{size}");
    let mut server = place.start(limited(&place.serve(), 200));
    for _ in 0..4 {
        let answer = place.post("/api/config/backup", &Value::Null);
        assert_eq!((&answer["ok"], &answer["backup_path"]), (&json!(false), &Value::Null), "{answer}");
        let detail = answer["detail"].as_str().unwrap();
        assert!(detail.contains("cannot write the copy") && detail.contains(".bak.tmp"), "{detail}");
        assert_eq!((copies(&place), leftovers(&place)), (before.clone(), Vec::new()));
    }
    assert_eq!(server.end(Signal::TERM).code(), Some(0));
    let _server = place.start(place.serve());
    assert_eq!(place.post("/api/config/backup", &Value::Null)["ok"], true);
    assert_eq!(copies(&place)[1..], before[..2]);
}

/// The program without the right of root to write everywhere.
fn bound_by_permissions(command: Command) -> Command {
    if !rustix::process::geteuid().is_root() {
        return command;
    }
    let mut bound = Command::new("setpriv");
    bound.args(["--bounding-set", "-dac_override", "--"]).arg(command.get_program()).args(command.get_args());
    in_place_of(&command, bound)
}

#[test]
fn f48_a_directory_that_may_not_be_written_costs_no_copy() {
    let place = Place::new();
    let elsewhere = place.directory.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let mut command = place.serve();
    command.env("NANIO_ORCHESTRATOR_DB_BACKUP_PATH", elsewhere.join("copy"));
    let _server = place.start(bound_by_permissions(command));
    place.make_pool("a");
    assert_eq!(place.post("/api/config/backup", &Value::Null)["ok"], true);
    place.make_pool("b");
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o555)).unwrap();
    for _ in 0..3 {
        let answer = place.post("/api/config/backup", &Value::Null);
        assert_eq!(answer["ok"], false, "{answer}");
        assert!(answer["detail"].as_str().unwrap().contains("Permission denied"), "{answer}");
    }
    let entries = || fs::read_dir(&elsewhere).unwrap().count();
    assert_eq!((pools(&elsewhere.join("copy")).unwrap(), entries()), (vec!["a".to_owned()], 1));
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(place.post("/api/config/backup", &Value::Null)["ok"], true);
    assert_eq!((pools(&elsewhere.join("copy.2")).unwrap(), entries()), (vec!["a".to_owned()], 2));
}

/// Every time that a point was passed, as `name:N`.
fn times(points: &[String]) -> Vec<String> {
    let mut all = Vec::new();
    for name in points.iter().collect::<BTreeSet<_>>() {
        let times = points.iter().filter(|other| *other == name).count();
        all.extend((1..=times).map(|time| format!("{name}:{time}")));
    }
    all
}

#[test]
fn a_kill_at_any_step_of_a_backup_loses_no_copy_and_the_next_start_leaves_nothing_lying_about() {
    // Before: copies of [a], [a b], [a b c], and a database with d too.
    let place = Place::new();
    {
        let _server = place.start(place.serve());
        for name in ["a", "b", "c"] {
            place.make_pool(name);
            place.post("/api/config/backup", &Value::Null);
        }
        place.make_pool("d");
    }
    let kept = tempfile::tempdir().unwrap();
    place.keep(kept.path());
    let log = kept.path().with_extension("points");
    let points = {
        let mut command = place.serve();
        command.env("NANIO_ORCHESTRATOR_FAULT_LOG", &log);
        let _server = place.start(command);
        place.post("/api/config/backup", &Value::Null);
        let points = passed(&log);
        fs::remove_file(&log).unwrap();
        points
    };
    let cases: Vec<String> =
        times(&points).into_iter().filter(|at| at.starts_with("copy.") || at.starts_with("backup.")).collect();
    assert!(cases.len() >= 6, "{cases:?}");
    let upto = |last: &str| {
        ["a", "b", "c", "d"].map(str::to_owned).into_iter().take_while(|name| name.as_str() <= last).collect::<Vec<_>>()
    };
    let old = [Some(upto("c")), Some(upto("b")), Some(upto("a"))];
    let new = [Some(upto("d")), Some(upto("c")), Some(upto("b"))];
    for at in cases {
        place.restore(kept.path());
        let mut command = place.serve();
        command.env("NANIO_ORCHESTRATOR_FAULT_POINT", &at);
        let mut server = place.start(command);
        assert!(place.try_post("/api/config/backup").is_err(), "{at}: not reached");
        server.child.wait().unwrap();
        // Nothing that was good is gone, wherever it is.
        let all: BTreeSet<Vec<String>> = fs::read_dir(place.data())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().contains(".bak"))
            .filter_map(|path| pools(&path).ok())
            .collect();
        assert!([upto("c"), upto("b")].iter().all(|copy| all.contains(copy)), "{at}: {all:?}");
        assert!(all.contains(&upto("a")) || all.contains(&upto("d")), "{at}: {all:?}");
        let _server = place.start(place.serve());
        assert_eq!(leftovers(&place), Vec::<PathBuf>::new(), "{at}");
        let found = copies(&place);
        assert!(found == old || found == new, "{at}: {found:?}");
        assert_eq!(place.post("/api/config/backup", &Value::Null)["ok"], true, "{at}");
        assert_eq!(copies(&place)[0], Some(upto("d")), "{at}");
        assert_eq!(leftovers(&place), Vec::<PathBuf>::new(), "{at}");
    }
}

#[test]
fn postgresql_is_backed_up_by_its_server_and_the_answer_says_so() {
    let place = Place::new();
    let mut command = place.serve();
    command.env("NANIO_ORCHESTRATOR_DATABASE_URL", postgres::Server::new_database());
    command.env("NANIO_ORCHESTRATOR_DB_BACKUP_INTERVAL", "1");
    let _server = place.start(command);
    let answer = place.ask("POST", "/api/config/backup", &Value::Null);
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert_eq!(answer.status, 409, "{detail}");
    assert!(detail.contains("pg_dump") && detail.contains("WAL"), "{detail}");
    let loops = place.get("/api/config/loops");
    assert!(loops.as_array().unwrap().iter().all(|one| one["name"] != "backup"), "no timed backup runs: {loops}");
    assert!(!Path::new(&place.copy("")).exists());
}
