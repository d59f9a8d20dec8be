//! Moves of buckets, on storage, copier and gate in memory: what a client of the API sees of them.

mod waits;

use std::sync::Arc;

use nanio_orchestrator::domain::credential::Keys;
use nanio_orchestrator::domain::ids::MigrationId;
use nanio_orchestrator::domain::migration::machine::Step;
use nanio_orchestrator::domain::migration::token::TokenState;
use nanio_orchestrator::domain::migration::work::Comparison;
use nanio_orchestrator::domain::pool::Address;
use nanio_orchestrator::ports::gate::{Admission, Capacity, Gate as _, Worker};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::world::World;

/// A gateway with two pools on nodes of their own. Bucket `photos` is on the first and routed to it.
struct Moves {
    world: World,
    pools: [i64; 2],
    vhost: i64,
    stop: watch::Sender<bool>,
}

const NODES: [&str; 2] = ["10.0.0.1:9000", "10.0.0.2:9000"];

fn node(index: usize) -> Address {
    Address::parse(NODES[index]).unwrap()
}

impl Moves {
    /// The engine does not run yet.
    async fn waiting() -> Self {
        let world = World::start().await;
        for index in 0..2 {
            world.copier.add_node(&node(index), &world.buckets);
            world.buckets.at(&node(index));
        }
        world.buckets.set_time(nanio_orchestrator::ports::clock::Clock::now(&*world.clock));
        let first = world.pool("first").await;
        let second = world.post("/api/pools", json!({"name": "second", "type": "nanio"})).await.expect(201);
        let second = second["id"].as_i64().unwrap();
        let member = json!({"address": NODES[1], "role": "active"});
        world.post(&format!("/api/pools/{second}/members"), member).await.expect(201);
        let vhost = world.vhost("s3.test", Some(first)).await;
        let moves = Self { world, pools: [first, second], vhost, stop: watch::Sender::new(false) };
        moves.fill("photos").await;
        moves
    }

    /// The engine runs.
    async fn start() -> Self {
        let moves = Self::waiting().await;
        moves.run_engine();
        moves
    }

    fn run_engine(&self) {
        tokio::spawn(self.world.services.migrations.engine().run(self.stop.subscribe()));
    }

    async fn fill(&self, bucket: &str) {
        let first = node(0);
        let source = self.world.buckets.at(&first).make(bucket);
        for key in ["a", "b/c", "b/d"] {
            source.put(bucket, key);
        }
        let route = json!({"path_prefix": format!("/{bucket}/"), "pool_id": self.pools[0]});
        self.world.post(&format!("/api/vhosts/{}/routes", self.vhost), route).await.expect(201);
    }

    fn request(&self, bucket: &str) -> Value {
        json!({"bucket": bucket, "src_pool_id": self.pools[0], "dst_pool_id": self.pools[1]})
    }

    async fn begin(&self, bucket: &str) -> i64 {
        let made = self.world.post("/api/migrations", self.request(bucket)).await.expect(201);
        assert_eq!(made["phase"], "pending");
        made["id"].as_i64().unwrap()
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
        panic!("{:#}\n{}", self.get(id).await, self.world.get(&format!("/api/migrations/{id}/log")).await.text);
    }

    async fn until_said(&self, id: i64, words: &str) {
        for _ in 0..20_000 {
            if self.world.get(&format!("/api/migrations/{id}/log?limit=100")).await.text.contains(words) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        panic!("never said: {words}");
    }

    async fn until_over(&self, id: i64) -> Value {
        self.until(id, |migration| migration["step"] == "end").await
    }

    async fn route_pool(&self, bucket: &str) -> i64 {
        let routes = self.world.get(&format!("/api/vhosts/{}/routes", self.vhost)).await.expect(200);
        let prefix = format!("/{bucket}/");
        let route = routes.as_array().unwrap().iter().find(|route| route["path_prefix"] == prefix.as_str());
        route.unwrap()["pool_id"].as_i64().unwrap()
    }

    async fn audited(&self) -> Vec<String> {
        let entries = self.world.get("/api/audit?entity_type=migration").await.expect(200);
        entries.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).rev().collect()
    }
}

