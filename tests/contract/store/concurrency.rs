//! Readers and writers at the same time.

use std::sync::mpsc::{channel, sync_channel};
use std::time::Duration;

use nanio_orchestrator::ports::store::{Store, StoreError};

use super::adapters::{a_member, a_pool, a_route, a_vhost, add_pool, read, write};
use nanio_orchestrator::domain::ids::{PoolId, VhostId};

/// Only a store that breaks its promise makes a test wait so long; the test then fails instead of hanging.
const STUCK: Duration = Duration::from_secs(60);

fn stuck<E: std::fmt::Display>(error: E) -> StoreError {
    StoreError::Unavailable(format!("the other side never came: {error}"))
}

pub async fn a_reader_sees_nothing_uncommitted_and_does_not_wait_for_the_writer(store: &Store) {
    write(store, |tx| add_pool(tx, "old")).await;
    let (written, on_written) = tokio::sync::oneshot::channel();
    let (go_on, on_go_on) = sync_channel::<()>(1);
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            store
                .write(move |tx| {
                    add_pool(tx, "new")?;
                    written.send(()).map_err(|()| stuck("the reader is gone"))?;
                    on_go_on.recv_timeout(STUCK).map_err(stuck)
                })
                .await
        }
    });
    on_written.await.unwrap();
    // The writer ends only after this read has ended.
    assert_eq!(read(store, |tx| tx.pools()).await.len(), 1);
    go_on.send(()).unwrap();
    writer.await.unwrap().unwrap();
    assert_eq!(read(store, |tx| tx.pools()).await.len(), 2);
}

pub async fn a_reader_keeps_one_state_while_a_writer_commits(store: &Store) {
    write(store, |tx| add_pool(tx, "old")).await;
    let (begun, on_begun) = tokio::sync::oneshot::channel();
    let (committed, on_committed) = channel::<()>();
    let reader = tokio::spawn({
        let store = store.clone();
        async move {
            store
                .read(move |tx| {
                    let before = tx.pools()?;
                    begun.send(()).map_err(|()| stuck("the writer is gone"))?;
                    on_committed.recv_timeout(STUCK).map_err(stuck)?;
                    Ok::<_, StoreError>((before, tx.pools()?))
                })
                .await
        }
    });
    on_begun.await.unwrap();
    write(store, |tx| add_pool(tx, "new")).await;
    committed.send(()).unwrap();
    let (before, after) = reader.await.unwrap().unwrap();
    assert_eq!(before, after);
    assert_eq!(read(store, |tx| tx.pools()).await.len(), 2);
}

pub async fn no_update_of_concurrent_writers_is_lost(store: &Store) {
    let count = |text: Option<String>| text.map_or(0, |number| number.parse::<u32>().unwrap());
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = store.clone();
        writers.spawn(async move {
            for _ in 0..25 {
                write(&store, move |tx| {
                    let next = count(tx.fact("count")?) + 1;
                    tx.set_fact("count", &next.to_string())
                })
                .await;
            }
        });
    }
    while let Some(ended) = writers.join_next().await {
        ended.unwrap();
    }
    assert_eq!(count(read(store, |tx| tx.fact("count")).await), 200);
}

pub async fn a_transaction_reads_its_own_writes(store: &Store) {
    write(store, |tx| {
        tx.save_pool(a_pool(1, "p"))?;
        tx.save_member(a_member(1, PoolId(1)))?;
        tx.save_vhost(a_vhost(1, "v.test"))?;
        tx.save_route(a_route(1, VhostId(1), "/a/", PoolId(1)))?;
        assert!(tx.pool_named("P")?.is_some());
        assert_eq!(tx.members(PoolId(1))?.len(), 1);
        assert_eq!(tx.vhosts_using(PoolId(1))?.len(), 1);
        assert!(tx.route_at(VhostId(1), "/a")?.is_some());
        assert_eq!(tx.route_counts()?.len(), 1);
        Ok(())
    })
    .await;
}
