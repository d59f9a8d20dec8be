//! What nginx would refuse is refused before nginx is asked, and nothing is left of it.

use serde_json::{Value, json};

use super::world::World;

#[tokio::test]
async fn f09_pools_that_nginx_cannot_take_are_refused() {
    let world = World::start().await;
    let detail = world.post("/api/pools", json!({"name": "a", "keepalive": 0})).await.detail(422);
    assert!(detail.contains("keepalive"), "{detail}");

    let pool = world.http_pool("web").await;
    let members = format!("/api/pools/{pool}/members");
    let replica = world.post(&members, json!({"address": "10.0.0.2:80", "role": "replica"})).await.expect(201);
    let before = world.everything().await;
    let detail = world.put(&format!("/api/pools/{pool}"), json!({"lb_method": "ip_hash"})).await.detail(422);
    assert!(detail.contains("ip_hash"), "{detail}");

    let primary = world.get(&members).await.expect(200)[0]["id"].as_i64().unwrap();
    let detail = world.put(&format!("{members}/{primary}"), json!({"enabled": false})).await.detail(422);
    assert!(detail.contains("only replicas"), "{detail}");
    assert_eq!(world.everything().await, before);
    world.delete(&format!("{members}/{}", replica["id"])).await.expect(204);
}

#[tokio::test]
async fn f10_the_last_enabled_member_of_a_pool_in_use_stays() {
    let world = World::start().await;
    let pool = world.pool("a").await;
    world.vhost("s3.example", Some(pool)).await;
    let members = format!("/api/pools/{pool}/members");
    let member = world.get(&members).await.expect(200)[0]["id"].as_i64().unwrap();
    let before = world.everything().await;
    for refused in [
        world.delete(&format!("{members}/{member}")).await,
        world.put(&format!("{members}/{member}"), json!({"enabled": false})).await,
    ] {
        let detail = refused.detail(422);
        assert!(detail.contains("s3.example/"), "it says what the pool serves: {detail}");
    }
    assert_eq!(world.everything().await, before);
}

#[tokio::test]
async fn a_pool_without_members_cannot_be_put_to_use() {
    let world = World::start().await;
    let pool = world.post("/api/pools", json!({"name": "a"})).await.expect(201)["id"].as_i64().unwrap();
    let body = json!({"server_name": "s3.example", "listen_port": 80, "ssl": false, "default_pool_id": pool});
    let detail = world.post("/api/vhosts", body).await.detail(422);
    assert!(detail.contains("no enabled member"), "{detail}");
    assert_eq!(world.get("/api/vhosts").await.expect(200), json!([]));
}

#[tokio::test]
async fn f20_changes_at_the_same_moment_are_all_made() {
    let world = World::start().await;
    let pool = world.pool("a").await;
    let vhost = world.vhost("s3.example", Some(pool)).await;
    let path = format!("/api/vhosts/{vhost}/routes");
    let requests = (0..30).map(|number| {
        let body = json!({"path_prefix": format!("/bucket-{number}/"), "pool_id": pool});
        world.post(&path, body)
    });
    for answer in futures_util::future::join_all(requests).await {
        answer.expect(201);
    }
    assert_eq!(world.get(&path).await.expect(200).as_array().map(Vec::len), Some(31));
    let (_, files) = world.everything().await;
    let text = &files.iter().find(|(path, _)| path.ends_with("s3.example.conf")).unwrap().1;
    for number in 0..30 {
        assert!(text.contains(&format!("    bucket-{number} a;\n")), "bucket-{number}");
    }
}

#[tokio::test]
async fn a_bad_change_does_not_take_good_ones_of_the_same_moment_with_it() {
    let world = World::start().await;
    let (pool, empty) = (world.pool("a").await, world.post("/api/pools", json!({"name": "empty"})).await);
    let empty = empty.expect(201)["id"].as_i64().unwrap();
    let vhost = world.vhost("s3.example", Some(pool)).await;
    let path = format!("/api/vhosts/{vhost}/routes");
    let requests = (0..10).map(|number| {
        let pool_id = if number == 4 { empty } else { pool };
        world.post(&path, json!({"path_prefix": format!("/bucket-{number}/"), "pool_id": pool_id}))
    });
    let answers = futures_util::future::join_all(requests).await;
    let refused: Vec<usize> = (0..10).filter(|&number| answers[number].status != 201).collect();
    assert_eq!(refused, [4]);
    assert_eq!(world.get(&path).await.expect(200).as_array().map(Vec::len), Some(10));
}

