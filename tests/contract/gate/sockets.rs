//! The gate's socket, asked as nginx asks it.

use std::collections::{BTreeSet, HashSet};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nanio_orchestrator::adapters::gate::GateDirectory;
use nanio_orchestrator::adapters::nginx::running::RunningNginx;
use nanio_orchestrator::domain::bucket::BucketName;
use nanio_orchestrator::domain::credential::Region;
use nanio_orchestrator::domain::migration::token::Token;
use nanio_orchestrator::domain::migration::touched::HeldKeys;
use nanio_orchestrator::domain::pool::PoolName;
use nanio_orchestrator::domain::site::Site;
use nanio_orchestrator::ports::gate::{Admission, Carrier, Destination, Gate};
use tokio::task::JoinHandle;

use super::adapters::{Disk, ask, options, question};

struct NoCarrier;

#[async_trait]
impl Carrier for NoCarrier {
    async fn carry(&self, key: &str) -> Result<(), String> {
        Err(format!("{key} is not to be carried"))
    }
}

fn named(pool: &str) -> PoolName {
    PoolName::parse(pool).unwrap()
}

fn to_destination() -> Admission {
    Admission::Destination(Arc::new(Destination {
        bucket: BucketName::parse("photos").unwrap(),
        pool: named("new"),
        source: named("old"),
        source_site: Site { members: Vec::new(), endpoint: None, region: Region::default(), keys: None },
        uploads: BTreeSet::from(["up/1".to_owned()]),
        carrier: Arc::new(NoCarrier),
    }))
}

async fn serving() -> (Disk, Token) {
    let mut disk = Disk::new().await;
    let token = disk.gate.create().await.unwrap();
    disk.serve();
    (disk, token)
}

fn asked(disk: &Disk, token: &Token, id: &str, more: &str) -> JoinHandle<String> {
    tokio::spawn(ask(disk.directory().join("gate.sock"), question(token, id, more)))
}

async fn target(disk: &Disk, token: &Token, more: &str) -> String {
    let answer = asked(disk, token, "r", more).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 204"), "{answer}");
    answer.lines().find_map(|line| line.strip_prefix("x-target: ")).unwrap().to_owned()
}

