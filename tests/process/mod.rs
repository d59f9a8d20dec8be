//! The program as the service manager and the operator see it: exit status, stderr, signals.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backup;
pub mod config;
mod copiers;
mod manifest;
mod orphaned;
pub mod place;
mod rebuild_db;
mod release;
mod restore;

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// The program in an environment that holds nothing of the caller's, in a directory of its own.
pub fn program(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nanio-orchestrator"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(directory);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub fn dev(directory: &Path, port: u16) -> Command {
    let mut command = program(directory);
    command.env("DEV", "true").env("NANIO_ORCHESTRATOR_HOST", "127.0.0.1");
    command.args(["serve", "--port", &port.to_string()]);
    command
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr()).unwrap().port()
}

/// A server that has said it starts; ended with the test.
pub struct Server {
    child: Child,
    pub said: Vec<String>,
    // Kept open, so that the server can go on speaking.
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Server {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut server = Self { child, said: Vec::new(), stderr };
        while let Some(line) = server.stderr.next() {
            server.said.push(line.unwrap());
            if server.said.last().unwrap().contains("starting on") {
                return server;
            }
        }
        panic!("the server did not start: {:?}", server.said);
    }

    pub fn end(&mut self, signal: Signal) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_second_server_on_one_data_directory_exits_1_and_names_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let first = Server::start(dev(directory.path(), port));
    let second = dev(directory.path(), free_port()).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = stderr(&second);
    assert!(said.contains(&format!("process {} (serves 127.0.0.1:{port}", first.child.id())), "{said}");
    assert!(said.contains("dev-data/orchestrator.db"), "{said}");
}

#[test]
fn a_killed_server_leaves_no_lock_behind() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = Server::start(dev(directory.path(), free_port()));
    first.end(Signal::KILL);
    let mut second = Server::start(dev(directory.path(), free_port()));
    assert_eq!(second.end(Signal::TERM).code(), Some(0));
}

#[test]
fn sigterm_and_sigint_end_the_server_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Server::start(dev(directory.path(), free_port()));
        assert_eq!(server.end(signal).code(), Some(0));
    }
}

#[test]
fn global_s3_keys_that_no_request_could_be_made_with_stop_the_start_and_are_not_told() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = dev(directory.path(), free_port());
    command
        .env("NANIO_ORCHESTRATOR_S3_ACCESS_KEY", "key with blanks")
        .env("NANIO_ORCHESTRATOR_S3_SECRET_KEY", "hunter2");
    let refused = command.output().unwrap();
    let said = stderr(&refused);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("NANIO_ORCHESTRATOR_S3_ACCESS_KEY: "), "{said}");
    assert!(!said.contains("blanks") && !said.contains("hunter2"), "{said}");
}

#[test]
fn every_start_in_dev_mode_says_so_however_it_was_chosen() {
    let by_file = tempfile::tempdir().unwrap();
    std::fs::write(by_file.path().join("dev.env"), "NANIO_ORCHESTRATOR_HOST=127.0.0.1\n").unwrap();
    let mut command = program(by_file.path());
    command.args(["--port", &free_port().to_string()]);
    let by_variable = tempfile::tempdir().unwrap();
    for command in [command, dev(by_variable.path(), free_port())] {
        let server = Server::start(command);
        assert!(server.said.iter().any(|line| line.starts_with("DEV MODE")), "{:?}", server.said);
    }
}

#[test]
fn f43_a_production_start_without_a_key_of_its_own_is_refused_with_what_to_run() {
    let directory = tempfile::tempdir().unwrap();
    for key in ["", "changeme"] {
        let mut command = program(directory.path());
        // Whatever a file of this machine says, the environment is stronger.
        command.env("NANIO_ORCHESTRATOR_DEV", "false").env("NANIO_ORCHESTRATOR_API_KEY", key);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = stderr(&output);
        assert!(said.contains("NANIO_ORCHESTRATOR_API_KEY") && said.contains("config.env"), "{said}");
    }
}

#[test]
fn all_bad_settings_are_named_at_once_and_nothing_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = dev(directory.path(), free_port());
    command.env("NANIO_ORCHESTRATOR_SESSION_TTL", "soon").env("NANIO_ORCHESTRATOR_DRIFT_INTERVAL", "-1");
    command.env("NANIO_ORCHESTRATOR_SECRET", "not-a-fernet-key");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    for part in [
        "NANIO_ORCHESTRATOR_SESSION_TTL=\"soon\" (environment): must be a whole number of seconds from 60 to 31536000",
        "NANIO_ORCHESTRATOR_DRIFT_INTERVAL=\"-1\" (environment)",
        "NANIO_ORCHESTRATOR_SECRET=\"not-****\" (environment)",
    ] {
        assert!(said.contains(part), "{part}\nnot in\n{said}");
    }
    assert!(!directory.path().join("dev-data").exists());
}

