//! Buckets of real storage nodes, found by the running program. Whatever it finds, no route changes and nginx is left
//! alone.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::gateway::Gateway;
use crate::support::moto::Moto;
use crate::support::nanio::Nanio;
use crate::support::nginx::{free_port, wait_until};
use crate::support::odd_nodes::OddNode;
use crate::support::s3;

/// Name and status of each bucket.
fn buckets(gateway: &Gateway, vhost: i64) -> Vec<(String, String)> {
    let list = gateway.api.get(&format!("/api/vhosts/{vhost}/buckets"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list["buckets"].as_array().unwrap().iter().map(|one| (text(&one["name"]), text(&one["status"]))).collect()
}

fn told(name: &str, status: &str) -> (String, String) {
    (name.to_owned(), status.to_owned())
}

fn bucket_loop(gateway: &Gateway) -> Value {
    let loops = gateway.api.get("/api/config/loops");
    loops.as_array().unwrap().iter().find(|one| one["name"] == "bucket_sync").unwrap().clone()
}

/// A storage server, as somebody else uses it.
trait Outside {
    fn address(&self) -> String;
    fn make(&self, bucket: &str);
    fn write(&self, bucket: &str, key: &str);
    /// An empty bucket.
    fn remove(&self, bucket: &str);
}

impl Outside for Nanio {
    fn address(&self) -> String {
        self.address()
    }

    fn make(&self, bucket: &str) {
        self.make(bucket);
    }

    fn write(&self, bucket: &str, key: &str) {
        self.write(bucket, key, b"x");
    }

    fn remove(&self, bucket: &str) {
        self.remove(bucket);
    }
}

impl Outside for Moto {
    fn address(&self) -> String {
        self.address()
    }

    fn make(&self, bucket: &str) {
        assert_eq!(s3::send("PUT", &format!("/{bucket}"), b"", self.port).status, 200);
    }

    fn write(&self, bucket: &str, key: &str) {
        // In this region, to make what is there already is no fault.
        self.make(bucket);
        assert_eq!(s3::send("PUT", &format!("/{bucket}/{key}"), b"x", self.port).status, 200);
    }

    fn remove(&self, bucket: &str) {
        assert_eq!(s3::send("DELETE", &format!("/{bucket}"), b"", self.port).status, 204);
    }
}

#[test]
fn buckets_made_and_removed_outside_are_found_by_the_loop_and_every_endpoint_works_on_nanio() {
    found_and_served(&Nanio::start(), &Nanio::start());
}

#[test]
fn buckets_made_and_removed_outside_are_found_by_the_loop_and_every_endpoint_works_on_another_s3_server() {
    found_and_served(&Moto::start(), &Moto::start());
}

fn found_and_served(near: &dyn Outside, far: &dyn Outside) {
    let mut gateway = Gateway::start();
    let (pool, other) = (gateway.pool("near", &[near.address()]), gateway.pool("far", &[far.address()]));
    let vhost = gateway.vhost("localhost", pool);
    gateway.go_live();
    gateway.api.set("BUCKET_SYNC_INTERVAL", Path::new("1"));
    gateway.api.restart();
    let path = |rest: &str| format!("/api/vhosts/{vhost}/buckets{rest}");
    near.write("photos", "a");
    near.write("photos", "b/c");
    near.make("plain");
    wait_until("the loop", || buckets(&gateway, vhost) == [told("photos", "unrouted"), told("plain", "unrouted")]);

    // A route of its own, on purpose without its objects; the loop must not take it away.
    let refused = gateway.api.refused("POST", &path("/photos/promote"), &json!({"pool_id": other}), 400);
    assert!(refused.contains("allow_orphan"), "{refused}");
    let body = json!({"pool_id": other, "allow_orphan": true});
    let promoted = gateway.api.post(&path("/photos/promote"), &body);
    assert!(promoted["output"].as_str().unwrap().contains("test is successful"), "{promoted}");
    let files = gateway.everything().files;
    wait_until("the loop", || buckets(&gateway, vhost) == [told("photos", "deleted"), told("plain", "unrouted")]);
    far.write("photos", "new");
    near.remove("plain");
    wait_until("the loop", || buckets(&gateway, vhost) == [told("plain", "deleted"), told("photos", "routed")]);
    near.make("plain");
    wait_until("the loop", || buckets(&gateway, vhost) == [told("photos", "routed"), told("plain", "unrouted")]);
    assert_eq!(gateway.everything().files, files, "nginx and its files are left alone");
    assert_eq!(bucket_loop(&gateway)["last_error"], Value::Null);

    let counted = gateway.api.get(&path("?fetch_counts=true"));
    let count =
        |index: usize| (&counted["buckets"][index]["object_count"], &counted["buckets"][index]["count_complete"]);
    assert_eq!((count(0), count(1)), ((&json!(1), &json!(true)), (&json!(0), &json!(true))));
    let orphans = gateway.api.get(&path("/orphans"));
    assert_eq!(orphans["orphans"], json!([{"bucket": "photos", "objects": 2, "count_complete": true}]));
    gateway.api.post(&path("/plain/ignore"), &json!({}));
    let refused = gateway.api.refused("DELETE", &path("/photos/route"), &Value::Null, 409);
    assert!(refused.contains("pool far"), "{refused}");
    gateway.api.delete(&path("/photos/route?allow_orphan=true"));
    assert_eq!(buckets(&gateway, vhost), [told("plain", "ignored"), told("photos", "unrouted")]);
}

#[test]
fn f44_pools_whose_nodes_are_down_mute_or_mad_keep_no_other_pool_from_being_synced() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let odd = runtime.block_on(OddNode::all());
    let (node, mut gateway) = (Nanio::start(), Gateway::start());
    let mut bad = Vec::new();
    let down = ("down", free_port());
    for (index, (what, port)) in odd.iter().map(|(what, node)| (*what, node.port)).chain([down]).enumerate() {
        let pool = gateway.pool(&format!("odd-{index}"), &[format!("127.0.0.1:{port}")]);
        bad.push((what, gateway.vhost(&format!("odd-{index}.example"), pool)));
    }
    let pool = gateway.pool("sound", &[node.address()]);
    let vhost = gateway.vhost("localhost", pool);
    // A bucket of the sound pool on a vhost whose default pool is mad.
    gateway.route(bad[0].1, "/photos/", pool);
    node.make("photos");
    gateway.api.restart();
    wait_until("the first round", || bucket_loop(&gateway)["runs"] == 1 && bucket_loop(&gateway)["running"] == false);
    assert_eq!(buckets(&gateway, vhost), [told("photos", "unrouted")]);
    assert_eq!(buckets(&gateway, bad[0].1), [told("photos", "routed")]);
    let told = bucket_loop(&gateway)["last_result"].as_str().unwrap().to_owned();
    for (index, (what, vhost)) in bad.iter().enumerate() {
        assert!(told.contains(&format!("pool odd-{index}:")), "{what}: {told}");
        if index > 0 {
            assert_eq!(buckets(&gateway, *vhost), [], "{what}");
        }
    }
}
