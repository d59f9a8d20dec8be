//! The gate's two sockets. They have a thread and a runtime of their own, so that whatever else this program does
//! keeps no held write waiting.

use std::collections::HashSet;
use std::convert::Infallible;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Shared;
use super::desk::Way;
use super::place::fault;
use super::relay::Relay;
use crate::domain::gateway::moving::{GATE_PATH, GATE_SOCKET, RELAY, RELAY_SOCKET};
use crate::domain::migration::request::{Style, Written, written};
use crate::domain::migration::token::{Token, is_canary};
use crate::ports::gate::GateError;

/// Connections that wait to be accepted. The kernel takes no more than `net.core.somaxconn`.
const BACKLOG: u32 = 65_535;
/// With a smaller limit of the kernel's than this, held writes may be turned away.
const LEAST_BACKLOG: u32 = 4096;
/// nginx takes up to four buffers of 8 KB of a request's head, and adds its own headers.
const LONGEST_HEAD: usize = 128 * 1024;
const MOST_HEADERS: usize = 1024;
/// nginx sends the whole head at once.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// The sockets at work. Dropping it ends them; nginx then answers writes that wait with `SlowDown`.
pub struct GateServer {
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    // Held for as long as the sockets are ours.
    _lock: File,
}

impl GateServer {
    pub(super) fn start(shared: &Arc<Shared>) -> Result<Self, GateError> {
        let place = &shared.place;
        place.prepare()?;
        let lock = lock(&place.directory().join("gate.lock"))?;
        warn_of_short_queue();
        allow_many_files();
        let (end, ended) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        let server = Arc::new(Server {
            relay: Relay::new(shared.clone(), Handle::current()),
            shared: shared.clone(),
            known: Mutex::default(),
        });
        let directory = place.directory().to_owned();
        // All of the runtime's life is in its thread: the callers' may neither enter nor drop another one.
        let work = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = tell.send(Err(GateError::Fault(format!("no runtime for the gate: {error}"))));
                    return;
                }
            };
            runtime.block_on(async move {
                let doors = listen(&directory.join(GATE_SOCKET))
                    .and_then(|gate| Ok((gate, listen(&directory.join(RELAY_SOCKET))?)));
                let (gate, relay) = match doors {
                    Ok(doors) => doors,
                    Err(error) => {
                        let _ = tell.send(Err(error));
                        return;
                    }
                };
                let _ = tell.send(Ok(()));
                tokio::select! {
                    () = server.clone().accept(gate, Door::Gate) => {}
                    () = server.accept(relay, Door::Relay) => {}
                    _ = ended => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("gate".to_owned()).spawn(work);
        let thread = thread.map_err(|error| GateError::Fault(format!("no thread for the gate: {error}")))?;
        let server = Self { end: Some(end), thread: Some(thread), _lock: lock };
        let gone = || Err(GateError::Fault("the gate's thread has ended".to_owned()));
        told.recv().unwrap_or_else(|_| gone())?;
        Ok(server)
    }
}

impl Drop for GateServer {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            let _ = end.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Two servers at one directory would take each other's requests.
fn lock(path: &Path) -> Result<File, GateError> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = file.map_err(|error| fault("open", path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(GateError::Fault(format!(
            "{} is held by another orchestrator: each has a gate directory of its own \
             (NANIO_ORCHESTRATOR_MIGRATION_GATE_DIR)",
            path.display()
        ))),
        Err(TryLockError::Error(error)) => Err(fault("lock", path, &error)),
    }
}

/// Listens at a path in the place of whoever did before, without a moment in which nobody does. Everybody may connect;
/// who may ask is looked at then.
fn listen(path: &Path) -> Result<UnixListener, GateError> {
    let draft = path.with_extension("new");
    let bind = || -> io::Result<UnixListener> {
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = UnixSocket::new_stream()?;
        socket.bind(&draft)?;
        let listener = socket.listen(BACKLOG)?;
        fs::set_permissions(&draft, Permissions::from_mode(0o666))?;
        fs::rename(&draft, path)?;
        Ok(listener)
    };
    bind().map_err(|error| fault("listen at", path, &error))
}

fn warn_of_short_queue() {
    let path = "/proc/sys/net/core/somaxconn";
    let limit = fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u32>().ok());
    if let Some(limit) = limit.filter(|limit| *limit < LEAST_BACKLOG) {
        tracing::warn!(
            limit,
            "the kernel lets few writes queue up at the gate: sysctl -w net.core.somaxconn={LEAST_BACKLOG}"
        );
    }
}

/// A write that waits holds a file of ours; where there are none left, neither journal nor copier could be opened.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files stays as it is: fewer writes can wait at the gate");
    }
}

#[derive(Clone, Copy)]
enum Door {
    Gate,
    Relay,
}

struct Server {
    shared: Arc<Shared>,
    relay: Arc<Relay>,
    /// Users whose processes were seen to be workers of nginx.
    known: Mutex<HashSet<u32>>,
}

