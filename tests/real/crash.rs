//! SIGKILL in the middle of changes: database, disk and nginx agree afterwards.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::echo::Echo;
use crate::support::gateway::Gateway;
use crate::support::nginx::{snapshot, wait_until};

#[test]
fn a_kill_in_a_stream_of_changes_leaves_database_disk_and_nginx_agreed() {
    let (mut gateway, first, second) = (Gateway::start(), Echo::start("first"), Echo::start("second"));
    let default = gateway.pool("first", &[first.address()]);
    let routed = gateway.pool("second", &[second.address()]);
    let vhost = gateway.vhost("localhost", default);
    let path = format!("/api/vhosts/{vhost}/routes");
    let mut acknowledged = Vec::new();
    let managed = gateway.nginx.managed();
    let log = gateway.api.database().with_extension("db-wal");
    let (intent, watched) = (managed.join(".nanio/intent.json"), managed.join("vhosts/localhost.conf"));
    for round in 0..8_usize {
        let made = AtomicUsize::new(0);
        let answered: Vec<String> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..2)
                .map(|writer| {
                    let (api, path, made) = (&gateway.api, &path, &made);
                    scope.spawn(move || {
                        let mut own = Vec::new();
                        for number in 0..1000 {
                            let prefix = format!("/b-{round}-{writer}-{number}/");
                            let route = json!({"path_prefix": prefix, "pool_id": routed, "allow_orphan": true});
                            match api.try_call("POST", path, Some(&route)) {
                                Ok(answer) if answer.status == 201 => own.push(prefix),
                                Ok(answer) => panic!("{} {}", answer.status, answer.text()),
                                Err(_) => break,
                            }
                            made.fetch_add(1, Ordering::SeqCst);
                            // A rename touches several files at once.
                            let name = json!({"name": format!("second-{round}-{writer}-{number}")});
                            if api.try_call("PUT", &format!("/api/pools/{routed}"), Some(&name)).is_err() {
                                break;
                            }
                        }
                        own
                    })
                })
                .collect();
            wait_until("the first answers", || made.load(Ordering::SeqCst) > round);
            // By turns: right after an answer, while nginx is asked about the next change; when files are about
            // to be moved; after the first of them was; and after the database has committed.
            let (first, rows) = (file(&watched), file(&log));
            match round % 4 {
                0 => {}
                1 => spin_until(|| intent.exists()),
                2 => spin_until(|| file(&watched) != first),
                _ => {
                    spin_until(|| file(&watched) != first);
                    spin_until(|| file(&log) != rows);
                }
            }
            gateway.api.kill();
            writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
        });
        acknowledged.extend(answered);
        gateway.api.restart();
        assert_agreed(&gateway, &path, &acknowledged);
    }
    gateway.go_live();
    for prefix in &acknowledged {
        assert_eq!(gateway.served_by(&format!("{prefix}k")), "second");
    }
}

/// As `wait_until`, for what lasts a millisecond.
fn spin_until(ready: impl Fn() -> bool) {
    let start = Instant::now();
    while !ready() {
        assert!(start.elapsed() < Duration::from_secs(60), "the moment did not come");
    }
}

/// What changes when a file is written or replaced.
fn file(path: &Path) -> Option<(u64, u64, i64)> {
    std::fs::metadata(path).map(|metadata| (metadata.ino(), metadata.len(), metadata.mtime_nsec())).ok()
}

fn assert_agreed(gateway: &Gateway, path: &str, acknowledged: &[String]) {
    let routes = gateway.api.get(path);
    let prefixes: Vec<&str> = routes.as_array().unwrap().iter().map(|r| r["path_prefix"].as_str().unwrap()).collect();
    for prefix in acknowledged {
        assert!(prefixes.contains(&prefix.as_str()), "{prefix} was acknowledged and is gone");
    }
    let status = gateway.api.get("/api/config/status");
    for file in status["files"].as_array().unwrap() {
        assert_eq!(file["drifted"], false, "{file}");
    }
    let files = snapshot(&gateway.nginx.managed());
    assert_eq!(files.len(), status["files"].as_array().unwrap().len(), "{:?}", files.keys());
    assert!(
        files.keys().all(|path| path.extension().is_some_and(|extension| extension == "conf" || extension == "json")),
        "{:?}",
        files.keys()
    );
    // What would be written now is what is there.
    for entity in ["pool", "vhost"] {
        for item in gateway.api.get(&format!("/api/{entity}s")).as_array().unwrap() {
            let preview = gateway.api.get(&format!("/api/config/preview/{entity}/{}", item["id"]));
            let (shown, content) = (preview["filepath"].as_str().unwrap(), preview["content"].as_str().unwrap());
            let (_, bytes) = files.iter().find(|(path, _)| path.ends_with(shown)).unwrap_or_else(|| panic!("{shown}"));
            assert_eq!(String::from_utf8_lossy(bytes), content);
        }
    }
    assert!(!gateway.nginx.managed().join(".nanio/intent.json").exists());
    assert!(gateway.nginx.accepts_live_tree());
}
