//! A gateway of 0.4.1, as its files are (see tests/fixtures/v0_4_1), becomes this program's.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::world::World;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v0_4_1")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let place = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &place) } else { assert!(std::fs::copy(&path, &place).unwrap() > 0) }
    }
}

/// An orchestrator that was installed beside what 0.4.1 left, with an empty database.
pub async fn world() -> World {
    let world = World::start().await;
    copy(&fixture().join("nginx"), world.gateway.root());
    copy(&fixture().join("migrations"), &world.home("data/migrations"));
    world
}

fn by<'v>(list: &'v Value, field: &str, value: &str) -> &'v Value {
    list.as_array()
        .unwrap()
        .iter()
        .find(|row| row[field] == value)
        .unwrap_or_else(|| panic!("{value} is not in {list}"))
}

fn told(answer: &Value, what: &str) -> bool {
    answer["warnings"].as_array().unwrap().iter().any(|one| one.as_str().unwrap().contains(what))
}

#[tokio::test]
async fn the_dry_run_lists_what_comes_over_and_what_not() {
    let world = world().await;
    let seen = world.post("/api/config/rebuild-from-disk?dry_run=true", Value::Null).await.expect(200);
    let pools: Vec<_> = seen["pools"].as_array().unwrap().iter().map(|pool| &pool["name"]).collect();
    assert_eq!(pools, ["pool-empty", "pool-new", "pool-old", "web-files"]);
    let old = by(&seen["pools"], "name", "pool-old");
    assert_eq!(
        (&old["has_credentials"], &old["has_sidecar"], &old["members"]),
        (&json!(true), &json!(true), &json!(1))
    );
    let s3 = by(&seen["vhosts"], "server_name", "s3.example.test");
    assert_eq!((&s3["routes"], &s3["has_extra_blocks"], &s3["has_ip_rules"]), (&json!(4), &json!(true), &json!(true)));
    assert_eq!((&seen["migrations"], &seen["completed_migrations"]), (&json!(1), &json!(1)));
    assert!(told(&seen, "finish or cancel that migration there first"), "{seen}");
    assert!(told(&seen, "*.wild.example.test"), "{seen}");
    assert_eq!(world.get("/api/pools").await.expect(200), json!([]));
}

#[tokio::test]
async fn f50_pools_members_and_keys_come_over() {
    let world = world().await;
    let done = world.post("/api/config/rebuild-from-disk", Value::Null).await.expect(200);
    let counts = ["pools_imported", "members_imported", "vhosts_imported", "routes_imported", "credentials_recovered"];
    let seen: Vec<_> = counts.iter().map(|count| done[*count].as_u64().unwrap()).collect();
    assert_eq!(seen, [4, 5, 6, 11, 1], "{done}");
    let pools = world.get("/api/pools").await.expect(200);
    let id = |name: &str| by(&pools, "name", name)["id"].as_i64().unwrap();
    assert_eq!(["pool-old", "pool-new", "pool-empty", "web-files"].map(id), [1, 2, 3, 4]);
    let (old, files) = (by(&pools, "name", "pool-old"), by(&pools, "name", "web-files"));
    assert_eq!(old["description"], "Größe \"A\" <b>");
    assert_eq!((&files["type"], &files["source_nanio_pool_id"]), (&json!("http"), &json!(1)));
    assert_eq!(by(&pools, "name", "pool-new")["keepalive"], 16);
    assert_eq!(by(&pools, "name", "pool-new")["lb_method"], "round_robin");
    let members = world.get("/api/pools/4/members").await.expect(200);
    let seen: Vec<_> = members.as_array().unwrap().iter().map(|m| (&m["address"], &m["role"])).collect();
    // F50: primaries of http pools come back as what the API accepts.
    let wanted = [("10.0.0.5:80", "primary"), ("10.0.0.6:80", "primary"), ("10.0.0.7:80", "replica")];
    let wanted: Vec<_> = wanted.map(|(address, role)| (json!(address), json!(role))).into();
    assert_eq!(seen, wanted.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>());
    world.put("/api/pools/4", json!({"keepalive": 33})).await.expect(200);
    let sidecar: Value = serde_json::from_str(&world.gateway.live()["pools/pool-old.meta.json"]).unwrap();
    let before: Value =
        serde_json::from_slice(&std::fs::read(fixture().join("nginx/pools/pool-old.meta.json")).unwrap()).unwrap();
    for field in ["access_key_enc", "secret_key_enc", "endpoint_url", "region"] {
        assert_eq!(sidecar["credentials"][field], before["credentials"][field], "{field}");
    }
}

