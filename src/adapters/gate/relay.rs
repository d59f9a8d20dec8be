//! Completes an upload that began on the source after the bucket has gone to the destination.
//!
//! The client's request goes to the source as it came, signature and all. Only when the destination has the object too
//! does the client get the answer. Who got none asks again, and what he is told then is true as well: until the
//! object is carried over the answer is `SlowDown`; after that it is the source's own, kept for him.
//!
//! Each step is on disk before the next ([`RelayLog`]). So a retry never asks the source again for what it has already
//! done, and never carries an object a second time after that was finished: a client may have written a newer one
//! since. Nothing is carried for an upload of which nobody had asked that it be completed: it was aborted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, RETRY_AFTER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Handle;

use super::Shared;
use super::relay_log::{RelayLog, Stage};
use super::server::decoded;
use crate::domain::migration::token::Token;
use crate::domain::pool::Address;
use crate::ports::gate::{Destination, GateError};

/// A list of ten thousand parts is about one megabyte.
const LONGEST: usize = 8 * 1024 * 1024;
/// A member that takes no connection within this is passed over.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// Putting an upload together takes as long as the storage needs to read and write it.
const PATIENCE: Duration = Duration::from_secs(540);

type Answer = Response<Full<Bytes>>;

/// Relays.
pub(super) struct Relay {
    shared: Arc<Shared>,
    /// Where the work is done: it goes on when nginx, or its client, has gone.
    worker: Handle,
    /// One request for an upload after the other.
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Relay {
    pub fn new(shared: Arc<Shared>, worker: Handle) -> Arc<Self> {
        Arc::new(Self { shared, worker, turns: Mutex::default() })
    }

    /// Answers a request that nginx sent here.
    pub async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let upload = upload_of(request.uri().query().unwrap_or_default());
        let found = upload.and_then(|upload| Some((self.shared.desk.destination_of(&upload)?, upload)));
        let Some(((token, to), upload)) = found else {
            // Decided otherwise meanwhile: who asks again is sent elsewhere.
            return slow_down("the upload is not one of the source's any more");
        };
        let (head, body) = request.into_parts();
        let body = match Limited::new(body, LONGEST).collect().await {
            Ok(body) => body.to_bytes(),
            Err(_) => return refused(StatusCode::PAYLOAD_TOO_LARGE, "EntityTooLarge"),
        };
        let request = Request::from_parts(head, body);
        let worker = self.worker.clone();
        let work = worker.spawn(async move { self.complete(&token, &to, &upload, request).await });
        work.await.unwrap_or_else(|_| slow_down("the work was cut short"))
    }

    async fn complete(&self, token: &Token, to: &Destination, upload: &str, request: Request<Bytes>) -> Answer {
        let turn = self.turn(upload);
        let answer = {
            let _mine = turn.lock().await;
            self.complete_alone(token, to, upload, request).await
        };
        drop(turn);
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        answer.unwrap_or_else(|why| slow_down(&why))
    }

    async fn complete_alone(
        &self,
        token: &Token,
        to: &Destination,
        upload: &str,
        request: Request<Bytes>,
    ) -> Result<Answer, String> {
        let log = |work: &dyn Fn(&RelayLog) -> Result<Option<Stage>, GateError>| {
            work(&RelayLog::of(&self.shared.place, token)).map_err(|error| error.to_string())
        };
        let note = |stage: Stage| log(&|log| log.note(upload, stage.clone()).map(|()| None)).map(drop);
        let keys = keys_of(&request, to);
        let carry = async |said: &str| {
            let key = key_of(&keys, said).ok_or("which key was completed cannot be told")?;
            to.carrier.carry(&key).await
        };
        let before = log(&|log| log.stage(upload))?;
        match &before {
            Some(Stage::Carried(said)) => return Ok(xml(StatusCode::OK, said.clone())),
            Some(Stage::Completed(said)) => {
                carry(said).await?;
                note(Stage::Carried(said.clone()))?;
                return Ok(xml(StatusCode::OK, said.clone()));
            }
            Some(Stage::Asked) => {}
            Some(Stage::Refused) | None => note(Stage::Asked)?,
        }
        let answer = forward(to, request).await?;
        let said = String::from_utf8_lossy(answer.body()).into_owned();
        if answer.status() == StatusCode::OK && said.contains(RESULT) {
            note(Stage::Completed(said.clone()))?;
            carry(&said).await?;
            note(Stage::Carried(said))?;
        } else if answer.status().is_client_error() {
            if before == Some(Stage::Asked) && said.contains(NO_SUCH_UPLOAD) {
                // It was asked for before, and nobody heard the answer: it may have been completed then.
                carry(&said).await?;
            }
            note(Stage::Refused)?;
        }
        Ok(as_client_gets_it(answer))
    }

