//! Which pool serves what, as the API was told.

use serde_json::json;

use crate::support::echo::Echo;
use crate::support::gateway::{Gateway, id, served};
use crate::support::http::Request;

struct Rig {
    gateway: Gateway,
    first: i64,
    second: i64,
    _echoes: [Echo; 2],
}

fn start() -> Rig {
    let (gateway, echoes) = (Gateway::start(), [Echo::start("first"), Echo::start("second")]);
    let first = gateway.pool("first", &[echoes[0].address()]);
    let second = gateway.pool("second", &[echoes[1].address()]);
    Rig { gateway, first, second, _echoes: echoes }
}

#[test]
fn a_route_deeper_than_a_bucket_serves_its_keys_however_they_are_encoded() {
    let rig = start();
    let vhost = rig.gateway.vhost("localhost", rig.first);
    rig.gateway.route(vhost, "/bkt/sub/", rig.second);
    rig.gateway.route(vhost, "/whole/", rig.second);
    rig.gateway.route(vhost, "/whole/back/", rig.first);
    rig.gateway.route(vhost, "/Upper/", rig.second);
    rig.gateway.route(vhost, "/no/slash", rig.second);
    rig.gateway.go_live();
    for (target, upstream) in [
        ("/bkt/sub/x", "second"),
        ("/bkt/sub/", "second"),
        ("/bkt/s%75b/x", "second"),
        ("/bkt/%73%75%62/x", "second"),
        ("/bkt/sub%2Fx", "second"),
        ("/bkt%2fsub/x", "400 InvalidURI"),
        ("/bkt/SUB/x", "first"),
        ("/bkt/sub", "first"),
        ("/bkt/subx/y", "first"),
        ("/bkt/x/sub/", "first"),
        ("/bkt?prefix=/bkt/sub/x", "first"),
        ("/bkt", "first"),
        ("/whole/x", "second"),
        ("/whole", "second"),
        ("/whole/back/x", "first"),
        ("/whole/b%61ck%2fx", "first"),
        ("/Upper/x", "second"),
        ("/Upper", "second"),
        ("/upper/x", "first"),
        ("/no/slash", "second"),
        ("/no/slash/x", "second"),
        ("/no/slash?x", "second"),
        ("/no/slashes", "first"),
    ] {
        let get = rig.gateway.send(&Request::get(target));
        assert_eq!(served(&get), upstream, "GET {target}");
        let put = rig.gateway.send(&Request::put(target, "body"));
        assert_eq!(served(&put), upstream, "PUT {target}");
        if put.status == 200 {
            assert_eq!((&put.json()["target"], &put.json()["body"]), (&json!(target), &json!("body")));
        }
    }
}

#[test]
fn f34_a_route_has_directives_of_its_own_with_or_without_a_semicolon() {
    let rig = start();
    let vhost = rig.gateway.vhost("localhost", rig.first);
    rig.gateway.route_with(vhost, "/one/", rig.second, json!({"extra_directives": "add_header X-Mine one"}));
    rig.gateway.route_with(
        vhost,
        "/two/",
        rig.second,
        json!({"extra_directives": "add_header X-Mine two;\nadd_header X-More 2;"}),
    );
    rig.gateway.route(vhost, "/three/", rig.second);
    rig.gateway.go_live();
    for (bucket, mine) in [("one", "X-Mine: one"), ("two", "X-More: 2")] {
        for target in [format!("/{bucket}/k"), format!("/{bucket}"), format!("/{bucket}?list-type=2")] {
            let answer = rig.gateway.send(&Request::get(&target));
            assert_eq!(
                (served(&answer).as_str(), answer.head.contains(mine)),
                ("second", true),
                "{target} {}",
                answer.head
            );
        }
    }
    let copy = Request::put("/one/k", "").header("x-amz-copy-source", "two/k");
    assert_eq!(served(&rig.gateway.send(&copy)), "second");
    let other = Request::put("/one/k", "").header("x-amz-copy-source", "elsewhere/k");
    assert_eq!(served(&rig.gateway.send(&other)), "501 NotImplemented");
    let plain = rig.gateway.send(&Request::get("/three/k"));
    assert!(!plain.head.contains("X-Mine"), "{}", plain.head);
}

#[test]
fn without_a_default_pool_only_routed_buckets_exist() {
    let rig = start();
    let vhost = rig.gateway.vhost_with("localhost", json!({}));
    rig.gateway.route(vhost, "/bkt/", rig.second);
    rig.gateway.route(vhost, "/split/part/", rig.second);
    rig.gateway.go_live();
    for (target, expected) in [
        ("/bkt/k", "second"),
        ("/split/part/k", "second"),
        ("/split/k", "404 NoSuchBucket"),
        ("/other/k", "404 NoSuchBucket"),
        ("/other", "404 NoSuchBucket"),
        ("/BKT/k", "404 NoSuchBucket"),
        ("/", "404 NoSuchBucket"),
        ("/%62kt/k", "400 InvalidURI"),
    ] {
        assert_eq!(rig.gateway.served_by(target), expected, "{target}");
        assert_eq!(served(&rig.gateway.send(&Request::put(target, "x"))), expected, "PUT {target}");
    }
}

