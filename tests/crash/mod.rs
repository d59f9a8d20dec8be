//! SIGKILL at every step of every kind of change, at every step of a start, and at every step of the recovery
//! from that: what was accepted is there, what was not is not, and nothing lies about.

mod case;
mod rig;
mod script;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use case::{Case, Lesson};
use rig::Rig;

/// Each waits for fsyncs and for nginx most of the time.
const WORKERS: usize = 4;

#[test]
fn a_kill_at_any_step_of_a_change_or_of_its_recovery_loses_nothing_and_leaves_nothing_behind() {
    let (next, agreed, reached, failures) =
        (AtomicUsize::new(0), Mutex::new(None::<Vec<Case>>), Mutex::new(BTreeSet::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let rig = Rig::new();
                let lesson = Lesson::learn(&rig);
                let cases = lesson.cases();
                // The cases are shared out, so all workers must mean the same ones.
                assert_eq!(agreed.lock().unwrap().get_or_insert_with(|| cases.clone()), &cases);
                reached.lock().unwrap().extend(lesson.reached());
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    failures.lock().unwrap().extend(lesson.run(&rig, case));
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of the kills did harm:\n{}", failures.len(), failures.join("\n"));
    let (reached, written) = (reached.into_inner().unwrap(), written_points());
    // tests/process/restore.rs and rebuild_db.rs kill the commands that pass those, tests/real/kill migrations.
    let elsewhere = |name: &str| ["restore.", "aside.", "gate.", "copier."].iter().any(|kind| name.starts_with(kind));
    let missed: Vec<&String> = written.difference(&reached).filter(|name| !elsewhere(name)).collect();
    assert!(missed.is_empty(), "no step of the script passes {missed:?}: extend tests/crash/script.rs");
}

/// The names of all points in the sources.
pub fn written_points() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut dirs = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let calls = text.split("point(\"").skip(1).filter_map(|rest| rest.split_once('"'));
                names.extend(calls.map(|(name, _)| name.to_owned()));
            }
        }
    }
    names
}
