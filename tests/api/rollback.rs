//! Back to an earlier revision, and why a change was made.

use nanio_orchestrator::adapters::http::{read_manifest, write_manifest};
use nanio_orchestrator::domain::manifest::Manifest;
use nanio_orchestrator::domain::pool::Address;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::world::{Answer, KEY, World};
use crate::support::values::manifest::{in_order, sound};

impl World {
    /// The number of the last accepted change.
    async fn newest(&self) -> u64 {
        self.get("/api/config/revisions?limit=1").await.expect(200)[0]["number"].as_u64().unwrap_or(0)
    }

    async fn rollback(&self, number: u64, query: &str) -> Answer {
        self.post(&format!("/api/config/revisions/{number}/rollback{query}"), Value::Null).await
    }

    async fn exported(&self) -> Manifest {
        let text = self.get("/api/config/export?format=json").await.text;
        in_order(read_manifest(text.as_bytes(), true).unwrap())
    }

    pub async fn applied(&self, manifest: &Manifest) -> Value {
        let headers = [("x-orchestrator-key", KEY), ("content-type", "application/json")];
        let text = write_manifest(manifest, true);
        self.send("POST", "/api/config/apply?prune=true", &headers, &text).await.expect(200)
    }

    /// Why the last accepted change was made.
    async fn last_reason(&self) -> Value {
        self.get("/api/config/revisions?limit=1").await.expect(200)[0]["entries"][0]["reason"].clone()
    }
}

fn told(answer: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let changes = answer["changes"].as_array().unwrap().iter();
    changes.map(|change| format!("{} {}", text(&change["action"]), text(&change["place"]))).collect()
}

#[tokio::test]
async fn each_kind_of_change_is_taken_back_and_the_way_back_is_a_change_like_any_other() {
    let world = World::start().await;
    let (old, new) = (world.pool("old").await, world.pool("new").await);
    let vhost = world.vhost("s3.example", Some(old)).await;
    let spare = world.vhost("spare.example", None).await;
    let route = world.route(vhost, "/photos/", new).await;
    let unused = world.http_pool("unused").await;
    world.post(&format!("/api/vhosts/{spare}/buckets/noise/ignore"), Value::Null).await.expect(200);
    let (number, before) = (world.newest().await, world.exported().await);
    let files = world.everything().await.1;

    world.put(&format!("/api/pools/{old}"), json!({"description": "slow", "keepalive": 8})).await.expect(200);
    world.put(&route, json!({"enabled": false, "allow_orphan": true})).await.expect(200);
    world.put(&format!("/api/vhosts/{vhost}"), json!({"extra_directives": "etag off;"})).await.expect(200);
    world.delete(&format!("/api/vhosts/{spare}")).await.expect(204);
    world.delete(&format!("/api/pools/{unused}")).await.expect(204);
    let members = format!("/api/pools/{new}/members");
    let first = world.get(&members).await.expect(200)[0]["id"].clone();
    world.post(&members, json!({"address": "10.0.0.7:9000"})).await.expect(201);
    world.put(&format!("{members}/{first}"), json!({"weight": 7})).await.expect(200);
    world.route(vhost, "/later/", old).await;
    world.pool("later").await;
    let (latest, after) = (world.newest().await, world.exported().await);

    let plan = world.rollback(number, "?dry_run=true").await.expect(200);
    assert_eq!((&plan["applied"], world.newest().await), (&Value::Null, latest));
    let tests = world.gateway.tests();
    let done = world.rollback(number, "").await.expect(200);
    assert_eq!(world.gateway.tests() - tests, 1);
    assert_eq!(told(&done["applied"]), told(&plan["planned"]));
    assert!(told(&done["applied"]).contains(&"delete pools.later".to_owned()), "{done}");
    assert_eq!(done["applied"]["warnings"][0].as_str().unwrap().split(',').next(), Some("pool unused is made again"));
    assert_eq!(world.exported().await, before);
    let names = |files: &[(String, String)]| files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    assert_eq!(names(&world.everything().await.1), names(&files));
    assert_eq!((world.newest().await, world.last_reason().await), (latest + 1, json!(format!("rollback to {number}"))));

    // And back again.
    world.rollback(latest, "").await.expect(200);
    assert_eq!(world.exported().await, after);
    let nothing = world.rollback(latest + 2, "").await.expect(200);
    assert_eq!((&nothing["applied"]["changed"], world.newest().await), (&json!(false), latest + 2));
}

