//! Back to an earlier revision, with the real nginx and real storage nodes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::migration::Moving;
use crate::support::gateway::Gateway;
use crate::support::nanio::Nanio;
use crate::support::nginx::{PrivateNginx, binary};
use crate::support::s3;

impl Gateway {
    /// The number of the last accepted change.
    fn newest(&self) -> u64 {
        self.api.get("/api/config/revisions?limit=1")[0]["number"].as_u64().unwrap()
    }

    /// Puts an object through nginx, in a bucket that is made for it.
    fn put(&self, bucket: &str, key: &str) {
        assert_eq!(s3::send("PUT", &format!("/{bucket}"), b"", self.port).status, 200, "{bucket}");
        assert_eq!(s3::send("PUT", &format!("/{bucket}/{key}"), b"x", self.port).status, 200, "{bucket}/{key}");
    }
}

fn way_to(number: u64, query: &str) -> String {
    format!("/api/config/revisions/{number}/rollback{query}")
}

/// A gateway whose nginx writes down each time that it is asked to test, and where it does.
fn counted() -> (Gateway, PathBuf) {
    let nginx = PrivateNginx::new();
    let (log, program) = (nginx.dir.path().join("tests"), nginx.dir.path().join("counted-nginx"));
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *\" -t \"*) echo test >> {};; esac\nexec {} \"$@\"\n",
        log.display(),
        binary().display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    (Gateway::start_with(nginx, &[("NGINX_BIN", program.to_str().unwrap())]), log)
}

