use super::Violation::{Extra, Lost, Missing, Resurrected, Stale, WrongBody, WrongMetadata};
use super::*;

const KEY: &str = "client-00/plain-1";

/// A history, and the moment it has come to.
#[derive(Default)]
struct Story {
    history: History,
    now: u64,
}

impl Story {
    fn tick(&mut self) -> Moment {
        self.now += 1;
        Moment(self.now)
    }

    fn begin(&mut self, size: usize) -> Object {
        let tag = Tag::of(KEY, self.history.next_number());
        let object = Object { content: tag, size, note: tag };
        let at = self.tick();
        self.history.begin(Some(object), at);
        object
    }

    fn begin_delete(&mut self) {
        let at = self.tick();
        self.history.begin(None, at);
    }

    fn answered(&mut self) {
        let at = self.tick();
        self.history.acknowledge(at);
    }

    fn put(&mut self, size: usize) -> Object {
        let object = self.begin(size);
        self.answered();
        object
    }

    fn delete(&mut self) {
        self.begin_delete();
        self.answered();
    }

    fn judge(&mut self, from: Moment, seen: Seen<'_>, last: bool) -> Verdict {
        let until = self.tick();
        self.history.judge(&Read { from, until, seen, last })
    }

    fn sees(&mut self, seen: Seen<'_>) -> Verdict {
        let from = self.tick();
        self.judge(from, seen, false)
    }

    fn gets(&mut self, object: Object) -> Verdict {
        let from = self.tick();
        self.gets_from(from, object)
    }

    fn gets_from(&mut self, from: Moment, object: Object) -> Verdict {
        let bytes = object.content.bytes(0, object.size);
        self.judge(from, whole(&bytes, object.note), false)
    }

    fn heads(&mut self, object: Object) -> Verdict {
        self.sees(Seen::Head { size: object.size, note: Some(object.note) })
    }
}

fn whole(bytes: &[u8], note: Tag) -> Seen<'_> {
    Seen::Body { offset: 0, bytes, whole: true, note: Some(note) }
}

#[test]
fn what_was_acknowledged_is_seen_and_nothing_else() {
    let mut story = Story::default();
    assert_eq!(story.sees(Seen::Absent), Verdict::Right);
    let first = story.put(100);
    assert_eq!((story.gets(first), story.heads(first)), (Verdict::Right, Verdict::Right));
    assert_eq!(story.sees(Seen::Absent), Verdict::Wrong(Lost));
    let second = story.put(200);
    assert_eq!(story.gets(second), Verdict::Right);
    assert_eq!((story.gets(first), story.heads(first)), (Verdict::Wrong(Stale), Verdict::Wrong(Stale)));
    story.delete();
    assert_eq!(story.sees(Seen::Absent), Verdict::Right);
    assert_eq!((story.gets(second), story.heads(second)), (Verdict::Wrong(Resurrected), Verdict::Wrong(Resurrected)));
}

#[test]
fn at_the_end_an_older_object_is_a_lost_write() {
    let mut story = Story::default();
    let first = story.put(100);
    story.put(100);
    let (from, bytes) = (story.tick(), first.content.bytes(0, 100));
    assert_eq!(story.judge(from, whole(&bytes, first.note), true), Verdict::Wrong(Lost));
}

#[test]
fn a_write_that_is_under_way_may_be_seen_or_not() {
    let mut story = Story::default();
    let first = story.put(100);
    let second = story.begin(200);
    assert_eq!(story.gets(first), Verdict::Right);
    assert_eq!(story.gets(second), Verdict::Right);
    story.answered();
    assert_eq!(story.gets(first), Verdict::Wrong(Stale));
}

#[test]
fn a_read_that_began_before_the_acknowledgement_may_see_what_was_there_before() {
    let mut story = Story::default();
    let first = story.put(100);
    story.begin(200);
    let from = story.tick();
    story.answered();
    let third = story.put(300);
    assert_eq!(story.gets_from(from, first), Verdict::Right);
    assert_eq!(story.gets_from(from, third), Verdict::Right);
}

#[test]
fn a_write_that_began_after_the_read_ended_cannot_be_seen() {
    let mut story = Story::default();
    story.put(100);
    let (from, until) = (story.tick(), story.tick());
    let second = story.put(200);
    let bytes = second.content.bytes(0, 200);
    let read = Read { from, until, seen: whole(&bytes, second.note), last: false };
    assert_eq!(story.history.judge(&read), Verdict::Wrong(WrongBody));
}

#[test]
fn what_one_read_has_seen_no_later_read_may_unsee() {
    let mut story = Story::default();
    let first = story.put(100);
    let second = story.begin(200);
    let early = story.tick();
    assert_eq!(story.gets(second), Verdict::Right);
    assert_eq!(story.gets(first), Verdict::Wrong(Stale));
    assert_eq!(story.gets_from(early, first), Verdict::Right, "it began before the other ended");

    let mut story = Story::default();
    let object = story.put(100);
    story.begin_delete();
    assert_eq!(story.sees(Seen::Absent), Verdict::Right);
    assert_eq!(story.gets(object), Verdict::Wrong(Resurrected));
}

