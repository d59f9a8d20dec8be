//! What is undone, and what is not.

use nanio_orchestrator::ports::store::{Store, StoreError, Tx};

use super::adapters::{add_member, add_pool, add_route, add_vhost, at, read, write};

fn on_purpose<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable("on purpose".to_owned()))
}

async fn pool_names(store: &Store) -> Vec<String> {
    read(store, |tx| tx.pools()).await.iter().map(|pool| pool.name.to_string()).collect()
}

pub async fn an_error_leaves_no_trace(store: &Store) {
    let kept = write(store, |tx| {
        tx.set_fact("k", "old")?;
        add_pool(tx, "kept")
    })
    .await;
    let before = kept.clone();
    let refused: Result<(), StoreError> = store
        .write(move |tx| {
            let pool = add_pool(tx, "gone")?;
            add_member(tx, pool.id)?;
            let vhost = add_vhost(tx, "gone.test")?;
            add_route(tx, vhost.id, "/a/", pool.id)?;
            tx.set_fact("k", "new")?;
            tx.revoke_session("s", at(1000))?;
            tx.delete_pool(kept.id)?;
            on_purpose()
        })
        .await;
    assert_eq!(refused, on_purpose());
    read(store, move |tx| {
        assert_eq!(tx.pools()?, [before]);
        assert!(tx.vhosts()?.is_empty() && tx.serving_pools()?.is_empty());
        assert_eq!(tx.fact("k")?.as_deref(), Some("old"));
        assert!(tx.revoked_sessions(at(0))?.is_empty());
        Ok(())
    })
    .await;
}

pub async fn a_panic_leaves_no_trace_and_a_store_that_works(store: &Store) {
    let stopped: Result<(), StoreError> = store
        .write(|tx| {
            add_pool(tx, "gone")?;
            panic!("on purpose");
        })
        .await;
    assert!(matches!(stopped, Err(StoreError::Unavailable(_))), "{stopped:?}");
    let stopped: Result<(), StoreError> = store.read(|_| panic!("on purpose")).await;
    assert!(matches!(stopped, Err(StoreError::Unavailable(_))), "{stopped:?}");
    write(store, |tx| add_pool(tx, "after")).await;
    assert_eq!(pool_names(store).await, ["after"]);
}

pub async fn a_savepoint_undoes_its_own_part_only(store: &Store) {
    write(store, |tx| {
        add_pool(tx, "before")?;
        let mut inner = Ok(());
        tx.savepoint(&mut |tx| {
            inner = add_pool(tx, "inside").map(drop);
            assert_eq!(tx.pools().map(|pools| pools.len()), Ok(2));
            false
        })?;
        inner?;
        assert_eq!(tx.pools()?.len(), 1);
        add_pool(tx, "inside")?;
        add_pool(tx, "after").map(drop)
    })
    .await;
    assert_eq!(pool_names(store).await, ["after", "before", "inside"]);
}

pub async fn a_savepoint_that_is_kept_is_committed_with_the_rest(store: &Store) {
    write(store, |tx| tx.savepoint(&mut |tx| add_pool(tx, "kept").is_ok())).await;
    assert_eq!(pool_names(store).await, ["kept"]);

    let refused: Result<(), StoreError> = store
        .write(|tx| {
            tx.savepoint(&mut |tx| add_pool(tx, "gone").is_ok())?;
            on_purpose()
        })
        .await;
    assert_eq!(refused, on_purpose());
    assert_eq!(pool_names(store).await, ["kept"]);
}

pub async fn savepoints_can_be_nested(store: &Store) {
    fn add(tx: &mut dyn Tx, name: &str) {
        add_pool(tx, name).unwrap();
    }
    write(store, |tx| {
        tx.savepoint(&mut |tx| {
            add(tx, "outer");
            tx.savepoint(&mut |tx| {
                add(tx, "undone");
                false
            })
            .unwrap();
            tx.savepoint(&mut |tx| {
                add(tx, "inner");
                true
            })
            .unwrap();
            true
        })?;
        tx.savepoint(&mut |tx| {
            tx.savepoint(&mut |tx| {
                add(tx, "undone-by-outer");
                true
            })
            .unwrap();
            false
        })
    })
    .await;
    assert_eq!(pool_names(store).await, ["inner", "outer"]);
}
