//! `orphaned list`: what migrations left behind, with and without a server.

use serde_json::{Value, json};

use super::place::Place;
use super::stderr;

fn list(place: &Place, arguments: &[&str]) -> String {
    let output = place.command().args(["orphaned", "list"]).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// A finished migration, as its record on disk tells of it: a rebuild takes it over.
fn finished(place: &Place) {
    let server = place.start(place.serve());
    place.make_pool("old-pool");
    place.make_pool("new-pool");
    drop(server);
    let records = place.data().join("migrations");
    std::fs::create_dir_all(&records).unwrap();
    let record = json!({
        "migration_id": 4, "vhost_id": 1, "bucket": "photos", "source_pool_id": 1, "source_pool_name": "old-pool",
        "target_pool_id": 2, "target_pool_name": "new-pool", "status": "done", "orphaned_source_pool_id": 1,
        "orphaned_source_prefix": "/photos/", "orphaned_at": "2026-03-01T10:00:00Z",
    });
    std::fs::write(records.join("migration-4.done.json"), record.to_string()).unwrap();
    let rebuilt = place.command().args(["rebuild-db", "--force"]).output().unwrap();
    assert_eq!(rebuilt.status.code(), Some(0), "{}", stderr(&rebuilt));
}

#[test]
fn what_migrations_left_is_a_table_for_people_and_json_for_programs_with_and_without_a_server() {
    let place = Place::new();
    assert_eq!(list(&place, &[]), "No orphaned data found.\n");
    assert!(!place.beside("").exists(), "a question makes no database");
    finished(&place);
    let table = "ID     Bucket                   Source Pool            Prefix                     Orphaned At\n\
                 4      photos                   old-pool               /photos/                   2026-03-01 10:00:00\n";
    let offline: Value = serde_json::from_str(&list(&place, &["--json"])).unwrap();
    assert_eq!(list(&place, &[]), table);
    let _server = place.start(place.serve());
    assert_eq!(list(&place, &[]), table);
    assert_eq!(offline, place.get("/api/migrations/orphaned"));
    assert_eq!(serde_json::from_str::<Value>(&list(&place, &["--json"])).unwrap(), offline);
    assert_eq!((&offline[0]["migration_id"], &offline[0]["orphaned_source_pool_id"]), (&json!(4), &json!(1)));
}