    fn turn(&self, upload: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.entry(upload.to_owned()).or_default().clone()
    }
}

/// The root of an answer that means what its status says. S3 answers 200 before it knows, and then perhaps `<Error>`.
const RESULT: &str = "<CompleteMultipartUploadResult";
/// What is said of an upload that has ended.
const NO_SUCH_UPLOAD: &str = "<Code>NoSuchUpload</Code>";

/// The upload that a query names.
fn upload_of(query: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("uploadId="))?;
    Some(decoded(value)).filter(|upload| !upload.is_empty())
}

/// The key that a request names: behind the bucket in the path, or the whole path if the bucket is in the host. A path
/// that can be read both ways gives both.
fn keys_of(request: &Request<Bytes>, to: &Destination) -> Vec<String> {
    let path = decoded(request.uri().path());
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let behind_bucket = path.strip_prefix(&format!("/{}/", to.bucket));
    let in_host = host.starts_with(&format!("{}.", to.bucket)).then(|| path.strip_prefix('/')).flatten();
    [behind_bucket, in_host].into_iter().flatten().map(str::to_owned).collect()
}

/// The one of them that the source's answer names; or the only one.
fn key_of(keys: &[String], said: &str) -> Option<String> {
    match keys {
        [only] => Some(only.clone()),
        several => {
            let named = said.split_once("<Key>")?.1.split_once("</Key>")?.0;
            several.iter().find(|key| escaped(key) == named || *key == named).cloned()
        }
    }
}

fn escaped(key: &str) -> String {
    key.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Sends a request to the first member of the source that takes a connection. To one only: what another has begun to
/// do must not be done twice.
async fn forward(to: &Destination, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
    let mut faults = Vec::new();
    for member in &to.source_site.members {
        match tokio::time::timeout(CONNECT_PATIENCE, connect(member)).await {
            Ok(Ok(stream)) => {
                return match tokio::time::timeout(PATIENCE, exchange(stream, request)).await {
                    Ok(answer) => answer.map_err(|error| format!("{member}: {error}")),
                    Err(_) => Err(format!("{member}: no answer within {} s", PATIENCE.as_secs())),
                };
            }
            Ok(Err(error)) => faults.push(format!("{member}: {error}")),
            Err(_) => faults.push(format!("{member}: no connection within {} s", CONNECT_PATIENCE.as_secs())),
        }
    }
    Err(if faults.is_empty() { "the source has no member".to_owned() } else { faults.join("; ") })
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

async fn connect(member: &Address) -> std::io::Result<Box<dyn Stream>> {
    if let Some(path) = member.as_str().strip_prefix("unix:") {
        return Ok(Box::new(UnixStream::connect(path).await?));
    }
    match member.host_port() {
        Some(address) => Ok(Box::new(TcpStream::connect(address).await?)),
        None => Err(std::io::Error::other("no address")),
    }
}

async fn exchange(stream: Box<dyn Stream>, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
    let said = |error: hyper::Error| error.to_string();
    let builder = http1::Builder::new().preserve_header_case(true).to_owned();
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(said)?;
    tokio::spawn(connection);
    let (mut head, body) = request.into_parts();
    head.version = http::Version::HTTP_11;
    // Of this connection, not of the message; the body's length is known.
    for name in [CONNECTION, TRANSFER_ENCODING, HeaderName::from_static("keep-alive")] {
        head.headers.remove(name);
    }
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let answer = sender.send_request(Request::from_parts(head, Full::new(body))).await.map_err(said)?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, LONGEST).collect().await.map_err(|error| error.to_string())?;
    Ok(Response::from_parts(head, body.to_bytes()))
}

/// The source's answer, without what belonged to its connection.
fn as_client_gets_it(answer: Response<Bytes>) -> Answer {
    let (mut head, body) = answer.into_parts();
    for name in [CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH, HeaderName::from_static("keep-alive")] {
        head.headers.remove(name);
    }
    Response::from_parts(head, Full::new(body))
}

fn xml(status: StatusCode, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    answer
}

fn refused(status: StatusCode, code: &str) -> Answer {
    xml(status, format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code></Error>"))
}

/// What SDKs repeat the request after.
fn slow_down(why: &str) -> Answer {
    tracing::warn!(why, "an upload that began on the source could not be completed; its client is told to ask again");
    let mut answer = refused(StatusCode::SERVICE_UNAVAILABLE, "SlowDown");
    answer.headers_mut().extend(HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("1"))]));
    answer
}
