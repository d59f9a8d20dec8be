//! A directory with a private nginx and one orchestrator after the other, each killed or ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::script::{BACK, MANAGED, Scene, Step};
use crate::support::http::Request;
use crate::support::nginx::{PrivateNginx, free_port, snapshot};

const KEY: &str = "a key of the tests";
const ENV_FILE: &str = "data/config.env";
/// Long enough that what is written over it in place is shorter and longer.
const ENV_TEXT: &str =
    "# Migrations\n# NANIO_ORCHESTRATOR_MIGRATION_CHECKERS=the default\nNANIO_ORCHESTRATOR_MIGRATION_TRANSFERS=4\n";

/// The place of one worker. Its paths stay the same, so that what is restored there is what was kept.
pub struct Rig {
    nginx: PrivateNginx,
    kept: tempfile::TempDir,
    port: u16,
    pub listen: u16,
}

/// What the world can see of the state, without times.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub entities: Value,
    pub files: Value,
    /// The newest entry last.
    pub audit: Vec<Value>,
    /// The newest one first.
    pub revisions: Vec<Value>,
    pub disk: BTreeMap<PathBuf, Vec<u8>>,
}

impl Rig {
    pub fn new() -> Self {
        let mut nginx = PrivateNginx::in_directory(directory());
        fs::create_dir(nginx.dir.path().join("data")).unwrap();
        fs::write(nginx.dir.path().join(ENV_FILE), ENV_TEXT).unwrap();
        nginx.start();
        Self { nginx, kept: directory(), port: free_port(), listen: free_port() }
    }

    fn dir(&self) -> &Path {
        self.nginx.dir.path()
    }

