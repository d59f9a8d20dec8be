//! Back-fills, on storage, copier and gate in memory: what the default pool still has of a bucket is carried over, and
//! nothing that clients do meanwhile is undone.

mod rig;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt as _;
use nanio_orchestrator::domain::migration::token::TokenState;
use nanio_orchestrator::ports::gate::{Admission, Gate as _};
use serde_json::{Value, json};
use tokio::sync::Notify;

use rig::{Op, Rig};

#[tokio::test]
async fn what_the_default_pool_still_has_is_carried_over_and_nothing_is_overwritten() {
    let rig = Rig::start(&["a", "b/c", "both", "folder/"]).await;
    rig.client().act(Op::Put("both"), 7).await;
    let before = rig.conf();
    let told = rig.world.post(&rig.path, Value::Null).await.expect(200);
    let id = told["migration_id"].as_i64().unwrap();
    assert_eq!(told, json!({"ok": true, "bucket": "photos", "migration_id": id}));
    rig.run_engine();
    let over = rig.until_over(id).await;
    assert_eq!(
        (&over["phase"], &over["kind"]),
        (&json!("done"), &json!("back_fill")),
        "{over:#}\n{}",
        rig.log(id).await
    );
    assert_eq!(
        (&over["objects_done"], &over["objects_total"], &over["orphaned_at"]),
        (&json!(3), &json!(3), &json!(null))
    );
    let old = Rig::OLD;
    let expected = [("a", old), ("b/c", old), ("both", 7), ("folder/", 0)].map(|(key, size)| (key.to_owned(), size));
    assert_eq!(rig.destination().await, BTreeMap::from(expected));
    assert_eq!(rig.conf(), before, "nginx has nothing of it any more");
    assert_eq!(rig.world.gate.tokens().await.unwrap(), []);
    assert_eq!(rig.audited().await, ["start_migration", "migration_done"]);
    let buckets = rig.world.get(&format!("/api/vhosts/{}/buckets", rig.vhost)).await.expect(200);
    assert_eq!(
        (&buckets["buckets"][0]["status"], &buckets["buckets"][0]["routed_pool_id"]),
        (&json!("routed"), &json!(rig.pools[1]))
    );
    let again = rig.begin().await;
    let over = rig.until_over(again).await;
    assert_eq!((&over["phase"], &over["objects_done"]), (&json!("done"), &json!(0)), "it may be asked for again");
}

