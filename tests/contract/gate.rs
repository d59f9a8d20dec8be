//! The promises of token, journal, gate and workers, kept by the twin in memory and by the directory beside a real nginx.

mod adapters;
mod directory;
mod relay;
mod sockets;

use std::collections::HashSet;

use nanio_orchestrator::adapters::gate::line::entry;
use nanio_orchestrator::domain::migration::journal::JournalEntry;
use nanio_orchestrator::domain::migration::token::{Token, TokenState};
use nanio_orchestrator::domain::pool::PoolName;
use nanio_orchestrator::ports::gate::{Admission, GateError};

use adapters::Rig;

fn refused(outcome: Result<(), GateError>) {
    assert!(matches!(outcome, Err(GateError::State(_))), "{outcome:?}");
}

async fn state(rig: &Rig, token: &Token) -> TokenState {
    rig.gate.state(token).await.unwrap()
}

async fn a_token_begins_at_the_source_under_a_name_of_its_own(rig: &Rig) {
    let (first, second) = (rig.gate.create().await.unwrap(), rig.gate.create().await.unwrap());
    assert_ne!(first, second);
    assert_eq!(state(rig, &first).await, TokenState::Source);
    let mut tokens = rig.gate.tokens().await.unwrap();
    tokens.sort();
    let mut expected = vec![first, second];
    expected.sort();
    assert_eq!(tokens, expected);
}

async fn freezing_and_thawing_lead_to_and_fro_however_often_they_are_said(rig: &Rig) {
    let token = rig.gate.create().await.unwrap();
    for _ in 0..2 {
        rig.gate.freeze(&token).await.unwrap();
        rig.gate.freeze(&token).await.unwrap();
        assert_eq!(state(rig, &token).await, TokenState::Held);
        rig.gate.thaw(&token).await.unwrap();
        rig.gate.thaw(&token).await.unwrap();
        assert_eq!(state(rig, &token).await, TokenState::Source);
    }
}

async fn only_what_is_held_can_be_committed_and_nothing_leads_back(rig: &Rig) {
    let token = rig.gate.create().await.unwrap();
    refused(rig.gate.commit(&token).await);
    refused(rig.gate.open(&token).await);
    rig.gate.freeze(&token).await.unwrap();
    refused(rig.gate.open(&token).await);
    rig.gate.commit(&token).await.unwrap();
    rig.gate.commit(&token).await.unwrap();
    assert_eq!(state(rig, &token).await, TokenState::Switched);
    for _ in 0..2 {
        refused(rig.gate.thaw(&token).await);
        refused(rig.gate.freeze(&token).await);
        rig.gate.open(&token).await.unwrap();
        assert_eq!(state(rig, &token).await, TokenState::Open);
    }
    rig.gate.commit(&token).await.unwrap();
}

async fn a_committed_migration_gets_its_files_again_whatever_is_there(rig: &Rig) {
    for steps in 0..4 {
        let token = rig.gate.create().await.unwrap();
        if steps >= 1 {
            rig.gate.freeze(&token).await.unwrap();
        }
        if steps >= 2 {
            rig.gate.commit(&token).await.unwrap();
        }
        if steps == 3 {
            rig.lose(&token);
            assert_eq!(state(rig, &token).await, TokenState::Missing);
            refused(rig.gate.freeze(&token).await);
            refused(rig.gate.thaw(&token).await);
            refused(rig.gate.commit(&token).await);
        }
        rig.gate.reopen(&token).await.unwrap();
        rig.gate.reopen(&token).await.unwrap();
        assert_eq!(state(rig, &token).await, TokenState::Open);
    }
}

async fn what_is_removed_is_gone_and_can_be_removed_again(rig: &Rig) {
    let token = rig.gate.create().await.unwrap();
    rig.append(&token, b"line");
    for _ in 0..2 {
        rig.gate.remove(&token).await.unwrap();
        assert_eq!(rig.gate.tokens().await.unwrap(), []);
        assert_eq!(state(rig, &token).await, TokenState::Missing);
    }
    assert!(rig.gate.journal(&token, 0).await.is_err());
}

async fn a_token_is_discarded_only_if_nothing_ever_went_by_it(rig: &Rig) {
    let (used, unused) = (rig.gate.create().await.unwrap(), rig.gate.create().await.unwrap());
    rig.append(&used, &line("/b/key"));
    assert_eq!(rig.gate.discard(&used).await, Ok(false));
    assert_eq!(rig.gate.discard(&unused).await, Ok(true));
    assert_eq!(rig.gate.tokens().await.unwrap(), [used]);
    assert_eq!(rig.gate.discard(&unused).await, Ok(false), "it is gone");
}

