//! Storage nodes that stand still: SIGSTOP, so that connections are taken and nothing is answered.

use rustix::process::Signal;
use serde_json::json;

use super::Stress;
use super::parked::Parked;
use crate::support::gateway::id;

/// nginx waits for a node for a second only.
fn impatiently(stress: &Stress) {
    let api = &stress.moving.gateway.api;
    let vhost = id(&api.get("/api/vhosts")[0]);
    let routes = api.get(&format!("/api/vhosts/{vhost}/routes"));
    let route = routes.as_array().unwrap().iter().find(|route| route["path_prefix"] == "/photos/").unwrap();
    let directives = json!({"extra_directives": "proxy_read_timeout 1s;"});
    api.put(&format!("/api/vhosts/{vhost}/routes/{}", id(route)), &directives);
    stress.moving.gateway.reload();
}

#[test]
fn the_source_stalls_past_the_time_out() {
    let stress = Stress::start(&[]);
    impatiently(&stress);
    let passing = Parked::begin(&stress).pass_on();
    stress.moving.first.signal(Signal::STOP);
    assert_eq!(stress.put("stalled", b"perhaps"), 504, "its client is told that it is not known");
    stress.moving.first.signal(Signal::CONT);
    let id = passing.go_on();
    stress.until_done(id);
    let [source, destination] =
        [&stress.moving.first, &stress.moving.second].map(|node| node.read("photos", "stalled"));
    assert_eq!(source, destination, "whatever became of it, both sides agree");
    assert_eq!(stress.get("first").0, 200);
}

#[test]
fn the_destination_stalls_while_writes_are_held() {
    let stress = Stress::start(&[("MIGRATION_MAX_HOLD", "5")]);
    let id = stress.moving.begin();
    let under_way = stress.write_until_held();
    let held = stress.begin_put("held", b"held");
    stress.moving.second.signal(Signal::STOP);
    under_way.end_through();
    stress.until_taken_back();
    assert_eq!(held.end().status, 200);
    assert_eq!(stress.moving.first.read("photos", "held").unwrap(), b"held", "it was sent to the source");
    stress.moving.second.signal(Signal::CONT);
    let over = stress.until_done(id);
    assert_eq!(over["audit"], "ok", "{}", stress.moving.log(id));
    assert!(stress.moving.log(id).contains("writes flow to the source again"), "{}", stress.moving.log(id));
    assert_eq!(stress.moving.second.read("photos", "held").unwrap(), b"held");
}
