//! Buckets and objects of a demo, put through the gateway with signed requests as any S3 client does.

use http::HeaderMap;
use reqwest::{Client, Method, StatusCode, Url};

use super::DemoError;
use super::place::Kept;
use crate::adapters::sigv4::{Signer, encode};
use crate::domain::credential::{Credential, Keys, Region};

/// Objects of a fresh demo: bucket, key, content.
pub(super) const OBJECTS: [(&str, &str, &str); 4] = [
    ("documents", "welcome.txt", "Hello from pool-2025: it serves every bucket that has no route of its own.\n"),
    ("documents", "reports/2026/q3.csv", "month,objects\njuly,1200\naugust,1350\nseptember,1500\n"),
    ("photos", "beach.txt", "Hello from pool-2026: the route /photos/ leads here.\n"),
    ("photos", "trips/lisbon + porto.txt", "Keys may hold spaces, plus signs and slashes.\n"),
];

/// The region of the demo's nodes.
pub(super) const REGION: &str = Credential::DEFAULT_REGION;

/// An S3 client of the gateway.
pub(super) struct S3 {
    client: Client,
    base: String,
    signer: Signer,
}

impl S3 {
    pub fn new(client: Client, base: String, kept: &Kept) -> Result<Self, DemoError> {
        let keys = Keys::parse(&kept.s3_access_key, kept.s3_secret_key.reveal());
        let keys = keys.map_err(|(name, invalid)| DemoError::Kept(format!("demo.env ({name}: {invalid})")))?;
        Ok(Self { client, base, signer: Signer::new(&keys, &Region::default()) })
    }

    /// Makes the buckets and objects that are not there.
    pub async fn fill(&self) -> Result<(), DemoError> {
        for (bucket, key, content) in OBJECTS {
            let bucket = format!("/{bucket}");
            if self.send(Method::HEAD, &bucket, "").await? == StatusCode::NOT_FOUND {
                self.must(Method::PUT, &bucket, "").await?;
            }
            let object = format!("{bucket}/{}", encode(key, "/"));
            if self.send(Method::HEAD, &object, "").await? == StatusCode::NOT_FOUND {
                self.must(Method::PUT, &object, content).await?;
            }
        }
        Ok(())
    }

    async fn must(&self, method: Method, path: &str, body: &str) -> Result<(), DemoError> {
        let call = format!("{method} {}{path}", self.base);
        let status = self.send(method, path, body).await?;
        if status.is_success() { Ok(()) } else { Err(DemoError::S3 { call, answer: status.to_string() }) }
    }

    async fn send(&self, method: Method, path: &str, body: &str) -> Result<StatusCode, DemoError> {
        let url = format!("{}{path}", self.base);
        let fault = |answer: String| DemoError::S3 { call: format!("{method} {url}"), answer };
        let url = Url::parse(&url).map_err(|e| fault(e.to_string()))?;
        let signed = self.signer.sign(&method, &url, HeaderMap::new(), body.as_bytes());
        let headers = signed.map_err(|e| fault(e.to_string()))?;
        let request = self.client.request(method.clone(), url.clone()).headers(headers).body(body.to_owned());
        let answer = request.send().await.map_err(|e| fault(chain(&e)))?;
        Ok(answer.status())
    }
}

/// An error with its causes: reqwest's own text does not say what went wrong.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
