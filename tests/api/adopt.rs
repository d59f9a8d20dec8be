//! Splits of reads and writes that 0.4.x left in nginx, on storage, copier and gate in memory: they end, and nothing
//! that a client was told is written is lost.

use std::collections::BTreeMap;

use chrono::DateTime;
use nanio_orchestrator::domain::pool::Address;
use nanio_orchestrator::domain::time::Timestamp;
use nanio_orchestrator::ports::clock::Clock as _;
use nanio_orchestrator::ports::gate::{Gate as _, Worker};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::takeover;
use super::world::World;

/// What 0.4.1 left: bucket `busy` of `split.example.test` is read on `pool-old` and written on `pool-new`.
struct Split {
    world: World,
    /// The record of 0.4.1.
    id: i64,
    vhost: i64,
    stop: watch::Sender<bool>,
}

const FILE: &str = "vhosts/split.example.test.conf";

/// The nodes of `pool-old` and `pool-new`.
fn node(index: usize) -> Address {
    Address::parse(["127.0.0.1:18942", "127.0.0.1:18943"][index]).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::of(DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap())
}

fn sizes<const N: usize>(objects: [(&str, u64); N]) -> BTreeMap<String, u64> {
    objects.map(|(key, size)| (key.to_owned(), size)).into()
}

impl Split {
    /// Imported; the engine does not run yet. Another vhost reaches the bucket, too.
    async fn imported() -> Self {
        Self::import(takeover::world().await).await
    }

    async fn import(world: World) -> Self {
        for index in 0..2 {
            world.copier.add_node(&node(index), &world.buckets);
        }
        world.buckets.set_time(world.clock.now());
        let (old, new) = (node(0), node(1));
        let read_first = world.buckets.at(&old);
        for key in ["same", "overwritten", "deleted", "dir/uncopied"] {
            read_first.put_at("busy", key, 1, at(0));
        }
        read_first.put_at("busy", "late", 5, at(100));
        let written = world.buckets.at(&new);
        for (key, size, seconds) in
            [("same", 1, 10), ("overwritten", 2, 50), ("new", 3, 50), ("late", 4, 10), ("near", 7, 50)]
        {
            written.put_at("busy", key, size, at(seconds));
        }
        // Written at the same time, as far as clocks tell: writes went to the other pool.
        read_first.put_at("busy", "near", 6, at(51));
        world.post("/api/config/rebuild-from-disk", Value::Null).await.expect(200);
        // Its keys are sealed with the key of another machine.
        world.delete("/api/pools/1/credentials").await.expect(200);
        let migrations = world.get("/api/migrations").await.expect(200);
        let record =
            migrations.as_array().unwrap().iter().find(|one| one["server_name"] == "split.example.test").unwrap();
        assert_eq!(record["needs_adoption"], true);
        let (id, vhost) = (record["id"].as_i64().unwrap(), record["vhost_id"].as_i64().unwrap());
        Self { world, id, vhost, stop: watch::Sender::new(false) }
    }

    /// The same, and only the vhost of the split is enabled.
    async fn alone() -> Self {
        Self::imported().await.without_others("").await
    }

    /// Disables every vhost but that of the split, and `other`.
    async fn without_others(self, other: &str) -> Self {
        let split = self;
        let vhosts = split.world.get("/api/vhosts").await.expect(200);
        for vhost in vhosts
            .as_array()
            .unwrap()
            .iter()
            .filter(|vhost| vhost["id"] != split.vhost && vhost["server_name"] != other)
        {
            split
                .world
                .put(&format!("/api/vhosts/{}", vhost["id"]), json!({"enabled": false, "allow_orphan": true}))
                .await
                .expect(200);
        }
        split
    }

    fn run_engine(&self) {
        tokio::spawn(self.world.services.migrations.engine().run(self.stop.subscribe()));
    }

    async fn adopt(&self, to: &str) -> i64 {
        let path = format!("/api/migrations/{}/adopt", self.id);
        let adoption = self.world.post(&path, json!({"to": to})).await.expect(201);
        assert_eq!((&adoption["adopts"], &adoption["phase"]), (&json!(self.id), &json!("pending")));
        assert_eq!((&adoption["src_pool_name"], &adoption["dst_pool_name"]), (&json!("pool-new"), &json!("pool-old")));
        adoption["id"].as_i64().unwrap()
    }

