//! The files from which a lost database is made again are written with each change.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::world::World;

fn sidecar(world: &World, path: &str) -> Value {
    let files = world.gateway.live();
    serde_json::from_str(files.get(path).unwrap_or_else(|| panic!("{path} is not in {:?}", files.keys()))).unwrap()
}

#[tokio::test]
async fn the_sidecar_of_a_pool_begins_as_0_4_x_wrote_it_and_is_the_same_text_for_the_same_state() {
    let world = World::start().await;
    let body = json!({"name": "p", "description": "Größe \u{1f600}", "keepalive": 8});
    world.post("/api/pools", body).await.expect(201);
    world.post("/api/pools/1/members", json!({"address": "10.0.0.1:9000", "enabled": false})).await.expect(201);
    let expected = r#"{
  "pool_id": 1,
  "name": "p",
  "type": "nanio",
  "description": "Gr\u00f6\u00dfe \ud83d\ude00",
  "updated_at": "2026-11-24T02:40:00Z",
  "source_nanio_pool_name": null,
  "lb_method": "least_conn",
  "keepalive": 8,
  "members": [
    {
      "id": 1,
      "address": "10.0.0.1:9000",
      "role": "active",
      "weight": 1,
      "max_fails": 3,
      "fail_timeout_s": 30,
      "enabled": false,
      "created_at": "2026-11-24T02:40:00Z",
      "updated_at": "2026-11-24T02:40:00Z"
    }
  ],
  "created_at": "2026-11-24T02:40:00Z",
  "format": 1
}
"#;
    assert_eq!(world.gateway.live()["pools/p.meta.json"], expected);
    // Nothing but the sidecars: no member is enabled.
    assert!(!world.gateway.live().contains_key("pools/p.conf"));
    let before = world.gateway.live();
    world.post("/api/config/rebuild", Value::Null).await.expect(200);
    assert_eq!(world.gateway.live()["pools/p.meta.json"], before["pools/p.meta.json"]);
}

