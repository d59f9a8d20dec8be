//! Buckets get routes, lose them and are ignored; what nginx gets and what the database says are one change.

use nanio_orchestrator::domain::migration::Phase;
use serde_json::{Value, json};

use super::buckets::{TwoPools, actions, told};

impl TwoPools {
    fn bucket(&self, rest: &str) -> String {
        format!("{}/buckets/{rest}", self.path)
    }

    /// What nginx is told of the vhost.
    fn server(&self) -> String {
        self.world.gateway.live().into_iter().find(|(path, _)| path.ends_with("s3.example.conf")).unwrap().1
    }

    async fn newest_entry(&self) -> Value {
        self.world.get("/api/audit?per_page=1").await.expect(200)[0].clone()
    }
}

#[tokio::test]
async fn f11_a_promoted_bucket_is_in_nginx_and_a_removed_route_is_not() {
    let two = TwoPools::start().await;
    two.sync().await;
    let made = two.world.post(&two.bucket("photos/promote"), json!({"pool_id": two.far})).await.expect(200);
    assert_eq!((&made["ok"], &made["bucket"], &made["pool"]), (&json!(true), &json!("photos"), &json!("far")));
    assert_eq!((&made["route"], &made["migration_started"]), (&json!("/photos/"), &json!(false)));
    assert!(made["output"].as_str().is_some_and(|output| !output.is_empty()), "{made}");
    assert!(two.server().contains("photos"));
    assert_eq!(two.buckets().await, [told("photos", "routed", Some(two.far)), told("plain", "unrouted", None)]);
    let entry = two.newest_entry().await;
    assert_eq!((&entry["action"], &entry["entity_type"]), (&json!("promote_bucket"), &json!("route")));
    assert_eq!(entry["nginx_reload_ok"], true);
    let detail = two.world.post(&two.bucket("photos/promote"), json!({"pool_id": two.near})).await.detail(409);
    assert!(detail.contains("already exists"), "{detail}");
    let gone = two.world.delete(&two.bucket("photos/route")).await.expect(200);
    assert_eq!(gone, json!({"ok": true, "bucket": "photos", "route_removed": "/photos/"}));
    assert!(!two.server().contains("photos"));
    assert_eq!(two.buckets().await[0], told("photos", "unrouted", None));
    assert_eq!(two.newest_entry().await["action"], "remove_bucket_route");
    two.world.post("/api/config/sync", Value::Null).await.expect(200);
    let routes = two.world.get(&format!("{}/routes", two.path)).await.expect(200);
    assert_eq!(routes.as_array().unwrap().len(), 1, "it does not come back");
    assert!(two.world.delete(&two.bucket("photos/route")).await.detail(404).contains("photos"));
}

#[tokio::test]
async fn a_promotion_never_leaves_objects_behind_unasked() {
    let two = TwoPools::start().await;
    two.world.buckets.at(&two.at_near).put("photos", "key");
    let before = two.world.everything().await;
    let detail = two.world.post(&two.bucket("photos/promote"), json!({"pool_id": two.far})).await.detail(400);
    assert!(detail.contains("allow_orphan") && detail.contains("pool near"), "{detail}");
    two.world.buckets.fail(&two.at_near, "no connection");
    let detail = two.world.post(&two.bucket("photos/promote"), json!({"pool_id": two.far})).await.detail(400);
    assert!(detail.contains("allow_orphan") && detail.contains("no connection"), "{detail}");
    assert_eq!(two.world.everything().await, before);
    let body = json!({"pool_id": two.far, "migrate": true, "allow_orphan": true});
    let detail = two.world.post(&two.bucket("photos/promote"), body).await.detail(503);
    assert!(detail.contains("no connection"), "who asks for the move gets no route without it: {detail}");
    assert_eq!(two.world.everything().await, before);
    // The pool that serves it anyway, and a yes.
    two.world.post(&two.bucket("photos/promote"), json!({"pool_id": two.near})).await.expect(200);
    let body = json!({"pool_id": two.far, "allow_orphan": true});
    two.world.post(&two.bucket("plain/promote"), body).await.expect(200);
    two.world.buckets.recover(&two.at_near);
    assert_eq!(two.world.post(&two.bucket("empty/promote"), json!({"pool_id": two.far})).await.status, 200);
}

