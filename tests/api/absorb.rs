//! Edits made on disk: taken over whole, or refused whole; written over only when that is asked for.

use serde_json::{Value, json};

use super::world::World;

async fn world() -> World {
    let world = World::start().await;
    let (one, two) = (world.pool("one").await, world.pool("two").await);
    let vhost = world.vhost("a.example", Some(one)).await;
    let route = json!({"path_prefix": "/photos/", "pool_id": two, "allow_orphan": true});
    world.post(&format!("/api/vhosts/{vhost}/routes"), route).await.expect(201);
    world
}

/// Somebody replaces a part of a file, which must be there.
fn edit(world: &World, file: &str, from: &str, to: &str) {
    let text = world.gateway.live()[file].clone();
    assert!(text.contains(from), "{from} is not in:\n{text}");
    world.gateway.edit(file, &text.replacen(from, to, 1));
}

async fn absorb(world: &World, file: &str) -> super::world::Answer {
    world.post("/api/config/absorb-file", json!({"path": world.gateway.full(file)})).await
}

async fn drift(world: &World) -> usize {
    let status = world.get("/api/config/status").await.expect(200);
    status["files"].as_array().unwrap().iter().filter(|file| file["drifted"] == true).count()
}

#[tokio::test]
async fn f31_an_edited_pool_becomes_the_database_s_and_no_later_change_takes_it_back() {
    let world = world().await;
    edit(&world, "pools/one.conf", "weight=1", "weight=7");
    edit(&world, "pools/one.conf", "least_conn;\n", "ip_hash;\n");
    edit(&world, "pools/one.conf", "    keepalive 32;", "    server 10.0.0.9:9000 weight=2;\n    keepalive 64;");
    assert_eq!(drift(&world).await, 1);
    let done = absorb(&world, "pools/one.conf").await.expect(200);
    assert_eq!((&done["ok"], &done["warnings"]), (&json!(true), &json!([])));
    assert_eq!(drift(&world).await, 0);
    let pool = world.get("/api/pools/1").await.expect(200);
    assert_eq!((&pool["lb_method"], &pool["keepalive"]), (&json!("ip_hash"), &json!(64)));
    let members = world.get("/api/pools/1/members").await.expect(200);
    let seen: Vec<_> =
        members.as_array().unwrap().iter().map(|m| (m["address"].clone(), m["weight"].clone())).collect();
    assert_eq!(seen, [(json!("10.0.0.1:9000"), json!(7)), (json!("10.0.0.9:9000"), json!(2))]);
    world.put("/api/pools/1", json!({"keepalive": 65})).await.expect(200);
    let text = world.gateway.live()["pools/one.conf"].clone();
    assert!(text.contains("weight=7") && text.contains("10.0.0.9:9000") && text.contains("keepalive 65"), "{text}");
    let log = world.get("/api/audit?per_page=200").await.expect(200);
    assert!(log.as_array().unwrap().iter().any(|entry| entry["action"] == "absorb_drift"), "{log}");
}

#[tokio::test]
async fn what_gets_another_address_or_prefix_on_disk_stays_what_it_is_and_a_copied_line_is_another() {
    let world = world().await;
    world.post("/api/pools/1/members", json!({"address": "10.0.0.2:9000"})).await.expect(201);
    let pool = world.post("/api/pools", json!({"name": "web", "type": "http"})).await.expect(201)["id"].clone();
    world
        .post(&format!("/api/pools/{pool}/members"), json!({"address": "10.0.0.5:80", "role": "primary"}))
        .await
        .expect(201);
    let vhost = world.vhost("w.example", pool.as_i64()).await;
    let path = format!("/api/vhosts/{vhost}/routes");
    let route = world.post(&path, json!({"path_prefix": "/old/", "pool_id": pool})).await.expect(201)["id"].clone();
    edit(&world, "pools/one.conf", "server 10.0.0.1:9000", "server 10.0.0.7:9000");
    let text = world.gateway.live()["pools/one.conf"].clone();
    let line = text.lines().find(|line| line.contains("10.0.0.2")).unwrap();
    let copy = line.replace("server 10.0.0.2", "server 10.0.0.8");
    edit(&world, "pools/one.conf", line, &format!("{line}\n{copy}"));
    let text = world.gateway.live()["vhosts/w.example.conf"].clone();
    let moved = text.replace("location /old/ {", "location /new/ {").replace("location = /old {", "location = /new {");
    world.gateway.edit("vhosts/w.example.conf", &moved);
    for file in ["pools/one.conf", "vhosts/w.example.conf"] {
        let done = absorb(&world, file).await.expect(200);
        assert_eq!(done["warnings"], json!([]));
    }
    let members = world.get("/api/pools/1/members").await.expect(200);
    let seen: Vec<_> = members.as_array().unwrap().iter().map(|m| (m["id"].as_i64(), m["address"].as_str())).collect();
    let member = |id, address| (Some(id), Some(address));
    assert_eq!(seen, [member(1, "10.0.0.7:9000"), member(3, "10.0.0.2:9000"), member(5, "10.0.0.8:9000")]);
    let routes = world.get(&path).await.expect(200);
    let there = |route: &Value| (route["id"].clone(), route["path_prefix"].clone());
    assert!(
        routes.as_array().unwrap().iter().map(there).any(|seen| seen == (route.clone(), json!("/new/"))),
        "{routes}"
    );
    assert_eq!(drift(&world).await, 0);
}