#[tokio::test]
async fn whatever_was_applied_since_the_document_of_then_comes_back() {
    let mut runner = TestRunner::deterministic();
    let world = World::start().await;
    let mut known = Vec::new();
    for _ in 0..12 {
        let wanted = sound().new_tree(&mut runner).unwrap().current();
        world.applied(&wanted).await;
        known.push((world.newest().await, world.exported().await));
    }
    for at in [10, 3, 11, 0, 7, 8, 2] {
        let (number, document) = &known[at];
        world.rollback(*number, "?partial=true").await.expect(200);
        assert_eq!(&world.exported().await, document, "revision {number}");
    }
}

#[tokio::test]
async fn a_reason_stands_in_the_revision_and_in_no_other() {
    let world = World::start().await;
    let pool = |name: &str| json!({"name": name});
    let because = [("x-change-reason", "Umzug nach Köln 100%")];
    world.ask("POST", "/api/pools", &because, pool("a")).await.expect(201);
    assert_eq!(world.last_reason().await, "Umzug nach Köln 100%");
    let number = world.newest().await;
    world.post("/api/pools", pool("b")).await.expect(201);
    assert_eq!(world.last_reason().await, Value::Null);
    let path = format!("/api/config/revisions/{number}/rollback");
    world.ask("POST", &path, &[("x-change-reason", "b was a mistake")], Value::Null).await.expect(200);
    assert_eq!(world.last_reason().await, "b was a mistake");
    let shown = world.get(&format!("/api/config/revisions/{number}")).await.expect(200);
    assert_eq!(shown["entries"][0]["reason"], "Umzug nach Köln 100%");

    let before = world.newest().await;
    for (reason, kind) in [("a\tb", "value_error"), (&"ä".repeat(501), "string_too_long"), (" ", "string_too_short")] {
        let refused = world.ask("POST", "/api/pools", &[("x-change-reason", reason)], pool("c")).await;
        assert_eq!(refused.faults(), [(kind.to_owned(), "header.X-Change-Reason".to_owned())]);
    }
    assert_eq!(world.newest().await, before);
}

#[tokio::test]
async fn what_the_history_does_not_tell_is_refused_and_the_revision_named() {
    let world = World::start().await;
    world.pool("a").await;
    let number = world.newest().await;
    world.pool("c").await;
    let (newest, before) = (world.newest().await, world.everything().await);
    world.rollback(newest + 1, "").await.detail(404);
    world.rollback(newest, "?partial=perhaps").await.faults();
    std::fs::remove_file(world.home("data/revisions").join(format!("{newest:012}.json"))).unwrap();
    for query in ["", "?dry_run=true"] {
        let why = world.rollback(number, query).await.detail(409);
        assert!(why.contains(&format!("revision {newest}")) && why.contains("does not hold"), "{why}");
        assert!(why.contains("nanio-orchestrator export"), "{why}");
    }
    assert_eq!(world.everything().await, before);
}

