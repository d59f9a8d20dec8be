//! A gateway whose clients never pause, and a program that dies again and again.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nanio_orchestrator::adapters::drill::report::Counts;
use nanio_orchestrator::adapters::drill::s3::Target;
use nanio_orchestrator::adapters::drill::{Drill, Plan, forms_taken};
use nanio_orchestrator::adapters::sigv4::Signer;
use nanio_orchestrator::domain::credential::{Keys, Region};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::super::migration::Moving;
use crate::support::nanio::{ACCESS_KEY, Nanio, SECRET_KEY};
use crate::support::nginx::wait_until;

/// The line of the unit file that the book gives.
pub fn exec_stop_post() -> String {
    let book = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md")).unwrap();
    let line = book.split("ExecStopPost=").nth(1).and_then(|rest| rest.split('`').next());
    line.expect("the book names the line of the unit").to_owned()
}

/// What the files of the one token say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    None,
    Source,
    Held,
    Switched,
    Open,
}

/// How a token's files are found after a death.
pub fn token(moving: &Moving) -> Token {
    let there: BTreeSet<String> = token_files(moving);
    let kinds: BTreeSet<&str> = there.iter().filter_map(|name| name.split('.').nth(1)).collect();
    [("held", Token::Held), ("src", Token::Source), ("open", Token::Open), ("switched", Token::Switched)]
        .into_iter()
        .find_map(|(kind, token)| kinds.contains(kind).then_some(token))
        .unwrap_or(Token::None)
}

/// The names of all files of tokens.
pub fn token_files(moving: &Moving) -> BTreeSet<String> {
    let entries = fs::read_dir(moving.gateway.api.gate_dir()).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.split('.').next().is_some_and(|token| token.len() == 32)).collect()
}

/// Clients at work, and the program between two deaths.
pub struct Rig {
    pub moving: Moving,
    drill: Drill,
    runtime: Runtime,
    told: Arc<Mutex<Vec<String>>>,
    /// Which pool serves the bucket at the moment.
    pub at: usize,
    /// Whether a migration was asked for and is not over.
    asked: bool,
    /// What the token was when the program died last, and whether the migration was committed by then.
    death: (Token, bool),
    wrong: Vec<String>,
    label: String,
}

impl Rig {
    pub fn start(clients: usize, objects: usize) -> Self {
        let mut moving = Moving::start();
        // Passes over what was written are no part of this: the first that leaves little is the last but one.
        moving.gateway.api.set("MIGRATION_HOLD_TARGET_MS", Path::new("10000"));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let signer = Arc::new(Signer::new(&Keys::parse(ACCESS_KEY, SECRET_KEY).unwrap(), &Region::default()));
        let forms = runtime.block_on(forms_taken(&target(moving.first.port), &signer, "trial")).unwrap();
        let plan = Plan {
            gateway: target(moving.gateway.port),
            signer,
            bucket: "photos".to_owned(),
            clients,
            objects,
            forms,
            seed: rand_seed(),
            patient: true,
            pace: None,
        };
        let words = told.clone();
        let mut drill = Drill::new(plan, Box::new(move |text| words.lock().unwrap().push(text.to_owned()))).unwrap();
        runtime.block_on(drill.prepare()).unwrap();
        runtime.block_on(async { drill.start() });
        // An upload that waits for the end of the move would keep the first migration from its end.
        drill.release();
        let death = (Token::None, false);
        Self { moving, drill, runtime, told, at: 0, asked: false, death, wrong: Vec::new(), label: String::new() }
    }

    /// Runs the program until it kills itself at `point`, in the migration that is under way or in a new one.
    pub fn die_at(&mut self, point: &str) {
        // Whether there is a last key to copy, say, is up to the clients.
        assert!((0..3).any(|_| self.dies_at(point)), "{point} was not passed");
    }

    /// Whether it did: `false` if the migration is over before that.
    fn dies_at(&mut self, point: &str) -> bool {
        let began = Instant::now();
        self.moving.gateway.api.restart_with(&[("POINT", point)]);
        self.judge();
        self.ask();
        let died = self.until_dead_or_over(point);
        if !died {
            self.over();
            return false;
        }
        let token = token(&self.moving);
        self.death = (token, self.death.1 || matches!(token, Token::Switched | Token::Open));
        self.label = format!("killed at {point}, the token was {token:?}");
        eprintln!("{:6.1} s: {}", began.elapsed().as_secs_f64(), self.label);
        wait_until("the end of the copiers", || copiers(&[&self.moving.first, &self.moving.second]).is_empty());
        true
    }

