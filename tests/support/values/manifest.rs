//! Documents of gateways: every field, and what is right for a real gateway.

use std::collections::BTreeMap;

use nanio_orchestrator::domain::manifest::{Manifest, MemberSpec, PoolSpec, RouteSpec, VhostSpec};
use nanio_orchestrator::domain::pool::{
    Address, FailTimeout, Keepalive, LbMethod, MaxFails, PoolKind, PoolName, Role, Weight,
};
use nanio_orchestrator::domain::route::PathPrefix;
use nanio_orchestrator::domain::vhost::{PemPath, Port, ServerName};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::{blocks, bucket, ip_rules, key_prefix, pool_name, prefix, server_name, snippet};

fn flag() -> impl Strategy<Value = bool> {
    prop_oneof![3 => Just(true), 1 => Just(false)]
}

fn member(kind: PoolKind) -> impl Strategy<Value = MemberSpec> {
    // Few addresses, so that some come twice.
    let address = (1u8..4).prop_map(|last| Address::parse(&format!("127.0.0.{last}:9000")).unwrap());
    let usual = (Weight::default(), MaxFails::default(), FailTimeout::default());
    let numbers = prop_oneof![
        Just(usual),
        (1i64..=100, 0i64..=100, 0i64..=600).prop_map(|(weight, fails, time)| {
            (Weight::new(weight).unwrap(), MaxFails::new(fails).unwrap(), FailTimeout::new(time).unwrap())
        })
    ];
    (address, numbers, flag()).prop_map(move |(address, (weight, max_fails, fail_timeout_s), enabled)| MemberSpec {
        address,
        role: Role::usual(kind),
        weight,
        max_fails,
        fail_timeout_s,
        enabled,
    })
}

fn pool(kind: PoolKind, source: Option<PoolName>) -> impl Strategy<Value = PoolSpec> {
    let text = option::of(prop_oneof!["[ -~]{0,20}", "(?s).{0,20}", Just("two\nlines: of #text\n".to_owned())]);
    // A NUL is refused by the reader, as everywhere.
    let text = text.prop_map(|text| text.map(|text: String| text.replace('\0', "0")));
    let method = select(LbMethod::ALL);
    // The first member is enabled, so that every pool can serve.
    (text, method, 1i64..=1024, prop::collection::vec(member(kind), 1..4)).prop_map(
        move |(description, lb_method, keepalive, mut members)| {
            members[0].enabled = true;
            let keepalive = Keepalive::new(keepalive).unwrap();
            PoolSpec { description, kind, lb_method, keepalive, source: source.clone(), members }
        },
    )
}

fn route(pools: Vec<PoolName>) -> impl Strategy<Value = RouteSpec> {
    (select(pools), option::of(snippet()), flag()).prop_map(|(pool, extra_directives, enabled)| RouteSpec {
        pool,
        key_prefix: None,
        extra_directives,
        enabled,
    })
}

/// A vhost without TLS whose routes lead to these pools.
fn vhost(default_pool: Option<PoolName>, pools: Vec<PoolName>) -> impl Strategy<Value = VhostSpec> {
    let prefixes = ["/a/", "/bucket.one", "/photos/", "/photos/2024/", "/Upper/", "/x@y/"];
    let prefixes = subsequence(prefixes.to_vec(), 0..=6);
    let routes = prefixes.prop_flat_map(move |prefixes| {
        let one = |text: &str| (Just(PathPrefix::parse(text).unwrap()), route(pools.clone()));
        prefixes.into_iter().map(one).collect::<Vec<_>>()
    });
    let head = (1i64..=65535, flag(), option::of(snippet()), blocks(), option::of(ip_rules()));
    (head, routes, prop::collection::btree_set(bucket(), 0..3)).prop_map(
        move |((port, enabled, extra_directives, extra_blocks, ip_rules), routes, ignored_buckets)| VhostSpec {
            listen_port: Port::new(port).unwrap(),
            ssl: false,
            ssl_certificate: None,
            ssl_certificate_key: None,
            extra_directives,
            extra_blocks,
            enabled,
            default_pool: default_pool.clone(),
            ip_rules,
            routes: routes.into_iter().collect(),
            ignored_buckets,
        },
    )
}

/// A document that a gateway takes. A vhost has the same default pool in each of them, so that one may follow the other.
pub fn sound() -> impl Strategy<Value = Manifest> {
    let name = |text: &str| PoolName::parse(text).unwrap();
    let nanio = subsequence(vec!["p1", "p2", "p3"], 0..=3).prop_map(move |rest| {
        let names = ["p0"].into_iter().chain(rest).map(name);
        names.collect::<Vec<_>>()
    });
    let pools = (nanio, any::<bool>()).prop_flat_map(move |(nanio, linked)| {
        let own = nanio.iter().map(|name| (Just(name.clone()), pool(PoolKind::Nanio, None).boxed()));
        let http = (Just(name("a-web")), pool(PoolKind::Http, linked.then(|| name("p0"))).boxed());
        (Just(nanio.clone()), own.chain([http]).collect::<Vec<_>>())
    });
    let hosts = subsequence(vec!["a.example", "b.example"], 0..=2);
    (pools, hosts).prop_flat_map(move |((nanio, pools), hosts)| {
        let default = |host: &str| (host == "a.example").then(|| name("p0"));
        let one = |host: &str| (Just(ServerName::parse(host).unwrap()), vhost(default(host), nanio.clone()));
        let vhosts = hosts.into_iter().map(one).collect::<Vec<_>>();
        let pools: BTreeMap<PoolName, PoolSpec> = pools.into_iter().collect();
        vhosts.prop_map(move |vhosts| Manifest { pools: pools.clone(), vhosts: vhosts.into_iter().collect() })
    })
}

/// Any document at all.
pub fn any_document() -> impl Strategy<Value = Manifest> {
    let kind = select(PoolKind::ALL);
    let any_pool = (kind, option::of(pool_name())).prop_flat_map(|(kind, source)| pool(kind, source));
    let path = || option::of("/[a-z \"é/]{0,12}[a-z]".prop_map(|path| PemPath::parse(&path).unwrap()));
    let any_route = (pool_name(), option::of(key_prefix()), option::of(snippet()), any::<bool>()).prop_map(
        |(pool, key_prefix, extra_directives, enabled)| RouteSpec { pool, key_prefix, extra_directives, enabled },
    );
    let routes = prop::collection::btree_map(prefix(), any_route, 0..4);
    let any_vhost = (vhost(None, vec![PoolName::parse("p").unwrap()]), any::<bool>(), path(), path(), routes).prop_map(
        |(vhost, ssl, ssl_certificate, ssl_certificate_key, routes)| VhostSpec {
            ssl,
            ssl_certificate,
            ssl_certificate_key,
            routes,
            ..vhost
        },
    );
    let pools = prop::collection::btree_map(pool_name(), any_pool, 0..4);
    let vhosts = prop::collection::btree_map(server_name(), any_vhost, 0..3);
    (pools, vhosts).prop_map(|(pools, vhosts)| Manifest { pools, vhosts })
}

/// The same document with the members of each pool in order, as their order is no difference.
pub fn in_order(mut manifest: Manifest) -> Manifest {
    for pool in manifest.pools.values_mut() {
        pool.members.sort_by_key(|member| format!("{member:?}"));
    }
    manifest
}
