//! Requests as nobody sends them but to find a hole: what they are made of is what routing looks at.

use std::net::{IpAddr, Ipv4Addr};

use nanio_orchestrator::domain::explain::Request;
use proptest::prelude::*;
use proptest::sample::select;

use super::ground::{Ground, MOVED};

fn words(list: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    select(list).prop_map(|word| word.as_bytes().to_vec())
}

fn bucket() -> impl Strategy<Value = Vec<u8>> {
    let routed = words(&[
        "bkt",
        "split",
        "own",
        "whole",
        "Upper",
        "ab",
        "default",
        "dotted.name",
        "up@x",
        "up~x",
        "other",
        "img",
        "pub",
        "no",
        "Case",
    ]);
    let odd = words(&[
        "",
        ".",
        "..",
        "...",
        "BKT",
        "upper",
        "b%6bt",
        "%62kt",
        "bkt%2Fk",
        "bkt%2fsub",
        "%2e%2e",
        "%2E",
        "b+t",
        "b t",
        "-bk",
        "bkt-",
        "a",
        "_nanio_x_start",
    ]);
    prop_oneof![
        9 => routed,
        9 => select(MOVED).prop_map(|name| name.as_bytes().to_vec()),
        1 => odd,
        1 => "[a-z0-9._~@-]{1,66}".prop_map(String::into_bytes),
    ]
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = words(&[
        "part",
        "p%61rt",
        "%70%61%72%74",
        "back",
        "deep",
        "de%65p",
        "er",
        "erx",
        "slash",
        "slashes",
        "noslash",
        "img",
        "elsewhere",
        "k",
        "bkt",
        "public",
    ]);
    let odd = words(&[
        "",
        ".",
        "..",
        "%2e",
        "%2E%2e",
        "..%2f",
        "%2F",
        "%25",
        "%252e%252e",
        "%3F",
        "%23",
        "%C3%BC",
        "\u{fc}",
        "a+b",
        "#",
        "a#b",
        ";x",
        "*",
        "\"",
        "\\",
        "{}",
        "$uri",
        "%0a",
        "%20",
    ]);
    let any_byte = any::<u8>().prop_filter("a line", |byte| !matches!(byte, b'\r' | b'\n' | b' ' | 0));
    prop_oneof![
        60 => known,
        20 => odd,
        2 => words(&["%00", "%zz", "%", "%4", "a%"]),
        1 => proptest::collection::vec(any_byte, 1..4),
    ]
}

fn query() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        5 => Just(Vec::new()),
        4 => words(&["?", "??", "?uploadId=u", "?uploadId", "?partNumber=1&uploadId=u", "?x&%75ploadId=1", "?uploadIdx=1", "?delete", "?delete=", "?x=1&dele%74e", "?uploads",
            "?uploadId=up%20load/1", "?uploadId=up%20load%2f1", "?uploadId=up%20load/1&x", "?uploadId=up%20load/12", "?x#y", "?prefix=/bkt/../", "?list-type=2&prefix=%2F", "?a&b?uploadId=1", "?%zz"]),
    ]
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    let slash = || prop_oneof![12 => Just(b"/".to_vec()), 1 => words(&["//", "%2F", "%2f", "/./", "///"])];
    let rest = proptest::collection::vec((slash(), piece()), 0..5);
    let end = prop_oneof![3 => Just(Vec::new()), 1 => slash()];
    (slash(), bucket(), rest, end, query()).prop_map(|(slash, bucket, rest, end, query)| {
        let rest: Vec<u8> = rest.into_iter().flat_map(|(slash, piece)| [slash, piece].concat()).collect();
        [slash, bucket, rest, end, query].concat()
    })
}

fn known_host(name: String) -> impl Strategy<Value = Vec<u8>> {
    let label = prop_oneof![
        2 => words(&["bkt", "split", "own", "other", "dotted.name", "AB", "Bkt", "x", "-", "a.b", "deep", "bkt.deep"]),
        2 => select(MOVED).prop_map(|name| name.as_bytes().to_vec()),
    ];
    (Just(name), label, any::<[bool; 2]>()).prop_map(|(name, label, [upper, lower])| {
        let name = match name.strip_prefix("*.") {
            Some(base) => [label, b".".to_vec(), base.as_bytes().to_vec()].concat(),
            None => name.into_bytes(),
        };
        if upper && !lower { name.to_ascii_uppercase() } else { name }
    })
}