#[tokio::test]
async fn a_bucket_moves_and_every_record_says_so() {
    let moves = Moves::start().await;
    let id = moves.begin("photos").await;
    let over = moves.until_over(id).await;
    assert_eq!((&over["phase"], &over["audit"]), (&json!("done"), &json!("ok")), "{over:#}");
    assert_eq!(over["objects_done"], 3);
    assert_eq!(over["orphaned_source_prefix"], "/photos/");
    assert_eq!(moves.route_pool("photos").await, moves.pools[1]);
    assert_eq!(moves.audited().await, ["start_migration", "migration_done"]);
    let orphaned = moves.world.get("/api/migrations/orphaned").await.expect(200);
    assert_eq!(
        (&orphaned[0]["migration_id"], &orphaned[0]["orphaned_source_pool_id"]),
        (&json!(id), &json!(moves.pools[0]))
    );
    assert_eq!(moves.world.gate.tokens().await.unwrap(), []);
    let buckets = moves.world.get(&format!("/api/vhosts/{}/buckets", moves.vhost)).await.expect(200);
    assert_eq!(
        (&buckets["buckets"][0]["status"], &buckets["buckets"][0]["routed_pool_id"]),
        (&json!("routed"), &json!(moves.pools[1]))
    );
    let done = moves.world.home(&format!("data/migrations/migration-{id}.done.json"));
    assert!(done.exists(), "{}", done.display());
    let files: Vec<(String, String)> = moves.world.gateway.live().into_iter().collect();
    assert!(files.iter().all(|(_, text)| !text.contains("migration_id")), "nginx has nothing of it any more");
    let revisions = moves.world.get("/api/config/revisions?limit=4").await.expect(200);
    let told = |revision: &Value| format!("{} {}", revision["entries"][0]["actor"], revision["entries"][0]["action"]);
    let told: Vec<String> = revisions.as_array().unwrap().iter().rev().map(told).collect();
    let engine = ["migration_gated", "migration_done"].map(|action| format!("\"engine\" \"{action}\""));
    assert_eq!(told[told.len() - engine.len()..], engine, "who wrote nginx's files, each time");
    let back = json!({"bucket": "photos", "src_pool_id": moves.pools[1], "dst_pool_id": moves.pools[0]});
    let id = moves.world.post("/api/migrations", back).await.expect(201)["id"].as_i64().unwrap();
    assert_eq!(moves.until_over(id).await["phase"], "done");
    let orphaned = moves.world.get("/api/migrations/orphaned").await.expect(200);
    let ids: Vec<&Value> = orphaned.as_array().unwrap().iter().map(|orphan| &orphan["migration_id"]).collect();
    assert_eq!(ids, [&json!(id)], "what came back is in use, and no orphan");
}

#[tokio::test]
async fn a_rollback_over_a_finished_migration_leaves_its_bucket_where_its_objects_are() {
    let moves = Moves::start().await;
    let world = &moves.world;
    let newest = async || world.get("/api/config/revisions?limit=1").await.expect(200)[0]["number"].as_u64().unwrap();
    let number = newest().await;
    let id = moves.begin("photos").await;
    moves.until_over(id).await;
    world.put(&format!("/api/pools/{}", moves.pools[0]), json!({"keepalive": 5})).await.expect(200);
    let before = newest().await;

    let rollback = format!("/api/config/revisions/{number}/rollback");
    let why = world.post(&rollback, Value::Null).await.detail(409);
    assert!(why.contains("s3.test/photos/") && why.contains("--partial"), "{why}");
    assert_eq!((moves.route_pool("photos").await, newest().await), (moves.pools[1], before));
    let planned = world.post(&format!("{rollback}?dry_run=true"), Value::Null).await.expect(200);
    assert_eq!(planned["planned"]["applicable"], false);
    assert_eq!(planned["planned"]["needs_migration"][0]["to_pool"], "first");

    let done = world.post(&format!("{rollback}?partial=true"), Value::Null).await.expect(200);
    assert_eq!(done["applied"]["needs_migration"], planned["planned"]["needs_migration"]);
    assert_eq!(moves.route_pool("photos").await, moves.pools[1]);
    let first = world.get(&format!("/api/pools/{}", moves.pools[0])).await.expect(200);
    assert_eq!(first["keepalive"], 32);
}

