//! One kept connection to an S3 service, and exactly one answer a request.
//!
//! Nothing is tried again, with one exception that every HTTP client makes: a kept connection may have been closed by
//! the other side while nothing was sent on it. A request that fails on such a connection before one byte of an answer
//! is sent once more, on a new one. An answer, whatever it says, is final.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Longer than any write may be held; what takes longer is an error to every client.
const PATIENCE: Duration = Duration::from_secs(150);

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, as far as it came.
    pub body: Bytes,
    /// Whether all of it came.
    pub complete: bool,
}

/// No answer came.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// Nobody took the connection.
    #[error("no connection to {address}: {source}")]
    Connect {
        /// To whom.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The connection ended before an answer.
    #[error("the connection ended without an answer: {0}")]
    Broken(#[from] hyper::Error),
    /// It takes too long.
    #[error("no answer within {} s", PATIENCE.as_secs())]
    TooLate,
}

/// A connection that is kept from request to request.
#[derive(Debug)]
pub struct Wire {
    address: String,
    kept: Option<SendRequest<Full<Bytes>>>,
    resent: u64,
}

impl Wire {
    /// A wire to `host:port`; nothing is opened yet.
    #[must_use]
    pub fn to(address: &str) -> Self {
        Self { address: address.to_owned(), kept: None, resent: 0 }
    }

    /// How many requests were sent once more since this was last asked.
    pub fn take_resent(&mut self) -> u64 {
        std::mem::take(&mut self.resent)
    }

    /// Sends a request; gives its answer.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn send(&mut self, request: Request<Bytes>) -> Result<Answer, Unanswered> {
        match tokio::time::timeout(PATIENCE, self.exchange(request)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                self.kept = None;
                Err(Unanswered::TooLate)
            }
        }
    }

    async fn exchange(&mut self, request: Request<Bytes>) -> Result<Answer, Unanswered> {
        if let Some(mut kept) = self.kept.take() {
            // A connection whose end is known already is no failure of anything.
            if kept.ready().await.is_ok() {
                match kept.send_request(full(&request)).await {
                    Ok(response) => return Ok(self.read(response, kept).await),
                    Err(_) => self.resent += 1,
                }
            }
        }
        let mut fresh = self.open().await?;
        let response = fresh.send_request(full(&request)).await?;
        Ok(self.read(response, fresh).await)
    }

    async fn open(&self) -> Result<SendRequest<Full<Bytes>>, Unanswered> {
        let fault = |source| Unanswered::Connect { address: self.address.clone(), source };
        let stream = TcpStream::connect(&self.address).await.map_err(fault)?;
        stream.set_nodelay(true).map_err(fault)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender, or with the other side; both are seen by whoever sends next.
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Reads the answer; the connection is kept if all of it came.
    async fn read(&mut self, response: http::Response<Incoming>, sender: SendRequest<Full<Bytes>>) -> Answer {
        let (parts, mut incoming) = response.into_parts();
        let (mut body, mut complete) = (BytesMut::new(), true);
        while let Some(frame) = incoming.frame().await {
            match frame.map(hyper::body::Frame::into_data) {
                Ok(Ok(data)) => body.extend_from_slice(&data),
                Ok(Err(_trailers)) => {}
                Err(_) => {
                    complete = false;
                    break;
                }
            }
        }
        if complete {
            self.kept = Some(sender);
        }
        Answer { status: parts.status, headers: parts.headers, body: body.freeze(), complete }
    }
}

fn full(request: &Request<Bytes>) -> Request<Full<Bytes>> {
    request.clone().map(Full::new)
}