#[tokio::test]
async fn who_got_another_name_gets_the_former_one_back_and_keeps_its_objects() {
    let world = World::start().await;
    let (cold, hot) = (world.pool_at("cold", "10.0.0.1:9000").await, world.pool_at("hot", "10.0.0.2:9000").await);
    let vhost = world.vhost("s3.example", Some(cold)).await;
    world.route(vhost, "/photos/", hot).await;
    world.buckets.at(&Address::parse("10.0.0.1:9000").unwrap()).make("logs").put("logs", "a");
    world.buckets.at(&Address::parse("10.0.0.2:9000").unwrap()).make("photos").put("photos", "a");
    let (number, before, files) = (world.newest().await, world.exported().await, world.gateway.live());
    let rename = |path: String, field: &'static str, name: &'static str| (path, json!({field: name}));
    for (path, body) in [
        rename(format!("/api/pools/{cold}"), "name", "older"),
        rename(format!("/api/pools/{hot}"), "name", "cold"),
        rename(format!("/api/vhosts/{vhost}"), "server_name", "new.example"),
    ] {
        world.put(&path, body).await.expect(200);
    }
    world.put(&format!("/api/pools/{hot}"), json!({"keepalive": 3})).await.expect(200);
    let (latest, after) = (world.newest().await, world.exported().await);

    let plan = world.rollback(number, "?dry_run=true").await.expect(200);
    assert_eq!(plan["planned"]["needs_migration"], json!([]), "no bucket gets another pool: {plan}");
    let done = world.rollback(number, "").await.expect(200);
    let renamed = ["update pools.hot", "update pools.cold", "update vhosts.s3.example", "update pools.hot"];
    assert_eq!(told(&done["applied"]), renamed);
    let field = json!({"field": "name", "before": "cold", "after": "hot"});
    assert_eq!(done["applied"]["changes"][0]["fields"], json!([field]));
    assert_eq!((world.exported().await, world.gateway.live()), (before, files), "byte by byte");
    assert_eq!(world.get(&format!("/api/pools/{cold}")).await.expect(200)["name"], "cold", "it is the same pool");

    world.rollback(latest, "").await.expect(200);
    assert_eq!(world.exported().await, after);
    // What is left out is told in the names that its command must use.
    world.route(vhost, "/later/", hot).await;
    world.buckets.at(&Address::parse("10.0.0.2:9000").unwrap()).make("later").put("later", "a");
    let why = world.rollback(number, "").await.detail(409);
    let command = "nanio-orchestrator migration start later --src cold --dst older --vhost new.example";
    assert!(why.contains("new.example/later/") && why.contains(command), "{why}");
    let done = world.rollback(number, "?partial=true").await.expect(200);
    let command = "nanio-orchestrator migration start later --src hot --dst cold --vhost s3.example";
    assert_eq!(done["applied"]["needs_migration"][0]["command"], command, "their names after it");
}

#[tokio::test]
async fn a_name_that_somebody_else_has_by_now_is_not_taken_away() {
    let world = World::start().await;
    let (a, number) = (world.pool("a").await, world.newest().await);
    world.put(&format!("/api/pools/{a}"), json!({"name": "b"})).await.expect(200);
    let free = world.newest().await;
    let other = world.pool("a").await;
    let before = world.everything().await;
    for query in ["", "?dry_run=true"] {
        let why = world.rollback(number, query).await.detail(409);
        assert!(why.contains("pool b was called a then") && why.contains("pool update a --name"), "{why}");
    }
    assert_eq!(world.everything().await, before);
    world.put(&format!("/api/pools/{other}"), json!({"name": "aside"})).await.expect(200);
    world.rollback(number, "").await.expect(200);
    assert_eq!(world.get(&format!("/api/pools/{a}")).await.expect(200)["name"], "a");
    world.get(&format!("/api/pools/{other}")).await.detail(404);

    // a and c exchange their names.
    let c = world.pool("c").await;
    let both = world.newest().await;
    for (pool, name) in [(a, "between"), (c, "a"), (a, "c")] {
        world.put(&format!("/api/pools/{pool}"), json!({"name": name})).await.expect(200);
    }
    let why = world.rollback(both, "").await.detail(409);
    assert!(why.contains("have exchanged their names") && why.contains("pool update a --name"), "{why}");
    world.put(&format!("/api/pools/{c}"), json!({"name": "between"})).await.expect(200);
    world.rollback(both, "").await.expect(200);
    assert_eq!(world.get(&format!("/api/pools/{c}")).await.expect(200)["name"], "c");
    assert!(free < both);
}

#[tokio::test]
async fn a_database_that_was_made_again_is_not_taken_for_the_one_before() {
    let world = World::start().await;
    world.pool("a").await;
    let number = world.newest().await;
    world.pool("b").await;
    let later = world.newest().await;
    let world = world.without_database();
    let why = world.rollback(later, "").await.detail(409);
    assert!(why.contains("the database was made again or put back"), "{why}");
    world.post("/api/config/rebuild-from-disk", Value::Null).await.expect(200);
    world.pool("c").await;
    let since = world.newest().await;
    world.pool("d").await;
    let why = world.rollback(number, "").await.detail(409);
    assert!(why.contains("the database was made again or put back"), "{why}");
    world.rollback(since, "").await.expect(200);
    let pools: Vec<String> = world.exported().await.pools.keys().map(ToString::to_string).collect();
    assert_eq!(pools, ["a", "b", "c"]);
    // The same database, but nobody knows what the disk had that it had not.
    world.post("/api/config/rebuild-from-disk?force=true", Value::Null).await.expect(200);
    let why = world.rollback(since, "").await.detail(409);
    assert!(why.contains("it does not tell what the rebuild of the database from the disk did"), "{why}");
}

