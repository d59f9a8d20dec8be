//! A split as nanio-orchestrator 0.4.1 writes it, in a real nginx before real nodes, ends while clients write.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::gateway::Gateway;
use crate::support::nanio::Nanio;
use crate::support::nginx::wait_for_port;
use crate::support::s3;

/// Bucket `photos` is read on `pool-one` and written on `pool-two`.
struct Split {
    gateway: Gateway,
    first: Nanio,
    second: Nanio,
}

/// The lines that 0.4.1 repeats in every location.
const PROXY: &str = "        proxy_http_version 1.1;
        proxy_set_header   Host              $host;
        proxy_set_header   X-Real-IP         $remote_addr;
        proxy_set_header   X-Forwarded-For   $proxy_add_x_forwarded_for;
        proxy_set_header   Connection        \"\";
";

impl Split {
    fn start() -> Self {
        let (gateway, first, second) = (Gateway::start(), Nanio::start(), Nanio::start());
        for node in [&first, &second] {
            node.make("photos");
        }
        for key in ["same", "overwritten", "dir/uncopied"] {
            first.write_ago("photos", key, b"old", 100);
        }
        first.write_ago("photos", "late", b"written before the split", 20);
        second.write_ago("photos", "same", b"old", 90);
        second.write_ago("photos", "overwritten", b"during the split", 10);
        second.write_ago("photos", "new", b"n", 10);
        second.write_ago("photos", "late", b"copied too early", 60);
        let split = Self { gateway, first, second };
        split.write_files();
        split.gateway.api.post("/api/config/rebuild-from-disk", &json!({}));
        split.gateway.reload();
        wait_for_port(split.gateway.port);
        split
    }

