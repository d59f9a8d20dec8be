//! Generators of domain values: every field, hostile where the constructors let it through.

use std::collections::BTreeMap;

use nanio_orchestrator::domain::gateway::{DefaultRoute, Protocol, Server, ServerRoute, Tls, Upstream, UpstreamServer};
use nanio_orchestrator::domain::ids::{MemberId, PoolId, RouteId, VhostId};
use nanio_orchestrator::domain::pool::{
    Address, FailTimeout, Keepalive, LbMethod, MaxFails, PoolKind, PoolName, Role, Weight,
};
use nanio_orchestrator::domain::route::{KeyPrefix, PathPrefix};
use nanio_orchestrator::domain::vhost::{
    ExtraBlock, IpRange, IpRuleMode, IpRules, PemPath, Port, ServerName, Snippet, Zone,
};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

pub fn pool_name() -> impl Strategy<Value = PoolName> {
    "[A-Za-z0-9_-][A-Za-z0-9._-]{0,40}".prop_filter_map("reserved", |name| PoolName::parse(&name).ok())
}

pub fn address() -> impl Strategy<Value = Address> {
    prop_oneof![
        (1u8..=254, 1u16..).prop_map(|(last, port)| format!("127.0.0.{last}:{port}")),
        (1u16..).prop_map(|port| format!("[::1]:{port}")),
        "[a-zA-Z0-9/._@+-]{1,40}".prop_map(|path| format!("unix:/{path}")),
    ]
    .prop_filter_map("not an address", |text| Address::parse(&text).ok())
}

pub fn upstream() -> impl Strategy<Value = Upstream> {
    let member = (address(), 1i64..=100, 0i64..=100, 0i64..=600, any::<bool>());
    let head = (pool_name(), any::<bool>(), select(LbMethod::WORDS), 1i64..=1024, 1i64..1000);
    (head, prop::collection::vec(member, 1..5)).prop_map(|((name, http, lb, keepalive, id), members)| {
        let lb_method = LbMethod::parse(lb).unwrap();
        let kind = if http { PoolKind::Http } else { PoolKind::Nanio };
        let servers = members.into_iter().enumerate().map(|(index, (address, weight, fails, timeout, replica))| {
            let role = match kind {
                PoolKind::Nanio => Role::Active,
                PoolKind::Http if replica && index > 0 && lb_method != LbMethod::IpHash => Role::Replica,
                PoolKind::Http => Role::Primary,
            };
            UpstreamServer {
                id: MemberId(index as i64 + 1),
                address,
                role,
                weight: Weight::new(weight).unwrap(),
                max_fails: MaxFails::new(fails).unwrap(),
                fail_timeout_s: FailTimeout::new(timeout).unwrap(),
            }
        });
        let servers = servers.collect();
        Upstream { id: PoolId(id), name, kind, lb_method, keepalive: Keepalive::new(keepalive).unwrap(), servers }
    })
}

pub fn server_name() -> impl Strategy<Value = ServerName> {
    (any::<bool>(), "[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?){0,3}")
        .prop_filter_map("not a host name", |(wildcard, name)| {
            ServerName::parse(&if wildcard { format!("*.{name}") } else { name }).ok()
        })
}

pub fn snippet() -> impl Strategy<Value = Snippet> {
    select(vec![
        "add_header X-A \"b c;d{e}\";",
        "# a note with \"quotes\" and } braces",
        "add_header X-One 1;\n    add_header X-Two 'two';",
        "  expires 30d;\n\n  etag off;",
        "if ($request_method = TRACE) { return 405; }",
    ])
    .prop_map(|text| Snippet::parse(text).unwrap())
}

fn blocks() -> impl Strategy<Value = Vec<ExtraBlock>> {
    // `etag` and `expires` may stand once in a block: at most one snippet a zone keeps nginx content.
    prop::collection::vec((select(Zone::WORDS), "[a-z]{1,8}"), 0..5).prop_map(|blocks| {
        let block = |(zone, word): (&str, String)| ExtraBlock {
            zone: Zone::parse(zone).unwrap(),
            content: Snippet::parse(&format!("add_header X-{word} \"{word} {zone}\";\n# {word}")).unwrap(),
        };
        blocks.into_iter().map(block).collect()
    })
}

fn ip_rules() -> impl Strategy<Value = IpRules> {
    let range = select(vec!["10.0.0.0/8", "192.168.1.5", "::1", "2001:db8::/32"]);
    (select(IpRuleMode::WORDS), prop::collection::vec(range, 1..4)).prop_map(|(mode, ranges)| {
        let ranges = ranges.into_iter().map(|range| IpRange::parse(range).unwrap()).collect();
        IpRules::new(IpRuleMode::parse(mode).unwrap(), ranges).unwrap()
    })
}

fn prefix() -> impl Strategy<Value = PathPrefix> {
    prop_oneof![
        4 => "/[a-z0-9][a-z0-9._-]{1,20}[a-z0-9]/?",
        1 => "/(default|include|hostnames|volatile)/",
        1 => "/[A-Za-z0-9@_-]{1,12}/?",
        1 => "/[a-z0-9]{3,8}/[A-Za-z0-9._@-]{1,8}/?",
    ]
    .prop_filter_map("not a prefix", |text| PathPrefix::parse(&text).ok())
}

fn key_prefix() -> impl Strategy<Value = KeyPrefix> {
    "[A-Za-z0-9_@-]{1,8}/?".prop_filter_map("not a key prefix", |text| KeyPrefix::parse(&text).ok())
}

/// A server block that uses the pools `names`, which must not be empty.
pub fn server(names: Vec<PoolName>, tls: Option<Tls>) -> impl Strategy<Value = Server> {
    let route =
        (prefix(), select(names.clone()), option::weighted(0.2, key_prefix()), option::weighted(0.2, snippet()));
    let routes = prop::collection::vec(route, 0..8);
    let head = (server_name(), 1024i64..=65535, 1i64..100, any::<bool>());
    let tail =
        (option::of(ip_rules()), option::of(snippet()), blocks(), option::of(select(names)), option::of(Just(tls)));
    (head, routes, tail).prop_map(
        |((server_name, port, id, s3), routes, (ip_rules, directives, extra_blocks, default, tls))| {
            let mut by_prefix = BTreeMap::new();
            for (index, (path_prefix, pool, key_prefix, extra_directives)) in routes.into_iter().enumerate() {
                let id = RouteId(index as i64 + 2);
                let route = ServerRoute { id, path_prefix, pool, key_prefix, extra_directives };
                by_prefix.insert(route.path_prefix.canonical().to_owned(), route);
            }
            let mut routes: Vec<ServerRoute> = by_prefix.into_values().collect();
            routes.sort_by(ServerRoute::order);
            Server {
                id: VhostId(id),
                server_name,
                listen_port: Port::new(port).unwrap(),
                tls: tls.flatten(),
                protocol: if s3 { Protocol::S3 } else { Protocol::Http },
                ip_rules,
                extra_directives: directives,
                extra_blocks,
                default: default.map(|pool| DefaultRoute { id: RouteId(1), pool }),
                routes,
            }
        },
    )
}

/// Certificate paths that only have to be text.
pub fn tls_paths() -> Tls {
    Tls {
        certificate: PemPath::parse("/etc/ssl/a dir/\"cert\".pem").unwrap(),
        key: PemPath::parse("/etc/ssl/a;dir/{key}.pem").unwrap(),
    }
}
