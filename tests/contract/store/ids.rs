//! Ids are given once.

use nanio_orchestrator::domain::ids::{EntityKind, PoolId};
use nanio_orchestrator::ports::store::{Store, StoreError};

use super::adapters::{a_pool, add_pool, write};

const KINDS: [EntityKind; 5] =
    [EntityKind::Pool, EntityKind::Member, EntityKind::Vhost, EntityKind::Route, EntityKind::Audit];

pub async fn an_id_is_never_given_again_after_a_deletion(store: &Store) {
    let first = write(store, |tx| add_pool(tx, "a")).await;
    write(store, move |tx| tx.delete_pool(first.id)).await;
    let second = write(store, |tx| add_pool(tx, "a")).await;
    assert!(second.id > first.id, "{} after {}", second.id, first.id);
}

pub async fn an_id_that_was_brought_along_is_never_given_again(store: &Store) {
    write(store, |tx| tx.save_pool(a_pool(700, "brought"))).await;
    write(store, |tx| tx.save_pool(a_pool(5, "lower"))).await;
    write(store, |tx| tx.delete_pool(PoolId(700))).await;
    assert_eq!(write(store, |tx| tx.next_id(EntityKind::Pool)).await, 701);
}

pub async fn a_rolled_back_transaction_gives_its_ids_back(store: &Store) {
    let refused: Result<(), StoreError> = store
        .write(|tx| {
            tx.next_id(EntityKind::Route)?;
            tx.next_id(EntityKind::Route)?;
            Err(StoreError::Unavailable("on purpose".to_owned()))
        })
        .await;
    assert!(refused.is_err());
    assert_eq!(write(store, |tx| tx.next_id(EntityKind::Route)).await, 1);
    assert_eq!(write(store, |tx| tx.next_id(EntityKind::Route)).await, 2);
}

pub async fn each_kind_counts_for_itself(store: &Store) {
    for kind in KINDS {
        assert_eq!(write(store, move |tx| tx.next_id(kind)).await, 1, "{kind:?}");
    }
}

pub async fn when_no_id_is_left_the_store_says_so(store: &Store) {
    write(store, |tx| tx.save_pool(a_pool(i64::MAX, "last"))).await;
    let refused = store.write(|tx| tx.next_id(EntityKind::Pool)).await;
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
}

pub async fn an_id_that_a_kept_savepoint_gave_is_not_given_again(store: &Store) {
    let given = write(store, |tx| {
        let mut given = vec![tx.next_id(EntityKind::Vhost)?];
        tx.savepoint(&mut |tx| {
            given.extend(tx.next_id(EntityKind::Vhost));
            true
        })?;
        given.push(tx.next_id(EntityKind::Vhost)?);
        Ok(given)
    })
    .await;
    assert_eq!(given, [1, 2, 3]);
    assert_eq!(write(store, |tx| tx.next_id(EntityKind::Vhost)).await, 4);
}
