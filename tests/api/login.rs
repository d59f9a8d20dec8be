//! Login, sessions, and what a session may do.

use serde_json::{Value, json};

use super::world::{Answer, KEY, World};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const OURS: (&str, &str) = ("origin", "http://gw1:8080");

async fn try_key(world: &World, key: &str) -> Answer {
    world.send("POST", "/login", &[FORM], &format!("key={}", key.replace(' ', "+"))).await
}

async fn log_in(world: &World) -> String {
    let answer = try_key(world, KEY).await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/")));
    let cookie = answer.header("set-cookie").unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

async fn with(world: &World, cookie: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut all = vec![("cookie", cookie), ("content-type", "application/json")];
    all.extend(headers);
    world.send(method, path, &all, body).await
}

#[tokio::test]
async fn the_right_key_opens_a_session_for_pages_and_api() {
    let world = World::start().await;
    let page = world.send("GET", "/login", &[], "").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("gw1") && page.text.contains("name=\"key\""));
    let cookie = log_in(&world).await;
    let home = with(&world, &cookie, "GET", "/", &[], "").await;
    assert!(home.status == 200 && home.text.contains("id=\"root\""), "{home:?}");
    assert_eq!(with(&world, &cookie, "GET", "/api/pools", &[], "").await.status, 200);
    assert_eq!(with(&world, &cookie, "GET", "/nothing", &[], "").await.status, 404);
    assert_eq!(
        world.send("GET", "/static/style.css", &[], "").await.header("content-type"),
        Some("text/css; charset=utf-8")
    );
}

#[tokio::test]
async fn the_cookie_is_kept_from_scripts_and_from_plain_http_behind_tls() {
    let world = World::start().await;
    let plain = try_key(&world, KEY).await;
    let attributes = plain.header("set-cookie").unwrap().split_once(';').unwrap().1.to_owned();
    assert_eq!(attributes, " HttpOnly; Max-Age=3600; Path=/; SameSite=lax");
    let body = format!("key={}", KEY.replace(' ', "+"));
    let tls = world.send("POST", "/login", &[FORM, ("x-forwarded-proto", "HTTPS")], &body).await;
    assert!(tls.header("set-cookie").unwrap().ends_with("; Secure"));
}

#[tokio::test]
async fn a_wrong_key_is_told_on_the_page_and_a_missing_one_in_json() {
    let world = World::start().await;
    let wrong = try_key(&world, "nope").await;
    assert_eq!((wrong.status, wrong.header("set-cookie")), (200, None));
    assert!(wrong.text.contains("Invalid API key."));
    let missing = world.send("POST", "/login", &[FORM], "x=1").await;
    assert_eq!(missing.faults(), [("missing".to_owned(), "body.key".to_owned())]);
}

#[tokio::test]
async fn f40_the_login_page_shows_nothing_of_its_link() {
    let world = World::start().await;
    let plain = world.send("GET", "/login", &[], "").await.text;
    let bent = world.send("GET", "/login?error=Call+555-0100+now", &[], "").await.text;
    assert_eq!(plain, bent);
}

#[tokio::test]
async fn f40_wrong_logins_are_limited_and_the_api_key_never_is() {
    let world = World::start().await;
    for _ in 0..10 {
        assert_eq!(try_key(&world, "nope").await.status, 200);
    }
    let limited = try_key(&world, KEY).await;
    assert_eq!(limited.header("retry-after"), Some("60"));
    assert!(limited.detail(429).contains("60 seconds"));
    assert_eq!(world.get("/api/pools").await.status, 200);
    world.clock.advance(60);
    assert_eq!(try_key(&world, KEY).await.status, 303);
}

#[tokio::test]
async fn f40_a_session_changes_things_only_from_our_own_pages() {
    let world = World::start().await;
    let cookie = log_in(&world).await;
    let pool = json!({"name": "p"}).to_string();
    for headers in
        [&[][..], &[("origin", "http://evil.example")], &[("origin", "null")], &[("sec-fetch-site", "same-site")]]
    {
        let answer = with(&world, &cookie, "POST", "/api/pools", headers, &pool).await;
        assert!(answer.detail(403).contains("X-Orchestrator-Key"));
        assert_eq!(with(&world, &cookie, "POST", "/api/config/rebuild", headers, "").await.status, 403);
    }
    assert_eq!(world.get("/api/pools").await.expect(200), json!([]));
    assert_eq!(with(&world, &cookie, "POST", "/api/pools", &[OURS], &pool).await.status, 201);
    let fetched = with(&world, &cookie, "DELETE", "/api/pools/1", &[("sec-fetch-site", "same-origin")], "").await;
    assert_eq!(fetched.status, 204);
}

