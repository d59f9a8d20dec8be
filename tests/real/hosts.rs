//! Vhosts: by name, with TLS, with rules on who may connect, and those that serve plain HTTP.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::child::path;
use crate::support::echo::Echo;
use crate::support::gateway::{Gateway, served};
use crate::support::http::Request;
use crate::support::nginx::{free_port, wait_for_port};

#[test]
fn virtual_hosted_buckets_are_routed_by_the_host_name() {
    let (gateway, first, second) = (Gateway::start(), Echo::start("first"), Echo::start("second"));
    let default = gateway.pool("first", &[first.address()]);
    let routed = gateway.pool("second", &[second.address()]);
    let vhost = gateway.vhost("*.s3.example.test", default);
    gateway.route(vhost, "/bkt/", routed);
    gateway.route(vhost, "/dotted.name/", routed);
    gateway.route(vhost, "/split/part/", routed);
    gateway.go_live();
    for (host, target, expected) in [
        ("bkt", "/k", "second"),
        ("bkt", "/", "second"),
        ("bkt", "/?list-type=2", "second"),
        ("bkt", "/%62kt//../x", "second"),
        ("BKT", "/k", "second"),
        ("dotted.name", "/k", "second"),
        ("other", "/bkt/k", "first"),
        ("xbkt", "/k", "first"),
        ("split", "/part/k", "second"),
        ("split", "/p%61rt/k", "second"),
        ("split", "/k", "first"),
        ("split", "/split/part/k", "first"),
    ] {
        for port in [String::new(), format!(":{}", gateway.port)] {
            let host = format!("{host}.s3.example.test{port}");
            let answer = gateway.send(&Request::get(target).header("Host", &host));
            assert_eq!(served(&answer), expected, "{host} {target}: {}", answer.text());
            let echoed = answer.json();
            assert_eq!((&echoed["target"], &echoed["headers"]["host"]), (&json!(target), &json!(host)));
        }
    }
    let copy = |source: &str| {
        let request = Request::put("/k", "").header("Host", "bkt.s3.example.test");
        served(&gateway.send(&request.header("x-amz-copy-source", source)))
    };
    assert_eq!((copy("bkt/k").as_str(), copy("other/k").as_str()), ("second", "501 NotImplemented"));
}

#[test]
fn a_host_that_the_node_would_read_otherwise_is_refused() {
    let (gateway, first, second) = (Gateway::start(), Echo::start("first"), Echo::start("second"));
    let default = gateway.pool("first", &[first.address()]);
    let routed = gateway.pool("second", &[second.address()]);
    let vhost = gateway.vhost("*.s3.example.test", default);
    gateway.route(vhost, "/bkt/", routed);
    gateway.go_live();
    let ask = |target: &str, host: &str| gateway.send(&Request::get(target).header("Host", host));
    let (bkt, other) = ("bkt.s3.example.test", "other.s3.example.test");
    assert_eq!(served(&ask(&format!("http://{bkt}/k"), bkt)), "second");
    assert_eq!(served(&ask(&format!("http://{bkt}/k"), &format!("{bkt}:{}", gateway.port))), "second");
    // nginx would route by the one name, and the node would read the other.
    assert_eq!(served(&ask(&format!("http://{other}/k"), bkt)), "400 InvalidURI");
    assert_eq!(served(&ask(&format!("http://{bkt}/k"), other)), "400 InvalidURI");
    // A node that gets no bucket by name reads it from the path, past the routes.
    assert_eq!(served(&ask("/bkt/k", "localhost")), "400 InvalidURI");
    assert_eq!(served(&ask("/bkt/k", "s3.example.test")), "400 InvalidURI");
    assert_eq!(served(&ask("/k", &format!("{bkt}.evil.test"))), "400 InvalidURI");
    assert_eq!((first.take().len(), second.take().len()), (0, 2));
}

