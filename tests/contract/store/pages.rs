//! Lists in pages: the same entries in the same order, wherever a page begins and whatever happens meanwhile.

use nanio_orchestrator::domain::ids::{MemberId, PoolId, RouteId, VhostId};
use nanio_orchestrator::domain::pool::PoolName;
use nanio_orchestrator::domain::route::PathPrefix;
use nanio_orchestrator::domain::vhost::ServerName;
use nanio_orchestrator::ports::store::{Store, StoreError, Tx};

use super::adapters::{a_member, a_pool, a_route, a_vhost, read, write};

/// Walks a list in pages of one to many entries; each walk must show what the list shows.
async fn every_walk_shows<T>(
    store: &Store,
    whole: impl Fn(&mut dyn Tx) -> Result<Vec<T>, StoreError> + Send + 'static,
    page: impl Fn(&mut dyn Tx, Option<&T>, u64) -> Result<Vec<T>, StoreError> + Send + 'static,
) where
    T: Clone + PartialEq + std::fmt::Debug + Send + 'static,
{
    read(store, move |tx| {
        let all = whole(tx)?;
        assert!(all.len() > 3, "{all:?}");
        for limit in 1..=all.len() as u64 + 1 {
            let mut seen: Vec<T> = Vec::new();
            loop {
                let next = page(tx, seen.last(), limit)?;
                assert!(next.len() as u64 <= limit);
                if next.is_empty() {
                    break;
                }
                seen.extend(next);
            }
            assert_eq!(seen, all, "in pages of {limit}");
        }
        assert!(page(tx, None, 0)?.is_empty());
        assert_eq!(page(tx, None, u64::MAX)?, all);
        Ok(())
    })
    .await;
}

pub async fn pools_come_in_pages_by_name(store: &Store) {
    write(store, |tx| {
        for (id, name) in [(1, "b"), (2, "a-b"), (3, "a.b"), (4, "B2"), (5, "a_b"), (6, "Z"), (7, "a10")] {
            tx.save_pool(a_pool(id, name))?;
        }
        Ok(())
    })
    .await;
    every_walk_shows(store, |tx| tx.pools(), |tx, last, limit| tx.pools_after(last.map(|pool| &pool.name), limit))
        .await;
    // A name that no pool has: a page begins where it would stand.
    let absent = PoolName::parse("a.a").unwrap();
    let next = read(store, move |tx| tx.pools_after(Some(&absent), 1)).await;
    assert_eq!(next[0].name.as_str(), "a.b");
}

pub async fn vhosts_come_in_pages_by_server_name(store: &Store) {
    write(store, |tx| {
        for (id, name) in [(1, "b.test"), (2, "a-b.test"), (3, "a.test"), (4, "*.test"), (5, "a0.test")] {
            tx.save_vhost(a_vhost(id, name))?;
        }
        Ok(())
    })
    .await;
    every_walk_shows(
        store,
        |tx| tx.vhosts(),
        |tx, last, limit| tx.vhosts_after(last.map(|vhost| &vhost.server_name), limit),
    )
    .await;
    let absent = ServerName::parse("a.a").unwrap();
    let next = read(store, move |tx| tx.vhosts_after(Some(&absent), 1)).await;
    assert_eq!(next[0].server_name.as_str(), "a.test");
}

pub async fn members_come_in_pages_by_id(store: &Store) {
    let pool = PoolId(1);
    write(store, move |tx| {
        tx.save_pool(a_pool(1, "p"))?;
        tx.save_pool(a_pool(2, "other"))?;
        for (id, pool) in [(9, 1), (2, 1), (30, 1), (4, 2), (31, 2), (11, 1), (12, 1)] {
            tx.save_member(a_member(id, PoolId(pool)))?;
        }
        Ok(())
    })
    .await;
    every_walk_shows(
        store,
        move |tx| tx.members(pool),
        move |tx, last, limit| tx.members_after(pool, last.map(|member| member.id), limit),
    )
    .await;
    let next = read(store, move |tx| tx.members_after(pool, Some(MemberId(10)), 1)).await;
    assert_eq!(next[0].id, MemberId(11));
}

pub async fn routes_come_in_pages_longest_prefix_first_then_by_id(store: &Store) {
    let vhost = VhostId(1);
    write(store, move |tx| {
        tx.save_pool(a_pool(1, "p"))?;
        tx.save_vhost(a_vhost(1, "v.test"))?;
        tx.save_vhost(a_vhost(2, "w.test"))?;
        for (id, prefix) in
            [(5, "/bb/"), (9, "/"), (2, "/aa/"), (7, "/aa/deep/"), (3, "/cc"), (8, "/zz/"), (4, "/dd/"), (6, "/ee")]
        {
            tx.save_route(a_route(id, vhost, prefix, PoolId(1)))?;
        }
        for (id, prefix) in [(1, "/aa/"), (10, "/ff/"), (11, "/"), (12, "/gg")] {
            tx.save_route(a_route(id, VhostId(2), prefix, PoolId(1)))?;
        }
        Ok(())
    })
    .await;
    every_walk_shows(
        store,
        move |tx| tx.routes(vhost),
        move |tx, last, limit| tx.routes_after(vhost, last.map(|route| (&route.path_prefix, route.id)), limit),
    )
    .await;
    // Behind routes that are not there: of a length that some have, and of one that none has.
    for (prefix, id, next) in [("/xx/", 3, 4), ("/xx/", 99, 3), ("/xxxxx/", 0, 2), ("/xxxxxxxxxxxx/", 0, 7)] {
        let prefix = PathPrefix::parse(prefix).unwrap();
        let found = read(store, move |tx| tx.routes_after(vhost, Some((&prefix, RouteId(id))), 1)).await;
        assert_eq!(found[0].id, RouteId(next));
    }
}
