//! Pools, members and routes in the wire form of 0.4.x, without its defects.

use serde_json::{Value, json};

use super::world::World;

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_pool_has_the_fields_of_0_4_and_a_revision() {
    let world = World::start().await;
    let made = world.post("/api/pools", json!({"name": "p"})).await.expect(201);
    let expected = json!({
        "id": 1, "name": "p", "description": null, "type": "nanio", "lb_method": "least_conn", "keepalive": 32,
        "source_nanio_pool_id": null, "created_at": "2026-11-24 02:40:00", "updated_at": "2026-11-24 02:40:00",
        "revision": made["revision"],
    });
    assert_eq!(made, expected);
    assert_eq!(world.get("/api/pools/1").await.expect(200), expected);
    assert_eq!(world.get("/api/pools").await.expect(200), json!([expected]));
    assert_eq!(world.delete("/api/pools/1").await.expect(204), Value::Null);
    assert_eq!(world.delete("/api/pools/1").await.detail(404), "Pool not found");
    let next = world.post("/api/pools", json!({"name": "p"})).await.expect(201);
    assert_eq!(next["id"], 2, "an id is never given again");
}

#[tokio::test]
async fn a_member_has_the_fields_of_0_4_a_revision_and_what_is_known_of_the_node() {
    let world = World::start().await;
    let pool = world.post("/api/pools", json!({"name": "p"})).await.expect(201)["id"].clone();
    let members = format!("/api/pools/{pool}/members");
    let made = world.post(&members, json!({"address": "a:1"})).await.expect(201);
    assert_eq!(
        keys(&made),
        [
            "address",
            "created_at",
            "enabled",
            "fail_timeout_s",
            "id",
            "max_fails",
            "pool_id",
            "reachable",
            "reachable_since",
            "revision",
            "role",
            "unreachable_because",
            "updated_at",
            "weight"
        ]
    );
    let other = world.pool("q").await;
    let elsewhere = format!("/api/pools/{other}/members/{}", made["id"]);
    assert_eq!(world.get(&elsewhere).await.detail(404), "Member not found");
    assert_eq!(world.put(&elsewhere, json!({"weight": 2})).await.detail(404), "Member not found");
    assert_eq!(world.get("/api/pools/99/members").await.detail(404), "Pool not found");
    let role = world.post(&members, json!({"address": "a:2", "role": "primary"})).await;
    assert_eq!(role.status, 400);
    let single = world.get(&format!("{members}/{}", made["id"])).await.expect(200);
    assert_eq!(single, made);
}

#[tokio::test]
async fn a_route_has_the_two_forms_of_0_4() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    let vhost = world.vhost("a.example", Some(pool)).await;
    let routes = format!("/api/vhosts/{vhost}/routes");
    let made = world.post(&routes, json!({"path_prefix": "/bkt/", "pool_id": pool})).await.expect(201);
    assert_eq!(made["enabled"], 1);
    assert_eq!(
        (&made["bucket"], &made["bucket_provisioned"], &made["default_pool_id"]),
        (&json!("bkt"), &json!(false), &json!(pool))
    );
    assert_eq!(made.get("migration_id"), None);
    let got = world.get(&format!("{routes}/{}", made["id"])).await.expect(200);
    assert_eq!(got["enabled"], true);
    assert_eq!(got["migration_id"], Value::Null);
    assert_eq!(got["pool_name"], "p");
    let prefixes: Vec<Value> =
        world.get(&routes).await.expect(200).as_array().unwrap().iter().map(|r| r["path_prefix"].clone()).collect();
    assert_eq!(prefixes, ["/bkt/", "/"]);
}

#[tokio::test]
async fn f30_a_rename_to_a_taken_name_is_409() {
    let world = World::start().await;
    let (first, _second) = (world.pool("one").await, world.pool("two").await);
    for name in ["two", "TWO"] {
        let answer = world.put(&format!("/api/pools/{first}"), json!({"name": name})).await;
        assert_eq!(answer.status, 409, "{answer:?}");
    }
    assert_eq!(world.post("/api/pools", json!({"name": "one"})).await.status, 409);
    let vhost = world.vhost("a.example", None).await;
    world.vhost("b.example", None).await;
    assert_eq!(world.put(&format!("/api/vhosts/{vhost}"), json!({"server_name": "B.example"})).await.status, 409);
}

