//! What a move waits for, and what ends the wait.

use nanio_orchestrator::ports::gate::{Admission, Gate as _, Worker};
use serde_json::json;

use super::{Moves, node};

#[tokio::test]
async fn what_cannot_be_read_in_the_journal_before_the_copy_is_found_by_the_comparison_after_it() {
    let moves = Moves::waiting().await;
    moves.world.gate.set_workers(Ok(vec![Worker { pid: 7, started: 1 }]));
    moves.run_engine();
    let id = moves.begin("photos").await;
    moves.until(id, |one| one["step"] == "await_workers").await;
    let token = moves.world.gate.tokens().await.unwrap().remove(0);
    moves.world.gate.append(&token, b"not a line of nginx");
    moves.world.gate.set_workers(Ok(vec![Worker { pid: 8, started: 2 }]));
    moves.until(id, |one| one["phase"] == "done").await;
    moves.until_said(id, "a line of the journal cannot be read").await;
}

#[tokio::test]
async fn a_journal_that_never_can_be_read_ends_the_migration_and_the_source_serves() {
    let moves = Moves::waiting().await;
    moves.world.gate.set_workers(Ok(vec![Worker { pid: 7, started: 1 }]));
    moves.run_engine();
    let id = moves.begin("photos").await;
    moves.until(id, |one| one["step"] == "await_workers").await;
    let token = moves.world.gate.tokens().await.unwrap().remove(0);
    moves.world.gate.lose_journal(&token);
    moves.world.gate.set_workers(Ok(vec![Worker { pid: 8, started: 2 }]));
    let ended = moves.until(id, |one| one["phase"] == "error").await;
    moves.until_said(id, "with the configuration of before: [8]").await;
    moves.world.gate.set_workers(Ok(vec![Worker { pid: 9, started: 3 }]));
    moves.until(id, |one| one["step"] == "end").await;
    assert!(ended["error_msg"].as_str().unwrap().contains("the journal is gone"), "{ended}");
    assert!(moves.world.gate.tokens().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_upload_that_nobody_ends_is_named_with_what_to_do_and_its_end_is_the_migrations() {
    let moves = Moves::waiting().await;
    let first = node(0);
    moves.world.buckets.at(&first).begin_upload("photos", "a film", "u-1");
    moves.run_engine();
    let id = moves.begin("photos").await;
    moves.until_said(id, "(upload id u-1)").await;
    moves.until_said(id, "aws s3api abort-multipart-upload --bucket photos").await;
    let waits = moves.get(id).await;
    assert_eq!((&waits["phase"], &waits["step"]), (&json!("done"), &json!("await_uploads")));
    moves.world.buckets.at(&first).end_uploads("photos");
    moves.until_over(id).await;
}

#[tokio::test]
async fn an_upload_that_begins_while_writes_begin_to_be_held_is_gone_on_with_where_it_is() {
    let moves = Moves::waiting().await;
    let (first, gate) = (node(0), moves.world.gate.clone());
    gate.set_workers(Ok(vec![Worker { pid: 7, started: 1 }]));
    moves.run_engine();
    let id = moves.begin("photos").await;
    moves.until(id, |one| one["step"] == "await_workers").await;
    let token = gate.tokens().await.unwrap().remove(0);
    // On its way when writes are held: the source has not heard of it when its uploads are listed.
    let line = |rest: &str| {
        let common =
            r#""rid":"r1","m":"POST","u":"/photos/film?uploads","k":"photos","v":"path","pid":8,"t":4102444800"#;
        format!("{{{common},{rest}}}").into_bytes()
    };
    gate.append(&token, &line(r#""e":"start""#));
    gate.set_workers(Ok(vec![Worker { pid: 8, started: 2 }]));
    gate.admitted(&token, |admission| matches!(admission, Admission::Hold)).await;
    moves.until(id, |one| one["step"] == "drain").await;
    moves.world.buckets.at(&first).begin_upload("photos", "film", "late");
    gate.append(&token, &line(r#""e":"end","s":"200","us":"200","to":"first""#));
    let Admission::Destination(after) = gate.admitted(&token, |said| matches!(said, Admission::Destination(_))).await
    else {
        panic!("not open")
    };
    assert!(after.uploads.contains("late"), "its parts would go where nobody knows it");
    moves.until_said(id, "with the configuration of before: [8]").await;
    gate.set_workers(Ok(vec![Worker { pid: 9, started: 3 }]));
    moves.until(id, |one| one["step"] == "await_uploads").await;
    moves.world.buckets.at(&first).end_uploads("photos");
    moves.until_said(id, "with the configuration of before: [9]").await;
    gate.set_workers(Ok(vec![Worker { pid: 10, started: 4 }]));
    assert_eq!(moves.until_over(id).await["phase"], "done");
}