#[tokio::test]
async fn f40_the_audit_log_tells_a_browser_from_a_client() {
    let world = World::start().await;
    let cookie = log_in(&world).await;
    with(&world, &cookie, "POST", "/api/pools", &[OURS], &json!({"name": "web"}).to_string()).await.expect(201);
    world.post("/api/pools", json!({"name": "api"})).await.expect(201);
    let actors: Vec<Value> =
        world.get("/api/audit").await.expect(200).as_array().unwrap().iter().map(|e| e["actor"].clone()).collect();
    assert_eq!(actors, ["api", "web"]);
}

#[tokio::test]
async fn f40_a_logout_ends_the_session_for_good() {
    let world = World::start().await;
    let (cookie, other) = (log_in(&world).await, log_in(&world).await);
    assert_ne!(cookie, other);
    assert_eq!(with(&world, &cookie, "POST", "/logout", &[], "").await.status, 403);
    let out = with(&world, &cookie, "POST", "/logout", &[OURS], "").await;
    assert_eq!((out.status, out.header("location")), (303, Some("/login")));
    let cleared = out.header("set-cookie").unwrap();
    assert!(cleared.starts_with("nanio_session=;") && cleared.contains("Max-Age=0"), "{cleared}");
    assert_eq!(with(&world, &cookie, "GET", "/api/pools", &[], "").await.status, 401);
    assert_eq!(with(&world, &other, "GET", "/api/pools", &[], "").await.status, 200);
    let restarted = world.restart(KEY);
    assert_eq!(with(&restarted, &cookie, "GET", "/api/pools", &[], "").await.status, 401);
    assert_eq!(with(&restarted, &other, "GET", "/api/pools", &[], "").await.status, 200);
    assert_eq!(world.send("POST", "/logout", &[], "").await.status, 303, "without a session there is nothing to end");
}

#[tokio::test]
async fn f40_a_session_ends_with_its_time_and_with_its_key_and_does_not_begin_in_the_future() {
    let world = World::start().await;
    let cookie = log_in(&world).await;
    let other_key = world.restart("another key");
    assert_eq!(with(&other_key, &cookie, "GET", "/api/pools", &[], "").await.status, 401);
    world.clock.advance(-1);
    assert_eq!(with(&world, &cookie, "GET", "/api/pools", &[], "").await.status, 401, "issued in the future");
    world.clock.advance(1 + 3600);
    assert_eq!(with(&world, &cookie, "GET", "/api/pools", &[], "").await.status, 200);
    world.clock.advance(1);
    assert_eq!(with(&world, &cookie, "GET", "/api/pools", &[], "").await.status, 401);
}

#[tokio::test]
async fn f40_no_part_of_a_cookie_can_be_changed_or_cut() {
    let world = World::start().await;
    let cookie = log_in(&world).await;
    let value = cookie.strip_prefix("nanio_session=").unwrap();
    let parts: Vec<&str> = value.split('.').collect();
    let [issued, id, signature] = parts[..] else { panic!("{value}") };
    assert_eq!((id.len(), signature.len()), (32, 64));
    let later = (issued.parse::<i64>().unwrap() - 1).to_string();
    for forged in [
        format!("{later}.{id}.{signature}"),
        format!("{issued}.{}.{signature}", "0".repeat(32)),
        format!("{issued}.{id}.{}", &signature[..32]),
        format!("{issued}.{id}.{}", signature.to_uppercase()),
        format!("{issued}.{id}.{}", "0".repeat(64)),
        format!("{issued}.{signature}"),
        format!("{issued}.{id}."),
        String::new(),
    ] {
        let cookie = format!("nanio_session={forged}");
        assert_eq!(with(&world, &cookie, "GET", "/api/pools", &[], "").await.status, 401, "{forged}");
    }
}
