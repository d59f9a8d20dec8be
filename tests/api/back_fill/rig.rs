//! A promoted bucket, and clients in front of the pool that serves it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use nanio_orchestrator::adapters::fake::gate::FakeGate;
use nanio_orchestrator::adapters::fake::object_storage::FakeStorage;
use nanio_orchestrator::domain::bucket::BucketName;
use nanio_orchestrator::domain::credential::Region;
use nanio_orchestrator::domain::migration::request::{Style, Written, written};
use nanio_orchestrator::domain::migration::token::{Token, TokenState};
use nanio_orchestrator::domain::object::ObjectHead;
use nanio_orchestrator::domain::pool::Address;
use nanio_orchestrator::domain::site::Site;
use nanio_orchestrator::ports::clock::Clock as _;
use nanio_orchestrator::ports::gate::{Admission, Gate as _};
use nanio_orchestrator::ports::object_storage::ObjectStorage as _;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::super::world::World;
use super::Bells;

const NODES: [&str; 2] = ["10.0.0.1:9000", "10.0.0.2:9000"];

pub fn node(index: usize) -> Address {
    Address::parse(NODES[index]).unwrap()
}

fn site(index: usize) -> Site {
    Site { members: vec![node(index)], endpoint: None, region: Region::default(), keys: None }
}

fn bucket() -> BucketName {
    BucketName::parse("photos").unwrap()
}

/// Bucket `photos` has a route to the second pool; the first one, the default, still has objects of it.
pub struct Rig {
    pub world: World,
    pub pools: [i64; 2],
    pub vhost: i64,
    pub route: i64,
    /// Where the back-fill is asked for.
    pub path: String,
    stop: watch::Sender<bool>,
    requests: Arc<AtomicU64>,
}

impl Rig {
    /// The size of what the first pool has.
    pub const OLD: u64 = 1;

    /// The first pool has these keys. The engine does not run yet.
    pub async fn start(keys: &[&str]) -> Self {
        let world = World::start().await;
        for index in 0..2 {
            world.copier.add_node(&node(index), &world.buckets);
            world.buckets.at(&node(index)).make("photos");
        }
        world.buckets.set_time(world.clock.now());
        let pools = [world.pool_at("first", NODES[0]).await, world.pool_at("second", NODES[1]).await];
        let vhost = world.vhost("s3.test", Some(pools[0])).await;
        let route = world.route(vhost, "/photos/", pools[1]).await;
        let route = route.rsplit('/').next().unwrap().parse().unwrap();
        for key in keys {
            let size = if key.ends_with('/') { 0 } else { Self::OLD };
            world.buckets.store(&site(0), &bucket(), key, head(size)).unwrap();
        }
        let path = format!("/api/vhosts/{vhost}/buckets/photos/migrate");
        Self { world, pools, vhost, route, path, stop: watch::Sender::new(false), requests: Arc::default() }
    }

    /// After a restart of the program. The engine does not run yet.
    pub fn restarted(&self) -> Self {
        let world = self.world.same_machine();
        let (stop, requests) = (watch::Sender::new(false), self.requests.clone());
        Self { world, pools: self.pools, vhost: self.vhost, route: self.route, path: self.path.clone(), stop, requests }
    }

    pub fn run_engine(&self) -> JoinHandle<()> {
        tokio::spawn(self.world.services.migrations.engine().run(self.stop.subscribe()))
    }

    pub async fn begin(&self) -> i64 {
        self.world.post(&self.path, Value::Null).await.expect(200)["migration_id"].as_i64().unwrap()
    }