#[tokio::test]
async fn vhosts_and_routes_come_over_and_the_files_stay_until_something_changes() {
    let world = world().await;
    let before = world.gateway.live();
    world.post("/api/config/rebuild-from-disk", Value::Null).await.expect(200);
    let after = world.gateway.live();
    for (path, text) in before.iter().filter(|(path, _)| path.ends_with(".conf")) {
        assert_eq!(after.get(path), Some(text), "{path}");
    }
    let status = world.get("/api/config/status").await.expect(200);
    let drifted: Vec<_> = status["files"].as_array().unwrap().iter().filter(|file| file["drifted"] == true).collect();
    assert_eq!(drifted, Vec::<&Value>::new());

    let vhosts = world.get("/api/vhosts").await.expect(200);
    let s3 = by(&vhosts, "server_name", "s3.example.test");
    assert_eq!((&s3["id"], &s3["listen_port"], &s3["ssl"]), (&json!(1), &json!(8443), &json!(true)));
    assert_eq!(s3["ssl_certificate"], "/etc/ssl/certs/s3.pem");
    assert_eq!(s3["extra_directives"], "proxy_connect_timeout 7s;");
    let zones: Vec<_> = s3["extra_blocks"].as_array().unwrap().iter().map(|block| &block["zone"]).collect();
    assert_eq!(zones, ["top", "ssl", "proxy", "end"]);
    assert_eq!(s3["extra_blocks"][3]["content"], "location = /robots.txt {\n    return 200 \"no\";\n}");
    assert_eq!(
        (&s3["ip_rule_mode"], &s3["ip_rule_ips"]),
        (&json!("allow"), &json!(["127.0.0.1", "10.0.0.0/8", "::1"]))
    );
    let routes = world.get("/api/vhosts/1/routes").await.expect(200);
    let seen: Vec<_> =
        routes.as_array().unwrap().iter().map(|r| json!([r["id"], r["path_prefix"], r["pool_name"]])).collect();
    let wanted = json!([
        [5, "/media/2024/", "pool-new"],
        [2, "/archive/", "pool-new"],
        [3, "/photos/", "pool-new"],
        [1, "/", "pool-old"]
    ]);
    assert_eq!(Value::from(seen), wanted);
    let cdn = by(&vhosts, "server_name", "cdn.example.test")["id"].as_i64().unwrap();
    let routes = world.get(&format!("/api/vhosts/{cdn}/routes")).await.expect(200);
    assert_eq!(by(&routes, "path_prefix", "/img/")["key_prefix"], "2024");
    let bare = by(&vhosts, "server_name", "bare.example.test");
    assert_eq!((&bare["default_pool_id"], &bare["enabled"]), (&Value::Null, &json!(true)));

    // The first change of a vhost writes its file in our form.
    world.put("/api/vhosts/1", json!({"listen_port": 9443})).await.expect(200);
    let text = world.gateway.live()["vhosts/s3.example.test.conf"].clone();
    assert!(text.contains("listen 9443 ssl") && text.contains("map $request_uri"), "{text}");
    assert!(text.contains("add_header X-Top2 \"a b\";") && text.contains("proxy_connect_timeout 7s;"), "{text}");
}

#[tokio::test]
async fn f15_a_finished_migration_keeps_its_orphan_by_name_and_never_by_an_id_of_another_life() {
    let world = world().await;
    // In this tree the ids clash: the pools get others than the records say.
    let sidecar = world.gateway.root().join("pools/pool-empty.meta.json");
    let text = std::fs::read_to_string(&sidecar).unwrap();
    std::fs::write(&sidecar, text.replace("\"pool_id\": 3", "\"pool_id\": 1").replace("06:38:44Z", "06:39:59Z"))
        .unwrap();
    let done = world.post("/api/config/rebuild-from-disk", Value::Null).await.expect(200);
    assert!(told(&done, "belongs to another pool"), "{done}");
    let pools = world.get("/api/pools").await.expect(200);
    let old = by(&pools, "name", "pool-old")["id"].as_i64().unwrap();
    assert_ne!(old, 1, "{pools}");
    let read = |tx: &mut dyn nanio_orchestrator::ports::store::Tx| tx.migrations();
    let migrations = world.store.read(read).await.unwrap();
    let archive = migrations.iter().find(|one| one.bucket.as_str() == "archive").unwrap();
    let orphan = archive.orphan.as_ref().unwrap();
    assert_eq!((orphan.pool.id.0, orphan.pool.name.as_str(), orphan.prefix.as_str()), (old, "pool-old", "/archive/"));
    assert_eq!(archive.route_id.map(|id| id.0), Some(2));
}

