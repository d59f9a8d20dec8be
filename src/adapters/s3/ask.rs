//! One question to a site: sent to one place after the other until one has an answer of S3.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::adapters::sigv4::{Signer, encode};
use crate::domain::bucket::BucketName;
use crate::domain::site::{Place, Site};
use crate::ports::object_storage::StorageError;

use super::answers::{Odd, error_code};

/// A node that does not accept a connection within this is passed over.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);

/// The code of a refusal that came without one.
pub(super) const HEADLESS: &str = "NoCode";

/// What is asked.
pub(super) struct Question {
    pub method: Method,
    /// The path as it is sent: `/`, or that of a bucket.
    pub path: String,
    pub query: Vec<(&'static str, String)>,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// For the whole of it, over all places.
    pub patience: Duration,
    /// Whether it may be sent again while nobody knows what became of it. A deletion may not: the first one, come late,
    /// would delete what a client has written since.
    pub repeatable: bool,
    /// More bytes of an answer than this are not read.
    pub longest: usize,
}

impl Question {
    /// A question about a bucket, or about all of them.
    pub fn about(bucket: Option<&BucketName>, query: Vec<(&'static str, String)>) -> Self {
        Self {
            method: Method::GET,
            path: bucket.map_or_else(|| "/".to_owned(), |bucket| format!("/{}", encode(bucket.as_str(), ""))),
            query,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            patience: super::PATIENCE,
            repeatable: true,
            longest: super::LONGEST,
        }
    }

    /// A question about an object.
    pub fn of(bucket: &BucketName, key: &str, query: Vec<(&'static str, String)>) -> Self {
        let mut question = Self::about(Some(bucket), query);
        question.path.push('/');
        question.path.push_str(&encode(key, "/"));
        question
    }

    /// `None` also for a key that a URL means otherwise: `..` in it would lead to another object.
    fn url(&self, base: &str) -> Option<Url> {
        let pairs: Vec<String> =
            self.query.iter().map(|(name, value)| format!("{name}={}", encode(value, ""))).collect();
        let question = if pairs.is_empty() { "" } else { "?" };
        let url = Url::parse(&format!("{base}{}{question}{}", self.path, pairs.join("&"))).ok()?;
        url.path().ends_with(&self.path).then_some(url)
    }
}

/// What came of one place.
enum Outcome<T> {
    Answer(T),
    /// S3 said no: nobody else is asked.
    No {
        status: u16,
        code: String,
    },
    /// The place gave no usable answer.
    Fault(String),
    /// Nothing was sent.
    Unsent(&'static str),
}

/// A client that follows nobody elsewhere, and keeps no connection: questions are rare, and one that was kept is one
/// that the node may be closing just now.
pub(super) fn client() -> Result<Client, reqwest::Error> {
    let client = Client::builder().connect_timeout(CONNECT_PATIENCE).no_proxy();
    client.redirect(Policy::none()).referer(false).pool_max_idle_per_host(0).build()
}

/// Asks the places of a site in turn. `read` makes sense of the body of a 200.
pub(super) async fn ask<T>(
    client: &Client,
    site: &Site,
    question: &Question,
    read: impl Fn(&[u8]) -> Result<T, Odd>,
) -> Result<T, StorageError> {
    ask_whole(client, site, question, |_, body| read(body)).await
}

/// The same, for an answer that is (also) in the headers.
pub(super) async fn ask_whole<T>(
    client: &Client,
    site: &Site,
    question: &Question,
    read: impl Fn(&HeaderMap, &[u8]) -> Result<T, Odd>,
) -> Result<T, StorageError> {
    let places = site.places();
    if places.is_empty() {
        return Err(StorageError::NoMember);
    }
    let (deadline, mut faults) = (Instant::now() + question.patience, Vec::new());
    for (left, place) in (1..=places.len()).rev().zip(places) {
        // A fair share of what is left, so that a place that never answers leaves time for the next.
        let parts = if question.repeatable { u32::try_from(left).unwrap_or(u32::MAX) } else { 1 };
        let share = (deadline - Instant::now()) / parts;
        let span = tracing::info_span!("s3", method = %question.method, path = question.path, %place);
        match tokio::time::timeout(share, ask_one(client, site, place, question, &read)).instrument(span).await {
            Ok(Outcome::Answer(answer)) => return Ok(answer),
            Ok(Outcome::No { status, code }) => {
                return Err(StorageError::Refused { place: place.to_string(), status, code });
            }
            Ok(Outcome::Unsent(fault)) => {
                faults.push(format!("{place}: {fault}"));
                continue;
            }
            Ok(Outcome::Fault(fault)) => faults.push(format!("{place}: {fault}")),
            Err(_) => faults.push(format!("{place}: no answer within {} ms", share.as_millis())),
        }
        if !question.repeatable {
            break;
        }
    }
    Err(StorageError::Unanswered(faults.join("; ")))
}

async fn ask_one<T>(
    client: &Client,
    site: &Site,
    place: Place<'_>,
    question: &Question,
    read: impl Fn(&HeaderMap, &[u8]) -> Result<T, Odd>,
) -> Outcome<T> {
    let Some(base) = place.base() else { return Outcome::Unsent("unix sockets cannot be asked") };
    let request = match request(client, site, &base, question) {
        Ok(request) => request,
        Err(fault) => return Outcome::Unsent(fault),
    };
    let (status, headers, body) = match send(request, question.longest).await {
        Ok(answer) => answer,
        Err(outcome) => return outcome,
    };
    if matches!(status, StatusCode::OK | StatusCode::NO_CONTENT) {
        return match read(&headers, &body) {
            Ok(answer) => Outcome::Answer(answer),
            Err(odd) => Outcome::Fault(odd.to_owned()),
        };
    }
    if question.method == Method::HEAD && status.is_client_error() {
        // Without a body there is no code: who wants to know it must ask again.
        return Outcome::No { status: status.as_u16(), code: HEADLESS.to_owned() };
    }
    match error_code(&body) {
        Some(code) if status.is_client_error() => Outcome::No { status: status.as_u16(), code },
        Some(code) => Outcome::Fault(format!("status {} ({code})", status.as_u16())),
        // Not a word of S3's: whatever answers there may be anything.
        None => Outcome::Fault(format!("status {}", status.as_u16())),
    }
}

fn request(client: &Client, site: &Site, base: &str, question: &Question) -> Result<RequestBuilder, &'static str> {
    let url = question.url(base).ok_or("no URL can be made of the address, or of the key")?;
    let headers = match &site.keys {
        Some(keys) => Signer::new(keys, &site.region)
            .sign(&question.method, &url, question.headers.clone(), &question.body)
            .map_err(|_| "the request cannot be signed")?,
        None => question.headers.clone(),
    };
    Ok(client.request(question.method.clone(), url).headers(headers).body(question.body.clone()))
}

async fn send<T>(request: RequestBuilder, longest: usize) -> Result<(StatusCode, HeaderMap, Vec<u8>), Outcome<T>> {
    let mut answer = request.send().await.map_err(|error| match fault(&error) {
        told if error.is_connect() => Outcome::Unsent(told),
        told => Outcome::Fault(told.to_owned()),
    })?;
    let odd = |told: &str| Outcome::Fault(told.to_owned());
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| odd("the answer broke off"))? {
        if body.len() + chunk.len() > longest {
            return Err(odd("the answer is too long"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((answer.status(), answer.headers().clone(), body))
}

/// Why there is no answer; reqwest's own text could hold what a node sent.
pub(super) fn fault(error: &reqwest::Error) -> &'static str {
    match error {
        error if error.is_timeout() => "time-out",
        error if error.is_connect() => "no connection",
        _ => "no HTTP answer",
    }
}
