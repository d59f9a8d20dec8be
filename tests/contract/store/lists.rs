//! What is found, and in which order.

use std::collections::{BTreeMap, HashMap, HashSet};

use nanio_orchestrator::domain::audit::Filter;
use nanio_orchestrator::domain::bucket::{BucketName, BucketStatus};
use nanio_orchestrator::domain::ids::{MemberId, PoolId, RouteId, VhostId};
use nanio_orchestrator::domain::pool::PoolKind;
use nanio_orchestrator::domain::route::Route;
use nanio_orchestrator::domain::vhost::Vhost;
use nanio_orchestrator::ports::store::{RouteBundle, ServerNames, Store};

use super::adapters::{
    a_member, a_pool, a_route, a_vhost, add_member, add_pool, add_route, add_vhost, at, read, write,
};
use super::records::a_bucket;

pub async fn pools_come_by_name_bytewise(store: &Store) {
    write(store, |tx| {
        for name in ["b", "a-b", "a.b", "B2", "a_b", "Z", "a10", "a9"] {
            add_pool(tx, name)?;
        }
        Ok(())
    })
    .await;
    let names: Vec<String> = read(store, |tx| tx.pools()).await.iter().map(|pool| pool.name.to_string()).collect();
    assert_eq!(names, ["B2", "Z", "a-b", "a.b", "a10", "a9", "a_b", "b"]);
}

pub async fn members_come_by_id(store: &Store) {
    let pool = write(store, |tx| add_pool(tx, "p")).await.id;
    write(store, move |tx| {
        let other = add_pool(tx, "other")?;
        for (id, pool) in [(9, pool), (2, pool), (30, pool), (4, other.id)] {
            tx.save_member(a_member(id, pool))?;
        }
        Ok(())
    })
    .await;
    let ids: Vec<i64> = read(store, move |tx| tx.members(pool)).await.iter().map(|member| member.id.0).collect();
    assert_eq!(ids, [2, 9, 30]);
    let ids: Vec<i64> = read(store, |tx| tx.every_member()).await.iter().map(|member| member.id.0).collect();
    assert_eq!(ids, [2, 4, 9, 30]);
}

pub async fn vhosts_come_by_server_name_bytewise(store: &Store) {
    write(store, |tx| {
        for name in ["b.test", "a-b.test", "a.test", "*.test", "a0.test"] {
            add_vhost(tx, name)?;
        }
        Ok(())
    })
    .await;
    let names: Vec<String> =
        read(store, |tx| tx.vhosts()).await.iter().map(|vhost| vhost.server_name.to_string()).collect();
    assert_eq!(names, ["*.test", "a-b.test", "a.test", "a0.test", "b.test"]);
}

pub async fn routes_come_longest_prefix_first_then_by_id(store: &Store) {
    let vhost = write(store, |tx| {
        let pool = add_pool(tx, "p")?;
        let vhost = add_vhost(tx, "v.test")?;
        let other = add_vhost(tx, "w.test")?;
        for (id, prefix) in [(5, "/bb/"), (9, "/"), (2, "/aa/"), (7, "/aa/deep/"), (3, "/cc"), (8, "/zz/")] {
            tx.save_route(a_route(id, vhost.id, prefix, pool.id))?;
        }
        tx.save_route(a_route(1, other.id, "/aa/", pool.id))?;
        Ok(vhost.id)
    })
    .await;
    let ids: Vec<i64> = read(store, move |tx| tx.routes(vhost)).await.iter().map(|route| route.id.0).collect();
    assert_eq!(ids, [7, 2, 5, 8, 3, 9]);
}

pub async fn a_pool_is_found_whatever_the_case_of_its_name(store: &Store) {
    let saved = write(store, |tx| {
        add_pool(tx, "other")?;
        add_pool(tx, "Pool-A")
    })
    .await;
    for name in ["Pool-A", "pool-a", "POOL-A"] {
        assert_eq!(read(store, move |tx| tx.pool_named(name)).await.as_ref(), Some(&saved), "{name}");
    }
    assert_eq!(read(store, |tx| tx.pool_named("pool")).await, None);
}

