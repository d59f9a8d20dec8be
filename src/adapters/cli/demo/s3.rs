//! Buckets and objects of a demo, put through the gateway with signed requests as any S3 client does.

use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::HttpRequestBody;
use reqwest::{Client, Method, StatusCode};

use super::DemoError;
use super::place::Kept;

/// Objects of a fresh demo: bucket, key, content.
pub(super) const OBJECTS: [(&str, &str, &str); 4] = [
    ("documents", "welcome.txt", "Hello from pool-2025: it serves every bucket that has no route of its own.\n"),
    ("documents", "reports/2026/q3.csv", "month,objects\njuly,1200\naugust,1350\nseptember,1500\n"),
    ("photos", "beach.txt", "Hello from pool-2026: the route /photos/ leads here.\n"),
    ("photos", "trips/lisbon + porto.txt", "Keys may hold spaces, plus signs and slashes.\n"),
];

/// The region of the demo's nodes.
pub(super) const REGION: &str = "us-east-1";

/// An S3 client of the gateway.
pub(super) struct S3 {
    client: Client,
    base: String,
    credential: AwsCredential,
}

impl S3 {
    pub fn new(client: Client, base: String, kept: &Kept) -> Self {
        let credential = AwsCredential {
            key_id: kept.s3_access_key.clone(),
            secret_key: kept.s3_secret_key.reveal().to_owned(),
            token: None,
        };
        Self { client, base, credential }
    }

    /// Makes the buckets and objects that are not there.
    pub async fn fill(&self) -> Result<(), DemoError> {
        for (bucket, key, content) in OBJECTS {
            let bucket = format!("/{bucket}");
            if self.send(Method::HEAD, &bucket, "").await? == StatusCode::NOT_FOUND {
                self.must(Method::PUT, &bucket, "").await?;
            }
            let object = format!("{bucket}/{}", encode(key));
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
        let request = http::Request::builder().method(method.clone()).uri(&url);
        let payload = HttpRequestBody::from(body.to_owned());
        let mut request = request.body(payload).map_err(|e| fault(e.to_string()))?;
        AwsAuthorizer::new(&self.credential, "s3", REGION)
            .try_authorize(&mut request, None)
            .map_err(|e| fault(e.to_string()))?;
        let (parts, _) = request.into_parts();
        let request = self.client.request(method.clone(), &url).headers(parts.headers).body(body.to_owned());
        let answer = request.send().await.map_err(|e| fault(chain(&e)))?;
        Ok(answer.status())
    }
}

/// A key as a path: everything but unreserved characters and slashes is percent-encoded, as SigV4 signs it.
fn encode(key: &str) -> String {
    let mut path = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => path.push(char::from(byte)),
            byte => path.push_str(&format!("%{byte:02X}")),
        }
    }
    path
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encoded_as_sigv4_signs_them() {
        assert_eq!(encode("trips/lisbon + porto.txt"), "trips/lisbon%20%2B%20porto.txt");
        assert_eq!(encode("é~_-."), "%C3%A9~_-.");
    }
}
