//! The audit log, and what the program remembers of its own work.

use std::collections::HashMap;

use nanio_orchestrator::domain::audit::{Action, Actor, Filter, NewEntry, NginxAnswer, Snapshot, Subject};
use nanio_orchestrator::domain::ids::EntityKind;
use nanio_orchestrator::ports::store::{FileRecord, Store};

use super::adapters::{a_pool, at, read, write};

fn an_entry(subject: Subject, second: i64) -> NewEntry {
    NewEntry {
        actor: Actor::Api,
        action: Action::Update,
        subject,
        before: None,
        after: None,
        nginx: None,
        at: at(second),
    }
}

fn everything() -> Filter {
    Filter { take: 1_000, ..Filter::default() }
}

async fn ids(store: &Store, filter: Filter) -> Vec<i64> {
    read(store, move |tx| tx.audit(&filter)).await.iter().map(|entry| entry.id.0).collect()
}

pub async fn an_audit_entry_comes_back_as_it_was_written(store: &Store) {
    let mut after = a_pool(3, "p");
    after.description = Some("Grüße\n\"quoted\"".to_owned());
    let json = serde_json::to_string(&after).unwrap();
    write(store, move |tx| {
        let mut full = an_entry(Subject::Entity(EntityKind::Pool, 3), 5);
        full.actor = Actor::Cli;
        full.action = Action::Create;
        full.before = Some(Snapshot::Pool(a_pool(3, "p")));
        full.after = Some(Snapshot::Pool(after));
        full.nginx = Some(NginxAnswer { ok: false, output: "nginx: [emerg] \"x\"\nfailed".to_owned() });
        tx.append_audit(&full)?;
        let mut bare = an_entry(Subject::Config, 6);
        bare.nginx = Some(NginxAnswer { ok: true, output: String::new() });
        tx.append_audit(&bare)
    })
    .await;
    let entries = read(store, |tx| tx.audit(&everything())).await;
    let [bare, full] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((full.actor.as_str(), full.action.as_str()), ("cli", "create"));
    assert_eq!((full.entity_type.as_str(), full.entity_id), ("pool", Some(3)));
    assert_eq!(full.before_json, Some(serde_json::to_string(&a_pool(3, "p")).unwrap()));
    assert_eq!(full.after_json, Some(json));
    assert_eq!(full.nginx, Some(NginxAnswer { ok: false, output: "nginx: [emerg] \"x\"\nfailed".to_owned() }));
    assert_eq!(full.created_at, at(5));
    assert_eq!((bare.entity_type.as_str(), bare.entity_id), ("config", None));
    assert_eq!((&bare.before_json, &bare.after_json), (&None, &None));
    assert_eq!(bare.nginx, Some(NginxAnswer { ok: true, output: String::new() }));
}

pub async fn audit_entries_come_newest_first_in_pages(store: &Store) {
    // The clock may go back; what was written later is still newer.
    for second in [50, 10, 30, 20, 40] {
        write(store, move |tx| tx.append_audit(&an_entry(Subject::Config, second))).await;
    }
    let page = |skip, take| Filter { skip, take, ..Filter::default() };
    assert_eq!(ids(store, everything()).await, [5, 4, 3, 2, 1]);
    assert_eq!(ids(store, page(0, 2)).await, [5, 4]);
    assert_eq!(ids(store, page(2, 2)).await, [3, 2]);
    assert_eq!(ids(store, page(4, 2)).await, [1]);
    assert_eq!(ids(store, page(5, 2)).await, [0; 0]);
    assert_eq!(ids(store, page(0, 0)).await, [0; 0]);
    assert_eq!(ids(store, page(1, u64::MAX)).await, [4, 3, 2, 1]);
    assert_eq!(ids(store, page(u64::MAX, 1)).await, [0; 0]);
}

