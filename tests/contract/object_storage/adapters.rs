//! How each adapter is set up: one sound node with known buckets, and nodes that fail, each in its way.
//!
//! `full` holds an object `key` of one byte, `bare` nothing, `many` the objects of [`many`], and in `busy` two uploads
//! are under way.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use nanio_orchestrator::adapters::fake::object_storage::FakeStorage;
use nanio_orchestrator::adapters::s3::NodeStorage;
use nanio_orchestrator::adapters::sigv4::Signer;
use nanio_orchestrator::domain::credential::{Keys, Region};
use nanio_orchestrator::domain::pool::Address;
use nanio_orchestrator::domain::site::Site;
use nanio_orchestrator::domain::time::Timestamp;
use nanio_orchestrator::ports::object_storage::ObjectStorage;

use crate::support::nanio::{ACCESS_KEY, Nanio, SECRET_KEY};
use crate::support::nginx::free_port;
use crate::support::odd_nodes::OddNode;

pub struct Rig {
    /// The adapter.
    pub storage: Arc<dyn ObjectStorage>,
    /// The sound node.
    pub node: Address,
    /// A node that takes no connection.
    pub down: Address,
    /// Nodes without a usable answer, and what is wrong with each.
    pub failing: Vec<(&'static str, Address)>,
    // Nodes that end with the rig.
    _alive: Vec<Box<dyn Any + Send + Sync>>,
}

impl Rig {
    /// The site of these members, with the right keys.
    pub fn site(&self, members: &[&Address]) -> Site {
        Site {
            members: members.iter().copied().cloned().collect(),
            endpoint: None,
            region: Region::default(),
            keys: Some(keys(SECRET_KEY)),
        }
    }

    /// The site of the sound node.
    pub fn sound(&self) -> Site {
        self.site(&[&self.node])
    }

    /// The same with keys that the node does not know.
    pub fn stranger(&self) -> Site {
        Site { keys: Some(keys("another secret")), ..self.sound() }
    }
}

/// The keys of the bucket `many`, with their sizes, in order.
///
/// None has a name that begins as one of the directories: nanio 0.1.7 lists `n-other` behind `n/…`, takes it for one
/// of an earlier page there, and leaves it out of a listing of several pages.
pub fn many() -> Vec<(String, u64)> {
    let mut keys: Vec<(String, u64)> = (0..1203).map(|number| (format!("n/{number:04}"), 2)).collect();
    keys.extend(["a b+c", "d&<e>'\"", "ü/é", "m/other"].map(|key| (key.to_owned(), 3)));
    keys.sort();
    keys
}

pub fn keys(secret: &str) -> Keys {
    Keys::parse(ACCESS_KEY, secret).unwrap()
}

fn local(port: u16) -> Address {
    Address::parse(&format!("127.0.0.1:{port}")).unwrap()
}

fn socket() -> (&'static str, Address) {
    ("a unix socket", Address::parse("unix:/run/nanio.sock").unwrap())
}

pub async fn memory() -> Rig {
    let storage = FakeStorage::default();
    let (node, down) = (local(9000), local(9001));
    storage.fill("full");
    for (key, size) in many() {
        storage.put("many", &key, size);
    }
    for key in ["up/a", "down/b"] {
        storage.begin_upload("busy", key, &format!("id of {key}"));
    }
    storage.set_time(Timestamp::of_naive(chrono::DateTime::UNIX_EPOCH.naive_utc()));
    storage.admit_only(keys(SECRET_KEY));
    storage.fail(&down, "no connection");
    let rig = Rig {
        storage: Arc::new(storage),
        node,
        failing: vec![("down", down.clone()), socket()],
        down,
        _alive: Vec::new(),
    };
    rig.storage.create_bucket(&rig.sound(), &super::named("bare")).await.unwrap();
    rig
}

pub async fn nanio() -> Rig {
    // In this thread: the node ends with the one that started it, and one of the pool's ends when it is idle.
    let node = Nanio::start();
    for bucket in ["full", "bare", "many", "busy"] {
        send(&node.address(), "PUT", &format!("/{bucket}")).await;
    }
    node.write("full", "key", b"x");
    for (key, size) in many() {
        node.write("many", &key, &b"xyz"[..usize::try_from(size).unwrap()]);
    }
    for key in ["up/a", "down/b"] {
        send(&node.address(), "POST", &format!("/busy/{key}?uploads=")).await;
    }
    let down = local(free_port());
    let mut failing = vec![("down", down.clone()), socket()];
    let mut alive: Vec<Box<dyn Any + Send + Sync>> = Vec::new();
    for (what, odd) in OddNode::all().await {
        failing.push((what, local(odd.port)));
        alive.push(Box::new(odd));
    }
    let address = local(node.port);
    alive.push(Box::new(node));
    let storage = Arc::new(NodeStorage::new(Duration::from_secs(60)).unwrap());
    Rig { storage, node: address, down, failing, _alive: alive }
}

/// A signed request without a body.
async fn send(node: &str, method: &str, path: &str) {
    let url = reqwest::Url::parse(&format!("http://{node}{path}")).unwrap();
    let method: http::Method = method.parse().unwrap();
    let signer = Signer::new(&keys(SECRET_KEY), &Region::default());
    let headers = signer.sign(&method, &url, HeaderMap::new(), b"").unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.request(method, url).headers(headers).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
}
