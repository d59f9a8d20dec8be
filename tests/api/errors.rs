//! Every failure is JSON with a sentence or a list, and nothing is half-done.

use serde_json::{Value, json};

use super::world::{KEY, World};

#[tokio::test]
async fn without_the_key_the_api_says_401_and_pages_lead_to_the_login() {
    let world = World::start().await;
    for path in ["/api/pools", "/api/nope", "/api/audit", "/api/config/status", "/api/health/"] {
        let answer = world.send("GET", path, &[], "").await;
        assert_eq!(answer.detail(401), "Invalid or missing X-Orchestrator-Key");
    }
    for path in ["/", "/web/pools", "/openapi.json", "/nope"] {
        let answer = world.send("GET", path, &[], "").await;
        assert_eq!((answer.status, answer.header("location")), (302, Some("/login")));
    }
    assert_eq!(world.send("GET", "/api/pools", &[("x-orchestrator-key", "wrong")], "").await.status, 401);
}

#[tokio::test]
async fn f30_a_key_that_is_not_ascii_is_wrong_and_nothing_more() {
    let world = World::start().await;
    for key in ["clé", "\u{1F511}", &format!("{KEY}é")] {
        assert_eq!(world.send("GET", "/api/pools", &[("x-orchestrator-key", key)], "").await.status, 401);
    }
    for cookie in ["nanio_session=é", "nanio_session=1.é.é", "nanio_session=..", "nanio_session=", "=;;"] {
        assert_eq!(world.send("GET", "/api/pools", &[("cookie", cookie)], "").await.status, 401);
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_in_json() {
    let world = World::start().await;
    for path in ["/api/nope", "/api/pools/1/nope", "/api/docs/x", "/static/nope", "/static/", "/api/pools/%FF"] {
        assert_eq!(world.get(path).await.detail(404), "Not Found");
    }
    let refused = world.ask("PATCH", "/api/pools/1", &[], Value::Null).await;
    assert_eq!(refused.header("allow"), Some("DELETE, GET, HEAD, PUT"));
    assert_eq!(refused.detail(405), "Method Not Allowed");
    assert_eq!(world.send("GET", "/logout", &[], "").await.header("allow"), Some("POST"));
    assert_eq!(world.ask("OPTIONS", "/api/pools", &[], Value::Null).await.status, 405);
    let head = world.ask("HEAD", "/api/pools", &[], Value::Null).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
}

#[tokio::test]
async fn a_trailing_slash_leads_to_the_path_without_it() {
    let world = World::start().await;
    let answer = world.get("/api/pools/?a=b").await;
    assert_eq!((answer.status, answer.header("location")), (307, Some("http://gw1:8080/api/pools?a=b")));
    let behind = world.ask("GET", "/api/pools//", &[("x-forwarded-proto", "https")], Value::Null).await;
    assert_eq!(behind.header("location"), Some("https://gw1:8080/api/pools"));
}

#[tokio::test]
async fn f30_ids_and_pages_beyond_all_bounds_are_refused_in_words() {
    let world = World::start().await;
    let huge = "99999999999999999999";
    for (path, kind, place) in [
        (format!("/api/pools/{huge}"), "less_than_equal", "path.pool_id"),
        (format!("/api/pools/-{huge}"), "greater_than_equal", "path.pool_id"),
        ("/api/pools/abc".to_owned(), "int_parsing", "path.pool_id"),
        ("/api/pools/1.5".to_owned(), "int_parsing", "path.pool_id"),
        ("/api/pools/1/members/x".to_owned(), "int_parsing", "path.member_id"),
        ("/api/vhosts/x".to_owned(), "int_parsing", "path.vhost_id"),
        ("/api/vhosts/1/routes/x".to_owned(), "int_parsing", "path.route_id"),
        ("/api/audit?page=999999999999999999".to_owned(), "less_than_equal", "query.page"),
        (format!("/api/audit?entity_id={huge}"), "less_than_equal", "query.entity_id"),
        ("/api/audit?page=".to_owned(), "int_parsing", "query.page"),
    ] {
        assert_eq!(world.get(&path).await.faults(), [(kind.to_owned(), place.to_owned())], "{path}");
    }
    let both = world.get("/api/audit?page=x&per_page=500&from=today").await.faults();
    assert_eq!(
        both.iter().map(|(_, place)| place.as_str()).collect::<Vec<_>>(),
        ["query.page", "query.per_page", "query.from"]
    );
    let pool = json!({"path_prefix": "/bkt", "pool_id": 1e30});
    let vhost = world.vhost("a.example", None).await;
    let answer = world.post(&format!("/api/vhosts/{vhost}/routes"), pool).await;
    assert_eq!(answer.faults(), [("less_than_equal".to_owned(), "body.pool_id".to_owned())]);
    assert_eq!(world.get("/api/pools/-1").await.detail(404), "Pool not found");
    assert_eq!(world.get("/api/audit?page=1000000000&per_page=200").await.expect(200), json!([]));
}

#[tokio::test]
async fn a_body_above_the_limit_is_413_and_changes_nothing() {
    let world = World::start().await;
    let body = json!({"name": "a", "description": "x".repeat(1 << 20)});
    assert!(world.post("/api/pools", body).await.detail(413).contains("1048576"));
    assert_eq!(world.get("/api/pools").await.expect(200), json!([]));
}

#[tokio::test]
async fn a_defect_is_a_500_in_json_and_the_next_request_is_served() {
    let world = World::start().await;
    world.gateway.panic_next();
    assert!(world.post("/api/config/validate", Value::Null).await.detail(500).contains("log"));
    assert_eq!(world.get("/api/pools").await.status, 200);
}

#[tokio::test]
async fn f05_what_nginx_refuses_is_422_in_its_words_and_nothing_has_changed() {
    let world = World::start().await;
    let (old, new) = (world.pool("old").await, world.pool("new").await);
    let vhost = world.vhost("a.example", Some(old)).await;
    let routes = format!("/api/vhosts/{vhost}/routes");
    let route = world.post(&routes, json!({"path_prefix": "/bkt/", "pool_id": new})).await.expect(201)["id"].clone();
    let before = world.everything().await;

    world.gateway.refuse(Some("nginx: [emerg] host not found in upstream"));
    for (method, path, body) in [
        ("POST", format!("/api/pools/{old}/members"), json!({"address": "nowhere:1"})),
        ("PUT", format!("/api/pools/{old}"), json!({"name": "renamed"})),
        ("PUT", format!("/api/vhosts/{vhost}"), json!({"listen_port": 81})),
        ("POST", "/api/vhosts".to_owned(), json!({"server_name": "b.example", "ssl": false, "default_pool_id": old})),
        ("POST", routes.clone(), json!({"path_prefix": "/two/", "pool_id": new})),
        ("PUT", format!("{routes}/{route}"), json!({"pool_id": old})),
        ("DELETE", format!("{routes}/{route}"), Value::Null),
    ] {
        let told = world.ask(method, &path, &[], body).await.detail(422);
        assert_eq!(told, "nginx: [emerg] host not found in upstream", "{method} {path}");
    }
    world.gateway.refuse(None);
    assert_eq!(world.everything().await, before);
}

#[tokio::test]
async fn a_file_edited_by_hand_is_409_and_stays() {
    let world = World::start().await;
    let pool = world.pool("edited").await;
    world.gateway.edit("/nginx/pools/edited.conf", "# mine\n");
    let told = world.put(&format!("/api/pools/{pool}"), json!({"keepalive": 7})).await.detail(409);
    assert!(told.contains("/nginx/pools/edited.conf"), "{told}");
    assert_eq!(world.gateway.live()["/nginx/pools/edited.conf"], "# mine\n");
    assert_eq!(world.get("/api/health").await.expect(200)["drift_alerts"], 1);
}
