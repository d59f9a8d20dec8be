//! Several operations as one change.

use serde_json::{Value, json};

use super::buckets::TwoPools;
use super::world::World;

const CHANGES: &str = "/api/config/changes";

/// A pool with a member, a vhost and a route, each of which names what was made before.
fn gateway() -> Value {
    json!({"operations": [
        {"op": "create", "resource": "pool", "body": {"name": "hot"}},
        {"op": "create", "resource": "member", "pool": "hot", "body": {"address": "10.0.0.1:9000"}},
        {"op": "create", "resource": "pool",
         "body": {"name": "web", "type": "http", "source_nanio_pool_id": "hot"}},
        {"op": "create", "resource": "vhost",
         "body": {"server_name": "a.example", "listen_port": 80, "ssl": false, "default_pool_id": "hot"}},
        {"op": "create", "resource": "route", "vhost": "a.example", "body": {"path_prefix": "/photos/", "pool_id": "hot"}},
    ]})
}

#[tokio::test]
async fn later_operations_name_what_earlier_ones_make() {
    let world = World::start().await;
    let made = world.post(CHANGES, gateway()).await.expect(200);
    let told: Vec<(u64, &str, i64)> = made["operations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["index"].as_u64().unwrap(), one["resource"].as_str().unwrap(), one["id"].as_i64().unwrap()))
        .collect();
    // The route `/` of the vhost comes before the other one.
    assert_eq!(told, [(0, "pool", 1), (1, "member", 1), (2, "pool", 2), (3, "vhost", 1), (4, "route", 2)]);
    assert_eq!(world.get("/api/pools/2").await.expect(200)["source_nanio_pool_id"], 1);
    assert!(world.gateway.live()["vhosts/a.example.conf"].contains("photos"));

    let changes = json!({"operations": [
        {"op": "update", "resource": "pool", "pool": "hot", "body": {"name": "hotter", "keepalive": 16}},
        {"op": "update", "resource": "member", "pool": "hotter", "member": "10.0.0.1:9000", "body": {"weight": 7}},
        {"op": "update", "resource": "vhost", "vhost": 1, "body": {"enabled": true, "extra_directives": "etag off;"}},
        {"op": "update", "resource": "route", "vhost": "a.example", "prefix": "/photos", "body": {"extra_directives": "expires 1d"}},
        {"op": "delete", "resource": "pool", "pool": "web"},
    ]});
    world.post(CHANGES, changes).await.expect(200);
    let conf = world.gateway.live()["vhosts/a.example.conf"].clone();
    assert!(conf.contains("etag off;") && conf.contains("expires 1d;") && conf.contains("hotter"), "{conf}");
    let removal = json!({"operations": [
        {"op": "delete", "resource": "route", "vhost": "a.example", "route": 2, "body": {"allow_orphan": true}},
        {"op": "delete", "resource": "vhost", "vhost": "a.example"},
        {"op": "delete", "resource": "member", "pool": 1, "member": 1},
        {"op": "delete", "resource": "pool", "pool": 1},
    ]});
    world.post(CHANGES, removal).await.expect(200);
    assert_eq!(world.get("/api/pools").await.expect(200), json!([]));
    assert!(!world.gateway.live().keys().any(|path| path.ends_with("a.example.conf")));
}

#[tokio::test]
async fn every_operation_that_is_refused_is_told_and_nothing_is_changed() {
    let world = World::start().await;
    world.pool("p").await;
    let before = world.everything().await;
    let changes = json!({"operations": [
        {"op": "create", "resource": "pool", "body": {"name": "new"}},
        {"op": "create", "resource": "pool", "body": {"name": "P"}},
        {"op": "create", "resource": "member", "pool": "new", "body": {"address": "10.0.0.1:9000", "role": "replica"}},
        {"op": "delete", "resource": "vhost", "vhost": "nobody.example"},
        {"op": "create", "resource": "pool", "body": {"name": "another"}},
    ]});
    let answer = world.post(CHANGES, changes).await;
    let body = answer.expect(422);
    let told: Vec<(u64, &str)> = body["detail"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| (fault["loc"][2].as_u64().unwrap(), fault["msg"].as_str().unwrap()))
        .collect();
    assert_eq!(told.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(told[0].1.contains("Pool 'p' already exists") && told[2].1.contains("nobody.example"), "{told:?}");
    assert_eq!(world.everything().await, before);
}

#[tokio::test]
async fn f05_what_nginx_refuses_of_all_changes_nothing() {
    let world = World::start().await;
    let before = world.everything().await;
    world.gateway.refuse(Some("nginx: [emerg] no"));
    assert_eq!(world.post(CHANGES, gateway()).await.detail(422), "nginx: [emerg] no");
    assert_eq!(world.everything().await, before);
}

#[tokio::test]
async fn a_body_is_read_as_that_of_the_single_call() {
    let world = World::start().await;
    let changes = json!({"operations": [
        {"op": "create", "resource": "pool", "body": {"name": "a b"}},
        {"op": "create", "resource": "route", "body": {"path_prefix": "/a/", "pool_id": "p"}},
        {"op": "replace", "resource": "pool"},
        {"op": "delete", "resource": "pool", "name": "p"},
        {"op": "delete", "resource": "pool"},
        5,
    ]});
    let faults = world.post(CHANGES, changes).await.faults();
    let places: Vec<&str> = faults.iter().map(|(_, place)| place.as_str()).collect();
    let expected = ["0.body.name", "1.vhost", "2.op", "3.name", "4.pool", "5"];
    assert_eq!(places, expected.map(|place| format!("body.operations.{place}")));
    let many: Vec<Value> = vec![json!({"op": "delete", "resource": "pool", "pool": 1}); 1001];
    assert_eq!(world.post(CHANGES, json!({"operations": many})).await.faults()[0].1, "body.operations");
}

#[tokio::test]
async fn no_operation_leads_a_bucket_away_from_its_objects_unasked() {
    let two = TwoPools::start().await;
    two.world.buckets.at(&two.at_near).put("photos", "key");
    two.route("/photos/", two.near).await;
    let before = two.world.everything().await;
    let turn = |consent: Value| {
        let mut body = json!({"pool_id": "far"});
        body["allow_orphan"] = consent;
        json!({"operations": [
            {"op": "create", "resource": "pool", "body": {"name": "unrelated"}},
            {"op": "update", "resource": "route", "vhost": "s3.example", "prefix": "/photos/", "body": body},
        ]})
    };
    let body = two.world.post(CHANGES, turn(json!(false))).await.expect(422);
    assert_eq!(body["detail"][0]["loc"], json!(["body", "operations", 1]));
    assert!(body["detail"][0]["msg"].as_str().unwrap().contains("holds objects on pool near"), "{body}");
    let gone = json!({"operations": [
        {"op": "update", "resource": "route", "vhost": "s3.example", "prefix": "/photos/", "body": {"enabled": true}},
        {"op": "create", "resource": "route", "vhost": "s3.example", "body": {"path_prefix": "/plain/", "pool_id": "far"}},
    ]});
    assert_eq!(two.world.everything().await, before);
    two.world.post(CHANGES, gone).await.expect(200);
    two.world.post(CHANGES, turn(json!(true))).await.expect(200);
    let routes = two.world.get(&format!("{}/routes", two.path)).await.expect(200);
    let photos = routes.as_array().unwrap().iter().find(|route| route["path_prefix"] == "/photos/").unwrap();
    assert_eq!(photos["pool_id"], two.far);
}
