//! What an editor put into a file of ours is read into the value, or told with its line: nothing is lost unseen.

use nanio_orchestrator::adapters::nginx::gateway::NginxGateway;
use nanio_orchestrator::adapters::nginx::parse::{Reading, read};
use nanio_orchestrator::adapters::nginx::remains;
use nanio_orchestrator::adapters::nginx::render::{Dialect, Renderer, own};
use nanio_orchestrator::domain::disk::{DiskContent, DiskMember, DiskRoute, DiskServer, DiskUpstream, Remains, Writer};
use nanio_orchestrator::domain::gateway::{
    DefaultRoute, ManagedFile, Protocol, Server, ServerRoute, Upstream, UpstreamServer,
};
use nanio_orchestrator::domain::ids::{MemberId, PoolId, RouteId, VhostId};
use nanio_orchestrator::domain::pool::{
    Address, FailTimeout, Keepalive, LbMethod, MaxFails, PoolKind, PoolName, Role, Weight,
};
use nanio_orchestrator::domain::route::{KeyPrefix, PathPrefix};
use nanio_orchestrator::domain::vhost::{ExtraBlock, IpRange, IpRuleMode, IpRules, Port, ServerName, Snippet, Zone};
use nanio_orchestrator::ports::gateway::Gateway as _;
use proptest::prelude::*;

use crate::support::values;

const DIALECT: Dialect = Dialect::USUAL;

fn render(file: &ManagedFile, dialect: Dialect) -> String {
    Renderer::new().render(file, dialect)
}

fn pool(name: &str) -> PoolName {
    PoolName::parse(name).unwrap()
}

fn upstream() -> Upstream {
    let server = |id, address: &str| UpstreamServer {
        id: MemberId(id),
        address: Address::parse(address).unwrap(),
        role: Role::Active,
        weight: Weight::default(),
        max_fails: MaxFails::default(),
        fail_timeout_s: FailTimeout::default(),
    };
    Upstream {
        id: PoolId(1),
        name: pool("p"),
        kind: PoolKind::Nanio,
        lb_method: LbMethod::LeastConn,
        keepalive: Keepalive::default(),
        servers: vec![server(1, "10.0.0.1:9000"), server(2, "10.0.0.2:9000")],
    }
}

pub fn server(protocol: Protocol) -> Server {
    let route = |id, prefix: &str| ServerRoute {
        id: RouteId(id),
        path_prefix: PathPrefix::parse(prefix).unwrap(),
        pool: pool("q"),
        key_prefix: None,
        extra_directives: None,
    };
    let snippet = |text| Snippet::parse(text).unwrap();
    let mut routes = vec![
        ServerRoute { extra_directives: Some(snippet("expires 1d;")), ..route(4, "/photos/2024/") },
        ServerRoute { key_prefix: KeyPrefix::parse("x").ok(), ..route(5, "/images/") },
        route(3, "/albums/"),
        route(2, "/files/"),
    ];
    routes.sort_by(ServerRoute::order);
    Server {
        id: VhostId(7),
        server_name: ServerName::parse("a.example").unwrap(),
        listen_port: Port::new(80).unwrap(),
        tls: None,
        protocol,
        ip_rules: IpRules::new(IpRuleMode::Allow, vec![IpRange::parse("10.0.0.0/8").unwrap()]).ok(),
        extra_directives: None,
        extra_blocks: vec![ExtraBlock { zone: Zone::Top, content: snippet("add_header X 1; # mine") }],
        default: Some(DefaultRoute { id: RouteId(1), pool: pool("p") }),
        routes: routes.into_iter().collect(),
        moves: Vec::new(),
    }
}

/// The file of a value after an edit, as the gateway reads it.
pub async fn edited(file: ManagedFile, edit: impl FnOnce(String) -> String) -> DiskContent {
    let dir = tempfile::tempdir().unwrap();
    let gateway = NginxGateway::dry_run(dir.path(), false).unwrap();
    let rendered = gateway.render(&file);
    let after = edit(rendered.content.clone());
    assert_ne!(after, rendered.content, "the edit did nothing:\n{after}");
    std::fs::write(rendered.path, after).unwrap();
    gateway.read_all().await.unwrap().remove(0).content
}

pub async fn edited_upstream(edit: impl FnOnce(String) -> String) -> DiskUpstream {
    match edited(ManagedFile::Upstream(upstream()), edit).await {
        DiskContent::Upstream(upstream) => upstream,
        other => panic!("not an upstream: {other:?}"),
    }
}

pub async fn edited_server(protocol: Protocol, edit: impl FnOnce(String) -> String) -> DiskServer {
    match edited(ManagedFile::Server(server(protocol).into()), edit).await {
        DiskContent::Server(server) => *server,
        other => panic!("not a server: {other:?}"),
    }
}

