//! Members that fail: reads go to another one, writes are never sent twice.

use serde_json::json;

use crate::support::echo::Echo;
use crate::support::gateway::{Gateway, id};
use crate::support::http::Request;
use crate::support::nginx::free_port;

#[test]
fn a_write_that_timed_out_is_not_sent_to_a_second_member_and_a_read_is() {
    let (gateway, silent, echo) = (Gateway::start(), Echo::silent(), Echo::start("alive"));
    let pool = id(&gateway.api.post("/api/pools", &json!({"name": "mixed", "lb_method": "round_robin"})));
    for address in [silent.address(), echo.address()] {
        // A failure must not put the silent one aside: each request is to have its chance to go wrong.
        let member = json!({"address": address, "max_fails": 0});
        gateway.api.post(&format!("/api/pools/{pool}/members"), &member);
    }
    let vhost = gateway.vhost_with(
        "localhost",
        json!({"default_pool_id": pool, "extra_blocks": [{"zone": "proxy", "content": "proxy_read_timeout 300ms;"}]}),
    );
    gateway.route_with(vhost, "/own/", pool, json!({"extra_directives": "add_header X-A b"}));
    gateway.go_live();
    // On a busy machine the one that is alive may be late too: what counts is who was sent what.
    let requests = 4;
    let send = |method: &str, bucket: &str| {
        for _ in 0..requests {
            let status = gateway.send(&Request::new(method, format!("/{bucket}/k"))).status;
            assert!(matches!(status, 200 | 504), "{method} on {bucket}: {status}");
        }
        let (lost, done) = (silent.take().len(), echo.take().len());
        assert!(lost > 0, "{method} on {bucket}: no request went to the silent member");
        (lost, done)
    };
    for bucket in ["plain", "own"] {
        for method in ["PUT", "DELETE", "POST"] {
            let (lost, done) = send(method, bucket);
            assert_eq!(lost + done, requests, "{method} on {bucket}: each was sent once");
        }
    }
    for method in ["GET", "HEAD"] {
        assert_eq!(send(method, "plain").1, requests, "{method}: each reached the member that answers");
    }
}

#[test]
fn a_member_that_refuses_connections_costs_no_request() {
    let (gateway, echo) = (Gateway::start(), Echo::start("alive"));
    let gone = format!("127.0.0.1:{}", free_port());
    let pool = id(&gateway.api.post("/api/pools", &json!({"name": "mixed", "lb_method": "round_robin"})));
    for address in [gone, echo.address()] {
        let member = json!({"address": address, "max_fails": 0});
        gateway.api.post(&format!("/api/pools/{pool}/members"), &member);
    }
    let vhost = gateway.vhost("localhost", pool);
    gateway.route_with(vhost, "/own/", pool, json!({"extra_directives": "add_header X-A b"}));
    gateway.go_live();
    for bucket in ["plain", "own"] {
        for method in ["GET", "PUT", "DELETE", "POST"] {
            for _ in 0..4 {
                let answer = gateway.send(&Request::new(method, format!("/{bucket}/k")));
                assert_eq!(answer.status, 200, "{method} on {bucket}");
            }
        }
    }
}
