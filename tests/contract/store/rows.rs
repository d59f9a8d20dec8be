//! Nothing is lost or changed on the way to the database and back.

use nanio_orchestrator::domain::ids::{MemberId, PoolId, Revision, RouteId, VhostId};
use nanio_orchestrator::domain::pool::{
    Address, FailTimeout, Keepalive, LbMethod, MaxFails, Pool, PoolKind, PoolName, Role, Weight,
};
use nanio_orchestrator::domain::route::{KeyPrefix, PathPrefix};
use nanio_orchestrator::domain::time::Timestamp;
use nanio_orchestrator::domain::vhost::{
    ExtraBlock, IpRange, IpRuleMode, IpRules, PemPath, Port, ServerName, Snippet, Vhost, Zone,
};
use nanio_orchestrator::ports::store::Store;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::adapters::{a_member, a_pool, a_route, a_vhost, at, read, write};

/// Text that a database could mistake for something else.
const NASTY: &str = "Grüße, 世界 🦀\n\t'; DROP TABLE pools; --\r\n\"quoted\" \\n %s $1 ?1 \u{feff}\u{202e}\u{7f}";

fn ago() -> Timestamp {
    Timestamp::of(chrono::DateTime::from_timestamp(0, 0).unwrap())
}

fn far() -> Timestamp {
    Timestamp::of(chrono::DateTime::parse_from_rfc3339("9999-12-31T23:59:59Z").unwrap().into())
}

/// A name of the greatest length.
fn longest_pool_name() -> PoolName {
    PoolName::parse(&format!("A{}z", "._-9".repeat(31) + "ab")).unwrap()
}

async fn pool_comes_back(store: &Store, pool: Pool) -> Pool {
    let id = pool.id;
    let saved = write(store, move |tx| tx.save_pool(pool)).await;
    assert_eq!(read(store, move |tx| tx.pool(id)).await.as_ref(), Some(&saved));
    saved
}

pub async fn every_field_of_a_pool_comes_back(store: &Store) {
    let mut pool = pool_comes_back(store, a_pool(i64::MAX - 1, "plain")).await;
    pool.name = longest_pool_name();
    pool.source_nanio_pool_id = Some(pool.id);
    pool.created_at = ago();
    pool.updated_at = far();
    for (kind, lb_method, keepalive, description) in [
        (PoolKind::Http, LbMethod::RoundRobin, Keepalive::MIN, Some(String::new())),
        (PoolKind::Nanio, LbMethod::IpHash, Keepalive::MAX, Some(NASTY.to_owned())),
        (PoolKind::Http, LbMethod::LeastConn, 1, Some("x".repeat(1_000_000))),
        (PoolKind::Http, LbMethod::LeastConn, 1, None),
    ] {
        pool.kind = kind;
        pool.lb_method = lb_method;
        pool.keepalive = Keepalive::new(keepalive).unwrap();
        pool.description = description;
        let expected = Pool { revision: pool.revision.next(), ..pool.clone() };
        pool = pool_comes_back(store, pool).await;
        assert_eq!(pool, expected);
    }
    pool.source_nanio_pool_id = None;
    pool_comes_back(store, pool).await;
}

pub async fn any_description_comes_back(store: &Store) {
    let mut runner = TestRunner::deterministic();
    // PostgreSQL has no NUL in its texts; no client can send one either.
    let texts = proptest::string::string_regex("[^\u{0}]{0,40}").unwrap();
    let mut pool = a_pool(1, "p");
    for _ in 0..64 {
        pool.description = Some(texts.new_tree(&mut runner).unwrap().current());
        let expected = pool.description.clone();
        pool = pool_comes_back(store, pool).await;
        assert_eq!(pool.description, expected);
    }
}

pub async fn every_field_of_a_member_comes_back(store: &Store) {
    write(store, |tx| {
        tx.save_pool(a_pool(1, "p"))?;
        tx.save_pool(a_pool(2, "q"))
    })
    .await;
    let mut member = write(store, |tx| tx.save_member(a_member(1, PoolId(1)))).await;
    for (address, role, extreme, enabled, pool) in [
        ("[2001:db8::1]:65535", Role::Primary, true, false, 2),
        ("unix:/run/nanio/a@b+c.sock", Role::Replica, false, true, 1),
        ("node-1.example.test:1", Role::Active, true, true, 1),
    ] {
        let pick = |least: i64, most: i64| if extreme { most } else { least };
        member.address = Address::parse(address).unwrap();
        member.role = role;
        member.weight = Weight::new(pick(Weight::MIN, Weight::MAX)).unwrap();
        member.max_fails = MaxFails::new(pick(MaxFails::MIN, MaxFails::MAX)).unwrap();
        member.fail_timeout_s = FailTimeout::new(pick(FailTimeout::MIN, FailTimeout::MAX)).unwrap();
        member.enabled = enabled;
        member.pool_id = PoolId(pool);
        member.created_at = at(11);
        member.updated_at = at(12);
        let mut expected = member.clone();
        expected.revision = member.revision.next();
        member = write(store, move |tx| tx.save_member(member)).await;
        assert_eq!(member, expected);
        assert_eq!(read(store, |tx| tx.member(MemberId(1))).await.as_ref(), Some(&member));
    }
}