proptest! {
    /// On whichever machine it was written, and on whichever it is read.
    #[test]
    fn a_file_that_nobody_edited_holds_nothing_beside_its_value(
        server in values::server(vec![pool("p"), pool("q")], Some(values::tls_paths())),
        upstream in values::upstream(),
        written in any::<(bool, bool)>(),
        read_with in any::<(bool, bool)>(),
    ) {
        let dialect = |(http2_directive, ipv6)| Dialect { http2_directive, ipv6, ..DIALECT };
        for file in [ManagedFile::Server(server.into()), ManagedFile::Upstream(upstream)] {
            let text = render(&file, dialect(written));
            let remains = match read(&text).unwrap() {
                Reading::Server(read) => remains::of_server(&text, &read, &Renderer::new(), dialect(read_with)),
                Reading::Upstream(read) => remains::of_upstream(&text, &read, &Renderer::new(), dialect(read_with)),
                Reading::Common(_) => panic!("not what was written"),
            };
            prop_assert_eq!(remains, Remains::default(), "{}", text);
        }
    }
}

#[tokio::test]
async fn what_an_operator_changed_is_in_the_value() {
    let read = edited_upstream(|text| {
        let text = text.replace("least_conn", "ip_hash").replace("10.0.0.2:9000 weight=1", "10.0.0.9:9000 weight=5");
        text.replace("    keepalive 32;", "    server 10.0.0.3:9000;\n    keepalive 8;")
    })
    .await;
    let known_as = |server: &DiskMember| server.known_as.as_ref().map(|address| address.as_str().to_owned());
    let servers: Vec<_> = read.servers.iter().map(|server| (server.address.as_str(), known_as(server))).collect();
    let before = Some("10.0.0.2:9000".to_owned());
    assert_eq!(servers, [("10.0.0.1:9000", None), ("10.0.0.9:9000", before), ("10.0.0.3:9000", None)]);
    assert_eq!((read.lb_method, read.keepalive.get(), read.servers[1].weight.get()), (LbMethod::IpHash, 8, 5));
    assert_eq!(read.remains, Remains::default());

    let read = edited_server(Protocol::S3, |text| {
        let text = text.replace("    files q;\n", "    videos p;\n    files p;\n");
        let text = text.replace("    default p;\n", "    default q;\n");
        let text =
            text.replace("allow 10.0.0.0/8;", "allow 10.1.0.0/16;\n    allow ::1;").replace("listen 80;", "listen 81;");
        text.replace("listen [::]:80;", "listen [::]:81;")
            .replace("add_header X 1; # mine", "add_header X 2; # still mine")
    })
    .await;
    let routes: Vec<_> = read.routes.iter().map(|route| route.path_prefix.as_str()).collect();
    assert_eq!(routes, ["/photos/2024/", "/albums/", "/images/", "/videos/", "/files/"]);
    assert_eq!(read.default.map(|default| default.pool), Some(pool("q")));
    assert_eq!(read.ip_rules.unwrap().ranges.len(), 2);
    assert_eq!(read.extra_blocks[0].content.as_str(), "add_header X 2; # still mine");
    assert_eq!((read.listen_port.get(), read.remains), (81, Remains::default()));
}

#[tokio::test]
async fn what_is_nothing_to_nginx_is_no_difference() {
    let read = edited_server(Protocol::S3, |text| {
        let (files, albums) = ("    files q;\n", "    albums q;\n");
        let text = text.replace(files, "").replace(albums, &format!("{files}\n\n{albums}"));
        text.replace("    proxy_buffering off;\n", "")
            .replace("client_max_body_size 0;", "'client_max_body_size'\n   0; proxy_buffering off;")
    })
    .await;
    assert_eq!((read.routes.len(), read.remains), (4, Remains::default()));
}

#[tokio::test]
async fn what_no_field_can_take_is_told_with_its_line_and_with_what_to_do() {
    let read = edited_server(Protocol::S3, |text| {
        let text = text.replace(
            "    client_max_body_size 0;",
            "    proxy_read_timeout 5s; # slow\n    client_max_body_size 5m;\n    ssl_session_tickets off;",
        );
        let text = text.replace("    merge_slashes off;\n", "    gzip on;\n    location /health { return 200; }\n");
        let text = text.replace("        rewrite ", "        expires 1h;\n        rewrite ");
        text + "server { listen 82; }\n# bye\n"
    })
    .await;
    let line = |sentence: &String| sentence.split_once(": ").unwrap().1.to_owned();
    assert_eq!(
        read.remains.directives.iter().map(line).collect::<Vec<_>>(),
        [
            "`merge_slashes off` is missing in this block; the orchestrator always writes it",
            "`proxy_read_timeout 5s` is nothing that the orchestrator can keep here; give it as an extra block of zone proxy",
            "`client_max_body_size 5m` stands where the orchestrator writes `client_max_body_size 0`",
            "`ssl_session_tickets off` is nothing that the orchestrator can keep here; give it as an extra block of zone ssl",
            "`gzip on` is nothing that the orchestrator can keep here; give it as an extra block of zone top",
            "`location /health { … }` is nothing that the orchestrator can keep here; give it as an extra block of zone end",
            "`expires 1h` is nothing that the orchestrator can keep here; give it as extra_directives of the route",
            "`server { … }` is nothing that the orchestrator can keep here; move it to a file of your own that nginx.conf includes",
        ]
    );
    assert_eq!(read.remains.comments.iter().map(line).collect::<Vec<_>>(), ["# slow", "# bye"]);
}

