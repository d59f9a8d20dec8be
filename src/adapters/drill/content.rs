//! What a client writes tells by itself which write it is of: the body in every line, the metadata in three headers.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use http::HeaderMap;

/// Names one write of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    key: u64,
    number: u32,
}

/// The length of a line of a body. Bodies are empty or hold at least one, so that none is mistaken for another.
pub const LINE: usize = 32;

impl Tag {
    /// The tag of a key's write with this number.
    #[must_use]
    pub fn of(key: &str, number: u32) -> Self {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        Self { key: hasher.finish(), number }
    }

    /// A part of the body of this write: lines of one length, each of which names the write and its own place.
    #[must_use]
    pub fn bytes(self, offset: usize, length: usize) -> Vec<u8> {
        let skipped = offset % LINE;
        let mut bytes = Vec::with_capacity(skipped + length + LINE);
        let mut line = format!("{:016x} {:06} {:07}\n", self.key, self.number, offset / LINE).into_bytes();
        while bytes.len() < skipped + length {
            bytes.extend_from_slice(&line);
            // Adds one to the place, as on paper: formatting it anew would be most of the work.
            for digit in line[LINE - 8..LINE - 1].iter_mut().rev() {
                if *digit < b'9' {
                    *digit += 1;
                    break;
                }
                *digit = b'0';
            }
        }
        bytes.truncate(skipped + length);
        bytes.drain(..skipped);
        bytes
    }

    /// Whether these bytes stand at this place of the body.
    #[must_use]
    pub fn fits(self, offset: usize, bytes: &[u8]) -> bool {
        // Most that do not fit differ in their first lines.
        let first = bytes.len().min(2 * LINE);
        self.bytes(offset, first) == bytes[..first] && self.bytes(offset, bytes.len()) == bytes
    }

    /// The headers that carry the tag.
    #[must_use]
    pub fn headers(self) -> [(&'static str, String); 3] {
        [
            ("content-type", format!("application/x-drill; write={self}")),
            ("content-disposition", format!("inline; filename=\"{self}\"")),
            ("x-amz-meta-drill", self.to_string()),
        ]
    }

    /// The tag that headers carry; `None` if they do not carry one and the same.
    #[must_use]
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let tag = Self::parse(headers.get("x-amz-meta-drill")?.to_str().ok()?)?;
        let all = tag.headers().iter().all(|(name, value)| headers.get(*name).is_some_and(|other| other == value));
        all.then_some(tag)
    }

    fn parse(text: &str) -> Option<Self> {
        let (key, number) = text.split_once('-')?;
        Some(Self { key: u64::from_str_radix(key, 16).ok()?, number: number.parse().ok()? })
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.key, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_body_is_what_the_whole_has_there() {
        let whole = Tag::of("a", 7).bytes(0, 1000);
        for (offset, length) in [(0, 1000), (0, 1), (31, 2), (32, 32), (500, 33), (999, 1), (10, 0)] {
            assert_eq!(Tag::of("a", 7).bytes(offset, length), whole[offset..offset + length], "{offset}+{length}");
        }
    }

    #[test]
    fn a_body_fits_its_own_write_at_its_own_place_only() {
        let bytes = Tag::of("a", 7).bytes(0, 5000);
        assert!(Tag::of("a", 7).fits(0, &bytes));
        assert!(!Tag::of("a", 8).fits(0, &bytes));
        assert!(!Tag::of("b", 7).fits(0, &bytes));
        assert!(!Tag::of("a", 7).fits(LINE, &bytes));
        let mut damaged = bytes.clone();
        damaged[4000] ^= 1;
        assert!(!Tag::of("a", 7).fits(0, &damaged));
    }

    #[test]
    fn metadata_count_only_if_every_header_says_the_same() {
        let headers = |tag: Tag| {
            let pairs = tag.headers().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            HeaderMap::from_iter(pairs)
        };
        let tag = Tag::of("a", 7);
        assert_eq!(Tag::read(&headers(tag)), Some(tag));
        let mut mixed = headers(tag);
        mixed.insert("content-type", headers(Tag::of("a", 6))["content-type"].clone());
        assert_eq!(Tag::read(&mixed), None);
        assert_eq!(Tag::read(&HeaderMap::new()), None);
    }
}