fn host(name: String) -> impl Strategy<Value = Vec<u8>> {
    let odd = words(&[
        "",
        ".",
        "unknown.test",
        "127.0.0.1",
        "s3.test..",
        "a..b",
        "s3.test:80:90",
        "s3.test:abc",
        ":80",
        "[::1]:80",
        "[::1",
        "a b",
        "s3_test",
        ".s3.test",
        "..s3.test",
        "bkt.s3.test:12x",
        "bkt.s3.test.:80",
        "bkt.s3.test:",
        "s3.test/",
        "xs3.test",
        "bkt.s3.test.evil.test",
        "\u{fc}.s3.test",
        "bkt_.s3.test",
    ]);
    let behind = prop_oneof![6 => Just(Vec::new()), 3 => words(&[":80", ".", ".:8080", ":", ":0"])];
    prop_oneof![
        16 => (known_host(name), behind).prop_map(|(name, behind)| [name, behind].concat()),
        1 => odd,
    ]
}

fn target(name: String) -> impl Strategy<Value = Vec<u8>> {
    let scheme = words(&["http://", "HTTP://", "https://", "s3+x://", "http:/", "http:", "://", "1http://"]);
    let port = prop_oneof![3 => Just(Vec::new()), 1 => words(&[":80", ":", ":8x", ":80:"])];
    let behind = prop_oneof![4 => path(), 1 => query(), 1 => words(&["", "x", "#", "@h/"])];
    let absolute = (prop_oneof![12 => Just(b"http://".to_vec()), 2 => scheme], host(name), port, behind);
    let long = (words(&["/bkt/", "/", "http://s3.test/bkt/"]), prop_oneof![8_100..8_220_usize, 9_000..9_010_usize]);
    prop_oneof![
        40 => path(),
        4 => absolute.prop_map(|(scheme, host, port, behind)| [scheme, host, port, behind].concat()),
        1 => words(&["*", "x", "bkt/k", "", "?x", "#", "%2Fbkt"]),
        1 => long.prop_map(|(start, length)| [start, vec![b'a'; length]].concat()),
    ]
}

fn copy_source() -> impl Strategy<Value = Vec<u8>> {
    let slash = prop_oneof![2 => Just(Vec::new()), 2 => words(&["/", "%2F", "%2f", "//"])];
    let behind = words(&["/k", "%2fk", "?versionId=1", "", "/part/k", "%", "x/k", "/../../x"]);
    prop_oneof![
        8 => Just(Vec::new()),
        3 => (slash, bucket(), behind).prop_map(|(slash, bucket, behind)| [slash, bucket, behind].concat()),
        1 => words(&["0", ".", "..", "../k", "-", "/", "!", "%", "k k/k"]),
    ]
}

/// Requests to the gateway.
pub fn requests(ground: &Ground) -> impl Strategy<Value = Request> + use<> {
    let listeners = ground.listeners().into_iter();
    let doors: Vec<(String, u16)> =
        listeners.map(|one| (one.server_name.to_string(), u16::try_from(one.port.get()).unwrap())).collect();
    let ports = ground.ports.to_vec();
    let method = || {
        prop_oneof![
            24 => words(&["GET", "PUT"]),
            12 => words(&["HEAD", "DELETE", "POST", "OPTIONS", "PATCH", "PROPFIND"]),
            1 => words(&["TRACE", "CONNECT", "get", "G-T", "M_X", "G1"]),
        ]
    };
    select(doors).prop_flat_map(move |(name, port)| {
        let host = prop_oneof![40 => host(name.clone()).prop_map(Some), 1 => Just(None)];
        let port = prop_oneof![20 => Just(port), 1 => select(ports.clone())];
        (method(), target(name), host, copy_source(), port).prop_map(|(method, target, host, copy_source, port)| {
            Request { method, target, host, copy_source, from: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), port, tls: false }
        })
    })
}
