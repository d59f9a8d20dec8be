//! Every vhost through which a client can reach a bucket that is being moved.

use nanio_orchestrator::domain::gateway::{Protocol, ServerRoute};
use nanio_orchestrator::domain::ids::RouteId;
use nanio_orchestrator::domain::migration::token::{GateStage, TokenState};

use nanio_orchestrator::domain::route::{KeyPrefix, PathPrefix};
use nanio_orchestrator::domain::vhost::{ExtraBlock, IpRange, IpRuleMode, IpRules, Snippet, Zone};

use super::{Rig, by_default, moving, routed, vhost};
use crate::support::http::Request;
use crate::support::nginx::free_port;

fn to(host: &str, request: Request) -> Request {
    request.header("Host", host)
}

#[test]
fn vhosts_of_one_bucket_share_token_and_journal() {
    let servers = vec![
        routed(vhost(1, "routed.test", Protocol::S3), "/bkt/", "src", None),
        by_default(vhost(2, "default.test", Protocol::S3), "src"),
        by_default(vhost(3, "*.s3.test", Protocol::S3), "src"),
        routed(by_default(vhost(4, "elsewhere.test", Protocol::S3), "src"), "/bkt/", "dst", None),
    ];
    let rig = Rig::with(servers, &[moving(1, "bkt", GateStage::Gated, &[]), moving(2, "a.b", GateStage::Gated, &[])]);
    rig.gate.decide(Some("dst"));
    let hosts = [("routed.test", "/bkt/k"), ("default.test", "/bkt/k"), ("bkt.s3.test", "/k"), ("BKT.s3.test", "/k")];
    for (state, read, written) in [
        (TokenState::Source, "src", "src"),
        (TokenState::Held, "src", "dst"),
        (TokenState::Switched, "dst", "dst"),
        (TokenState::Open, "dst", "dst"),
    ] {
        rig.say(1, state);
        for (host, target) in hosts {
            assert_eq!(rig.served(&to(host, Request::get(target))), read, "{host} {state:?}");
            assert_eq!(rig.served(&to(host, Request::put(target, "x"))), written, "{host} {state:?}");
        }
        // A vhost that never had it at the source goes on as it was.
        assert_eq!(rig.served(&to("elsewhere.test", Request::put("/bkt/k", "x"))), "dst");
        for (host, target) in [("default.test", "/bkt2/k"), ("axb.s3.test", "/k"), ("other.s3.test", "/bkt/k")] {
            assert_eq!(rig.served(&to(host, Request::put(target, "x"))), "src", "{host} {state:?}");
        }
    }
    let lines = rig.journal(1, 2 * 3 * hosts.len());
    let styles: std::collections::BTreeSet<_> = lines.iter().map(|line| line["v"].as_str().unwrap()).collect();
    assert_eq!(styles.into_iter().collect::<Vec<_>>(), ["host", "path"]);
    // In the wildcard vhost the whole bucket is at /.
    let bulk = to("bkt.s3.test", Request::new("POST", "/?delete").body("<Delete/>"));
    rig.say(1, TokenState::Source);
    assert_eq!(rig.served(&bulk), "src");
    assert_eq!(rig.journal(1, 2 * 3 * hosts.len() + 2).last().unwrap()["b"], "<Delete/>");
}

#[test]
fn several_buckets_move_each_by_its_own_token() {
    let server = by_default(vhost(1, "localhost", Protocol::S3), "src");
    let gated = ["bkt", "BKT", "b.t", "ab"]
        .into_iter()
        .zip(1..)
        .map(|(bucket, number)| moving(number, bucket, GateStage::Gated, &[]));
    let rig = Rig::with(vec![server], &gated.collect::<Vec<_>>());
    for (bucket, number) in [("bkt", 1), ("BKT", 2), ("b.t", 3), ("ab", 4)] {
        rig.say(number, TokenState::Open);
        for other in ["bkt", "BKT", "b.t", "ab", "bat"] {
            let expected = if other == bucket { "dst" } else { "src" };
            assert_eq!(
                rig.served(&Request::put(format!("/{other}/k"), "x")),
                expected,
                "{other} while {bucket} is open"
            );
            assert_eq!(rig.served(&Request::get(format!("/{other}?list-type=2"))), expected, "{other}");
        }
        rig.say(number, TokenState::Source);
    }
}

