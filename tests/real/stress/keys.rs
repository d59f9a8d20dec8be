//! Objects of every kind, written before a migration and in each part of it, with all that belongs to them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Stress;
use super::parked::Parked;
use crate::support::gateway::id;
use crate::support::moto::Moto;
use crate::support::s3;

/// An object as a client wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Object {
    body: Vec<u8>,
    headers: BTreeMap<&'static str, String>,
}

/// What belongs to an object besides its content, and is to arrive with it.
const HEADERS: [&str; 3] = ["content-type", "x-amz-meta-color", "cache-control"];

/// A bucket, and what it must hold.
struct Bucket<'a> {
    stress: &'a Stress,
    name: &'static str,
    objects: BTreeMap<String, Object>,
}

impl Bucket<'_> {
    fn target(&self, key: &str) -> String {
        let byte = |byte: u8| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        };
        format!("/{}/{}", self.name, key.bytes().map(byte).collect::<String>())
    }

    fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8], expected: u16) {
        let answer = s3::request(method, target, headers, body, self.stress.port()).send(self.stress.port());
        assert_eq!(answer.status, expected, "{method} {target}: {}", answer.text());
    }

    fn put(&mut self, key: &str, body: &str, color: &str) {
        let headers: Vec<_> = HEADERS.into_iter().zip(["text/x-of-the-tests", color, "max-age=7"]).collect();
        self.send("PUT", &self.target(key), &headers, body.as_bytes(), 200);
        let headers = headers.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        self.objects.insert(key.to_owned(), Object { body: body.as_bytes().to_vec(), headers });
    }

    fn delete(&mut self, key: &str) {
        self.send("DELETE", &self.target(key), &[], b"", 204);
        self.objects.remove(key);
    }

    fn delete_together(&mut self, keys: &[String]) {
        let named: String = keys.iter().map(|key| format!("<Object><Key>{key}</Key></Object>")).collect();
        self.send("POST", &format!("/{}?delete", self.name), &[], format!("<Delete>{named}</Delete>").as_bytes(), 200);
        keys.iter().for_each(|key| drop(self.objects.remove(key)));
    }

    fn copy(&mut self, from: &str, to: &str) {
        self.send("PUT", &self.target(to), &[("x-amz-copy-source", &self.target(from))], b"", 200);
        let copied = self.objects[from].clone();
        self.objects.insert(to.to_owned(), copied);
    }

    /// What later waves change and delete.
    fn fill(&mut self) {
        self.put("same", "wave 0", "blue");
        self.put("again", "from the beginning", "blue");
        self.put("source", "to be copied", "blue");
        self.put("a/b/c/deep", "deep", "blue");
        for wave in 0..3 {
            for number in 0..4 {
                self.put(&format!("doomed {wave}+{number}"), "doomed", "blue");
            }
        }
    }

    /// Writes of every kind.
    fn wave(&mut self, wave: usize) {
        for key in ["a b c", "one+two", "ünï ☃ 日本", "it's (1) ok!&<x>=$", "deep/er/still", "100%", "~.-_"] {
            self.put(&format!("wave {wave}/{key}"), &format!("{key} of {wave}"), "red");
        }
        self.put(&format!("wave {wave}/empty"), "", "red");
        self.put("same", &format!("wave {wave}"), "blue");
        self.put("same metadata aside", "unchanged", &format!("color {wave}"));
        self.delete("again");
        self.put("again", &format!("again in {wave}"), "green");
        self.put("gone", "soon gone", "green");
        self.delete("gone");
        self.copy("source", &format!("wave {wave}/copied"));
        self.delete_together(&(0..4).map(|number| format!("doomed {wave}+{number}")).collect::<Vec<_>>());
    }

    /// Compares what a node has with what was written.
    fn expect_at(&self, port: u16) {
        for (key, written) in &self.objects {
            let answer = s3::send("GET", &self.target(key), b"", port);
            assert_eq!(answer.status, 200, "{key}");
            assert_eq!(answer.body, written.body, "{key}");
            for (name, value) in &written.headers {
                let line = format!("\r\n{name}: {value}");
                assert!(answer.head.to_ascii_lowercase().contains(&line), "{key}: no {line:?} in {}", answer.head);
            }
        }
    }

    /// How many keys a node lists.
    fn listed_at(&self, port: u16) -> usize {
        s3::send("GET", &format!("/{}?list-type=2", self.name), b"", port).text().matches("<Key>").count()
    }
}