    /// Starts an orchestrator. `Err`: it was killed on the way, as `fault` asked.
    pub fn start(&self, fault: Option<&str>) -> Result<Server, Killed> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nanio-orchestrator"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(self.dir());
        for (name, value) in [
            ("DEV", "false".into()),
            ("API_KEY", KEY.into()),
            ("HOST", "127.0.0.1".into()),
            ("PORT", self.port.to_string()),
            ("DB_PATH", self.dir().join("data/orchestrator.db").display().to_string()),
            ("MIGRATION_GATE_DIR", self.nginx.dir.path().join("gate").display().to_string()),
            ("MIGRATION_GATE_VOLATILE", "true".into()),
            ("NGINX_CONFIG_DIR", self.nginx.managed().display().to_string()),
            ("NGINX_CONF", self.nginx.conf().display().to_string()),
            ("NGINX_SUDO", "never".into()),
            ("CONFIG_FILE", self.dir().join(ENV_FILE).display().to_string()),
            ("FAULT_LOG", self.log().display().to_string()),
        ] {
            command.env(format!("NANIO_ORCHESTRATOR_{name}"), value);
        }
        if let Some(fault) = fault {
            command.env("NANIO_ORCHESTRATOR_FAULT_POINT", fault);
        }
        let _ = fs::remove_file(self.log());
        let mut child = command
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program is built with the tests");
        let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        for line in stderr.by_ref() {
            said.push(line.unwrap());
            if said.last().is_some_and(|line| line.contains("starting on")) {
                let at_start = self.passed().len();
                return Ok(Server { child, at_start, _stderr: stderr });
            }
        }
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "the orchestrator did not start:\n{}", said.join("\n"));
        Err(Killed)
    }

    fn log(&self) -> PathBuf {
        self.dir().join("fault.log")
    }

    /// The names of the points that the last orchestrator passed.
    pub fn passed(&self) -> Vec<String> {
        fs::read_to_string(self.log()).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// Asks the orchestrator. `None`: it gave no answer.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        let mut request = Request::new(method, path).header("X-Orchestrator-Key", KEY);
        if !body.is_null() {
            request = request.header("Content-Type", "application/json").body(&body.to_string());
        }
        let answer = request.try_send(self.port).ok()?;
        Some((answer.status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null)))
    }

    pub fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, &Value::Null).unwrap_or_else(|| panic!("GET {path}: no answer"));
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }

    /// Everything that the API and the disk tell.
    pub fn look(&self) -> Seen {
        let list = |value: Value| value.as_array().cloned().unwrap_or_default();
        let mut entities = Vec::new();
        for (kind, parts) in [("pools", "members"), ("vhosts", "routes")] {
            for mut entity in list(self.get(&format!("/api/{kind}"))) {
                let inner = self.get(&format!("/api/{kind}/{}/{parts}", entity["id"]));
                entity[parts] = inner;
                entities.push(entity);
            }
        }
        let files = list(self.get("/api/config/status")["files"].take());
        let file = |file: Value| {
            // A sidecar holds times, so its hash is another one in each run.
            let timed = file["path"].as_str().is_some_and(|path| path.ends_with(".meta.json"));
            let hashes =
                if timed { json!(file["sha256_disk"] == file["sha256_db"]) } else { file["sha256_disk"].clone() };
            json!([file["path"], hashes, file["sha256_db"].is_null(), file["drifted"]])
        };
        let entry =
            |entry: Value| json!([entry["action"], entry["entity_type"], entry["entity_id"], entry["nginx_reload_ok"]]);
        let mut audit: Vec<Value> = list(self.get("/api/audit?per_page=200")).into_iter().map(entry).collect();
        audit.reverse();
        let revision = |one: Value| json!([one["number"], one["entries"], one["files"]]);
        let revisions = list(self.get("/api/config/revisions?limit=1000")).into_iter().map(revision).collect();
        let mut disk: BTreeMap<_, _> =
            snapshot(&self.nginx.managed()).into_iter().map(without_times_in_sidecars).collect();
        disk.insert(ENV_FILE.into(), fs::read(self.dir().join(ENV_FILE)).unwrap());
        Seen {
            entities: without_times(Value::from(entities)),
            files: files.into_iter().map(file).collect(),
            audit,
            revisions,
            disk,
        }
    }

    /// Where database, disk and nginx are not of one opinion.
    pub fn disagreement(&self, seen: &Seen) -> Vec<String> {
        let drifted = seen.files.as_array().into_iter().flatten().filter(|file| file[3] != json!(false));
        let mut wrong: Vec<String> = drifted.map(|file| format!("drifted: {file}")).collect();
        let mut disk = seen.disk.clone();
        // No entity has this one: the status above compares it with what was written.
        disk.retain(|path, _| {
            path.extension().is_some_and(|end| end == "conf") && !path.ends_with("pools/00-nanio.conf")
        });
        if self.rendered() != disk {
            wrong.push("the files are not what the database says".to_owned());
        }
        wrong.extend(self.sidecar_faults(seen));
        if !self.nginx_accepts() {
            wrong.push("nginx -t refuses the files".to_owned());
        }
        wrong
    }

    /// Where the sidecars are not what the database says.
    fn sidecar_faults(&self, seen: &Seen) -> Vec<String> {
        let mut expected = BTreeSet::new();
        let mut faults = Vec::new();
        for entity in seen.entities.as_array().unwrap() {
            let (kind, name, id) = match entity["name"].as_str() {
                Some(name) => ("pools", name, "pool_id"),
                None => ("vhosts", entity["server_name"].as_str().unwrap(), "vhost_id"),
            };
            let path = self.nginx.managed().join(kind).join(format!("{name}.meta.json"));
            let said: Value = seen.disk.get(&path).map_or(Value::Null, |bytes| serde_json::from_slice(bytes).unwrap());
            let mut same = said[id] == entity["id"];
            for field in ["type", "description", "keepalive", "lb_method", "listen_port", "ssl", "default_pool_id"] {
                same &= said[field] == entity[field];
            }
            let held = |entity: &Value, keep: &dyn Fn(&Value) -> bool| -> Vec<Value> {
                let list = entity["members"].as_array().or_else(|| entity["routes"].as_array()).unwrap();
                let mut ids: Vec<Value> =
                    list.iter().filter(|item| keep(item)).map(|item| item["id"].clone()).collect();
                ids.sort_by_key(Value::as_i64);
                ids
            };
            let off = entity["enabled"] == json!(false);
            let wanted = |item: &Value| kind == "pools" || off || item["enabled"] == json!(false);
            same &= said[id].is_i64() && held(&said, &|_| true) == held(entity, &wanted);
            if !same {
                faults.push(format!("{}: {said} is not {entity}", path.display()));
            }
            expected.insert(path);
        }
        expected.insert(self.nginx.managed().join("ids.meta.json"));
        let stray = seen.disk.keys().filter(|path| path.to_string_lossy().ends_with(".meta.json"));
        faults.extend(stray.filter(|path| !expected.contains(*path)).map(|path| format!("stray: {}", path.display())));
        faults
    }

    /// The files that the API would write now.
    fn rendered(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        for (kind, noun) in [("pools", "pool"), ("vhosts", "vhost")] {
            for entity in self.get(&format!("/api/{kind}")).as_array().unwrap() {
                if entity["enabled"] == json!(false) {
                    continue;
                }
                let preview = self.get(&format!("/api/config/preview/{noun}/{}", entity["id"]));
                if let Some(content) = preview["content"].as_str() {
                    files.insert(preview["filepath"].as_str().unwrap().into(), content.as_bytes().to_vec());
                }
            }
        }
        files
    }

    pub fn nginx_accepts(&self) -> bool {
        self.nginx.accepts_live_tree()
    }

    /// Files on their way that nobody will ever bring there.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut dirs = vec![self.dir().to_owned()];
        while let Some(dir) = dirs.pop() {
            let kept = dir.ends_with(".nanio/old") || dir.ends_with(".nanio/new");
            for entry in fs::read_dir(&dir).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if path.is_dir() {
                    dirs.push(path);
                } else if kept
                    || [".tmp", ".settings", ".bak.new", ".begun", "intent.json"].iter().any(|end| name.ends_with(end))
                {
                    found.push(path);
                }
            }
        }
        found
    }

    /// Keeps the state on disk under a name.
    pub fn keep(&self, name: &str) {
        let to = self.kept.path().join(name);
        let _ = fs::remove_dir_all(&to);
        fs::create_dir(&to).unwrap();
        copy(&[&self.nginx.managed(), &self.dir().join("data")], &to);
        let _ = fs::remove_dir_all(to.join(ENV_FILE).with_extension("env.tmp"));
    }

    /// Puts a state that was kept in the place of what is there, and sets the scene.
    pub fn restore(&self, name: &str, scene: Scene) {
        for gone in ["nanio", "data", "nanio-candidate.conf"] {
            let path = self.dir().join(gone);
            let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
        }
        let _ = fs::remove_file(self.dir().join("nanio-candidate.conf.tmp"));
        let from = self.kept.path().join(name);
        copy(&[&from.join("nanio"), &from.join("data")], self.dir());
        match scene {
            Scene::Plain => {}
            Scene::NoCandidate => {
                let place = self.dir().join("nanio-candidate.conf");
                fs::create_dir(&place).unwrap();
                fs::write(place.join("in the way"), "").unwrap();
            }
            Scene::Reweighed => {
                let edited = self.nginx.managed().join("pools/alpha.conf");
                let text = fs::read_to_string(&edited).unwrap();
                let (before, rest) = text.split_once("weight=").unwrap();
                let (weight, behind) = rest.split_once(' ').unwrap();
                let heavier = weight.parse::<u32>().unwrap() + 1;
                fs::remove_file(&edited).unwrap();
                fs::write(&edited, format!("{before}weight={heavier} {behind}")).unwrap();
            }
            Scene::Planned => {
                let staged = self.nginx.managed().join(".nanio/staging/pools/alpha.conf");
                let text = fs::read_to_string(&staged).unwrap();
                // A file of its own, as a plan makes one.
                fs::remove_file(&staged).unwrap();
                fs::write(&staged, text.replace("weight=", "weight=9")).unwrap();
            }
            Scene::NoFileBeside => {
                fs::create_dir_all(self.dir().join(ENV_FILE).with_extension("env.tmp").join("in the way")).unwrap();
            }
            Scene::Edited => {
                let managed = self.nginx.managed();
                let edited = managed.join("pools/alpha.conf");
                let text = fs::read_to_string(&edited).unwrap();
                // A new file: the old one may have other names.
                fs::remove_file(&edited).unwrap();
                fs::write(&edited, format!("{text}# by hand\n")).unwrap();
                // What a refused change leaves where candidates are tested.
                fs::write(managed.join(".nanio/staging/pools/refused.conf"), "upstream refused {}\n").unwrap();
                let foreign = "# managed by nanio-orchestrator\n# of a time before\n";
                fs::write(managed.join("vhosts/old.example.conf"), foreign).unwrap();
            }
        }
    }

    /// Sends the step's request.
    pub fn take(&self, step: &Step) -> Option<(u16, Value)> {
        let managed = self.nginx.managed().display().to_string();
        let body = step.body.to_string().replace(MANAGED, &managed);
        let path = match step.path.split_once(BACK).and_then(|(start, rest)| Some((start, rest.split_once('}')?))) {
            None => step.path.to_owned(),
            Some((start, (back, end))) => format!("{start}{}{end}", self.newest() - back.parse::<u64>().unwrap()),
        };
        self.ask(step.method, &path, &serde_json::from_str(&body).unwrap())
    }

    /// The number of the last accepted change, without asking for it: an answer is a point, too.
    fn newest(&self) -> u64 {
        let files = fs::read_dir(self.dir().join("data/revisions")).unwrap();
        let complete = files.filter_map(|file| file.unwrap().file_name().to_str()?.strip_suffix(".json")?.parse().ok());
        complete.max().unwrap()
    }
}