#[tokio::test]
async fn f30_a_prefix_that_is_taken_is_409_on_create_and_update() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    let vhost = world.vhost("a.example", Some(pool)).await;
    let routes = format!("/api/vhosts/{vhost}/routes");
    world.post(&routes, json!({"path_prefix": "/one/", "pool_id": pool})).await.expect(201);
    let two = world.post(&routes, json!({"path_prefix": "/two/", "pool_id": pool})).await.expect(201)["id"].clone();
    assert_eq!(world.post(&routes, json!({"path_prefix": "/one", "pool_id": pool})).await.status, 409);
    assert_eq!(world.put(&format!("{routes}/{two}"), json!({"path_prefix": "/one/"})).await.status, 409);
}

#[tokio::test]
async fn f28_a_route_never_leads_to_a_pool_of_another_type() {
    let world = World::start().await;
    let (nanio, http) = (world.pool("n").await, world.http_pool("h").await);
    let vhost = world.vhost("a.example", Some(nanio)).await;
    let routes = format!("/api/vhosts/{vhost}/routes");
    assert_eq!(world.post(&routes, json!({"path_prefix": "/x/", "pool_id": http})).await.status, 400);
    let route = world.post(&routes, json!({"path_prefix": "/bkt/", "pool_id": nanio})).await.expect(201)["id"].clone();
    let before = world.everything().await;
    assert_eq!(world.put(&format!("{routes}/{route}"), json!({"pool_id": http})).await.status, 400);
    assert_eq!(world.everything().await, before);
}

#[tokio::test]
async fn f28_the_automatic_route_cannot_be_bent() {
    let world = World::start().await;
    let (one, two) = (world.pool("one").await, world.pool("two").await);
    let vhost = world.vhost("a.example", Some(one)).await;
    let root = world.get(&format!("/api/vhosts/{vhost}/routes")).await.expect(200)[0]["id"].clone();
    let path = format!("/api/vhosts/{vhost}/routes/{root}");
    for body in [json!({"path_prefix": "/bkt/"}), json!({"enabled": false}), json!({"pool_id": two})] {
        assert_eq!(world.put(&path, body.clone()).await.status, 400, "{body}");
    }
    assert_eq!(world.delete(&path).await.status, 400);
}

#[tokio::test]
async fn f34_directives_of_a_route_take_semicolons_and_reach_nginx() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    let vhost = world.vhost("a.example", Some(pool)).await;
    let body = json!({"path_prefix": "/bkt/", "pool_id": pool, "extra_directives": "add_header X-Cache off;"});
    let route = world.post(&format!("/api/vhosts/{vhost}/routes"), body).await.expect(201);
    assert_eq!(route["extra_directives"], "add_header X-Cache off;");
    assert!(world.gateway.live()["vhosts/a.example.conf"].contains("add_header X-Cache off;"));
    let path = format!("/api/vhosts/{vhost}/routes/{}", route["id"]);
    assert_eq!(world.put(&path, json!({"extra_directives": null})).await.expect(200)["extra_directives"], Value::Null);
}

#[tokio::test]
async fn f13_a_description_is_cleared_by_null_and_kept_by_silence() {
    let world = World::start().await;
    let pool = world.post("/api/pools", json!({"name": "p", "description": "d"})).await.expect(201)["id"].clone();
    let path = format!("/api/pools/{pool}");
    assert_eq!(world.put(&path, json!({"keepalive": 8})).await.expect(200)["description"], "d");
    assert_eq!(
        world.put(&path, json!({"description": null, "name": null})).await.expect(200)["description"],
        Value::Null
    );
}

#[tokio::test]
async fn a_bucket_never_leaves_its_objects_behind_unasked() {
    let world = World::start().await;
    let (one, two) = (world.pool("one").await, world.pool("two").await);
    let vhost = world.vhost("a.example", Some(one)).await;
    let routes = format!("/api/vhosts/{vhost}/routes");
    world.buckets.fill("full");
    let body = |allow: bool| json!({"path_prefix": "/full/", "pool_id": two, "allow_orphan": allow});
    assert!(world.post(&routes, body(false)).await.detail(409).contains("allow_orphan"));
    let route = world.post(&routes, body(true)).await.expect(201)["id"].clone();
    let path = format!("{routes}/{route}");
    // A route that keeps its bucket would move it: that is for a migration.
    assert_eq!(world.put(&path, json!({"pool_id": one, "path_prefix": "/other/"})).await.status, 409);
    assert_eq!(world.delete(&path).await.status, 409);
    assert_eq!(
        world.delete(&format!("{path}?allow_orphan=maybe")).await.faults(),
        [("bool_parsing".to_owned(), "query.allow_orphan".to_owned())]
    );
    assert_eq!(world.delete(&format!("{path}?allow_orphan=true")).await.status, 204);
}