#[test]
fn f12_what_is_disabled_is_not_served() {
    let rig = start();
    let (gateway, spare) = (&rig.gateway, Echo::start("spare"));
    let vhost = gateway.vhost("localhost", rig.first);
    let other = gateway.vhost("other.test", rig.first);
    let route = gateway.route(vhost, "/bkt/", rig.second);
    let member = gateway.api.post(&format!("/api/pools/{}/members", rig.second), &json!({"address": spare.address()}));
    let member = format!("/api/pools/{}/members/{}", rig.second, id(&member));
    let (vhost, route) = (format!("/api/vhosts/{other}"), format!("/api/vhosts/{vhost}/routes/{route}"));
    gateway.go_live();
    let upstreams = || {
        let mut all: Vec<String> = (0..6).map(|_| gateway.served_by("/bkt/k")).collect();
        all.sort();
        all.dedup();
        all
    };
    let by_name = || {
        gateway.api.get("/api/config/status");
        gateway.send(&Request::get("/bkt/k").header("Host", "other.test"))
    };
    assert_eq!(upstreams(), ["second", "spare"]);
    assert_eq!(served(&by_name()), "first");

    gateway.api.put(&member, &json!({"enabled": false}));
    gateway.api.put(&vhost, &json!({"enabled": false}));
    gateway.reload();
    assert_eq!(upstreams(), ["second"]);
    assert!(!gateway.nginx.managed().join("vhosts/other.test.conf").exists());
    // nginx answers for a name that it does not know with its first server: the vhost that is left.
    assert_eq!(served(&by_name()), "second");

    gateway.api.put(&route, &json!({"enabled": false, "allow_orphan": true}));
    gateway.reload();
    assert_eq!(upstreams(), ["first"]);

    for (path, body) in [
        (&member, json!({"enabled": true})),
        (&vhost, json!({"enabled": true})),
        (&route, json!({"enabled": true, "allow_orphan": true})),
    ] {
        gateway.api.put(path, &body);
    }
    gateway.reload();
    assert_eq!(upstreams(), ["second", "spare"]);
    assert_eq!(served(&by_name()), "first");
}

#[test]
fn f13_default_pool_and_ip_rules_can_be_cleared_and_an_allow_list_never_disappears_silently() {
    let rig = start();
    let (gateway, vhost) = (&rig.gateway, rig.gateway.vhost("localhost", rig.first));
    let path = format!("/api/vhosts/{vhost}");
    gateway.go_live();
    assert_eq!(gateway.served_by("/bkt/k"), "first");

    let locked = json!({"ip_rule_mode": "allow", "ip_rule_ips": ["192.0.2.0/24"]});
    gateway.api.put(&path, &locked);
    gateway.reload();
    assert_eq!(gateway.served_by("/bkt/k"), "403");
    gateway.api.refused("PUT", &path, &json!({"ip_rule_ips": []}), 422);
    gateway.api.refused("PUT", &path, &json!({"ip_rule_ips": null}), 422);
    gateway.reload();
    assert_eq!(gateway.served_by("/bkt/k"), "403");

    gateway.api.put(&path, &json!({"ip_rule_mode": null, "ip_rule_ips": null}));
    gateway.reload();
    assert_eq!(gateway.served_by("/bkt/k"), "first");

    gateway.api.refused("PUT", &path, &json!({"default_pool_id": null}), 409);
    gateway.api.put(&path, &json!({"default_pool_id": null, "allow_orphan": true}));
    gateway.reload();
    assert_eq!(gateway.served_by("/bkt/k"), "404 NoSuchBucket");
    assert_eq!(gateway.api.get(&path)["default_pool_id"], json!(null));
}

#[test]
fn f23_a_key_prefix_that_would_break_signatures_is_refused() {
    let rig = start();
    let vhost = rig.gateway.vhost("localhost", rig.first);
    let route = rig.gateway.route(vhost, "/bkt/", rig.second);
    let routes = format!("/api/vhosts/{vhost}/routes");
    let new = json!({"path_prefix": "/new/", "pool_id": rig.second, "key_prefix": "elsewhere/"});
    let said = rig.gateway.api.refused("POST", &routes, &new, 400);
    assert!(said.contains("signature"), "{said}");
    rig.gateway.api.refused("PUT", &format!("{routes}/{route}"), &json!({"key_prefix": "elsewhere/"}), 400);
}

#[test]
fn f28_a_route_cannot_be_changed_to_a_pool_of_another_type_nor_the_automatic_route_at_all() {
    let rig = start();
    let vhost = rig.gateway.vhost("localhost", rig.first);
    let route = rig.gateway.route(vhost, "/bkt/", rig.second);
    let http = rig.gateway.pool_of("http", "web", &["127.0.0.1:9".to_owned()]);
    let routes = format!("/api/vhosts/{vhost}/routes");
    let automatic = rig.gateway.api.get(&routes)[1]["id"].as_i64().unwrap();
    let before = rig.gateway.everything();
    let to_http = json!({"pool_id": http, "allow_orphan": true});
    rig.gateway.api.refused("PUT", &format!("{routes}/{route}"), &to_http, 400);
    for change in [json!({"path_prefix": "/x/"}), json!({"enabled": false}), json!({"pool_id": rig.second})] {
        rig.gateway.api.refused("PUT", &format!("{routes}/{automatic}"), &change, 400);
    }
    rig.gateway.api.refused("DELETE", &format!("{routes}/{automatic}"), &json!(null), 400);
    assert_eq!(rig.gateway.everything(), before);
}
