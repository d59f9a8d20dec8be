use super::*;

const AT: i64 = 1_000_000;

fn entry(event: Event, rid: &str, method: &str, uri: &str, status: &str) -> JournalEntry {
    JournalEntry::Line(Box::new(JournalLine {
        event,
        rid: rid.to_owned(),
        method: method.to_owned(),
        uri: uri.to_owned(),
        bucket: "b".to_owned(),
        style: String::new(),
        pid: 7,
        at_ms: AT,
        status: status.to_owned(),
        upstream_status: status.to_owned(),
        target: "old".to_owned(),
        body: String::new(),
    }))
}

fn start(rid: &str, method: &str, uri: &str) -> JournalEntry {
    entry(Event::Start, rid, method, uri, "")
}

fn end(rid: &str, method: &str, uri: &str, status: &str) -> JournalEntry {
    entry(Event::End, rid, method, uri, status)
}

fn touched(entries: &[JournalEntry]) -> Touched {
    let mut touched = Touched::of(&BucketName::parse("b").unwrap());
    entries.iter().for_each(|entry| touched.read(entry));
    touched
}

fn after(method: &str, uri: &str, status: &str) -> Touched {
    touched(&[start("r", method, uri), end("r", method, uri, status)])
}

fn nobody() -> HashSet<String> {
    HashSet::new()
}

#[test]
fn what_a_client_made_or_deleted_is_theirs_for_good() {
    for (method, status) in [("PUT", "200"), ("DELETE", "204"), ("DELETE", "404"), ("DELETE", "504"), ("DELETE", "-")] {
        let mut seen = after(method, "/b/k", status);
        assert!(seen.is_theirs("k") && !seen.is_theirs("other"), "{method} {status}");
        seen.read(&start("later", "PUT", "/b/k"));
        seen.read(&end("later", "PUT", "/b/k", "500"));
        assert!(seen.is_theirs("k"), "{method} {status}");
    }
}

#[test]
fn what_the_storage_refused_changed_nothing() {
    for (method, status) in [("PUT", "403"), ("DELETE", "403"), ("PUT", "404")] {
        let seen = after(method, "/b/k", status);
        assert!(!seen.is_theirs("k") && !seen.is_unsure("k", AT), "{method} {status}");
    }
    assert_eq!(after("POST", "/b?delete", "403").lost(), None);
}

#[test]
fn a_key_is_busy_from_the_start_of_a_write_to_its_end_unless_it_waits_at_the_gate() {
    let mut seen = touched(&[start("r", "PUT", "/b/k"), start("s", "DELETE", "/b/l")]);
    assert_eq!(seen.busy(&nobody()), HashSet::from(["k", "l"]));
    assert_eq!(seen.busy(&HashSet::from(["r".to_owned()])), HashSet::from(["l"]));
    seen.read(&end("s", "DELETE", "/b/l", "204"));
    assert_eq!(seen.busy(&nobody()), HashSet::from(["k"]));
}

#[test]
fn a_write_without_a_certain_end_may_arrive_for_a_while() {
    for status in ["-", "504", "502, 200"] {
        let seen = after("PUT", "/b/k", status);
        assert!(!seen.is_theirs("k"), "{status}");
        assert!(seen.is_unsure("k", AT) && !seen.is_unsure("k", AT + 1), "{status}");
    }
    let form = after("POST", "/b", "-");
    assert!(form.may_appear(AT) && !form.may_appear(AT + 1));
    assert_eq!(form.lost(), None, "a form deletes nothing");
}

#[test]
fn what_a_request_at_the_gate_would_have_done_it_has_not() {
    let mut line = end("r", "DELETE", "/b/k", "204");
    if let JournalEntry::Line(line) = &mut line {
        line.target = "gate".to_owned();
    }
    assert!(!touched(&[start("r", "DELETE", "/b/k"), line]).is_theirs("k"));
}

#[test]
fn a_bulk_deletion_is_known_by_its_body_and_lost_without_it() {
    let mut line = end("r", "POST", "/b?delete", "200");
    if let JournalEntry::Line(line) = &mut line {
        line.body = "<Delete><Object><Key>k</Key></Object><Object><Key>l</Key></Object></Delete>".to_owned();
    }
    let mut seen = touched(&[start("r", "POST", "/b?delete")]);
    assert_eq!(seen.nameless(&nobody()), 1);
    assert_eq!(seen.nameless(&HashSet::from(["r".to_owned()])), 0);
    seen.read(&line);
    assert!(seen.is_theirs("k") && seen.is_theirs("l") && seen.lost().is_none() && seen.nameless(&nobody()) == 0);
    for (method, uri) in [("POST", "/b?delete"), ("DELETE", "/b/%FF"), ("DELETE", "/b")] {
        for status in ["200", "-"] {
            assert!(after(method, uri, status).lost().is_some(), "{method} {uri} {status}");
        }
    }
}

#[test]
fn the_writes_of_a_worker_that_died_may_still_arrive() {
    let mut seen =
        touched(&[start("r", "PUT", "/b/k"), start("s", "DELETE", "/b/l"), start("t", "POST", "/b?uploads")]);
    seen.bury(&HashSet::from([7]), AT);
    assert_eq!(seen.busy(&nobody()), HashSet::from(["k", "l"]));
    seen.bury(&HashSet::from([8]), AT);
    assert!(seen.busy(&nobody()).is_empty() && seen.is_unsure("k", AT) && seen.is_theirs("l"));
    assert_eq!(seen.lost(), None);
    let mut bulk = touched(&[start("r", "POST", "/b?delete")]);
    bulk.bury(&HashSet::new(), AT);
    assert!(bulk.lost().is_some(), "nobody has read which keys it named");
}

#[test]
fn uploads_touch_a_key_when_they_are_completed_and_other_buckets_never() {
    assert!(!after("PUT", "/b/k?partNumber=1&uploadId=u", "200").is_theirs("k"));
    assert!(after("POST", "/b/k?uploadId=u", "200").is_theirs("k"));
    let mut line = end("r", "DELETE", "/c/k", "204");
    if let JournalEntry::Line(line) = &mut line {
        line.bucket = "c".to_owned();
    }
    assert!(!touched(&[line]).is_theirs("k"));
}

#[test]
fn only_requests_that_may_change_a_held_key_concern_it() {
    let held = HeldKeys::of(["k".to_owned()]);
    let concerns = |method: &str, uri: &str| held.concern(&written(method, uri, Style::Path, None));
    for (method, uri) in
        [("PUT", "/b/k"), ("DELETE", "/b/%6B"), ("POST", "/b/k?uploadId=u"), ("POST", "/b?delete"), ("DELETE", "/b")]
    {
        assert!(concerns(method, uri), "{method} {uri}");
    }
    for (method, uri) in [("PUT", "/b/l"), ("PUT", "/b/k?partNumber=1&uploadId=u"), ("POST", "/b/k?uploads")] {
        assert!(!concerns(method, uri), "{method} {uri}");
    }
}
