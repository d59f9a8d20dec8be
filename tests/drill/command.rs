//! The command, against a server whose migrations go as they are told: what it makes of them.

use std::collections::VecDeque;
use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::double::{Double, Fault, read};

/// The API of an orchestrator as far as a drill calls it. Each look at the migration shows the next phase.
struct Server {
    port: u16,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// With no phases, a migration is refused. The last one stays.
    fn start(storage: &Double, phases: &[&str]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (seen, storage) = (calls.clone(), storage.port);
        let mut phases: VecDeque<String> = phases.iter().map(|phase| (*phase).to_owned()).collect();
        // Ends with the test's process, as the port does.
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let Some(request) = read(&mut BufReader::new(stream.try_clone().unwrap())) else { continue };
                let call = format!("{} /{}/{}", request.method, request.bucket, request.key);
                let (status, answer) = answer(&call, storage, &mut phases);
                seen.lock().unwrap().push(format!("{call} {}", String::from_utf8_lossy(&request.body)));
                let text = if answer.is_null() { String::new() } else { answer.to_string() };
                let head = format!("HTTP/1.1 {status} Answer\r\nConnection: close\r\nContent-Length: {}", text.len());
                stream.write_all(format!("{head}\r\n\r\n{text}").as_bytes()).unwrap();
            }
        });
        Self { port, calls }
    }

    fn has_seen(&self, part: &str) -> bool {
        self.calls.lock().unwrap().iter().any(|call| call.contains(part))
    }
}

fn answer(call: &str, storage: u16, phases: &mut VecDeque<String>) -> (u16, Value) {
    let member = json!([{"id": 1, "address": format!("127.0.0.1:{storage}"), "enabled": true}]);
    let pools = json!([{"id": 1, "name": "web", "type": "http"}, {"id": 2, "name": "old", "type": "nanio"},
        {"id": 3, "name": "new", "type": "nanio"}]);
    let vhosts = json!([{"id": 4, "server_name": "tls.test", "ssl": true, "listen_port": 443},
        {"id": 5, "server_name": "s3.test", "ssl": false, "listen_port": storage, "default_pool_id": 2}]);
    match call {
        "GET /api/pools" => (200, pools),
        "GET /api/pools/2/members" | "GET /api/pools/3/members" => (200, member),
        "GET /api/vhosts" => (200, vhosts),
        "POST /api/vhosts/5/routes" => (201, json!({"id": 6})),
        "DELETE /api/vhosts/5/routes/6" => (204, Value::Null),
        "POST /api/config/reload" => (200, json!({"ok": true})),
        "POST /api/migrations" if phases.is_empty() => (400, json!({"detail": "the destination is full"})),
        "POST /api/migrations" => (201, json!({"id": 9, "phase": "pending"})),
        "GET /api/migrations/9" => {
            let phase = phases[0].clone();
            if phases.len() > 1 {
                phases.pop_front();
            }
            (200, json!({"id": 9, "phase": phase, "write_hold_ms": 120, "error_msg": null}))
        }
        _ => (404, json!({"detail": format!("not foreseen: {call}")})),
    }
}

/// Status, report and words of a short drill.
fn drill(server: &Server, more: &[&str]) -> (Option<i32>, Value, String) {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_nanio-orchestrator"));
    command.args(["drill", "--seconds", "1", "--clients", "2", "--objects", "8", "--seed", "7"]).args(more);
    command.args(["--server", &format!("http://127.0.0.1:{}", server.port)]).env_clear();
    for (key, value) in [("DEV", "false"), ("API_KEY", "k"), ("S3_ACCESS_KEY", "a"), ("S3_SECRET_KEY", "s")] {
        command.env(format!("NANIO_ORCHESTRATOR_{key}"), value);
    }
    let Output { status, stdout, stderr } = command.current_dir(directory.path()).output().unwrap();
    let (line, told) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert!(line.lines().count() <= 1, "{line}");
    (status.code(), serde_json::from_str(&line).unwrap_or(Value::Null), told)
}

#[test]
fn the_bucket_is_migrated_between_the_first_two_nanio_pools_and_everything_is_removed_afterwards() {
    let storage = Double::start();
    let phases = ["pending", "copying", "copying", "write_routing", "verifying", "switching", "done"];
    let server = Server::start(&storage, &phases);
    let (status, report, told) = drill(&server, &[]);
    assert_eq!(status, Some(0), "{report}\n{told}");
    assert_eq!(report["migration"], json!({"id": 9, "phase": "done", "write_hold_ms": 120}));
    assert!(report["operations"].as_u64().unwrap() > 50, "{report}");
    for phase in phases {
        assert!(told.contains(&format!("migration 9 is {phase}")), "{phase}: {told}");
    }
    assert!(server.has_seen("\"src_pool_id\":2") && server.has_seen("\"dst_pool_id\":3"));
    assert!(server.has_seen("DELETE /api/vhosts/5/routes/6") && storage.is_empty());
}

#[test]
fn a_migration_that_fails_or_does_not_end_is_status_1_and_one_that_is_refused_is_status_2() {
    let storage = Double::start();
    let (status, report, told) = drill(&Server::start(&storage, &["copying", "error"]), &[]);
    assert_eq!((status, &report["migration"]["phase"]), (Some(1), &"error".into()), "{told}");
    let (status, report, told) = drill(&Server::start(&storage, &["copying"]), &["--patience", "1"]);
    assert_eq!((status, &report["migration"]["phase"]), (Some(1), &"copying".into()), "{told}");
    let refusing = Server::start(&storage, &[]);
    let (status, report, told) = drill(&refusing, &[]);
    assert_eq!((status, report), (Some(2), Value::Null), "{told}");
    assert!(told.contains("the destination is full"), "{told}");
    assert!(refusing.has_seen("DELETE /api/vhosts/5/routes/6") && storage.is_empty());
}

#[test]
fn a_violation_is_status_1_and_a_slow_down_is_one_unless_it_is_allowed() {
    for (fault, more, expected) in [
        (Fault::LosesAgainAndAgain, &[][..], 1),
        (Fault::SlowsDownARead, &[], 1),
        (Fault::SlowsDownARead, &["--slowdown-allowed"], 0),
    ] {
        let storage = Double::start();
        storage.arm(fault);
        let more = [&["--no-migration"], more].concat();
        let (status, report, told) = drill(&Server::start(&storage, &[]), &more);
        assert_eq!(status, Some(expected), "{fault:?} {report}\n{told}");
    }
}

#[test]
fn what_cannot_be_run_says_why_with_status_2() {
    let storage = Double::start();
    let server = Server::start(&storage, &[]);
    for (more, why) in [
        (["--src", "nonsense"], "--src"),
        (["--dst", "old"], "the same pool"),
        (["--vhost", "tls.test"], "--vhost"),
        (["--gateway", "https://s3.test"], "plain http"),
    ] {
        let (status, _, told) = drill(&server, &more);
        assert!(status == Some(2) && told.contains(why), "{more:?}: {told}");
    }
    assert!(!server.has_seen("POST"));
}