/// A directory in memory, if the machine has such: a kill leaves the same there as on a disk, and a thousand
/// times nothing waits for one.
fn directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
}

/// `cp -a`: hard links stay hard links.
fn copy(from: &[&Path], to: &Path) {
    let status = Command::new("cp").arg("-a").args(from).arg(to).status().unwrap();
    assert!(status.success(), "cp -a {from:?} {}", to.display());
}

fn without_times(value: Value) -> Value {
    match value {
        Value::Array(list) => list.into_iter().map(without_times).collect(),
        Value::Object(object) => Value::Object(
            object
                .into_iter()
                // After a rebuild from disk the revisions begin with the time.
                .filter(|(key, _)| !key.ends_with("_at") && key != "revision")
                .map(|(key, value)| (key, without_times(value)))
                .collect(),
        ),
        other => other,
    }
}

/// The orchestrator killed itself, as it was asked to.
#[derive(Debug)]
pub struct Killed;

/// An orchestrator that serves.
pub struct Server {
    child: Child,
    /// How many points it had passed when it began to serve.
    pub at_start: usize,
    // Kept open, so that the program can go on speaking.
    _stderr: Lines<BufReader<ChildStderr>>,
}

impl Server {
    /// Ends it in order.
    pub fn end(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    /// Ends it at once.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it has killed itself.
    pub fn expect_killed(mut self, at: &str) {
        // A fault that is never reached must not hang the test.
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "{at}: {status}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file without the times that a sidecar holds.
fn without_times_in_sidecars((path, bytes): (PathBuf, Vec<u8>)) -> (PathBuf, Vec<u8>) {
    if !path.to_string_lossy().ends_with(".meta.json") {
        return (path, bytes);
    }
    let text = String::from_utf8(bytes).unwrap();
    let lines = text.lines().filter(|line| !line.contains("_at\": \"")).map(|line| format!("{line}\n"));
    // What is left is still JSON: each object ends with a field that is no time.
    let text: String = lines.collect();
    (path, text.replace(",\n    }", "\n    }").replace(",\n      }", "\n      }").into_bytes())
}
