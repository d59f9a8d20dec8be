//! Traces by OTLP, as a collector gets them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::http::Request;
use crate::support::nginx::PrivateNginx;
use crate::support::orchestrator::API_KEY;

/// A trace as a caller names it.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// What is sent to a collector: the path of each request, and its body.
fn collector() -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, received) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut line, mut path, mut length) = (String::new(), String::new(), 0);
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                let lower = line.to_ascii_lowercase();
                if path.is_empty() {
                    path = line.split(' ').nth(1).unwrap().to_owned();
                } else if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").unwrap();
            if sender.send((path, body)).is_err() {
                return;
            }
        }
    });
    (address, received)
}

/// Texts and identifiers stand in OTLP's messages as they are.
fn holds(body: &[u8], what: &[u8]) -> bool {
    body.windows(what.len()).any(|window| window == what)
}

fn trace_id() -> Vec<u8> {
    (0..TRACE.len()).step_by(2).map(|at| u8::from_str_radix(&TRACE[at..at + 2], 16).unwrap()).collect()
}

/// The whole way of a change, from the request of somebody who traces to the call of nginx.
#[test]
fn a_change_is_told_to_the_collector_as_part_of_its_callers_trace() {
    let (address, received) = collector();
    let mut gateway = Gateway::start_with(PrivateNginx::new(), &[("OTLP_ENDPOINT", &address)]);
    let pool = gateway.pool("hot", &[]);
    let answer = Request::new("POST", format!("/api/pools/{pool}/members"))
        .header("X-Orchestrator-Key", API_KEY)
        .header("Content-Type", "application/json")
        .header("traceparent", &format!("00-{TRACE}-00f067aa0ba902b7-01"))
        .body(&json!({"address": "127.0.0.1:9"}).to_string())
        .send(gateway.api.port);
    assert_eq!(answer.status, 201, "{}", answer.text());
    // What has not been sent is sent at the end.
    gateway.api.stop();
    let mut all = Vec::new();
    while let Ok((path, body)) = received.recv_timeout(Duration::from_secs(1)) {
        assert_eq!(path, "/v1/traces");
        all.extend(body);
    }
    assert!(holds(&all, &trace_id()), "the caller's trace goes on");
    for part in ["nanio-orchestrator", "create_member", "http.response.status_code", "publish", "nginx", "-t -q"] {
        assert!(holds(&all, part.as_bytes()), "{part} in {}", String::from_utf8_lossy(&all));
    }
    assert!(!holds(&all, API_KEY.as_bytes()), "no key is sent anywhere");
}

#[test]
fn a_collector_that_is_not_there_costs_nothing_but_the_traces() {
    let mut gateway = Gateway::start_with(PrivateNginx::new(), &[("OTLP_ENDPOINT", "http://127.0.0.1:9")]);
    gateway.pool("hot", &[]);
    assert_eq!(gateway.api.stop().code(), Some(0));
}