    /// What systemd does when the program has died.
    pub fn clean_up_as_systemd(&self) {
        let output = self.moving.gateway.api.run_unit_line(&exec_stop_post());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_ne!(token(&self.moving), Token::Held);
    }

    /// Lets the program live until the migration is over.
    pub fn finish(&mut self) {
        let began = Instant::now();
        self.moving.gateway.api.restart_with(&[]);
        self.judge();
        self.ask();
        assert!(!self.until_dead_or_over("no point"));
        self.over();
        eprintln!("{:6.1} s: the migration is over", began.elapsed().as_secs_f64());
    }

    fn ask(&mut self) {
        if std::mem::replace(&mut self.asked, true) {
            return;
        }
        let [src, dst] = [self.moving.pools[self.at], self.moving.pools[1 - self.at]];
        let body = json!({"bucket": "photos", "src_pool_id": src, "dst_pool_id": dst});
        let api = &self.moving.gateway.api;
        // It may die before it answers; and storage that is busy may not have answered it in time.
        wait_until("a migration", || match api.try_call("POST", "/api/migrations", Some(&body)) {
            Ok(answer) if answer.status == 503 => false,
            Ok(answer) => {
                assert_eq!(answer.status / 100, 2, "{}", answer.text());
                true
            }
            Err(_) => true,
        });
    }

    fn until_dead_or_over(&mut self, point: &str) -> bool {
        // A write that the storage answered twice, say, keeps writes from being held for a minute, each time.
        let deadline = Instant::now() + Duration::from_secs(900);
        loop {
            if let Some(status) = self.moving.gateway.api.has_ended() {
                assert_eq!(status.signal(), Some(9), "{point}: {status}");
                return true;
            }
            let newest = self.newest();
            if newest["step"] == "end" {
                return false;
            }
            assert!(Instant::now() < deadline, "{point}: neither passed nor over: {newest:#}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn newest(&self) -> Value {
        let answer = self.moving.gateway.api.try_call("GET", "/api/migrations?limit=1", None);
        answer.map_or(Value::Null, |answer| answer.json()[0].clone())
    }

    fn over(&mut self) {
        let newest = self.newest();
        let log = self.moving.log(newest["id"].as_i64().unwrap());
        assert_eq!((&newest["phase"], &newest["step"]), (&json!("done"), &json!("end")), "{newest:#}\n{log}");
        (self.asked, self.at, self.death) = (false, 1 - self.at, (Token::None, false));
    }

    /// What the clients have found since the program served last: nothing, but for writes that could not be decided about
    /// while nobody was there.
    fn judge(&mut self) {
        let (token, committed) = self.death;
        let undecided = matches!(token, Token::Held | Token::Switched);
        for line in self.told.lock().unwrap().drain(..) {
            let of_upload = line.contains("uploadId=") && committed;
            let slow = line.ends_with(": 503 SlowDown") && (undecided || of_upload);
            // Completed by the program itself, which died of it.
            let cut = of_upload && line.contains(": 502");
            if !slow && !cut {
                self.wrong.push(format!("{}: {line}", self.label));
            }
        }
    }

    /// Lets the clients end, and reads everything once more; what was wrong, and what was counted.
    pub fn end(&mut self) -> (Vec<String>, Counts) {
        self.judge();
        self.death = (Token::None, false);
        self.label = "after all".to_owned();
        let holder = [&self.moving.first, &self.moving.second][self.at];
        let (gateway, node) = (target(self.moving.gateway.port), target(holder.port));
        let Self { runtime, drill, .. } = self;
        runtime.block_on(async {
            drill.stop().await;
            drill.verify(&gateway).await;
            drill.verify(&node).await;
        });
        let counts = self.drill.counts();
        self.judge();
        (std::mem::take(&mut self.wrong), counts)
    }
}

fn target(port: u16) -> Target {
    let address = format!("localhost:{port}");
    Target { host: address.clone(), address }
}

/// Another one in each run; what was drawn is told when a test fails.
fn rand_seed() -> u64 {
    let seed = u64::from(std::process::id());
    eprintln!("seed {seed}");
    seed
}

/// The processes of rclone that copy from or to one of these nodes.
pub fn copiers(nodes: &[&Nanio]) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let ours = processes.filter(|process| {
        let named = |name: &str| fs::read(process.join(name)).unwrap_or_default();
        let environment = String::from_utf8_lossy(&named("environ")).into_owned();
        named("comm") == b"rclone\n" && nodes.iter().any(|node| environment.contains(&node.address()))
    });
    ours.map(|process| process.display().to_string()).collect()
}