#[tokio::test]
async fn f16_a_split_is_left_as_it_is_and_nothing_is_rendered_over_it() {
    let world = world().await;
    let before = world.gateway.live()["vhosts/split.example.test.conf"].clone();
    world.post("/api/config/rebuild-from-disk", Value::Null).await.expect(200);
    let vhosts = world.get("/api/vhosts").await.expect(200);
    let split = by(&vhosts, "server_name", "split.example.test")["id"].as_i64().unwrap();
    let routes = world.get(&format!("/api/vhosts/{split}/routes")).await.expect(200);
    let seen: Vec<_> = routes.as_array().unwrap().iter().map(|r| json!([r["path_prefix"], r["pool_name"]])).collect();
    assert_eq!(Value::from(seen), json!([["/busy/", "pool-old"], ["/calm/", "pool-new"], ["/", "pool-old"]]));
    let read = |tx: &mut dyn nanio_orchestrator::ports::store::Tx| tx.migrations();
    let migrations = world.store.read(read).await.unwrap();
    let busy = migrations.iter().find(|one| one.bucket.as_str() == "busy").unwrap();
    assert!(busy.needs_adoption && !busy.phase.is_final(), "{busy:?}");

    for (method, path, body) in [
        ("PUT", format!("/api/vhosts/{split}"), json!({"listen_port": 81})),
        ("POST", format!("/api/vhosts/{split}/routes"), json!({"path_prefix": "/new-one/", "pool_id": 1})),
        ("PUT", "/api/pools/1".to_owned(), json!({"name": "renamed"})),
        (
            "POST",
            "/api/config/rewrite-file".to_owned(),
            json!({"path": world.gateway.full("vhosts/split.example.test.conf")}),
        ),
    ] {
        let detail = world.ask(method, &path, &[], body).await.detail(409);
        assert!(detail.contains("busy"), "{method} {path}: {detail}");
    }
    world.post("/api/config/rebuild", Value::Null).await.expect(200);
    assert_eq!(world.gateway.live()["vhosts/split.example.test.conf"], before);
    // All others are in our form now.
    assert!(world.gateway.live()["vhosts/cdn.example.test.conf"].contains("\n# vhost:cdn.example.test\n"));
    assert!(!world.gateway.live()["pools/pool-old.conf"].contains("updated:"));
    // Members of the pools that it uses can still be changed.
    let member = world.get("/api/pools/1/members").await.expect(200)[0]["id"].clone();
    world.put(&format!("/api/pools/1/members/{member}"), json!({"weight": 3})).await.expect(200);
    assert_eq!(world.gateway.live()["vhosts/split.example.test.conf"], before);
}

#[tokio::test]
async fn what_was_taken_over_comes_back_again_from_what_we_wrote() {
    let world = world().await;
    world.post("/api/config/rebuild-from-disk", Value::Null).await.expect(200);
    world.post("/api/config/rebuild", Value::Null).await.expect(200);
    let (rows, files) = world.everything().await;
    let again = world.without_database();
    again.post("/api/config/rebuild-from-disk", Value::Null).await.expect(200);
    let (same, same_files) = again.everything().await;
    assert_eq!(same_files, files);
    let ids = |rows: &[Value]| -> Vec<Value> {
        let ids = |list: &Value| list.as_array().unwrap().iter().map(|row| row["id"].clone()).collect::<Value>();
        rows.iter().enumerate().filter(|(index, _)| *index != 2).map(|(_, list)| ids(list)).collect()
    };
    assert_eq!(ids(&same), ids(&rows));
}