    async fn refused(&self, status: u16) -> String {
        let path = format!("/api/migrations/{}/adopt", self.id);
        self.world.post(&path, json!({"to": "source"})).await.detail(status)
    }

    async fn get(&self, id: i64) -> Value {
        self.world.get(&format!("/api/migrations/{id}")).await.expect(200)
    }

    async fn until(&self, id: i64, so: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..20_000 {
            let migration = self.get(id).await;
            if so(&migration) {
                return migration;
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        panic!("{:#}\n{}", self.get(id).await, self.log(id).await);
    }

    async fn log(&self, id: i64) -> String {
        self.world.get(&format!("/api/migrations/{id}/log?limit=200")).await.text
    }

    fn held(&self, index: usize) -> BTreeMap<String, u64> {
        self.world.buckets.at(&node(index)).sizes("busy")
    }

    fn block(&self) -> String {
        self.world.gateway.live()[FILE].clone()
    }
}

/// What the bucket holds when nothing is lost: of what both pools have, what was written last.
fn everything() -> BTreeMap<String, u64> {
    sizes([("same", 1), ("overwritten", 2), ("new", 3), ("late", 5), ("near", 7), ("deleted", 1), ("dir/uncopied", 1)])
}

#[tokio::test]
async fn f02_f17_a_split_that_is_adopted_to_its_source_loses_no_write_and_becomes_a_plain_route() {
    let split = Split::alone().await;
    split.run_engine();
    let adoption = split.adopt("source").await;
    let over = split.until(adoption, |one| one["step"] == "end").await;
    assert_eq!(over["phase"], "done", "{over:#}\n{}", split.log(adoption).await);
    assert_eq!(split.held(0), everything());
    let record = split.get(split.id).await;
    assert_eq!((&record["phase"], &record["needs_adoption"]), (&json!("cancelled"), &json!(false)));
    let block = split.block();
    assert!(block.contains("busy pool-old") && !block.contains("migration_id"), "{block}");
    assert_eq!(split.world.gate.tokens().await.unwrap(), []);
    // What nobody can tell is said.
    let log = split.log(adoption).await;
    assert!(
        log.contains(r#"written last on pool pool-old, and kept as they are there: 1 objects (\"late\")"#),
        "{log}"
    );
    assert!(log.contains(r#"cannot be told: 2 objects (\"deleted\", \"dir/uncopied\")"#), "{log}");
    // It is a vhost as any other again.
    split.world.put(&format!("/api/vhosts/{}", split.vhost), json!({"listen_port": 81})).await.expect(200);
    let orphans = split.world.get("/api/migrations/orphaned").await.expect(200);
    let of_busy = orphans.as_array().unwrap().iter().find(|orphan| orphan["bucket"] == "busy").unwrap();
    assert_eq!(of_busy["orphaned_source_pool_name"], "pool-new");
    let kept = std::fs::read_to_string(split.world.home(&format!("data/migrations/migration-{}.state.json", split.id)));
    assert!(kept.is_err(), "a record that has ended has no state file: {kept:?}");
}

#[tokio::test]
async fn f26_a_split_that_is_adopted_to_its_destination_ends_there_with_everything() {
    let split = Split::alone().await;
    split.run_engine();
    let adoption = split.adopt("destination").await;
    split.until(adoption, |one| one["step"] == "end").await;
    let over = split.until(split.id, |one| one["step"] == "end").await;
    assert_eq!((&over["phase"], &over["needs_adoption"]), (&json!("done"), &json!(false)), "{over:#}");
    assert_eq!(split.held(1), everything());
    let block = split.block();
    assert!(block.contains("busy pool-new") && !block.contains("migration_id"), "{block}");
    assert_eq!(over["orphaned_source_pool_id"], 1);
}

#[tokio::test]
async fn f17_until_it_is_adopted_nginx_reads_and_writes_as_the_split_did_and_there_is_no_way_back() {
    let split = Split::alone().await;
    let world = &split.world;
    world.gate.set_workers(Ok(vec![Worker { pid: 7, started: 1 }]));
    let before = split.block();
    let adoption = split.adopt("source").await;
    assert_eq!(split.block(), before, "nothing has begun");
    let again = split.refused(409).await;
    assert!(again.contains(&format!("Migration {adoption} of bucket busy is pending")), "{again}");
    split.run_engine();
    split.until(adoption, |one| one["step"] == "await_workers").await;
    let block = split.block();
    let token = world.gate.tokens().await.unwrap().remove(0);
    assert!(block.contains("from:pool-new to:pool-old stage:gated reads:split"), "{block}");
    let (_, read) = block.split_once(&format!("location @nanio_{token}_read {{")).unwrap();
    let (read, rest) = read.split_once("\n    }\n").unwrap();
    assert!(read.contains(&format!("error_page 404 = @nanio_{token}_behind;")), "{read}");
    assert!(read.contains("proxy_pass http://pool-old;"), "{read}");
    assert!(rest.contains(&format!("location @nanio_{token}_behind {{")), "{rest}");
    let refused = world.post(&format!("/api/migrations/{adoption}/cancel"), json!({})).await.detail(400);
    assert!(refused.contains("goes on until it succeeds"), "{refused}");
    // A client deletes one object and writes another one.
    let new = node(1);
    world.buckets.at(&new).delete("busy", "same").put_at("busy", "written", 9, at(60));
    for (method, key) in [("DELETE", "same"), ("PUT", "written")] {
        let common = format!(r#""rid":"{key}","m":"{method}","u":"/busy/{key}","k":"busy","v":"path","pid":7,"t":1"#);
        world.gate.append(&token, format!(r#"{{"e":"start",{common}}}"#).as_bytes());
        let end = format!(r#"{{"e":"end",{common},"s":"200","us":"200","to":"pool-new"}}"#);
        world.gate.append(&token, end.as_bytes());
    }
    // A crash in between.
    split.stop.send_replace(true);
    let world = split.world.same_machine();
    let again = Split { world, stop: watch::Sender::new(false), ..split };
    again.run_engine();
    let looks = std::cell::Cell::new(1);
    let over = again.until(adoption, |one| {
        // Workers come and go.
        looks.set(looks.get() + 1);
        again.world.gate.set_workers(Ok(vec![Worker { pid: 7, started: looks.get() }]));
        one["step"] == "end"
    });
    over.await;
    let mut expected = everything();
    expected.remove("same");
    expected.insert("written".to_owned(), 9);
    assert_eq!(again.held(0), expected, "a deletion that was seen is one");
}

#[tokio::test]
async fn what_fails_once_nginx_has_it_is_tried_again_until_the_cause_is_gone() {
    let split = Split::alone().await;
    let new = node(1);
    let adoption = split.adopt("source").await;
    split.world.buckets.at(&new).put_at("busy", "a//b", 1, at(60));
    split.run_engine();
    // Looked at again before it begins: nothing is done yet, and the split is as it was.
    let over = split.until(adoption, |one| one["step"] == "end").await;
    assert_eq!(over["phase"], "error");
    assert!(over["error_msg"].as_str().unwrap().contains("a//b"), "{over}");
    assert_eq!(split.get(split.id).await["needs_adoption"], true);
    let why = split.refused(400).await;
    assert!(why.contains("a//b"), "{why}");
    split.world.buckets.at(&new).delete("busy", "a//b");
    split.world.gate.set_workers(Ok(vec![Worker { pid: 7, started: 1 }]));
    let adoption = split.adopt("source").await;
    split.until(adoption, |one| one["step"] == "await_workers").await;
    split.world.buckets.at(&new).put_at("busy", "a//b", 1, at(60));
    split.world.gate.set_workers(Ok(vec![Worker { pid: 8, started: 2 }]));
    let waits = split.until(adoption, |one| one["error_msg"].is_string()).await;
    assert_eq!((&waits["phase"], &waits["step"]), (&json!("copying"), &json!("compare_all")));
    assert!(waits["error_msg"].as_str().unwrap().contains("a//b"), "{waits}");
    split.world.buckets.at(&new).delete("busy", "a//b");
    split.until(adoption, |one| one["phase"] == "done").await;
    assert_eq!(split.held(0), everything());
}

#[tokio::test]
async fn what_stands_in_the_way_of_an_adoption_is_said_and_changes_nothing() {
    let split = Split::imported().await;
    let before = split.block();
    let why = split.refused(400).await;
    assert!(why.contains("reaches bucket busy on pool pool-old, too, past the split"), "{why}");
    split.world.post("/api/migrations/1/adopt", json!({"to": "source"})).await.detail(400);
    split.world.post("/api/migrations/999/adopt", json!({"to": "source"})).await.detail(404);
    split.world.post(&format!("/api/migrations/{}/adopt", split.id), json!({"to": "there"})).await.faults();
    assert_eq!(split.block(), before);
    let split = Split::alone().await;
    let new = node(1);
    split.world.buckets.at(&new).remove("busy");
    let why = split.refused(400).await;
    assert!(why.contains("does not exist on pool 'pool-new'"), "{why}");
    let split = Split::alone().await;
    split.world.gateway.refuse(Some("nginx: [emerg] no"));
    let adoption = split.adopt("source").await;
    split.run_engine();
    let over = split.until(adoption, |one| one["step"] == "end").await;
    assert_eq!((&over["phase"], split.block() == before), (&json!("error"), true), "{over:#}");
    assert_eq!(split.get(split.id).await["needs_adoption"], true);
    split.world.gateway.refuse(None);
    let adoption = split.adopt("source").await;
    split.until(adoption, |one| one["phase"] == "done").await;
    assert_eq!(split.held(0), everything());
}

/// The same split in an `http` vhost: reads only.
fn split_readers(world: &World) {
    let root = world.gateway.root();
    let write = |name: &str, text: String| std::fs::write(root.join(name), text).unwrap();
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let new =
        |text: String| text.replace("web-files", "web-new").replace("_id:4", "_id:5").replace("_id\": 4", "_id\": 5");
    write("pools/web-new.conf", new(read("pools/web-files.conf")));
    write("pools/web-new.meta.json", new(read("pools/web-files.meta.json")).replace("pool_id\": 1", "pool_id\": 2"));
    let text = read(FILE).replace("pool-old", "web-files").replace("pool-new", "web-new");
    let text = text.replace("split.example.test", "reads.example.test").replace("vhost_id:6", "vhost_id:7");
    let text = text.replace("_mig_11", "_mig_21").replace("route_id:1", "route_id:2");
    write("vhosts/reads.example.test.conf", text);
}

#[tokio::test]
async fn http_vhosts_whose_reads_were_split_follow_when_the_bucket_is_whole_again() {
    let world = takeover::world().await;
    split_readers(&world);
    let split = Split::import(world).await.without_others("reads.example.test").await;
    let world = &split.world;
    let migrations = world.get("/api/migrations").await.expect(200);
    let by_vhost = |name: &str| {
        let all = migrations.as_array().unwrap().iter();
        all.clone().find(|one| one["server_name"] == name).map(|one| one["id"].as_i64().unwrap())
    };
    let reader = by_vhost("reads.example.test").unwrap();
    let path = format!("/api/migrations/{reader}/adopt");
    let refused = world.post(&path, json!({"to": "source"})).await.detail(409);
    assert!(refused.contains(&format!("adopt migration {}", split.id)), "{refused}");
    split.run_engine();
    let adoption = split.adopt("destination").await;
    let switched = split.until(adoption, |one| one["step"] == "end").await;
    assert_eq!(switched["updated_http_vhosts"], json!(["reads.example.test"]));
    let record = split.get(reader).await;
    assert_eq!((&record["phase"], &record["needs_adoption"]), (&json!("cancelled"), &json!(false)));
    let moved = split.until(split.id, |one| one["step"] == "end").await;
    assert_eq!((&moved["phase"], &moved["updated_http_vhosts"]), (&json!("done"), &json!(["reads.example.test"])));
    let block = world.gateway.live()["vhosts/reads.example.test.conf"].clone();
    assert!(block.contains("proxy_pass http://web-new") && !block.contains("nanio_mig"), "{block}");
}

#[tokio::test]
async fn a_split_of_reads_alone_ends_at_once() {
    let world = takeover::world().await;
    split_readers(&world);
    std::fs::remove_file(world.gateway.root().join(FILE)).unwrap();
    std::fs::remove_file(world.home("data/migrations/migration-2.state.json")).unwrap();
    world.post("/api/config/rebuild-from-disk", Value::Null).await.expect(200);
    let migrations = world.get("/api/migrations").await.expect(200);
    let split = migrations.as_array().unwrap().iter().find(|one| one["needs_adoption"] == true).unwrap();
    let path = format!("/api/migrations/{}/adopt", split["id"]);
    let ended = world.post(&path, json!({"to": "destination"})).await.expect(201);
    assert_eq!((&ended["phase"], &ended["adopts"]), (&json!("cancelled"), &Value::Null));
    let block = world.gateway.live()["vhosts/reads.example.test.conf"].clone();
    assert!(block.contains("proxy_pass http://web-new") && !block.contains("nanio_mig"), "{block}");
}
