//! The gateway at a glance.

use serde_json::json;

use super::world::World;

#[tokio::test]
async fn it_tells_which_vhost_sends_what_where() {
    let world = World::start().await;
    let (old, new) = (world.pool("old").await, world.pool("new").await);
    let vhost = world.vhost("s3.example", Some(old)).await;
    for (prefix, enabled) in [("/a/", true), ("/b/", true), ("/c/", false)] {
        let route = json!({"path_prefix": prefix, "pool_id": new, "enabled": enabled});
        world.post(&format!("/api/vhosts/{vhost}/routes"), route).await.expect(201);
    }
    let topology = world.get("/api/topology").await.expect(200);
    assert_eq!(
        topology["vhosts"],
        json!([{"id": vhost, "server_name": "s3.example", "listen_port": 80, "ssl": false, "enabled": true,
            "default_pool_id": old}])
    );
    assert_eq!(
        topology["routes"],
        json!([{"vhost_id": vhost, "pool_id": new, "enabled": 2, "disabled": 1, "example": "/a/"}])
    );
    assert_eq!(topology["pools"].as_array().unwrap().len(), 2);
    let pool = &topology["pools"][0];
    assert_eq!((&pool["name"], &pool["members"], &pool["unreachable"]), (&json!("new"), &json!(1), &json!(0)));
    assert_eq!(topology["members"][0]["reachable"], json!(null), "nobody has looked yet");
    assert_eq!(topology["totals"], json!({"vhosts": 1, "routes": 3, "pools": 2, "members": 2, "unreachable": 0}));
}

#[tokio::test]
async fn the_answer_stays_small_however_large_the_gateway() {
    let world = World::start().await;
    for number in 0..300 {
        let pool = world.pool(&format!("pool-of-a-large-gateway-{number}")).await;
        world.vhost(&format!("s3-{number}.storage.example.org"), Some(pool)).await;
    }
    let answer = world.get("/api/topology").await;
    let length = answer.text.len();
    assert!(length < 200 * 1024, "{length} bytes");
    let topology = answer.expect(200);
    assert_eq!((topology["pools"].as_array().map(Vec::len), &topology["totals"]["members"]), (Some(300), &json!(300)));
    assert_eq!(topology["members"], json!([]), "with so many, only those that do not answer are told of");
}
