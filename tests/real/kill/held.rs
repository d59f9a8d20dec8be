//! The program dies while it holds writes, and the unit's line is all that is left of it.

use std::fs;
use std::time::Instant;

use super::super::migration::Moving;
use super::rig::{Token, exec_stop_post, token, token_files};
use crate::support::nginx::wait_until;

/// Whether a journal tells of a write of this key.
fn is_journaled(moving: &Moving, key: &str) -> bool {
    let journals = token_files(moving).into_iter().filter(|name| name.ends_with(".journal"));
    let told = |name: &String| fs::read_to_string(moving.gateway.api.gate_dir().join(name)).unwrap().contains(key);
    journals.filter(told).count() > 0
}

#[test]
fn a_write_that_is_held_when_the_program_dies_is_told_to_slow_down_and_the_next_one_after_the_units_line_is_taken() {
    let mut moving = Moving::start();
    moving.first.make("photos");
    for number in 0..200 {
        moving.first.write("photos", &format!("folder/object-{number}"), b"some content");
    }
    // It holds writes, and then does nothing any more.
    moving.gateway.api.restart_with(&[("POINT", "gate.frozen"), ("SIGNAL", "STOP")]);
    let id = moving.begin();
    wait_until("the hold", || token(&moving) == Token::Held);
    let (held, refused, took) = std::thread::scope(|scope| {
        let held = scope.spawn(|| moving.s3("PUT", "/photos/held", b"a write that waits"));
        wait_until("the start line of the write", || is_journaled(&moving, "/photos/held"));
        assert!(!held.is_finished(), "it waits");
        let died = Instant::now();
        moving.gateway.api.kill();
        let held = held.join().unwrap();
        let refused = moving.s3("PUT", "/photos/refused", b"too early");
        assert_eq!(moving.s3("GET", "/photos/folder/object-7", b"").0, 200, "reads go on");
        let line = moving.gateway.api.run_unit_line(&exec_stop_post());
        assert!(line.status.success(), "{}", String::from_utf8_lossy(&line.stderr));
        assert_eq!(moving.s3("PUT", "/photos/taken", b"on the source").0, 200, "the first one after the line");
        (held, refused, died.elapsed())
    });
    eprintln!("from SIGKILL to the first write that was taken: {} ms", took.as_millis());
    for (status, body) in [held, refused] {
        let body = String::from_utf8_lossy(&body).into_owned();
        assert!(status == 503 && body.contains("<Code>SlowDown</Code>"), "{status} {body}");
    }
    let keys = moving.first.keys("photos");
    assert!(keys.contains(&"taken".to_owned()) && !keys.contains(&"held".to_owned()), "{keys:?}");
    assert!(!moving.second.keys("photos").contains(&"taken".to_owned()));

    moving.gateway.api.restart();
    let over = moving.until_over(id);
    assert_eq!(over["phase"], "done", "{over:#}\n{}", moving.log(id));
    assert_eq!(moving.second.keys("photos"), keys);
    assert_eq!(moving.s3("GET", "/photos/taken", b""), (200, b"on the source".to_vec()));
}
