//! Signed S3 requests, sent byte for byte as they are told.

use nanio_orchestrator::adapters::sigv4::Signer;
use nanio_orchestrator::domain::credential::{Keys, Region};
use poem::http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::http::{Request, Response};
use super::nanio::{ACCESS_KEY, SECRET_KEY};

/// A signed request to a port of this machine. `target` is percent-encoded as it is to be sent.
pub fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8], port: u16) -> Request {
    request_to("localhost", method, target, headers, body, port)
}

/// The same, to a host of another name.
pub fn request_to(host: &str, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8], port: u16) -> Request {
    let signer = Signer::new(&Keys::parse(ACCESS_KEY, SECRET_KEY).unwrap(), &Region::default());
    let url = format!("http://{host}:{port}{target}").parse().unwrap();
    let given = headers
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()));
    let method_value: Method = method.parse().unwrap();
    let signed = signer.sign(&method_value, &url, HeaderMap::from_iter(given), body).unwrap();
    let mut request = Request::new(method, target).bytes(body).header("Host", &format!("{host}:{port}"));
    for (name, value) in signed.iter().filter(|(name, _)| *name != "host") {
        request = request.header(name.as_str(), value.to_str().unwrap());
    }
    request
}

/// Sends it.
pub fn send(method: &str, target: &str, body: &[u8], port: u16) -> Response {
    request(method, target, &[], body, port).send(port)
}
