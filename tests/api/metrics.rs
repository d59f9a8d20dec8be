//! Figures for Prometheus, and what supervisors ask.

use serde_json::json;

use super::world::{KEY, World};

async fn scrape(world: &World) -> String {
    let answer = world.send("GET", "/metrics", &[("authorization", "Bearer metrics-token")], "").await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    answer.text
}

/// The value of a figure, as it is written.
fn value<'a>(text: &'a str, figure: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(' '))
}

#[tokio::test]
async fn figures_tell_of_the_gateway_and_of_requests() {
    let world = World::start().await;
    let pool = world.pool("hot").await;
    let vhost = world.vhost("s3.example", Some(pool)).await;
    world.route(vhost, "/photos/", pool).await;
    world.get("/api/pools/4711").await.detail(404);
    let text = scrape(&world).await;
    for (figure, expected) in [
        ("nanio_orchestrator_build_info{version=\"0.0.0-test\"}", "1"),
        ("nanio_orchestrator_database_up", "1"),
        ("nanio_orchestrator_drifted_files", "0"),
        ("nanio_orchestrator_pools", "1"),
        ("nanio_orchestrator_vhosts", "1"),
        ("nanio_orchestrator_routes", "1"),
        ("nanio_orchestrator_members", "1"),
        ("nanio_orchestrator_migrations{phase=\"copying\"}", "0"),
        ("nanio_orchestrator_http_requests_total{code=\"201\",operation=\"create_pool\"}", "1"),
        ("nanio_orchestrator_http_requests_total{code=\"404\",operation=\"get_pool\"}", "1"),
    ] {
        assert_eq!(value(&text, figure), Some(expected), "{figure} in:\n{text}");
    }
    assert!(text.contains("process_resident_memory_bytes"), "{text}");
}

#[tokio::test]
async fn a_request_has_one_name_in_its_answer_and_in_its_error() {
    let world = World::start().await;
    let named =
        world.send("GET", "/api/pools/4711", &[("x-orchestrator-key", KEY), ("x-request-id", "a.b-1")], "").await;
    assert_eq!((named.status, named.header("x-request-id")), (404, Some("a.b-1")));
    assert_eq!(named.json()["request_id"], "a.b-1");
    let mut seen = std::collections::HashSet::new();
    for (path, status) in [("/api/pools", 200), ("/api/pools/x", 422), ("/api/none", 404), ("/static/none.js", 404)] {
        let answer = world.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        let id = answer.header("x-request-id").unwrap().to_owned();
        if status != 200 {
            assert_eq!(answer.json()["request_id"], id.as_str(), "{path}");
        }
        assert!(seen.insert(id), "each has another one");
    }
}

#[tokio::test]
async fn a_label_does_not_grow_with_what_is_asked_for() {
    let world = World::start().await;
    for number in 0..50 {
        world.get(&format!("/api/pools/{number}")).await.detail(404);
        world.get(&format!("/api/no-such-thing/{number}")).await.detail(404);
        world.get(&format!("/web/page-{number}")).await;
    }
    let text = scrape(&world).await;
    let operations = text.lines().filter(|line| line.starts_with("nanio_orchestrator_http_requests_total")).count();
    assert!(operations <= 4, "{text}");
}

#[tokio::test]
async fn only_who_has_a_key_may_scrape() {
    let world = World::start().await;
    let refused: [&[(&str, &str)]; 5] = [
        &[],
        &[("authorization", "Bearer ")],
        &[("authorization", "Bearer wrong")],
        &[("authorization", "metrics-token")],
        &[("x-orchestrator-key", "metrics-token")],
    ];
    for headers in refused {
        let answer = world.send("GET", "/metrics", headers, "").await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")), "{headers:?}");
    }
    let bearer = format!("Bearer {KEY}");
    for header in [("x-orchestrator-key", KEY), ("authorization", bearer.as_str())] {
        assert_eq!(world.send("GET", "/metrics", &[header], "").await.status, 200, "{header:?}");
    }
    // The token opens nothing else.
    assert_eq!(world.send("GET", "/api/pools", &[("authorization", "Bearer metrics-token")], "").await.status, 401);
    assert_eq!(world.send("GET", "/api/pools", &[("x-orchestrator-key", "metrics-token")], "").await.status, 401);
}

#[tokio::test]
async fn certificates_that_end_soon_are_told() {
    let world = World::start().await;
    let directory = world.home("tls");
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("chain.pem").display().to_string();
    let mut parameters = rcgen::CertificateParams::new(vec!["s3.example".to_owned()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(2100, 1, 1);
    let certificate = parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    std::fs::write(&path, certificate.pem()).unwrap();
    let missing = directory.join("missing.pem").display().to_string();
    let pool = world.pool("hot").await;
    for (name, port, file) in
        [("s3.example", 443, &path), ("other.example", 443, &missing), ("third.example", 8443, &path)]
    {
        let body = json!({"server_name": name, "listen_port": port, "ssl": true, "ssl_certificate": file,
            "ssl_certificate_key": "/etc/ssl/private/key.pem", "default_pool_id": pool});
        world.post("/api/vhosts", body).await.expect(201);
    }
    let told = world.get("/api/certificates").await.expect(200);
    assert_eq!(told[0]["server_name"], "other.example");
    assert!(told[0]["error"].as_str().unwrap().contains("missing.pem"), "{told}");
    assert_eq!((&told[1]["not_after"], &told[1]["error"]), (&json!("2100-01-01 00:00:00"), &json!(null)));
    assert!(told[1]["days_left"].as_i64().unwrap() > 20_000, "{told}");
    let text = scrape(&world).await;
    let seconds = "nanio_orchestrator_certificate_not_after_timestamp_seconds";
    assert_eq!(value(&text, &format!("{seconds}{{vhost=\"s3.example\"}}")), Some("4102444800"), "{text}");
    assert_eq!(value(&text, "nanio_orchestrator_certificate_unreadable{vhost=\"other.example\"}"), Some("1"), "{text}");
}