async fn arrived(disk: &Disk, token: &Token, count: usize) -> HashSet<String> {
    loop {
        let arrived = disk.gate.arrived(token);
        if arrived.len() == count {
            return arrived;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_write_waits_for_the_decision_and_is_told_the_pool() {
    let (disk, token) = serving().await;
    let held = asked(&disk, &token, "r1", "");
    arrived(&disk, &token, 1).await;
    disk.gate.admit(&token, Admission::Hold);
    assert!(!held.is_finished());
    disk.gate.admit(&token, Admission::Source(named("old")));
    assert!(held.await.unwrap().contains("x-target: old\r\n"));
    assert_eq!(target(&disk, &token, "").await, "old");
    disk.gate.admit(&token, to_destination());
    assert_eq!(target(&disk, &token, "").await, "new");
}

#[tokio::test]
async fn while_keys_are_held_writes_of_others_pass() {
    let (disk, token) = serving().await;
    let held = HeldKeys::of(["a b".to_owned()]);
    disk.gate.admit(&token, Admission::HoldKeys(Arc::new(held), named("pool")));
    let write = |style: &str, method: &str, uri: &str| {
        format!("X-Bucket-Style: {style}\r\nX-Original-Method: {method}\r\nX-Original-URI: {uri}\r\n")
    };
    for other in [write("path", "PUT", "/photos/c"), write("host", "DELETE", "/c?x-id=DeleteObject")] {
        assert_eq!(target(&disk, &token, &other).await, "pool");
    }
    let waiting = [
        write("path", "PUT", "/photos/a%20b"),
        write("host", "DELETE", "/a%20b"),
        write("path", "POST", "/photos?delete"),
        write("", "PUT", "/photos/c"),
    ];
    let waiting: Vec<_> =
        waiting.iter().enumerate().map(|(number, more)| asked(&disk, &token, &format!("w{number}"), more)).collect();
    arrived(&disk, &token, waiting.len()).await;
    disk.gate.admit(&token, Admission::Source(named("pool")));
    for answer in waiting {
        assert!(answer.await.unwrap().contains("x-target: pool\r\n"));
    }
}

#[tokio::test]
async fn hundreds_wait_at_the_same_time_and_all_go_on() {
    let (disk, token) = serving().await;
    disk.gate.admit(&token, Admission::Hold);
    let held: Vec<_> = (0..300).map(|number| asked(&disk, &token, &format!("r{number}"), "")).collect();
    arrived(&disk, &token, 300).await;
    disk.gate.admit(&token, to_destination());
    for answer in held {
        assert!(answer.await.unwrap().contains("x-target: new\r\n"));
    }
    assert_eq!(disk.gate.arrived(&token), HashSet::new());
}

#[tokio::test]
async fn an_upload_that_began_on_the_source_stays_there_and_its_completion_is_relayed() {
    let (disk, token) = serving().await;
    disk.gate.admit(&token, to_destination());
    let upload = |method: &str, id: &str| format!("X-Original-Method: {method}\r\nX-Upload-Id: {id}\r\n");
    assert_eq!(target(&disk, &token, &upload("PUT", "up%2F1")).await, "old");
    assert_eq!(target(&disk, &token, &upload("DELETE", "up/1")).await, "old");
    assert_eq!(target(&disk, &token, &upload("POST", "up%2f1")).await, "nanio_relay");
    assert_eq!(target(&disk, &token, &upload("POST", "another")).await, "new");
}

#[tokio::test]
async fn a_canary_is_seen_and_goes_nowhere() {
    let (disk, token) = serving().await;
    disk.gate.admit(&token, to_destination());
    let uri = "X-Original-URI: /photos/.nanio-canary-77?x=/k\r\n";
    let answer = asked(&disk, &token, "c1", uri).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 403"), "{answer}");
    assert_eq!(disk.gate.arrived(&token), HashSet::from(["c1".to_owned()]));
    assert_eq!(target(&disk, &token, "X-Original-URI: /photos/k?/.nanio-canary-7\r\n").await, "new");
    disk.gate.forget(&token);
    assert_eq!(disk.gate.arrived(&token), HashSet::new());
}

#[tokio::test]
async fn who_goes_away_waits_no_longer() {
    let (disk, token) = serving().await;
    let held = asked(&disk, &token, "r1", "");
    arrived(&disk, &token, 1).await;
    held.abort();
    assert_eq!(arrived(&disk, &token, 0).await, HashSet::new());
}

#[tokio::test]
async fn without_a_decision_a_write_is_told_to_come_again() {
    let disk = Disk::new().await;
    let running = RunningNginx::new(&disk.nginx.managed(), disk.nginx.command()).await.unwrap();
    let mut options = options(&disk.directory());
    options.hold = Duration::ZERO;
    let gate = GateDirectory::new(options, running);
    let token = gate.create().await.unwrap();
    let _server = gate.serve().unwrap();
    for request in [question(&token, "r1", ""), question(&token, "r1", "X-Original-URI: /photos/k\r\n")] {
        let answer = ask(disk.directory().join("gate.sock"), request).await;
        assert!(answer.starts_with("HTTP/1.0 503"), "{answer}");
    }
    for request in ["GET /gate/none HTTP/1.0\r\nX-Request-Id: r\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"] {
        let answer = ask(disk.directory().join("gate.sock"), request.into()).await;
        assert!(answer.starts_with("HTTP/1.0 404"), "{answer}");
    }
}

#[tokio::test]
async fn a_directory_has_one_server_and_the_next_takes_its_place() {
    let (mut disk, token) = serving().await;
    let running = RunningNginx::new(&disk.nginx.managed(), disk.nginx.command()).await.unwrap();
    let second = GateDirectory::new(options(&disk.directory()), running);
    let told = second.serve().err().unwrap().to_string();
    assert!(told.contains("another orchestrator"), "{told}");
    disk.reborn().await;
    disk.serve();
    disk.gate.admit(&token, to_destination());
    assert_eq!(target(&disk, &token, "").await, "new");
}

#[tokio::test]
async fn a_socket_that_cannot_be_made_is_named_and_the_place_is_free_again() {
    let disk = Disk::new().await;
    disk.gate.create().await.unwrap();
    let path = disk.directory().join("relay.sock");
    std::fs::create_dir(&path).unwrap();
    let told = disk.gate.serve().err().unwrap().to_string();
    assert!(told.contains(&path.display().to_string()), "{told}");
    std::fs::remove_dir(&path).unwrap();
    disk.gate.serve().unwrap();
}

#[tokio::test]
async fn the_sockets_are_of_no_use_to_strangers() {
    let (disk, token) = serving().await;
    disk.gate.admit(&token, to_destination());
    std::fs::set_permissions(disk.nginx.dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    let socket = disk.directory().join("gate.sock");
    let asked_as = async |user: &str| {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid",
            user,
            "--clear-groups",
            "curl",
            "-sS",
            "-m",
            "20",
            "-H",
            "X-Request-Id: r",
            "-D",
            "-",
        ]);
        command.arg("--unix-socket").arg(&socket).arg(format!("http://gate/gate/{token}"));
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(asked_as("0").await.contains("x-target: new"));
    assert_eq!(asked_as("65533").await, "");
}
