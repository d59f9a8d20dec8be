//! `/api/config/backup`, `/api/config/loops`, and what the loops do.

use std::sync::Arc;
use std::time::Duration;

use nanio_orchestrator::domain::audit::Actor;
use nanio_orchestrator::domain::services::backups::Attempt;
use nanio_orchestrator::ports::backup::BackupError;
use serde_json::{Value, json};

use super::world::World;

/// Action and outcome of the newest entry of the audit log.
async fn newest(world: &World) -> (Value, Value) {
    let entry = world.get("/api/audit?per_page=1").await.expect(200)[0].clone();
    assert_eq!((&entry["actor"], &entry["entity_type"]), (&json!("api"), &json!("config")));
    (entry["action"].clone(), serde_json::from_str(entry["after_json"].as_str().unwrap()).unwrap())
}

#[tokio::test]
async fn a_backup_on_demand_answers_as_0_4_did_and_is_in_the_audit_log() {
    let world = World::start().await;
    world.pool("p").await;
    let answer = world.post("/api/config/backup", Value::Null).await.expect(200);
    assert_eq!(answer, json!({"ok": true, "backup_path": "memory", "detail": null}));
    assert_eq!(world.backup.copies().len(), 1);
    let outcome = json!({"ok": true, "backup_path": "memory", "detail": null});
    assert_eq!(newest(&world).await, (json!("backup"), outcome));
}

#[tokio::test]
async fn a_backup_that_fails_is_200_and_says_why_and_that_is_in_the_audit_log_too() {
    let world = World::start().await;
    world.backup.fail(Some(BackupError::Failed("cannot write /b: no space left".to_owned())));
    let answer = world.post("/api/config/backup", Value::Null).await.expect(200);
    let outcome = json!({"ok": false, "backup_path": null, "detail": "cannot write /b: no space left"});
    assert_eq!(answer, outcome);
    assert_eq!(newest(&world).await, (json!("backup"), outcome));
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_backup_not_back() {
    let world = Arc::new(World::start().await);
    let held = world.backup.hold();
    let asking = world.clone();
    let client = tokio::spawn(async move { asking.post("/api/config/backup", Value::Null).await });
    held.begun.notified().await;
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    held.go_on.notify_one();
    // Waits for the copy under way, and for its entry.
    world.services.backups.demand(Actor::Cli).await.unwrap();
    let entries = world.get("/api/audit").await.expect(200);
    let told: Vec<_> = entries.as_array().unwrap().iter().map(|entry| (&entry["actor"], &entry["action"])).collect();
    let backup = json!("backup");
    assert_eq!(told, [(&json!("cli"), &backup), (&json!("api"), &backup)]);
}

#[tokio::test]
async fn a_database_that_its_server_backs_up_is_409_with_what_to_use() {
    let world = World::start().await;
    world.backup.fail(Some(BackupError::Elsewhere("use pg_dump")));
    assert_eq!(world.post("/api/config/backup", Value::Null).await.detail(409), "use pg_dump");
    assert_eq!(world.get("/api/audit").await.expect(200), json!([]), "nothing was done");
}

#[tokio::test]
async fn f48_the_copies_are_not_worn_out_while_nothing_is_written() {
    let world = World::start().await;
    let backups = &world.services.backups;
    assert!(backups.catch_up().await.unwrap().is_some(), "nobody knows what was copied before this start");
    assert_eq!(backups.catch_up().await, Ok(None));
    world.pool("p").await;
    assert!(backups.catch_up().await.unwrap().is_some());
    assert_eq!(backups.catch_up().await, Ok(None));
    assert_eq!(world.backup.copies().len(), 2);
}

#[tokio::test]
async fn the_entry_about_a_backup_is_no_reason_for_another() {
    let world = World::start().await;
    let attempt = world.services.backups.demand(Actor::Api).await.unwrap();
    assert!(matches!(attempt, Attempt::Done(_)));
    assert_eq!(world.services.backups.catch_up().await, Ok(None));
    // Asked for, it is made even so.
    world.services.backups.demand(Actor::Api).await.unwrap();
    assert_eq!(world.backup.copies().len(), 2);
}

#[tokio::test]
async fn a_backup_that_failed_is_made_up_for_by_the_next_run() {
    let world = World::start().await;
    world.backup.fail(Some(BackupError::Failed("no".to_owned())));
    assert!(world.services.backups.catch_up().await.is_err());
    world.services.backups.demand(Actor::Api).await.unwrap();
    world.backup.fail(None);
    assert!(world.services.backups.catch_up().await.unwrap().is_some());
}

#[tokio::test]
async fn f48_whoever_asks_for_a_backup_in_the_background_wakes_its_loop() {
    let world = World::start().await;
    let wanted = world.services.backups.wanted();
    world.services.backups.soon();
    world.services.backups.soon();
    // Both asked before anybody waited: the loop runs once.
    wanted.notified().await;
}

#[tokio::test]
async fn loops_show_what_came_of_their_last_run() {
    let world = World::start().await;
    assert_eq!(world.get("/api/config/loops").await.expect(200), json!([]));
    let seat = world.services.loops.enter("backup", Duration::from_secs(300));
    let now = nanio_orchestrator::ports::clock::Clock::now(world.clock.as_ref());
    seat.write(|report| {
        report.begin(now);
        report.end(now, Ok("copied".to_owned()));
        report.begin(now);
        report.end(now.later(Duration::from_secs(2)), Err("disk full".to_owned()));
        report.wait_until(now.later(Duration::from_secs(300)));
    });
    let expected = json!([{
        "name": "backup", "interval": 300, "runs": 2, "running": false,
        "last_run_at": "2026-11-24T02:40:00Z", "last_success_at": "2026-11-24T02:40:00Z", "last_result": "copied",
        "last_error": "disk full", "next_run_at": "2026-11-24T02:45:00Z",
    }]);
    assert_eq!(world.get("/api/config/loops").await.expect(200), expected);
    assert_eq!(world.send("GET", "/api/config/loops", &[], "").await.status, 401);
}

#[tokio::test]
async fn audit_entries_older_than_they_are_kept_go_in_steps_and_the_others_stay() {
    let world = World::start().await;
    let audit = &world.services.audit;
    for _ in 0..1203 {
        world.services.backups.demand(Actor::Api).await.unwrap();
    }
    world.clock.advance(3600);
    world.pool("p").await;
    let hour = Duration::from_secs(3600);
    assert_eq!(audit.forget_older_than(hour).await, Ok(0), "none is older than an hour yet");
    world.clock.advance(1);
    assert_eq!(audit.forget_older_than(hour).await, Ok(1203));
    let left = world.get("/api/audit").await.expect(200);
    assert_eq!(left.as_array().unwrap().len(), 2, "the pool and its member: {left}");
}