pub async fn pool_refs_tell_name_and_kind_of_every_pool(store: &Store) {
    write(store, |tx| {
        tx.save_pool(a_pool(1, "s3"))?;
        let mut web = a_pool(2, "web");
        web.kind = PoolKind::Http;
        tx.save_pool(web)
    })
    .await;
    let refs = read(store, |tx| tx.pool_refs()).await;
    let told = |id: i64| refs.get(&PoolId(id)).map(|found| (found.name.as_str(), found.kind));
    assert_eq!(refs.len(), 2);
    assert_eq!(told(1), Some(("s3", PoolKind::Nanio)));
    assert_eq!(told(2), Some(("web", PoolKind::Http)));
}

pub async fn only_pools_with_an_enabled_member_serve(store: &Store) {
    write(store, |tx| {
        for id in 1..=3 {
            tx.save_pool(a_pool(id, &format!("p{id}")))?;
        }
        let mut idle = a_member(10, PoolId(2));
        idle.enabled = false;
        tx.save_member(idle.clone())?;
        idle.id = MemberId(11);
        idle.pool_id = PoolId(3);
        tx.save_member(idle)?;
        tx.save_member(a_member(12, PoolId(3)))?;
        tx.save_member(a_member(13, PoolId(3)))
    })
    .await;
    assert_eq!(read(store, |tx| tx.serving_pools()).await, HashSet::from([PoolId(3)]));
}

pub async fn pools_backed_by_a_pool_are_found(store: &Store) {
    write(store, |tx| {
        tx.save_pool(a_pool(1, "s3"))?;
        tx.save_pool(a_pool(2, "unrelated"))?;
        for (id, name) in [(3, "web-b"), (4, "web-a")] {
            let mut web = a_pool(id, name);
            web.source_nanio_pool_id = Some(PoolId(1));
            tx.save_pool(web)?;
        }
        Ok(())
    })
    .await;
    let mut ids: Vec<i64> =
        read(store, |tx| tx.pools_backed_by(PoolId(1))).await.iter().map(|pool| pool.id.0).collect();
    ids.sort_unstable();
    assert_eq!(ids, [3, 4]);
    assert!(read(store, |tx| tx.pools_backed_by(PoolId(2))).await.is_empty());
}

pub async fn vhosts_that_use_a_pool_are_found_by_default_and_by_route(store: &Store) {
    write(store, |tx| {
        tx.save_pool(a_pool(1, "wanted"))?;
        tx.save_pool(a_pool(2, "other"))?;
        for (id, name) in [(1, "d.test"), (2, "c.test"), (3, "b.test"), (4, "a.test")] {
            let mut vhost = a_vhost(id, name);
            vhost.default_pool_id = [None, Some(PoolId(1)), None, Some(PoolId(2))][id as usize - 1];
            tx.save_vhost(vhost)?;
        }
        for (id, vhost, prefix) in [(1, 1, "/x/"), (2, 1, "/y/"), (3, 2, "/x/")] {
            tx.save_route(a_route(id, VhostId(vhost), prefix, PoolId(1)))?;
        }
        let mut disabled = a_route(4, VhostId(3), "/x/", PoolId(1));
        disabled.enabled = false;
        tx.save_route(disabled)?;
        tx.save_route(a_route(5, VhostId(4), "/x/", PoolId(2)))
    })
    .await;
    let names: Vec<String> =
        read(store, |tx| tx.vhosts_using(PoolId(1))).await.iter().map(|vhost| vhost.server_name.to_string()).collect();
    assert_eq!(names, ["b.test", "c.test", "d.test"]);
}