fn tests(log: &Path) -> usize {
    fs::read_to_string(log).unwrap_or_default().lines().count()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn nginx_serves_again_as_it_did_after_a_revision_in_the_middle() {
    let (gateway, log) = counted();
    let (first, second) = (Nanio::start(), Nanio::start());
    let pools = [gateway.pool("first", &[first.address()]), gateway.pool("second", &[second.address()])];
    let vhost = gateway.vhost("localhost", pools[0]);
    let ahead = gateway.route(vhost, "/ahead/", pools[1]);
    gateway.go_live();
    let then = (gateway.newest(), gateway.configuration());

    gateway.api.delete(&format!("/api/vhosts/{vhost}/routes/{ahead}"));
    let third = gateway.pool("third", &[second.address(), first.address()]);
    gateway.route(vhost, "/behind/", pools[1]);
    gateway.route(vhost, "/far-behind/", third);
    gateway.api.put(&format!("/api/vhosts/{vhost}"), &json!({"extra_directives": "add_header X-Later yes always;"}));
    gateway.api.put(&format!("/api/pools/{}", pools[0]), &json!({"keepalive": 3}));
    gateway.reload();
    gateway.put("moves", "k");
    let header = |gateway: &Gateway| s3::send("GET", "/moves/k", b"", gateway.port).head.contains("X-Later");
    assert!(header(&gateway));

    let before = tests(&log);
    let done = gateway.api.post(&way_to(then.0, ""), &Value::Null);
    assert_eq!(tests(&log) - before, 1, "{done}");
    let changes = done["applied"]["changes"].as_array().unwrap();
    let of = |action: &str| changes.iter().filter(|change| change["action"] == action).count();
    assert_eq!((of("create"), of("update"), of("delete")), (1, 2, 3), "{done:#}");
    let files = |configuration: &[(String, Vec<u8>)]| -> Vec<String> {
        configuration.iter().map(|(path, _)| path.clone()).collect()
    };
    assert_eq!(files(&gateway.configuration()), files(&then.1));
    gateway.reload();
    assert!(!header(&gateway));
    for bucket in ["ahead", "behind", "far-behind"] {
        gateway.put(bucket, "k");
    }
    assert_eq!((first.buckets(), second.buckets()), (names(&["behind", "far-behind", "moves"]), names(&["ahead"])));
}

#[test]
fn a_revision_that_nginx_refuses_today_changes_nothing() {
    let (gateway, log) = counted();
    let node = Nanio::start();
    let first = gateway.pool("first", &[node.address()]);
    let vhost = gateway.vhost("localhost", first);
    let taken = gateway.pool("taken", &[node.address()]);
    let route = gateway.route(vhost, "/photos/", taken);
    gateway.go_live();
    let number = gateway.newest();
    gateway.api.delete(&format!("/api/vhosts/{vhost}/routes/{route}"));
    gateway.api.delete(&format!("/api/pools/{taken}"));
    // Meanwhile somebody else gave the name to something of theirs.
    gateway.nginx.write_conf(&format!("upstream taken {{ server 127.0.0.1:9; }}\n    {}", gateway.nginx.includes()));
    gateway.reload();

    let before = gateway.everything();
    let revisions = gateway.api.get("/api/config/revisions");
    let plan = gateway.api.post(&way_to(number, "?dry_run=true"), &Value::Null);
    assert_eq!(plan["planned"]["nginx"]["ok"], false, "{plan}");
    let asked = tests(&log);
    let said = gateway.api.refused("POST", &way_to(number, ""), &Value::Null, 422);
    assert!(said.contains("duplicate upstream \"taken\"") && !said.contains(".nanio"), "{said}");
    assert_eq!(tests(&log) - asked, 1);
    assert_eq!(gateway.everything(), before);
    assert_eq!(gateway.api.get("/api/config/revisions"), revisions);
    gateway.put("photos", "k");
    assert_eq!(node.keys("photos"), ["k"]);

    // As soon as the name is free, the same call does it.
    gateway.nginx.write_conf(&gateway.nginx.includes());
    gateway.api.post(&way_to(number, "?partial=true"), &Value::Null);
    assert!(gateway.configuration().iter().any(|(path, _)| path == "pools/taken.conf"));
}

#[test]
fn a_rollback_over_a_finished_migration_leaves_the_bucket_where_its_objects_are() {
    let moving = Moving::start();
    let gateway = &moving.gateway;
    gateway.put("photos", "beach.txt");
    let number = gateway.newest();
    let vhost = gateway.api.get("/api/vhosts")[0]["id"].clone();
    gateway.api.put(&format!("/api/pools/{}", moving.pools[0]), &json!({"keepalive": 5}));
    let id = moving.begin();
    assert_eq!(moving.until_over(id)["phase"], "done", "{}", moving.log(id));
    gateway.route(vhost.as_i64().unwrap(), "/later/", moving.pools[1]);

    let before = gateway.everything();
    let said = gateway.api.refused("POST", &way_to(number, ""), &Value::Null, 409);
    let back = "nanio-orchestrator migration start photos --src pool-two --dst pool-one --vhost localhost";
    assert!(said.contains("localhost/photos/") && said.contains(back) && said.contains("--partial"), "{said}");
    assert_eq!(gateway.everything(), before);

    let done = gateway.api.post(&way_to(number, "?partial=true"), &Value::Null);
    let applied = &done["applied"];
    assert_eq!(applied["needs_migration"][0]["command"], back, "{done:#}");
    let places: Vec<&str> =
        applied["changes"].as_array().unwrap().iter().map(|change| change["place"].as_str().unwrap()).collect();
    assert_eq!(places, ["pools.pool-one", "vhosts.localhost.routes[\"/later/\"]"]);
    gateway.reload();
    assert_eq!(moving.s3("GET", "/photos/beach.txt", b""), (200, b"x".to_vec()));
    assert_eq!(moving.s3("PUT", "/photos/new.txt", b"n").0, 200);
    assert_eq!(moving.second.keys("photos"), ["beach.txt", "new.txt"]);
    assert_eq!(moving.first.keys("photos"), ["beach.txt"], "what the migration left is as it was");

    // With the command that was told, nothing stands in the way any more.
    let body = json!({"bucket": "photos", "src_pool_id": moving.pools[1], "dst_pool_id": moving.pools[0]});
    let id = gateway.api.post("/api/migrations", &body)["id"].as_i64().unwrap();
    assert_eq!(moving.until_over(id)["phase"], "done", "{}", moving.log(id));
    let done = gateway.api.post(&way_to(number, ""), &Value::Null);
    assert_eq!(done["applied"]["changed"], false, "{done:#}");
    gateway.reload();
    assert_eq!(moving.s3("GET", "/photos/new.txt", b""), (200, b"n".to_vec()));
}
