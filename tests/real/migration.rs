//! Buckets that are moved: real nginx, real nodes, real rclone.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::gateway::Gateway;
use crate::support::nanio::Nanio;
use crate::support::s3;

/// A gateway in front of two pools; bucket `photos` is on the first and routed to it.
pub struct Moving {
    pub gateway: Gateway,
    pub first: Nanio,
    pub second: Nanio,
    pub pools: [i64; 2],
}

impl Moving {
    pub fn start() -> Self {
        Self::behind(Gateway::start())
    }

    /// The same, behind a gateway of the caller's.
    pub fn behind(gateway: Gateway) -> Self {
        let (first, second) = (Nanio::start(), Nanio::start());
        let pools = [gateway.pool("pool-one", &[first.address()]), gateway.pool("pool-two", &[second.address()])];
        let vhost = gateway.vhost("localhost", pools[0]);
        gateway.route(vhost, "/photos/", pools[0]);
        gateway.go_live();
        Self { gateway, first, second, pools }
    }

    /// A signed request through nginx.
    pub fn s3(&self, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let answer = s3::send(method, path, body, self.gateway.port);
        (answer.status, answer.body)
    }

    /// Asks for the move of `photos` to the second pool; its id.
    pub fn begin(&self) -> i64 {
        let body = json!({"bucket": "photos", "src_pool_id": self.pools[0], "dst_pool_id": self.pools[1]});
        self.gateway.api.post("/api/migrations", &body)["id"].as_i64().unwrap()
    }

    /// Waits until nothing is left to do for the migration.
    pub fn until_over(&self, id: i64) -> Value {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let migration = self.gateway.api.get(&format!("/api/migrations/{id}"));
            if migration["step"] == "end" {
                return migration;
            }
            assert!(Instant::now() < deadline, "{migration:#}\n{}", self.log(id));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn log(&self, id: i64) -> String {
        let log = self.gateway.api.get(&format!("/api/migrations/{id}/log?limit=200"));
        let mut lines: Vec<String> = log
            .as_array()
            .unwrap()
            .iter()
            .map(|line| format!("{}: {}", line["phase"].as_str().unwrap(), line["message"].as_str().unwrap()))
            .collect();
        lines.reverse();
        lines.join("\n")
    }

    /// What nginx has of the bucket on disk.
    pub fn server_block(&self) -> String {
        std::fs::read_to_string(self.gateway.nginx.managed().join("vhosts/localhost.conf")).unwrap()
    }
}

#[test]
fn an_idle_bucket_is_moved_whole_and_nginx_is_plain_again() {
    let moving = Moving::start();
    assert_eq!(moving.s3("PUT", "/photos", b"").0, 200);
    for (key, content) in [("beach.txt", "sand"), ("a%20b/c%2Bd.txt", "plus"), ("empty", ""), ("deep/er/still", "x")] {
        assert_eq!(moving.s3("PUT", &format!("/photos/{key}"), content.as_bytes()).0, 200, "{key}");
    }
    let id = moving.begin();
    let over = moving.until_over(id);
    assert_eq!(over["phase"], "done", "{over:#}\n{}", moving.log(id));
    assert_eq!(
        moving.second.keys("photos"),
        ["a b/c+d.txt", "beach.txt", "deep/er/still", "empty"],
        "{}",
        moving.log(id)
    );
    assert_eq!(moving.s3("GET", "/photos/beach.txt", b""), (200, b"sand".to_vec()));
    assert_eq!(moving.s3("PUT", "/photos/new.txt", b"n").0, 200);
    assert!(moving.second.keys("photos").contains(&"new.txt".to_owned()));
    assert!(!moving.first.keys("photos").contains(&"new.txt".to_owned()));
    assert_eq!(moving.first.keys("photos").len(), 4, "the source is left as it was");
    let block = moving.server_block();
    assert!(!block.contains("migration_id") && block.contains("photos pool-two"), "{block}");
    assert_eq!(over["orphaned_source_pool_id"], json!(moving.pools[0]));
    assert_eq!(over["audit"], "ok");
    assert!(over["write_hold_ms"].as_u64().unwrap() < 20_000);
}

#[test]
fn what_both_sides_had_before_is_compared_to_the_last_header() {
    let moving = Moving::start();
    let put = |key: &str, kind: &str, note: &str| {
        let headers = [("content-type", kind), ("x-amz-meta-note", note)];
        let target = format!("/photos/{key}");
        assert_eq!(
            s3::request("PUT", &target, &headers, b"sand", moving.gateway.port).send(moving.gateway.port).status,
            200
        );
    };
    assert_eq!(moving.s3("PUT", "/photos", b"").0, 200);
    put("again.txt", "text/plain", "first");
    put("left.txt", "text/plain", "first");
    let there = moving.begin();
    assert_eq!(moving.until_over(there)["phase"], "done");
    // The same content, as another kind: a listing shows no difference to what was left behind.
    put("again.txt", "text/markdown", "second");
    let body = json!({"bucket": "photos", "src_pool_id": moving.pools[1], "dst_pool_id": moving.pools[0]});
    let back = moving.gateway.api.post("/api/migrations", &body)["id"].as_i64().unwrap();
    assert_eq!(moving.until_over(back)["phase"], "done", "{}", moving.log(back));
    for (key, kind, note) in [("again.txt", "text/markdown", "second"), ("left.txt", "text/plain", "first")] {
        let request = s3::request("HEAD", &format!("/photos/{key}"), &[], b"", moving.first.port);
        let head = request.send(moving.first.port).head.to_ascii_lowercase();
        assert!(head.contains(&format!("content-type: {kind}")), "{key}: {head}");
        assert!(head.contains(&format!("x-amz-meta-note: {note}")), "{key}: {head}");
    }
}
