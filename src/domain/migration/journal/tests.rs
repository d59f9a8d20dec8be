use super::*;

fn line(event: Event, rid: &str, method: &str, uri: &str) -> JournalLine {
    JournalLine {
        event,
        rid: rid.to_owned(),
        method: method.to_owned(),
        uri: uri.to_owned(),
        bucket: "b".to_owned(),
        style: String::new(),
        pid: 7,
        at_ms: 1000,
        status: "200".to_owned(),
        upstream_status: "200".to_owned(),
        target: "src".to_owned(),
        body: String::new(),
    }
}

fn start(rid: &str, method: &str, uri: &str) -> JournalEntry {
    JournalEntry::Line(Box::new(line(Event::Start, rid, method, uri)))
}

fn end(rid: &str, method: &str, uri: &str, upstream_status: &str) -> JournalEntry {
    let line = JournalLine { upstream_status: upstream_status.to_owned(), ..line(Event::End, rid, method, uri) };
    JournalEntry::Line(Box::new(line))
}

fn ledger(entries: &[JournalEntry]) -> Ledger {
    let mut ledger = Ledger::of(&BucketName::parse("b").unwrap());
    entries.iter().for_each(|entry| ledger.read(entry));
    ledger
}

fn nobody() -> HashSet<String> {
    HashSet::new()
}

#[test]
fn a_key_is_dirty_from_the_start_of_a_write_until_a_pass_that_began_after_its_end() {
    let mut ledger = ledger(&[start("1", "PUT", "/b/k")]);
    assert_eq!((ledger.batch().keys, ledger.in_flight(&nobody())), (vec!["k".to_owned()], 1));
    let during = ledger.batch();
    ledger.carried(&during);
    assert_eq!(ledger.backlog(), 1, "a write of it is under way");
    let before_end = ledger.batch();
    ledger.read(&end("1", "PUT", "/b/k", "200"));
    ledger.carried(&before_end);
    assert_eq!(ledger.backlog(), 1, "it may have been written after the pass had read it");
    let after = ledger.batch();
    ledger.carried(&after);
    assert_eq!((ledger.backlog(), ledger.in_flight(&nobody())), (0, 0));
}

#[test]
fn a_write_that_waits_at_the_gate_is_not_on_its_way() {
    let ledger = ledger(&[start("1", "PUT", "/b/k"), start("2", "DELETE", "/b/l")]);
    assert_eq!(ledger.in_flight(&HashSet::from(["2".to_owned()])), 1);
    assert_eq!(ledger.in_flight(&HashSet::from(["1".to_owned(), "2".to_owned()])), 0);
}

#[test]
fn a_write_without_one_final_status_stays_dirty_and_is_remembered() {
    // nginx itself says 502 and 504 in the place of a storage that did not answer.
    for status in ["500", "502", "504", "-", "", "502, 200", "502 : 200"] {
        let mut ledger = ledger(&[start("1", "PUT", "/b/k"), end("1", "PUT", "/b/k", status)]);
        let batch = ledger.batch();
        ledger.carried(&batch);
        let certain = status == "500";
        assert_eq!(ledger.backlog(), usize::from(!certain), "{status}");
        assert_eq!(ledger.youngest_uncertain_ms(), (!certain).then_some(1000), "{status}");
    }
}

#[test]
fn writes_of_a_worker_that_died_are_uncertain() {
    let mut ledger = ledger(&[start("1", "PUT", "/b/k"), start("2", "POST", "/b?delete")]);
    ledger.bury(&HashSet::from([7]), 5000);
    assert_eq!(ledger.in_flight(&nobody()), 2);
    ledger.bury(&HashSet::from([8]), 5000);
    assert_eq!((ledger.in_flight(&nobody()), ledger.youngest_uncertain_ms()), (0, Some(5000)));
    assert!(ledger.has_unknown(), "the body of the bulk deletion is gone");
    let batch = ledger.batch();
    ledger.carried(&batch);
    assert_eq!(ledger.backlog(), 1);
}

#[test]
fn what_never_left_the_gate_changed_nothing() {
    let slow = JournalLine {
        target: "gate".to_owned(),
        upstream_status: "-".to_owned(),
        ..line(Event::End, "1", "POST", "/b")
    };
    let ledger = ledger(&[start("1", "POST", "/b"), JournalEntry::Line(Box::new(slow))]);
    assert!(!ledger.has_unknown());
    assert_eq!(ledger.youngest_uncertain_ms(), None);
}