#[test]
fn wrong_usage_exits_2_and_the_version_is_the_packages() {
    let directory = tempfile::tempdir().unwrap();
    let output = program(directory.path()).arg("--no-such-flag").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let output = program(directory.path()).arg("--version").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said.trim(), format!("nanio-orchestrator {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn reload_is_accepted_and_ignored_with_a_note() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = dev(directory.path(), free_port());
    command.arg("--reload");
    let mut server = Server::start(command);
    assert!(server.said.iter().any(|line| line.contains("--reload does nothing")), "{:?}", server.said);
    assert_eq!(server.end(Signal::TERM).code(), Some(0));
}

#[test]
fn a_log_file_gets_what_stderr_gets_and_is_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log/nanio.log");
    let mut command = dev(directory.path(), free_port());
    command.env("NANIO_ORCHESTRATOR_LOG_FILE", &log).env("NANIO_ORCHESTRATOR_NO_SUCH_SETTING", "x");
    let mut server = Server::start(command);
    server.end(Signal::TERM);
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.contains("NANIO_ORCHESTRATOR_NO_SUCH_SETTING"), "{text}");
    assert_eq!(std::fs::metadata(&log).unwrap().permissions().mode() & 0o027, 0);
}

/// Sends one request and waits for the end of its answer, so that its line is in the log.
fn ask(port: u16, request: &str, headers: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 "), "{request}: {answer}");
}

/// Level and fields of the lines about requests, without the time they took.
fn told_of_requests(level: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut command = dev(directory.path(), port);
    command.env("NANIO_ORCHESTRATOR_LOG_LEVEL", level).env("NANIO_ORCHESTRATOR_API_KEY", "the-key");
    let mut server = Server::start(command);
    let key = "X-Orchestrator-Key: the-key\r\n";
    let body = format!("{key}Content-Type: application/json\r\nContent-Length: 12\r\n\r\n{{\"name\":\"p\"}}");
    ask(port, "GET /api/health", "");
    ask(port, "HEAD /api/pools?limit=5", key);
    ask(port, "POST /api/pools", &body);
    ask(port, "GET /api/pools/9", key);
    ask(port, "GET /api/pools", "X-Orchestrator-Key: wrong-key\r\n");
    server.end(Signal::TERM);
    let lines: Vec<String> = server.stderr.by_ref().map(Result::unwrap).collect();
    assert!(!lines.iter().any(|line| line.contains("-key")), "{lines:?}");
    let told = lines.iter().filter_map(|line| {
        let (head, fields) = line.split_once(": request ")?;
        let level = head.split_whitespace().nth(1)?;
        let (before, after) = fields.split_once(" milliseconds=")?;
        Some(format!("{level} {before} {}", after.split_once(' ')?.1))
    });
    told.collect()
}

#[test]
fn a_request_is_logged_as_loud_as_it_matters_and_without_its_key() {
    let reads = [
        r#"DEBUG method=GET path="/api/health" status=200 actor="-""#,
        r#"DEBUG method=HEAD path="/api/pools" status=200 actor="api""#,
    ];
    let others = [
        r#"INFO method=POST path="/api/pools" status=201 actor="api""#,
        r#"INFO method=GET path="/api/pools/9" status=404 actor="api""#,
        r#"WARN method=GET path="/api/pools" status=401 actor="-""#,
    ];
    assert_eq!(told_of_requests("DEBUG"), [&reads[..], &others[..]].concat());
    assert_eq!(told_of_requests("INFO"), others);
}

#[test]
fn f38_a_secret_in_a_query_is_in_no_log() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let log = directory.path().join("nanio.log");
    let mut command = dev(directory.path(), port);
    command.env("NANIO_ORCHESTRATOR_LOG_LEVEL", "debug").env("NANIO_ORCHESTRATOR_LOG_FILE", &log);
    let mut server = Server::start(command);
    let made = |path: &str, body: &str| {
        let length = body.len();
        let headers =
            format!("X-Orchestrator-Key: dev\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
        ask(port, &format!("POST {path}"), &format!("{headers}{body}"));
    };
    made("/api/pools", r#"{"name":"p"}"#);
    made("/api/pools/1/members", r#"{"address":"10.0.0.1:9000"}"#);
    let path = "/api/pools/1/members/1/node-config";
    made(path, r#"{"node_type":"nanio-only","access_key":"AK","secret_key":"very-secret"}"#);
    made(path, r#"{"access_key":"AK","secret_key":"very-secret"}"#);
    for query in ["access_key=AK&secret_key=very-secret", "secret_key=very-secret", "type=x&secret_key=very-secret"] {
        ask(port, &format!("GET {path}?{query}"), "X-Orchestrator-Key: dev\r\n");
        ask(port, &format!("GET {path}/?{query}"), "X-Orchestrator-Key: dev\r\n");
        ask(port, &format!("GET {path}?{query}"), "");
    }
    server.end(Signal::TERM);
    let text = std::fs::read_to_string(&log).unwrap() + &server.stderr.by_ref().map(Result::unwrap).collect::<String>();
    for told in ["GET", "POST"].map(|method| format!("method={method} path=\"{path}\" status=200")) {
        assert!(text.contains(&told), "{told}: {text}");
    }
    assert!(!text.contains("very-secret"), "{text}");
    // Nor is it on disk: the database and what is beside it.
    let mut directories = vec![directory.path().to_owned()];
    while let Some(next) = directories.pop() {
        for path in std::fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                directories.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                assert!(!bytes.windows(11).any(|window| window == b"very-secret"), "{}", path.display());
            }
        }
    }
}