#[tokio::test]
async fn a_sentence_begins_with_the_line_of_what_it_is_about() {
    let read = edited_upstream(|text| {
        let text = text
            .replace("max_fails=3 fail_timeout=30s; # member:10.0.0.2:9000", "slow_start=5s; # member:10.0.0.2:9000");
        text.replace("    keepalive_timeout 2s;", "    zone x 64k;\n    # why\n    keepalive_timeout 60s;")
    })
    .await;
    assert_eq!(
        read.remains.directives,
        [
            "line 6: the parameter slow_start=5s of `server 10.0.0.2:9000 weight=1 slow_start=5s` is nothing that the orchestrator can keep; remove it, or move the upstream to a file of your own",
            "line 9: `zone x 64k` is nothing that the orchestrator can keep here; remove it, or move the upstream to a file of your own",
            "line 11: `keepalive_timeout 60s` stands where the orchestrator writes `keepalive_timeout 2s`",
        ]
    );
    assert_eq!(read.remains.comments, ["line 10: # why"]);
}

#[tokio::test]
async fn an_order_that_nginx_follows_and_no_field_has_is_told() {
    let own = own(&ServerName::parse("a.example").unwrap());
    for (a, b) in [
        ("    allow 10.0.0.0/8;", "    deny all;"),
        (&format!("    set ${own}_subject ${own}_copy;"), &format!("    set ${own}_subject ${own}_bucket;")),
        ("@nanio_route_/photos/2024/;", "@nanio_route_/images/;"),
    ] {
        let read = edited_server(Protocol::S3, |text| {
            let mut lines: Vec<&str> = text.lines().collect();
            let place = |end: &str| lines.iter().position(|line| line.ends_with(end)).unwrap();
            let (a, b) = (place(a), place(b));
            lines.swap(a, b);
            lines.join("\n") + "\n"
        })
        .await;
        assert_eq!(read.remains.directives.len(), 1, "{a} {b}: {:?}", read.remains);
        assert!(read.remains.directives[0].ends_with("nginx takes such lines in their order"), "{:?}", read.remains);
    }
}

#[tokio::test]
async fn a_location_that_an_operator_added_to_an_http_vhost_is_a_route() {
    let read = edited_server(Protocol::Http, |text| {
        // Right in front of a location, behind the comment that belongs to it.
        let added = "    location /new/ {\n        proxy_pass http://p;\n    }\n    location / {";
        let text = text.replace("    location / {", added);
        let text = text.replace("    location /files/ {", "    location /documents/ {");
        text.replace("    location = /files {", "    location = /documents {")
    })
    .await;
    let known_as = |route: &DiskRoute| route.known_as.as_ref().map(|prefix| prefix.as_str().to_owned());
    let routes: Vec<_> = read.routes.iter().map(|route| (known_as(route), route.path_prefix.as_str())).collect();
    assert!(routes.contains(&(None, "/new/")), "{routes:?}");
    assert!(routes.contains(&(Some("/files/".to_owned()), "/documents/")), "{routes:?}");
    assert_eq!(read.default.map(|default| default.pool), Some(pool("p")));
    assert!(read.remains.directives.iter().any(|sentence| sentence.contains("`location = /new { … }` is missing")));
}

#[tokio::test]
async fn what_a_comment_tells_may_be_lost_but_not_what_the_file_says() {
    let without_comments = |text: String| {
        let cut = |line: &str| {
            let told = ["# vhost:", "# pool:", "# route:", "# member:10.0.0.2"].iter().any(|told| line.contains(told));
            if told { line.split('#').next().unwrap().to_owned() } else { line.to_owned() }
        };
        text.lines().map(|line| cut(line) + "\n").collect::<String>()
    };
    let read = edited_server(Protocol::S3, without_comments).await;
    assert_eq!((read.writer, read.protocol, read.routes.len()), (Writer::Ours, Some(Protocol::S3), 3));
    let read = edited_upstream(without_comments).await;
    assert_eq!((read.writer, read.kind, read.servers.len()), (Writer::Ours, None, 2));
    assert_eq!(read.remains, Remains::default());
}

#[tokio::test]
async fn an_edit_of_one_of_two_copies_of_a_route_s_directives_is_refused() {
    let content = edited(ManagedFile::Server(server(Protocol::Http).into()), |text| {
        text.replacen("expires 1d;", "expires 2d;", 1)
    })
    .await;
    assert!(matches!(&content, DiskContent::Unreadable(why) if why.contains("make both the same")), "{content:?}");
}
