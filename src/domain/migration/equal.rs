//! Whether two objects of the same key are the same object.

use std::collections::BTreeMap;

use crate::domain::object::{Object, ObjectHead};

/// Whether listings of both sides show the same object, as far as listings can.
#[must_use]
pub fn seems_equal(one: &Object, other: &Object) -> bool {
    one.size == other.size && same_etag(one.etag.as_deref(), other.etag.as_deref())
}

/// Whether two objects are the same for sure, although neither is a copy of the other that was just made.
#[must_use]
pub fn surely_equal(one: &ObjectHead, other: &ObjectHead) -> bool {
    let comparable = [one, other].iter().all(|head| head.etag.as_deref().and_then(md5).is_some());
    comparable && difference(one, other).is_none()
}

/// How two objects differ, if they do.
#[must_use]
pub fn difference(one: &ObjectHead, other: &ObjectHead) -> Option<&'static str> {
    let differs = [
        (one.size != other.size, "the sizes differ"),
        (!same_etag(one.etag.as_deref(), other.etag.as_deref()), "the ETags differ"),
        (one.content_type != other.content_type, "the Content-Types differ"),
        (one.cache_control != other.cache_control, "the Cache-Controls differ"),
        (one.content_disposition != other.content_disposition, "the Content-Dispositions differ"),
        (one.content_encoding != other.content_encoding, "the Content-Encodings differ"),
        (told(&one.metadata) != told(&other.metadata), "the metadata differ"),
    ];
    differs.into_iter().find_map(|(differs, how)| differs.then_some(how))
}

/// Metadata of clients. A copier notes the times of a file as `mtime` and `btime`, which no client asked for.
fn told(metadata: &BTreeMap<String, String>) -> BTreeMap<&str, &str> {
    let copiers = |name: &str| matches!(name.to_ascii_lowercase().as_str(), "mtime" | "btime");
    let theirs = metadata.iter().filter(|(name, _)| !copiers(name));
    theirs.map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Two ETags can be compared only if both are the MD5 of a content that was sent in one piece: those of multipart
/// uploads depend on the sizes of the parts, and those of encrypted objects on the key (Amazon S3 API Reference, Object).
fn same_etag(one: Option<&str>, other: Option<&str>) -> bool {
    match (one.and_then(md5), other.and_then(md5)) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        _ => true,
    }
}

fn md5(etag: &str) -> Option<&str> {
    let hex = etag.trim_matches('"');
    (hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(hex)
}