#[tokio::test]
async fn f28_a_promotion_keeps_the_rules_of_routes() {
    let two = TwoPools::start().await;
    let http = two.world.http_pool("files").await;
    two.sync().await;
    let before = two.world.everything().await;
    let promote =
        async |bucket: &str, body: Value| two.world.post(&two.bucket(&format!("{bucket}/promote")), body).await;
    assert!(promote("photos", json!({"pool_id": http})).await.detail(400).contains("type http"));
    assert!(promote("photos", json!({"pool_id": 99})).await.detail(400).contains("does not exist"));
    assert_eq!(promote("photos", json!({})).await.faults(), [("missing".to_owned(), "body.pool_id".to_owned())]);
    for bad in ["bad%20%7B%20nonsense", "%2e%2e", "a%0ab", "x%3B"] {
        let faults = promote(bad, json!({"pool_id": two.far})).await.faults();
        assert_eq!(faults[0].1, "path.bucket", "{bad}");
    }
    let bare = two.world.vhost("bare.example", None).await;
    let path = format!("/api/vhosts/{bare}/buckets/photos/promote");
    assert!(two.world.post(&path, json!({"pool_id": two.far})).await.detail(400).contains("default pool"));
    two.world.gateway.refuse(Some("nginx: [emerg] no"));
    let refused = promote("photos", json!({"pool_id": two.far})).await.detail(422);
    assert!(refused.contains("[emerg] no"), "{refused}");
    assert_eq!(two.buckets().await[0], told("photos", "unrouted", None));
    two.world.gateway.refuse(None);
    let (rows, files) = two.world.everything().await;
    let sorted = |files: &[(String, String)]| {
        files.iter().filter(|(path, _)| path.contains("s3.example")).cloned().collect::<Vec<_>>()
    };
    assert_eq!(sorted(&files), sorted(&before.1));
    assert_eq!(rows[0], before.0[0]);
}

#[tokio::test]
async fn a_bucket_that_is_gone_is_not_promoted_and_leaves_with_its_route() {
    let two = TwoPools::start().await;
    two.sync().await;
    two.world.buckets.at(&two.at_near).remove("plain");
    two.world.post(&two.bucket("photos/promote"), json!({"pool_id": two.far})).await.expect(200);
    two.sync().await;
    let detail = two.world.post(&two.bucket("plain/promote"), json!({"pool_id": two.far})).await.detail(400);
    assert!(detail.contains("pool near does not list it"), "{detail}");
    assert!(two.buckets().await.contains(&told("photos", "deleted", Some(two.far))));
    two.world.delete(&two.bucket("photos/route")).await.expect(200);
    assert_eq!(two.buckets().await, [told("plain", "deleted", None)]);
    two.sync().await;
    assert!(two.buckets().await.contains(&told("photos", "unrouted", None)), "the default pool has it");
}

#[tokio::test]
async fn an_ignored_bucket_stays_so_and_its_sidecar_says_it() {
    let two = TwoPools::start().await;
    two.sync().await;
    let answer = two.world.post(&two.bucket("plain/ignore"), Value::Null).await.expect(200);
    assert_eq!(answer, json!({"ok": true, "bucket": "plain", "status": "ignored"}));
    let sidecar =
        two.world.gateway.live().into_iter().find(|(path, _)| path.ends_with("s3.example.meta.json")).unwrap().1;
    assert!(sidecar.contains("plain"), "{sidecar}");
    let entry = two.newest_entry().await;
    assert_eq!((&entry["action"], &entry["entity_type"]), (&json!("ignore_bucket"), &json!("bucket")));
    assert!(entry["before_json"].as_str().unwrap().contains("unrouted"), "{entry}");
    let log = actions(&two.world).await.len();
    two.world.post(&two.bucket("plain/ignore"), Value::Null).await.expect(200);
    assert_eq!(actions(&two.world).await.len(), log, "once is enough");
    two.world.buckets.at(&two.at_near).remove("plain");
    two.sync().await;
    assert_eq!(two.buckets().await, [told("plain", "ignored", None), told("photos", "unrouted", None)]);
    // Also one that nobody has seen yet.
    two.world.post(&two.bucket("never-seen/ignore"), Value::Null).await.expect(200);
    assert_eq!(two.world.post("/api/vhosts/99/buckets/plain/ignore", Value::Null).await.detail(404), "Vhost not found");
    two.world.post(&two.bucket("plain/promote"), json!({"pool_id": two.near})).await.expect(200);
    assert!(two.buckets().await.contains(&told("plain", "routed", Some(two.near))));
}