#[tokio::test]
async fn f02_no_write_or_deletion_of_a_client_is_undone_however_it_falls() {
    let keys: Vec<String> = (0..60).map(|number| format!("k{number:02}")).collect();
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    let rig = Rig::start(&names).await;
    rig.world.copier.before_each(|_| {
        // Every client gets a turn before each object.
        async {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
        .boxed()
    });
    rig.run_engine();
    let id = rig.begin().await;
    // What was deleted before the journal is on is not known.
    rig.until(id, |migration| ["seek", "fill"].contains(&migration["step"].as_str().unwrap())).await;
    // Each key of the first 40 has a writer of its own, whose every answer must stay true until his next write.
    let clients: Vec<_> = (0..40u64)
        .map(|number| {
            let (client, key) = (rig.client(), keys[usize::try_from(number).unwrap()].clone());
            tokio::spawn(async move {
                let mut last = None;
                for round in 0..40 {
                    let turns = (number * 7 + round * 3) % 11;
                    for _ in 0..turns {
                        tokio::task::yield_now().await;
                        if let Some(last) = last {
                            assert_eq!(client.read(&key).await, last, "{key} in round {round}");
                        }
                    }
                    if (number + round) % 13 == 5 {
                        continue;
                    }
                    let op = match (number + round) % 3 {
                        0 => Op::Put(&key),
                        1 => Op::Delete(&key),
                        _ => Op::DeleteMany(&key),
                    };
                    let size = 1000 + round;
                    client.act(op, size).await;
                    last = Some(matches!(op, Op::Put(_)).then_some(size));
                }
                (key, last.unwrap())
            })
        })
        .collect();
    let mut expected: BTreeMap<String, u64> = keys[40..].iter().map(|key| (key.clone(), Rig::OLD)).collect();
    for client in clients {
        let (key, last) = client.await.unwrap();
        expected.extend(last.map(|size| (key, size)));
    }
    let over = rig.until_over(id).await;
    assert_eq!(over["phase"], "done", "{over:#}\n{}", rig.log(id).await);
    assert_eq!(rig.destination().await, expected, "{}", rig.log(id).await);
}

#[tokio::test]
async fn f02_who_writes_a_key_while_it_is_copied_waits_and_wins_and_others_do_not_wait() {
    let rig = Rig::start(&["a", "b"]).await;
    let (reached, go) = rig.stop_before("a");
    rig.run_engine();
    let id = rig.begin().await;
    reached.notified().await;
    let token = rig.token().await;
    let (waits, other) = (rig.client(), rig.client());
    let deletes = rig.client();
    let put = tokio::spawn(async move { waits.act(Op::Put("a"), 9).await });
    let deleted = tokio::spawn(async move { deletes.act(Op::Delete("b"), 0).await });
    rig.until_arrived(&token, 3).await; // With the canary.
    other.act(Op::Put("c"), 3).await;
    assert_eq!(rig.client().read("a").await, None);
    go.notify_one();
    put.await.unwrap();
    deleted.await.unwrap();
    assert_eq!(rig.client().read("b").await, None);
    let over = rig.until_over(id).await;
    assert_eq!(over["phase"], "done", "{over:#}");
    assert_eq!(rig.destination().await, BTreeMap::from([("a".to_owned(), 9), ("c".to_owned(), 3)]));
    assert!(rig.log(id).await.contains("1 objects were left out (clients deleted"), "{}", rig.log(id).await);
}

#[tokio::test]
async fn a_copier_that_fails_in_the_middle_keeps_its_keys_held_and_they_are_tried_again() {
    let rig = Rig::start(&["a", "b", "c"]).await;
    rig.world.copier.fail_next(1, "connection reset by peer");
    rig.run_engine();
    let id = rig.begin().await;
    let over = rig.until_over(id).await;
    assert_eq!((&over["phase"], &over["objects_done"]), (&json!("done"), &json!(3)), "{over:#}\n{}", rig.log(id).await);
    let log = rig.log(id).await;
    assert!(log.contains("connection reset by peer; its keys are held until nothing of it can arrive"), "{log}");
    assert_eq!(rig.destination().await.len(), 3);
}

#[tokio::test]
async fn a_key_that_the_copier_never_brings_is_named_at_the_end() {
    let rig = Rig::start(&["a", "b"]).await;
    rig.world.copier.skip("b");
    rig.run_engine();
    let id = rig.begin().await;
    let over = rig.until_over(id).await;
    assert_eq!(over["phase"], "error", "{over:#}");
    let why = over["error_msg"].as_str().unwrap();
    assert!(why.contains("1 objects were carried over, and 1 could not be: \"b\""), "{why}");
    assert_eq!(rig.destination().await.keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(rig.audited().await, ["start_migration", "migration_error"]);
    assert_eq!(rig.world.gate.tokens().await.unwrap(), []);
}

#[tokio::test]
async fn f02_without_a_sound_journal_nobody_guesses_what_clients_deleted() {
    for bulk in [false, true] {
        let rig = Rig::start(&["a", "b"]).await;
        let (reached, go) = rig.stop_before("a");
        rig.run_engine();
        let id = rig.begin().await;
        reached.notified().await;
        let token = rig.token().await;
        if bulk {
            // A bulk deletion of which nobody kept the body.
            for event in ["start", "end"] {
                let more =
                    if event == "end" { ",\"s\":\"200\",\"us\":\"200\",\"to\":\"second\",\"b\":\"\"" } else { "" };
                let line = format!(
                    "{{\"e\":\"{event}\",\"rid\":\"x\",\"m\":\"POST\",\"u\":\"/photos?delete\",\"k\":\"photos\",\"pid\":2,\"t\":0{more}}}"
                );
                rig.world.gate.append(&token, line.as_bytes());
            }
        } else {
            rig.world.gate.spoil(&token, "the disk was full");
        }
        go.notify_one();
        let over = rig.until_over(id).await;
        let why = over["error_msg"].as_str().unwrap();
        assert_eq!(over["phase"], "error", "{why}");
        assert!(why.contains("not known any more") && why.contains("Start the back-fill again"), "{why}");
        assert_eq!(rig.world.gate.tokens().await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_restart_in_the_middle_of_a_copy_holds_its_keys_first_and_brings_nothing_back() {
    let rig = Rig::start(&["a", "b", "c"]).await;
    let (reached, _go) = rig.stop_before("b");
    let engine = rig.run_engine();
    let id = rig.begin().await;
    reached.notified().await;
    let token = rig.token().await;
    let client = rig.client();
    let deletes = tokio::spawn(async move { client.act(Op::Delete("c"), 0).await });
    rig.until_arrived(&token, 2).await;
    engine.abort();
    assert!(engine.await.is_err());
    assert_eq!(rig.world.gate.state(&token).await.unwrap(), TokenState::Held);
    let again = rig.restarted();
    again.world.copier.before_each(|_| async {}.boxed());
    let held = {
        let (gate, token) = (again.world.gate.clone(), token.clone());
        tokio::spawn(async move { gate.admitted(&token, |admission| matches!(admission, Admission::Source(_))).await })
    };
    again.run_engine();
    held.await.unwrap();
    deletes.await.unwrap();
    let over = again.until_over(id).await;
    assert_eq!(over["phase"], "done", "{over:#}\n{}", again.log(id).await);
    assert_eq!(again.destination().await.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert!(again.log(id).await.contains("held until nothing of it can arrive"), "{}", again.log(id).await);
}

#[tokio::test]
async fn a_cancelled_back_fill_ends_its_portion_first_and_leaves_nginx_as_it_was() {
    let rig = Rig::start(&["a", "b"]).await;
    let before = rig.conf();
    let (reached, go) = rig.stop_before("a");
    rig.run_engine();
    let id = rig.begin().await;
    reached.notified().await;
    rig.world.post(&format!("/api/migrations/{id}/cancel"), json!({})).await.expect(200);
    let token = rig.token().await;
    assert_eq!(rig.world.gate.state(&token).await.unwrap(), TokenState::Held, "a copier is at work");
    go.notify_one();
    let over = rig.until_over(id).await;
    assert_eq!(over["phase"], "cancelled", "{over:#}");
    assert_eq!(rig.conf(), before);
    assert_eq!(rig.destination().await.len(), 2, "what was copied stays");
    assert_eq!(rig.audited().await, ["start_migration", "cancel_migration", "migration_cancelled"]);
}

#[tokio::test]
async fn a_paused_back_fill_holds_nobody_and_goes_on_where_it_was() {
    let rig = Rig::start(&["a"]).await;
    let (reached, go) = rig.stop_before("a");
    rig.run_engine();
    let id = rig.begin().await;
    reached.notified().await;
    rig.world.post(&format!("/api/migrations/{id}/pause"), json!({})).await.expect(200);
    go.notify_one();
    let token = rig.token().await;
    rig.until(id, |migration| migration["step"] == "verify").await;
    assert_eq!(rig.world.gate.state(&token).await.unwrap(), TokenState::Source);
    rig.client().act(Op::Delete("a"), 0).await;
    rig.world.post(&format!("/api/migrations/{id}/resume"), json!({})).await.expect(200);
    assert_eq!(rig.until_over(id).await["phase"], "done");
    assert_eq!(rig.destination().await, BTreeMap::new());
}

#[tokio::test]
async fn f03_nothing_may_disturb_a_back_fill_and_what_it_reads_is_not_purged() {
    let rig = Rig::start(&["a"]).await;
    let (reached, go) = rig.stop_before("a");
    rig.run_engine();
    let id = rig.begin().await;
    reached.notified().await;
    let world = &rig.world;
    let route = format!("/api/vhosts/{}/routes/{}", rig.vhost, rig.route);
    for change in
        [json!({"pool_id": rig.pools[0], "allow_orphan": true}), json!({"enabled": false, "allow_orphan": true})]
    {
        let refused = world.put(&route, change).await.detail(409);
        assert!(refused.contains(&format!("migration {id}")), "{refused}");
    }
    world.delete(&format!("{route}?allow_orphan=true")).await.detail(409);
    let purge = format!("/api/vhosts/{}/buckets/photos/purge-orphan", rig.vhost);
    world.post(&purge, Value::Null).await.detail(409);
    let refused = world.post(&rig.path, Value::Null).await.detail(409);
    assert!(refused.contains(&format!("Migration {id}")), "{refused}");
    go.notify_one();
    assert_eq!(rig.until_over(id).await["phase"], "done");
    world.post(&purge, Value::Null).await.expect(200);
}

#[tokio::test]
async fn f07_what_cannot_be_filled_in_is_refused_with_the_reason_and_nothing_is_begun() {
    let rig = Rig::start(&["a"]).await;
    let world = &rig.world;
    let ask = |vhost: i64, bucket: &str| {
        let path = format!("/api/vhosts/{vhost}/buckets/{bucket}/migrate");
        async move { world.post(&path, Value::Null).await }
    };
    ask(999, "photos").await.detail(404);
    assert!(ask(rig.vhost, "films").await.detail(400).contains("no enabled route '/films/'"));
    world.route(rig.vhost, "/songs/", rig.pools[0]).await;
    assert!(ask(rig.vhost, "songs").await.detail(400).contains("leads to the default pool 'first'"));
    let http = world.http_pool("files").await;
    let web = world.vhost("web.test", Some(http)).await;
    world.route(web, "/photos/", http).await;
    let refused = ask(web, "photos").await.detail(400);
    assert!(refused.contains("of type http"), "{refused}");
    world.buckets.at(&rig::node(0)).put("photos", "x//y");
    assert!(ask(rig.vhost, "photos").await.detail(400).contains("\"x//y\""));
    world.buckets.at(&rig::node(0)).remove("photos").make("photos");
    assert!(ask(rig.vhost, "photos").await.detail(400).contains("is empty"));
    world.buckets.fail(&rig::node(0), "connection refused");
    assert!(ask(rig.vhost, "photos").await.detail(503).contains("connection refused"));
    assert_eq!(world.get("/api/migrations").await.expect(200), json!([]));
}

/// Two bells: one rings when something is reached, the other one lets it go on.
type Bells = (Arc<Notify>, Arc<Notify>);
