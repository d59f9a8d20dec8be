//! What nginx writes down of writes, and when.

use nanio_orchestrator::domain::gateway::Protocol;
use nanio_orchestrator::domain::migration::token::{GateStage, TokenState};

use super::{Rig, by_default, moving, vhost};
use crate::support::echo::Echo;
use crate::support::http::Request;
use crate::support::nginx::wait_until;

#[test]
fn a_write_has_a_line_before_it_is_sent_and_one_after_its_answer() {
    let rig = Rig::start();
    let answer = rig.send(&Request::put("/bkt/a%20\u{fc}?x=\"1\"", "body"));
    assert_eq!(answer.status, 200);
    let lines = rig.journal(1, 2);
    for (line, event) in lines.iter().zip(["start", "end"]) {
        assert_eq!((&line["e"], &line["m"], &line["v"]), (&event.into(), &"PUT".into(), &"path".into()));
        assert_eq!(line["u"], "/bkt/a%20\u{fc}?x=\"1\"");
        assert_eq!((&line["rid"], &line["pid"]), (&lines[0]["rid"], &lines[0]["pid"]));
        assert_eq!(line["rid"].as_str().unwrap().len(), 32);
        // Milliseconds since 1970, whole ones.
        assert!(line["t"].as_i64().unwrap() > 1_700_000_000_000, "{line}");
    }
    assert_eq!((&lines[1]["s"], &lines[1]["us"], &lines[1]["to"]), (&"200".into(), &"200".into(), &"src".into()));
    let worker = lines[0]["pid"].as_u64().unwrap();
    let name = std::fs::read_to_string(format!("/proc/{worker}/cmdline")).unwrap();
    assert!(name.starts_with("nginx: worker process"), "{name}");
}

/// The storage gets a write and never answers: the start line was there before, and no end line comes when the client
/// has gone, since the storage may still be at it.
#[test]
fn a_write_under_way_has_no_end_line_even_when_its_client_is_gone() {
    let mut rig = Rig::start();
    let silent = Echo::silent();
    rig.upstreams.insert("src", silent);
    let server = by_default(vhost(1, "localhost", Protocol::S3), "src");
    rig.write(vec![server], &[moving(1, "bkt", GateStage::Gated, &[])]);
    rig.reload();
    {
        use std::io::Write as _;
        let mut client = std::net::TcpStream::connect(("127.0.0.1", rig.port)).unwrap();
        client.write_all(b"DELETE /bkt/k HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        wait_until("the write at the storage", || rig.upstreams["src"].count() == 1);
        rig.journal(1, 1);
    }
    // A later request shows that the worker had its chance to see that the client has gone.
    assert_eq!(rig.send(&Request::get("/%62kt")).status, 400);
    assert_eq!(rig.journal(1, 1)[0]["e"], "start");
}

#[test]
fn the_keys_of_a_bulk_deletion_are_written_down_unless_there_are_too_many() {
    let rig = Rig::start();
    let small = "<Delete><Object><Key>\"a\" \u{fc}</Key></Object></Delete>";
    let large = "x".repeat(6_000_000);
    let five = format!("<Delete>{}</Delete>", "y".repeat(5_000_000));
    for body in [small, &five, &large] {
        let answer = rig.send(&Request::new("POST", "/bkt?delete").body(body));
        assert_eq!(answer.status, 200);
        let reached = rig.reached();
        assert_eq!((&reached[0]["upstream"], &reached[0]["body"]), (&"src".into(), &body.into()));
    }
    rig.say(1, TokenState::Held);
    rig.gate.decide(Some("src"));
    assert_eq!(rig.served(&Request::new("POST", "/bkt/?delete").body(small)), "src");
    let lines = rig.journal(1, 8);
    let bodies: Vec<_> = lines.iter().filter(|line| line["e"] == "end").map(|line| &line["b"]).collect();
    assert!(bodies == [small, &five, "", small], "other bodies than these");
}

#[test]
fn no_other_request_is_written_down() {
    let rig = Rig::start();
    for request in [Request::get("/bkt/k"), Request::put("/other/k", "x"), Request::get("/bkt/k?uploadId=u")] {
        assert_eq!(rig.served(&request), "src");
    }
    rig.say(1, TokenState::Open);
    assert_eq!(rig.served(&Request::put("/bkt/k", "x")), "dst");
    rig.journal(1, 0);
}