#[test]
fn an_http_vhost_serves_by_prefix_and_may_replace_it() {
    let (gateway, first, second) = (Gateway::start(), Echo::start("first"), Echo::start("second"));
    let default = gateway.pool_of("http", "web", &[first.address()]);
    let routed = gateway.pool_of("http", "img", &[second.address()]);
    let vhost = gateway.vhost("localhost", default);
    gateway.route(vhost, "/img/", routed);
    gateway.route_with(vhost, "/pub/", routed, json!({"key_prefix": "public/files/"}));
    gateway.go_live();
    for (target, upstream, seen) in [
        ("/x", "first", "/x"),
        ("/imgs/x", "first", "/imgs/x"),
        ("/img/a%20b+c", "second", "/img/a%20b+c"),
        ("/img", "second", "/img"),
        ("/pub/a%20b/c?x=%2F", "second", "/public/files/a%20b/c?x=%2F"),
        ("/pub/", "second", "/public/files/"),
    ] {
        let answer = gateway.send(&Request::get(target));
        assert_eq!(served(&answer), upstream, "{target}");
        assert_eq!(answer.json()["target"], seen, "{target}");
    }
}

#[test]
fn ip_rules_hold_for_reads_and_writes_on_every_kind_of_route() {
    let (gateway, echo) = (Gateway::start(), Echo::start("first"));
    let pool = gateway.pool("first", &[echo.address()]);
    for (name, mode, ips) in [
        ("in.test", "allow", json!(["127.0.0.0/8"])),
        ("out.test", "allow", json!(["192.0.2.0/24", "::1"])),
        ("denied.test", "deny", json!(["127.0.0.1"])),
        ("open.test", "deny", json!(["192.0.2.7"])),
    ] {
        let rules = json!({"default_pool_id": pool, "ip_rule_mode": mode, "ip_rule_ips": ips});
        let vhost = gateway.vhost_with(name, rules);
        gateway.route_with(vhost, "/own/", pool, json!({"extra_directives": "add_header X-A b"}));
    }
    gateway.go_live();
    for (name, expected) in [("in.test", "first"), ("out.test", "403"), ("denied.test", "403"), ("open.test", "first")]
    {
        for request in
            [Request::get("/bkt/k"), Request::put("/bkt/k", "x"), Request::get("/own/k"), Request::put("/own/k", "x")]
        {
            assert_eq!(served(&gateway.send(&request.header("Host", name))), expected, "{name}");
        }
    }
}

fn make_certificate(directory: &Path) {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    command.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]).current_dir(directory);
    let output = command.args(["-keyout", "key.pem", "-out", "cert.pem"]).output();
    let output = output.expect("openssl must be installed: run `apt-get install openssl`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn f22_a_tls_vhost_serves_http_1_and_http_2_on_this_nginx() {
    let (gateway, echo) = (Gateway::start(), Echo::start("first"));
    make_certificate(gateway.nginx.dir.path());
    let file = |name: &str| gateway.nginx.dir.path().join(name).display().to_string();
    let pool = gateway.pool("first", &[echo.address()]);
    let port = free_port();
    let tls = json!({
        "server_name": "localhost", "listen_port": port, "ssl": true, "default_pool_id": pool,
        "ssl_certificate": file("cert.pem"), "ssl_certificate_key": file("key.pem"),
    });
    gateway.api.post("/api/vhosts", &tls);
    gateway.reload();
    wait_for_port(port);
    let curl = |arguments: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-sS", "--noproxy", "*", "--cacert", &file("cert.pem"), "-w", "\n%{http_version} %{http_code}"]);
        command.args(arguments).arg(format!("https://localhost:{port}/bkt/a%2Fb")).env_clear().env("PATH", path());
        let output = command.output().expect("curl must be installed: run `make setup`");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    for (flag, version) in [("--http1.1", "1.1 200"), ("--http2", "2 200")] {
        for call in [vec![flag], vec![flag, "-X", "PUT", "--data-binary", "body"]] {
            let (ok, said) = curl(&call);
            assert!(ok && said.ends_with(version), "{call:?}: {said}");
            let echoed: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
            assert_eq!(echoed["target"], "/bkt/a%2Fb");
            assert_eq!(echoed["headers"]["host"], format!("localhost:{port}"));
            assert_eq!(echoed["headers"]["x-forwarded-proto"], "https");
        }
    }
    let (ok, said) = curl(&["--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"]);
    assert!(!ok, "{said}");
}
