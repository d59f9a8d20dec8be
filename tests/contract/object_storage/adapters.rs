//! How each adapter is set up: one sound node with the buckets `full` and `bare`, and nodes that fail, each in its way.

use std::any::Any;
use std::sync::Arc;

use nanio_orchestrator::adapters::fake::object_storage::FakeStorage;
use nanio_orchestrator::adapters::s3::NodeStorage;
use nanio_orchestrator::domain::pool::Address;
use nanio_orchestrator::ports::object_storage::ObjectStorage;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::HttpRequestBody;

use super::odd_nodes::OddNode;
use crate::support::nanio::{ACCESS_KEY, Nanio, SECRET_KEY};
use crate::support::nginx::free_port;

pub struct Rig {
    /// The adapter with the right keys.
    pub storage: Arc<dyn ObjectStorage>,
    /// The adapter with keys that the node does not know.
    pub stranger: Arc<dyn ObjectStorage>,
    /// The sound node.
    pub node: Address,
    /// Nodes without a usable answer, and what is wrong with each.
    pub failing: Vec<(&'static str, Address)>,
    // Nodes that end with the rig.
    _alive: Vec<Box<dyn Any + Send + Sync>>,
}

fn local(port: u16) -> Address {
    Address::parse(&format!("127.0.0.1:{port}")).unwrap()
}

fn socket() -> (&'static str, Address) {
    ("a unix socket", Address::parse("unix:/run/nanio.sock").unwrap())
}

pub async fn memory() -> Rig {
    let (storage, stranger) = (FakeStorage::default(), FakeStorage::default());
    let (node, down) = (local(9000), local(9001));
    storage.fill("full");
    storage.fail(&down, "no connection");
    stranger.fail(&node, "status 403");
    Rig {
        storage: Arc::new(storage),
        stranger: Arc::new(stranger),
        node,
        failing: vec![("down", down), socket()],
        _alive: Vec::new(),
    }
}

pub async fn nanio() -> Rig {
    let node = tokio::task::spawn_blocking(Nanio::start).await.unwrap();
    for path in ["/full", "/full/key", "/bare"] {
        put(&node.address(), path).await;
    }
    let mut failing = vec![("down", local(free_port())), socket()];
    let mut alive: Vec<Box<dyn Any + Send + Sync>> = Vec::new();
    for (what, odd) in OddNode::all().await {
        failing.push((what, local(odd.port)));
        alive.push(Box::new(odd));
    }
    let keys = |secret: &str| Some((ACCESS_KEY.to_owned(), secret.to_owned()));
    let rig = Rig {
        storage: Arc::new(NodeStorage::new(keys(SECRET_KEY)).unwrap()),
        stranger: Arc::new(NodeStorage::new(keys("another secret")).unwrap()),
        node: local(node.port),
        failing,
        _alive: alive,
    };
    Rig { _alive: rig._alive.into_iter().chain([Box::new(node) as Box<dyn Any + Send + Sync>]).collect(), ..rig }
}

/// Makes a bucket or an object.
async fn put(node: &str, path: &str) {
    let url = format!("http://{node}{path}");
    let mut request = http::Request::builder().method("PUT").uri(&url).body(HttpRequestBody::empty()).unwrap();
    let credential = AwsCredential { key_id: ACCESS_KEY.to_owned(), secret_key: SECRET_KEY.to_owned(), token: None };
    AwsAuthorizer::new(&credential, "s3", "us-east-1").try_authorize(&mut request, None).unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.put(&url).headers(request.into_parts().0.headers).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
}
