//! Addresses as clients write them, percent-encoding and all: nginx's routing maps look at exactly that, since it is
//! what clients sign and nodes read.

/// Whether `written` begins with `text`, each byte plainly or (where `may_encode` allows it) percent-encoded, and what
/// comes behind is as `then` wants it.
pub fn spells(written: &[u8], text: &[u8], may_encode: &dyn Fn(u8) -> bool, then: &dyn Fn(&[u8]) -> bool) -> bool {
    let Some((&byte, more)) = text.split_first() else { return then(written) };
    let plainly = written.first() == Some(&byte) && spells(&written[1..], more, may_encode, then);
    plainly || (may_encode(byte) && encodes(written, byte) && spells(&written[3..], more, may_encode, then))
}

/// Whether `written` begins with the percent-encoding of a byte.
fn encodes(written: &[u8], byte: u8) -> bool {
    match written {
        [b'%', high, low, ..] => hex(*high).zip(hex(*low)).is_some_and(|(high, low)| high << 4 | low == byte),
        _ => false,
    }
}

/// What a hexadecimal digit counts.
#[must_use]
pub fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Whether `written` begins with a slash, as it may be written in a key or in the source of a copy.
#[must_use]
pub fn begins_with_slash(written: &[u8]) -> bool {
    written.first() == Some(&b'/') || encodes(written, b'/')
}

/// Whether a byte may stand in a bucket's name that is written plainly.
fn is_plain_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'@' | b'-')
}

/// The first segment of an address, if it is one that a node cannot read as another bucket's name: not empty, `.` or
/// `..`, and without percent-encoding. `Some("")` is the address of the gateway itself.
#[must_use]
pub fn plain_segment(address: &[u8]) -> Option<&str> {
    let rest = address.strip_prefix(b"/")?;
    let end = rest.iter().position(|byte| !is_plain_byte(*byte)).unwrap_or(rest.len());
    let segment = std::str::from_utf8(&rest[..end]).ok()?;
    match (rest.get(end), segment) {
        (Some(b'?') | None, "") => Some(""),
        (_, "" | "." | "..") => None,
        (Some(b'/' | b'?') | None, _) => Some(segment),
        _ => None,
    }
}

/// The bucket that the source of a copy begins with, behind one slash however that is written, and what follows it.
#[must_use]
pub fn copied_segment(copied: &[u8]) -> (&str, &[u8]) {
    let rest = match copied {
        [b'/', rest @ ..] => rest,
        [b'%', _, _, rest @ ..] if begins_with_slash(copied) => rest,
        _ => copied,
    };
    let (segment, rest) = rest.split_at(rest.iter().position(|byte| !is_plain_byte(*byte)).unwrap_or(rest.len()));
    (std::str::from_utf8(segment).unwrap_or_default(), rest)
}

/// Whether an address has an argument of this name, however it is written.
#[must_use]
pub fn has_argument(address: &[u8], name: &str) -> bool {
    arguments(address).any(|written| {
        spells(written, name.as_bytes(), &|_| true, &|rest| matches!(rest.first(), None | Some(b'=' | b'&')))
    })
}

/// What stands behind the `?` and behind each `&`, up to the end of the address.
pub fn arguments(address: &[u8]) -> impl Iterator<Item = &[u8]> {
    let query = address.iter().position(|byte| *byte == b'?').map(|at| &address[at + 1..]);
    query.into_iter().flat_map(|query| {
        let behind = query.iter().enumerate().filter(|(_, byte)| **byte == b'&').map(|(at, _)| &query[at + 1..]);
        std::iter::once(query).chain(behind)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_that_a_node_could_read_otherwise_is_not_plain() {
        for (address, segment) in [("/", ""), ("/?x", ""), ("/bkt", "bkt"), ("/B~@_-./k", "B~@_-."), ("/a?b/%", "a")] {
            assert_eq!(plain_segment(address.as_bytes()), Some(segment), "{address}");
        }
        for address in
            ["", "x", "?x", "//", "//a", "/.", "/..", "/./a", "/..?x", "/%62kt/k", "/b%6bt", "/a#", "/ü", "/a+b/"]
        {
            assert_eq!(plain_segment(address.as_bytes()), None, "{address}");
        }
    }

    #[test]
    fn an_argument_is_found_however_it_is_written() {
        for there in ["/k?uploadId", "/k?uploadId=", "/k?a&%75ploadId=1", "/k?a=1&uploadId&b", "/k?a?&upload%49d"] {
            assert!(has_argument(there.as_bytes(), "uploadId"), "{there}");
        }
        for not_there in
            ["/k", "/uploadId", "/k?uploadIdx=1", "/k?xuploadId=1", "/k?a=uploadId", "/k?UPLOADID=1", "/k?uploadId%3d"]
        {
            assert!(!has_argument(not_there.as_bytes(), "uploadId"), "{not_there}");
        }
    }

    #[test]
    fn a_percent_sign_in_a_text_is_found_in_both_of_its_forms() {
        let whole =
            |written: &str, text: &str| spells(written.as_bytes(), text.as_bytes(), &|_| true, &<[u8]>::is_empty);
        assert!(whole("a%25b", "a%b") && whole("a%b", "a%b") && whole("%25", "%25") && whole("%2525", "%25"));
        assert!(!whole("%2", "%25") && !whole("%zz", "%"));
    }
}
