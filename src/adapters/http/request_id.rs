//! A name for each request, which the log lines, the answer's header and an error's body have in common.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use poem::http::{HeaderMap, HeaderName};

/// The header that names a request, in questions and answers.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// A caller's name for its request is taken up to this length.
const LONGEST: usize = 128;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// The name of a request: letters, digits and `-_.`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The caller's own name for it, if it can stand in a log line as it is.
    fn given(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(HEADER)?.to_str().ok()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        (!text.is_empty() && text.len() <= LONGEST && text.chars().all(plain)).then(|| Self(text.into()))
    }

    /// The name of the request that is being answered by this task.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Does `work` as part of this request.
    pub async fn during<T>(self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self, work).await
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names requests that have no name: the start of this process, and a number.
pub struct RequestIds {
    start: u32,
    next: AtomicU64,
}

impl RequestIds {
    /// Names that no other start of the program gives; `start` is random.
    pub fn new(start: u32) -> Self {
        Self { start, next: AtomicU64::new(1) }
    }

    /// The name of a request with these headers.
    pub fn name(&self, headers: &HeaderMap) -> RequestId {
        RequestId::given(headers).unwrap_or_else(|| {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            RequestId(format!("{:08x}-{number}", self.start).into())
        })
    }
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;

    fn with(value: &[u8]) -> HeaderMap {
        HeaderMap::from_iter([(HEADER, HeaderValue::from_bytes(value).unwrap())])
    }

    #[test]
    fn a_request_keeps_the_name_that_its_caller_gave_it() {
        let ids = RequestIds::new(0xab);
        assert_eq!(ids.name(&with(b"4f0c.9-x_1")).as_str(), "4f0c.9-x_1");
    }

    #[test]
    fn a_name_that_could_spoil_a_log_line_is_not_taken() {
        let ids = RequestIds::new(0xab);
        for hostile in [&b""[..], b"a b", b"a\tb", b"<b>", b"\xff", "x".repeat(129).as_bytes()] {
            assert!(ids.name(&with(hostile)).as_str().starts_with("000000ab-"), "{hostile:?}");
        }
        assert_eq!(ids.name(&HeaderMap::new()).as_str(), "000000ab-7");
    }

    #[tokio::test]
    async fn the_name_is_known_while_the_request_is_answered_and_not_after() {
        let id = RequestIds::new(1).name(&HeaderMap::new());
        let seen = id.clone().during(async { RequestId::current() }).await;
        assert_eq!((seen, RequestId::current()), (Some(id), None));
    }
}
