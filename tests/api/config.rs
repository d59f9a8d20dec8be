//! `/api/config`, `/api/health` and `/api/audit`.

use serde_json::{Value, json};

use super::world::World;

#[tokio::test]
async fn the_status_shows_every_file_and_what_was_edited() {
    let world = World::start().await;
    world.pool("p").await;
    let clean = world.get("/api/config/status").await.expect(200);
    let files = clean["files"].as_array().unwrap();
    assert!(files.iter().all(|file| file["drifted"] == false), "{clean}");
    let upstream = files.iter().find(|file| file["path"] == "/nginx/pools/p.conf").unwrap();
    assert_eq!(upstream["sha256_disk"], upstream["sha256_db"]);
    assert_eq!(upstream["last_synced_at"], "2026-11-24T02:40:00Z");
    assert_eq!(clean["last_reload_at"], Value::Null, "nothing was reloaded yet");
    world.gateway.edit("/nginx/pools/p.conf", "# mine\n");
    let edited = world.get("/api/config/status").await.expect(200);
    assert!(edited["files"].as_array().unwrap().iter().any(|file| file["drifted"] == true));
}

#[tokio::test]
async fn validate_and_reload_are_200_whatever_nginx_says() {
    let world = World::start().await;
    assert_eq!(world.post("/api/config/validate", Value::Null).await.expect(200)["ok"], true);
    world.gateway.refuse(Some("nginx: [emerg] no"));
    for path in ["/api/config/validate", "/api/config/reload"] {
        let answer = world.post(path, Value::Null).await.expect(200);
        assert_eq!((&answer["ok"], &answer["output"]), (&json!(false), &json!("nginx: [emerg] no")));
    }
    let entry = world.get("/api/audit?per_page=1").await.expect(200)[0].clone();
    assert_eq!((&entry["action"], &entry["entity_type"]), (&json!("manual_reload"), &json!("config")));
    assert_eq!((&entry["entity_id"], &entry["nginx_reload_ok"]), (&Value::Null, &json!(false)));
    assert_eq!(world.get("/api/config/status").await.expect(200)["last_reload_ok"], false);
}

#[tokio::test]
async fn a_rebuild_writes_over_what_was_edited() {
    let world = World::start().await;
    world.pool("p").await;
    let ours = world.gateway.live()["/nginx/pools/p.conf"].clone();
    world.gateway.edit("/nginx/pools/p.conf", "# mine\n");
    let rebuilt = world.post("/api/config/rebuild", Value::Null).await.expect(200);
    assert_eq!(rebuilt["ok"], true, "{rebuilt}");
    assert!(rebuilt["written"].as_array().unwrap().contains(&json!("/nginx/pools/p.conf")), "{rebuilt}");
    assert_eq!(world.gateway.live()["/nginx/pools/p.conf"], ours);
}

#[tokio::test]
async fn previews_show_what_would_be_written() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    let empty = world.post("/api/pools", json!({"name": "empty"})).await.expect(201)["id"].clone();
    let vhost = world.vhost("a.example", Some(pool)).await;
    let preview = world.get(&format!("/api/config/preview/pool/{pool}")).await.expect(200);
    assert_eq!(
        preview,
        json!({"filepath": "/nginx/pools/p.conf", "content": world.gateway.live()["/nginx/pools/p.conf"]})
    );
    let nothing = world.get(&format!("/api/config/preview/pool/{empty}")).await.expect(200);
    assert_eq!(nothing["content"], Value::Null);
    let one = world.get(&format!("/api/config/preview/vhost/{vhost}")).await.expect(200);
    let other = world.get(&format!("/api/vhosts/{vhost}/preview")).await.expect(200);
    assert_eq!(one, other);
    assert_eq!(world.get("/api/vhosts/99/preview").await.detail(404), "Vhost not found");
    assert_eq!(world.get("/api/config/preview/pool/99").await.detail(404), "Pool not found");
}

#[tokio::test]
async fn health_is_open_and_tells_of_the_process() {
    let world = World::start().await;
    assert_eq!(
        world.send("GET", "/api/health", &[], "").await.expect(200),
        json!({"status": "ok", "version": "0.0.0-test", "dev_mode": false, "db_ok": true,
               "nginx_config_dir": "/nginx", "drift_alerts": 0})
    );
}

#[tokio::test]
async fn f33_the_audit_log_finds_today_in_every_form() {
    let world = World::start().await;
    world.post("/api/pools", json!({"name": "p"})).await.expect(201);
    for (query, found) in [
        ("from=2026-11-24T00:00:00Z", 1),
        ("from=2026-11-24", 1),
        ("to=2026-11-24", 1),
        ("from=2026-11-24&to=2026-11-24", 1),
        ("from=2026-11-24%2002:40:00&to=2026-11-24+02:40:00", 1),
        ("from=2026-11-24T04:40:00%2B02:00&to=2026-11-24T04:40:00%2B02:00", 1),
        ("from=2026-11-24T02:40:01Z", 0),
        ("to=2026-11-24T02:39:59Z", 0),
        ("to=2026-11-23", 0),
        ("entity_type=pool&entity_id=1", 1),
        ("entity_type=vhost", 0),
        ("page=2", 0),
    ] {
        let entries = world.get(&format!("/api/audit?{query}")).await.expect(200);
        assert_eq!(entries.as_array().unwrap().len(), found, "{query}");
    }
}

#[tokio::test]
async fn an_audit_entry_has_the_fields_of_0_4() {
    let world = World::start().await;
    world.post("/api/pools", json!({"name": "p"})).await.expect(201);
    let entry = world.get("/api/audit").await.expect(200)[0].clone();
    assert_eq!((&entry["actor"], &entry["action"]), (&json!("api"), &json!("create")));
    assert_eq!((&entry["entity_type"], &entry["entity_id"]), (&json!("pool"), &json!(1)));
    assert_eq!(entry["before_json"], Value::Null);
    let after: Value = serde_json::from_str(entry["after_json"].as_str().unwrap()).unwrap();
    assert_eq!(after["name"], "p");
    assert_eq!(entry["created_at"], "2026-11-24 02:40:00");
}
