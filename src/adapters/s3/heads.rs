//! What S3 says, and is told, in headers.

use chrono::DateTime;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::answers::{Odd, entity_tag};
use crate::domain::object::ObjectHead;
use crate::domain::time::Timestamp;

/// What the owner's own names begin with.
const OWN: &str = "x-amz-meta-";

/// The head of an object, as the answer to a HEAD tells it.
pub(super) fn read(headers: &HeaderMap) -> Result<ObjectHead, Odd> {
    let text = |name: &str| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let size = text("content-length").and_then(|size| size.parse().ok()).ok_or("the answer does not tell the size")?;
    let own = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix(OWN)?;
        Some((name.to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
    });
    Ok(ObjectHead {
        size,
        etag: text("etag").as_deref().and_then(entity_tag),
        content_type: text("content-type"),
        cache_control: text("cache-control"),
        content_disposition: text("content-disposition"),
        content_encoding: text("content-encoding"),
        metadata: own.collect(),
    })
}

/// The headers that make an object with this head; size and entity tag are its bytes' own.
pub(super) fn written(head: &ObjectHead) -> Result<HeaderMap, Odd> {
    let mut headers = HeaderMap::new();
    let mut put = |name: HeaderName, value: &str| {
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| "a header cannot hold its metadata")?;
        headers.insert(name, value);
        Ok::<_, Odd>(())
    };
    for (name, value) in [
        (header::CONTENT_TYPE, &head.content_type),
        (header::CACHE_CONTROL, &head.cache_control),
        (header::CONTENT_DISPOSITION, &head.content_disposition),
        (header::CONTENT_ENCODING, &head.content_encoding),
    ] {
        if let Some(value) = value {
            put(name, value)?;
        }
    }
    for (name, value) in &head.metadata {
        let name = HeaderName::from_bytes(format!("{OWN}{name}").as_bytes());
        put(name.map_err(|_| "a header cannot hold its metadata")?, value)?;
    }
    Ok(headers)
}

/// The time of an answer (RFC 9110, 6.6.1).
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    time(headers, header::DATE)
}

/// When the object was written (RFC 9110, 8.8.2).
pub(super) fn last_modified(headers: &HeaderMap) -> Option<Timestamp> {
    time(headers, header::LAST_MODIFIED)
}

fn time(headers: &HeaderMap, name: HeaderName) -> Option<Timestamp> {
    let text = headers.get(name)?.to_str().ok()?;
    DateTime::parse_from_rfc2822(text).ok().map(|time| Timestamp::of_naive(time.naive_utc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_is_written_is_read_as_it_was() {
        let head = ObjectHead {
            content_type: Some("text/plain; charset=utf-8".to_owned()),
            cache_control: Some("no-store".to_owned()),
            content_disposition: Some("attachment; filename=\"a.txt\"".to_owned()),
            content_encoding: Some("gzip".to_owned()),
            metadata: [("owner", "Zoë"), ("x-y", "")].map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..ObjectHead::default()
        };
        let mut headers = written(&head).unwrap();
        assert!(read(&headers).is_err(), "an answer without a size is none");
        headers.insert("content-length", HeaderValue::from_static("0"));
        assert_eq!(read(&headers), Ok(head.clone()));
        headers.insert("etag", HeaderValue::from_static("\"5d41-2\""));
        assert_eq!(read(&headers).unwrap().etag.as_deref(), Some("5d41-2"));
        let bad = |name: &str, value: &str| ObjectHead {
            metadata: [(name.to_owned(), value.to_owned())].into(),
            ..ObjectHead::default()
        };
        assert!(written(&bad("a b", "")).is_err() && written(&bad("a", "b\nc")).is_err());
    }

    #[test]
    fn the_date_of_an_answer_is_read_and_nothing_else() {
        let at = |text: &'static str| date(&HeaderMap::from_iter([(header::DATE, HeaderValue::from_static(text))]));
        let time = at("Fri, 27 Nov 2026 09:41:03 GMT").unwrap();
        assert_eq!(time.iso(), "2026-11-27T09:41:03Z");
        assert_eq!(at("yesterday"), None);
        assert_eq!(date(&HeaderMap::new()), None);
    }
}
