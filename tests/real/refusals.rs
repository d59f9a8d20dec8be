//! What nginx refuses is refused by the API, and leaves no trace.

use serde_json::json;

use crate::support::echo::Echo;
use crate::support::gateway::Gateway;

#[test]
fn what_nginx_refuses_is_422_in_its_own_words_and_changes_nothing() {
    let (gateway, echo) = (Gateway::start(), Echo::start("first"));
    let pool = gateway.pool("first", &[echo.address()]);
    let vhost = gateway.vhost("localhost", pool);
    gateway.go_live();
    let before = gateway.everything();
    let tls = json!({
        "server_name": "tls.test", "listen_port": gateway.port + 1, "ssl": true, "default_pool_id": pool,
        "ssl_certificate": "/nonexistent/cert.pem", "ssl_certificate_key": "/nonexistent/key.pem",
    });
    let unresolvable = json!({"address": "no-such-host.invalid:9000"});
    let unknown = json!({"extra_directives": "no_such_directive on;"});
    let twice = json!({"extra_blocks": [{"zone": "end", "content": "location / { return 204; }"}]});
    let vhost = format!("/api/vhosts/{vhost}");
    for (method, path, body, words) in [
        ("POST", "/api/vhosts", &tls, "/nonexistent/cert.pem"),
        ("POST", &format!("/api/pools/{pool}/members"), &unresolvable, "host not found in upstream"),
        ("PUT", &vhost, &unknown, "unknown directive \"no_such_directive\""),
        ("PUT", &vhost, &twice, "duplicate location"),
    ] {
        let said = gateway.api.refused(method, path, body, 422);
        assert!(said.contains(words), "{method} {path}: {said}");
        assert!(!said.contains(".nanio"), "the staging is nobody's business: {said}");
        assert_eq!(gateway.everything(), before, "{method} {path}");
    }
    assert!(gateway.nginx.accepts_live_tree());
    gateway.reload();
    assert_eq!(gateway.served_by("/bkt/k"), "first");
}

#[test]
fn a_tree_whose_map_names_an_undefined_pool_is_refused_though_nginx_accepts_it() {
    let (gateway, first, second) = (Gateway::start(), Echo::start("first"), Echo::start("second"));
    let default = gateway.pool("first", &[first.address()]);
    let routed = gateway.pool("second", &[second.address()]);
    let vhost = gateway.vhost("localhost", default);
    gateway.route(vhost, "/bkt/", routed);
    gateway.go_live();
    std::fs::remove_file(gateway.nginx.managed().join("pools/second.conf")).unwrap();
    assert!(gateway.nginx.accepts_live_tree(), "nginx -t sees nothing wrong");
    let before = gateway.everything();

    let route = json!({"path_prefix": "/new/", "pool_id": default, "allow_orphan": true});
    let said = gateway.api.refused("POST", &format!("/api/vhosts/{vhost}/routes"), &route, 422);
    assert!(said.contains("second") && said.contains("/api/config/rebuild"), "{said}");
    for call in ["validate", "reload"] {
        let answer = gateway.api.post(&format!("/api/config/{call}"), &json!({}));
        assert_eq!(answer["ok"], false, "{call}: {answer}");
        assert!(answer["output"].as_str().unwrap().contains("second"), "{call}: {answer}");
    }
    assert_eq!(gateway.everything().files, before.files);
    assert_eq!(gateway.served_by("/bkt/k"), "second", "nginx goes on with what it has");

    let answer = gateway.api.post("/api/config/rebuild", &json!({}));
    assert_eq!(answer["ok"], true, "{answer}");
    assert_eq!(gateway.served_by("/bkt/k"), "second");
    gateway.api.post(&format!("/api/vhosts/{vhost}/routes"), &route);
}
