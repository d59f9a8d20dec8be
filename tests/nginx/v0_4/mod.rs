//! What 0.4.1 wrote is read for what it says.

mod edits;

use std::collections::BTreeMap;
use std::path::Path;

use nanio_orchestrator::adapters::nginx::gateway::NginxGateway;
use nanio_orchestrator::domain::bucket::BucketName;
use nanio_orchestrator::domain::credential::FernetToken;
use nanio_orchestrator::domain::disk::{
    DiskContent, DiskCredential, DiskDefaultRoute, DiskFile, DiskMember, DiskPoolSidecar, DiskRoute, DiskServer,
    DiskUpstream, DiskVhostSidecar, Remains, Split, Writer,
};
use nanio_orchestrator::domain::gateway::Tls;
use nanio_orchestrator::domain::ids::{PoolId, RouteId, VhostId};
use nanio_orchestrator::domain::pool::{
    Address, FailTimeout, Keepalive, LbMethod, MaxFails, PoolKind, PoolName, Weight,
};
use nanio_orchestrator::domain::route::{KeyPrefix, PathPrefix};
use nanio_orchestrator::domain::time::Timestamp;
use nanio_orchestrator::domain::vhost::{
    ExtraBlock, IpRange, IpRuleMode, IpRules, PemPath, Port, ServerName, Snippet, Zone,
};
use nanio_orchestrator::ports::gateway::Gateway as _;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/v0_4_1/nginx");

/// The files of a managed directory, without that directory in their paths.
async fn read(files: &[(String, String)]) -> Vec<DiskFile> {
    let dir = tempfile::tempdir().unwrap();
    let gateway = NginxGateway::dry_run(dir.path(), false).unwrap();
    for (path, text) in files {
        std::fs::write(dir.path().join(path), text).unwrap();
    }
    let mut all = gateway.read_all().await.unwrap();
    for file in &mut all {
        file.path = Path::new(&file.path).strip_prefix(dir.path()).unwrap().display().to_string();
    }
    all
}

fn fixture(path: &str) -> String {
    std::fs::read_to_string(Path::new(FIXTURE).join(path)).unwrap()
}

fn pool(name: &str) -> PoolName {
    PoolName::parse(name).unwrap()
}

fn prefix(text: &str) -> PathPrefix {
    PathPrefix::parse(text).unwrap()
}

fn at(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text)
}

fn member(address: &str, backup: bool, weight: i64) -> DiskMember {
    DiskMember {
        id: None,
        known_as: None,
        address: Address::parse(address).unwrap(),
        backup,
        weight: Weight::new(weight).unwrap(),
        max_fails: MaxFails::new(3).unwrap(),
        fail_timeout_s: FailTimeout::new(30).unwrap(),
    }
}

fn upstream(
    id: i64,
    name: &str,
    kind: PoolKind,
    lb: LbMethod,
    keepalive: i64,
    servers: Vec<DiskMember>,
) -> DiskUpstream {
    DiskUpstream {
        writer: Writer::Version04,
        id: Some(PoolId(id)),
        name: pool(name),
        kind: Some(kind),
        lb_method: lb,
        keepalive: Keepalive::new(keepalive).unwrap(),
        servers,
        remains: Remains::default(),
    }
}

fn route(id: i64, path: &str, to: &str) -> DiskRoute {
    let extra_directives = None;
    DiskRoute {
        id: Some(RouteId(id)),
        known_as: None,
        path_prefix: prefix(path),
        pool: pool(to),
        key_prefix: None,
        extra_directives,
    }
}

fn server(id: i64, name: &str, default: (i64, &str)) -> DiskServer {
    DiskServer {
        writer: Writer::Version04,
        id: Some(VhostId(id)),
        server_name: ServerName::parse(name).unwrap(),
        listen_port: Port::new(80).unwrap(),
        tls: None,
        protocol: None,
        ip_rules: None,
        extra_directives: None,
        extra_blocks: Vec::new(),
        unmarked: Vec::new(),
        default: Some(DiskDefaultRoute { id: Some(RouteId(default.0)), pool: pool(default.1) }),
        routes: Vec::new(),
        splits: Vec::new(),
        moves: Vec::new(),
        remains: Remains::default(),
    }
}

fn rules(mode: IpRuleMode, ranges: &[&str]) -> Option<IpRules> {
    IpRules::new(mode, ranges.iter().map(|range| IpRange::parse(range).unwrap()).collect()).ok()
}

