//! What the store refuses, and what a deletion takes along.

use nanio_orchestrator::domain::ids::{EntityKind, MemberId, PoolId, Revision, RouteId, VhostId};
use nanio_orchestrator::domain::pool::PoolName;
use nanio_orchestrator::ports::store::{Store, StoreError};

use super::adapters::{
    a_member, a_pool, a_route, a_vhost, add_member, add_pool, add_route, add_vhost, at, read, write,
};

pub async fn a_stale_save_is_refused_and_changes_nothing(store: &Store) {
    let first = write(store, |tx| add_pool(tx, "p")).await;
    assert_eq!(first.revision, Revision(1));
    let mut winner = first.clone();
    winner.description = Some("won".to_owned());
    let winner = write(store, move |tx| tx.save_pool(winner)).await;
    assert_eq!(winner.revision, Revision(2));

    let id = first.id;
    let refused = store.write(move |tx| tx.save_pool(first)).await;
    assert_eq!(refused, Err(StoreError::Stale { kind: EntityKind::Pool, id: id.0 }));
    assert_eq!(read(store, move |tx| tx.pool(id)).await, Some(winner));
}

pub async fn a_save_of_a_deleted_row_is_stale(store: &Store) {
    let (member, vhost, route) = write(store, |tx| {
        let pool = add_pool(tx, "p")?;
        let vhost = add_vhost(tx, "v.test")?;
        let route = add_route(tx, vhost.id, "/a/", pool.id)?;
        let member = add_member(tx, pool.id)?;
        tx.delete_route(route.id)?;
        tx.delete_vhost(vhost.id)?;
        tx.delete_member(member.id)?;
        Ok((member, vhost, route))
    })
    .await;
    let stale = |kind, id| StoreError::Stale { kind, id };
    let (m, v, r) = (member.id.0, vhost.id.0, route.id.0);
    assert_eq!(store.write(move |tx| tx.save_member(member)).await, Err(stale(EntityKind::Member, m)));
    assert_eq!(store.write(move |tx| tx.save_vhost(vhost)).await, Err(stale(EntityKind::Vhost, v)));
    assert_eq!(store.write(move |tx| tx.save_route(route)).await, Err(stale(EntityKind::Route, r)));
}

pub async fn an_id_can_be_inserted_once(store: &Store) {
    write(store, |tx| {
        tx.save_pool(a_pool(7, "first"))?;
        tx.save_member(a_member(8, PoolId(7)))
    })
    .await;
    let again = store.write(|tx| tx.save_pool(a_pool(7, "second"))).await;
    assert_eq!(again, Err(StoreError::Stale { kind: EntityKind::Pool, id: 7 }));
    let again = store.write(|tx| tx.save_member(a_member(8, PoolId(7)))).await;
    assert_eq!(again, Err(StoreError::Stale { kind: EntityKind::Member, id: 8 }));
}

pub async fn a_pool_name_is_unique_whatever_its_case(store: &Store) {
    let second = write(store, |tx| {
        add_pool(tx, "Pool-A")?;
        add_pool(tx, "other")
    })
    .await;
    let taken = StoreError::Taken { kind: EntityKind::Pool };
    assert_eq!(store.write(|tx| add_pool(tx, "pool-a")).await, Err(taken.clone()));
    let mut renamed = second.clone();
    renamed.name = PoolName::parse("POOL-a").unwrap();
    assert_eq!(store.write(move |tx| tx.save_pool(renamed)).await, Err(taken));

    let mut own = second;
    own.name = PoolName::parse("OTHER").unwrap();
    assert_eq!(write(store, move |tx| tx.save_pool(own)).await.name.as_str(), "OTHER");
}

