//! S3 requests, signed: the one place that does it, for storage nodes and for the demo's clients alike.

use http::{HeaderMap, Method};
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::HttpRequestBody;
use reqwest::Url;

use crate::domain::credential::{Keys, Region};

/// A request cannot be signed.
#[derive(Debug, thiserror::Error)]
#[error("the request cannot be signed")]
pub struct Unsignable;

/// Signs with the keys of one caller, for one region.
pub struct Signer {
    credential: AwsCredential,
    region: String,
}

impl Signer {
    /// A signer with these keys.
    #[must_use]
    pub fn new(keys: &Keys, region: &Region) -> Self {
        let credential = AwsCredential {
            key_id: keys.access_key.secret().reveal().to_owned(),
            secret_key: keys.secret_key.secret().reveal().to_owned(),
            token: None,
        };
        Self { credential, region: region.as_str().to_owned() }
    }

    /// `headers` with those that sign the request. The URL is a parsed one, since the signer must see what is sent.
    ///
    /// # Errors
    /// [`Unsignable`].
    pub fn sign(&self, method: &Method, url: &Url, headers: HeaderMap, body: &[u8]) -> Result<HeaderMap, Unsignable> {
        let request = http::Request::builder().method(method.clone()).uri(url.as_str());
        let mut request = request.body(HttpRequestBody::from(body.to_vec())).map_err(|_| Unsignable)?;
        *request.headers_mut() = headers;
        let signer = AwsAuthorizer::new(&self.credential, "s3", &self.region);
        signer.try_authorize(&mut request, None).map_err(|_| Unsignable)?;
        Ok(request.into_parts().0.headers)
    }
}

/// A text as SigV4 wants it in a path or query: everything but unreserved characters and those of `keep` is
/// percent-encoded.
#[must_use]
pub fn encode(text: &str, keep: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~') || keep.contains(c) && c.is_ascii() {
            encoded.push(c);
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encoded_as_sigv4_signs_them() {
        assert_eq!(encode("trips/lisbon + porto.txt", "/"), "trips/lisbon%20%2B%20porto.txt");
        assert_eq!(encode("é~_-.", "/"), "%C3%A9~_-.");
        assert_eq!(encode("a/b@c", ""), "a%2Fb%40c");
    }

    #[test]
    fn what_was_there_stays_and_is_signed() {
        let keys = Keys::parse("AKIDEXAMPLE", "topsecret").unwrap();
        let signer = Signer::new(&keys, &Region::parse("eu-west-1").unwrap());
        let url = Url::parse("http://10.0.0.1:9000/bucket?delete=").unwrap();
        let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, "application/xml".parse().unwrap())]);
        let signed = signer.sign(&Method::POST, &url, headers, b"<Delete/>").unwrap();
        let authorization = signed["authorization"].to_str().unwrap();
        assert!(authorization.contains("/eu-west-1/s3/aws4_request"), "{authorization}");
        assert!(authorization.contains("content-type;host;x-amz-content-sha256;x-amz-date"), "{authorization}");
        assert_eq!(signed["content-type"], "application/xml");
    }
}
