//! `migration start --wait` and `watch`, and purges that go on: what is seen of them, and how they end.

use std::io::{BufRead as _, BufReader};
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::double::{Double, Said, asking};
use super::{at_terminal, stderr, stdout};
use crate::support::nginx::free_port;

/// A migration as the API shows it.
fn state(phase: &str, done: u64, total: u64) -> Value {
    json!({
        "id": 7, "bucket": "photos", "src_pool_name": "old", "dst_pool_name": "new", "phase": phase, "paused": false,
        "cancelling": false, "objects_done": done, "objects_total": total, "bytes_done": done * 1024,
        "bytes_total": total * 1024, "bytes_per_second": 2048, "eta_seconds": 30, "error_msg": null,
    })
}

fn states(states: &[(&str, u64)]) -> Vec<Said> {
    states.iter().map(|(phase, done)| Said::ok(state(phase, *done, 10))).collect()
}

const WATCHED: &str = "GET /api/migrations/7";

#[test]
fn where_there_is_no_terminal_each_step_is_a_line_and_the_answer_is_how_it_ended() {
    let all = [("pending", 0), ("copying", 0), ("copying", 0), ("copying", 5), ("switching", 10), ("done", 10)];
    let double = Double::start(vec![(WATCHED, states(&all))]);
    let output = double.command(&["migration", "watch", "7", "-o", "json"]).output().unwrap();
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 5, "{told}");
    assert_eq!(
        lines[2],
        "migration 7 of photos: copying 50%, 5 of 10 objects, 5.00 KiB of 10.00 KiB, 2.00 KiB/s, 30 seconds left"
    );
    assert_eq!(lines[4], "migration 7 of photos: done 100%, 10 of 10 objects, 10.00 KiB of 10.00 KiB");
    assert_eq!(serde_json::from_str::<Value>(&stdout(&output)).unwrap(), state("done", 10, 10));
}

#[test]
fn a_migration_that_fails_or_is_cancelled_is_status_1_and_leads_to_its_log() {
    for end in ["error", "cancelled"] {
        let mut failed = state(end, 3, 10);
        failed["error_msg"] = json!("the destination is full");
        let double = Double::start(vec![(WATCHED, vec![Said::ok(state("copying", 3, 10)), Said::ok(failed)])]);
        let output = double.command(&["migration", "watch", "7"]).output().unwrap();
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(&format!("{end} (the destination is full)")), "{told}");
        assert!(told.contains("nanio-orchestrator migration log 7"), "{told}");
    }
}

#[test]
fn a_terminal_gets_a_bar() {
    let double = Double::start(vec![(WATCHED, states(&[("copying", 5), ("done", 10)]))]);
    let (status, screen) = at_terminal(&double.command(&["migration", "watch", "7"]), "", "");
    assert_eq!(status, 0, "{screen}");
    assert!(screen.contains("███") && screen.contains("5 of 10 objects"), "{screen:?}");
    assert!(screen.contains("\u{1b}["), "a bar moves: {screen:?}");
}

#[test]
fn start_waits_if_it_is_asked_to_and_tells_what_will_not_follow() {
    let mut begun = state("pending", 0, 0);
    begun["cascade_warnings"] = json!(["vhost cdn.test has no route /photos/"]);
    let pools = json!([{"id": 1, "name": "old"}, {"id": 2, "name": "new"}]);
    let answers = || {
        vec![
            ("GET /api/pools", vec![Said::ok(pools.clone())]),
            ("POST /api/migrations", vec![Said(201, String::new(), begun.clone())]),
            (WATCHED, states(&[("copying", 1), ("done", 10)])),
        ]
    };
    let start = ["migration", "start", "photos", "--src-pool-id", "old", "--dst-pool-id", "new", "--mode", "copy"];
    let double = Double::start(answers());
    let output = double.command(&start).output().unwrap();
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("warning: vhost cdn.test has no route /photos/"), "{told}");
    assert!(told.contains("nanio-orchestrator migration watch 7"), "{told}");
    let sent =
        double.calls().into_iter().find_map(|call| call.strip_prefix("POST /api/migrations ").map(str::to_owned));
    let sent: Value = serde_json::from_str(&sent.unwrap()).unwrap();
    assert_eq!(sent, json!({"bucket": "photos", "src_pool_id": 1, "dst_pool_id": 2, "mode": "copy"}));

    let double = Double::start(answers());
    let output = double.command(&[&start[..], &["--wait"]].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("done 100%") && stdout(&output).contains("done"), "{}", stderr(&output));
}

/// Reads what a command tells until a line has this in it.
fn until(child: &mut Child, part: &str) -> BufReader<std::process::ChildStderr> {
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(part) {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "{part} did not come");
    }
    stderr
}

#[test]
fn ctrl_c_ends_the_watching_and_not_the_migration() {
    let double = Double::start(vec![(WATCHED, states(&[("copying", 5)]))]);
    let mut child = double.command(&["migration", "watch", "7"]).spawn().unwrap();
    let mut rest = until(&mut child, "copying");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let mut told = String::new();
    std::io::Read::read_to_string(&mut rest, &mut told).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{told}");
    assert!(told.contains("Migration 7 goes on by itself") && told.contains("migration cancel 7"), "{told}");
    assert!(double.calls().iter().all(|call| call.starts_with("GET ")), "{:?}", double.calls());
}

#[test]
fn a_server_that_is_restarted_meanwhile_is_waited_for() {
    let port = free_port();
    // The first life answers once.
    let first = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let mut child = asking(port, &["migration", "watch", "7"]).spawn().unwrap();
    {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = first.accept().unwrap();
        let body = state("copying", 5, 10).to_string();
        let mut request = [0; 4096];
        assert_ne!(stream.read(&mut request).unwrap(), 0);
        let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    }
    drop(first);
    let rest = until(&mut child, "looking again");
    let _second = Double::start_at(port, vec![(WATCHED, states(&[("done", 10)]))]);
    let told: Vec<String> = rest.lines().map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{told:?}");
    assert!(told.iter().any(|line| line.contains("done 100%")), "{told:?}");
}

#[test]
fn a_purge_that_goes_on_as_a_job_is_followed_to_its_end() {
    let job =
        |state: &str, done: u64| json!({"id": 3, "bucket": "photos", "state": state, "done": done, "total": 4000});
    let held = json!({"pool_name": "old", "buckets": [{"bucket": "photos", "status": "orphaned"}]});
    for (end, status) in [("done", 0), ("failed", 1)] {
        let double = Double::start(vec![
            ("GET /api/pools", vec![Said::ok(json!([{"id": 1, "name": "old"}]))]),
            ("GET /api/pools/1/buckets/status", vec![Said::ok(held.clone())]),
            ("POST /api/pools/1/buckets/photos/purge", vec![Said(202, String::new(), json!({"job_id": 3}))]),
            ("GET /api/jobs/3", vec![Said::ok(job("running", 2000)), Said::ok(job(end, 4000))]),
        ]);
        let output = double.command(&["bucket", "purge", "photos", "--pool", "old", "--yes"]).output().unwrap();
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(status), "{told}");
        assert!(told.contains("Everything that pool old holds of photos") && told.contains("running 50%"), "{told}");
        assert!(stdout(&output).contains(end), "{}", stdout(&output));
    }
}
