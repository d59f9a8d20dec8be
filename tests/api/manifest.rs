//! The gateway as a document: exported, planned, applied.

mod objects;
mod tree;

use nanio_orchestrator::adapters::http::{manifest_schema, read_manifest, write_manifest};
use nanio_orchestrator::domain::manifest::Manifest;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::world::{Answer, KEY, World};
use crate::support::values::manifest::{any_document, in_order, sound};

const GATEWAY: &str = r#"version: 1
pools:
  cold:
    lb_method: round_robin
    members:
      - address: "10.0.0.3:9000"
        weight: 5
        enabled: false
      - address: "10.0.0.4:9000"
  hot:
    description: "the fast one: #1"
    members:
      - address: "10.0.0.1:9000"
      - address: "unix:/run/n.sock"
  web:
    type: http
    source_nanio_pool: hot
    members:
      - address: "10.0.0.9:80"
      - address: "10.0.0.8:80"
        role: replica
vhosts:
  "*.s3.example":
    ssl_certificate: /etc/tls/s3.pem
    ssl_certificate_key: /etc/tls/s3.key
    default_pool: hot
    ip_rule_mode: deny
    ip_rule_ips:
      - "10.9.0.0/16"
    extra_blocks:
      - zone: top
        content: |-
          client_max_body_size 0;
          # and a note
    ignored_buckets:
      - scratch
    routes:
      /logs/:
        pool: cold
      /photos/2024/:
        pool: cold
        extra_directives: "etag off;"
        enabled: false
  web.example:
    listen_port: 80
    ssl: false
    default_pool: web
    routes:
      /pub:
        pool: web
        key_prefix: site/
"#;

impl World {
    async fn document(&self, operation: &str, text: &str) -> Answer {
        let headers = [("x-orchestrator-key", KEY), ("content-type", "application/yaml")];
        self.send("POST", &format!("/api/config/{operation}"), &headers, text).await
    }

    async fn apply(&self, text: &str) -> Value {
        self.document("apply?prune=true", text).await.expect(200)
    }

    async fn plan(&self, text: &str) -> Value {
        self.document("plan?prune=true", text).await.expect(200)
    }

    async fn export(&self) -> String {
        let answer = self.get("/api/config/export").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/yaml")), "{answer:?}");
        answer.text
    }
}

fn places(list: &Value) -> Vec<String> {
    let told = |one: &Value| format!("{} {}", one["action"].as_str().unwrap(), one["place"].as_str().unwrap());
    list.as_array().unwrap().iter().map(told).collect()
}

fn document(manifest: &Manifest) -> String {
    write_manifest(manifest, false)
}

#[tokio::test]
async fn an_empty_gateway_is_a_document_too() {
    let world = World::start().await;
    assert_eq!(world.export().await, "version: 1\n");
    let before = world.everything().await;
    let plan = world.plan("version: 1").await;
    assert_eq!((&plan["changed"], &plan["applicable"], &plan["nginx"]), (&json!(false), &json!(true), &Value::Null));
    assert_eq!(world.apply("version: 1").await["changed"], false);
    assert_eq!(world.everything().await, before);
}

#[tokio::test]
async fn what_was_applied_is_exported_and_makes_the_same_gateway_elsewhere() {
    let world = World::start().await;
    let applied = world.apply(GATEWAY).await;
    assert_eq!((&applied["changed"], &applied["nginx"]["ok"]), (&json!(true), &json!(true)), "{applied}");
    assert_eq!(world.export().await, GATEWAY);
    assert_eq!(world.plan(GATEWAY).await["changed"], false);

    let other = World::start().await;
    other.apply(&world.export().await).await;
    assert_eq!(other.gateway.live(), world.gateway.live(), "byte by byte");
    assert_eq!(other.plan(&world.export().await).await["changed"], false);

    let json = world.get("/api/config/export?format=json").await;
    assert_eq!(json.header("content-type"), Some("application/json"));
    assert_eq!(read_manifest(json.text.as_bytes(), true), read_manifest(GATEWAY.as_bytes(), false));
    let again = world.post("/api/config/plan?prune=true", json.json()).await.expect(200);
    assert_eq!(again["changed"], false, "{again}");
    assert_eq!(json.header("etag").unwrap().trim_matches('"'), again["state"].as_str().unwrap());
}

