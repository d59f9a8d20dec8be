//! What an editor made of a file of 0.4.1 is read for what it says.

use nanio_orchestrator::domain::disk::{DiskContent, DiskDefaultRoute, DiskRoute, DiskServer, Remains, Writer};
use nanio_orchestrator::domain::ids::RouteId;
use nanio_orchestrator::domain::route::KeyPrefix;
use nanio_orchestrator::domain::vhost::{IpRuleMode, Snippet};

use super::{fixture, pool, read, route, rules};

/// One configuration file of the fixture after an edit.
async fn edited(path: &str, edit: impl FnOnce(String) -> String) -> DiskContent {
    let before = fixture(path);
    let after = edit(before.clone());
    assert_ne!(after, before, "the edit did nothing");
    read(&[(path.to_owned(), after)]).await.remove(0).content
}

async fn edited_server(name: &str, edit: impl FnOnce(String) -> String) -> DiskServer {
    match edited(&format!("vhosts/{name}.conf"), edit).await {
        DiskContent::Server(server) => *server,
        other => panic!("not a server: {other:?}"),
    }
}

/// 0.4.x's own rebuild stopped at the brace of the `if`: the route was lost, and the location of the migration
/// became one.
#[tokio::test]
async fn f16_a_split_route_is_a_route_and_the_location_of_its_writes_is_none() {
    let file = read(&[("vhosts/a.conf".to_owned(), fixture("vhosts/split.example.test.conf"))]).await.remove(0);
    let DiskContent::Server(read) = file.content else { panic!("{:?}", file.content) };
    let routes: Vec<_> = read.routes.iter().map(|route| (route.path_prefix.as_str(), route.pool.as_str())).collect();
    assert_eq!(routes, [("/busy/", "pool-old"), ("/calm/", "pool-new")]);
    assert_eq!(read.splits.len(), 1);
    assert_eq!(read.unmarked, Vec::<String>::new());
    // Without the location of its writes, nobody knows where they went.
    let read = edited_server("split.example.test", |text| {
        let (before, _) = text.split_once("    # Named fallback").unwrap();
        format!("{before}}}\n")
    })
    .await;
    assert_eq!((read.splits.len(), &read.splits[0].destination), (1, &None));
    let read = edited_server("split.example.test", |text| {
        text.replace("        error_page 418 = @nanio_mig_11;\n", "")
            .replace("        error_page 404 = @nanio_mig_11;\n", "")
    })
    .await;
    assert_eq!((read.splits.len(), read.routes.len()), (0, 2));
    assert!(
        read.remains.directives[0].contains("`location @nanio_mig_11` belongs to a migration of 0.4.x"),
        "{read:?}"
    );
}

#[tokio::test]
async fn nothing_but_the_first_line_is_needed_to_read_a_file_of_0_4_x() {
    let without_comments = |text: String| {
        let kept = text.lines().enumerate().filter(|(index, line)| *index == 0 || !line.trim_start().starts_with('#'));
        kept.map(|(_, line)| format!("{line}\r\n")).collect::<String>()
    };
    let read = edited_server("s3.example.test", without_comments).await;
    assert_eq!((read.writer, read.id, read.routes.len()), (Writer::Version04, None, 3));
    assert_eq!(read.default, Some(DiskDefaultRoute { id: None, pool: pool("pool-old") }));
    assert_eq!(read.remains, Remains::default());
    let DiskContent::Upstream(read) = edited("pools/pool-old.conf", without_comments).await else { panic!() };
    assert_eq!((read.writer, read.id, read.kind), (Writer::Version04, None, None));
}

#[tokio::test]
async fn what_an_operator_added_to_a_file_of_0_4_x_is_kept_or_told() {
    let read = edited_server("cdn.example.test", |text| {
        let text = text.replace("    listen 80;\n", "    listen 80 default_server;\n    listen [::]:80;\n    listen 81;\n");
        let text = text.replace("server_name cdn.example.test;", "server_name cdn.example.test www.example.test;");
        let text = text.replace("client_max_body_size 0;", "client_max_body_size 10m;\n    # mine\n    gzip on;");
        let text = text.replace(
            "        proxy_pass         http://web-files;\n",
            "        # why\n        proxy_pass http://web-files;\n        proxy_read_timeout 5s;\n        expires\n 1d;\n        \
             proxy_http_version 1.0;\n",
        );
        text + "map $a $b { default 1; }\n# the end\n"
    })
    .await;
    assert_eq!(read.listen_port.get(), 80);
    assert_eq!(read.unmarked, ["# mine", "gzip on;"]);
    let own = "proxy_read_timeout 5s;\nexpires\n 1d;";
    assert_eq!(read.routes[0].extra_directives.as_ref().map(Snippet::as_str), Some(own));
    assert_eq!(read.routes[0].key_prefix.as_ref().map(KeyPrefix::as_str), Some("2024"));
    assert_eq!(
        read.remains.directives,
        [
            "line 4: `listen 80 default_server` stands where the orchestrator writes `listen 80`",
            "line 6: `listen 81` is nothing that the orchestrator can keep here; give it as an extra block of zone top",
            "line 7: `server_name cdn.example.test www.example.test` stands where the orchestrator writes `server_name cdn.example.test`",
            "line 12: `client_max_body_size 10m` stands where the orchestrator writes `client_max_body_size 0`",
            "line 26: `proxy_http_version 1.0` stands where the orchestrator writes `proxy_http_version 1.1`",
            "line 38: `proxy_read_timeout 5s` is nothing that the orchestrator can keep here; give it as an extra block of zone proxy",
            "line 40: `expires 1d` is nothing that the orchestrator can keep here; give it as an extra block of zone top",
            "line 41: `proxy_http_version 1.0` stands where the orchestrator writes `proxy_http_version 1.1`",
            "line 49: `map $a $b { … }` is nothing that the orchestrator can keep here; move it to a file of your own that nginx.conf includes",
        ]
    );
    assert_eq!(read.remains.comments, ["line 21: # why", "line 36: # why", "line 50: # the end"]);
}