#[test]
fn the_directives_of_a_route_hold_while_its_bucket_moves() {
    let own = "access_log off; add_header X-Mine yes; proxy_read_timeout 300s;\nif ($arg_forbidden) { return 402; }";
    let server = routed(by_default(vhost(1, "localhost", Protocol::S3), "dst"), "/bkt/", "src", Some(own));
    let rig = Rig::with(vec![routed(server, "/bkt/part/", "dst", None)], &[moving(1, "bkt", GateStage::Gated, &[])]);
    rig.gate.decide(Some("dst"));
    for (state, expected) in [(TokenState::Source, "src"), (TokenState::Held, "dst"), (TokenState::Open, "dst")] {
        rig.say(1, state);
        let put = rig.send(&Request::put("/bkt/k", "x"));
        assert_eq!(put.json()["upstream"], expected, "{state:?}");
        assert!(put.head.contains("X-Mine: yes"), "{state:?}: {}", put.head);
        for method in ["GET", "PUT"] {
            assert_eq!(rig.send(&Request::new(method, "/bkt/k?forbidden=1")).status, 402, "{method} {state:?}");
        }
        // A part of the bucket that another pool serves stays where it is.
        assert_eq!(rig.served(&Request::put("/bkt/part/k", "x")), "dst");
    }
    // Two that were let through or asked, and two refusals, of which there is nothing to write down.
    rig.journal(1, 4);
}

#[test]
fn an_http_vhost_reads_where_the_bucket_is() {
    let mut servers = vec![
        routed(vhost(1, "routed.test", Protocol::Http), "/bkt/", "src-web", Some("add_header X-Mine yes;")),
        by_default(vhost(2, "default.test", Protocol::Http), "src-web"),
    ];
    // A prefix of another name that leads into the bucket.
    servers[0].routes.put(ServerRoute {
        id: RouteId(7),
        path_prefix: PathPrefix::parse("/pub/").unwrap(),
        pool: super::pool("src-web"),
        key_prefix: KeyPrefix::parse("bkt/files/").ok(),
        extra_directives: None,
    });
    let rig = Rig::with(servers, &[moving(1, "bkt", GateStage::Gated, &[])]);
    for (state, expected) in [
        (TokenState::Source, "src-web"),
        (TokenState::Held, "src-web"),
        (TokenState::Missing, "src-web"),
        (TokenState::Switched, "dst-web"),
        (TokenState::Open, "dst-web"),
    ] {
        rig.say(1, state);
        for host in ["routed.test", "default.test"] {
            for target in ["/bkt/a%20b/c?x=%2F", "/bkt/", "/bkt"] {
                let answer = rig.send(&to(host, Request::get(target)));
                let seen = answer.json();
                assert_eq!(
                    (&seen["upstream"], &seen["target"]),
                    (&expected.into(), &target.into()),
                    "{host} {state:?}"
                );
                assert_eq!(answer.head.contains("X-Mine"), host == "routed.test");
            }
        }
        let rewritten = rig.send(&to("routed.test", Request::get("/pub/a%20b?x=%2F"))).json();
        assert_eq!(
            (&rewritten["upstream"], &rewritten["target"]),
            (&expected.into(), &"/bkt/files/a%20b?x=%2F".into())
        );
        assert_eq!(rig.served(&to("default.test", Request::get("/other/k"))), "src-web");
    }
}

