//! Vhosts in the wire form of 0.4.x, without its defects.

use serde_json::{Value, json};

use super::world::World;

const CONF: &str = "/nginx/vhosts/a.example.conf";

#[tokio::test]
async fn a_vhost_tells_its_certificate_under_both_names_and_takes_either() {
    let world = World::start().await;
    let body = json!({"server_name": "A.example", "ssl_cert_path": "/c.pem", "ssl_certificate_key": "/k.pem"});
    let made = world.post("/api/vhosts", body).await.expect(201);
    assert_eq!(
        made,
        json!({
            "id": 1, "server_name": "a.example", "listen_port": 443, "ssl": true,
            "ssl_certificate": "/c.pem", "ssl_certificate_key": "/k.pem",
            "ssl_cert_path": "/c.pem", "ssl_key_path": "/k.pem",
            "extra_directives": null, "extra_blocks": null, "enabled": true, "default_pool_id": null,
            "ip_rule_mode": null, "ip_rule_ips": null, "created_at": "2026-11-24 02:40:00",
            "updated_at": "2026-11-24 02:40:00", "revision": made["revision"],
        })
    );
    let changed = world.put("/api/vhosts/1", json!({"ssl_certificate": "/c2.pem"})).await.expect(200);
    assert_eq!((&changed["ssl_cert_path"], &changed["ssl_key_path"]), (&json!("/c2.pem"), &json!("/k.pem")));
    let both = json!({"ssl_certificate": "/x.pem", "ssl_cert_path": "/y.pem"});
    assert_eq!(
        world.put("/api/vhosts/1", both).await.faults(),
        [("value_error".to_owned(), "body.ssl_cert_path".to_owned())]
    );
    assert_eq!(world.put("/api/vhosts/1", json!({"ssl_certificate": null})).await.status, 422);
    let plain = world.put("/api/vhosts/1", json!({"ssl": false, "ssl_cert_path": "", "ssl_key_path": ""})).await;
    assert_eq!(plain.expect(200)["ssl_certificate"], Value::Null);
}

#[tokio::test]
async fn f06_extra_blocks_can_be_edited() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    let vhost = world.vhost("a.example", Some(pool)).await;
    let path = format!("/api/vhosts/{vhost}");
    let blocks =
        json!([{"zone": "top", "content": "add_header X-A 1;"}, {"zone": "end", "content": "error_page 404 /x;"}]);
    let changed = world.put(&path, json!({"extra_blocks": blocks})).await.expect(200);
    assert_eq!(changed["extra_blocks"], blocks);
    assert!(world.gateway.live()[CONF].contains("add_header X-A 1;"));
    assert_eq!(world.put(&path, json!({"extra_blocks": []})).await.expect(200)["extra_blocks"], Value::Null);
    assert!(!world.gateway.live()[CONF].contains("add_header X-A 1;"));
    let faults = world.put(&path, json!({"extra_blocks": [{"zone": "x"}, 5]})).await.faults();
    let places: Vec<&str> = faults.iter().map(|(_, place)| place.as_str()).collect();
    assert_eq!(places, ["body.extra_blocks.0.zone", "body.extra_blocks.0.content", "body.extra_blocks.1"]);
}

#[tokio::test]
async fn f12_a_disabled_vhost_is_not_served() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    let vhost = world.vhost("a.example", Some(pool)).await;
    assert!(world.gateway.live().contains_key(CONF));
    let changed = world.put(&format!("/api/vhosts/{vhost}"), json!({"enabled": false})).await.expect(200);
    assert_eq!(changed["enabled"], false);
    assert!(!world.gateway.live().contains_key(CONF));
    world.put(&format!("/api/vhosts/{vhost}"), json!({"enabled": "true"})).await.expect(200);
    assert!(world.gateway.live().contains_key(CONF));
}

#[tokio::test]
async fn f12_a_disabled_route_and_member_are_not_served() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    let vhost = world.vhost("a.example", Some(pool)).await;
    let route = json!({"path_prefix": "/bkt-off/", "pool_id": pool, "enabled": false});
    world.post(&format!("/api/vhosts/{vhost}/routes"), route).await.expect(201);
    let member = json!({"address": "10.9.9.9:9000", "enabled": false});
    world.post(&format!("/api/pools/{pool}/members"), member).await.expect(201);
    assert!(!world.gateway.live()[CONF].contains("bkt-off"));
    assert!(!world.gateway.live()["/nginx/pools/p.conf"].contains("10.9.9.9"));
}

#[tokio::test]
async fn f13_the_default_pool_can_be_cleared() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    let vhost = world.vhost("a.example", Some(pool)).await;
    let body = json!({"default_pool_id": null, "allow_orphan": true});
    let changed = world.put(&format!("/api/vhosts/{vhost}"), body).await.expect(200);
    assert_eq!(changed["default_pool_id"], Value::Null);
    assert_eq!(world.get(&format!("/api/vhosts/{vhost}/routes")).await.expect(200), json!([]));
}

#[tokio::test]
async fn f13_ip_rules_are_cleared_by_null_and_never_emptied_into_an_open_door() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    let vhost = world.vhost("a.example", Some(pool)).await;
    let path = format!("/api/vhosts/{vhost}");
    let rules = json!({"ip_rule_mode": "allow", "ip_rule_ips": ["10.0.0.0/8", " ::1 "]});
    let set = world.put(&path, rules).await.expect(200);
    assert_eq!((&set["ip_rule_mode"], &set["ip_rule_ips"]), (&json!("allow"), &json!(["10.0.0.0/8", "::1"])));
    for opened in
        [json!({"ip_rule_ips": []}), json!({"ip_rule_ips": null}), json!({"ip_rule_mode": "allow", "ip_rule_ips": []})]
    {
        let answer = world.put(&path, opened.clone()).await;
        assert_eq!(answer.status, 422, "{opened}: {answer:?}");
    }
    assert!(world.gateway.live()[CONF].contains("deny all;"));
    let cleared = world.put(&path, json!({"ip_rule_mode": null, "ip_rule_ips": null})).await.expect(200);
    assert_eq!((&cleared["ip_rule_mode"], &cleared["ip_rule_ips"]), (&Value::Null, &Value::Null));
    assert!(!world.gateway.live()[CONF].contains("deny all;"));
}

#[tokio::test]
async fn a_vhost_with_routes_is_not_deleted() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    let vhost = world.vhost("a.example", Some(pool)).await;
    let routes = format!("/api/vhosts/{vhost}/routes");
    let route = world.post(&routes, json!({"path_prefix": "/bkt/", "pool_id": pool})).await.expect(201)["id"].clone();
    assert_eq!(world.delete(&format!("/api/vhosts/{vhost}")).await.status, 409);
    assert_eq!(world.delete(&format!("/api/pools/{pool}")).await.status, 409);
    world.delete(&format!("{routes}/{route}")).await.expect(204);
    world.delete(&format!("/api/vhosts/{vhost}")).await.expect(204);
    assert!(!world.gateway.live().contains_key(CONF));
}

#[tokio::test]
async fn an_unknown_pool_is_400() {
    let world = World::start().await;
    for id in [999, 0, -1] {
        let body = json!({"server_name": "a.b", "ssl": false, "default_pool_id": id});
        assert_eq!(world.post("/api/vhosts", body).await.status, 400);
    }
}
