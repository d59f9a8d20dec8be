//! A gate that decides as a test tells it, and the writes that wait there.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use nanio_orchestrator::adapters::nginx::moves::most_held;
use nanio_orchestrator::adapters::nginx::render::Dialect;
use nanio_orchestrator::domain::gateway::Protocol;
use nanio_orchestrator::domain::gateway::moving::{GATE_SOCKET, RELAY, gate_path};
use nanio_orchestrator::domain::migration::token::TokenState;

use super::{Rig, by_default, routed, token, vhost};
use crate::support::gateway::served;
use crate::support::http::Request;
use crate::support::nginx::wait_until;

/// A question: the path under which it was asked, and its headers in lower case.
type Question = (String, HashMap<String, String>);

#[derive(Default)]
struct State {
    /// The pool to name; nothing: they wait.
    decision: Option<String>,
    asked: Vec<Question>,
}

/// A gate.
pub struct TestGate {
    state: Arc<(Mutex<State>, Condvar)>,
}

impl TestGate {
    /// A gate at which everything waits.
    pub fn listen(socket: &Path) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let state = Arc::new((Mutex::default(), Condvar::new()));
        let shared = state.clone();
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = shared.clone();
                std::thread::spawn(move || answer(stream, &state));
            }
        });
        Self { state }
    }

    /// From now on, and for those that wait.
    pub fn decide(&self, pool: Option<&str>) {
        self.state.0.lock().unwrap().decision = pool.map(str::to_owned);
        self.state.1.notify_all();
    }

    /// What was asked since the last time.
    pub fn take(&self) -> Vec<Question> {
        std::mem::take(&mut self.state.0.lock().unwrap().asked)
    }

    /// Waits until somebody waits.
    pub fn wait_for(&self, count: usize) {
        wait_until("a write at the gate", || self.state.0.lock().unwrap().asked.len() >= count);
    }
}

fn answer(mut stream: UnixStream, state: &(Mutex<State>, Condvar)) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    let headers = headers.collect();
    let mut known = state.0.lock().unwrap();
    known.asked.push((path, headers));
    let known = state.1.wait_while(known, |known| known.decision.is_none()).unwrap();
    let pool = known.decision.clone()?;
    let text = match pool.as_str() {
        "refused" => "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".to_owned(),
        _ => format!("HTTP/1.1 204 No Content\r\nX-Target: {pool}\r\n\r\n"),
    };
    stream.write_all(text.as_bytes()).ok()
}