#[tokio::test]
async fn a_gateway_that_was_made_by_single_calls_is_made_again_by_its_document() {
    let world = World::start().await;
    let (cold, hot) = (world.pool("cold").await, world.pool_at("hot", "10.0.0.7:9000").await);
    let vhost = world.vhost("s3.example", Some(hot)).await;
    for bucket in ["/archive/", "/logs/", "/photos/"] {
        world.route(vhost, bucket, cold).await;
    }
    let other = World::start().await;
    other.apply(&world.export().await).await;
    assert_eq!(other.gateway.live(), world.gateway.live(), "byte by byte");
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_with_its_place() {
    let world = World::start().await;
    let before = world.everything().await;
    let text = "version: 2\npool: {}\npools:\n  a b: {keepalive: 5000, weight: 1}\nvhosts:\n  x.example:\n    routes:\n      \
                /a//b: {pool: p}\n      /c/: {}\n";
    for operation in ["plan", "apply"] {
        let faults = world.document(operation, text).await.faults();
        let places: Vec<&str> = faults.iter().map(|(_, place)| place.as_str()).collect();
        for place in [
            "body.version",
            "body.pool",
            "body.pools.a b",
            "body.pools.a b.keepalive",
            "body.pools.a b.weight",
            "body.vhosts.x.example.routes./a//b",
            "body.vhosts.x.example.routes./c/.pool",
        ] {
            assert!(places.contains(&place), "{place} is not in {places:?}");
        }
    }
    let text = "version: 1\npools: {p: {members: [{address: 'a:1'}], source_nanio_pool: q}}\nvhosts:\n  x.example:\n    \
                default_pool: r\n    routes: {/a/: {pool: s}, /b: {pool: p}, /b/: {pool: p}}\n";
    let faults = world.document("apply", text).await.faults();
    let places: Vec<&str> = faults.iter().map(|(_, place)| place.as_str()).collect();
    assert_eq!(
        places,
        [
            "body.pools.p.source_nanio_pool",
            "body.vhosts.x.example.default_pool",
            "body.vhosts.x.example.routes./a/.pool",
            "body.vhosts.x.example.routes./b/",
        ]
    );
    // What single calls refuse is refused here, all of it at once.
    let text = "version: 1\npools:\n  h: {type: http, members: [{address: 'a:1', role: active}]}\n  n: {members: [{address: \
                'b:1'}]}\nvhosts:\n  x.example:\n    default_pool: n\n    routes: {/a/: {pool: n, key_prefix: k}}\n  \
                y.example: {ssl: false, default_pool: n, extra_directives: 'root /;', routes: {/a/: {pool: n, extra_directives: \
                'x {'}}}\n";
    let faults = world.document("apply", text).await.faults();
    let places: Vec<&str> = faults.iter().map(|(_, place)| place.as_str()).collect();
    assert_eq!(places, ["body.vhosts.y.example.extra_directives", "body.vhosts.y.example.routes./a/.extra_directives"]);
    let faults = world.document("apply", &text.replace("'root /;'", "''").replace("'x {'", "''")).await.faults();
    let places: Vec<&str> = faults.iter().map(|(_, place)| place.as_str()).collect();
    assert_eq!(places[..2], ["body.pools.h.members.a:1", "body.vhosts.x.example"]);
    assert_eq!(world.everything().await, before);
}

#[tokio::test]
async fn f05_what_nginx_refuses_changes_nothing_and_the_plan_says_so() {
    let world = World::start().await;
    world.apply(GATEWAY).await;
    let before = world.everything().await;
    let changed = GATEWAY.replace("weight: 5", "weight: 6").replace("/logs/", "/log/");
    world.gateway.refuse(Some("nginx: [emerg] no"));
    let plan = world.plan(&changed).await;
    assert_eq!(
        (&plan["applicable"], &plan["nginx"]),
        (&json!(false), &json!({"ok": false, "output": "nginx: [emerg] no"}))
    );
    assert_eq!(world.document("apply?prune=true", &changed).await.detail(422), "nginx: [emerg] no");
    assert_eq!(world.everything().await, before);
    world.gateway.refuse(None);
    world.apply(&changed).await;
    assert_eq!(world.export().await, changed);
}

#[tokio::test]
async fn a_plan_shows_what_would_be_and_changes_nothing() {
    let world = World::start().await;
    world.apply(GATEWAY).await;
    let before = world.everything().await;
    let changed = GATEWAY
        .replace("keepalive: 5", "keepalive: 6")
        .replace("10.0.0.4", "10.0.0.5")
        .replace("  /pub:", "  /public:");
    let plan = world.plan(&changed).await;
    assert_eq!(
        places(&plan["changes"]),
        [
            r#"create pools.cold.members["10.0.0.5:9000"]"#,
            r#"delete pools.cold.members["10.0.0.4:9000"]"#,
            r#"delete vhosts.web.example.routes["/pub"]"#,
            r#"create vhosts.web.example.routes["/public"]"#,
        ]
    );
    let files = plan["files"].as_array().unwrap();
    let paths: Vec<&str> = files.iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, [world.gateway.full("pools/cold.conf"), world.gateway.full("vhosts/web.example.conf")]);
    let diff = files[0]["diff"].as_str().unwrap();
    assert!(diff.contains("\n-    server 10.0.0.4:9000") && diff.contains("\n+    server 10.0.0.5:9000"), "{diff}");
    assert_eq!((&plan["nginx"]["ok"], &plan["more_files"]), (&json!(true), &json!(0)));
    assert_eq!(world.everything().await, before);
    // And what is known of the files is as it was: a single change goes on from there.
    let routes = world.get("/api/vhosts/2/routes").await.expect(200);
    let id = routes.as_array().unwrap().iter().find(|route| route["path_prefix"] == "/pub").unwrap()["id"].clone();
    world.put(&format!("/api/vhosts/2/routes/{id}"), json!({"enabled": false})).await.expect(200);
    world.post("/api/config/rebuild", Value::Null).await.expect(200);
    assert_eq!(
        world.plan(&GATEWAY.replace("key_prefix: site/\n", "key_prefix: site/\n        enabled: false\n")).await["changed"],
        false
    );
}