/// A rebuild takes the address from the line and leaves the file as it is, with what its comment told before.
#[tokio::test]
async fn a_comment_that_tells_what_a_member_or_route_was_before_a_rebuild_makes_no_second_one() {
    let world = world().await;
    let pool = world.post("/api/pools", json!({"name": "web", "type": "http"})).await.expect(201)["id"].clone();
    let node = json!({"address": "10.0.0.5:80", "role": "primary"});
    world.post(&format!("/api/pools/{pool}/members"), node).await.expect(201);
    let vhost = world.vhost("w.example", pool.as_i64()).await;
    let path = format!("/api/vhosts/{vhost}/routes");
    let route = world.post(&path, json!({"path_prefix": "/old/", "pool_id": pool})).await.expect(201)["id"].clone();
    edit(&world, "pools/one.conf", "server 10.0.0.1:9000", "server 10.0.0.7:9000");
    edit(&world, "vhosts/w.example.conf", "location /old/ {", "location /new/ {");
    edit(&world, "vhosts/w.example.conf", "location = /old {", "location = /new {");
    for _ in 0..2 {
        world.post("/api/config/rebuild-from-disk?force=true", Value::Null).await.expect(200);
    }
    for file in ["pools/one.conf", "vhosts/w.example.conf"] {
        let done = absorb(&world, file).await.expect(200);
        assert_eq!(done["warnings"], json!([]));
    }
    let members = world.get("/api/pools/1/members").await.expect(200);
    let seen: Vec<_> = members.as_array().unwrap().iter().map(|m| (m["id"].as_i64(), m["address"].as_str())).collect();
    assert_eq!(seen, [(Some(1), Some("10.0.0.7:9000"))]);
    let routes = world.get(&path).await.expect(200);
    let moved = routes.as_array().unwrap().iter().find(|route| route["path_prefix"] == "/new/").unwrap();
    assert_eq!(moved["id"], route);
}

#[tokio::test]
async fn a_member_whose_line_was_removed_is_kept_as_disabled() {
    let world = world().await;
    world.post("/api/pools/1/members", json!({"address": "10.0.0.2:9000"})).await.expect(201);
    let text = world.gateway.live()["pools/one.conf"].clone();
    let without: String =
        text.lines().filter(|line| !line.contains("10.0.0.2")).map(|line| format!("{line}\n")).collect();
    world.gateway.edit("pools/one.conf", &without);
    let done = absorb(&world, "pools/one.conf").await.expect(200);
    assert!(done["warnings"][0].as_str().unwrap().contains("kept as disabled"), "{done}");
    let members = world.get("/api/pools/1/members").await.expect(200);
    assert_eq!((&members[0]["enabled"], &members[1]["enabled"]), (&json!(true), &json!(false)));
    assert_eq!(drift(&world).await, 0);
}