#[tokio::test]
async fn a_location_without_its_comment_is_a_route_and_one_that_is_no_route_stays_as_it_is() {
    let read = edited_server("off.example.test", |text| {
        text.replace(
            "    # route_id:9 prefix:/\n",
            "    location /new/ { proxy_pass http://pool-new; }\n    location /new { proxy_pass http://pool-old; }\n    \
             location /old/ { proxy_pass http://10.0.0.1:80; }\n    location ~ \\.php$ { return 403; }\n    \
             # route_id:7 prefix:/x/\n    location /x/ { return 404; }\n    # zone note\n    # route_id:9 prefix:/\n",
        )
    })
    .await;
    assert_eq!(read.routes, [DiskRoute { id: None, ..route(1, "/new/", "pool-new") }]);
    assert_eq!(read.default.map(|default| default.id), Some(Some(RouteId(9))));
    assert_eq!(
        read.unmarked,
        [
            "location /old/ { proxy_pass http://10.0.0.1:80; }",
            "location ~ \\.php$ { return 403; }",
            "location /x/ { return 404; }"
        ]
    );
    assert_eq!(read.remains.comments, ["line 17: # zone note"]);
    let begins = ["line 12: a second location for /new", "line 16: the location of route 7"];
    assert_eq!(read.remains.directives.len(), begins.len(), "{:?}", read.remains);
    for (sentence, begin) in read.remains.directives.iter().zip(begins) {
        assert!(sentence.starts_with(begin), "{sentence}");
    }
}

#[tokio::test]
async fn rules_that_no_field_can_say_stay_as_they_are() {
    for rules in
        ["allow 10.0.0.0/8;", "deny 10.0.0.1;\n    allow 10.0.0.0/8;\n    deny all;", "deny all;", "deny unix:;"]
    {
        let read = edited_server("cdn.example.test", |text| text.replace("deny 192.0.2.0/24;", rules)).await;
        assert_eq!(read.ip_rules, None, "{rules}");
        assert_eq!(read.unmarked, rules.split('\n').map(str::trim).collect::<Vec<_>>());
    }
    let read =
        edited_server("cdn.example.test", |text| text.replace("deny 192.0.2.0/24;", "deny ::1;\ndeny 1.1.1.1;")).await;
    assert_eq!(read.ip_rules, rules(IpRuleMode::Deny, &["::1", "1.1.1.1"]));
}

#[tokio::test]
async fn a_member_that_cannot_be_read_does_not_take_the_pool_with_it() {
    let read = edited("pools/web-files.conf", |text| {
        let text = text.replace("10.0.0.6:80 weight=1", "10.0.0.6");
        text.replace(
            "fail_timeout=30s;\n",
            "fail_timeout=1m max_conns=5;\n    zone x 64k;\n    keepalive_timeout 60s;\n",
        )
    })
    .await;
    let DiskContent::Upstream(read) = read else { panic!("{read:?}") };
    let addresses: Vec<_> = read.servers.iter().map(|server| server.address.as_str()).collect();
    assert_eq!(addresses, ["10.0.0.5:80", "10.0.0.7:80"]);
    assert_eq!(read.servers[0].fail_timeout_s.get(), 60);
    assert_eq!(read.remains.directives.len(), 6, "{:?}", read.remains);
    assert!(
        read.remains.directives[3].starts_with("line 8: `server 10.0.0.6 max_fails=3 fail_timeout=1m max_conns=5`")
    );
}

#[tokio::test]
async fn a_vhost_that_cannot_be_told_is_refused_with_the_reason() {
    for (edit, why) in [
        (["server_name off.example.test;", ""], "server_name: String should have at least 1 character"),
        (["server_name off.example.test;", "server_name ~x;"], "server_name: "),
        (["listen 80;", ""], "listen is missing"),
        (["listen 80;", "listen 0;"], "Input should be greater than or equal to 1"),
        (["listen 80;", "listen localhost;"], "line 4: listen names no port"),
        (["listen 80;", "listen 80 ssl;"], "ssl_certificate is missing"),
        (["server {", "srv {"], "it holds neither an upstream nor a server"),
    ] {
        let read = edited("vhosts/off.example.test.conf", |text| text.replace(edit[0], edit[1])).await;
        assert!(matches!(&read, DiskContent::Unreadable(said) if said.starts_with(why)), "{edit:?}: {read:?}");
    }
}