    /// What 0.4.1 wrote while it was splitting (see tests/fixtures/v0_4_1).
    fn write_files(&self) {
        let managed = self.gateway.nginx.managed();
        let write = |name: &str, text: String| {
            let path = managed.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        for (id, name, node) in [(1, "pool-one", &self.first), (2, "pool-two", &self.second)] {
            let text = format!(
                "# managed by nanio-orchestrator\n# pool_id:{id} name:{name} type:nanio updated:2026-11-24T06:38:44Z\n\
                 upstream {name} {{\n    server {} weight=1 max_fails=3 fail_timeout=30s;\n    keepalive 32;\n}}\n",
                node.address()
            );
            write(&format!("pools/{name}.conf"), text);
        }
        let text = format!(
            "# managed by nanio-orchestrator
# vhost_id:1 name:localhost updated:2026-11-24T06:38:46Z
server {{
    listen {port};
    server_name localhost;

    client_max_body_size 0;
    proxy_request_buffering off;
    proxy_buffering         off;

    # route_id:2 prefix:/photos/ [LIVE MIGRATION → pool-two]
    location /photos/ {{
        # Live migration split routing:
        #   writes (PUT/POST/DELETE) → destination pool (pool-two)
        #   reads  (GET/HEAD)        → source pool (pool-one), 404-fallback to destination
        error_page 418 = @nanio_mig_2;
        if ($request_method !~ ^(GET|HEAD|OPTIONS)$) {{ return 418; }}
        proxy_intercept_errors on;
        error_page 404 = @nanio_mig_2;
        proxy_pass         http://pool-one;
{PROXY}    }}

    # route_id:1 prefix:/
    location / {{
        proxy_pass         http://pool-one;
{PROXY}    }}

    # Named fallback/write location for live migration route_id:2
    location @nanio_mig_2 {{
        proxy_pass         http://pool-two;
{PROXY}    }}
}}
",
            port = self.gateway.port
        );
        write("vhosts/localhost.conf", text);
    }

    fn s3(&self, method: &str, key: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let answer = s3::send(method, &format!("/photos/{key}"), body, self.gateway.port);
        (answer.status, answer.body)
    }

    /// The record of the split.
    fn record(&self) -> i64 {
        let migrations = self.gateway.api.get("/api/migrations");
        assert_eq!((&migrations[0]["needs_adoption"], migrations.as_array().unwrap().len()), (&json!(true), 1));
        migrations[0]["id"].as_i64().unwrap()
    }

    fn until_over(&self, id: i64) -> Value {
        let deadline = Instant::now() + Duration::from_secs(180);
        loop {
            let migration = self.gateway.api.get(&format!("/api/migrations/{id}"));
            if migration["step"] == "end" && migration["needs_adoption"] == false {
                return migration;
            }
            let log = || self.gateway.api.get(&format!("/api/migrations/{id}/log?limit=200"));
            assert!(Instant::now() < deadline, "{migration:#}\n{:#}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Writes new objects, overwrites one, and deletes some, until it is told to stop; gives what each key holds by the
    /// last answer. What is signed for a name with a port, 0.4.1 passes on without it (F21): that is refused, not lost.
    fn write(&self, writer: usize, stop: &AtomicBool) -> BTreeMap<String, Option<Vec<u8>>> {
        let mut known = BTreeMap::new();
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            let content = format!("{writer} wrote {number}").into_bytes();
            for key in [format!("w{writer}/{number}"), format!("again-{writer}")] {
                match self.s3("PUT", &key, &content).0 {
                    200 => drop(known.insert(key, Some(content.clone()))),
                    403 => {}
                    status => panic!("PUT {key}: {status}"),
                }
            }
            let key = format!("w{writer}/{number}");
            let is_written = known.contains_key(&key);
            if is_written {
                // Another worker may have the file of 0.4.1 yet.
                let read = self.s3("GET", &key, b"");
                assert!(read.0 == 403 || read == (200, content), "{key} is not read as it was written: {read:?}");
                if number % 3 == 0 && self.s3("DELETE", &key, b"").0 == 204 {
                    known.insert(key, None);
                }
            }
        }
        known
    }

    /// Adopts the split while clients write; gives the records of adoption and split, and what the bucket must hold.
    fn adopt(&self, to: &str) -> (Value, Value, BTreeMap<String, Option<Vec<u8>>>) {
        let record = self.record();
        let stop = AtomicBool::new(false);
        let (adoption, record, mut known) = std::thread::scope(|scope| {
            let stop = &stop;
            let writers: Vec<_> = (0..2).map(|writer| scope.spawn(move || self.write(writer, stop))).collect();
            let adoption = self.gateway.api.post(&format!("/api/migrations/{record}/adopt"), &json!({"to": to}));
            let adoption = self.until_over(adoption["id"].as_i64().unwrap());
            let record = match to {
                "destination" => self.until_over(record),
                _ => self.gateway.api.get(&format!("/api/migrations/{record}")),
            };
            stop.store(true, Ordering::Relaxed);
            let known = writers.into_iter().flat_map(|writer| writer.join().unwrap());
            (adoption, record, known.collect::<BTreeMap<_, _>>())
        });
        assert!(known.len() > 10, "clients wrote meanwhile: {}", known.len());
        for (key, content) in [
            ("same", "old"),
            ("overwritten", "during the split"),
            ("new", "n"),
            ("late", "written before the split"),
            ("dir/uncopied", "old"),
        ] {
            known.insert(key.to_owned(), Some(content.as_bytes().to_vec()));
        }
        (adoption, record, known)
    }

    /// Everything that a client was told is there, and nothing else; and one pool has it.
    fn expect(&self, known: &BTreeMap<String, Option<Vec<u8>>>, pool: &Nanio) {
        for (key, content) in known {
            match content {
                Some(content) => assert_eq!(self.s3("GET", key, b""), (200, content.clone()), "{key}"),
                None => assert_eq!(self.s3("GET", key, b"").0, 404, "{key}"),
            }
        }
        let there: Vec<&String> = known.iter().filter(|(_, content)| content.is_some()).map(|(key, _)| key).collect();
        let held = pool.keys("photos");
        assert_eq!(held.iter().collect::<Vec<_>>(), there);
        let block = std::fs::read_to_string(self.gateway.nginx.managed().join("vhosts/localhost.conf")).unwrap();
        assert!(!block.contains("migration_id"), "{block}");
    }
}

#[test]
fn f02_f17_f53_a_split_of_0_4_1_ends_on_its_source_while_clients_write() {
    let split = Split::start();
    let (adoption, record, known) = split.adopt("source");
    assert_eq!((&adoption["phase"], &record["phase"]), (&json!("done"), &json!("cancelled")), "{adoption:#}");
    assert!(adoption["write_hold_ms"].as_u64().unwrap() < 20_000);
    split.expect(&known, &split.first);
}

#[test]
fn f02_f26_a_split_of_0_4_1_ends_on_its_destination_while_clients_write() {
    let split = Split::start();
    let (adoption, record, known) = split.adopt("destination");
    assert_eq!((&adoption["phase"], &record["phase"]), (&json!("done"), &json!("done")), "{record:#}");
    split.expect(&known, &split.second);
}