pub async fn a_server_name_is_unique(store: &Store) {
    let second = write(store, |tx| {
        add_vhost(tx, "a.test")?;
        add_vhost(tx, "b.test")
    })
    .await;
    let taken = StoreError::Taken { kind: EntityKind::Vhost };
    assert_eq!(store.write(|tx| add_vhost(tx, "A.test")).await, Err(taken.clone()));
    let mut renamed = a_vhost(second.id.0, "a.test");
    renamed.revision = second.revision;
    assert_eq!(store.write(move |tx| tx.save_vhost(renamed)).await, Err(taken));
}

pub async fn a_prefix_is_unique_in_its_vhost_whatever_slash_ends_it(store: &Store) {
    let (vhost, pool, second) = write(store, |tx| {
        let pool = add_pool(tx, "p")?;
        let vhost = add_vhost(tx, "v.test")?;
        let other = add_vhost(tx, "w.test")?;
        add_route(tx, vhost.id, "/a/", pool.id)?;
        add_route(tx, other.id, "/a", pool.id)?;
        let second = add_route(tx, vhost.id, "/b/", pool.id)?;
        Ok((vhost.id, pool.id, second))
    })
    .await;
    let taken = StoreError::Taken { kind: EntityKind::Route };
    for prefix in ["/a", "/a/"] {
        let refused = store.write(move |tx| add_route(tx, vhost, prefix, pool)).await;
        assert_eq!(refused, Err(taken.clone()), "{prefix}");
    }
    let mut moved = a_route(second.id.0, vhost, "/a", pool);
    moved.revision = second.revision;
    assert_eq!(store.write(move |tx| tx.save_route(moved)).await, Err(taken));

    let mut slashless = a_route(second.id.0, vhost, "/b", pool);
    slashless.revision = second.revision;
    write(store, move |tx| tx.save_route(slashless)).await;
    let found = read(store, move |tx| tx.route_at(vhost, "/b")).await;
    assert_eq!(found.map(|route| route.path_prefix.as_str().to_owned()).as_deref(), Some("/b"));
}

pub async fn a_refused_save_leaves_the_transaction_usable(store: &Store) {
    write(store, |tx| {
        let first = add_pool(tx, "first")?;
        let second = add_pool(tx, "second")?;
        assert!(add_pool(tx, "First").is_err());
        let mut renamed = second.clone();
        renamed.name = PoolName::parse("FIRST").unwrap();
        assert!(tx.save_pool(renamed).is_err());
        let mut stale = second;
        stale.revision = Revision(99);
        assert!(tx.save_pool(stale).is_err());
        let vhost = add_vhost(tx, "v.test")?;
        add_route(tx, vhost.id, "/a/", first.id)?;
        assert!(tx.delete_pool(first.id).is_err());
        add_pool(tx, "third")
    })
    .await;
    let names: Vec<String> = read(store, |tx| tx.pools()).await.iter().map(|pool| pool.name.to_string()).collect();
    assert_eq!(names, ["first", "second", "third"]);
}

pub async fn a_pool_in_use_is_not_deleted(store: &Store) {
    write(store, |tx| {
        for id in 1..=2 {
            tx.save_pool(a_pool(id, &format!("p{id}")))?;
            tx.save_member(a_member(id, PoolId(id)))?;
        }
        let mut vhost = a_vhost(1, "v.test");
        vhost.default_pool_id = Some(PoolId(1));
        tx.save_vhost(vhost)?;
        tx.save_route(a_route(1, VhostId(1), "/a/", PoolId(2)))
    })
    .await;
    for id in 1..=2 {
        let refused = store.write(move |tx| tx.delete_pool(PoolId(id))).await;
        assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
        assert!(read(store, move |tx| tx.pool(PoolId(id))).await.is_some());
        assert_eq!(read(store, move |tx| tx.members(PoolId(id))).await.len(), 1);
    }
}

