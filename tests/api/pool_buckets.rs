//! What a pool's storage holds, and who serves it.

use nanio_orchestrator::domain::pool::Address;
use serde_json::{Value, json};

use super::world::World;

#[tokio::test]
async fn the_buckets_of_a_pool_come_with_who_serves_them() {
    let world = World::start().await;
    let (one, two) = (world.pool_at("one", "10.0.0.1:9000").await, world.pool_at("two", "10.0.0.2:9000").await);
    let (a, b) = (world.vhost("a.example", Some(one)).await, world.vhost("b.example", Some(two)).await);
    let off = world.vhost("off.example", Some(one)).await;
    world.put(&format!("/api/vhosts/{off}"), json!({"enabled": false})).await.expect(200);
    for bucket in ["away", "direct", "music", "photos", "unused"] {
        world.buckets.fill(bucket);
    }
    world.route(a, "/away/", two).await;
    world.route(b, "/photos/", one).await;
    world.route(a, "/photos/", one).await;
    world.route(a, "/direct", one).await;
    let part = world.route(a, "/music/part/", two).await;
    let disabled = world.route(a, "/unused/", two).await;
    world.put(&disabled, json!({"enabled": false, "allow_orphan": true})).await.expect(200);
    let vhost = |id: i64, name: &str| json!({"id": id, "server_name": name});
    let routed = |id: i64, name: &str| json!({"vhost_id": id, "server_name": name});
    let bucket = |name: &str, status: &str, routed: Value, default: Value| json!({"bucket": name, "status": status, "routed_in": routed, "default_vhosts": default, "migration_id": null});
    let told = world.get(&format!("/api/pools/{one}/buckets/status")).await.expect(200);
    let expected = json!({
        "pool_id": one, "pool_name": "one", "member_address": "10.0.0.1:9000",
        "buckets": [
            bucket("away", "unrouted", json!([]), json!([])),
            bucket("music", "via_default", json!([]), json!([vhost(a, "a.example")])),
            bucket("unused", "via_default", json!([]), json!([vhost(a, "a.example")])),
            bucket("direct", "routed", json!([routed(a, "a.example")]), json!([])),
            bucket("photos", "routed", json!([routed(a, "a.example"), routed(b, "b.example")]), json!([])),
        ],
        "all_vhosts": [vhost(a, "a.example"), vhost(b, "b.example"), vhost(off, "off.example")],
    });
    assert_eq!(told, expected);
    world.delete(&format!("{part}?allow_orphan=true")).await.expect(204);
}

#[tokio::test]
async fn objects_come_at_once_as_in_0_4_or_in_pages() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    for number in 0..12_500 {
        world.buckets.put("photos", &format!("k/{number:06}"), 1);
    }
    world.buckets.put("photos", "z", 1);
    world.buckets.put("small", "only", 1);
    let path = |bucket: &str, query: &str| format!("/api/pools/{pool}/buckets/{bucket}/objects{query}");
    let told = world.get(&path("small", "")).await.expect(200);
    let expected = json!({"pool_id": pool, "bucket": "small", "objects": ["only"], "count": 1, "truncated": false, "continuation": null});
    assert_eq!(told, expected);
    // More than can be told at once: the answer says so, and how to go on.
    let first = world.get(&path("photos", "")).await.expect(200);
    assert_eq!((&first["count"], &first["truncated"]), (&json!(10_000), &json!(true)));
    let rest = world
        .get(&path("photos", &format!("?continuation={}", first["continuation"].as_str().unwrap())))
        .await
        .expect(200);
    assert_eq!(
        (&rest["count"], &rest["truncated"], &rest["objects"][0]),
        (&json!(2501), &json!(false), &json!("k/010000"))
    );
    // Pages.
    let page = world.get(&path("photos", "?prefix=k/0000&limit=60")).await.expect(200);
    assert_eq!((&page["count"], &page["objects"][59]), (&json!(60), &json!("k/000059")));
    let next = page["continuation"].as_str().unwrap();
    let page = world.get(&path("photos", &format!("?prefix=k/0000&limit=60&continuation={next}"))).await.expect(200);
    assert_eq!((&page["count"], &page["truncated"], &page["continuation"]), (&json!(40), &json!(false), &Value::Null));
    for bad in ["?limit=0", "?limit=1001", "?limit=x"] {
        assert_eq!(world.get(&path("photos", bad)).await.status, 422, "{bad}");
    }
}

#[tokio::test]
async fn pools_that_cannot_be_asked_say_why() {
    let world = World::start().await;
    let (pool, web) = (world.pool("p").await, world.http_pool("web").await);
    let bare = world.post("/api/pools", json!({"name": "bare"})).await.expect(201)["id"].as_i64().unwrap();
    for inner in ["status", "b/objects"] {
        let path = |pool: i64| format!("/api/pools/{pool}/buckets/{inner}");
        assert_eq!(world.get(&path(99)).await.detail(404), "Pool not found");
        assert!(world.get(&path(web)).await.detail(400).contains("of type http"));
        assert!(world.get(&path(bare)).await.detail(400).contains("no enabled members"));
        world.buckets.fail(&Address::parse("10.0.0.1:9000").unwrap(), "time-out");
        assert_eq!(world.get(&path(pool)).await.detail(502), "10.0.0.1:9000: time-out");
        world.buckets.recover(&Address::parse("10.0.0.1:9000").unwrap());
    }
    assert!(world.get(&format!("/api/pools/{pool}/buckets/b/objects")).await.detail(502).contains("NoSuchBucket"));
    assert_eq!(world.get(&format!("/api/pools/{pool}/buckets/a%2Fb/objects")).await.status, 422);
}