pub async fn a_route_is_found_by_its_prefix_without_the_slash_at_its_end(store: &Store) {
    write(store, |tx| {
        let pool = add_pool(tx, "p")?.id;
        for vhost in [1, 2] {
            tx.save_vhost(a_vhost(vhost, &format!("v{vhost}.test")))?;
        }
        tx.save_route(a_route(1, VhostId(1), "/photos/", pool))?;
        tx.save_route(a_route(2, VhostId(1), "/bare", pool))?;
        tx.save_route(a_route(3, VhostId(1), "/", pool))?;
        tx.save_route(a_route(4, VhostId(2), "/photos", pool))
    })
    .await;
    for (vhost, canonical, id) in
        [(1, "/photos", Some(1)), (1, "/bare", Some(2)), (1, "/", Some(3)), (2, "/photos", Some(4)), (2, "/", None)]
    {
        let found = read(store, move |tx| tx.route_at(VhostId(vhost), canonical)).await;
        assert_eq!(found.map(|route| route.id.0), id, "{canonical} in {vhost}");
    }
}

pub async fn route_pool_ids_leave_the_automatic_route_out(store: &Store) {
    write(store, |tx| {
        for id in 1..=4 {
            tx.save_pool(a_pool(id, &format!("p{id}")))?;
        }
        for vhost in [1, 2] {
            tx.save_vhost(a_vhost(vhost, &format!("v{vhost}.test")))?;
        }
        tx.save_route(a_route(1, VhostId(1), "/", PoolId(1)))?;
        tx.save_route(a_route(2, VhostId(1), "/a/", PoolId(2)))?;
        let mut disabled = a_route(3, VhostId(1), "/b/", PoolId(3));
        disabled.enabled = false;
        tx.save_route(disabled)?;
        tx.save_route(a_route(4, VhostId(2), "/a/", PoolId(4)))?;
        tx.save_route(a_route(5, VhostId(2), "/", PoolId(4)))
    })
    .await;
    assert_eq!(read(store, |tx| tx.route_pool_ids(VhostId(1))).await, HashSet::from([PoolId(2), PoolId(3)]));
    assert_eq!(read(store, |tx| tx.route_pool_ids(VhostId(2))).await, HashSet::from([PoolId(4)]));
}

pub async fn the_size_of_the_gateway_follows_its_rows(store: &Store) {
    assert_eq!(read(store, |tx| tx.server_names()).await, ServerNames::default());
    write(store, |tx| {
        let pool = add_pool(tx, "p")?;
        add_member(tx, pool.id)?;
        let few = add_vhost(tx, "the-longest-name.test")?;
        let many = add_vhost(tx, "short.test")?;
        add_vhost(tx, "empty.test")?;
        add_route(tx, few.id, "/a/", pool.id)?;
        for prefix in ["/", "/a/", "/b/"] {
            add_route(tx, many.id, prefix, pool.id)?;
        }
        // What nginx does not have is not counted.
        tx.save_route(Route { enabled: false, ..a_route(90, many.id, "/c/", pool.id) })?;
        let disabled = tx.save_vhost(Vhost { enabled: false, ..a_vhost(90, "disabled.test") })?;
        add_route(tx, disabled.id, "/a/", pool.id)?;
        Ok(())
    })
    .await;
    let counts = read(store, |tx| tx.route_counts()).await;
    assert_eq!(counts, HashMap::from([(VhostId(1), 1), (VhostId(2), 2)]));
    assert_eq!(read(store, |tx| tx.server_names()).await, ServerNames { count: 4, longest: 21 });
}

pub async fn routes_of_a_vhost_to_a_pool_are_taken_together(store: &Store) {
    write(store, |tx| {
        let (old, new) = (add_pool(tx, "old")?, add_pool(tx, "new")?);
        let (on, off) = (add_vhost(tx, "on.test")?, add_vhost(tx, "off.test")?);
        for (vhost, prefix, pool) in [(&on, "/", &old), (&on, "/b/", &new), (&on, "/a/", &new), (&off, "/c/", &old)] {
            add_route(tx, vhost.id, prefix, pool.id)?;
        }
        tx.save_route(Route { enabled: false, ..a_route(90, on.id, "/z/", new.id) })?;
        tx.save_vhost(Vhost { enabled: false, ..off })?;
        Ok(())
    })
    .await;
    let mut bundles = read(store, |tx| tx.route_bundles()).await;
    let example = std::mem::take(&mut bundles[0].example);
    assert!(["/a/", "/b/", "/z/"].contains(&example.as_str()), "{example}");
    let bundle = |vhost, pool, enabled, disabled, example: &str| RouteBundle {
        vhost_id: VhostId(vhost),
        pool_id: PoolId(pool),
        enabled,
        disabled,
        example: example.to_owned(),
    };
    assert_eq!(bundles, [bundle(1, 2, 2, 1, ""), bundle(2, 1, 1, 0, "/c/")]);
}

