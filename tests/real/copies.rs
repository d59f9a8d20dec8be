//! Copies name two buckets, and forged paths name none: on real nodes, whose disks tell what was stored.

use super::clients::{TwoPools, client};
use crate::support::echo::Echo;
use crate::support::gateway::{Gateway, served};
use crate::support::http::Request;

/// Two buckets on each pool; those that end in `-two` are routed to the second.
fn start() -> TwoPools {
    let pools = TwoPools::start();
    let second = pools.gateway.api.get("/api/pools")[1]["id"].as_i64().unwrap();
    for bucket in ["a-two", "b-two"] {
        pools.gateway.route(pools.vhost, &format!("/{bucket}/"), second);
    }
    pools.gateway.reload();
    client(&["fill", &pools.endpoint(), "a-one", "b-one", "a-two", "b-two"]).unwrap();
    pools
}

#[test]
fn a_copy_within_a_pool_works_and_one_between_pools_is_not_implemented() {
    let pools = start();
    let endpoint = pools.endpoint();
    let copies = [
        ("a-one:a-one", "200 source of a-one"),
        ("a-one:b-one", "200 source of a-one"),
        ("a-two:b-two", "200 source of a-two"),
        ("b-one:b-two", "501 NotImplemented"),
        ("b-two:a-one", "501 NotImplemented"),
    ];
    let mut arguments = vec!["copy", &endpoint];
    arguments.extend(copies.map(|(pair, _)| pair));
    let said = client(&arguments).unwrap();
    assert_eq!(said.lines().collect::<Vec<_>>(), copies.map(|(_, expected)| expected));
    assert_eq!(pools.first.keys("b-one"), ["copied", "source"]);
    assert_eq!(pools.second.keys("b-two"), ["copied", "source"]);
    for (source, expected) in [("/%61-one/source", "501"), ("/a-one%2Fsource", "200")] {
        let header = format!("x-amz-copy-source:{source}");
        let said = client(&["signed", &endpoint, "PUT", "/a-one/encoded", "/a-one/encoded", &header]).unwrap();
        assert!(said.starts_with(expected), "{source}: {said}");
    }
    assert_eq!(pools.first.keys("a-one"), ["copied", "encoded", "source"]);
}

#[test]
fn a_put_that_was_signed_for_another_path_is_refused_and_stores_nothing_anywhere() {
    let pools = start();
    let (endpoint, direct) = (pools.endpoint(), format!("http://{}", pools.first.address()));
    // The danger is real: a node takes the request for the bucket that was signed.
    let said = client(&["signed", &direct, "PUT", "/a-one/direct", "/%61-one/direct"]).unwrap();
    assert!(said.starts_with("200"), "{said}");
    assert_eq!(pools.first.keys("a-one"), ["direct", "source"]);
    for bucket in ["a-one", "a-two"] {
        let (path, sent) = (format!("/{bucket}/k"), format!("/%61{}/k", &bucket[1..]));
        let said = client(&["signed", &endpoint, "PUT", &path, &sent]).unwrap();
        assert!(said.starts_with("400") && said.contains("<Code>InvalidURI</Code>"), "{said}");
    }
    for node in [&pools.first, &pools.second] {
        for bucket in node.buckets() {
            assert!(!node.keys(&bucket).contains(&"k".to_owned()), "{bucket}");
        }
    }
}

#[test]
fn every_way_to_write_a_copy_source_leads_to_the_pool_of_its_bucket_or_nowhere() {
    let (gateway, first, second) = (Gateway::start(), Echo::start("first"), Echo::start("second"));
    let default = gateway.pool("first", &[first.address()]);
    let routed = gateway.pool("second", &[second.address()]);
    let vhost = gateway.vhost("localhost", default);
    gateway.route(vhost, "/two/", routed);
    gateway.route(vhost, "/default/", routed);
    gateway.route(vhost, "/split/part/", routed);
    gateway.go_live();
    let refused = "501 NotImplemented";
    for (destination, source, expected) in [
        ("/one/k", "one/k", "first"),
        ("/one/k", "/one/k?versionId=x", "first"),
        ("/one/k", "%2Fone%2Fk", "first"),
        ("/one/k", "ONE/k", "first"),
        ("/one/k", "TWO/k", "first"),
        ("/two/k", "two/k", "second"),
        ("/two/k", "/two%2fk", "second"),
        ("/two/k", "default/k", "second"),
        ("/default/k", "two/k", "second"),
        ("/one/k", "two/k", refused),
        ("/one/k", "/default/k", refused),
        ("/two/k", "one/k", refused),
        ("/two/k", "TWO/k", refused),
        ("/one/k", "%74wo/k", refused),
        ("/one/k", "//two/k", refused),
        ("/one/k", "./two/k", refused),
        ("/one/k", "one/../two/k", "first"),
        ("/one/k", "arn:aws:s3:::two/k", refused),
        ("/one/k", "nonsense", refused),
        ("/one/k", "split/part/k", refused),
        ("/one/k", "split/k", refused),
        ("/split/k", "split/k", refused),
        ("/split/part/k", "split/part/k", refused),
    ] {
        let answer = gateway.send(&Request::put(destination, "").header("X-Amz-Copy-Source", source));
        assert_eq!(served(&answer), expected, "{source} to {destination}");
    }
    let part = Request::put("/one/k?partNumber=1&uploadId=x", "").header("x-amz-copy-source", "/two/k");
    assert_eq!(served(&gateway.send(&part)), refused);
}