#[tokio::test]
async fn f24_a_rename_leaves_nothing_of_the_old_name() {
    let world = World::start().await;
    let pool = world.pool("former-pool").await;
    let vhost = world.vhost("former.example", Some(pool)).await;
    world.put(&format!("/api/pools/{pool}"), json!({"name": "new-pool"})).await.expect(200);
    world.put(&format!("/api/vhosts/{vhost}"), json!({"server_name": "new.example"})).await.expect(200);
    let (_, files) = world.everything().await;
    for (path, text) in &files {
        assert!(!path.contains("former") && !text.contains("former"), "{path}: {text}");
    }
    assert!(files.iter().any(|(path, text)| path.ends_with("new.example.conf") && text.contains("new-pool")));
}

#[tokio::test]
async fn f32_the_last_reload_is_a_reload_and_nothing_else() {
    let world = World::start().await;
    let status = |body: Value| (body["last_reload_ok"].clone(), body["last_reload_at"].clone());
    world.pool("a").await;
    world.post("/api/config/validate", Value::Null).await.expect(200);
    assert_eq!(status(world.get("/api/config/status").await.expect(200)), (Value::Null, Value::Null));
    world.post("/api/config/reload", Value::Null).await.expect(200);
    let reloaded = status(world.get("/api/config/status").await.expect(200));
    assert_eq!(reloaded.0, json!(true));
    world.clock.advance(10);
    world.pool("b").await;
    world.post("/api/config/validate", Value::Null).await.expect(200);
    assert_eq!(status(world.get("/api/config/status").await.expect(200)), reloaded);
}

/// One route is added to what was published last; the preview reads everything anew. They must agree.
#[tokio::test]
async fn a_file_that_grew_route_by_route_is_the_file_of_the_whole_state() {
    let world = World::start().await;
    let (a, b) = (world.pool("a").await, world.pool("b").await);
    let vhost = world.vhost("s3.example", Some(a)).await;
    let routes = format!("/api/vhosts/{vhost}/routes");
    let mut random = 7_u64;
    let mut ids: Vec<i64> = Vec::new();
    for step in 0..120 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (choice, pick) = ((random >> 33) % 10, (random >> 40) as usize);
        match ids.get(pick % ids.len().max(1)).copied() {
            Some(id) if choice < 2 => {
                world.delete(&format!("{routes}/{id}?allow_orphan=true")).await.expect(204);
                ids.retain(|known| *known != id);
            }
            Some(id) if choice < 5 => {
                let change = match choice {
                    2 => json!({"enabled": pick.is_multiple_of(2), "allow_orphan": true}),
                    3 => json!({"pool_id": if pick.is_multiple_of(2) { a } else { b }, "allow_orphan": true}),
                    _ => {
                        json!({"extra_directives": if pick.is_multiple_of(2) { json!("expires 1d;") } else { Value::Null }})
                    }
                };
                world.put(&format!("{routes}/{id}"), change).await.expect(200);
            }
            _ => {
                let prefix = match choice {
                    9 => format!("/bucket-{}/part-{step}/", step / 7),
                    8 => format!("/Bucket-{step}"),
                    _ => format!("/bucket-{step}/"),
                };
                let made = world.post(&routes, json!({"path_prefix": prefix, "pool_id": b})).await.expect(201);
                ids.push(made["id"].as_i64().unwrap());
            }
        }
        if step % 10 == 0 {
            world.put(&format!("/api/pools/{b}"), json!({"name": format!("b-{step}")})).await.expect(200);
        }
        let whole = world.get(&format!("/api/vhosts/{vhost}/preview")).await.expect(200);
        let live = world.gateway.live();
        assert_eq!(live.get("vhosts/s3.example.conf").map(String::as_str), whole["content"].as_str());
    }
}