#[tokio::test]
async fn the_sidecar_of_a_vhost_holds_what_nginx_does_not_have() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    let body = json!({
        "server_name": "a.example", "ssl": false, "listen_port": 80, "default_pool_id": pool,
        "extra_blocks": [{"zone": "top", "content": "add_header X 1;"}],
        "ip_rule_mode": "deny", "ip_rule_ips": ["10.0.0.0/8"],
    });
    world.post("/api/vhosts", body).await.expect(201);
    let off = json!({"path_prefix": "/off/", "pool_id": pool, "enabled": false});
    world.post("/api/vhosts/1/routes", off).await.expect(201);
    world.post("/api/vhosts/1/routes", json!({"path_prefix": "/on/", "pool_id": pool})).await.expect(201);
    let said = sidecar(&world, "vhosts/a.example.meta.json");
    assert_eq!(said["extra_blocks_json"], json!(r#"[{"zone":"top","content":"add_header X 1;"}]"#));
    assert_eq!((&said["ip_rule_mode"], &said["ip_rule_ips_json"]), (&json!("deny"), &json!(r#"["10.0.0.0/8"]"#)));
    assert_eq!((&said["default_pool_id"], &said["default_pool_name"]), (&json!(pool), &json!("p")));
    let held = |said: &Value| -> Value {
        said["routes"].as_array().unwrap().iter().map(|route| route["path_prefix"].clone()).collect()
    };
    assert_eq!(held(&said), Value::from(vec!["/off/"]));
    // A vhost that is off has no configuration: everything is in the sidecar.
    world.put("/api/vhosts/1", json!({"enabled": false})).await.expect(200);
    assert!(!world.gateway.live().contains_key("vhosts/a.example.conf"));
    assert_eq!(held(&sidecar(&world, "vhosts/a.example.meta.json")), json!(["/", "/off/", "/on/"]));
}

#[tokio::test]
async fn f24_a_rename_moves_the_sidecar_and_changes_those_that_name_it() {
    let world = World::start().await;
    let (pool, other) = (world.pool("old").await, world.pool("other").await);
    let backed = json!({"name": "files", "type": "http", "source_nanio_pool_id": pool});
    world.post("/api/pools", backed).await.expect(201);
    world.vhost("a.example", Some(pool)).await;
    let off = json!({"path_prefix": "/off/", "pool_id": pool, "enabled": false});
    let elsewhere = world.vhost("b.example", Some(other)).await;
    world.post(&format!("/api/vhosts/{elsewhere}/routes"), off).await.expect(201);
    world.put(&format!("/api/pools/{pool}"), json!({"name": "new"})).await.expect(200);
    assert!(!world.gateway.live().contains_key("pools/old.meta.json"));
    assert_eq!(sidecar(&world, "pools/new.meta.json")["pool_id"], pool);
    assert_eq!(sidecar(&world, "pools/files.meta.json")["source_nanio_pool_name"], "new");
    assert_eq!(sidecar(&world, "vhosts/a.example.meta.json")["default_pool_name"], "new");
    assert_eq!(sidecar(&world, "vhosts/b.example.meta.json")["routes"][0]["pool_name"], "new");
    world.put("/api/vhosts/1", json!({"server_name": "c.example"})).await.expect(200);
    assert!(!world.gateway.live().contains_key("vhosts/a.example.meta.json"));
    world.delete("/api/pools/3").await.expect(204);
    assert!(!world.gateway.live().contains_key("pools/files.meta.json"));
}

#[tokio::test]
async fn a_refused_change_leaves_the_sidecars_alone_and_one_that_nginx_does_not_see_needs_no_test() {
    let world = World::start().await;
    world.pool("p").await;
    let before = world.gateway.live();
    world.gateway.refuse(Some("nginx: [emerg] no"));
    assert_eq!(world.put("/api/pools/1", json!({"keepalive": 9, "description": "x"})).await.status, 422);
    assert_eq!(world.gateway.live(), before);
    world.put("/api/pools/1", json!({"description": "x"})).await.expect(200);
    assert_eq!(sidecar(&world, "pools/p.meta.json")["description"], "x");
    let entry = world.get("/api/audit?per_page=1").await.expect(200)[0].clone();
    assert_eq!((&entry["action"], &entry["nginx_reload_ok"]), (&json!("update"), &Value::Null));
}

#[tokio::test]
async fn a_sidecar_is_for_its_owners_eyes_and_counts_as_drift() {
    let world = World::start().await;
    world.pool("p").await;
    for path in ["pools/p.meta.json", "ids.meta.json"] {
        let mode = std::fs::metadata(world.gateway.root().join(path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{path}");
    }
    let drifted = async |path: &str| {
        let status = world.get("/api/config/status").await.expect(200);
        let files = status["files"].as_array().unwrap();
        files.iter().find(|file| file["path"] == world.gateway.full(path)).map(|file| file["drifted"].clone())
    };
    assert_eq!(drifted("pools/p.meta.json").await, Some(json!(false)));
    world.gateway.edit("pools/p.meta.json", "{}");
    world.gateway.edit("vhosts/unknown.meta.json", "{}");
    assert_eq!(drifted("pools/p.meta.json").await, Some(json!(true)));
    assert_eq!(drifted("vhosts/unknown.meta.json").await, Some(json!(true)));
    assert_eq!(drifted("ids.meta.json").await, Some(json!(false)));
    // An edit is not written over, a loss is made good.
    assert_eq!(world.put("/api/pools/1", json!({"description": "x"})).await.status, 409);
    std::fs::remove_file(world.gateway.root().join("pools/p.meta.json")).unwrap();
    assert_eq!(drifted("pools/p.meta.json").await, Some(json!(true)));
    world.put("/api/pools/1", json!({"description": "x"})).await.expect(200);
    assert_eq!(drifted("pools/p.meta.json").await, Some(json!(false)));
}

#[tokio::test]
async fn the_file_of_ids_is_written_once_in_a_hundred() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    let vhost = world.vhost("a.example", Some(pool)).await;
    let highest = || sidecar(&world, "ids.meta.json")["highest_ids"]["routes"].clone();
    assert_eq!(highest(), 100);
    for number in 2..=100 {
        let body = json!({"path_prefix": format!("/bucket-{number}/"), "pool_id": pool});
        world.post(&format!("/api/vhosts/{vhost}/routes"), body).await.expect(201);
    }
    assert_eq!(highest(), 100);
    let body = json!({"path_prefix": "/one-more/", "pool_id": pool});
    world.post(&format!("/api/vhosts/{vhost}/routes"), body).await.expect(201);
    assert_eq!(highest(), 200);
}