pub async fn a_row_may_not_refer_to_nothing(store: &Store) {
    let vhost = write(store, |tx| add_vhost(tx, "v.test")).await;
    let refused = [
        store.write(|tx| tx.save_member(a_member(1, PoolId(9)))).await.map(drop),
        store.write(move |tx| tx.save_route(a_route(1, vhost.id, "/a/", PoolId(9)))).await.map(drop),
        store
            .write(|tx| {
                let pool = add_pool(tx, "p")?;
                tx.save_route(a_route(1, VhostId(99), "/a/", pool.id))
            })
            .await
            .map(drop),
        store
            .write(|tx| {
                let mut web = a_pool(1, "web");
                web.source_nanio_pool_id = Some(PoolId(9));
                tx.save_pool(web)
            })
            .await
            .map(drop),
        store
            .write(move |tx| {
                let mut changed = a_vhost(vhost.id.0, "v.test");
                changed.revision = vhost.revision;
                changed.default_pool_id = Some(PoolId(9));
                tx.save_vhost(changed)
            })
            .await
            .map(drop),
    ];
    for (number, result) in refused.into_iter().enumerate() {
        assert!(matches!(result, Err(StoreError::Corrupt(_))), "{number}: {result:?}");
    }
    assert!(read(store, |tx| tx.pools()).await.is_empty());
}

pub async fn a_transaction_for_reading_cannot_write(store: &Store) {
    let refused = store.read(|tx| tx.next_id(EntityKind::Pool)).await;
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
    let refused = store.read(|tx| tx.save_pool(a_pool(1, "p"))).await;
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
    let refused = store.read(|tx| tx.set_fact("k", "v")).await;
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
    assert_eq!(write(store, |tx| tx.next_id(EntityKind::Pool)).await, 1);
}

pub async fn deleting_what_is_gone_is_no_fault(store: &Store) {
    write(store, |tx| {
        tx.delete_pool(PoolId(1))?;
        tx.delete_member(MemberId(1))?;
        tx.delete_vhost(VhostId(1))?;
        tx.delete_route(RouteId(1))?;
        tx.forget_file("/nowhere")
    })
    .await;
}

pub async fn deleting_a_pool_takes_its_members_and_frees_the_pools_it_backed(store: &Store) {
    let (backed, kept) = write(store, |tx| {
        for (id, name) in [(1, "s3"), (2, "other")] {
            tx.save_pool(a_pool(id, name))?;
        }
        let mut web = a_pool(3, "web");
        web.source_nanio_pool_id = Some(PoolId(1));
        let backed = tx.save_pool(web)?;
        tx.save_member(a_member(1, PoolId(1)))?;
        let kept = tx.save_member(a_member(2, PoolId(2)))?;
        tx.delete_pool(PoolId(1))?;
        Ok((backed, kept))
    })
    .await;
    assert_eq!(read(store, |tx| tx.member(MemberId(1))).await, None);
    assert_eq!(read(store, |tx| tx.member(MemberId(2))).await, Some(kept));
    let mut freed = backed.clone();
    freed.source_nanio_pool_id = None;
    freed.revision = backed.revision.next();
    assert_eq!(read(store, |tx| tx.pool(PoolId(3))).await, Some(freed));

    let mut late = backed;
    late.updated_at = at(1);
    let refused = store.write(move |tx| tx.save_pool(late)).await;
    assert_eq!(refused, Err(StoreError::Stale { kind: EntityKind::Pool, id: 3 }));
}

pub async fn deleting_a_vhost_takes_its_routes(store: &Store) {
    let (gone, kept) = write(store, |tx| {
        let pool = add_pool(tx, "p")?;
        let gone = add_vhost(tx, "v.test")?;
        let kept = add_vhost(tx, "w.test")?;
        for vhost in [gone.id, kept.id] {
            add_route(tx, vhost, "/a/", pool.id)?;
            add_route(tx, vhost, "/", pool.id)?;
        }
        tx.delete_vhost(gone.id)?;
        Ok((gone.id, kept.id))
    })
    .await;
    assert!(read(store, move |tx| tx.routes(gone)).await.is_empty());
    assert_eq!(read(store, move |tx| tx.route_at(gone, "/a")).await, None);
    assert_eq!(read(store, move |tx| tx.routes(kept)).await.len(), 2);
}
