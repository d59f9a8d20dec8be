//! Changes that reach several files, or come many at once.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::echo::Echo;
use crate::support::gateway::{Gateway, served};
use crate::support::http::Request;
use crate::support::nginx::snapshot;

#[test]
fn f20_thirty_parallel_route_creations_are_all_made_and_all_served() {
    let (gateway, first, second) = (Gateway::start(), Echo::start("first"), Echo::start("second"));
    let default = gateway.pool("first", &[first.address()]);
    let routed = gateway.pool("second", &[second.address()]);
    let vhost = gateway.vhost("localhost", default);
    let path = format!("/api/vhosts/{vhost}/routes");
    std::thread::scope(|scope| {
        for number in 0..30 {
            let (gateway, path) = (&gateway, &path);
            scope.spawn(move || {
                let route =
                    json!({"path_prefix": format!("/bucket-{number}/"), "pool_id": routed, "allow_orphan": true});
                let answer = gateway.api.call("POST", path, Some(&route));
                assert_eq!(answer.status, 201, "{}", answer.text());
            });
        }
    });
    let made = gateway.api.get(&path);
    let ids: BTreeSet<i64> = made.as_array().unwrap().iter().map(|route| route["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), 31, "thirty and the automatic one");
    let audit = gateway.api.get("/api/audit?entity_type=route&per_page=200");
    assert_eq!(audit.as_array().unwrap().len(), 31);
    gateway.go_live();
    for number in 0..30 {
        assert_eq!(gateway.served_by(&format!("/bucket-{number}/k")), "second");
    }
    assert_eq!(gateway.served_by("/bucket-30/k"), "first");
}

/// The managed files that hold a word.
fn files_with(gateway: &Gateway, word: &str) -> Vec<String> {
    let files = snapshot(&gateway.nginx.managed()).into_iter();
    files
        .filter(|(path, bytes)| path.to_string_lossy().contains(word) || String::from_utf8_lossy(bytes).contains(word))
        .map(|(path, _)| path.display().to_string())
        .collect()
}

#[test]
fn f24_a_renamed_pool_and_a_renamed_vhost_leave_nothing_of_the_old_name() {
    let (gateway, echo, other) = (Gateway::start(), Echo::start("first"), Echo::start("other"));
    let pool = gateway.pool("old-pool", &[echo.address()]);
    let rest = gateway.pool("rest", &[other.address()]);
    let vhost = gateway.vhost("old.test", pool);
    let routing = gateway.vhost("routing.test", rest);
    gateway.route(routing, "/bkt/", pool);
    let ask = |host: &str, target: &str| served(&gateway.send(&Request::get(target).header("Host", host)));
    gateway.go_live();
    assert_eq!((ask("old.test", "/x/k"), ask("routing.test", "/bkt/k")), ("first".to_owned(), "first".to_owned()));

    gateway.api.put(&format!("/api/pools/{pool}"), &json!({"name": "new-pool"}));
    assert_eq!(files_with(&gateway, "old-pool"), Vec::<String>::new());
    gateway.api.put(&format!("/api/vhosts/{vhost}"), &json!({"server_name": "new.test"}));
    assert_eq!(files_with(&gateway, "old.test"), Vec::<String>::new());
    gateway.reload();
    assert_eq!((ask("new.test", "/x/k"), ask("routing.test", "/bkt/k")), ("first".to_owned(), "first".to_owned()));
    // An unknown name gets nginx's first server; the old name is unknown now.
    gateway.api.put(&format!("/api/vhosts/{vhost}"), &json!({"ip_rule_mode": "deny", "ip_rule_ips": ["127.0.0.1"]}));
    gateway.reload();
    assert_eq!(ask("old.test", "/x/k"), ask("unknown.test", "/x/k"));

    gateway.api.delete(&format!("/api/vhosts/{vhost}"));
    assert_eq!(files_with(&gateway, "new.test"), Vec::<String>::new());
    assert!(gateway.nginx.accepts_live_tree());
    let drifted: Vec<_> = gateway.api.get("/api/config/status")["files"].as_array().unwrap().clone();
    assert!(drifted.iter().all(|file| file["drifted"] == false), "{drifted:?}");
}

#[test]
fn f10_the_last_member_of_a_pool_in_use_cannot_be_removed_or_disabled() {
    let (gateway, echo) = (Gateway::start(), Echo::start("first"));
    let pool = gateway.pool("first", &[echo.address()]);
    let vhost = gateway.vhost("localhost", pool);
    gateway.go_live();
    let member = gateway.api.get(&format!("/api/pools/{pool}/members"))[0]["id"].as_i64().unwrap();
    let path = format!("/api/pools/{pool}/members/{member}");
    let before = gateway.everything();
    let said = gateway.api.refused("DELETE", &path, &json!(null), 422);
    assert!(said.contains("localhost"), "{said}");
    gateway.api.refused("PUT", &path, &json!({"enabled": false}), 422);
    gateway.api.refused("DELETE", &format!("/api/pools/{pool}"), &json!(null), 409);
    assert_eq!(gateway.everything(), before);
    gateway.reload();
    assert_eq!(gateway.served_by("/bkt/k"), "first");

    gateway.api.delete(&format!("/api/vhosts/{vhost}"));
    gateway.api.delete(&path);
    gateway.api.delete(&format!("/api/pools/{pool}"));
    assert!(gateway.nginx.accepts_live_tree());
    assert_eq!(files_with(&gateway, "upstream"), Vec::<String>::new());
}
