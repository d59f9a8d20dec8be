//! What becomes of nginx itself in the middle.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use super::Stress;
use super::parked::Parked;

impl Stress {
    /// nginx's master gets a signal.
    fn signal_nginx(&self, signal: Signal) {
        let pid = fs::read_to_string(self.moving.gateway.nginx.dir.path().join("nginx.pid")).unwrap();
        kill_process(Pid::from_raw(pid.trim().parse().unwrap()).unwrap(), signal).unwrap();
    }

    /// What logrotate does to the log of errors.
    fn rotate_logs(&self, end: &str) {
        let log = self.moving.gateway.nginx.dir.path().join("error.log");
        fs::rename(&log, log.with_extension(end)).unwrap();
        self.signal_nginx(Signal::USR1);
        super::until("nginx has opened its log again", || log.exists());
    }
}

#[test]
fn somebody_else_reloads_nginx_and_rotates_its_logs() {
    let stress = Stress::start(&[]);
    let passing = Parked::begin(&stress).pass_on();
    stress.rotate_logs("log.1");
    stress.signal_nginx(Signal::HUP);
    assert_eq!(stress.put("between", b"between"), 200);
    let id = passing.go_on();
    let under_way = stress.write_until_held();
    let held = stress.begin_put("held", b"held");
    stress.rotate_logs("log.2");
    stress.signal_nginx(Signal::HUP);
    let held_later = stress.begin_put("held-later", b"later");
    under_way.end();
    assert_eq!((held.end().status, held_later.end().status), (200, 200));
    let over = stress.until_done(id);
    assert_eq!(over["audit"], "ok", "{}", stress.moving.log(id));
    for (key, content) in [("between", "between"), ("held", "held"), ("held-later", "later")] {
        assert_eq!(stress.get(key), (200, content.into()), "{key}");
    }
}

#[test]
fn a_worker_is_killed_in_a_write() {
    let stress = Stress::start(&[]);
    let passing = Parked::begin(&stress).pass_on();
    let cut = stress.begin_put_to_source("cut", b"never answered");
    kill_process(stress.worker_of("cut"), Signal::KILL).unwrap();
    assert!(cut.try_end().is_none(), "its client is told nothing");
    super::until("another worker serves", || {
        stress.put_request("cut", b"sent again").try_send(stress.port()).is_ok_and(|answer| answer.status == 200)
    });
    let id = passing.go_on();
    stress.until_done(id);
    assert_eq!(stress.moving.second.read("photos", "cut").unwrap(), b"sent again");
    assert_eq!(stress.get("first").0, 200);
}

#[test]
fn a_worker_is_killed_while_writes_are_held() {
    let stress = Stress::start(&[]);
    let id = stress.moving.begin();
    let under_way = stress.write_until_held();
    let key = format!("under-way-{}", under_way.number);
    kill_process(stress.worker_of(&key), Signal::KILL).unwrap();
    assert!(under_way.through.try_end().is_none(), "its client is told nothing");
    if let Some(answer) = under_way.other.and_then(super::Begun::try_end) {
        assert_eq!(answer.status, 200, "on the other worker");
    }
    stress.until_done(id);
    let log = stress.moving.log(id);
    assert!(log.contains("nobody knows how it ended; writes flow to the source again"), "{log}");
    let [source, destination] = [&stress.moving.first, &stress.moving.second].map(|node| node.read("photos", &key));
    assert_eq!(source, destination, "whatever became of it, both sides agree");
}