fn pool_sidecar(id: i64, name: &str, kind: PoolKind) -> DiskPoolSidecar {
    DiskPoolSidecar {
        id: Some(PoolId(id)),
        name: pool(name),
        kind: Some(kind),
        description: None,
        source: None,
        credential: None,
        lb_method: None,
        keepalive: None,
        members: None,
        created_at: None,
        updated_at: at("2026-11-24T06:38:44Z"),
        remains: Vec::new(),
    }
}

fn vhost_sidecar(id: i64, name: &str, default: Option<(i64, &str)>) -> DiskVhostSidecar {
    DiskVhostSidecar {
        id: Some(VhostId(id)),
        server_name: ServerName::parse(name).unwrap(),
        default_pool: default.map(|(id, name)| (PoolId(id), Some(pool(name)))),
        extra_blocks: Vec::new(),
        ip_rules: None,
        listen_port: None,
        ssl: None,
        ssl_certificate: None,
        ssl_certificate_key: None,
        extra_directives: None,
        enabled: None,
        routes: Vec::new(),
        route_ids: BTreeMap::new(),
        ignored_buckets: Vec::<BucketName>::new(),
        created_at: None,
        updated_at: at("2026-11-24T06:38:45Z"),
        remains: Vec::new(),
    }
}

fn expected_pools() -> Vec<(&'static str, DiskContent)> {
    let token = |text| FernetToken::parse(text).unwrap();
    let sidecar = |sidecar| DiskContent::PoolSidecar(Box::new(sidecar));
    let (nanio, http) = (PoolKind::Nanio, PoolKind::Http);
    let new = vec![member("127.0.0.1:18943", false, 2)];
    let old = vec![member("127.0.0.1:18942", false, 1)];
    let files = vec![member("10.0.0.5:80", false, 3), member("10.0.0.6:80", false, 1), member("10.0.0.7:80", true, 1)];
    let credential = DiskCredential {
        access_key_enc: token(
            "gAAAAABrBTD0YanxIZKx4oP2r5lXrLXaIfd7GbmxQnFlA12SmHza9QFxYLBVr0BHcOUojECtmOXo9RrgogQbuLmf-qPkUr8EVw==",
        ),
        secret_key_enc: token(
            "gAAAAABrBTD09Ikwm4tBKFDMekqagLM92shOJDbeGAvaMIPrvue-70BOJiSZXCWtGMjvEo5BPvoWXnRNROV82rKWOKDECnVFqO9dSTGdWGK2dTZEnJz7hh8=",
        ),
        endpoint_url: Some("http://127.0.0.1:18942".to_owned()),
        region: "eu-west-1".to_owned(),
        created_at: None,
        updated_at: None,
    };
    vec![
        (
            "pools/pool-empty.meta.json",
            sidecar(DiskPoolSidecar {
                description: Some("no members yet".to_owned()),
                ..pool_sidecar(3, "pool-empty", nanio)
            }),
        ),
        ("pools/pool-new.conf", DiskContent::Upstream(upstream(2, "pool-new", nanio, LbMethod::RoundRobin, 16, new))),
        ("pools/pool-new.meta.json", sidecar(pool_sidecar(2, "pool-new", nanio))),
        ("pools/pool-old.conf", DiskContent::Upstream(upstream(1, "pool-old", nanio, LbMethod::LeastConn, 32, old))),
        (
            "pools/pool-old.meta.json",
            sidecar(DiskPoolSidecar {
                description: Some("Größe \"A\" <b>".to_owned()),
                credential: Some(credential),
                ..pool_sidecar(1, "pool-old", nanio)
            }),
        ),
        ("pools/web-files.conf", DiskContent::Upstream(upstream(4, "web-files", http, LbMethod::LeastConn, 32, files))),
        (
            "pools/web-files.meta.json",
            sidecar(DiskPoolSidecar { source: Some((PoolId(1), None)), ..pool_sidecar(4, "web-files", http) }),
        ),
    ]
}