#[tokio::test]
async fn f14_f27_a_removed_route_does_not_serve_the_copy_that_a_migration_left_unasked() {
    let two = TwoPools::start().await;
    let route = two.route("/photos/", two.far).await;
    two.world.buckets.at(&two.at_near).put("photos", "old");
    two.world.buckets.at(&two.at_far).put("photos", "new");
    two.sync().await;
    two.migration(7, "photos", Phase::Done).await;
    let plain = format!("{}/routes/{route}", two.path);
    let before = two.world.everything().await;
    for path in [two.bucket("photos/route"), plain.clone()] {
        let detail = two.world.delete(&path).await.detail(409);
        assert!(detail.contains("migration 7") && detail.contains("allow_stale=true"), "{detail}");
        let detail = two.world.delete(&format!("{path}?allow_orphan=true")).await.detail(409);
        assert!(detail.contains("migration 7"), "a yes to the smaller thing is none to this: {detail}");
    }
    for body in [
        json!({"enabled": false}),
        json!({"path_prefix": "/other/"}),
        json!({"pool_id": two.near, "allow_orphan": true}),
    ] {
        let detail = two.world.put(&plain, body).await.detail(409);
        assert!(detail.contains("migration 7"), "{detail}");
    }
    two.world.buckets.fail(&two.at_near, "no connection");
    let detail = two.world.delete(&plain).await.detail(409);
    assert!(detail.contains("migration 7") && detail.contains("no connection"), "{detail}");
    assert_eq!(two.world.everything().await, before);
    two.world.buckets.recover(&two.at_near);
    two.world.delete(&two.bucket("photos/route?allow_stale=true")).await.expect(200);
    assert!(two.buckets().await.contains(&told("photos", "unrouted", None)));
    // Once the copy is purged there is nothing stale, and with nothing on the other side nothing is lost.
    let again = two.route("/photos/", two.far).await;
    two.world.buckets.at(&two.at_near).remove("photos").make("photos");
    let path = format!("{}/routes/{again}", two.path);
    assert!(two.world.delete(&path).await.detail(409).contains("allow_orphan=true"));
    two.world.buckets.at(&two.at_far).remove("photos");
    assert_eq!(two.world.delete(&path).await.status, 204);
}

#[tokio::test]
async fn nothing_is_done_to_the_route_of_a_bucket_that_is_being_moved() {
    let two = TwoPools::start().await;
    let route = two.route("/photos/", two.near).await;
    two.migration(8, "photos", Phase::Copying).await;
    let path = format!("{}/routes/{route}", two.path);
    for (method, path, body) in [
        ("DELETE", two.bucket("photos/route"), Value::Null),
        ("DELETE", path.clone(), Value::Null),
        ("PUT", path.clone(), json!({"enabled": false, "allow_orphan": true})),
        ("POST", two.bucket("photos/ignore"), Value::Null),
    ] {
        let detail = two.world.ask(method, &path, &[], body).await.detail(409);
        assert!(detail.contains("migration 8"), "{method} {path}: {detail}");
    }
    // What it serves is not changed by this.
    two.world.put(&path, json!({"extra_directives": "etag off;"})).await.expect(200);
}

#[tokio::test]
async fn a_bucket_follows_its_route_however_that_changes() {
    let two = TwoPools::start().await;
    two.sync().await;
    let route = format!("{}/routes/{}", two.path, two.route("/photos/", two.far).await);
    assert_eq!(two.buckets().await[0], told("photos", "routed", Some(two.far)));
    two.world.put(&route, json!({"pool_id": two.near})).await.expect(200);
    assert_eq!(two.buckets().await[0], told("photos", "routed", Some(two.near)));
    two.world.put(&route, json!({"enabled": false})).await.expect(200);
    assert_eq!(two.buckets().await[0], told("photos", "unrouted", None));
    two.world.put(&route, json!({"enabled": true, "path_prefix": "/plain/"})).await.expect(200);
    assert!(two.buckets().await.contains(&told("plain", "routed", Some(two.near))));
    assert_eq!(two.world.delete(&route).await.status, 204);
    assert_eq!(two.buckets().await, [told("photos", "unrouted", None), told("plain", "unrouted", None)]);
}