#[tokio::test]
async fn the_source_is_needed_until_it_was_compared_with_what_was_made_of_it() {
    let moves = Moves::waiting().await;
    let old = Worker { pid: 7, started: 1 };
    moves.world.gate.set_workers(Ok(vec![old]));
    moves.run_engine();
    let id = moves.begin("photos").await;
    let copying = moves.until(id, |migration| migration["step"] == "await_workers").await;
    assert_eq!(copying["audit"], Value::Null);
    moves.world.gate.set_workers(Ok(vec![Worker { pid: 8, started: 2 }]));
    let waiting = moves.until(id, |migration| migration["phase"] == "done").await;
    assert_eq!((&waiting["step"], &waiting["audit"]), (&json!("await_old_workers"), &json!("pending")));
    moves.world.gate.set_workers(Ok(vec![Worker { pid: 9, started: 3 }]));
    assert_eq!(moves.until_over(id).await["audit"], "ok");
}

#[tokio::test]
async fn a_comparison_that_a_crash_cut_short_is_made_by_the_next_start() {
    let moves = Moves::start().await;
    let id = moves.begin("photos").await;
    moves.until_over(id).await;
    moves.stop.send_replace(true);
    let store = moves.world.store.clone();
    let crashed = store.write(move |tx| {
        let mut migration = tx.migration(MigrationId(id))?.unwrap();
        (migration.work.step, migration.work.audit) = (Step::Report, Some(Comparison::Pending));
        tx.save_migration(migration)
    });
    crashed.await.unwrap();
    let purge = format!("/api/pools/{}/buckets/photos/purge", moves.pools[0]);
    let refused = moves.world.post(&purge, Value::Null).await.detail(409);
    assert!(refused.contains(&format!("migration {id}, which reads it there")), "{refused}");
    // A process of its own: the engine that is ending may have taken the migration up, and must not keep this one from it.
    let world = moves.world.same_machine();
    let again = Moves { world, pools: moves.pools, vhost: moves.vhost, stop: watch::Sender::new(false) };
    again.run_engine();
    assert_eq!(again.until_over(id).await["audit"], "ok");
    assert_eq!(again.world.post(&purge, Value::Null).await.expect(200)["deleted"], 3);
}

#[tokio::test]
async fn the_preflight_tells_of_keys_of_one_pool_only_of_a_full_disk_and_of_few_connections() {
    let moves = Moves::waiting().await;
    let (moves, world) = (&moves, &moves.world);
    let check = |name: &'static str| async move {
        let told = world.post("/api/migrations/preflight", moves.request("photos")).await.expect(200);
        let found = told["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).cloned();
        let found = found.unwrap_or_else(|| panic!("no {name} in {told:#}"));
        (found["outcome"].as_str().unwrap().to_owned(), found["message"].as_str().unwrap().to_owned())
    };
    for name in ["client_keys", "disk", "worker_connections"] {
        assert_eq!(check(name).await.0, "ok", "{name}");
    }
    let own = Keys::parse("AKSECOND", "a secret of the second pool").unwrap();
    let body = json!({"access_key": "AKSECOND", "secret_key": "a secret of the second pool"});
    world.put(&format!("/api/pools/{}/credentials", moves.pools[1]), body).await.expect(200);
    assert_eq!(check("client_keys").await.0, "ok", "the second pool takes any key");
    world.buckets.at(&node(1)).admit_only(own);
    let (outcome, message) = check("client_keys").await;
    assert_eq!(outcome, "warning");
    assert!(message.contains("get 403 after the switch"), "{message}");
    let room = |free: u64, worker_connections: u64| Capacity { free, journal: 64 << 20, worker_connections };
    world.gate.set_capacity(room(100 << 20, 256));
    let (disk, connections) = (check("disk").await, check("worker_connections").await);
    assert_eq!((disk.0.as_str(), connections.0.as_str()), ("warning", "warning"));
    assert!(connections.1.contains("512 or more"), "{}", connections.1);
    world.gate.set_capacity(room(63 << 20, 512));
    let (outcome, message) = check("disk").await;
    assert_eq!(outcome, "failed");
    assert!(message.contains("63 MiB are free") && message.contains("MIGRATION_GATE_DIR"), "{message}");
    let refused = world.post("/api/migrations", moves.request("photos")).await.detail(400);
    assert_eq!(refused, message);
}

