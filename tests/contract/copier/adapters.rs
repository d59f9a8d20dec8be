//! How each adapter is set up: two nodes, each with an empty bucket `photos`.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method};
use nanio_orchestrator::adapters::fake::copier::FakeCopier;
use nanio_orchestrator::adapters::fake::object_storage::FakeStorage;
use nanio_orchestrator::adapters::rclone::{Limits, RcloneCopier};
use nanio_orchestrator::adapters::s3::NodeStorage;
use nanio_orchestrator::adapters::sigv4::{Signer, encode};
use nanio_orchestrator::domain::copy::Progress;
use nanio_orchestrator::domain::credential::{Keys, Region};
use nanio_orchestrator::domain::pool::Address;
use nanio_orchestrator::domain::site::Site;
use nanio_orchestrator::ports::copier::{Copier, Watch};
use nanio_orchestrator::ports::object_storage::ObjectStorage;
use tokio::sync::Notify;

use super::bucket;
use crate::support::moto::Moto;
use crate::support::nanio::{ACCESS_KEY, Nanio, SECRET_KEY};
use crate::support::nginx::free_port;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Source,
    Destination,
}

pub struct Rig {
    /// The adapter.
    pub copier: Arc<dyn Copier>,
    /// A node that takes no connection.
    pub down: Address,
    /// Where a real copier keeps its records.
    pub database: PathBuf,
    nodes: [Address; 2],
    world: World,
    // Ends with the rig.
    _alive: Vec<Box<dyn Any + Send + Sync>>,
}

enum World {
    Memory([Arc<FakeStorage>; 2]),
    Real(NodeStorage),
}

/// Everything that a copy told.
#[derive(Default)]
pub struct Told {
    progress: Mutex<Vec<Progress>>,
    lines: Mutex<Vec<String>>,
    news: Notify,
}

impl Told {
    pub fn progress(&self) -> Vec<Progress> {
        self.progress.lock().unwrap().clone()
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits until progress was told.
    pub async fn under_way(&self) {
        self.news.notified().await;
    }
}

impl Watch for Told {
    fn progress(&self, progress: Progress) {
        self.progress.lock().unwrap().push(progress);
        self.news.notify_one();
    }

    fn line(&self, line: &str) {
        self.lines.lock().unwrap().push(line.to_owned());
    }
}

impl Rig {
    pub fn site(&self, side: Side) -> Site {
        Site {
            members: vec![self.nodes[side as usize].clone()],
            endpoint: None,
            region: Region::default(),
            keys: Keys::parse(ACCESS_KEY, SECRET_KEY).ok(),
        }
    }

    pub async fn put(&self, side: Side, key: &str, content: &[u8]) {
        match &self.world {
            World::Memory(storages) => storages[side as usize].put(bucket().as_str(), key, content.len() as u64),
            World::Real(_) => self.put_with(side, key, content, &[]).await,
        }
    }

    /// Puts an object into a real node.
    pub async fn put_with(&self, side: Side, key: &str, content: &[u8], headers: &[(&'static str, &str)]) {
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        self.send(side, Method::PUT, &format!("/photos/{}", encode(key, "/")), headers.collect(), content).await;
    }

    /// Headers and content of an object on a real node.
    pub async fn get(&self, side: Side, key: &str) -> (HeaderMap, Bytes) {
        self.send(side, Method::GET, &format!("/photos/{}", encode(key, "/")), HeaderMap::new(), b"").await
    }

    /// The keys in the bucket, with their sizes.
    pub async fn holds(&self, side: Side) -> BTreeMap<String, u64> {
        let storage: &dyn ObjectStorage = match &self.world {
            World::Memory(storages) => &*storages[side as usize],
            World::Real(storage) => storage,
        };
        let (mut all, mut from) = (BTreeMap::new(), None);
        loop {
            let page = storage.objects(&self.site(side), &bucket(), "", from.as_deref(), 1000).await.unwrap();
            all.extend(page.objects.into_iter().map(|object| (object.key, object.size)));
            from = page.next;
            if from.is_none() {
                return all;
            }
        }
    }

    async fn send(
        &self,
        side: Side,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: &[u8],
    ) -> (HeaderMap, Bytes) {
        let url = reqwest::Url::parse(&format!("http://{}{path}", self.nodes[side as usize])).unwrap();
        let keys = Keys::parse(ACCESS_KEY, SECRET_KEY).unwrap();
        let headers = Signer::new(&keys, &Region::default()).sign(&method, &url, headers, body).unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.request(method, url).headers(headers).body(body.to_vec()).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        (answer.headers().clone(), answer.bytes().await.unwrap())
    }
}

fn local(port: u16) -> Address {
    Address::parse(&format!("127.0.0.1:{port}")).unwrap()
}

pub async fn memory() -> Rig {
    let (copier, nodes) = (FakeCopier::default(), [local(9000), local(9001)]);
    let storages = [(); 2].map(|()| Arc::new(FakeStorage::default()));
    for (node, storage) in nodes.iter().zip(&storages) {
        copier.add_node(node, storage);
    }
    let rig = Rig {
        copier: Arc::new(copier),
        down: local(9002),
        database: PathBuf::new(),
        nodes,
        world: World::Memory(storages.clone()),
        _alive: Vec::new(),
    };
    for (storage, side) in storages.iter().zip([Side::Source, Side::Destination]) {
        storage.create_bucket(&rig.site(side), &bucket()).await.unwrap();
    }
    rig
}

pub async fn nanio() -> Rig {
    between(None).await
}

/// Two nodes, and rclone with a limit to its speed.
pub async fn slow() -> Rig {
    between(Some("64k".to_owned())).await
}

async fn between(bandwidth: Option<String>) -> Rig {
    // On this thread, which lives as long as the test: the kernel ends nodes with the thread that started them.
    let nodes = [(); 2].map(|()| Nanio::start());
    let addresses = [local(nodes[0].port), local(nodes[1].port)];
    real(addresses, bandwidth, Box::new(nodes)).await
}

/// For keys that nanio refuses.
pub async fn moto() -> Rig {
    let nodes = [(); 2].map(|()| Moto::start());
    let addresses = [local(nodes[0].port), local(nodes[1].port)];
    real(addresses, None, Box::new(nodes)).await
}

/// Two nodes, and objects at the source without a request for each.
pub async fn with_source(fill: impl FnOnce(&Nanio)) -> Rig {
    let nodes = Arc::new([(); 2].map(|()| Nanio::start()));
    let addresses = [local(nodes[0].port), local(nodes[1].port)];
    let rig = real(addresses, None, Box::new(nodes.clone())).await;
    fill(&nodes[0]);
    rig
}

async fn real(nodes: [Address; 2], bandwidth: Option<String>, alive: Box<dyn Any + Send + Sync>) -> Rig {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("orchestrator.db");
    let limits = Limits { checkers: 8, transfers: 4, bandwidth };
    let rig = Rig {
        copier: Arc::new(RcloneCopier::new("rclone".into(), limits, &database)),
        down: local(free_port()),
        database,
        nodes,
        world: World::Real(NodeStorage::new(Duration::from_secs(60)).unwrap()),
        _alive: vec![alive, Box::new(directory)],
    };
    for side in [Side::Source, Side::Destination] {
        rig.send(side, Method::PUT, "/photos", HeaderMap::new(), b"").await;
    }
    rig
}
