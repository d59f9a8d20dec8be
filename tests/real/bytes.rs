//! What the client wrote is what the node sees: byte for byte, and routed by the same bytes.

use serde_json::json;

use crate::support::echo::Echo;
use crate::support::gateway::{Gateway, served};
use crate::support::http::Request;

/// `bkt` on one upstream, everything else on another.
fn start() -> (Gateway, Echo, Echo) {
    let (gateway, first, second) = (Gateway::start(), Echo::start("first"), Echo::start("second"));
    let default = gateway.pool("first", &[first.address()]);
    let routed = gateway.pool("second", &[second.address()]);
    let vhost = gateway.vhost("localhost", default);
    for bucket in ["bkt", "default", "include", "volatile", "hostnames"] {
        gateway.route(vhost, &format!("/{bucket}/"), routed);
    }
    gateway.go_live();
    (gateway, first, second)
}

#[test]
fn keys_pass_byte_for_byte() {
    let (gateway, _first, _second) = start();
    let keys = [
        "a%2Fb",
        "a%2fb",
        "a//b",
        "//",
        "../x",
        "a/../b",
        "a/./b",
        "%2E%2E/x",
        "a+b",
        "a%2Bb",
        "a%20b",
        "%C3%BC",
        "\u{fc}\u{2603}",
        "dir/",
        "a%25b",
        "?list-type=2&prefix=a%2Fb+c",
        "k?versionId=%2F",
        "k?",
        "a;b=c",
        "~!*'()@:$,",
        "k%23",
        "%7E",
        "a\\b",
        "a|b\"<>^`{}",
    ];
    for (bucket, upstream) in [("bkt", "second"), ("other", "first")] {
        for key in keys {
            for method in ["GET", "PUT", "DELETE", "POST"] {
                let target = format!("/{bucket}/{key}");
                let answer = gateway.send(&Request::new(method, &target).body(""));
                assert_eq!(served(&answer), upstream, "{method} {target}: {}", answer.text());
                let bytes: String = target.bytes().map(char::from).collect();
                assert_eq!(answer.json()["target"], bytes, "{method}");
            }
        }
    }
}

#[test]
fn f08_bucket_level_requests_reach_the_routed_pool_with_or_without_a_slash() {
    let (gateway, _first, second) = start();
    for target in ["/bkt", "/bkt/", "/bkt?list-type=2", "/bkt/?list-type=2&prefix=a%2F", "/bkt?delete", "/bkt?"] {
        for method in ["GET", "HEAD", "PUT", "POST", "DELETE"] {
            let answer = gateway.send(&Request::new(method, target));
            assert_eq!(answer.status, 200, "{method} {target}");
            let seen = second.take();
            assert_eq!(seen.len(), 1, "{method} {target}");
            assert_eq!((&seen[0]["method"], &seen[0]["target"]), (&json!(method), &json!(target)));
        }
    }
}

#[test]
fn f21_the_host_header_keeps_its_port_and_the_node_learns_who_asked() {
    let (gateway, _first, _second) = start();
    let headers = gateway.send(&Request::get("/bkt/k")).json()["headers"].clone();
    assert_eq!(headers["host"], format!("localhost:{}", gateway.port));
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert_eq!(headers["x-real-ip"], "127.0.0.1");
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    let host = Request::get("/bkt/k").header("Host", "LocalHost:7777");
    assert_eq!(gateway.send(&host).json()["headers"]["host"], "LocalHost:7777");
}

#[test]
fn a_bucket_that_is_not_written_plainly_is_refused_and_reaches_no_pool() {
    let (gateway, first, second) = start();
    for target in [
        "/%62kt/k",
        "/bk%74",
        "/bkt%2Fk",
        "/bkt%2fk",
        "//bkt/k",
        "//",
        "/./bkt/k",
        "/bkt#/k",
        "/bkt#",
        "/bkt;x/k",
        "/bkt+/k",
        "/bkt\\k",
        "/.",
        "/./",
        "/bkt:80/k",
        "/b,kt/k",
        "/\u{fc}/k",
        "/bkt%00/k",
        "/ bkt/k",
        "/%2e%2e/bkt/k",
        "/..",
        "/../bkt/k",
        "/a/../../bkt/k",
        "http://localhost//bkt/k",
        "http://localhost/%62kt/k",
        "http://localhost/./bkt/k",
        "bkt/k",
        "*",
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let answer = gateway.send(&Request::new(method, target));
            assert_eq!(answer.status, 400, "{method} {target}: {}", answer.text());
        }
    }
    let answer = gateway.send(&Request::put("/%62kt/k", "x"));
    assert_eq!(answer.s3_code(), "InvalidURI");
    assert!(answer.head.to_ascii_lowercase().contains("content-type: application/xml"), "{}", answer.head);
    assert_eq!((first.take(), second.take()), (vec![], vec![]));
}

#[test]
fn a_request_is_routed_by_the_bytes_that_the_node_will_read() {
    let (gateway, _first, _second) = start();
    for (target, upstream, seen) in [
        ("/a/../bkt/k", "first", "/a/../bkt/k"),
        ("/bkt/../other/k", "second", "/bkt/../other/k"),
        ("/a/%2E%2E/bkt/k", "first", "/a/%2E%2E/bkt/k"),
        ("/bkt.x/k", "first", "/bkt.x/k"),
        ("/xbkt/k", "first", "/xbkt/k"),
        ("/bktx/k", "first", "/bktx/k"),
        ("/bkt-/k", "first", "/bkt-/k"),
        ("/", "first", "/"),
        ("/?x", "first", "/?x"),
        ("http://localhost/bkt/k", "second", "/bkt/k"),
        ("http://localhost/a/../bkt/k", "first", "/a/../bkt/k"),
        ("http://localhost", "first", "/"),
    ] {
        let answer = gateway.send(&Request::get(target));
        assert_eq!(served(&answer), upstream, "{target}: {}", answer.text());
        assert_eq!(answer.json()["target"], seen, "{target}");
    }
}

#[test]
fn upper_case_is_another_bucket() {
    let (gateway, _first, _second) = start();
    for (bucket, upstream) in [("bkt", "second"), ("BKT", "first"), ("Bkt", "first"), ("bkT", "first")] {
        assert_eq!(gateway.served_by(&format!("/{bucket}/k")), upstream, "{bucket}");
    }
}

#[test]
fn words_that_mean_something_to_a_map_are_ordinary_buckets() {
    let (gateway, _first, _second) = start();
    for bucket in ["default", "include", "volatile", "hostnames"] {
        assert_eq!(gateway.served_by(&format!("/{bucket}/k")), "second", "{bucket}");
        assert_eq!(gateway.served_by(&format!("/{bucket}x/k")), "first", "{bucket}");
    }
}
