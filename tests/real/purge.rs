//! Purges on real storage nodes: what is deleted is what was to be, whatever happens meanwhile.

use serde_json::{Value, json};

use super::clients::client;
use crate::support::echo::Echo;
use crate::support::gateway::Gateway;
use crate::support::moto::Moto;
use crate::support::nanio::Nanio;
use crate::support::nginx::wait_until;

/// A gateway whose vhost is served by another pool than `old`.
struct Scene {
    gateway: Gateway,
    node: String,
    old: i64,
    new: i64,
    vhost: i64,
    _elsewhere: Echo,
}

impl Scene {
    fn set(node: String) -> Self {
        let (gateway, elsewhere) = (Gateway::start(), Echo::start("elsewhere"));
        let old = gateway.pool("old", std::slice::from_ref(&node));
        let new = gateway.pool("new", &[elsewhere.address()]);
        let vhost = gateway.vhost("localhost", new);
        Self { gateway, node, old, new, vhost, _elsewhere: elsewhere }
    }

    fn bucket(&self, inner: &str) -> String {
        format!("/api/pools/{}/buckets/{inner}", self.old)
    }

    /// Objects and uploads of a bucket, as another client sees them.
    fn left(&self, bucket: &str) -> String {
        client(&["left", &format!("http://{}", self.node), bucket]).unwrap()
    }

    fn stuff(&self, bucket: &str, count: usize) {
        client(&["stuff", &format!("http://{}", self.node), bucket, &count.to_string()]).unwrap();
    }

    fn job(&self, begun: &Value) -> Value {
        self.gateway.api.get(&format!("/api/jobs/{}", begun["job_id"]))
    }

    fn ended(&self, begun: &Value) -> Value {
        let ended = || ["done", "failed", "cancelled"].contains(&self.job(begun)["state"].as_str().unwrap());
        wait_until("the end of the job", ended);
        self.job(begun)
    }
}

#[test]
fn f03_buckets_of_a_nanio_pool_are_listed_and_purged_and_live_ones_are_not() {
    let node = Nanio::start();
    everything(&Scene::set(node.address()));
}

#[test]
fn f03_buckets_of_another_s3_server_are_listed_and_purged_and_live_ones_are_not() {
    let node = Moto::start();
    everything(&Scene::set(node.address()));
}

fn everything(scene: &Scene) {
    let api = &scene.gateway.api;
    scene.stuff("photos", 30);
    scene.stuff("music", 1200);
    scene.stuff("video", 7);
    let standings = || {
        let told = api.get(&scene.bucket("status"));
        assert_eq!(told["member_address"], scene.node);
        let buckets = told["buckets"].as_array().unwrap().clone();
        buckets.iter().map(|one| format!("{} {}", one["bucket"], one["status"]).replace('"', "")).collect::<Vec<_>>()
    };
    assert_eq!(standings(), ["music unrouted", "photos unrouted", "video unrouted"]);
    let told = api.get(&scene.bucket("photos/objects"));
    assert_eq!((&told["count"], &told["truncated"], &told["objects"][0]), (&json!(30), &json!(false), &json!("a b+c")));
    let (mut keys, mut query) = (0, "?prefix=n/&limit=500".to_owned());
    loop {
        let page = api.get(&scene.bucket(&format!("music/objects{query}")));
        keys += page["count"].as_u64().unwrap();
        let Some(next) = page["continuation"].as_str() else { break };
        let mut encoded = form_urlencoded::Serializer::new(String::new());
        encoded.append_pair("prefix", "n/").append_pair("limit", "500").append_pair("continuation", next);
        query = format!("?{}", encoded.finish());
    }
    assert_eq!(keys, 1197);

    // Live: refused, and all is there.
    let route = scene.gateway.route(scene.vhost, "/photos/", scene.old);
    assert_eq!(standings(), ["music unrouted", "video unrouted", "photos routed"]);
    let detail = api.refused("POST", &scene.bucket("photos/purge"), &json!({}), 409);
    assert!(detail.contains("served by route /photos/ of vhost localhost"), "{detail}");
    assert_eq!(scene.left("photos"), "30 1");
    let routes = format!("/api/vhosts/{}/routes", scene.vhost);
    api.delete(&format!("{routes}/{route}?allow_orphan=true"));

    let told = api.post(&scene.bucket("photos/purge"), &json!({}));
    assert_eq!((&told["ok"], &told["deleted"], &told["total"]), (&json!(true), &json!(30), &json!(30)));
    assert_eq!(scene.left("photos"), "0 0");
    let begun = api.post(&scene.bucket("music/purge"), &json!({}));
    let job = scene.ended(&begun);
    assert_eq!((&job["state"], &job["done"], &job["total"]), (&json!("done"), &json!(1200), &json!(1200)), "{job}");
    assert_eq!(scene.left("music"), "0 0");
    assert_eq!(scene.left("video"), "7 1", "and nothing else");

    // What a routed bucket has left on the default pool.
    api.put(&format!("/api/vhosts/{}", scene.vhost), &json!({"default_pool_id": scene.old, "allow_orphan": true}));
    let orphan = format!("/api/vhosts/{}/buckets/video/purge-orphan", scene.vhost);
    assert!(api.refused("POST", &orphan, &json!({}), 400).contains("has no route of its own"));
    scene.gateway.route(scene.vhost, "/video/", scene.new);
    let told = api.post(&orphan, &json!({}));
    assert_eq!(told, json!({"ok": true, "bucket": "video", "deleted": 7, "total": 7, "errors": []}));
    assert_eq!(scene.left("video"), "0 0");
    assert!(api.refused("POST", &scene.bucket("absent/purge"), &json!({}), 409).contains("the default pool old"));
}

#[test]
fn a_purge_that_a_kill_interrupts_is_finished_by_the_next_start_and_nobody_depends_on_it_meanwhile() {
    let node = Nanio::start();
    client(&["stuff", &format!("http://{}", node.address()), "photos", "3"]).unwrap();
    for number in 0..30_000 {
        node.write("photos", &format!("d{:02}/k{number:05}", number % 40), b"x");
    }
    let mut scene = Scene::set(node.address());
    let begun = scene.gateway.api.post(&scene.bucket("photos/purge"), &json!({}));
    wait_until("the first pages", || scene.job(&begun)["done"].as_u64().unwrap() > 0);
    scene.gateway.api.kill();
    let left = node.keys("photos").len();
    assert!(left > 0 && left < 30_003, "{left} objects are left: the kill came too early or too late");
    scene.gateway.api.restart();
    // Until the end of the purge, and only until then.
    let routes = format!("/api/vhosts/{}/routes", scene.vhost);
    let route = json!({"path_prefix": "/photos/", "pool_id": scene.old, "allow_orphan": true});
    let answer = scene.gateway.api.call("POST", &routes, Some(&route));
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert!(answer.text().contains("is being purged"), "{}", answer.text());
    let job = scene.ended(&begun);
    assert_eq!((&job["state"], &job["failed"], &job["message"]), (&json!("done"), &json!(0), &Value::Null), "{job}");
    assert_eq!((node.keys("photos"), scene.left("photos").as_str()), (Vec::new(), "0 0"));
    assert_eq!(scene.gateway.api.call("POST", &routes, Some(&route)).status, 201);
}