#[tokio::test]
async fn f07_more_than_may_run_at_a_time_wait_and_nothing_is_switched_without_its_data() {
    let moves = Moves::start().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        moves.world.copier.hang_next(0);
    }
    for bucket in ["photos", "films", "songs"] {
        if bucket != "photos" {
            moves.fill(bucket).await;
        }
        let id = moves.begin(bucket).await;
        if ids.len() < 2 {
            moves.until(id, |migration| migration["step"] == "copy_all").await;
        }
        ids.push(id);
    }
    let waiting = moves.get(ids[2]).await;
    assert_eq!((&waiting["phase"], &waiting["step"]), (&json!("pending"), &json!("check")));
    assert_eq!(moves.route_pool("songs").await, moves.pools[0]);
    moves.world.post(&format!("/api/migrations/{}/cancel", ids[0]), json!({})).await.expect(200);
    assert_eq!(moves.until_over(ids[2]).await["phase"], "done", "it got the place of the cancelled one");
    assert_eq!(moves.route_pool("songs").await, moves.pools[1]);
    assert_eq!(moves.route_pool("photos").await, moves.pools[0]);
}

#[tokio::test]
async fn f17_a_cancelled_migration_leaves_route_and_nginx_as_they_were() {
    let moves = Moves::start().await;
    let before = moves.world.gateway.live();
    moves.world.copier.hang_next(1);
    let id = moves.begin("photos").await;
    moves.until(id, |migration| migration["step"] == "copy_all").await;
    assert_ne!(moves.world.gateway.live(), before, "nginx journals");
    let refused = moves.world.post("/api/migrations", moves.request("photos")).await.detail(409);
    assert!(refused.contains(&format!("Migration {id}")), "{refused}");
    moves.world.post(&format!("/api/migrations/{id}/cancel"), json!({})).await.expect(200);
    let over = moves.until_over(id).await;
    assert_eq!((&over["phase"], over["finished_at"].is_string()), (&json!("cancelled"), true));
    assert_eq!(over["error_msg"], Value::Null);
    assert_eq!(moves.route_pool("photos").await, moves.pools[0]);
    let conf = |files: std::collections::HashMap<String, String>| {
        let mut conf: Vec<_> = files.into_iter().filter(|(path, _)| path.ends_with(".conf")).collect();
        conf.sort();
        conf
    };
    assert_eq!(conf(moves.world.gateway.live().into_iter().collect()), conf(before.into_iter().collect()));
    assert_eq!(moves.world.gate.tokens().await.unwrap(), []);
    assert_eq!(moves.audited().await, ["start_migration", "cancel_migration", "migration_cancelled"]);
    let again = moves.world.post(&format!("/api/migrations/{id}/cancel"), json!({})).await.detail(400);
    assert!(again.contains("terminal state 'cancelled'"), "{again}");
}

#[tokio::test]
async fn a_paused_migration_goes_on_where_it_was() {
    let moves = Moves::start().await;
    moves.world.copier.hang_next(1);
    let id = moves.begin("photos").await;
    moves.until(id, |migration| migration["step"] == "copy_all").await;
    moves.world.post(&format!("/api/migrations/{id}/pause"), json!({})).await.expect(200);
    let paused = moves.until(id, |migration| migration["paused"] == true).await;
    assert_eq!(paused["phase"], "copying");
    moves.until_said(id, "waits until it is resumed").await;
    moves.world.post(&format!("/api/migrations/{id}/resume"), json!({})).await.expect(200);
    assert_eq!(moves.until_over(id).await["phase"], "done");
    moves.world.post(&format!("/api/migrations/{id}/pause"), json!({})).await.detail(400);
    assert_eq!(moves.audited().await, ["start_migration", "pause_migration", "resume_migration", "migration_done"]);
}

