//! A client that sends a request target byte for byte as it is told, where others would normalise it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// One request. HTTP/1.1 unless it says otherwise; the connection ends with it.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    target: Vec<u8>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Request {
    pub fn new(method: &str, target: impl AsRef<[u8]>) -> Self {
        Self { method: method.to_owned(), target: target.as_ref().to_vec(), headers: Vec::new(), body: Vec::new() }
    }

    pub fn get(target: impl AsRef<[u8]>) -> Self {
        Self::new("GET", target)
    }

    pub fn put(target: impl AsRef<[u8]>, body: &str) -> Self {
        Self::new("PUT", target).body(body)
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(mut self, body: &str) -> Self {
        self.body = body.as_bytes().to_vec();
        self
    }

    pub fn bytes(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// Sends it to a port of this machine. `Host` is `localhost:port` unless a header says otherwise.
    pub fn send(&self, port: u16) -> Response {
        self.try_send(port).unwrap_or_else(|error| panic!("{} on port {port}: {error}", self.shown()))
    }

    /// As [`Request::send`]; an error if nobody answers.
    pub fn try_send(&self, port: u16) -> std::io::Result<Response> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        // Only against a server that never answers: no assertion depends on it.
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.write_all(&self.head(port))?;
        stream.write_all(&self.body)?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        Response::parse(&bytes)
            .ok_or_else(|| std::io::Error::other(format!("no HTTP answer: {}", String::from_utf8_lossy(&bytes))))
    }

    /// The bytes before the body, as they are sent.
    pub fn head(&self, port: u16) -> Vec<u8> {
        let mut message = format!("{} ", self.method).into_bytes();
        message.extend_from_slice(&self.target);
        message.extend_from_slice(b" HTTP/1.1\r\nConnection: close\r\n");
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            message.extend_from_slice(format!("Host: localhost:{port}\r\n").as_bytes());
        }
        for (name, value) in &self.headers {
            message.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if !self.body.is_empty() || matches!(self.method.as_str(), "PUT" | "POST") {
            message.extend_from_slice(format!("Content-Length: {}\r\n", self.body.len()).as_bytes());
        }
        message.extend_from_slice(b"\r\n");
        message
    }

    /// What follows the head.
    pub fn content(&self) -> &[u8] {
        &self.body
    }

    fn shown(&self) -> String {
        format!("{} {}", self.method, String::from_utf8_lossy(&self.target))
    }
}

impl Response {
    /// What a server sent, up to the end of the connection.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let body = &bytes[end + 4..];
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        let body = if chunked { unchunk(body)? } else { body.to_vec() };
        Some(Self { status, head, body })
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON ({}): {}", self.status, self.text()))
    }

    /// The `Code` of an S3 error, or nothing.
    pub fn s3_code(&self) -> String {
        let text = self.text();
        let code = text.split("<Code>").nth(1).and_then(|rest| rest.split("</Code>").next());
        code.unwrap_or_default().to_owned()
    }
}

fn unchunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = bytes.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&bytes[..line]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(bytes.get(line + 2..line + 2 + size)?);
        bytes = bytes.get(line + 4 + size..)?;
    }
}