fn expected_vhosts() -> Vec<(&'static str, DiskContent)> {
    let conf = |server| DiskContent::Server(Box::new(server));
    let sidecar = |sidecar| DiskContent::VhostSidecar(Box::new(sidecar));
    let block = |zone, content: &str| ExtraBlock { zone, content: Snippet::parse(content).unwrap() };
    let allowed = rules(IpRuleMode::Allow, &["127.0.0.1", "10.0.0.0/8", "::1"]);
    let denied = rules(IpRuleMode::Deny, &["192.0.2.0/24"]);
    let image = DiskRoute { key_prefix: Some(KeyPrefix::parse("2024").unwrap()), ..route(7, "/img/", "web-files") };
    let s3 = DiskServer {
        listen_port: Port::new(8443).unwrap(),
        tls: Some(Tls {
            certificate: PemPath::parse("/etc/ssl/certs/s3.pem").unwrap(),
            key: PemPath::parse("/etc/ssl/private/s3.key").unwrap(),
        }),
        ip_rules: allowed.clone(),
        unmarked: [
            "add_header X-Top 1;",
            "add_header X-Top2 \"a b\";",
            "ssl_session_tickets off;",
            "proxy_connect_timeout 7s;",
            "proxy_read_timeout 300s;",
            "location = /robots.txt {\n        return 200 \"no\";\n    }",
        ]
        .map(str::to_owned)
        .to_vec(),
        routes: vec![
            route(5, "/media/2024/", "pool-new"),
            route(2, "/archive/", "pool-new"),
            route(3, "/photos/", "pool-new"),
        ],
        ..server(1, "s3.example.test", (1, "pool-old"))
    };
    let split = Split { path_prefix: prefix("/busy/"), source: pool("pool-old"), destination: Some(pool("pool-new")) };
    let blocks = vec![
        block(Zone::Top, "add_header X-Top 1;\nadd_header X-Top2 \"a b\";"),
        block(Zone::Ssl, "ssl_session_tickets off;"),
        block(Zone::Proxy, "proxy_read_timeout 300s;"),
        block(Zone::End, "location = /robots.txt {\n    return 200 \"no\";\n}"),
    ];
    vec![
        ("vhosts/*.wild.example.test.conf", conf(server(3, "*.wild.example.test", (8, "pool-new")))),
        (
            "vhosts/*.wild.example.test.meta.json",
            sidecar(vhost_sidecar(3, "*.wild.example.test", Some((2, "pool-new")))),
        ),
        ("vhosts/bare.example.test.meta.json", sidecar(vhost_sidecar(4, "bare.example.test", None))),
        (
            "vhosts/cdn.example.test.conf",
            conf(DiskServer {
                ip_rules: denied.clone(),
                routes: vec![image],
                ..server(2, "cdn.example.test", (6, "web-files"))
            }),
        ),
        (
            "vhosts/cdn.example.test.meta.json",
            sidecar(DiskVhostSidecar {
                ip_rules: denied,
                ..vhost_sidecar(2, "cdn.example.test", Some((4, "web-files")))
            }),
        ),
        ("vhosts/off.example.test.conf", conf(server(5, "off.example.test", (9, "pool-old")))),
        ("vhosts/off.example.test.meta.json", sidecar(vhost_sidecar(5, "off.example.test", Some((1, "pool-old"))))),
        ("vhosts/s3.example.test.conf", conf(s3)),
        (
            "vhosts/s3.example.test.meta.json",
            sidecar(DiskVhostSidecar {
                extra_blocks: blocks,
                ip_rules: allowed,
                updated_at: at("2026-11-24T06:38:44Z"),
                ..vhost_sidecar(1, "s3.example.test", Some((1, "pool-old")))
            }),
        ),
        (
            "vhosts/split.example.test.conf",
            conf(DiskServer {
                routes: vec![route(11, "/busy/", "pool-old"), route(12, "/calm/", "pool-new")],
                splits: vec![split],
                ..server(6, "split.example.test", (10, "pool-old"))
            }),
        ),
        ("vhosts/split.example.test.meta.json", sidecar(vhost_sidecar(6, "split.example.test", Some((1, "pool-old"))))),
    ]
}

#[tokio::test]
async fn every_file_of_an_installation_of_0_4_1_is_read_for_what_it_says() {
    let expected: Vec<_> = expected_pools().into_iter().chain(expected_vhosts()).collect();
    let files: Vec<_> = expected.iter().map(|(path, _)| ((*path).to_owned(), fixture(path))).collect();
    let on_disk = ["pools", "vhosts"].map(|kind| std::fs::read_dir(Path::new(FIXTURE).join(kind)).unwrap().count());
    assert_eq!(on_disk.iter().sum::<usize>(), files.len(), "a file of the fixture is not expected here");
    let read = read(&files).await;
    for (file, (path, content)) in read.iter().zip(&expected) {
        assert_eq!(file.path, *path);
        assert_eq!(&file.content, content, "{path}");
        assert!(file.name.is_some(), "{path}");
    }
    assert_eq!(read.len(), expected.len());
}