pub async fn buckets_are_counted_by_vhost_and_status(store: &Store) {
    write(store, |tx| {
        let (one, two) = (add_vhost(tx, "one.test")?.id.0, add_vhost(tx, "two.test")?.id.0);
        add_vhost(tx, "without-buckets.test")?;
        for (vhost, name, status) in [
            (one, "a", BucketStatus::Unrouted),
            (one, "b", BucketStatus::Unrouted),
            (one, "c", BucketStatus::Ignored),
            (two, "a", BucketStatus::Migrating),
        ] {
            tx.save_bucket(&a_bucket(vhost, name, status))?;
        }
        Ok(())
    })
    .await;
    let counts = read(store, |tx| tx.bucket_counts()).await;
    let one = BTreeMap::from([(BucketStatus::Unrouted, 2), (BucketStatus::Ignored, 1)]);
    let two = BTreeMap::from([(BucketStatus::Migrating, 1)]);
    assert_eq!(counts, HashMap::from([(VhostId(1), one), (VhostId(2), two)]));
}

pub async fn what_is_not_there_is_none_and_empty(store: &Store) {
    read(store, |tx| {
        assert!(tx.pools()?.is_empty() && tx.vhosts()?.is_empty() && tx.files()?.is_empty());
        assert!(tx.pool(PoolId(1))?.is_none() && tx.pool_named("x")?.is_none() && tx.pool_refs()?.is_empty());
        assert!(tx.serving_pools()?.is_empty() && tx.pools_backed_by(PoolId(1))?.is_empty());
        assert!(tx.members(PoolId(1))?.is_empty() && tx.member(MemberId(1))?.is_none());
        assert!(tx.vhost(VhostId(1))?.is_none() && tx.vhost_named("x")?.is_none());
        assert!(tx.vhosts_using(PoolId(1))?.is_empty() && tx.routes(VhostId(1))?.is_empty());
        assert!(tx.route(RouteId(1))?.is_none() && tx.route_at(VhostId(1), "/x")?.is_none());
        assert!(tx.route_pool_ids(VhostId(1))?.is_empty() && tx.route_bundles()?.is_empty());
        assert!(tx.bucket_counts()?.is_empty());
        assert!(tx.audit(&Filter { take: 10, ..Filter::default() })?.is_empty());
        assert!(tx.fact("x")?.is_none() && tx.revoked_sessions(at(0))?.is_empty());
        Ok(())
    })
    .await;
}

pub async fn the_routes_of_a_bucket_are_those_of_it_and_its_parts(store: &Store) {
    write(store, |tx| {
        tx.save_pool(a_pool(1, "p"))?;
        tx.save_vhost(a_vhost(1, "a.test"))?;
        tx.save_vhost(a_vhost(2, "b.test"))?;
        let prefixes =
            ["/photos/", "/photos/a/", "/photos/a/b", "/photos0/", "/photos-a/", "/photo/", "/music/photos/"];
        for (id, prefix) in (1..).zip(prefixes) {
            let mut route = a_route(id, VhostId(1), prefix, PoolId(1));
            route.enabled = id != 2;
            tx.save_route(route)?;
        }
        tx.save_route(a_route(8, VhostId(2), "/photos", PoolId(1))).map(drop)
    })
    .await;
    let bucket = BucketName::parse("photos").unwrap();
    let found =
        read(store, move |tx| Ok((tx.bucket_routes(VhostId(1), &bucket)?, tx.bucket_routes(VhostId(2), &bucket)?)))
            .await;
    let ids = |routes: &[Route]| routes.iter().map(|route| route.id.0).collect::<Vec<_>>();
    assert_eq!((ids(&found.0), ids(&found.1)), (vec![1, 2, 3], vec![8]));
}
