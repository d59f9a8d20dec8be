//! Migrations in bad company: each disturbance of the table in `docs/migration.md` has a test here that is named by its
//! first column, and that asserts what the other two say.

mod begun;
mod crowds;
mod disks;
mod keys;
mod nodes;
mod parked;
mod slow;
mod table;
mod uploads;
mod workers;

use std::path::{Path, PathBuf};

use rustix::process::Pid;
use serde_json::Value;

use super::migration::Moving;
use crate::support::gateway::Gateway;
use crate::support::http::{Request, Response};
use crate::support::nginx::{PrivateNginx, wait_until};
use crate::support::s3;
use begun::Begun;

/// Bucket `photos` on the way from the first pool to the second, and what a test can see and do of it.
pub struct Stress {
    pub moving: Moving,
    gate: PathBuf,
}

impl Stress {
    /// A gateway with short waits, and a bucket with one object.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let nginx = PrivateNginx::new();
        let gate = nginx.gate_dir();
        Self::behind(nginx, &gate, settings)
    }

    /// The same, behind an nginx and with a gate directory of the test's.
    pub fn behind(nginx: PrivateNginx, gate: &Path, settings: &[(&str, &str)]) -> Self {
        // A cutover that is taken back because the machine is busy is tried again, and no test fails for it.
        let usual = [
            ("MIGRATION_GATE_DIR", gate.to_str().unwrap()),
            ("MIGRATION_SETTLE_WAIT", "1"),
            ("MIGRATION_DRAIN_TIMEOUT", "60"),
            ("MIGRATION_MAX_HOLD", "120"),
            ("MIGRATION_CUTOVER_ATTEMPTS", "100"),
        ];
        let settings: Vec<_> = usual.iter().chain(settings).copied().collect();
        let moving = Moving::behind(Gateway::start_with(nginx, &settings));
        let stress = Self { moving, gate: gate.to_owned() };
        assert_eq!(stress.s3("PUT", "/photos", b"").status, 200);
        assert_eq!(stress.put("first", b"there from the beginning"), 200);
        stress
    }

    pub fn port(&self) -> u16 {
        self.moving.gateway.port
    }

    /// A signed request through nginx.
    pub fn s3(&self, method: &str, path: &str, body: &[u8]) -> Response {
        s3::send(method, path, body, self.port())
    }

    /// Writes an object of `photos`; the status.
    pub fn put(&self, key: &str, body: &[u8]) -> u16 {
        self.s3("PUT", &format!("/photos/{key}"), body).status
    }

    /// Reads an object of `photos`.
    pub fn get(&self, key: &str) -> (u16, Vec<u8>) {
        let answer = self.s3("GET", &format!("/photos/{key}"), b"");
        (answer.status, answer.body)
    }

    /// The head of a write is sent.
    pub fn begin_put(&self, key: &str, body: &[u8]) -> Begun {
        Begun::send(self.put_request(key, body), self.port())
    }

    /// The same, and nginx wants the body.
    pub fn begin_put_to_source(&self, key: &str, body: &[u8]) -> Begun {
        let mut begun = self.begin_put(key, body);
        until("a write is let through", || begun.is_let_through());
        begun
    }

    pub fn put_request(&self, key: &str, body: &[u8]) -> Request {
        s3::request("PUT", &format!("/photos/{key}"), &[], body, self.port())
    }

    pub fn migration(&self, id: i64) -> Value {
        self.moving.gateway.api.get(&format!("/api/migrations/{id}"))
    }

    /// The files of the gate directory that end so.
    pub fn gate_files(&self, end: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.gate).unwrap();
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        paths.filter(|path| path.to_string_lossy().ends_with(end)).collect()
    }

    /// The lines that nginx wrote at the begin of writes of keys that begin so.
    pub fn started(&self, key: &str) -> Vec<Value> {
        let path = &self.gate_files(".journal")[0];
        let bytes = std::fs::read(path).unwrap();
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        let lines = lines.map(|line| serde_json::from_slice::<Value>(line).unwrap());
        let start = format!("/photos/{key}");
        let is_start = |line: &Value| line["e"] == "start" && line["u"].as_str().unwrap().starts_with(&start);
        lines.filter(is_start).collect()
    }

    /// How many they are.
    pub fn count_started(&self, key: &str) -> usize {
        let text = std::fs::read_to_string(&self.gate_files(".journal")[0]).unwrap();
        let of_key = format!(r#""u":"/photos/{key}"#);
        text.lines().filter(|line| line.contains(r#""e":"start""#) && line.contains(&of_key)).count()
    }

    /// The worker of nginx that a write is with.
    pub fn worker_of(&self, key: &str) -> Pid {
        until("a write is in the journal", || !self.started(key).is_empty());
        Pid::from_raw(self.started(key)[0]["pid"].as_i64().unwrap() as i32).unwrap()
    }

    pub fn is_held(&self) -> bool {
        !self.gate_files(".held").is_empty()
    }

    /// Waits until writes flow to the source again.
    pub fn until_taken_back(&self) {
        until("writes flow again", || !self.gate_files(".src").is_empty());
    }

    /// Waits until the log of a migration says something.
    pub fn until_said(&self, id: i64, words: &str) {
        wait_until(words, || self.moving.log(id).contains(words));
    }

    /// Keeps a write under way at each moment, none of them for long, until writes are held. The write that is then
    /// under way holds the switch up for as long as the test wants; another one may wait at the gate.
    pub fn write_until_held(&self) -> UnderWay {
        let mut last: Option<Begun> = None;
        for number in 0.. {
            let mut next = self.begin_put(&format!("under-way-{number}"), format!("body {number}").as_bytes());
            let mut through = false;
            until("a write is let through or held", || {
                through = next.is_let_through();
                through || self.is_held()
            });
            let before = last.take();
            match (self.is_held(), through) {
                (true, true) => return UnderWay { number, through: next, other: before },
                (true, false) => {
                    let through = before.expect("a write was under way when writes were held");
                    return UnderWay { number: number - 1, through, other: Some(next) };
                }
                (false, _) => {
                    last = Some(next);
                    if let Some(before) = before {
                        assert_eq!(before.end().status, 200);
                    }
                }
            }
        }
        unreachable!("numbers do not end")
    }

    /// Waits for the end, which must be a good one, with both sides equal.
    pub fn until_done(&self, id: i64) -> Value {
        let over = self.moving.until_over(id);
        assert_eq!(over["phase"], "done", "{over:#}\n{}", self.moving.log(id));
        over
    }
}

/// Writes when writes began to be held.
pub struct UnderWay {
    /// The number of `through`.
    pub number: usize,
    /// On its way to the source.
    pub through: Begun,
    /// The one before, or the next one, which waits.
    pub other: Option<Begun>,
}

impl UnderWay {
    /// Ends the one that holds everything up.
    pub fn end_through(self) {
        assert_eq!(self.through.end().status, 200);
    }

    /// Ends them; each must succeed.
    pub fn end(self) {
        assert_eq!(self.through.end().status, 200);
        if let Some(other) = self.other {
            assert_eq!(other.end().status, 200);
        }
    }
}

/// As `wait_until`, for what changes while it is asked.
pub fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let ready = std::cell::RefCell::new(&mut ready);
    wait_until(what, || ready.borrow_mut()());
}