#[test]
fn once_it_is_settled_only_uploads_of_the_source_ask_the_gate() {
    let server = routed(by_default(vhost(1, "localhost", Protocol::S3), "src"), "/bkt/", "dst", None);
    let rig = Rig::with(vec![server], &[moving(1, "bkt", GateStage::Settled, &["up+1~a", "2"])]);
    rig.say(1, TokenState::Open);
    rig.gate.decide(Some("src"));
    for (target, expected) in [
        ("/bkt/k", "dst"),
        ("/bkt/k?uploadId=1", "dst"),
        ("/bkt/k?uploadId=22", "dst"),
        ("/bkt/k?uploadId=2", "src"),
        ("/bkt/k?partNumber=1&%75ploadId=%32&x=1", "src"),
        ("/bkt/k?uploadId=up%2B1%7ea", "src"),
        ("/bkt/k?uploadId=up+1~a", "src"),
        ("/bkt/uploadId=2", "dst"),
        ("/other/k?uploadId=2", "src"),
    ] {
        for method in ["GET", "PUT", "POST", "DELETE"] {
            assert_eq!(rig.served(&Request::new(method, target).body("x")), expected, "{method} {target}");
        }
    }
    assert_eq!(rig.gate.take().len(), 16);
    rig.gate.decide(Some("refused"));
    assert_eq!(rig.served(&Request::put("/bkt/k?uploadId=2", "x")), "503 SlowDown");
    assert_eq!(rig.served(&Request::put("/bkt/k", "x").header("x-amz-copy-source", "bkt/j")), "dst");
    assert!(!rig.file(super::GateFile::Journal, 1).exists(), "nothing is written down any more");
}

#[test]
fn rules_on_who_may_connect_hold_and_leave_nothing_in_the_journal() {
    let mut server = routed(by_default(vhost(1, "localhost", Protocol::S3), "src"), "/bkt/", "src", None);
    server.ip_rules = IpRules::new(IpRuleMode::Deny, vec![IpRange::parse("127.0.0.1").unwrap()]).ok();
    let rig = Rig::with(vec![server], &[moving(1, "bkt", GateStage::Gated, &[])]);
    rig.gate.decide(Some("dst"));
    for state in [TokenState::Source, TokenState::Held, TokenState::Switched, TokenState::Open] {
        rig.say(1, state);
        for method in ["GET", "PUT", "POST", "DELETE"] {
            for target in ["/bkt/k", "/bkt?delete", "/bkt/k?uploadId=u"] {
                assert_eq!(rig.send(&Request::new(method, target)).status, 403, "{method} {target} {state:?}");
            }
        }
    }
    assert_eq!((rig.reached().len(), rig.gate.take().len()), (0, 0));
    rig.journal(1, 0);
}

/// An error page is a new request to nginx, for the same bucket: it must not be taken for one of the client's.
#[test]
fn error_pages_of_the_operator_begin_nothing_anew() {
    let mut server = routed(by_default(vhost(1, "localhost", Protocol::S3), "src"), "/bkt/", "src", None);
    let content = Snippet::parse("error_page 403 404 500 501 502 503 504 /50x.html;").unwrap();
    server.extra_blocks = vec![ExtraBlock { zone: Zone::Top, content }];
    let gated = [moving(1, "bkt", GateStage::Gated, &[])];
    let mut rig = Rig::with(vec![server.clone()], &gated);
    // Nobody listens where the source was.
    rig.upstreams.get_mut("src").unwrap().port = free_port();
    rig.write(vec![server], &gated);
    rig.reload();
    rig.gate.decide(Some("src"));
    for state in [TokenState::Source, TokenState::Held] {
        rig.say(1, state);
        for target in ["/bkt/k", "/bkt/k?uploadId=u", "/other/k"] {
            for method in ["GET", "PUT", "DELETE"] {
                assert_eq!(rig.send(&Request::new(method, target)).status, 502, "{method} {target} {state:?}");
            }
        }
    }
    let lines = rig.journal(1, 16);
    let ends = lines.iter().filter(|line| line["e"] == "end");
    let said: Vec<_> = ends.map(|end| (&end["us"], &end["to"])).collect();
    assert_eq!(said, vec![(&"502".into(), &"src".into()); 8]);
}