#[test]
fn a_bulk_deletion_is_known_at_its_end() {
    let body = "<Delete><Object><Key>a</Key></Object></Delete>";
    let done = JournalLine { body: body.to_owned(), ..line(Event::End, "1", "POST", "/b?delete") };
    let known = ledger(&[start("1", "POST", "/b?delete"), JournalEntry::Line(Box::new(done))]);
    assert_eq!((known.batch().keys, known.has_unknown()), (vec!["a".to_owned()], false));
    let mut unknown = ledger(&[start("1", "POST", "/b?delete"), end("1", "POST", "/b?delete", "200")]);
    assert!(unknown.has_unknown());
    let events = unknown.events();
    unknown.compared(events - 1);
    assert!(unknown.has_unknown(), "that comparison began too early");
    unknown.compared(events);
    assert!(!unknown.has_unknown());
    let refused = ledger(&[start("1", "POST", "/b?delete"), end("1", "POST", "/b?delete", "403")]);
    assert!(!refused.has_unknown());
}

#[test]
fn uploads_are_known_until_they_end() {
    let mut ledger = ledger(&[
        start("1", "PUT", "/b/k?uploadId=u&partNumber=1"),
        end("1", "PUT", "/b/k?uploadId=u&partNumber=1", "200"),
    ]);
    assert_eq!(ledger.uploads().keys().collect::<Vec<_>>(), ["u"]);
    assert_eq!(ledger.backlog(), 0, "a part is no object");
    ledger.read(&start("2", "POST", "/b/k?uploadId=u"));
    ledger.read(&end("2", "POST", "/b/k?uploadId=u", "200"));
    assert!(ledger.uploads().is_empty() && ledger.has_ended("u"));
    assert_eq!(ledger.backlog(), 1);
}

#[test]
fn the_end_of_the_bucket_and_unreadable_lines_are_told() {
    assert!(ledger(&[end("1", "DELETE", "/b", "204")]).bucket_gone());
    assert!(!ledger(&[end("1", "DELETE", "/b", "409")]).bucket_gone());
    assert!(ledger(&[end("1", "PUT", "/b?policy", "204")]).configured());
    assert!(ledger(&[JournalEntry::Unreadable]).is_unreadable());
    let broken = JournalEntry::Broken(Box::new(line(Event::End, "1", "PUT", "/b/\u{fffd}")));
    assert!(ledger(&[broken]).has_unknown());
}

#[test]
fn keys_of_a_copy_that_was_cut_short_wait_for_the_last_pass() {
    let mut ledger = Ledger::default();
    ledger.add(["a".to_owned()]);
    ledger.add_uncertain(["b".to_owned()], 9);
    let batch = ledger.batch();
    ledger.carried(&batch);
    assert_eq!((ledger.batch().keys, ledger.youngest_uncertain_ms()), (vec!["b".to_owned()], Some(9)));
}

#[test]
fn a_canary_is_seen_and_dirties_nothing() {
    let uri = "/b/.nanio-canary-1";
    let mut ledger = ledger(&[start("9", "PUT", uri)]);
    assert_eq!(ledger.canary(uri), Some(&Canary { rid: "9".to_owned(), ended: false }));
    ledger.read(&end("9", "PUT", uri, "403"));
    assert_eq!(ledger.canary(uri).map(|canary| canary.ended), Some(true));
    assert_eq!((ledger.backlog(), ledger.in_flight(&nobody())), (0, 0));
}

#[test]
fn a_journal_that_is_not_trusted_asks_for_a_comparison_and_for_time() {
    let mut ledger = ledger(&[JournalEntry::Unreadable]);
    ledger.distrust(77);
    assert!(ledger.has_unknown() && !ledger.is_unreadable());
    assert_eq!(ledger.youngest_uncertain_ms(), Some(77));
}

#[test]
fn a_copy_into_another_bucket_makes_nothing_here() {
    let copy = JournalLine { bucket: "other".to_owned(), ..line(Event::End, "1", "PUT", "/other/k") };
    let ledger = ledger(&[JournalEntry::Line(Box::new(copy.clone())), JournalEntry::Broken(Box::new(copy))]);
    assert_eq!((ledger.backlog(), ledger.has_unknown()), (0, false));
}