#[tokio::test]
async fn what_a_document_does_not_name_stays_unless_it_is_pruned() {
    let world = World::start().await;
    world.apply(GATEWAY).await;
    let part = "version: 1\npools:\n  hot: {keepalive: 16}\n  new: {members: [{address: '10.0.0.7:9000'}]}\n";
    let applied = world.document("apply", part).await.expect(200);
    assert_eq!(
        places(&applied["changes"]),
        ["update pools.hot", "create pools.new", r#"create pools.new.members["10.0.0.7:9000"]"#]
    );
    let unmanaged: Vec<&str> = applied["unmanaged"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(
        unmanaged.contains(&"pools.cold") && unmanaged.contains(&r#"pools.hot.members["unix:/run/n.sock"]"#),
        "{unmanaged:?}"
    );
    let fields = &applied["changes"][0]["fields"];
    assert_eq!(fields[0], json!({"field": "description", "before": "the fast one: #1", "after": null}));
    assert!(world.export().await.contains("/photos/2024/:"));
    world.apply("version: 1").await;
    assert_eq!(world.export().await, "version: 1\n");
    let left: Vec<String> =
        world.gateway.live().into_keys().filter(|path| path.contains("s/") && !path.contains("00-nanio")).collect();
    assert_eq!(left, Vec::<String>::new(), "no file of a pool or vhost");
}

#[tokio::test]
async fn an_apply_can_be_bound_to_the_state_that_was_planned() {
    let world = World::start().await;
    let state = world.plan(GATEWAY).await["state"].as_str().unwrap().to_owned();
    world.pool("another").await;
    for operation in ["plan", "apply"] {
        let answer = world.document(&format!("{operation}?expect={state}"), GATEWAY).await;
        assert!(answer.detail(412).contains("The gateway was changed"), "{operation}");
    }
    let state = world.plan(GATEWAY).await["state"].as_str().unwrap().to_owned();
    let applied = world.document(&format!("apply?prune=true&expect={state}"), GATEWAY).await.expect(200);
    assert_eq!(applied["state"], world.plan(GATEWAY).await["state"]);
}

#[tokio::test]
async fn keys_of_pools_are_neither_shown_nor_touched() {
    let world = World::start().await;
    world.apply(GATEWAY).await;
    let path = "/api/pools/2/credentials";
    let keys = json!({"access_key": "AKIA-of-the-pool", "secret_key": "secret-of-the-pool"});
    world.put(path, keys).await;
    let before = world.get(path).await.expect(200);
    assert!(!world.export().await.contains("pool-secret") && !world.export().await.contains("gAAAAA"));
    world.apply(&GATEWAY.replace("the fast one", "the faster one")).await;
    let mut after = world.get(path).await.expect(200);
    after["updated_at"] = before["updated_at"].clone();
    assert_eq!(after, before);
}

#[tokio::test]
async fn every_resource_has_its_entry_in_the_audit_log() {
    let world = World::start().await;
    world.apply(GATEWAY).await;
    let log = world.get("/api/audit?per_page=200").await.expect(200);
    let count = |kind: &str| log.as_array().unwrap().iter().filter(|entry| entry["entity_type"] == kind).count();
    assert_eq!(["pool", "pool_member", "vhost", "route", "bucket"].map(count), [3, 6, 2, 5, 1]);
    assert!(log.as_array().unwrap().iter().all(|entry| entry["nginx_reload_ok"] == true), "{log}");
}

#[tokio::test]
async fn f04_no_value_of_a_document_gets_to_nginx_unchecked() {
    let world = World::start().await;
    let before = world.everything().await;
    let hostile = [
        json!({"pools": {"p": {"members": [{"address": "a:1; } server { listen 1"}]}}}),
        json!({"pools": {"p; }": {}}}),
        json!({"vhosts": {"a.example; }": {"ssl": false}}}),
        json!({"vhosts": {"a.example": {"ssl_certificate": "/a\n;", "ssl_certificate_key": "/k"}}}),
        json!({"vhosts": {"a.example": {"ssl": false, "ip_rule_mode": "allow", "ip_rule_ips": ["all; }"]}}}),
        json!({"vhosts": {"a.example": {"ssl": false, "ip_rule_mode": "allow", "ip_rule_ips": []}}}),
        json!({"vhosts": {"a.example": {"ssl": false, "extra_directives": "} server {"}}}),
        json!({"vhosts": {"a.example": {"ssl": false, "extra_blocks": [{"zone": "end", "content": "root /;"}]}}}),
        json!({"pools": {"p": {}}, "vhosts": {"a.example": {"ssl": false, "routes": {"/a; }/": {"pool": "p"}}}}}),
        json!({"pools": {"p": {}}, "vhosts": {"a.example": {"ssl": false, "routes": {"/a/": {"pool": "p", "key_prefix": "$uri"}}}}}),
    ];
    for mut document in hostile {
        document["version"] = json!(1);
        let faults = world.post("/api/config/apply", document.clone()).await.faults();
        assert_eq!(faults.len(), 1, "{document}: {faults:?}");
    }
    assert_eq!(world.everything().await, before);
}

#[tokio::test]
async fn f28_one_vhost_serves_one_type_of_pool() {
    let world = World::start().await;
    world.apply(GATEWAY).await;
    let before = world.everything().await;
    let mixed = GATEWAY.replace("      /logs/:\n        pool: cold\n", "      /logs/:\n        pool: web\n");
    let faults = world.document("apply?prune=true", &mixed).await.faults();
    assert_eq!(faults, [("value_error".to_owned(), "body.vhosts.*.s3.example.routes./logs/".to_owned())]);
    assert_eq!(world.everything().await, before);
}

#[tokio::test]
async fn hostile_and_foreign_documents_are_refused_in_words() {
    let world = World::start().await;
    let deep = format!("version: 1\npools: {}", "[".repeat(50_000));
    assert_eq!(world.document("plan", &deep).await.faults()[0].0, "document_invalid");
    assert_eq!(world.document("plan", "version: 1\nversion: 1\n").await.faults()[0].0, "document_invalid");
    let large = format!("version: 1\n# {}\n", "x".repeat(17 << 20));
    assert!(world.document("plan", &large).await.detail(413).contains("16777216 bytes"));
    let headers = [("x-orchestrator-key", KEY), ("content-type", "text/plain")];
    assert_eq!(world.send("POST", "/api/config/plan", &headers, "version: 1").await.status, 422);
}

#[tokio::test]
async fn a_drifted_file_is_not_written_over_and_the_plan_says_so() {
    let world = World::start().await;
    world.apply(GATEWAY).await;
    world.gateway.edit("pools/cold.conf", "# mine\n");
    let changed = GATEWAY.replace("weight: 5", "weight: 6").replace("        enabled: false\n      - ", "      - ");
    let plan = world.plan(&changed).await;
    assert_eq!(plan["applicable"], false, "{plan}");
    assert!(plan["nginx"]["output"].as_str().unwrap().contains("was changed outside"), "{plan}");
    world.document("apply?prune=true", &changed).await.detail(409);
}

#[test]
fn a_document_reads_as_it_was_written() {
    let run = |json: bool| {
        let config = ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() };
        TestRunner::new(config)
            .run(&any_document(), |manifest| {
                let text = write_manifest(&manifest, json);
                let read = read_manifest(text.as_bytes(), json);
                prop_assert_eq!(read.as_ref(), Ok(&manifest), "{}", &text);
                prop_assert_eq!(write_manifest(&manifest, json), text);
                Ok(())
            })
            .unwrap();
    };
    run(false);
    run(true);
}

#[tokio::test]
async fn a_plan_right_after_an_apply_is_empty_whatever_is_applied() {
    let mut runner = TestRunner::deterministic();
    let world = World::start().await;
    for number in 0..60 {
        let wanted = sound().new_tree(&mut runner).unwrap().current();
        let text = document(&wanted);
        let plan = world.plan(&text).await;
        assert_eq!(plan["applicable"], true, "{number}: {plan}\n{text}");
        let applied = world.apply(&text).await;
        assert_eq!(applied["changes"], plan["changes"], "{number}");
        assert_eq!(applied["changed"], plan["changed"], "{number}");
        let after = world.plan(&text).await;
        assert_eq!((&after["changed"], &after["files"]), (&json!(false), &json!([])), "{number}: {after}\n{text}");
        let exported = read_manifest(world.export().await.as_bytes(), false).unwrap();
        assert_eq!(in_order(exported), in_order(wanted), "{number}");
        let status = world.get("/api/config/status").await.expect(200);
        assert!(status["files"].as_array().unwrap().iter().all(|file| file["drifted"] == false), "{number}");
    }
}

#[test]
fn the_schema_for_editors_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/gateway.schema.json");
    let committed = std::fs::read_to_string(path).unwrap();
    assert_eq!(committed, manifest_schema(), "run: cargo run --locked -q -- schema > docs/gateway.schema.json");
}

#[tokio::test]
async fn the_schema_is_served_and_names_every_field() {
    let world = World::start().await;
    let schema = world.get("/api/config/schema").await.expect(200);
    let vhost = &schema["properties"]["vhosts"]["additionalProperties"]["properties"];
    for (field, kind) in [("listen_port", json!(["integer", "null"])), ("routes", json!(["object", "null"]))] {
        assert_eq!(vhost[field]["type"], kind, "{field}: {}", vhost[field]);
    }
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["required"], json!(["version"]));
}