pub async fn audit_entries_are_filtered_by_subject_and_time(store: &Store) {
    write(store, |tx| {
        for (subject, second) in [
            (Subject::Entity(EntityKind::Pool, 1), 10),
            (Subject::Entity(EntityKind::Pool, 2), 20),
            (Subject::Entity(EntityKind::Route, 1), 30),
            (Subject::Config, 40),
        ] {
            tx.append_audit(&an_entry(subject, second))?;
        }
        Ok(())
    })
    .await;
    let of = |entity_type: &str| Filter { entity_type: Some(entity_type.to_owned()), ..everything() };
    let between = |from, to| Filter { from, to, ..everything() };
    assert_eq!(ids(store, of("pool")).await, [2, 1]);
    assert_eq!(ids(store, of("config")).await, [4]);
    assert_eq!(ids(store, of("nothing")).await, [0; 0]);
    assert_eq!(ids(store, Filter { entity_id: Some(1), ..of("pool") }).await, [1]);
    assert_eq!(ids(store, Filter { entity_id: Some(1), ..everything() }).await, [3, 1]);
    assert_eq!(ids(store, between(Some(at(20)), None)).await, [4, 3, 2]);
    assert_eq!(ids(store, between(None, Some(at(20)))).await, [2, 1]);
    assert_eq!(ids(store, between(Some(at(11)), Some(at(30)))).await, [3, 2]);
    assert_eq!(ids(store, Filter { skip: 1, take: 1, ..of("pool") }).await, [1]);
}

pub async fn a_file_record_is_replaced_and_forgotten(store: &Store) {
    let record = |path: &str, sha256: &str, second| FileRecord {
        path: path.to_owned(),
        sha256: sha256.to_owned(),
        written_at: at(second),
    };
    let (b, a, upper) =
        (record("/etc/b.conf", "11", 1), record("/etc/a.conf", "22", 2), record("/etc/B.conf", "33", 3));
    let newer = record("/etc/b.conf", "44", 4);
    let written = [b, a.clone(), upper.clone(), newer.clone()];
    write(store, move |tx| written.iter().try_for_each(|file| tx.save_file(file))).await;
    assert_eq!(read(store, |tx| tx.files()).await, [upper.clone(), a, newer.clone()]);
    write(store, |tx| tx.forget_file("/etc/a.conf")).await;
    assert_eq!(read(store, |tx| tx.files()).await, [upper, newer]);
}

pub async fn a_fact_is_replaced(store: &Store) {
    write(store, |tx| {
        tx.set_fact("a", "1")?;
        tx.set_fact("A", "ü\n'")?;
        tx.set_fact("a", "2")
    })
    .await;
    assert_eq!(read(store, |tx| tx.fact("a")).await.as_deref(), Some("2"));
    assert_eq!(read(store, |tx| tx.fact("A")).await.as_deref(), Some("ü\n'"));
    assert_eq!(read(store, |tx| tx.fact("b")).await, None);
}

pub async fn an_ended_session_is_remembered_until_its_cookie_is_void(store: &Store) {
    write(store, |tx| {
        tx.revoke_session("short", at(10))?;
        tx.revoke_session("long", at(20))?;
        tx.revoke_session("long", at(30))
    })
    .await;
    let at_9 = HashMap::from([("short".to_owned(), at(10)), ("long".to_owned(), at(30))]);
    assert_eq!(read(store, |tx| tx.revoked_sessions(at(9))).await, at_9);
    let at_10 = HashMap::from([("long".to_owned(), at(30))]);
    assert_eq!(read(store, |tx| tx.revoked_sessions(at(10))).await, at_10);
    // A transaction for reading forgets nothing, one for writing does.
    assert_eq!(read(store, |tx| tx.revoked_sessions(at(9))).await, at_9);
    assert_eq!(write(store, |tx| tx.revoked_sessions(at(10))).await, at_10);
    assert_eq!(read(store, |tx| tx.revoked_sessions(at(9))).await, at_10);
}
