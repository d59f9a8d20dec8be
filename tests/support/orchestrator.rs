//! The real program, with its own database and port, and a client of its API.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};

use rustix::process::Signal;
use serde_json::Value;

use super::child::Running;
use super::http::{Request, Response};
use super::nanio::{ACCESS_KEY, SECRET_KEY};
use super::nginx::{PrivateNginx, free_port};
use super::postgres;

const PROGRAM: &str = env!("CARGO_BIN_EXE_nanio-orchestrator");

pub const API_KEY: &str = "key-of-the-tests";

/// `nanio-orchestrator serve` for a private nginx.
pub struct Orchestrator {
    // Ended before its directory goes.
    process: Option<Running>,
    pub port: u16,
    directory: tempfile::TempDir,
    managed: PathBuf,
    conf: PathBuf,
    more: Vec<(String, OsString)>,
}

impl Orchestrator {
    /// Starts it and waits until it answers.
    pub fn start(nginx: &PrivateNginx) -> Self {
        Self::start_with(nginx, Vec::new())
    }

    /// Starts it on an empty PostgreSQL database.
    pub fn start_on_postgres(nginx: &PrivateNginx) -> Self {
        Self::start_with(nginx, vec![("DATABASE_URL".to_owned(), postgres::Server::new_database().into())])
    }

    /// Starts it with more settings.
    pub fn start_with(nginx: &PrivateNginx, more: Vec<(String, OsString)>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut orchestrator =
            Self { port: free_port(), directory, managed: nginx.managed(), conf: nginx.conf(), more, process: None };
        orchestrator.restart();
        orchestrator
    }

    /// Starts it again on the same data.
    pub fn restart(&mut self) {
        let mut process = self.launch(&[]);
        let port = self.port;
        process.wait_until("the orchestrator", || is_up(port));
        self.process = Some(process);
    }

    /// The same, where it speaks TLS: it listens when it is up.
    pub fn restart_with_tls(&mut self) {
        let mut process = self.launch(&[]);
        let port = self.port;
        process.wait_until("the orchestrator", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        self.process = Some(process);
    }

    /// Starts it again on the same data with a fault in it (`src/fault.rs`). Returns when it serves or has ended.
    pub fn restart_with(&mut self, faults: &[(&str, &str)]) {
        let mut process = self.launch(faults);
        let port = self.port;
        process.comes("the orchestrator", || is_up(port));
        self.process = Some(process);
    }

    fn launch(&mut self, faults: &[(&str, &str)]) -> Running {
        self.process = None;
        let log = self.directory.path().join("log");
        let configure = |command: &mut Command| {
            self.configure(command);
            command.envs(faults.iter().map(|(key, value)| (format!("NANIO_ORCHESTRATOR_FAULT_{key}"), value)));
        };
        Running::start(Path::new(PROGRAM), configure, &log)
    }

    /// Directory and settings, as a unit would have them.
    fn configure(&self, command: &mut Command) {
        let set = |key: &str| format!("NANIO_ORCHESTRATOR_{key}");
        command.current_dir(self.directory.path());
        command.env(set("DEV"), "false").env(set("HOST"), "127.0.0.1").env(set("PORT"), self.port.to_string());
        command.env(set("API_KEY"), API_KEY).env(set("DB_PATH"), self.database());
        command.env(set("NGINX_CONFIG_DIR"), &self.managed).env(set("NGINX_CONF"), &self.conf);
        command.env(set("MIGRATION_GATE_DIR"), self.gate_dir()).env(set("MIGRATION_GATE_VOLATILE"), "true");
        command.env(set("NGINX_SUDO"), "never").envs(self.more.iter().map(|(key, value)| (set(key), value)));
        command.env(set("S3_ACCESS_KEY"), ACCESS_KEY).env(set("S3_SECRET_KEY"), SECRET_KEY);
    }

    /// How it ended, if it has.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.process.as_mut().unwrap().has_ended()
    }

    /// Ends it in order, as systemd does.
    pub fn stop(&mut self) -> ExitStatus {
        self.process.take().unwrap().end(Signal::TERM)
    }

    /// Runs a line of the unit file as systemd does: with the unit's settings, and the program in its search path.
    pub fn run_unit_line(&self, line: &str) -> Output {
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().unwrap());
        let programs = Path::new(PROGRAM).parent().unwrap();
        command.args(words).env_clear().env("PATH", programs);
        self.configure(&mut command);
        command.output().unwrap()
    }

    /// Where tokens and journals are.
    pub fn gate_dir(&self) -> PathBuf {
        self.directory.path().join("gate")
    }

    /// One more setting, from the next start on.
    pub fn set(&mut self, key: &str, value: &Path) {
        self.more.push((key.to_owned(), value.into()));
    }

    /// SIGKILL, while others may be calling.
    pub fn kill(&self) {
        let process = self.process.as_ref().unwrap();
        process.signal(Signal::KILL);
    }

    pub fn database(&self) -> PathBuf {
        self.directory.path().join("orchestrator.db")
    }

    /// A call, whatever comes of it.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Response {
        self.try_call(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    pub fn try_call(&self, method: &str, path: &str, body: Option<&Value>) -> std::io::Result<Response> {
        let mut request = Request::new(method, path).header("X-Orchestrator-Key", API_KEY);
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(&body.to_string());
        }
        request.try_send(self.port)
    }

    /// A call that must succeed.
    fn must(&self, method: &str, path: &str, body: Option<&Value>) -> Response {
        let answer = self.call(method, path, body);
        assert!(answer.status / 100 == 2, "{method} {path}: {} {}", answer.status, answer.text());
        answer
    }

    pub fn get(&self, path: &str) -> Value {
        self.must("GET", path, None).json()
    }

    pub fn post(&self, path: &str, body: &Value) -> Value {
        self.must("POST", path, Some(body)).json()
    }

    pub fn put(&self, path: &str, body: &Value) -> Value {
        self.must("PUT", path, Some(body)).json()
    }

    pub fn delete(&self, path: &str) {
        self.must("DELETE", path, None);
    }

    /// A call that must be refused with this status; returns the detail.
    pub fn refused(&self, method: &str, path: &str, body: &Value, status: u16) -> String {
        let answer = self.call(method, path, Some(body));
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        match &answer.json()["detail"] {
            Value::String(detail) => detail.clone(),
            other => other.to_string(),
        }
    }
}

fn is_up(port: u16) -> bool {
    Request::get("/api/health").try_send(port).is_ok_and(|answer| answer.status == 200)
}