impl Server {
    async fn accept(self: Arc<Self>, listener: UnixListener, door: Door) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) if self.may_ask(&stream) => {
                    tokio::spawn(self.clone().serve(stream, door));
                }
                // Closed at once: nginx's workers are not meant.
                Ok(_) => {}
                Err(error) => {
                    // No file descriptors, say: those who wait in the queue keep their place.
                    tracing::warn!(%error, "the gate cannot take a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    /// nginx's workers, root and ourselves. What is answered here is not secret, but it is nobody else's business, and
    /// each held request takes memory.
    fn may_ask(&self, stream: &UnixStream) -> bool {
        let Ok(peer) = stream.peer_cred() else { return false };
        let own = fs::metadata("/proc/self").map(|metadata| metadata.uid()).ok();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if peer.uid() == 0 || own == Some(peer.uid()) || known.contains(&peer.uid()) {
            return true;
        }
        let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok());
        let worker = pid.is_some_and(|pid| self.shared.nginx.is_worker(pid));
        if worker {
            known.insert(peer.uid());
        }
        worker
    }

    async fn serve(self: Arc<Self>, stream: UnixStream, door: Door) {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE).max_buf_size(LONGEST_HEAD);
        builder.max_headers(MOST_HEADERS).preserve_header_case(true);
        let answer = service_fn(|request: Request<Incoming>| {
            let server = self.clone();
            async move {
                Ok::<_, Infallible>(match door {
                    Door::Gate => server.decide(&request).await,
                    Door::Relay => server.relay.clone().answer(request).await,
                })
            }
        });
        // A broken connection is nginx's to tell its client of.
        let _ = builder.serve_connection(TokioIo::new(stream), answer).await;
    }

    /// Answers `GET /gate/<token>`: which pool a write goes to.
    async fn decide(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let named = request.uri().path().strip_prefix(GATE_PATH).map(Token::parse);
        let (Some(Ok(token)), Some(id)) = (named, header(request.headers(), "x-request-id")) else {
            return plain(StatusCode::NOT_FOUND);
        };
        let desk = &self.shared.desk;
        if header(request.headers(), "x-original-uri").is_some_and(|uri| is_canary(&uri)) {
            desk.note_canary(&token, &id);
            return plain(StatusCode::FORBIDDEN);
        }
        let deadline = Instant::now() + self.shared.options.hold;
        let Some(way) = desk.wait(&token, &id, &asked(request.headers()), deadline).await else {
            return plain(StatusCode::SERVICE_UNAVAILABLE);
        };
        let target = match &way {
            Way::Source(pool) => pool.as_str(),
            Way::Destination(to) => {
                let upload = header(request.headers(), "x-upload-id").unwrap_or_default();
                let post = header(request.headers(), "x-original-method").is_some_and(|method| method == "POST");
                match (to.uploads.contains(&decoded(&upload)), post) {
                    (true, true) => RELAY,
                    (true, false) => to.source.as_str(),
                    (false, _) => to.pool.as_str(),
                }
            }
        };
        let mut answer = plain(StatusCode::NO_CONTENT);
        match HeaderValue::from_str(target) {
            Ok(target) => drop(answer.headers_mut().insert("x-target", target)),
            Err(_) => return plain(StatusCode::SERVICE_UNAVAILABLE),
        }
        answer
    }
}

/// What a request that asks would write. Its body has not been read.
fn asked(headers: &HeaderMap) -> Written {
    let exact = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let style = match exact("x-bucket-style") {
        Some("path") => Style::Path,
        Some("host") => Style::Host,
        _ => return Written::Unknown,
    };
    match (exact("x-original-method"), exact("x-original-uri")) {
        (Some(method), Some(uri)) => written(method, uri, style, None),
        _ => Written::Unknown,
    }
}

/// A header's value; bytes that are no UTF-8 are replaced, since nothing that is looked for has any.
pub(super) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .filter(|text| !text.is_empty())
}

/// A text without its percent-encoding. What is no encoding stays.
pub(super) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut plain, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let digit = |offset: usize| bytes.get(at + offset).and_then(|byte| char::from(*byte).to_digit(16));
        match (bytes[at], digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                plain.extend(u8::try_from(high * 16 + low));
                at += 3;
            }
            (byte, ..) => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(plain).unwrap_or_else(|_| text.to_owned())
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_would_write_is_known_only_if_all_of_it_is_told() {
        let told = |method: &str, uri: &'static str, style: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-original-method", HeaderValue::from_str(method).unwrap());
            headers.insert("x-original-uri", HeaderValue::from_static(uri));
            headers.insert("x-bucket-style", HeaderValue::from_static(style));
            asked(&headers)
        };
        assert_eq!(told("PUT", "/b/a%20b", "path"), Written::Key("a b".to_owned()));
        assert_eq!(told("PUT", "/b/a%20b", "host"), Written::Key("b/a b".to_owned()));
        assert_eq!(told("PUT", "/b/k", ""), Written::Unknown);
        assert_eq!(asked(&HeaderMap::new()), Written::Unknown);
    }

    #[test]
    fn what_was_percent_encoded_is_read_and_the_rest_stays() {
        for (text, plain) in
            [("a%2Fb%c3%a9", "a/bé"), ("100%", "100%"), ("%zz%4", "%zz%4"), ("a+b", "a+b"), ("%ff", "%ff")]
        {
            assert_eq!(decoded(text), plain);
        }
    }
}