fn full_vhost() -> Vhost {
    let mut vhost = a_vhost(1, "*.a-b.example.test");
    let snippet = |text: &str| Snippet::parse(text).unwrap();
    vhost.listen_port = Port::new(Port::MAX).unwrap();
    vhost.ssl = true;
    vhost.ssl_certificate = Some(PemPath::parse("/etc/ssl/ä \"quoted\".pem").unwrap());
    vhost.ssl_certificate_key = Some(PemPath::parse("/etc/ssl/key'.pem").unwrap());
    vhost.extra_directives = Some(snippet("  add_header X \"é\\\"\";\n\tmore 'x';"));
    vhost.extra_blocks = [Zone::End, Zone::Top, Zone::Ssl, Zone::Proxy, Zone::Top]
        .into_iter()
        .map(|zone| ExtraBlock { zone, content: snippet("location /x {\n    return 200 \"{}\\\\\";\n}") })
        .collect();
    vhost.enabled = false;
    vhost.default_pool_id = Some(PoolId(1));
    let ranges = ["::1", "10.0.0.0/8", "2001:db8::/32", "1.2.3.4"].map(|range| IpRange::parse(range).unwrap());
    vhost.ip_rules = Some(IpRules::new(IpRuleMode::Allow, ranges.to_vec()).unwrap());
    vhost.created_at = ago();
    vhost.updated_at = far();
    vhost
}

pub async fn every_field_of_a_vhost_comes_back(store: &Store) {
    write(store, |tx| tx.save_pool(a_pool(1, "p"))).await;
    let saved = write(store, |tx| tx.save_vhost(full_vhost())).await;
    assert_eq!(saved, Vhost { revision: saved.revision, ..full_vhost() });
    assert_eq!(read(store, |tx| tx.vhost(VhostId(1))).await.as_ref(), Some(&saved));
    let by_name = read(store, |tx| tx.vhost_named("*.a-b.example.test")).await;
    assert_eq!(by_name.as_ref(), Some(&saved));

    let mut bare = a_vhost(1, "b.test");
    bare.revision = saved.revision;
    bare.server_name = ServerName::parse(&format!("{}.test", ["a".repeat(60).as_str(); 4].join("."))).unwrap();
    bare.ip_rules = Some(IpRules::new(IpRuleMode::Deny, vec![IpRange::parse("0.0.0.0/0").unwrap()]).unwrap());
    let bare = write(store, move |tx| tx.save_vhost(bare)).await;
    assert_eq!(read(store, |tx| tx.vhost(VhostId(1))).await.as_ref(), Some(&bare));

    let mut barer = bare;
    barer.ip_rules = None;
    let barer = write(store, move |tx| tx.save_vhost(barer)).await;
    assert_eq!(read(store, |tx| tx.vhosts()).await, [barer]);
}

pub async fn every_field_of_a_route_comes_back(store: &Store) {
    write(store, |tx| {
        tx.save_pool(a_pool(1, "p"))?;
        tx.save_pool(a_pool(2, "q"))?;
        tx.save_vhost(a_vhost(1, "v.test"))?;
        tx.save_vhost(a_vhost(2, "w.test"))
    })
    .await;
    let mut route = write(store, |tx| tx.save_route(a_route(1, VhostId(1), "/", PoolId(1)))).await;
    assert_eq!(read(store, |tx| tx.route(RouteId(1))).await.as_ref(), Some(&route));

    route.vhost_id = VhostId(2);
    route.path_prefix = PathPrefix::parse(&format!("/A.b_c@d-e/{}/", "x".repeat(1_000))).unwrap();
    route.pool_id = PoolId(2);
    route.key_prefix = Some(KeyPrefix::parse("2024/a@b/").unwrap());
    route.extra_directives = Some(Snippet::parse("proxy_set_header X \"é\";\n# '\"").unwrap());
    route.enabled = false;
    route.created_at = at(5);
    route.updated_at = at(6);
    let mut expected = route.clone();
    expected.revision = route.revision.next();
    let mut route = write(store, move |tx| tx.save_route(route)).await;
    assert_eq!(route, expected);
    assert_eq!(read(store, |tx| tx.routes(VhostId(2))).await, [expected]);
    assert!(read(store, |tx| tx.routes(VhostId(1))).await.is_empty());

    route.key_prefix = None;
    route.extra_directives = None;
    let route = write(store, move |tx| tx.save_route(route)).await;
    assert_eq!(read(store, |tx| tx.route(RouteId(1))).await, Some(route));
}

pub async fn an_entity_of_another_life_begins_at_a_revision_of_its_own(store: &Store) {
    let first = Revision::first(1_700_000_000);
    let pool = write(store, move |tx| tx.save_pool(Pool { revision: first, ..a_pool(1, "old") })).await;
    assert_eq!(pool.revision, Revision(1_700_000_000));
    let again = pool_comes_back(store, pool.clone()).await;
    assert_eq!(again.revision, pool.revision.next());
    let second = store.write(move |tx| tx.save_pool(Pool { revision: first, ..a_pool(1, "old") })).await;
    assert!(second.is_err(), "{second:?}");
}
