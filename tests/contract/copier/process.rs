//! The process behind a copy: what it shows, and how it ends.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use nanio_orchestrator::adapters::processes::birth;
use nanio_orchestrator::adapters::rclone::{Limits, RcloneCopier};
use nanio_orchestrator::domain::copy::What;
use nanio_orchestrator::ports::copier::{Copier, CopierError, Copying};
use rustix::process::{Pid, Signal, kill_process};

use super::adapters::{Rig, Side, Told, slow};
use super::order;
use crate::support::nanio::{ACCESS_KEY, SECRET_KEY};
use crate::support::nginx::wait_until;

/// A copy that will take a minute, in the middle of it.
async fn under_way(rig: &Rig) -> (Box<dyn Copying>, u32) {
    rig.put(Side::Source, "large", &vec![7; 4 * 1024 * 1024]).await;
    let told = Arc::new(Told::default());
    let copying = rig.copier.start(order(rig, What::Everything), told.clone()).await.unwrap();
    told.under_way().await;
    let names = records(rig);
    assert_eq!(names.len(), 1, "{names:?}");
    let pid = pid_of(&names[0]);
    assert!(birth(pid).is_some());
    (copying, pid)
}

fn records(rig: &Rig) -> Vec<String> {
    let entries = fs::read_dir(rig.database.with_extension("db.copiers"));
    entries.into_iter().flatten().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn pid_of(record: &str) -> u32 {
    record.split('.').next().unwrap().parse().unwrap()
}

/// As when we die between two moments: the pipe is closed, and the kernel has not ended it yet.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_ready_and_reads_the_end_of_its_input_copies_nothing() {
    let rig = slow().await;
    rig.put(Side::Source, "small", b"x").await;
    rig.put(Side::Destination, "other", b"stays").await;
    for what in [What::Everything, What::Mirror] {
        let ready = rig.copier.prepare(order(&rig, what), Arc::new(Told::default())).await.unwrap();
        let call = || records(&rig).first().and_then(|name| call_of(name));
        wait_until("rclone", || call().is_some());
        let (arguments, environment) = call().unwrap();
        let mut orphan = std::process::Command::new(&arguments[0]);
        orphan.args(&arguments[1..]).env_clear().envs(environment).stdin(std::process::Stdio::null());
        let output = orphan.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(rig.holds(Side::Destination).await.into_keys().collect::<Vec<_>>(), ["other"]);
        ready.cancel().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_while_it_waits_is_known_before_it_is_told_anything() {
    let rig = slow().await;
    rig.put(Side::Source, "small", b"x").await;
    let told = Arc::new(Told::default());
    let mut ready = rig.copier.prepare(order(&rig, What::Everything), told).await.unwrap();
    let call = || records(&rig).first().and_then(|name| call_of(name));
    wait_until("rclone", || call().is_some());
    let pid = i32::try_from(pid_of(&records(&rig)[0])).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    let ended = ready.ended().await;
    assert!(matches!(ended, Err(CopierError::Failed(_))), "{ended:?}");
    assert_eq!((records(&rig), rig.holds(Side::Destination).await.len()), (vec![], 0));
}

/// Arguments and environment of a process that has become rclone.
fn call_of(record: &str) -> Option<(Vec<String>, BTreeMap<String, String>)> {
    let words = |file: &str| -> Option<Vec<String>> {
        let text = fs::read_to_string(format!("/proc/{}/{file}", record.split('.').next()?)).ok()?;
        Some(text.split_terminator('\0').map(str::to_owned).collect())
    };
    let arguments =
        words("cmdline").filter(|arguments| arguments.first().is_some_and(|one| one.ends_with("rclone")))?;
    let split = |word: String| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    Some((arguments, words("environ")?.into_iter().filter_map(split).collect()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_copy_has_ended_with_its_process() {
    let rig = slow().await;
    let (copying, pid) = under_way(&rig).await;
    copying.cancel().await;
    assert_eq!((birth(pid), records(&rig)), (None, vec![]));
    assert_eq!(rig.holds(Side::Destination).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_nobody_waits_for_any_more_ends_too() {
    let rig = slow().await;
    let (copying, pid) = under_way(&rig).await;
    drop(copying);
    tokio::task::spawn_blocking(move || wait_until("the end of rclone", || birth(pid).is_none())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn f45_a_copy_that_goes_on_after_its_master_is_ended_by_the_next_one() {
    let rig = slow().await;
    let (mut copying, pid) = under_way(&rig).await;
    let next = RcloneCopier::new("rclone".into(), Limits { checkers: 1, transfers: 1, bandwidth: None }, &rig.database);
    assert_eq!(next.end_leftovers().await, Ok(1));
    next.forget_leftovers().await.unwrap();
    assert_eq!((birth(pid), next.end_leftovers().await), (None, Ok(0)));
    // Whoever waited for it learns that it is not complete.
    let outcome = copying.ended().await;
    assert!(matches!(outcome, Err(CopierError::Failed(_))), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f45_secrets_are_in_no_argument_and_in_no_file() {
    let rig = slow().await;
    let (copying, pid) = under_way(&rig).await;
    let arguments = String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).unwrap()).replace('\0', " ");
    assert!(arguments.contains("rclone") && arguments.contains("src:photos"), "{arguments}");
    let environment = String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/environ")).unwrap()).into_owned();
    assert!(environment.contains(SECRET_KEY) && !environment.contains("CARGO"), "not as it should be");
    for secret in [ACCESS_KEY, SECRET_KEY] {
        assert!(!arguments.contains(secret), "{arguments}");
    }
    let kept = files(rig.database.parent().unwrap());
    assert_eq!(kept.len(), 1);
    assert!(kept.iter().all(|file| !String::from_utf8_lossy(&fs::read(file).unwrap()).contains(SECRET_KEY)));
    copying.cancel().await;
}

fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn a_program_that_is_missing_or_is_not_rclone_is_told_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    for (program, what) in
        [("/nowhere/rclone", "no such program"), ("no-such-rclone", "no such program"), ("true", "version")]
    {
        let limits = Limits { checkers: 1, transfers: 1, bandwidth: None };
        let copier = RcloneCopier::new(program.into(), limits, &directory.path().join("orchestrator.db"));
        let Err(CopierError::Unusable(why)) = copier.probe().await else { panic!("{program} is rclone") };
        for part in [program, what, "NANIO_ORCHESTRATOR_RCLONE_PATH"] {
            assert!(why.contains(part), "{part} is not in {why}");
        }
    }
}
