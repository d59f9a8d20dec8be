//! What a body may hold: the wire form of 0.4.x, and no value that could reach an nginx file as more than a value.

use serde_json::{Value, json};

use super::world::{KEY, World};

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(kind, place)| ((*kind).to_owned(), (*place).to_owned())).collect()
}

#[tokio::test]
async fn every_fault_of_a_body_is_told_at_once() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    let body = json!({"address": "x", "enabled": "maybe", "weight": 0, "role": "z", "max_fails": 1.5});
    assert_eq!(
        world.post(&format!("/api/pools/{pool}/members"), body).await.faults(),
        pairs(&[
            ("value_error", "body.address"),
            ("string_pattern_mismatch", "body.role"),
            ("greater_than_equal", "body.weight"),
            ("int_from_float", "body.max_fails"),
            ("bool_parsing", "body.enabled"),
        ])
    );
}

#[tokio::test]
async fn numbers_and_booleans_may_be_written_as_0_4_clients_write_them() {
    let world = World::start().await;
    let pool = world.post("/api/pools", json!({"name": "p", "keepalive": " 5.0 ", "unknown": 1})).await.expect(201);
    assert_eq!(pool["keepalive"], 5);
    let path = format!("/api/pools/{}/members", pool["id"]);
    let member = json!({"address": " a:1 ", "enabled": "yes", "weight": "3", "max_fails": null});
    let member = world.post(&path, member).await.expect(201);
    assert_eq!(
        (&member["address"], &member["enabled"], &member["weight"], &member["max_fails"]),
        (&json!("a:1"), &json!(true), &json!(3), &json!(3))
    );
}

#[tokio::test]
async fn bodies_that_are_no_json_objects_are_told_as_0_4_told_them() {
    let world = World::start().await;
    let json_type = ("content-type", "application/json");
    for (headers, body, kind) in [
        (vec![json_type], "{\"name\":", "json_invalid"),
        (vec![json_type], "[]", "model_attributes_type"),
        (vec![json_type], "null", "model_attributes_type"),
        (vec![json_type], "", "missing"),
        (vec![("content-type", "text/plain")], "{\"name\":\"a\"}", "model_attributes_type"),
        (vec![], "{\"name\":\"a\"}", "model_attributes_type"),
        (vec![json_type], "{\"name\":\"\\ud800\"}", "json_invalid"),
    ] {
        let mut all = vec![("x-orchestrator-key", KEY)];
        all.extend(headers);
        let faults = world.send("POST", "/api/pools", &all, body).await.faults();
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].0, kind, "{body}");
    }
}

#[tokio::test]
async fn rules_that_span_fields_are_told_of_the_body() {
    let world = World::start().await;
    let whole = pairs(&[("value_error", "body")]);
    for (path, body) in [
        ("/api/pools", json!({"name": "a", "source_nanio_pool_id": 1})),
        ("/api/vhosts", json!({"server_name": "a.b"})),
        ("/api/vhosts", json!({"server_name": "a.b", "ssl": false, "ip_rule_mode": "allow"})),
        ("/api/vhosts", json!({"server_name": "a.b", "ssl": false, "ip_rule_mode": "allow", "ip_rule_ips": []})),
        ("/api/vhosts", json!({"server_name": "a.b", "ssl": false, "ip_rule_ips": ["1.1.1.1"]})),
    ] {
        assert_eq!(world.post(path, body.clone()).await.faults(), whole, "{body}");
    }
}

/// Endings that would leave a directive, if a value were printed as it is.
const HOSTILE: [&str; 12] =
    [";", "{", "}", "\n", "\r", "\t", "\0", "\"", "'", "$x", "\\", "; } server { listen 81; } #"];

#[tokio::test]
async fn f04_no_hostile_value_is_taken() {
    let world = World::start().await;
    let (pool, http) = (world.pool("p").await, world.http_pool("h").await);
    let vhost = world.vhost("a.example", Some(http)).await;
    let members = format!("/api/pools/{pool}/members");
    let member = world.get(&members).await.expect(200)[0]["id"].clone();
    let before = world.everything().await;
    for evil in HOSTILE {
        let with = |good: &str| format!("{good}{evil}{good}");
        let after = |good: &str| format!("{good}{evil}x");
        let vhost_with = |field: &str, value: Value| {
            let mut body = json!({"server_name": "b.example", "ssl": false});
            body[field] = value;
            body
        };
        for (method, path, body) in [
            ("POST", "/api/pools".to_owned(), json!({"name": with("a")})),
            ("POST", members.clone(), json!({"address": with("a:1")})),
            ("POST", members.clone(), json!({"address": format!("unix:/a{evil}b")})),
            ("PUT", format!("{members}/{member}"), json!({"address": with("a:1")})),
            ("POST", "/api/vhosts".to_owned(), json!({"server_name": with("a"), "ssl": false})),
            ("POST", "/api/vhosts".to_owned(), vhost_with("ip_rule_mode", json!(with("allow")))),
            ("PUT", format!("/api/vhosts/{vhost}"), json!({"ip_rule_mode": "deny", "ip_rule_ips": [after("1.1.1.1")]})),
            ("PUT", format!("/api/vhosts/{vhost}"), json!({"server_name": with("a")})),
            ("POST", format!("/api/vhosts/{vhost}/routes"), json!({"path_prefix": after("/bkt"), "pool_id": http})),
            (
                "POST",
                format!("/api/vhosts/{vhost}/routes"),
                json!({"path_prefix": "/bkt", "pool_id": http, "key_prefix": after("dir")}),
            ),
        ] {
            let answer = world.ask(method, &path, &[], body.clone()).await;
            assert_eq!(answer.status, 422, "{method} {path} {body}: {answer:?}");
        }
    }
    for evil in ["a\nb", "/a\nb", "/a\0b", "/a$b", "relative", "/a\rb"] {
        let body = json!({"server_name": "b.example", "ssl_certificate": evil, "ssl_certificate_key": "/k.pem"});
        let answer = world.post("/api/vhosts", body).await;
        assert_eq!(answer.faults(), pairs(&[("value_error", "body.ssl_certificate")]), "{evil:?}");
    }
    assert_eq!(world.everything().await, before);
}

#[tokio::test]
async fn f04_raw_directives_must_be_balanced_and_may_not_give_the_machine_away() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    let vhost = world.vhost("a.example", Some(pool)).await;
    let before = world.everything().await;
    for evil in ["} server { listen 81; }", "add_header X \"", "load_module x.so;", "location / { deny all;"] {
        for body in [json!({"extra_directives": evil}), json!({"extra_blocks": [{"zone": "end", "content": evil}]})] {
            let answer = world.put(&format!("/api/vhosts/{vhost}"), body.clone()).await;
            assert_eq!(answer.status, 422, "{body}: {answer:?}");
        }
        let route = json!({"path_prefix": "/bkt", "pool_id": pool, "extra_directives": evil});
        let answer = world.post(&format!("/api/vhosts/{vhost}/routes"), route).await;
        assert_eq!(answer.faults(), pairs(&[("value_error", "body.extra_directives")]), "{evil}");
    }
    assert_eq!(world.everything().await, before);
}
