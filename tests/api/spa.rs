//! The web UI as it is served: to whom, with which policy, how small, for how long.

use super::world::{Answer, KEY, World};

async fn page(world: &World, path: &str) -> Answer {
    let form = ("content-type", "application/x-www-form-urlencoded");
    let key = format!("key={}", KEY.replace(' ', "+"));
    let login = world.send("POST", "/login", &[form], &key).await;
    let cookie = login.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    world.send("GET", path, &[("cookie", &cookie)], "").await
}

async fn script(world: &World, accepts: &str) -> Answer {
    world.send("GET", "/static/index-1a.js", &[("accept-encoding", accepts)], "").await
}

#[tokio::test]
async fn without_a_session_every_page_leads_to_the_login() {
    let world = World::start().await;
    for path in ["/", "/web/pools", "/web/vhosts/7", "/web/nonsense"] {
        let answer = world.send("GET", path, &[], "").await;
        assert_eq!((answer.status, answer.header("location")), (302, Some("/login")), "{path}");
    }
}

#[tokio::test]
async fn a_deep_link_is_the_same_page_and_is_never_kept() {
    let world = World::start().await;
    for path in ["/", "/web/pools", "/web/vhosts/7?tab=routes", "/web/nonsense"] {
        let answer = page(&world, path).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html; charset=utf-8")), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert!(answer.text.contains("id=\"root\""), "{path}");
    }
}

#[tokio::test]
async fn f39_the_page_runs_no_script_but_our_files_and_no_style_without_its_own_nonce() {
    let world = World::start().await;
    let (first, second) = (page(&world, "/").await, page(&world, "/").await);
    let nonce = |answer: &Answer| {
        let policy = answer.header("content-security-policy").unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self' 'nonce-"), "{policy}");
        for part in ["connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
        assert_eq!(answer.text.matches(&format!("nonce=\"{nonce}\"")).count(), 2, "{answer:?}");
        assert!(!answer.text.contains("__NONCE__"));
        nonce
    };
    assert_ne!(nonce(&first), nonce(&second), "a nonce is good for one answer");
    assert_eq!(first.header("x-frame-options"), Some("DENY"));
    assert_eq!(first.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn files_are_open_and_kept_for_good() {
    let world = World::start().await;
    let answer = script(&world, "").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "plain script"));
    assert_eq!(answer.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"));
    let tag = answer.header("etag").unwrap().to_owned();
    let again = world.send("GET", "/static/index-1a.js", &[("if-none-match", &tag)], "").await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    let style = world.send("GET", "/static/index-1a.css", &[], "").await;
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
    for path in ["/static/index-0.js", "/static/", "/static/../index.html", "/static/%2e%2e/index.html"] {
        assert_eq!(world.send("GET", path, &[], "").await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn files_travel_as_small_as_the_browser_takes_them() {
    let world = World::start().await;
    for (accepts, encoding, body) in [
        ("gzip, deflate, br", Some("br"), "as brotli"),
        ("gzip", Some("gzip"), "as gzip"),
        ("br;q=0, gzip", Some("gzip"), "as gzip"),
        ("identity", None, "plain script"),
    ] {
        let answer = script(&world, accepts).await;
        assert_eq!((answer.header("content-encoding"), answer.text.as_str()), (encoding, body), "{accepts}");
        assert_eq!(answer.header("vary"), Some("accept-encoding"), "{accepts}");
    }
    // There is no small one of this file.
    let style = world.send("GET", "/static/index-1a.css", &[("accept-encoding", "br")], "").await;
    assert_eq!((style.header("content-encoding"), style.text.as_str()), (None, "plain style"));
}

#[tokio::test]
async fn f47_the_documentation_reads_its_document_without_a_session() {
    let world = World::start().await;
    for path in ["/api/docs", "/api/redoc", "/api/openapi.json"] {
        assert_eq!(world.send("GET", path, &[], "").await.status, 200, "{path}");
    }
    let docs = world.send("GET", "/api/docs", &[], "").await;
    assert!(docs.header("content-security-policy").unwrap().contains("connect-src 'self'"));
    assert!(!docs.text.contains("src=\"http"), "everything is inside the page");
}
