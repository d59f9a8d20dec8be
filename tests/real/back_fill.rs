//! A promoted bucket is filled in from the default pool while clients use it, and the orchestrator is killed at each step
//! of it: real nginx, real nodes, real rclone.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::migration::Moving;
use crate::support::nginx::wait_until;
use crate::support::s3;

const CLIENTS: usize = 4;
/// Old objects that each client has for himself, and those that nobody touches.
const OWN: usize = 40;
const UNTOUCHED: usize = 240;

/// Where it is killed: in a portion, with the copier at work and without, and when all is carried over.
const POINTS: [&str; 7] = [
    "gate.frozen",
    "gate.frozen>copier.recorded",
    "gate.frozen>copier.fed",
    "gate.frozen>copier.ended",
    "gate.thawed",
    "copier.ended>store.ended",
    "gate.removed",
];

fn old(number: usize) -> (String, Vec<u8>) {
    (format!("d{}/k{number:03}", number % 7), format!("old {number}").into_bytes())
}

/// One client: what he was told stays true until his next write.
struct Client<'a> {
    port: u16,
    number: usize,
    over: &'a AtomicBool,
    slowed: &'a AtomicU64,
}

impl Client<'_> {
    /// Sends it again as long as it is told to come later, as S3 clients do.
    fn send(&self, method: &str, target: &str, body: &[u8]) -> (u16, Vec<u8>) {
        loop {
            let answer = s3::send(method, target, body, self.port);
            if answer.status != 503 || answer.s3_code() != "SlowDown" {
                return (answer.status, answer.body);
            }
            self.slowed.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Writes, overwrites, deletes and reads its keys until it is over; gives what they hold then, where it knows.
    fn run(&self) -> BTreeMap<String, Option<Vec<u8>>> {
        let mut known: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
        let mut round = 0;
        // What deletes a key first of all must find it deleted at the end, whether or not it was carried over before.
        while !self.over.load(Ordering::SeqCst) || round < 2 * OWN {
            let (key, content) = old(self.number * OWN + (round * 7) % OWN);
            let target = format!("/photos/{key}");
            let (status, body) = self.send("GET", &target, b"");
            match known.get(&key) {
                Some(Some(own)) => assert_eq!((status, &body), (200, own), "{key} in round {round}"),
                Some(None) => assert_eq!(status, 404, "{key} in round {round}: {}", String::from_utf8_lossy(&body)),
                None => assert!(status == 404 || body == content, "{key}: {status}"),
            }
            match (round / OWN + round) % 4 {
                0 => {
                    assert_eq!(self.send("DELETE", &target, b"").0, 204, "{key}");
                    known.insert(key, None);
                }
                1 => {
                    let bulk = format!("<Delete><Object><Key>{key}</Key></Object></Delete>");
                    assert_eq!(self.send("POST", "/photos?delete", bulk.as_bytes()).0, 200, "{key}");
                    known.insert(key, None);
                }
                2 => {
                    let own = format!("own {} {round}", self.number).into_bytes();
                    assert_eq!(self.send("PUT", &target, &own).0, 200, "{key}");
                    known.insert(key, Some(own));
                }
                _ => {}
            }
            round += 1;
        }
        known
    }
}

/// Starts the program anew and lets it kill itself at `point`.
fn die_at(moving: &mut Moving, point: &str) {
    moving.gateway.api.restart_with(&[("POINT", point)]);
    let deadline = Instant::now() + Duration::from_secs(300);
    let status = loop {
        if let Some(status) = moving.gateway.api.has_ended() {
            break status;
        }
        assert!(Instant::now() < deadline, "{point} was not passed");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.signal(), Some(9), "{point}: {status}");
}

#[test]
fn f02_a_back_fill_undoes_nothing_that_clients_do_even_if_the_orchestrator_is_killed_at_any_step() {
    let mut moving = Moving::start();
    let total = CLIENTS * OWN + UNTOUCHED;
    for number in 0..total {
        let (key, content) = old(number);
        moving.first.write("photos", &key, &content);
    }
    moving.second.make("photos");
    let routes = moving.gateway.api.get("/api/vhosts/1/routes");
    let route =
        routes.as_array().unwrap().iter().find(|route| route["path_prefix"] == "/photos/").unwrap()["id"].clone();
    let promoted = json!({"pool_id": moving.pools[1], "allow_orphan": true});
    moving.gateway.api.put(&format!("/api/vhosts/1/routes/{route}"), &promoted);
    moving.gateway.reload();
    let told = moving.gateway.api.post("/api/vhosts/1/buckets/photos/migrate", &Value::Null);
    let id = told["migration_id"].as_i64().unwrap();
    let migration = |moving: &Moving| moving.gateway.api.get(&format!("/api/migrations/{id}"));
    // What was deleted before the journal is on is not known.
    wait_until("the first portion", || migration(&moving)["step"] == "fill");

    let (over, slowed, port) = (AtomicBool::new(false), AtomicU64::new(0), moving.gateway.port);
    let mut expected: BTreeMap<String, Option<Vec<u8>>> =
        (0..total).map(old).map(|(key, content)| (key, Some(content))).collect();
    let ended = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let client = Client { port, number, over: &over, slowed: &slowed };
                scope.spawn(move || client.run())
            })
            .collect();
        wait_until("some objects", || migration(&moving)["objects_done"].as_i64().unwrap() > 20);
        assert_eq!(slowed.load(Ordering::SeqCst), 0, "nobody was turned away");
        moving.gateway.api.kill();
        // What a copier had sent when it died is waited for each time, and is there at once here.
        moving.gateway.api.set("MIGRATION_SETTLE_WAIT", Path::new("2"));
        for point in POINTS {
            die_at(&mut moving, point);
        }
        moving.gateway.api.restart();
        let ended = moving.until_over(id);
        over.store(true, Ordering::SeqCst);
        for client in clients {
            expected.extend(client.join().unwrap());
        }
        ended
    });
    let log = moving.log(id);
    assert_eq!((&ended["phase"], &ended["kind"]), (&json!("done"), &json!("back_fill")), "{ended:#}\n{log}");
    assert!(log.contains("taken up again after a restart"), "{log}");
    for (key, content) in &expected {
        let (status, body) = moving.s3("GET", &format!("/photos/{key}"), b"");
        match content {
            Some(content) => assert_eq!((status, &body), (200, content), "{key}\n{log}"),
            None => assert_eq!(status, 404, "{key}\n{log}"),
        }
    }
    let there: Vec<String> =
        expected.into_iter().filter(|(_, content)| content.is_some()).map(|(key, _)| key).collect();
    assert_eq!(moving.second.keys("photos"), there);
    assert_eq!(moving.first.keys("photos").len(), total, "the default pool is left as it was");
    let block = moving.server_block();
    assert!(!block.contains("migration_id"), "{block}");
    let gate = std::fs::read_dir(moving.gateway.api.database().with_file_name("gate")).unwrap();
    let files: Vec<_> = gate.map(|entry| entry.unwrap().file_name()).filter(|name| name.len() > 32).collect();
    assert!(files.is_empty(), "{files:?}");
}