#[test]
fn every_kind_of_write_comes_before_and_in_each_part_of_it() {
    let stress = Stress::start(&[]);
    let mut bucket = Bucket { stress: &stress, name: "photos", objects: BTreeMap::new() };
    bucket.fill();
    bucket.wave(0);
    let parked = Parked::begin(&stress);
    bucket.wave(1);
    let passing = parked.pass_on();
    bucket.wave(2);
    let over = stress.until_done(passing.go_on());
    assert_eq!(over["audit"], "ok");
    bucket.expect_at(stress.moving.second.port);
    bucket.expect_at(stress.port());
    let mut keys: Vec<String> = bucket.objects.keys().cloned().collect();
    keys.extend(["first".to_owned(), "written-before-and-for-long".to_owned()]);
    keys.sort();
    assert_eq!(stress.moving.second.keys("photos"), keys);
}

/// Bucket `odd` on a server that takes every key, to be moved to another one.
struct Odd {
    nodes: [Moto; 2],
    pools: [i64; 2],
}

impl Odd {
    fn beside(stress: &Stress) -> Self {
        let gateway = &stress.moving.gateway;
        let nodes = [Moto::start(), Moto::start()];
        let pools = ["odd-one", "odd-two"];
        let pools = [0, 1].map(|index| gateway.pool(pools[index], &[nodes[index].address()]));
        let vhost = id(&gateway.api.get("/api/vhosts")[0]);
        gateway.route(vhost, "/odd/", pools[0]);
        gateway.reload();
        assert_eq!(stress.s3("PUT", "/odd", b"").status, 200);
        Self { nodes, pools }
    }

    fn order(&self) -> Value {
        json!({"bucket": "odd", "src_pool_id": self.pools[0], "dst_pool_id": self.pools[1]})
    }

    fn begin(&self, stress: &Stress) -> i64 {
        id(&stress.moving.gateway.api.post("/api/migrations", &self.order()))
    }
}

#[test]
fn markers_of_folders_and_a_percent_sign_in_a_key_are_carried_over() {
    let stress = Stress::start(&[]);
    let odd = Odd::beside(&stress);
    let mut bucket = Bucket { stress: &stress, name: "odd", objects: BTreeMap::new() };
    bucket.fill();
    let more = |bucket: &mut Bucket<'_>, wave: usize| {
        bucket.wave(wave);
        for key in ["d/", "in a/folder/", "literal%2Fslash", "%41+%20", "d/inside"] {
            bucket.put(&format!("more {wave}/{key}"), if key.ends_with('/') { "" } else { key }, "red");
        }
        bucket.put("was a marker/", "", "red");
        bucket.put("marker/", "", &format!("color {wave}"));
    };
    more(&mut bucket, 0);
    let parked = Parked::begin_with(&stress, || odd.begin(&stress));
    more(&mut bucket, 1);
    bucket.delete("was a marker/");
    let over = stress.until_done(parked.let_go());
    assert_eq!(over["audit"], "ok");
    bucket.expect_at(odd.nodes[1].port);
    bucket.expect_at(stress.port());
    assert_eq!(bucket.listed_at(odd.nodes[1].port), bucket.objects.len());
}

#[test]
fn a_key_that_cannot_be_moved_is_named_before_it_begins() {
    let stress = Stress::start(&[]);
    let odd = Odd::beside(&stress);
    assert_eq!(stress.s3("PUT", "/odd/a//b", b"two slashes").status, 200);
    let why = stress.moving.gateway.api.refused("POST", "/api/migrations", &odd.order(), 400);
    assert!(why.contains(r#""a//b""#) && why.contains("rename or delete"), "{why}");
    assert_eq!(odd.nodes[1].buckets(), 0, "nothing was begun");
}

#[test]
fn a_key_that_cannot_be_moved_is_written_meanwhile() {
    let stress = Stress::start(&[]);
    let odd = Odd::beside(&stress);
    let mut bucket = Bucket { stress: &stress, name: "odd", objects: BTreeMap::new() };
    bucket.put("before", "before", "blue");
    let parked = Parked::begin_with(&stress, || odd.begin(&stress));
    bucket.put("meanwhile", "meanwhile", "blue");
    bucket.put("a//b", "two slashes", "blue");
    let over = stress.moving.until_over(parked.let_go());
    assert_eq!(over["phase"], "error", "{over:#}");
    assert!(over["error_msg"].as_str().unwrap().contains(r#""a//b""#), "{over:#}");
    bucket.put("afterwards", "afterwards", "blue");
    bucket.expect_at(odd.nodes[0].port);
    bucket.expect_at(stress.port());
    assert!(!stress.moving.server_block().contains("migration_id"), "nginx is plain again");
}