#[tokio::test]
async fn what_cannot_begin_is_told_by_preflight_and_by_the_request_alike() {
    let moves = Moves::start().await;
    let world = &moves.world;
    let http = world.http_pool("files").await;
    let [first, second] = moves.pools;
    let ask = |body: Value| async move { world.post("/api/migrations", body).await };
    let body = |bucket: &str, from: i64, to: i64| json!({"bucket": bucket, "src_pool_id": from, "dst_pool_id": to});
    for (request, words) in [
        (body("photos", first, first), "must be different"),
        (body("photos", 999, second), "Source pool 999 not found"),
        (body("photos", first, http), "nanio pools"),
        (body("photos", second, first), "No enabled route '/photos/'"),
        (body("films", first, second), "No route '/films/'"),
        (body("Bad_Name", first, second), "plain one"),
    ] {
        let refused = ask(request.clone()).await.detail(400);
        assert!(refused.contains(words), "{refused}");
        let told = world.post("/api/migrations/preflight", request).await.expect(200);
        assert_eq!(told["ok"], false);
        assert!(told["checks"][0]["message"].as_str().unwrap().contains(words), "{told}");
    }
    world.buckets.at(&node(0)).put("photos", "x//y");
    let refused = ask(moves.request("photos")).await.detail(400);
    assert!(refused.contains("\"x//y\""), "{refused}");
    world.buckets.at(&node(0)).remove("photos");
    assert!(ask(moves.request("photos")).await.detail(400).contains("does not exist"));
    world.buckets.at(&node(0)).make("photos");
    assert!(ask(moves.request("photos")).await.detail(400).contains("is empty"));
    world.buckets.fail(&node(0), "connection refused");
    assert!(ask(moves.request("photos")).await.detail(503).contains("connection refused"));
    assert_eq!(world.get("/api/migrations").await.expect(200), json!([]));
}

#[tokio::test]
async fn a_restart_goes_forward_from_a_committed_token_and_back_from_any_other() {
    for committed in [false, true] {
        let moves = Moves::start().await;
        moves.world.copier.hang_next(3);
        let id = moves.begin("photos").await;
        moves.until(id, |migration| migration["step"] == "copy_all").await;
        let token = moves.world.gate.tokens().await.unwrap().remove(0);
        moves.stop.send_replace(true);
        moves.world.gate.freeze(&token).await.unwrap();
        if committed {
            moves.world.gate.commit(&token).await.unwrap();
        }
        let world = moves.world.same_machine();
        let again = Moves { world, pools: moves.pools, vhost: moves.vhost, stop: watch::Sender::new(false) };
        again.run_engine();
        let over = again.until_over(id).await;
        assert_eq!(over["phase"], "done", "{over:#}");
        assert_eq!(again.route_pool("photos").await, moves.pools[1]);
        let log = again.world.get(&format!("/api/migrations/{id}/log?limit=100")).await.text;
        assert!(log.contains(if committed { "at record" } else { "at journal_on" }), "{log}");
        assert_eq!(again.world.gate.state(&token).await.unwrap(), TokenState::Missing);
    }
}

#[tokio::test]
async fn writes_wait_at_the_gate_during_the_cutover_and_go_to_the_destination_after_it() {
    let moves = Moves::start().await;
    let gate = Arc::clone(&moves.world.gate);
    moves.world.copier.hang_next(3);
    let id = moves.begin("photos").await;
    moves.until(id, |migration| migration["step"] == "copy_all").await;
    let token = gate.tokens().await.unwrap().remove(0);
    let held = {
        let (gate, token) = (gate.clone(), token.clone());
        tokio::spawn(async move { gate.admitted(&token, |admission| matches!(admission, Admission::Hold)).await })
    };
    let opened = {
        let (gate, token) = (gate.clone(), token.clone());
        tokio::spawn(
            async move { gate.admitted(&token, |admission| matches!(admission, Admission::Destination(_))).await },
        )
    };
    moves.world.post(&format!("/api/migrations/{id}/pause"), json!({})).await.expect(200);
    // The copy that hangs goes only when the pause is seen: whoever resumes sooner leaves it as it is.
    moves.until_said(id, "waits until it is resumed").await;
    moves.world.post(&format!("/api/migrations/{id}/resume"), json!({})).await.expect(200);
    held.await.unwrap();
    let Admission::Destination(destination) = opened.await.unwrap() else { panic!("not open") };
    assert_eq!((destination.pool.as_str(), destination.source.as_str()), ("second", "first"));
    assert_eq!(moves.until_over(id).await["phase"], "done");
}

