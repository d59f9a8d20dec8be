//! One line of a journal, as nginx writes it: JSON, in which a client's bytes stand as they came.

use std::borrow::Cow;

use crate::domain::migration::journal::{JournalEntry, JournalLine};

/// What a line says.
#[must_use]
pub fn entry(line: &[u8]) -> JournalEntry {
    // escape=json leaves bytes above 0x7f as they are, whether or not they are UTF-8.
    let text = String::from_utf8_lossy(line);
    let broken = matches!(text, Cow::Owned(_));
    match serde_json::from_str::<JournalLine>(&text) {
        Ok(line) if broken => JournalEntry::Broken(Box::new(line)),
        Ok(line) => JournalEntry::Line(Box::new(line)),
        Err(_) => JournalEntry::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::migration::journal::Event;

    const LINE: &str = r#"{"e":"end","rid":"r1","m":"PUT","u":"/b/k\u0022","k":"b","v":"path","s":"200","us":"200","to":"src","pid":7,"t":1795000000123}"#;

    #[test]
    fn a_line_of_nginx_is_understood() {
        let JournalEntry::Line(line) = entry(LINE.as_bytes()) else { panic!("{:?}", entry(LINE.as_bytes())) };
        assert_eq!((line.event, line.uri.as_str(), line.at_ms), (Event::End, "/b/k\"", 1_795_000_000_123));
        assert_eq!((line.upstream_status.as_str(), line.target.as_str(), line.pid), ("200", "src", 7));
    }

    #[test]
    fn bytes_that_are_no_text_break_the_line_and_not_the_journal() {
        let mut bytes = LINE.as_bytes().to_vec();
        let place = LINE.find("/b/k").unwrap();
        bytes[place + 3] = 0xff;
        assert!(matches!(entry(&bytes), JournalEntry::Broken(_)));
        assert_eq!(entry(b"{\"e\":\"end\""), JournalEntry::Unreadable);
    }
}
