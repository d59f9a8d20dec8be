//! Writes that a test has begun and ends when it likes.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::http::{Request, Response};

/// What nginx says when it wants the body: the write is past the token, on its way to a node.
const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A write of which nginx has the head.
pub struct Begun {
    stream: TcpStream,
    body: Vec<u8>,
    seen: Vec<u8>,
}

impl Begun {
    /// Sends the head of a request.
    pub fn send(request: Request, port: u16) -> Self {
        let request = request.header("Expect", "100-continue");
        let mut begun = Self::connect(&request, port);
        begun.stream.write_all(&request.head(port)).unwrap();
        begun
    }

    /// Sends nothing yet, but as many bytes of the head as [`Begun::drip`] is asked for.
    pub fn connect(request: &Request, port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        // Only against a server that never answers: no assertion depends on it.
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { stream, body: request.content().to_vec(), seen: Vec::new() }
    }

    pub fn drip(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Whether nginx asks for the body by now.
    pub fn is_let_through(&mut self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let mut bytes = [0; 1024];
        match self.stream.read(&mut bytes) {
            Ok(count) => self.seen.extend_from_slice(&bytes[..count]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
        }
        self.stream.set_nonblocking(false).unwrap();
        self.seen.starts_with(GO_ON)
    }

    /// Sends what is left, and takes the answer.
    pub fn end(self) -> Response {
        self.try_end().unwrap_or_else(|| panic!("the connection was closed without an answer"))
    }

    /// The same; nothing if the connection ends without an answer.
    pub fn try_end(mut self) -> Option<Response> {
        let body = std::mem::take(&mut self.body);
        let _ = self.stream.write_all(&body);
        let _ = self.stream.read_to_end(&mut self.seen);
        Response::parse(self.seen.strip_prefix(GO_ON).unwrap_or(&self.seen))
    }
}
