//! Answers that cannot have changed are not computed again.
//!
//! What is listed here is a function of the database, of which this process is the only writer, and of which members
//! are reachable; so an answer holds until the store has committed something ([`Store::version`]) or a member has come
//! or gone ([`Reachability::version`]). It is looked up behind the gatekeeper.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use poem::http::{HeaderMap, Method, StatusCode, header};
use poem::{Body, Endpoint, IntoResponse, Request, Response, Result};

use crate::domain::services::reachability::Reachability;
use crate::ports::store::Store;

/// Longer answers are computed each time.
const LONGEST: usize = 4 * 1024 * 1024;
/// All answers together.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// Paths and queries that are remembered.
const MOST_ANSWERS: usize = 256;

/// What answers depend on.
type Version = (u64, u64);

/// The answers of the present version.
pub(super) struct Remembered {
    store: Store,
    reachability: Reachability,
    answers: RwLock<Answers>,
}

#[derive(Default)]
struct Answers {
    version: Version,
    bytes: usize,
    by_target: HashMap<String, Answer>,
}

/// A whole answer with status 200.
#[derive(Clone)]
pub(super) struct Answer {
    headers: HeaderMap,
    body: bytes::Bytes,
}

impl Answer {
    /// Takes an answer with status 200 apart.
    ///
    /// # Errors
    /// Its body broke off.
    pub async fn of(response: Response) -> Result<Self> {
        let (parts, body) = response.into_parts();
        Ok(Self { headers: parts.headers, body: body.into_bytes().await? })
    }
}

impl Remembered {
    pub fn new(store: Store, reachability: Reachability) -> Self {
        Self { store, reachability, answers: RwLock::default() }
    }

    fn version(&self) -> Version {
        (self.store.version(), self.reachability.version())
    }

    fn recall(&self, version: Version, target: &str) -> Option<Answer> {
        let answers = self.answers.read().unwrap_or_else(PoisonError::into_inner);
        answers.by_target.get(target).filter(|_| answers.version == version).cloned()
    }

    fn keep(&self, version: Version, target: String, answer: Answer) {
        let size = answer.body.len();
        let mut answers = self.answers.write().unwrap_or_else(PoisonError::into_inner);
        if answers.version != version
            || answers.by_target.len() >= MOST_ANSWERS
            || answers.bytes.saturating_add(size) > MOST_BYTES
        {
            *answers = Answers { version, ..Answers::default() };
        }
        answers.bytes += size;
        answers.by_target.insert(target, answer);
    }
}

/// Answers from memory where that says the same; otherwise asks `next`.
pub(super) async fn remember<E: Endpoint<Output = Response>>(
    remembered: Arc<Remembered>,
    next: Arc<E>,
    request: Request,
) -> Result<Response> {
    if !is_pure(&request) {
        return next.call(request).await;
    }
    let target = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
    // Read before the answer is computed: what is committed meanwhile voids it.
    let version = remembered.version();
    if let Some(answer) = remembered.recall(version, &target) {
        return Ok(answer.into_response());
    }
    let response = next.call(request).await?;
    if response.status() != StatusCode::OK {
        return Ok(response);
    }
    let answer = Answer::of(response).await?;
    if answer.body.len() <= LONGEST {
        remembered.keep(version, target, answer.clone());
    }
    Ok(answer.into_response())
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::builder().status(StatusCode::OK).body(Body::from(self.body));
        *response.headers_mut() = self.headers;
        response
    }
}

/// Whether a request only reads pools, members, vhosts or routes, or numbers of them or of buckets, on no condition.
fn is_pure(request: &Request) -> bool {
    let mut segments = request.uri().path().split('/').skip(1);
    let named =
        segments.next() == Some("api") && matches!(segments.next(), Some("pools" | "vhosts" | "topology" | "buckets"));
    let plain = |segment: &str| {
        matches!(segment, "members" | "routes") || (!segment.is_empty() && segment.bytes().all(|b| b.is_ascii_digit()))
    };
    request.method() == Method::GET
        && named
        && segments.all(plain)
        && !request.headers().contains_key(header::IF_NONE_MATCH)
        && !request.headers().contains_key(header::IF_MATCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reads_of_the_databases_own_things_are_remembered() {
        let asks = |method: Method, path: &str| is_pure(&Request::builder().method(method).uri_str(path).finish());
        for path in [
            "/api/pools",
            "/api/pools?limit=3",
            "/api/pools/7/members/9",
            "/api/vhosts/1/routes",
            "/api/topology",
            "/api/buckets",
        ] {
            assert!(asks(Method::GET, path), "{path}");
            assert!(!asks(Method::PUT, path), "{path}");
        }
        for path in [
            "/api/health",
            "/api/config/status",
            "/api/vhosts/1/preview",
            "/api/vhosts/1/buckets",
            "/api/audit",
            "/pools",
            "/api/pools/",
        ] {
            assert!(!asks(Method::GET, path), "{path}");
        }
        let conditional = Request::builder().uri_str("/api/pools/1").header(header::IF_NONE_MATCH, "\"1\"").finish();
        assert!(!is_pure(&conditional));
    }
}
