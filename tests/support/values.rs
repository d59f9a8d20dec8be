//! Generators of domain values: every field, hostile where the constructors let it through.

pub mod manifest;
pub mod migration;

use std::collections::BTreeMap;

use nanio_orchestrator::domain::bucket::BucketName;
use nanio_orchestrator::domain::credential::{Credential, FernetToken};
use nanio_orchestrator::domain::gateway::moving::Move;
use nanio_orchestrator::domain::gateway::{DefaultRoute, Protocol, Server, ServerRoute, Tls, Upstream, UpstreamServer};
use nanio_orchestrator::domain::ids::{MemberId, MigrationId, PoolId, Revision, RouteId, VhostId};
use nanio_orchestrator::domain::migration::token::{GateStage, MigrationGate, Token};
use nanio_orchestrator::domain::pool::{
    Address, FailTimeout, Keepalive, LbMethod, MaxFails, Member, Pool, PoolKind, PoolName, Role, Weight,
};
use nanio_orchestrator::domain::route::{KeyPrefix, PathPrefix};
use nanio_orchestrator::domain::sidecar::{PoolSidecar, Served, SidecarRoute, VhostSidecar};
use nanio_orchestrator::domain::time::Timestamp;
use nanio_orchestrator::domain::vhost::{
    ExtraBlock, IpRange, IpRuleMode, IpRules, PemPath, Port, ServerName, Snippet, Vhost, Zone,
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

/// Moves of buckets, some of those that the routes serve and some others, between the pools `names`.
fn moves(names: Vec<PoolName>) -> impl Strategy<Value = Vec<(Option<usize>, Move)>> {
    let upload = prop_oneof![4 => "[A-Za-z0-9._~-]{1,30}", 1 => "[^\\x00-\\x1f]{1,8}", 1 => "[a-z]{301,400}"];
    let gate = (any::<[bool; 2]>(), prop::collection::vec(upload, 1..4), "[0-9a-f]{24}");
    let one = (option::of(0..8_usize), bucket(), select(names.clone()), select(names), gate);
    prop::collection::vec(one, 0..4).prop_map(|all| {
        let moved = |(index, (route, bucket, source, destination, gate)): (usize, _)| {
            let ([settled, split], uploads, token): ([bool; 2], Vec<String>, String) = gate;
            let gate = MigrationGate {
                token: Token::parse(&format!("{token}{index:08x}")).unwrap(),
                stage: if settled { GateStage::Settled } else { GateStage::Gated },
                source_uploads: if settled { uploads } else { Vec::new() },
            };
            let migration = MigrationId(index as i64 + 1);
            (route, Move { migration, bucket, source, destination, split: split && !settled, gate })
        };
        all.into_iter().enumerate().map(moved).collect()
    })
}

/// A server block that uses the pools `names`, which must not be empty. Sometimes buckets of it are being moved.
pub fn server(names: Vec<PoolName>, tls: Option<Tls>) -> impl Strategy<Value = Server> {
    let moves = prop_oneof![2 => Just(Vec::new()), 1 => moves(names.clone())];
    (still_server(names, tls), moves).prop_map(|(mut server, moves)| {
        let routed: Vec<BucketName> =
            server.routes.iter().map(|route| BucketName::parse(route.path_prefix.bucket()).unwrap()).collect();
        for (route, one) in moves {
            let bucket = route.and_then(|route| routed.get(route)).cloned().unwrap_or(one.bucket.clone());
            if !server.moves.iter().any(|known| known.bucket.as_str().eq_ignore_ascii_case(bucket.as_str())) {
                let split = one.split && server.protocol == Protocol::S3;
                server.moves.push(Move { bucket, split, ..one });
            }
        }
        server
    })
}

/// A server block of which no bucket is being moved.
fn still_server(names: Vec<PoolName>, tls: Option<Tls>) -> impl Strategy<Value = Server> {
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
                routes: routes.into_iter().collect(),
                moves: Vec::new(),
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

fn time() -> impl Strategy<Value = Timestamp> {
    (0i64..4_000_000_000).prop_map(|unix| Timestamp::of(chrono::DateTime::from_timestamp(unix, 0).unwrap()))
}

fn token() -> impl Strategy<Value = FernetToken> {
    "[A-Za-z0-9_=-]{1,60}".prop_map(|text| FernetToken::parse(&text).unwrap())
}

fn bucket() -> impl Strategy<Value = BucketName> {
    "[A-Za-z0-9._@-]{3,20}".prop_filter_map("not a bucket", |text| BucketName::parse(&text).ok())
}

/// A word of a closed list.
fn word<T: std::fmt::Debug + Copy + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    select(all)
}

fn member(id: i64, pool_id: PoolId) -> impl Strategy<Value = Member> {
    let numbers = (1i64..=100, 0i64..=100, 0i64..=600);
    (address(), word(Role::ALL), numbers, any::<bool>(), time(), time()).prop_map(
        move |(address, role, (weight, fails, timeout), enabled, created_at, updated_at)| Member {
            id: MemberId(id),
            revision: Revision::NEW,
            pool_id,
            address,
            role,
            weight: Weight::new(weight).unwrap(),
            max_fails: MaxFails::new(fails).unwrap(),
            fail_timeout_s: FailTimeout::new(timeout).unwrap(),
            enabled,
            created_at,
            updated_at,
        },
    )
}

fn credential(pool_id: PoolId) -> impl Strategy<Value = Credential> {
    let endpoint = option::of("https?://[a-z0-9.é-]{1,20}(:[0-9]{2,4})?");
    (token(), token(), endpoint, "[a-z0-9-]{1,12}", time(), time()).prop_map(
        move |(access_key_enc, secret_key_enc, endpoint_url, region, created_at, updated_at)| Credential {
            pool_id,
            access_key_enc,
            secret_key_enc,
            endpoint_url,
            region,
            created_at,
            updated_at,
        },
    )
}

/// A sidecar of a pool; whether its parts fit each other is nothing to a file.
pub fn pool_sidecar() -> impl Strategy<Value = PoolSidecar> {
    let head = (1i64.., pool_name(), option::of("(?s).{0,30}"), word(PoolKind::ALL), word(LbMethod::ALL), 0i64..=1024);
    let tail = (option::of((1i64.., option::of(pool_name()))), time(), time());
    (head, tail).prop_flat_map(
        |((id, name, description, kind, lb_method, keepalive), (source, created_at, updated_at))| {
            let pool = Pool {
                id: PoolId(id),
                revision: Revision::NEW,
                name,
                description,
                kind,
                lb_method,
                keepalive: Keepalive::new(keepalive).unwrap(),
                source_nanio_pool_id: source.as_ref().map(|(id, _)| PoolId(*id)),
                created_at,
                updated_at,
            };
            let members = (0usize..4).prop_flat_map(move |count| {
                (1..=count as i64).map(|member_id| member(member_id, PoolId(id))).collect::<Vec<_>>()
            });
            (option::of(credential(PoolId(id))), members).prop_map(move |(credential, members)| PoolSidecar {
                pool: pool.clone(),
                source_nanio_pool_name: source.clone().and_then(|(_, name)| name),
                credential,
                members,
            })
        },
    )
}

fn sidecar_route(id: i64) -> impl Strategy<Value = SidecarRoute> {
    let target = (prefix(), 1i64.., pool_name());
    let rest = (option::of(key_prefix()), option::of(snippet()), any::<bool>(), time(), time());
    (target, rest).prop_map(
        move |((path_prefix, pool_id, pool_name), (key_prefix, extra_directives, enabled, created_at, updated_at))| {
            SidecarRoute {
                id: RouteId(id),
                path_prefix,
                pool_id: PoolId(pool_id),
                pool_name,
                key_prefix,
                extra_directives,
                enabled,
                created_at,
                updated_at,
            }
        },
    )
}

/// A sidecar of a vhost; whether its parts fit each other is nothing to a file.
pub fn vhost_sidecar() -> impl Strategy<Value = VhostSidecar> {
    let path = || option::of("/[a-z \"é/]{0,12}[a-z]".prop_map(|path| PemPath::parse(&path).unwrap()));
    let head = (1i64.., server_name(), 1i64..=65535, any::<bool>(), path(), path());
    let own = (option::of(snippet()), blocks(), option::of(ip_rules()));
    let default = option::of((1i64.., option::of(pool_name())));
    let tail = (any::<bool>(), default, time(), time());
    let routes = (0usize..4).prop_flat_map(|count| (1..=count as i64).map(sidecar_route).collect::<Vec<_>>());
    let rest = (routes, prop::collection::vec(bucket(), 0..4));
    let served = option::of(server(vec![PoolName::parse("p").unwrap()], None).prop_map(|server| Served::by(&server)));
    (head, own, tail, rest, served).prop_map(|(head, own, tail, (routes, ignored), served)| {
        let (enabled, default, created_at, updated_at) = tail;
        let (id, server_name, port, ssl, ssl_certificate, ssl_certificate_key) = head;
        let (extra_directives, extra_blocks, ip_rules) = own;
        VhostSidecar {
            vhost: Vhost {
                id: VhostId(id),
                revision: Revision::NEW,
                server_name,
                listen_port: Port::new(port).unwrap(),
                ssl,
                ssl_certificate,
                ssl_certificate_key,
                extra_directives,
                extra_blocks,
                enabled,
                default_pool_id: default.as_ref().map(|(id, _)| PoolId(*id)),
                ip_rules,
                created_at,
                updated_at,
            },
            default_pool_name: default.and_then(|(_, name)| name),
            routes,
            served,
            ignored_buckets: ignored,
        }
    })
}
