//! The checker is checked on the real thing: with any part of the protocol left out, it finds that out.

use serde_json::Value;

use super::super::clients::TwoPools;
use super::super::drill::run;

/// Drills on a gateway whose protocol is wrong in this way, until one shows it. A race may be won once, but not often.
fn assert_found_out(protocol: &str, work: &[&str]) {
    let mut pools = TwoPools::start();
    pools.gateway.api.restart_with(&[("PROTOCOL", protocol)]);
    let mut told = String::new();
    for _ in 0..4 {
        let output = run(&pools, &[&["--seconds", "12"], work].concat());
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {words}"));
        let kinds = ["lost", "stale", "resurrected", "missing", "extra", "wrong_body", "wrong_metadata"];
        let violations: u64 = kinds.iter().map(|kind| report[kind].as_u64().unwrap()).sum();
        eprintln!("{protocol}: {violations} violations: {report}");
        if violations > 0 {
            assert_eq!((output.status.code(), &report["migration"]["phase"]), (Some(1), &"done".into()), "{words}");
            return;
        }
        told = words;
    }
    panic!("{protocol} was not found out; the last drill said:\n{told}");
}

#[test]
fn a_cutover_without_a_freeze_is_found_out() {
    // Few writes among many keys: one that hits what is being carried over would be noticed, and the cutover taken back.
    assert_found_out("no-freeze", &["--clients", "1", "--objects", "590", "--rate", "20"]);
}

#[test]
fn a_token_that_is_tested_before_the_start_line_is_found_out() {
    assert_found_out("early-token", &["--clients", "8", "--objects", "64"]);
}

#[test]
fn deletions_that_are_not_carried_over_are_found_out() {
    assert_found_out("no-deletes", &["--clients", "8", "--objects", "64"]);
}

#[test]
fn lines_of_the_journal_that_are_not_read_are_found_out() {
    assert_found_out("dropped-lines", &["--clients", "8", "--objects", "64"]);
}