#[tokio::test]
async fn nothing_may_disturb_a_bucket_that_is_being_moved() {
    let moves = Moves::start().await;
    let world = &moves.world;
    moves.world.copier.hang_next(0);
    let id = moves.begin("photos").await;
    moves.until(id, |migration| migration["step"] == "copy_all").await;
    let routes = world.get(&format!("/api/vhosts/{}/routes", moves.vhost)).await.expect(200);
    let route = routes.as_array().unwrap().iter().find(|route| route["path_prefix"] == "/photos/").unwrap();
    let path = format!("/api/vhosts/{}/routes/{}", moves.vhost, route["id"]);
    world.put(&path, json!({"pool_id": moves.pools[1], "allow_orphan": true})).await.detail(409);
    world.put(&path, json!({"enabled": false, "allow_orphan": true})).await.detail(409);
    world.delete(&format!("{path}?allow_orphan=true")).await.detail(409);
    world.put(&format!("/api/pools/{}", moves.pools[0]), json!({"name": "renamed"})).await.detail(409);
    world.put(&format!("/api/vhosts/{}", moves.vhost), json!({"enabled": false})).await.detail(409);
    let part = json!({"path_prefix": "/photos/2025/", "pool_id": moves.pools[0], "allow_orphan": true});
    world.post(&format!("/api/vhosts/{}/routes", moves.vhost), part).await.detail(409);
    world.put(&path, json!({"extra_directives": "proxy_buffering on;"})).await.expect(200);
}

#[tokio::test]
async fn f07_another_pool_for_a_route_is_a_migration_when_its_bucket_has_objects() {
    let moves = Moves::waiting().await;
    let world = &moves.world;
    let routes = world.get(&format!("/api/vhosts/{}/routes", moves.vhost)).await.expect(200);
    let route = routes.as_array().unwrap().iter().find(|route| route["path_prefix"] == "/photos/").unwrap();
    let path = format!("/api/vhosts/{}/routes/{}", moves.vhost, route["id"]);
    let change = json!({"pool_id": moves.pools[1], "extra_directives": "proxy_buffering on;"});
    let told = world.put(&path, change).await.expect(200);
    let id = told["migration_id"].as_i64().unwrap();
    assert_eq!((&told["pool_id"], &told["extra_directives"]), (&json!(moves.pools[0]), &json!("proxy_buffering on;")));
    assert_eq!(moves.get(id).await["phase"], "pending");
    moves.run_engine();
    assert_eq!(moves.until_over(id).await["phase"], "done");
    assert_eq!(moves.route_pool("photos").await, moves.pools[1]);
    let back = world.put(&path, json!({"pool_id": moves.pools[0], "allow_orphan": true})).await.detail(409);
    assert!(back.contains(&format!("migration {id}")), "it would serve the old copy: {back}");
}

#[tokio::test]
async fn f03_a_bucket_that_is_promoted_with_its_objects_is_served_from_where_they_are_until_they_have_moved() {
    let moves = Moves::waiting().await;
    let world = &moves.world;
    world.buckets.at(&node(0)).make("films").put("films", "one");
    let path = format!("/api/vhosts/{}/buckets/films/promote", moves.vhost);
    world.buckets.fail(&node(1), "connection refused");
    let refused = world.post(&path, json!({"pool_id": moves.pools[1], "migrate": true})).await.detail(503);
    assert!(refused.contains("connection refused"), "{refused}");
    let buckets = world.get(&format!("/api/vhosts/{}/routes", moves.vhost)).await.text;
    assert!(!buckets.contains("/films/"), "nothing is half done: {buckets}");
    world.buckets.recover(&node(1));
    let told = world.post(&path, json!({"pool_id": moves.pools[1], "migrate": true})).await.expect(200);
    assert_eq!((&told["migration_started"], &told["pool"]), (&json!(true), &json!("first")));
    assert_eq!(moves.route_pool("films").await, moves.pools[0]);
    let purge = format!("/api/pools/{}/buckets/films/purge", moves.pools[0]);
    world.post(&purge, Value::Null).await.detail(409);
    moves.run_engine();
    assert_eq!(moves.until_over(told["migration_id"].as_i64().unwrap()).await["phase"], "done");
    assert_eq!(moves.route_pool("films").await, moves.pools[1]);
    world.buckets.at(&node(0)).make("empty");
    let path = format!("/api/vhosts/{}/buckets/empty/promote", moves.vhost);
    let told = world.post(&path, json!({"pool_id": moves.pools[1], "migrate": true})).await.expect(200);
    assert_eq!((&told["migration_started"], &told["pool"]), (&json!(false), &json!("second")));
}
