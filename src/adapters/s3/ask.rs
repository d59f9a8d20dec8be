//! One question to a site: sent to one place after the other until one has an answer of S3.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, StatusCode, Url};
use tokio::time::Instant;

use crate::adapters::sigv4::{Signer, encode};
use crate::domain::bucket::BucketName;
use crate::domain::site::{Place, Site};
use crate::ports::object_storage::StorageError;

use super::answers::{Odd, error_code};

/// A node that does not accept a connection within this is passed over.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);

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
            longest: super::LONGEST,
        }
    }

    fn url(&self, base: &str) -> Option<Url> {
        let pairs: Vec<String> =
            self.query.iter().map(|(name, value)| format!("{name}={}", encode(value, ""))).collect();
        let question = if pairs.is_empty() { "" } else { "?" };
        Url::parse(&format!("{base}{}{question}{}", self.path, pairs.join("&"))).ok()
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
    let places = site.places();
    if places.is_empty() {
        return Err(StorageError::NoMember);
    }
    let (deadline, mut faults) = (Instant::now() + question.patience, Vec::new());
    for (left, place) in (1..=places.len()).rev().zip(places) {
        // A fair share of what is left, so that a place that never answers leaves time for the next.
        let share = (deadline - Instant::now()) / u32::try_from(left).unwrap_or(u32::MAX);
        match tokio::time::timeout(share, ask_one(client, site, place, question, &read)).await {
            Ok(Outcome::Answer(answer)) => return Ok(answer),
            Ok(Outcome::No { status, code }) => {
                return Err(StorageError::Refused { place: place.to_string(), status, code });
            }
            Ok(Outcome::Fault(fault)) => faults.push(format!("{place}: {fault}")),
            Err(_) => faults.push(format!("{place}: no answer within {} ms", share.as_millis())),
        }
    }
    Err(StorageError::Unanswered(faults.join("; ")))
}

async fn ask_one<T>(
    client: &Client,
    site: &Site,
    place: Place<'_>,
    question: &Question,
    read: impl Fn(&[u8]) -> Result<T, Odd>,
) -> Outcome<T> {
    let Some(base) = place.base() else { return Outcome::Fault("unix sockets cannot be asked".to_owned()) };
    let (status, body) = match send(client, site, &base, question).await {
        Ok(answer) => answer,
        Err(fault) => return Outcome::Fault(fault.to_owned()),
    };
    if status == StatusCode::OK {
        return match read(&body) {
            Ok(answer) => Outcome::Answer(answer),
            Err(odd) => Outcome::Fault(odd.to_owned()),
        };
    }
    match error_code(&body) {
        Some(code) if status.is_client_error() => Outcome::No { status: status.as_u16(), code },
        Some(code) => Outcome::Fault(format!("status {} ({code})", status.as_u16())),
        // Not a word of S3's: whatever answers there may be anything.
        None => Outcome::Fault(format!("status {}", status.as_u16())),
    }
}

async fn send(
    client: &Client,
    site: &Site,
    base: &str,
    question: &Question,
) -> Result<(StatusCode, Vec<u8>), &'static str> {
    let url = question.url(base).ok_or("no URL can be made of the address")?;
    let headers = match &site.keys {
        Some(keys) => Signer::new(keys, &site.region)
            .sign(&question.method, &url, question.headers.clone(), &question.body)
            .map_err(|_| "the request cannot be signed")?,
        None => question.headers.clone(),
    };
    let request = client.request(question.method.clone(), url).headers(headers).body(question.body.clone());
    let mut answer = request.send().await.map_err(|error| fault(&error))?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| "the answer broke off")? {
        if body.len() + chunk.len() > question.longest {
            return Err("the answer is too long");
        }
        body.extend_from_slice(&chunk);
    }
    Ok((answer.status(), body))
}

/// Why there is no answer; reqwest's own text could hold what a node sent.
pub(super) fn fault(error: &reqwest::Error) -> &'static str {
    match error {
        error if error.is_timeout() => "time-out",
        error if error.is_connect() => "no connection",
        _ => "no HTTP answer",
    }
}
