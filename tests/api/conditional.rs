//! `ETag`, `If-Match` and `If-None-Match`.

use serde_json::{Value, json};

use super::world::World;

struct Resources {
    world: World,
    /// Path of a single resource, a change of it, and its field.
    each: Vec<(String, Value)>,
}

async fn one_of_each() -> Resources {
    let world = World::start().await;
    let pool = world.pool("p").await;
    let second = json!({"address": "10.0.0.2:9000"});
    let member = world.post(&format!("/api/pools/{pool}/members"), second).await.expect(201)["id"].clone();
    let vhost = world.vhost("a.example", Some(pool)).await;
    let routes = format!("/api/vhosts/{vhost}/routes");
    let route = world.post(&routes, json!({"path_prefix": "/bkt/", "pool_id": pool})).await.expect(201)["id"].clone();
    let each = vec![
        (format!("{routes}/{route}"), json!({"enabled": false})),
        (format!("/api/pools/{pool}/members/{member}"), json!({"weight": 7})),
        (format!("/api/vhosts/{vhost}"), json!({"listen_port": 8081})),
        (format!("/api/pools/{pool}"), json!({"keepalive": 7})),
    ];
    Resources { world, each }
}

#[tokio::test]
async fn a_change_with_an_old_tag_is_412_and_changes_nothing() {
    let Resources { world, each } = one_of_each().await;
    for (path, change) in each {
        let tag = world.get(&path).await.header("etag").unwrap().to_owned();
        let saved = world.ask("PUT", &path, &[("if-match", &tag)], change.clone()).await;
        let new_tag = saved.header("etag").unwrap().to_owned();
        assert_eq!(saved.status, 200);
        assert_ne!(tag, new_tag);
        assert_eq!(world.get(&path).await.header("etag"), Some(new_tag.as_str()));

        let before = world.everything().await;
        for old in [tag.as_str(), "\"999\"", "W/\"1\"", "nonsense", ""] {
            let put = world.ask("PUT", &path, &[("if-match", old)], json!({"enabled": true, "description": "x"})).await;
            assert_eq!(put.status, 412, "{path} {old}: {put:?}");
            assert_eq!(world.ask("DELETE", &path, &[("if-match", old)], Value::Null).await.status, 412, "{path} {old}");
        }
        assert_eq!(world.everything().await, before);
        assert_eq!(world.ask("PUT", &path, &[("if-match", "*")], change).await.status, 200);
    }
}

#[tokio::test]
async fn what_the_client_has_already_is_304() {
    let Resources { world, each } = one_of_each().await;
    for (path, _) in each {
        let tag = world.get(&path).await.header("etag").unwrap().to_owned();
        let known = world.ask("GET", &path, &[("if-none-match", &tag)], Value::Null).await;
        assert_eq!((known.status, known.text.as_str(), known.header("etag")), (304, "", Some(tag.as_str())));
        assert_eq!(world.ask("GET", &path, &[("if-none-match", "\"999\"")], Value::Null).await.status, 200);
    }
}

#[tokio::test]
async fn the_revision_of_a_created_resource_is_its_tag() {
    let world = World::start().await;
    let made = world.post("/api/pools", json!({"name": "p"})).await;
    let tag = format!("\"{}\"", made.json()["revision"]);
    assert_eq!(made.header("etag"), Some(tag.as_str()));
    assert_eq!(world.get("/api/pools/1").await.header("etag"), Some(tag.as_str()));
    assert_eq!(world.ask("PUT", "/api/pools/1", &[("if-match", &tag)], json!({"keepalive": 9})).await.status, 200);
}

#[tokio::test]
async fn a_route_changes_its_tag_when_its_pool_is_renamed() {
    let Resources { world, each } = one_of_each().await;
    let (route, _) = &each[0];
    let tag = world.get(route).await.header("etag").unwrap().to_owned();
    let (pool, _) = &each[3];
    world.put(pool, json!({"name": "renamed"})).await.expect(200);
    let answer = world.ask("GET", route, &[("if-none-match", &tag)], Value::Null).await;
    assert_eq!(answer.expect(200)["pool_name"], "renamed");
    // The route itself is what it was: a change made with the old tag is no conflict.
    assert_eq!(world.ask("PUT", route, &[("if-match", &tag)], json!({"enabled": false})).await.status, 200);
}