    /// The first copy of this key waits for the second bell, after it has rung the first.
    pub fn stop_before(&self, key: &str) -> Bells {
        let (reached, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (rings, waits, first) = (reached.clone(), go.clone(), Arc::new(AtomicBool::new(true)));
        let stop = key.to_owned();
        self.world.copier.before_each(move |key| {
            let (rings, waits) = (rings.clone(), waits.clone());
            let stops = key == stop && first.swap(false, Ordering::SeqCst);
            async move {
                if stops {
                    rings.notify_one();
                    waits.notified().await;
                }
            }
            .boxed()
        });
        (reached, go)
    }

    pub async fn token(&self) -> Token {
        self.world.gate.tokens().await.unwrap().remove(0)
    }

    pub async fn until_arrived(&self, token: &Token, count: usize) {
        while self.world.gate.arrived(token).len() < count {
            tokio::task::yield_now().await;
        }
    }

    pub async fn until_over(&self, id: i64) -> Value {
        self.until(id, |migration| migration["step"] == "end").await
    }

    pub async fn until(&self, id: i64, so: impl Fn(&Value) -> bool) -> Value {
        loop {
            let migration = self.world.get(&format!("/api/migrations/{id}")).await.expect(200);
            if so(&migration) {
                return migration;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub async fn log(&self, id: i64) -> String {
        self.world.get(&format!("/api/migrations/{id}/log?limit=1000")).await.text
    }

    pub async fn audited(&self) -> Vec<String> {
        let entries = self.world.get("/api/audit?entity_type=migration").await.expect(200);
        entries.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).rev().collect()
    }

    /// What nginx is told.
    pub fn conf(&self) -> BTreeMap<String, String> {
        let live: HashMap<String, String> = self.world.gateway.live().into_iter().collect();
        live.into_iter().filter(|(path, _)| path.ends_with(".conf")).collect()
    }

    /// The keys of the pool that serves the bucket, with their sizes.
    pub async fn destination(&self) -> BTreeMap<String, u64> {
        let page = self.world.buckets.objects(&site(1), &bucket(), "", None, 1000).await.unwrap();
        page.objects.into_iter().map(|object| (object.key, object.size)).collect()
    }

    pub fn client(&self) -> Client {
        let (gate, storage) = (self.world.gate.clone(), self.world.buckets.clone());
        Client { gate, storage, requests: self.requests.clone() }
    }
}

fn head(size: u64) -> ObjectHead {
    ObjectHead { size, etag: Some(format!("{size:032x}")), ..ObjectHead::default() }
}

/// What a client does.
#[derive(Debug, Clone, Copy)]
pub enum Op<'a> {
    Put(&'a str),
    Delete(&'a str),
    DeleteMany(&'a str),
}

/// A client, and nginx before the second pool: start line, token, storage, end line.
pub struct Client {
    gate: Arc<FakeGate>,
    storage: Arc<FakeStorage>,
    requests: Arc<AtomicU64>,
}

impl Client {
    pub async fn read(&self, key: &str) -> Option<u64> {
        self.storage.head(&site(1), &bucket(), key).await.unwrap().map(|head| head.size)
    }

    /// Returns when the client has its answer.
    pub async fn act(&self, op: Op<'_>, size: u64) {
        let rid = format!("client-{}", self.requests.fetch_add(1, Ordering::SeqCst));
        let (method, uri, body) = match op {
            Op::Put(key) => ("PUT", format!("/photos/{key}"), String::new()),
            Op::Delete(key) => ("DELETE", format!("/photos/{key}"), String::new()),
            Op::DeleteMany(key) => {
                ("POST", "/photos?delete".to_owned(), format!("<Delete><Object><Key>{key}</Key></Object></Delete>"))
            }
        };
        let line = |event: &str, more: Value| {
            let mut line = json!({"e": event, "rid": rid, "m": method, "u": uri, "k": "photos", "pid": 2, "t": 0});
            line.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
            line.to_string().into_bytes()
        };
        // Nothing of a migration that is over is left in nginx.
        let token = self.gate.tokens().await.unwrap().into_iter().next();
        if let Some(token) = &token {
            self.gate.append(token, &line("start", json!({})));
            tokio::task::yield_now().await;
            if self.gate.state(token).await.unwrap() == TokenState::Held {
                self.ask(token, &rid, &written(method, &uri, Style::Path, None)).await;
            }
        }
        tokio::task::yield_now().await;
        let (site, bucket) = (site(1), bucket());
        let status = match op {
            Op::Put(key) => {
                self.storage.store(&site, &bucket, key, head(size)).unwrap();
                "200"
            }
            Op::Delete(key) | Op::DeleteMany(key) => {
                self.storage.delete(&site, &bucket, &[key.to_owned()]).await.unwrap();
                "200"
            }
        };
        tokio::task::yield_now().await;
        if let Some(token) = &token {
            self.gate.append(token, &line("end", json!({"s": status, "us": status, "to": "second", "b": body})));
        }
    }

    async fn ask(&self, token: &Token, rid: &str, asked: &Written) {
        let passes = |admission: &Admission| match admission {
            Admission::Hold => false,
            Admission::HoldKeys(held, _) => !held.concern(asked),
            Admission::Source(_) | Admission::Destination(_) => true,
        };
        if !self.gate.admission(token).is_some_and(|admission| passes(&admission)) {
            self.gate.arrive(token, rid);
            self.gate.admitted(token, passes).await;
        }
    }
}
