//! Documents of the gateway, with the real nginx.

use serde_json::{Value, json};

use crate::support::echo::Echo;
use crate::support::gateway::Gateway;
use crate::support::nginx::snapshot;

fn document(gateway: &Gateway, first: &Echo, second: &Echo) -> Value {
    json!({
        "version": 1,
        "pools": {
            "first": {"members": [{"address": first.address()}]},
            "second": {"keepalive": 8, "members": [{"address": second.address(), "weight": 2}]},
        },
        "vhosts": {
            "localhost": {
                "listen_port": gateway.port,
                "ssl": false,
                "default_pool": "first",
                "routes": {"/bkt/": {"pool": "second"}, "/deep/dir/": {"pool": "second", "extra_directives": "etag off;"}},
            },
        },
    })
}

impl Gateway {
    /// What nginx reads, by name.
    pub fn configuration(&self) -> Vec<(String, Vec<u8>)> {
        let managed = self.nginx.managed();
        let files = snapshot(&managed).into_iter();
        let named = files.map(|(path, bytes)| (path.strip_prefix(&managed).unwrap().display().to_string(), bytes));
        named.filter(|(path, _)| path.ends_with(".conf")).collect()
    }
}

fn follows_its_document(gateway: &Gateway) {
    let (first, second) = (Echo::start("first"), Echo::start("second"));
    let document = document(gateway, &first, &second);
    let plan = gateway.api.post("/api/config/plan", &document);
    assert_eq!((&plan["applicable"], &plan["nginx"]["ok"]), (&json!(true), &json!(true)), "{plan}");
    assert_eq!(gateway.api.get("/api/pools"), json!([]));
    gateway.api.post("/api/config/apply", &document);
    gateway.go_live();
    assert_eq!((gateway.served_by("/bkt/k"), gateway.served_by("/x/k")), ("second".to_owned(), "first".to_owned()));
    assert_eq!(gateway.served_by("/deep/dir/k"), "second");
    assert_eq!(gateway.api.post("/api/config/plan?prune=true", &document)["changed"], false);

    // What nginx refuses changes nothing, and the plan says it before.
    let before = gateway.configuration();
    let rows = gateway.api.get("/api/audit?per_page=200");
    let mut bad = document.clone();
    bad["pools"]["second"]["keepalive"] = json!(9);
    bad["pools"]["third"] = json!({"members": [{"address": "no-such-host.invalid:9000"}]});
    let plan = gateway.api.post("/api/config/plan", &bad);
    assert_eq!((&plan["applicable"], &plan["nginx"]["ok"]), (&json!(false), &json!(false)));
    assert!(plan["nginx"]["output"].as_str().unwrap().contains("host not found in upstream"), "{plan}");
    let said = gateway.api.refused("POST", "/api/config/apply", &bad, 422);
    assert!(said.contains("host not found in upstream") && !said.contains(".nanio"), "{said}");
    assert_eq!(gateway.configuration(), before);
    assert_eq!(gateway.api.get("/api/audit?per_page=200"), rows);
    assert_eq!(gateway.api.post("/api/config/plan?prune=true", &document)["changed"], false);

    // Several operations are one change as well.
    let operations = |address: &str| {
        json!({"operations": [
            {"op": "create", "resource": "pool", "body": {"name": "third"}},
            {"op": "create", "resource": "member", "pool": "third", "body": {"address": address}},
            {"op": "create", "resource": "route", "vhost": "localhost",
             "body": {"path_prefix": "/third/", "pool_id": "third", "allow_orphan": true}},
        ]})
    };
    gateway.api.refused("POST", "/api/config/changes", &operations("no-such-host.invalid:9000"), 422);
    assert_eq!(gateway.configuration(), before);
    gateway.api.post("/api/config/changes", &operations(&second.address()));
    gateway.reload();
    assert_eq!(gateway.served_by("/third/k"), "second");
}

#[test]
fn f05_a_gateway_follows_its_document_or_stays_as_it_is() {
    follows_its_document(&Gateway::start());
}

#[test]
fn so_does_one_whose_database_is_postgres() {
    follows_its_document(&Gateway::start_on_postgres());
}

#[test]
fn an_export_makes_the_same_tree_of_an_empty_gateway() {
    let (original, echo) = (Gateway::start(), Echo::start("first"));
    let (default, routed) = (original.pool("a", &[echo.address()]), original.pool("b", &[echo.address()]));
    let vhost = original.vhost("localhost", default);
    for number in 0..50 {
        original.route(vhost, &format!("/bucket-{number:03}/"), routed);
    }
    let exported = original.api.get("/api/config/export?format=json");
    let copy = Gateway::start();
    copy.api.post("/api/config/apply", &exported);
    assert_eq!(copy.configuration(), original.configuration(), "byte by byte");
    let plan = copy.api.post("/api/config/plan?prune=true", &exported);
    assert_eq!((&plan["changed"], &plan["unmanaged"]), (&json!(false), &json!([])));
    assert_eq!(copy.api.get("/api/config/export?format=json"), exported);
}