#[test]
fn a_write_without_an_answer_may_happen_at_any_time_but_not_be_undone() {
    let mut story = Story::default();
    let first = story.put(100);
    let second = story.begin(200);
    assert_eq!(story.history.settled(), None);
    for _ in 0..3 {
        assert_eq!(story.gets(first), Verdict::Right);
    }
    assert_eq!(story.gets(second), Verdict::Right);
    assert_eq!(story.gets(first), Verdict::Wrong(Stale));
}

#[test]
fn an_older_body_under_new_metadata_is_stale_and_new_bytes_under_old_metadata_are_wrong_metadata() {
    let mut story = Story::default();
    let first = story.put(100);
    let second = story.put(100);
    let bytes = first.content.bytes(0, 100);
    assert_eq!(story.sees(whole(&bytes, second.note)), Verdict::Wrong(Stale));
    let bytes = second.content.bytes(0, 100);
    assert_eq!(story.sees(whole(&bytes, first.note)), Verdict::Wrong(WrongMetadata));
    let without = Seen::Body { offset: 0, bytes: &bytes, whole: true, note: None };
    assert_eq!(story.sees(without), Verdict::Wrong(WrongMetadata));
    assert_eq!(story.sees(Seen::Head { size: 99, note: Some(second.note) }), Verdict::Wrong(WrongMetadata));
}

#[test]
fn metadata_that_were_changed_alone_are_told_from_those_before() {
    let mut story = Story::default();
    let first = story.put(100);
    let (note, at) = (Tag::of(KEY, story.history.next_number()), story.tick());
    let second = Object { note, ..first };
    story.history.begin(Some(second), at);
    story.answered();
    assert_eq!((story.gets(second), story.heads(second)), (Verdict::Right, Verdict::Right));
    assert_eq!((story.gets(first), story.heads(first)), (Verdict::Wrong(WrongMetadata), Verdict::Wrong(Stale)));
}

#[test]
fn bytes_of_no_write_of_the_key_are_a_wrong_body() {
    let mut story = Story::default();
    let object = story.put(100);
    let other = Tag::of("client-00/plain-2", 1).bytes(0, 100);
    assert_eq!(story.sees(whole(&other, object.note)), Verdict::Wrong(WrongBody));
    let bytes = object.content.bytes(0, 100);
    assert_eq!(story.sees(whole(&bytes[..64], object.note)), Verdict::Wrong(WrongBody), "half of it");
    let mut damaged = bytes.clone();
    damaged[70] ^= 1;
    assert_eq!(story.sees(whole(&damaged, object.note)), Verdict::Wrong(WrongBody));
}

#[test]
fn a_part_of_an_object_is_judged_at_its_place() {
    let mut story = Story::default();
    let first = story.put(1000);
    let object = story.put(1000);
    let part = |object: Object, offset: usize, length: usize| object.content.bytes(offset, length);
    let seen = |offset, bytes| Seen::Body { offset, bytes, whole: false, note: Some(object.note) };
    let bytes = part(object, 500, 100);
    assert_eq!(story.sees(seen(500, &bytes)), Verdict::Right);
    assert_eq!(story.sees(seen(532, &bytes)), Verdict::Wrong(WrongBody));
    assert_eq!(story.sees(seen(500, &part(first, 500, 100))), Verdict::Wrong(Stale));
}

#[test]
fn parts_of_two_writes_are_torn_while_one_is_under_way_and_wrong_afterwards() {
    let mut story = Story::default();
    let first = story.put(100);
    let second = story.begin(200);
    // The size of the one, and bytes of the other; or an object without metadata yet.
    let cut = second.content.bytes(0, 100);
    let bare = Seen::Head { size: 200, note: None };
    assert_eq!((story.sees(whole(&cut, first.note)), story.sees(bare)), (Verdict::Torn, Verdict::Torn));
    story.answered();
    assert_eq!(story.sees(whole(&cut, first.note)), Verdict::Wrong(WrongBody));
    assert_eq!(story.sees(bare), Verdict::Wrong(WrongMetadata));
}

#[test]
fn a_listing_has_what_is_there_and_nothing_else() {
    let mut story = Story::default();
    assert_eq!(story.sees(Seen::Unlisted), Verdict::Right);
    assert_eq!(story.sees(Seen::Listed { size: 100 }), Verdict::Wrong(Extra));
    story.put(100);
    assert_eq!(story.sees(Seen::Listed { size: 100 }), Verdict::Right);
    assert_eq!(story.sees(Seen::Unlisted), Verdict::Wrong(Missing));
    story.put(200);
    assert_eq!(story.sees(Seen::Listed { size: 100 }), Verdict::Wrong(Stale));
    assert_eq!(story.sees(Seen::Listed { size: 300 }), Verdict::Wrong(WrongMetadata));
    story.delete();
    assert_eq!(story.sees(Seen::Listed { size: 200 }), Verdict::Wrong(Extra));
}

#[test]
fn an_object_may_be_empty_if_the_last_known_write_or_one_since_left_no_byte() {
    let mut story = Story::default();
    assert!(!story.history.may_be_empty());
    story.put(0);
    assert!(story.history.may_be_empty());
    story.begin(100);
    assert!(story.history.may_be_empty(), "it is still there until the write is acknowledged");
    story.answered();
    assert!(!story.history.may_be_empty());
    story.begin(0);
    assert!(story.history.may_be_empty(), "it may be there already");
    story.answered();
    story.delete();
    assert!(!story.history.may_be_empty());
}