/// A line as nginx writes it.
fn line(uri: &str) -> Vec<u8> {
    format!(r#"{{"e":"start","rid":"r","m":"PUT","u":"{uri}","k":"b","v":"path","pid":2,"t":1}}"#).into_bytes()
}

async fn a_journal_is_read_on_from_where_it_was_read(rig: &Rig) {
    let token = rig.gate.create().await.unwrap();
    let nothing = rig.gate.journal(&token, 0).await.unwrap();
    assert_eq!(nothing.lines, []);
    rig.append(&token, &line("/b/first\u{fffd}"));
    rig.append(&token, b"no line of nginx");
    let two = rig.gate.journal(&token, 0).await.unwrap();
    assert_eq!(two.lines, [entry(&line("/b/first\u{fffd}")), JournalEntry::Unreadable]);
    assert_eq!(rig.gate.journal(&token, nothing.end).await.unwrap(), two);
    rig.append(&token, &line("/b/third"));
    assert_eq!(rig.gate.journal(&token, two.end).await.unwrap().lines, [entry(&line("/b/third"))]);
    assert!(matches!(rig.gate.journal(&token, 1 << 30).await, Err(GateError::Void(_))));
}

async fn a_journal_is_sound_until_something_failed_and_again_when_it_is_renewed(rig: &Rig) {
    let token = rig.journaled().await;
    rig.append(&token, b"line");
    rig.gate.sound(&token).await.unwrap();
    rig.spoil(&token);
    for _ in 0..2 {
        let void = rig.gate.sound(&token).await;
        assert!(matches!(void, Err(GateError::Void(_))), "{void:?}");
    }
    rig.gate.renew(&token).await.unwrap();
    rig.gate.sound(&token).await.unwrap();
    let end = rig.gate.journal(&token, 0).await.unwrap().end;
    rig.append(&token, &line("/b/after"));
    assert_eq!(rig.gate.journal(&token, end).await.unwrap().lines, [entry(&line("/b/after"))]);
}

async fn workers_are_told_or_it_is_said_why_not(rig: &Rig) {
    let workers = rig.gate.workers().await.unwrap();
    assert!(!workers.is_empty());
    assert_eq!(rig.gate.workers().await.unwrap().into_iter().collect::<HashSet<_>>(), workers.into_iter().collect());
    rig.end_nginx();
    assert!(matches!(rig.gate.workers().await, Err(GateError::Fault(why)) if !why.is_empty()));
}

async fn room_and_connections_are_told_before_anything_is_made(rig: &Rig) {
    let capacity = rig.gate.capacity().await.unwrap();
    assert_eq!((capacity.journal, capacity.worker_connections), (1 << 20, 512));
    assert!(capacity.free > 0);
    assert_eq!(rig.gate.tokens().await.unwrap_or_default(), []);
}

async fn who_waits_at_the_gate_is_told_until_he_is_let_through(rig: &Rig) {
    let token = rig.gate.create().await.unwrap();
    rig.gate.admit(&token, Admission::Hold);
    rig.arrive(&token, "r1").await;
    rig.arrive(&token, "r2").await;
    assert_eq!(rig.gate.arrived(&token), ["r1", "r2"].map(str::to_owned).into());
    assert_eq!(rig.gate.arrived(&rig.gate.create().await.unwrap()), HashSet::new());
    rig.gate.admit(&token, Admission::Source(PoolName::parse("old").unwrap()));
    rig.let_through().await;
    assert_eq!(rig.gate.arrived(&token), HashSet::new());
    rig.gate.forget(&token);
    assert_eq!(rig.gate.arrived(&token), HashSet::new());
}

async fn a_copy_is_noted_until_it_has_ended(rig: &Rig) {
    let token = rig.gate.create().await.unwrap();
    assert_eq!(rig.gate.noted_copy(&token).await.unwrap(), None);
    for keys in [vec!["a/b".to_owned(), "\"é\n".to_owned()], vec!["c".to_owned()]] {
        rig.gate.note_copy(&token, &keys).await.unwrap();
        assert_eq!(rig.gate.noted_copy(&token).await.unwrap(), Some(keys));
    }
    assert_eq!(state(rig, &token).await, TokenState::Source);
    rig.gate.copy_ended(&token).await.unwrap();
    rig.gate.copy_ended(&token).await.unwrap();
    assert_eq!(rig.gate.noted_copy(&token).await.unwrap(), None);
    rig.gate.note_copy(&token, &["k".to_owned()]).await.unwrap();
    rig.gate.remove(&token).await.unwrap();
    assert_eq!(rig.gate.noted_copy(&token).await.unwrap(), None);
    assert!(!rig.gate.tokens().await.unwrap().contains(&token));
}

/// One test for each promise, on the rig that each adapter makes.
macro_rules! kept_by {
    ($($adapter:ident),+: $promises:tt) => {
        $(kept_by!(@adapter $adapter: $promises);)+
    };
    (@adapter $adapter:ident: [$($promise:ident),+ $(,)?]) => {
        mod $adapter {
            $(
                #[tokio::test]
                async fn $promise() {
                    super::$promise(&super::adapters::$adapter().await).await;
                }
            )+
        }
    };
}

kept_by!(memory, on_disk: [
    a_token_begins_at_the_source_under_a_name_of_its_own,
    freezing_and_thawing_lead_to_and_fro_however_often_they_are_said,
    only_what_is_held_can_be_committed_and_nothing_leads_back,
    a_committed_migration_gets_its_files_again_whatever_is_there,
    what_is_removed_is_gone_and_can_be_removed_again,
    a_token_is_discarded_only_if_nothing_ever_went_by_it,
    a_journal_is_read_on_from_where_it_was_read,
    a_journal_is_sound_until_something_failed_and_again_when_it_is_renewed,
    workers_are_told_or_it_is_said_why_not,
    room_and_connections_are_told_before_anything_is_made,
    who_waits_at_the_gate_is_told_until_he_is_let_through,
    a_copy_is_noted_until_it_has_ended,
]);