#[tokio::test]
async fn an_edited_vhost_becomes_the_database_s() {
    let world = world().await;
    edit(&world, "vhosts/a.example.conf", "photos two;", "photos one;\n    videos two;");
    edit(&world, "vhosts/a.example.conf", "listen 80;", "listen 8081;");
    edit(&world, "vhosts/a.example.conf", "listen [::]:80;", "listen [::]:8081;");
    let done = absorb(&world, "vhosts/a.example.conf").await.expect(200);
    assert_eq!(done["warnings"], json!([]));
    assert_eq!(drift(&world).await, 0);
    assert_eq!(world.get("/api/vhosts/1").await.expect(200)["listen_port"], 8081);
    let routes = world.get("/api/vhosts/1/routes").await.expect(200);
    let seen: Vec<_> = routes.as_array().unwrap().iter().map(|r| (&r["path_prefix"], &r["pool_name"])).collect();
    let pair = |prefix: &'static str, pool: &'static str| (json!(prefix), json!(pool));
    let wanted = [pair("/photos/", "one"), pair("/videos/", "two"), pair("/", "one")];
    assert_eq!(seen, wanted.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_with_its_line_and_nothing_changes() {
    let world = world().await;
    edit(&world, "vhosts/a.example.conf", "server_name a.example;", "server_name a.example;\n    etag off;");
    let before = world.everything().await;
    let detail = absorb(&world, "vhosts/a.example.conf").await.detail(422);
    assert!(detail.contains("etag off"), "{detail}");
    assert_eq!(world.everything().await, before);
    edit(&world, "pools/one.conf", "keepalive 32;", "keepalive 32;\n    zone shared 64k;");
    let detail = absorb(&world, "pools/one.conf").await.detail(422);
    assert!(detail.contains("zone"), "{detail}");
    world.gateway.edit("pools/two.conf", "# managed by nanio-orchestrator\nupstream two {");
    absorb(&world, "pools/two.conf").await.detail(422);
    world.gateway.edit("pools/two.conf", "upstream two { server 127.0.0.1:1; }\n");
    let detail = absorb(&world, "pools/two.conf").await.detail(422);
    assert!(detail.contains("managed by nanio-orchestrator"), "{detail}");
}

#[tokio::test]
async fn an_edit_that_a_client_would_be_refused_is_refused() {
    let world = world().await;
    edit(&world, "vhosts/a.example.conf", "photos two;", "photos three;");
    let detail = absorb(&world, "vhosts/a.example.conf").await.detail(422);
    assert!(detail.contains("pool three does not exist"), "{detail}");
    edit(&world, "pools/one.conf", "keepalive 32;", "keepalive 0;");
    let detail = absorb(&world, "pools/one.conf").await.detail(422);
    assert!(detail.contains("keepalive"), "{detail}");
    edit(&world, "pools/two.conf", "upstream two {", "upstream one {");
    let detail = absorb(&world, "pools/two.conf").await.detail(422);
    assert!(detail.contains("another one than that of the file"), "{detail}");
}

#[tokio::test]
async fn an_edit_does_not_move_a_bucket_away_from_its_objects_unseen() {
    let world = world().await;
    world.buckets.fill("photos");
    edit(&world, "vhosts/a.example.conf", "photos two;", "photos one;");
    let detail = absorb(&world, "vhosts/a.example.conf").await.detail(409);
    assert!(detail.contains("bucket photos holds objects on pool two"), "{detail}");
    let told = world.post("/api/config/sync", Value::Null).await.expect(200);
    assert_eq!(told["files_synced"], 0);
    assert!(told["warnings"][0].as_str().unwrap().contains("bucket photos"), "{told}");
    let body = json!({"path": world.gateway.full("vhosts/a.example.conf"), "allow_orphan": true});
    world.post("/api/config/absorb-file", body).await.expect(200);
    assert_eq!(world.get("/api/vhosts/1/routes/2").await.expect(200)["pool_name"], "one");
    edit(&world, "vhosts/a.example.conf", "default one;", "default two;");
    assert!(absorb(&world, "vhosts/a.example.conf").await.detail(409).contains("allow_orphan=true"));
}

#[tokio::test]
async fn f35_no_file_but_a_managed_one_is_read() {
    let world = world().await;
    let root = world.gateway.full("");
    std::os::unix::fs::symlink("/etc/passwd", world.gateway.root().join("pools/evil.conf")).unwrap();
    std::fs::create_dir(world.gateway.root().join("pools/dir.conf")).unwrap();
    for path in [
        "/etc/shadow".to_owned(),
        format!("{root}pools/../../../../../../etc/passwd"),
        world.gateway.full("pools/evil.conf"),
        world.gateway.full("pools/dir.conf"),
        world.gateway.full("pools"),
        world.gateway.full(".nanio/intent.json"),
        String::new(),
    ] {
        let answer = world.post("/api/config/absorb-file", json!({ "path": path })).await;
        let detail = answer.detail(404);
        assert!(!detail.contains("root:"), "{detail}");
        world.post("/api/config/rewrite-file", json!({ "path": path })).await.detail(404);
    }
    let missing = absorb(&world, "pools/none.conf").await.detail(404);
    assert!(missing.contains("does not exist"), "{missing}");
}

#[tokio::test]
async fn a_sync_takes_over_every_edit_adds_what_is_unknown_and_keeps_what_is_missing() {
    let world = world().await;
    edit(&world, "pools/one.conf", "weight=1", "weight=3");
    let text = world.gateway.live()["pools/two.conf"].clone();
    let copy = text.replace("two", "three");
    world.gateway.edit("pools/three.conf", &copy);
    edit(&world, "vhosts/a.example.conf", "photos two;", "photos two;\n    videos three;");
    world.pool("spare").await;
    std::fs::remove_file(world.gateway.root().join("pools/spare.conf")).unwrap();
    let told = world.post("/api/config/sync", Value::Null).await.expect(200);
    let counts =
        ["pools_new", "pools_updated", "members_new", "vhosts_new", "vhosts_updated", "routes_synced", "files_synced"];
    let seen: Vec<_> = counts.iter().map(|count| told[*count].as_u64().unwrap()).collect();
    assert_eq!(seen, [1, 1, 1, 0, 1, 1, 3], "{told}");
    let warnings = told["warnings"].as_array().unwrap();
    assert!(warnings.len() == 1 && warnings[0].as_str().unwrap().contains("pools/spare.conf is missing"), "{told}");
    assert_eq!(world.get("/api/pools/4").await.expect(200)["name"], "three");
    assert_eq!(world.get("/api/pools/3").await.expect(200)["name"], "spare");
    assert_eq!(drift(&world).await, 1);
    // One bad file does not keep the others away.
    edit(&world, "pools/three.conf", "keepalive 32;", "keepalive 32;\n    zone z 64k;");
    edit(&world, "pools/one.conf", "weight=3", "weight=4");
    let told = world.post("/api/config/sync", Value::Null).await.expect(200);
    assert_eq!((&told["pools_updated"], told["warnings"].as_array().unwrap().len()), (&json!(1), 2), "{told}");
}

#[tokio::test]
async fn one_file_is_written_anew_and_only_that_one() {
    let world = world().await;
    let before = world.gateway.live();
    edit(&world, "pools/one.conf", "weight=1", "weight=3");
    edit(&world, "pools/two.conf", "weight=1", "weight=5");
    edit(&world, "pools/one.meta.json", "\"p", "\"P");
    let path = world.gateway.full("pools/one.conf");
    let done = world.post("/api/config/rewrite-file", json!({ "path": path })).await.expect(200);
    assert_eq!((&done["ok"], &done["path"], &done["action"]), (&json!(true), &json!(path), &Value::Null));
    let after = world.gateway.live();
    assert_eq!(after["pools/one.conf"], before["pools/one.conf"]);
    assert!(after["pools/two.conf"].contains("weight=5"));
    assert_ne!(after["pools/one.meta.json"], before["pools/one.meta.json"]);
    // A file that there should not be: the pool has no member that is on.
    let pool = world.post("/api/pools", json!({"name": "bare"})).await.expect(201)["id"].clone();
    world.gateway.edit("pools/bare.conf", &before["pools/one.conf"].replace("one", "bare"));
    let path = world.gateway.full("pools/bare.conf");
    let done = world.post("/api/config/rewrite-file", json!({ "path": path })).await.expect(200);
    assert_eq!(done["action"], "removed", "{pool} {done}");
    assert!(!world.gateway.live().contains_key("pools/bare.conf"));
    world.gateway.edit("pools/nobody.conf", &before["pools/one.conf"]);
    let path = world.gateway.full("pools/nobody.conf");
    let detail = world.post("/api/config/rewrite-file", json!({ "path": path })).await.detail(404);
    assert!(detail.contains("absorb-file"), "{detail}");
}

#[tokio::test]
async fn the_status_shows_a_diff_of_what_drifted_on_request() {
    let world = world().await;
    edit(&world, "pools/one.conf", "weight=1", "weight=3");
    std::fs::remove_file(world.gateway.root().join("pools/two.conf")).unwrap();
    let status = world.get("/api/config/status?diff=true").await.expect(200);
    let diff = |file: &str| {
        let files = status["files"].as_array().unwrap();
        files.iter().find(|one| one["path"] == world.gateway.full(file)).unwrap()["diff"].clone()
    };
    let shown = diff("pools/one.conf");
    let lines: Vec<&str> = shown.as_str().unwrap().lines().filter(|line| line.contains("weight")).collect();
    assert!(lines.len() == 2 && lines[0].starts_with('-') && lines[1].starts_with('+'), "{shown}");
    assert!(diff("pools/two.conf").as_str().unwrap().contains("+++ /dev/null"));
    assert_eq!(diff("vhosts/a.example.conf"), Value::Null);
    let plain = world.get("/api/config/status").await.expect(200);
    assert!(plain["files"].as_array().unwrap().iter().all(|file| file["diff"].is_null()));
}