#[tokio::test]
async fn objects_that_buckets_left_on_the_default_pool_are_found() {
    let two = TwoPools::start().await;
    let near = two.world.buckets.at(&two.at_near);
    near.put("photos", "a").put("photos", "b").make("bare").put("own", "x");
    for bucket in ["photos", "bare", "absent"] {
        two.world.buckets.at(&two.at_far).make(bucket);
        two.route(&format!("/{bucket}/"), two.far).await;
    }
    two.route("/own/", two.near).await;
    two.sync().await;
    let scan = async || two.world.get(&two.bucket("orphans")).await.expect(200);
    let found = scan().await;
    assert_eq!(found["orphans"], json!([{"bucket": "photos", "objects": 2, "count_complete": true}]));
    assert_eq!(
        (&found["checked"], &found["unchecked"], &found["vhost_id"]),
        (&json!(3), &json!([]), &json!(two.vhost))
    );
    two.world.buckets.count_at_most(1);
    assert_eq!(scan().await["orphans"], json!([{"bucket": "photos", "objects": 1, "count_complete": false}]));
    two.world.buckets.fail(&two.at_near, "no connection");
    let found = scan().await;
    assert_eq!((&found["checked"], found["unchecked"].as_array().unwrap().len()), (&json!(0), 3));
    assert!(found["unchecked"][0]["reason"].as_str().unwrap().contains("no connection"), "{found}");
}

#[tokio::test]
async fn f11_buckets_of_a_nanio_pool_get_routes_in_an_http_vhost_and_lose_them() {
    let two = TwoPools::start().await;
    let body = json!({"name": "files", "type": "http", "source_nanio_pool_id": two.near});
    let http = two.world.post("/api/pools", body).await.expect(201)["id"].as_i64().unwrap();
    let member = json!({"address": "10.0.0.21:80", "role": "primary"});
    two.world.post(&format!("/api/pools/{http}/members"), member).await.expect(201);
    let files = two.world.vhost("files.example", Some(http)).await;
    two.world.buckets.at(&two.at_near).make("moved").make("hidden");
    two.world.buckets.at(&two.at_far).make("moved");
    two.route("/moved/", two.far).await;
    two.sync().await;
    two.world.post(&two.bucket("hidden/ignore"), Value::Null).await.expect(200);
    let path = format!("/api/vhosts/{files}/http-bucket-routes");
    let linked =
        |photos: bool| json!([{"bucket": "photos", "has_route": photos}, {"bucket": "plain", "has_route": false}]);
    let list = two.world.get(&path).await.expect(200);
    assert_eq!((&list["linked_nanio_buckets"], &list["routes"]), (&linked(false), &json!([])));
    assert_eq!((&list["source_nanio_pool_name"], &list["server_name"]), (&json!("near"), &json!("files.example")));
    let conf =
        || two.world.gateway.live().into_iter().find(|(path, _)| path.ends_with("files.example.conf")).unwrap().1;
    let added = two.world.post(&format!("{path}/photos"), Value::Null).await.expect(201);
    assert_eq!(added, json!({"ok": true, "bucket": "photos", "route": "/photos/", "pool_id": http}));
    assert!(conf().contains("/photos/"));
    let entry = two.newest_entry().await;
    assert_eq!((&entry["action"], &entry["entity_type"]), (&json!("add_http_bucket_route"), &json!("route")));
    assert_eq!(two.world.post(&format!("{path}/photos"), Value::Null).await.status, 409);
    let list = two.world.get(&path).await.expect(200);
    assert_eq!((&list["linked_nanio_buckets"], &list["routes"][0]["bucket"]), (&linked(true), &json!("photos")));
    let removed = two.world.delete(&format!("{path}/photos")).await.expect(200);
    assert_eq!(removed["route_removed"], "/photos/");
    assert!(!conf().contains("/photos/"));
    assert_eq!(two.newest_entry().await["action"], "remove_http_bucket_route");
    assert_eq!(two.world.delete(&format!("{path}/photos")).await.status, 404);
    let other = format!("/api/vhosts/{}/http-bucket-routes", two.vhost);
    for (method, path) in
        [("GET", other.clone()), ("POST", format!("{other}/photos")), ("DELETE", format!("{other}/photos"))]
    {
        let detail = two.world.ask(method, &path, &[], Value::Null).await.detail(400);
        assert!(detail.contains("source_nanio_pool_id"), "{detail}");
    }
}