/// A `PUT` whose client sends the body only when it is asked for it.
fn reluctant_put(port: u16, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = format!(
        "PUT /bkt/k HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

#[test]
fn a_held_write_waits_with_its_body_unread_and_goes_whole_where_the_gate_says() {
    for (pool, state) in [("src", TokenState::Source), ("dst", TokenState::Switched)] {
        let rig = Rig::start();
        rig.say(1, TokenState::Held);
        let body = "x".repeat(100_000);
        let mut stream = reluctant_put(rig.port, &body);
        rig.gate.wait_for(1);
        stream.set_nonblocking(true).unwrap();
        let asked_for = stream.read(&mut [0]);
        assert_eq!(asked_for.unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "the body was asked for");
        stream.set_nonblocking(false).unwrap();
        rig.say(1, state);
        rig.gate.decide(Some(pool));
        let mut go_on = [0; 25];
        stream.read_exact(&mut go_on).unwrap();
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(body.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let reached = rig.reached();
        assert_eq!(reached.len(), 1);
        assert_eq!((&reached[0]["upstream"], &reached[0]["body"]), (&pool.into(), &body.into()));
        let lines = rig.journal(1, 2);
        assert_eq!((&lines[1]["to"], &lines[1]["s"], &lines[1]["us"]), (&pool.into(), &"200".into(), &"200".into()));
    }
}

#[test]
fn a_write_that_is_held_across_a_reload_is_let_go_by_the_worker_that_took_it() {
    let rig = Rig::start();
    rig.say(1, TokenState::Held);
    let mut stream = reluctant_put(rig.port, "body");
    rig.gate.wait_for(1);
    rig.say(1, TokenState::Open);
    let server = routed(by_default(vhost(1, "localhost", Protocol::S3), "src"), "/bkt/", "dst", None);
    rig.write(vec![server], &[]);
    rig.reload();
    assert_eq!(rig.served(&Request::get("/bkt/k")), "dst");
    rig.gate.decide(Some("dst"));
    stream.write_all(b"body").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("HTTP/1.1 200") && answer.contains("\"body\":\"body\""), "{answer}");
    assert_eq!(rig.journal(1, 2)[1]["to"], "dst");
}

#[test]
fn the_gate_is_told_what_is_asked_of_it() {
    let rig = Rig::start();
    rig.say(1, TokenState::Missing);
    rig.gate.decide(Some("dst"));
    let target = "/bkt/a%2Fb//../c+d?partNumber=1&%75ploadId=up%20load&uploadId=2";
    assert_eq!(rig.served(&Request::put(target, "x").header("Range", "bytes=0-1")), "dst");
    let (path, headers) = rig.gate.take().remove(0);
    assert_eq!(path, gate_path(&token(1)));
    let said = ["x-original-uri", "x-original-method", "x-upload-id"].map(|name| headers[name].as_str());
    assert_eq!(said, [target, "PUT", "up%20load"]);
    assert!(!headers.contains_key("range"), "{headers:?}");
    let lines = rig.journal(1, 2);
    assert!(lines.iter().all(|line| line["rid"] == headers["x-request-id"].as_str()), "{headers:?} {lines:?}");
}

#[test]
fn what_the_gate_says_wrongly_or_not_at_all_is_a_slow_down_and_never_a_guess() {
    let rig = Rig::start();
    rig.say(1, TokenState::Held);
    let slow = || {
        let answer = rig.send(&Request::put("/bkt/k", "x"));
        assert_eq!(served(&answer), "503 SlowDown");
        assert!(answer.head.contains("Retry-After: 1") && answer.head.contains("application/xml"), "{}", answer.head);
    };
    for wrong in ["refused", "", "src-web", "127.0.0.1:1", "elsewhere"] {
        rig.gate.decide(Some(wrong));
        slow();
    }
    std::fs::remove_file(rig.nginx.gate_dir().join(GATE_SOCKET)).unwrap();
    slow();
    assert_eq!(rig.reached(), Vec::<serde_json::Value>::new());
    let lines = rig.journal(1, 12);
    let ends: Vec<_> = lines.iter().filter(|line| line["e"] == "end").collect();
    assert_eq!(ends.len(), 6);
    for end in ends {
        assert_eq!((&end["s"], &end["us"]), (&"503".into(), &"".into()), "{end}");
    }
}

#[test]
fn an_upload_that_began_on_the_source_can_be_completed_through_the_relay() {
    let rig = Rig::start();
    rig.say(1, TokenState::Open);
    rig.gate.decide(Some(RELAY));
    let answer = rig.send(&Request::new("POST", "/bkt/k?uploadId=u").body("<Complete/>"));
    assert_eq!(served(&answer), "relay");
    let seen = answer.json();
    assert_eq!((&seen["target"], &seen["body"]), (&"/bkt/k?uploadId=u".into(), &"<Complete/>".into()));
    assert_eq!(seen["headers"]["host"], format!("localhost:{}", rig.port));
}

#[test]
fn held_writes_leave_connections_for_reads() {
    let rig = Rig::start();
    rig.say(1, TokenState::Held);
    let most = most_held(Dialect::USUAL.worker_connections);
    let held: Vec<TcpStream> = (0..most).map(|_| reluctant_put(rig.port, "body")).collect();
    rig.gate.wait_for(held.len());
    assert_eq!(rig.served(&Request::put("/bkt/k", "x")), "503 SlowDown");
    assert_eq!(rig.served(&Request::get("/bkt/k")), "src");
    rig.gate.decide(Some("dst"));
    for mut stream in held {
        stream.write_all(b"body").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("HTTP/1.1 200"), "{answer}");
    }
    // Every write that was held, and the read.
    assert_eq!(rig.reached().len(), most as usize + 1);
}
