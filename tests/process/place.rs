//! A data directory with a server in dry-run mode, and a client of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{Server, free_port, program};
use crate::support::http::{Request, Response};

pub const KEY: &str = "key-of-the-tests";

/// The directory; its paths stay the same, so that what is restored there is what was kept.
pub struct Place {
    pub directory: tempfile::TempDir,
    pub port: u16,
}

impl Place {
    pub fn new() -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap(), port: free_port() };
        fs::create_dir(place.data()).unwrap();
        place
    }

    /// Where database and copies are.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The database's path with something behind it.
    pub fn beside(&self, more: &str) -> PathBuf {
        self.data().join(format!("orchestrator.db{more}"))
    }

    /// A copy: nothing, `.2`, `.3` …
    pub fn copy(&self, more: &str) -> PathBuf {
        self.beside(&format!(".bak{more}"))
    }

    /// The program with the settings of this place.
    pub fn command(&self) -> Command {
        let mut command = program(self.directory.path());
        command.env("NANIO_ORCHESTRATOR_DEV", "true").env("NANIO_ORCHESTRATOR_HOST", "127.0.0.1");
        command.env("NANIO_ORCHESTRATOR_API_KEY", KEY).env("NANIO_ORCHESTRATOR_DB_PATH", self.beside(""));
        command.env("NANIO_ORCHESTRATOR_PORT", self.port.to_string());
        command
    }

    pub fn serve(&self) -> Command {
        let mut command = self.command();
        command.arg("serve");
        command
    }

    pub fn start(&self, command: Command) -> Server {
        Server::start(command)
    }

    pub fn try_ask(&self, method: &str, path: &str, body: &Value) -> std::io::Result<Response> {
        let mut request = Request::new(method, path).header("X-Orchestrator-Key", KEY);
        if !body.is_null() {
            request = request.header("Content-Type", "application/json").body(&body.to_string());
        }
        request.try_send(self.port)
    }

    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Response {
        self.try_ask(method, path, body).unwrap()
    }

    pub fn try_post(&self, path: &str) -> std::io::Result<Response> {
        self.try_ask("POST", path, &Value::Null)
    }

    fn must(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.ask(method, path, body);
        assert!(answer.status / 100 == 2, "{method} {path}: {} {}", answer.status, answer.text());
        answer.json()
    }

    pub fn get(&self, path: &str) -> Value {
        self.must("GET", path, &Value::Null)
    }

    pub fn post(&self, path: &str, body: &Value) -> Value {
        self.must("POST", path, body)
    }

    pub fn make_pool(&self, name: &str) -> Value {
        self.post("/api/pools", &json!({"name": name}))
    }

    /// The cookie of a new session.
    pub fn log_in(&self) -> String {
        let form = Request::new("POST", "/login").header("Content-Type", "application/x-www-form-urlencoded");
        let answer = form.body(&format!("key={KEY}")).send(self.port);
        let cookie = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
        cookie.split(';').next().unwrap().to_owned()
    }

    /// A call as the page of a browser makes it.
    pub fn with_cookie(&self, method: &str, path: &str, cookie: &str) -> Response {
        let origin = format!("http://localhost:{}", self.port);
        Request::new(method, path).header("Cookie", cookie).header("Origin", &origin).send(self.port)
    }

    /// The names of the pools that the server knows, by id.
    pub fn pools(&self) -> Vec<String> {
        let mut pools = self.get("/api/pools").as_array().unwrap().clone();
        pools.sort_by_key(|pool| pool["id"].as_i64());
        pools.iter().map(|pool| pool["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Keeps the state of the place in another directory.
    pub fn keep(&self, to: &Path) {
        copy_all(self.directory.path(), to);
    }

    /// Puts a state that was kept in the place of what is here.
    pub fn restore(&self, from: &Path) {
        for entry in fs::read_dir(self.directory.path()).unwrap() {
            let path = entry.unwrap().path();
            fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path)).unwrap();
        }
        copy_all(from, self.directory.path());
    }
}

/// `cp -a` of what is in a directory.
fn copy_all(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap();
    assert!(status.success(), "cp -a {} {}", from.display(), to.display());
}

/// The names of the points that a program passed.
pub fn passed(log: &Path) -> Vec<String> {
    fs::read_to_string(log).unwrap_or_default().lines().map(str::to_owned).collect()
}