#[tokio::test]
async fn an_edit_that_was_taken_over_from_the_disk_is_not_taken_back() {
    let world = World::start().await;
    world.pool("a").await;
    let number = world.newest().await;
    let text = world.gateway.live()["pools/a.conf"].replace("weight=1", "weight=4");
    world.gateway.edit("pools/a.conf", &text);
    world.post("/api/config/sync", Value::Null).await.expect(200);
    let (absorbed, before) = (world.newest().await, world.exported().await);
    assert!(absorbed > number);
    let why = world.rollback(number, "").await.detail(409);
    assert!(why.contains("the edit that was taken over from the disk"), "{why}");
    assert_eq!(world.exported().await, before);
}

#[tokio::test]
async fn a_bucket_with_objects_stays_and_partial_does_the_rest() {
    let world = World::start().await;
    let (cold, hot) = (world.pool_at("cold", "10.0.0.1:9000").await, world.pool_at("hot", "10.0.0.2:9000").await);
    let vhost = world.vhost("s3.example", Some(cold)).await;
    let number = world.newest().await;
    world.route(vhost, "/photos/", hot).await;
    world.put(&format!("/api/pools/{cold}"), json!({"keepalive": 5})).await.expect(200);
    world.buckets.at(&Address::parse("10.0.0.1:9000").unwrap());
    world.buckets.at(&Address::parse("10.0.0.2:9000").unwrap()).make("photos").put("photos", "a");
    let before = world.everything().await;
    let why = world.rollback(number, "").await.detail(409);
    assert!(why.contains("s3.example/photos/") && why.contains("--partial"), "{why}");
    assert_eq!(world.everything().await, before);
    let done = world.rollback(number, "?partial=true").await.expect(200);
    assert_eq!(told(&done["applied"]), ["update pools.cold"]);
    assert_eq!(done["applied"]["needs_migration"][0]["path_prefix"], "/photos/");
}

#[tokio::test]
async fn twenty_thousand_routes_come_back_with_one_test() {
    let world = World::start().await;
    world.pool("a").await;
    world.pool("b").await;
    let empty = world.newest().await;
    let routes: Vec<String> =
        (0..20_000).map(|n| format!("\"/bucket-{n}/\": {{\"pool\": \"a\", \"enabled\": false}}")).collect();
    let text = format!(
        "{{\"version\": 1, \"vhosts\": {{\"s3.example\": {{\"listen_port\": 80, \"ssl\": false, \"routes\": {{{}}}}}}}}}",
        routes.join(",")
    );
    let headers = [("x-orchestrator-key", KEY), ("content-type", "application/json")];
    world.send("POST", "/api/config/apply", &headers, &text).await.expect(200);
    let (full, all) = (world.newest().await, world.exported().await);
    for (number, routes) in [(empty, 0), (full, 20_000)] {
        let tests = world.gateway.tests();
        world.rollback(number, "").await.expect(200);
        assert_eq!(world.gateway.tests() - tests, 1);
        let now = world.exported().await;
        assert_eq!(now.vhosts.values().map(|vhost| vhost.routes.len()).sum::<usize>(), routes);
        assert!(routes == 0 || now == all);
    }
}

#[tokio::test]
async fn a_way_back_that_was_shown_is_not_taken_from_another_state() {
    let world = World::start().await;
    let old = world.pool("old").await;
    let number = world.newest().await;
    world.pool("later").await;
    let shown = world.rollback(number, "?dry_run=true").await.expect(200);
    let state = format!("expect={}", shown["planned"]["state"].as_str().unwrap());
    world.put(&format!("/api/pools/{old}"), json!({"keepalive": 8})).await.expect(200);

    let before = (world.newest().await, world.everything().await);
    for query in [format!("?{state}"), format!("?{state}&dry_run=true")] {
        let refused = world.rollback(number, &query).await;
        assert!(refused.detail(412).contains("The gateway was changed by someone else"), "{query}");
    }
    assert_eq!((world.newest().await, world.everything().await), before);

    let shown = world.rollback(number, "?dry_run=true").await.expect(200);
    let state = format!("expect={}", shown["planned"]["state"].as_str().unwrap());
    world.rollback(number, &format!("?{state}")).await.expect(200);
    assert!(world.exported().await.pools.keys().all(|name| name.as_str() == "old"));
}
