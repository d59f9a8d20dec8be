//! `bucket`, and migrations that really happen: real nodes, for the last test real nginx and rclone.

use std::process::Command;

use serde_json::{Value, json};

use super::double::asking;
use super::{Desk, stderr, stdout, words};
use crate::real::migration::Moving;
use crate::support::nanio::{ACCESS_KEY, Nanio, SECRET_KEY};
use crate::support::orchestrator::API_KEY;

/// Two pools of a real node each, and a vhost that serves the first.
fn desk(first: &Nanio, second: &Nanio) -> Desk {
    let mut desk = Desk::open();
    desk.server = None;
    let mut serve = desk.place.serve();
    serve.env("NANIO_ORCHESTRATOR_S3_ACCESS_KEY", ACCESS_KEY).env("NANIO_ORCHESTRATOR_S3_SECRET_KEY", SECRET_KEY);
    desk.server = Some(desk.place.start(serve));
    for (pool, node) in [("one", first), ("two", second)] {
        desk.says(&["pool", "create", "--name", pool]);
        desk.says(&["pool", "member", "add", pool, "--address", &node.address()]);
    }
    let vhost = ["vhost", "create", "--server-name", "s3.test", "--ssl", "false", "--default-pool", "one"];
    desk.says(&[&vhost[..], &["--listen-port", "8081"]].concat());
    desk
}

#[test]
fn buckets_are_synced_listed_ignored_and_given_routes() {
    let (first, second) = (Nanio::start(), Nanio::start());
    for bucket in ["music", "photos"] {
        first.write(bucket, "a", b"1");
    }
    let desk = desk(&first, &second);
    let synced = desk.json(&["bucket", "sync", "--vhost", "s3.test"]);
    assert_eq!(synced["buckets_found"], 2);
    let list = desk.says(&["bucket", "list", "--vhost", "s3.test"]);
    assert_eq!(words(&list)[1][..3], ["music", "unrouted", "-"]);
    let counted = desk.json(&["bucket", "list", "--vhost", "1", "--fetch-counts"]);
    assert_eq!(counted["buckets"][1]["object_count"], 1);
    desk.says(&["bucket", "ignore", "music", "--vhost", "s3.test"]);

    let promote = ["bucket", "promote", "photos", "--vhost", "s3.test", "--pool-id", "two"];
    let refused = desk.fails(&promote, 1);
    assert!(refused.contains("400") && refused.contains("--allow-orphan"), "{refused}");
    let promoted = desk.json(&[&promote[..], &["--allow-orphan"]].concat());
    assert_eq!((&promoted["route"], &promoted["migration_id"]), (&json!("/photos/"), &Value::Null));
    let statuses = words(&desk.says(&["bucket", "list", "--vhost", "s3.test"]))
        .into_iter()
        .map(|row| row[1].to_owned())
        .collect::<Vec<_>>();
    assert_eq!(statuses, ["STATUS", "ignored", "routed"]);
}

#[test]
fn what_was_left_behind_is_found_and_purged_after_a_yes_and_what_is_served_is_not() {
    let (first, second) = (Nanio::start(), Nanio::start());
    for key in ["a", "b"] {
        first.write("photos", key, b"1");
    }
    second.make("photos");
    let desk = desk(&first, &second);
    let route = ["route", "create", "s3.test", "--path-prefix", "/photos/", "--pool-id", "two", "--allow-orphan"];
    desk.says(&route);
    desk.says(&["bucket", "sync", "--vhost", "s3.test"]);
    let held = desk.says(&["bucket", "list", "--pool", "one"]);
    assert_eq!(words(&held)[1][..2], ["photos", "unrouted"], "{held}");
    assert_eq!(words(&desk.says(&["bucket", "list", "--pool", "two"]))[1][..3], ["photos", "routed", "s3.test"]);
    let orphans = desk.says(&["bucket", "orphans", "--vhost", "s3.test"]);
    assert_eq!(words(&orphans)[1], ["photos", "2", "yes"]);

    let served = desk.fails(&["bucket", "purge", "photos", "--pool", "two", "--yes"], 1);
    assert!(served.contains("by a route of s3.test") && served.contains("409"), "{served}");
    let purge = ["bucket", "purge", "photos", "--vhost", "s3.test"];
    let asked = desk.fails(&purge, 1);
    assert!(asked.contains("2 objects of photos on the default pool") && asked.contains("--yes"), "{asked}");
    assert_eq!(first.keys("photos").len(), 2);
    let purged = desk.json(&[&purge[..], &["--yes"]].concat());
    assert_eq!((&purged["deleted"], &purged["ok"]), (&json!(2), &json!(true)));
    assert!(first.keys("photos").is_empty());
    let (nothing, told) = desk.told(&["bucket", "orphans", "--vhost", "s3.test"]);
    assert!(nothing.is_empty() && told.contains("No bucket has left anything"), "{nothing}{told}");
}

/// A command that asks the server of a gateway.
fn at(moving: &Moving, arguments: &[&str]) -> Command {
    let mut command = asking(moving.gateway.api.port, arguments);
    command.env("NANIO_ORCHESTRATOR_API_KEY", API_KEY);
    command
}

#[test]
fn a_bucket_is_looked_at_moved_and_read_about() {
    let moving = Moving::start();
    let said = |arguments: &[&str]| {
        let output = at(&moving, arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    };
    let pools = ["--src-pool-id", "pool-one", "--dst-pool-id", "pool-two"];
    let preflight = [&["migration", "preflight", "photos"][..], &pools].concat();
    let failed = at(&moving, &preflight).output().unwrap();
    assert_eq!(failed.status.code(), Some(1), "there is no such bucket: {}", stderr(&failed));
    assert!(stdout(&failed).contains("failed"), "{}", stdout(&failed));

    assert_eq!(moving.s3("PUT", "/photos", b"").0, 200);
    assert_eq!(moving.s3("PUT", "/photos/a.txt", b"sand").0, 200);
    assert!(!said(&preflight).contains("failed"));
    let start = [&["migration", "start", "photos"][..], &pools, &["--wait", "-o", "json"]].concat();
    let ended: Value = serde_json::from_str(&said(&start)).unwrap();
    assert_eq!(ended["phase"], "done", "{ended}");
    let id = ended["id"].to_string();
    assert_eq!(moving.s3("GET", "/photos/a.txt", b""), (200, b"sand".to_vec()));
    assert_eq!(
        words(&said(&["migration", "list", "--phase", "done"]))[1][..4],
        [&id, "photos", "pool-one", "pool-two"]
    );
    assert!(said(&["migration", "log", &id, "--limit", "3"]).lines().count() <= 4);
    assert!(said(&["migration", "get", &id]).lines().any(|line| line.starts_with("phase") && line.ends_with("done")));
    for deed in ["cancel", "pause", "resume"] {
        let late = at(&moving, &["migration", deed, &id]).output().unwrap();
        assert_eq!(late.status.code(), Some(1), "{deed}: {}", stdout(&late));
        assert!(stderr(&late).contains("409") || stderr(&late).contains("400"), "{deed}: {}", stderr(&late));
    }
}
