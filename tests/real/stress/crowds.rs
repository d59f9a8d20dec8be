//! Many writes at once, and more than one way to the bucket.

use super::Stress;
use super::begun::Begun;
use super::until;
use crate::support::http::{Request, Response};
use crate::support::nginx::PrivateNginx;
use crate::support::s3;

/// A vhost more, with a route for the bucket or without one.
fn also_reached_through(stress: &Stress, name: &str, routed: bool) {
    let gateway = &stress.moving.gateway;
    let vhost = gateway.vhost(name, stress.moving.pools[0]);
    if routed {
        gateway.route(vhost, "/photos/", stress.moving.pools[0]);
    }
    gateway.reload();
}

fn request(stress: &Stress, host: &str, method: &str, key: &str, body: &[u8]) -> Request {
    s3::request_to(host, method, &format!("/photos/{key}"), &[], body, stress.port())
}

/// So many writes through the hosts in turn, all of which nginx has.
fn held_through(stress: &Stress, hosts: &[&str], count: usize) -> Vec<Begun> {
    let begin = |number: usize| {
        let host = hosts[number % hosts.len()];
        Begun::send(
            request(stress, host, "PUT", &format!("held-{number}"), number.to_string().as_bytes()),
            stress.port(),
        )
    };
    let held = (0..count).map(begin).collect();
    until("all are in the journal", || stress.count_started("held-") == count);
    held
}

/// The keys of a node that begin so.
fn held_at(node: &crate::support::nanio::Nanio) -> usize {
    node.keys("photos").iter().filter(|key| key.starts_with("held-")).count()
}

#[test]
fn two_vhosts_route_the_same_bucket() {
    let stress = Stress::start(&[]);
    let hosts = ["localhost", "second.localhost", "third.localhost"];
    also_reached_through(&stress, hosts[1], true);
    // The third reaches it through its default pool.
    also_reached_through(&stress, hosts[2], false);
    let id = stress.moving.begin();
    let under_way = stress.write_until_held();
    let held = held_through(&stress, &hosts, 30);
    for host in hosts {
        assert_eq!(request(&stress, host, "GET", "first", b"").send(stress.port()).status, 200, "{host}");
    }
    under_way.end();
    for write in held {
        assert_eq!(write.end().status, 200);
    }
    assert_eq!((held_at(&stress.moving.first), held_at(&stress.moving.second)), (0, 30));
    stress.until_done(id);
    for host in hosts {
        let answer = request(&stress, host, "GET", "held-7", b"").send(stress.port());
        assert_eq!((answer.status, answer.body), (200, b"7".to_vec()), "{host}");
        let key = format!("after-{host}");
        assert_eq!(request(&stress, host, "PUT", &key, b"x").send(stress.port()).status, 200, "{host}");
        assert!(stress.moving.second.read("photos", &key).is_some(), "{host} writes to the destination");
    }
}

#[test]
fn a_thousand_writes_are_held_at_once() {
    let nginx = PrivateNginx::new();
    nginx.write_conf_for(4096, &nginx.includes());
    let gate = nginx.gate_dir();
    let stress = Stress::behind(nginx, &gate, &[]);
    let id = stress.moving.begin();
    let under_way = stress.write_until_held();
    let held = held_through(&stress, &["localhost"], 1000);
    assert_eq!(stress.get("first"), (200, b"there from the beginning".to_vec()), "reads go on");
    under_way.end();
    let answers: Vec<u16> = held.into_iter().map(|write| write.end().status).collect();
    assert_eq!(answers, vec![200; 1000], "{}", stress.moving.log(id));
    assert_eq!((held_at(&stress.moving.first), held_at(&stress.moving.second)), (0, 1000));
    stress.until_done(id);
}

#[test]
fn more_writes_are_held_than_a_quarter_of_the_connections() {
    let stress = Stress::start(&[]);
    also_reached_through(&stress, "second.localhost", true);
    let id = stress.moving.begin();
    let under_way = stress.write_until_held();
    let held = held_through(&stress, &["localhost"], 200);
    assert_eq!(stress.get("first").0, 200, "reads go on");
    // Each vhost has a bound of its own.
    let other = Begun::send(request(&stress, "second.localhost", "PUT", "other", b"other"), stress.port());
    under_way.end();
    let answers: Vec<Response> = held.into_iter().map(Begun::end).collect();
    assert_eq!(other.end().status, 200);
    let (through, told): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    for answer in &told {
        assert_eq!((answer.status, answer.s3_code().as_str()), (503, "SlowDown"));
        assert!(answer.head.contains("\r\nRetry-After: 1"), "{}", answer.head);
    }
    // A write of before, and a canary, may have been among those that were held.
    assert!((126..=128).contains(&through.len()), "{} of 512 / 4", through.len());
    assert_eq!((held_at(&stress.moving.first), held_at(&stress.moving.second)), (0, through.len()));
    stress.until_done(id);
}
