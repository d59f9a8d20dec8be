//! S3 requests of one client, signed, one after the other on its own connection.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use reqwest::Url;

use super::wire::{Answer, Unanswered, Wire};
use crate::adapters::s3::xml;
use crate::adapters::sigv4::{Signer, encode};

/// Where an S3 service is, and by what name it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// What is connected to: `host:port`.
    pub address: String,
    /// What the `Host` header says.
    pub host: String,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unsent {
    /// It cannot be written down.
    #[error("the request cannot be made: {0}")]
    Unsayable(String),
    /// It was sent, or tried to.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

/// A request, as far as it differs from others on the same bucket.
#[derive(Debug, Clone, Default)]
pub struct Ask<'a> {
    /// GET, unless it says otherwise.
    pub method: Method,
    /// The key; none: the bucket itself.
    pub key: Option<&'a str>,
    /// What stands behind the `?`, encoded.
    pub query: String,
    /// More headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
}

/// An S3 client of one bucket.
pub struct S3 {
    wire: Wire,
    host: String,
    signer: Arc<Signer>,
    bucket: String,
}

impl S3 {
    /// A client with a connection of its own.
    #[must_use]
    pub fn new(target: &Target, signer: Arc<Signer>, bucket: &str) -> Self {
        Self { wire: Wire::to(&target.address), host: target.host.clone(), signer, bucket: bucket.to_owned() }
    }

    /// Sends a request once; gives its answer, whatever it says.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn ask(&mut self, ask: Ask<'_>) -> Result<Answer, Unsent> {
        let request = self.request(ask)?;
        Ok(self.wire.send(request).await?)
    }

    /// See [`Wire::take_resent`].
    pub fn take_resent(&mut self) -> u64 {
        self.wire.take_resent()
    }

    /// The bucket.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    fn request(&self, ask: Ask<'_>) -> Result<Request<Bytes>, Unsent> {
        let unsayable = |what: String| Unsent::Unsayable(what);
        let key = ask.key.map(|key| format!("/{}", encode(key, "/"))).unwrap_or_default();
        let question = if ask.query.is_empty() { "" } else { "?" };
        let text = format!("http://{}/{}{key}{question}{}", self.host, self.bucket, ask.query);
        let url = Url::parse(&text).map_err(|error| unsayable(format!("{text}: {error}")))?;
        let mut headers = HeaderMap::new();
        for (name, value) in ask.headers {
            let value = HeaderValue::from_str(&value).map_err(|error| unsayable(error.to_string()))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        let mut headers =
            self.signer.sign(&ask.method, &url, headers, &ask.body).map_err(|error| unsayable(error.to_string()))?;
        // As the signer sees it: without the port that http has anyway.
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let host = HeaderValue::from_str(&format!("{}{port}", url.host_str().unwrap_or_default()));
        headers.insert(http::header::HOST, host.map_err(|error| unsayable(error.to_string()))?);
        let target = format!("{}{question}{}", url.path(), url.query().unwrap_or_default());
        let mut request = Request::builder().method(ask.method).uri(target);
        if let Some(all) = request.headers_mut() {
            *all = headers;
        }
        request.body(ask.body).map_err(|error| unsayable(error.to_string()))
    }
}

/// The code of an error of S3; empty if the answer is not one.
#[must_use]
pub fn error_code(answer: &Answer) -> String {
    text_of(&answer.body, "Error", "Code").unwrap_or_default()
}

/// The text of an element right below the root.
#[must_use]
pub fn text_of(body: &[u8], root: &str, element: &str) -> Option<String> {
    let mut found = None;
    let read = xml::read(body, root, |path, text| {
        if path == [element] {
            found = Some(text.to_owned());
        }
    });
    read.ok().and(found)
}

/// A page of a listing: keys and sizes, and whether more follows. `None`: the answer is no listing.
#[must_use]
pub fn listing(body: &[u8]) -> Option<(Vec<(String, usize)>, bool)> {
    let (mut entries, mut key, mut size, mut more) = (Vec::new(), None, None, false);
    xml::read(body, "ListBucketResult", |path, text| match path {
        ["IsTruncated"] => more = text == "true",
        ["Contents", "Key"] => key = Some(text.to_owned()),
        ["Contents", "Size"] => size = text.parse().ok(),
        ["Contents"] => entries.extend(key.take().zip(size.take())),
        _ => {}
    })
    .ok()?;
    Some((entries, more))
}

/// The keys that a bulk deletion says it has not deleted. `None`: the answer is none to a bulk deletion.
#[must_use]
pub fn undeleted(body: &[u8]) -> Option<Vec<String>> {
    let mut keys = Vec::new();
    xml::read(body, "DeleteResult", |path, text| {
        if path == ["Error", "Key"] {
            keys.push(text.to_owned());
        }
    })
    .ok()?;
    Some(keys)
}

/// The body of a bulk deletion.
#[must_use]
pub fn deletion(keys: &[String]) -> String {
    let objects = keys.iter().filter_map(|key| xml::written(key));
    let objects: String = objects.map(|key| format!("<Object><Key>{key}</Key></Object>")).collect();
    format!("<Delete>{objects}</Delete>")
}

/// Whether this is the answer of a gate that could not wait: 503 `SlowDown`.
#[must_use]
pub fn is_slow_down(answer: &Answer) -> bool {
    answer.status == StatusCode::SERVICE_UNAVAILABLE && error_code(answer) == "SlowDown"
}
