//! A gateway and its storage in one, in memory: honest, or with one fault.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it does wrong while it is armed. Faults that concern one key concern [`VICTIM`], or [`NEWCOMER`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// A whole GET gives an older object with other bytes, if there is one.
    ServesOld,
    /// Writes of the newcomer are acknowledged, and not done.
    Forgets,
    /// Deletions of the victim are acknowledged, and not done.
    BringsBack,
    /// The victim is in no listing.
    DropsFromListings,
    /// The victim is in all listings.
    ListsWhatIsNot,
    /// A whole GET gives the bytes of another client's object.
    OtherBody,
    /// A whole GET gives older metadata.
    OldMetadata,
    /// One PUT is answered with 500.
    FailsOnce,
    /// One PUT is answered with 503 `SlowDown`.
    SlowsDownOnce,
    /// One GET is answered with 503 `SlowDown`.
    SlowsDownARead,
    /// The victim goes whenever anything else is written.
    LosesAgainAndAgain,
    /// Every fifth request on a kept connection finds it closed.
    ClosesKept,
    /// One request on a new connection finds it closed.
    ClosesNewOnce,
    /// Keys that end in a slash are refused.
    TakesNoMarkers,
}

/// It is there from the start.
const VICTIM: &str = "client-00/plain-0";
/// It is not there at the start.
const NEWCOMER: &str = "client-00/plain-7";

type Headers = BTreeMap<String, String>;

#[derive(Clone, PartialEq)]
struct Stored {
    body: Vec<u8>,
    headers: Headers,
}

struct Upload {
    key: String,
    headers: Headers,
    parts: BTreeMap<u32, Vec<u8>>,
}

#[derive(Default)]
struct State {
    fault: Option<Fault>,
    strikes: u64,
    requests: u64,
    buckets: Vec<String>,
    objects: BTreeMap<String, Stored>,
    /// What the victim was before, and what the newcomer should be.
    former: Vec<Stored>,
    forgotten: Option<Stored>,
    /// Whether the victim should not be there.
    undead: bool,
    uploads: BTreeMap<String, Upload>,
}

/// See the module.
pub struct Double {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

pub struct Request {
    pub method: String,
    pub bucket: String,
    pub key: String,
    query: BTreeMap<String, String>,
    headers: Headers,
    pub body: Vec<u8>,
}

struct Answer {
    status: u16,
    headers: Headers,
    body: Vec<u8>,
}

impl Double {
    /// Honest until it is armed.
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        // Ends with the test's process, as the port does.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = shared.clone();
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        Self { port, state }
    }

    pub fn arm(&self, fault: Fault) {
        self.state.lock().unwrap().fault = Some(fault);
    }

    pub fn heal(&self) {
        self.state.lock().unwrap().fault = None;
    }

    /// How often it has done wrong.
    pub fn strikes(&self) -> u64 {
        self.state.lock().unwrap().strikes
    }

    pub fn is_empty(&self) -> bool {
        let state = self.state.lock().unwrap();
        state.buckets.is_empty() && state.objects.is_empty()
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    for served in 0.. {
        let request = read(&mut reader)?;
        let answer = {
            let mut state = state.lock().unwrap();
            if state.closes(served) {
                return None;
            }
            state.answer(&request)
        };
        let mut head = format!("HTTP/1.1 {} Answer\r\n", answer.status);
        // A HEAD is told the length of what a GET would get.
        let length = answer.headers.get("content-length").cloned().unwrap_or(answer.body.len().to_string());
        for (name, value) in answer.headers.iter().filter(|(name, _)| *name != "content-length") {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if answer.status != 204 {
            head.push_str(&format!("content-length: {length}\r\n"));
        }
        let mut message = format!("{head}\r\n").into_bytes();
        message.extend_from_slice(if request.method == "HEAD" { &[] } else { &answer.body });
        // At once: in two pieces, the second would wait for the client to acknowledge the first.
        stream.write_all(&message).ok()?;
    }
    None
}

/// A request; `bucket` is what stands before the second slash, `key` what stands behind it.
pub fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Headers::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(Ok(0), |length| length.parse()).ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let (bucket, key) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let query = pairs.map(|(name, value)| (name.to_owned(), decoded(value))).collect();
    Some(Request { method, bucket: bucket.to_owned(), key: decoded(key), query, headers, body })
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((byte, tail)) = rest.split_first() {
        let hex = tail.get(..2).filter(|_| *byte == b'%').map(|hex| std::str::from_utf8(hex).unwrap());
        match hex {
            Some(hex) => {
                bytes.push(u8::from_str_radix(hex, 16).unwrap());
                rest = &tail[2..];
            }
            None => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn status(status: u16) -> Answer {
    Answer { status, headers: Headers::new(), body: Vec::new() }
}

fn said(code: u16, text: String) -> Answer {
    Answer { body: text.into_bytes(), ..status(code) }
}

fn refused(code: u16, word: &str) -> Answer {
    said(code, format!("<Error><Code>{word}</Code></Error>"))
}

impl State {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn strike(&mut self) {
        self.strikes += 1;
    }

    /// Whether this request finds its connection closed.
    fn closes(&mut self, served: u32) -> bool {
        self.requests += 1;
        let kept = self.has(Fault::ClosesKept) && served > 0 && self.requests.is_multiple_of(5);
        let new = self.has(Fault::ClosesNewOnce) && served == 0 && self.strikes == 0;
        if kept || new {
            self.strike();
        }
        kept || new
    }

    fn answer(&mut self, request: &Request) -> Answer {
        let asks = |name: &str| request.query.contains_key(name);
        match (request.method.as_str(), request.key.as_str()) {
            ("PUT", "") if self.buckets.contains(&request.bucket) => refused(409, "BucketAlreadyOwnedByYou"),
            ("PUT", "") => {
                self.buckets.push(request.bucket.clone());
                status(200)
            }
            _ if !self.buckets.contains(&request.bucket) => refused(404, "NoSuchBucket"),
            ("DELETE", "") => {
                self.buckets.retain(|bucket| *bucket != request.bucket);
                status(204)
            }
            ("GET", "") => self.list(request.query.get("prefix").map_or("", String::as_str)),
            ("POST", "") => self.delete_many(&String::from_utf8_lossy(&request.body)),
            ("POST", key) if asks("uploads") => self.begin_upload(key, request),
            ("POST", _) => self.complete_upload(&request.query["uploadId"]),
            ("PUT", _) if asks("uploadId") => self.take_part(request),
            ("PUT", key) => self.put(key, request),
            ("DELETE", key) => {
                self.delete(key);
                status(204)
            }
            (_, key) => self.get(key, request),
        }
    }

    fn put(&mut self, key: &str, request: &Request) -> Answer {
        for (fault, code, word) in [(Fault::FailsOnce, 500, "InternalError"), (Fault::SlowsDownOnce, 503, "SlowDown")] {
            if self.has(fault) && self.strikes == 0 {
                self.strike();
                return refused(code, word);
            }
        }
        if self.has(Fault::LosesAgainAndAgain) && key != VICTIM && self.objects.remove(VICTIM).is_some() {
            self.strike();
        }
        if self.has(Fault::TakesNoMarkers) && key.ends_with('/') {
            return refused(400, "InvalidObjectName");
        }
        let Some(source) = request.headers.get("x-amz-copy-source") else {
            let headers = carried(&request.headers);
            self.store(key, Stored { body: request.body.clone(), headers });
            return status(200);
        };
        let source = decoded(source.split_once('/').unwrap().1.split_once('/').unwrap().1);
        let aside = self.forgotten.as_ref().filter(|_| source == NEWCOMER);
        let Some(copied) = aside.or(self.objects.get(&source)).cloned() else { return refused(404, "NoSuchKey") };
        self.store(key, copied);
        said(200, "<CopyObjectResult><ETag>\"x\"</ETag></CopyObjectResult>".to_owned())
    }

    fn store(&mut self, key: &str, stored: Stored) {
        if self.has(Fault::Forgets) && key == NEWCOMER {
            self.strike();
            self.forgotten = Some(stored);
            return;
        }
        let before = self.objects.insert(key.to_owned(), stored);
        if key == VICTIM {
            self.former.extend(before);
            self.undead = false;
        }
    }

    fn delete(&mut self, key: &str) {
        if key == NEWCOMER {
            self.forgotten = None;
        }
        if self.has(Fault::BringsBack) && key == VICTIM {
            self.undead = self.objects.contains_key(key);
            return;
        }
        self.objects.remove(key);
        if key == VICTIM {
            // What was there before a deletion would be more than stale.
            self.former.clear();
        }
    }

    fn delete_many(&mut self, body: &str) -> Answer {
        let keys = body.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
        keys.map(unescaped).for_each(|key| self.delete(&key));
        said(200, "<DeleteResult></DeleteResult>".to_owned())
    }

    fn get(&mut self, key: &str, request: &Request) -> Answer {
        // Not one of those that only try what the storage takes; and the answer to a HEAD could not say why.
        let client_reads = request.method == "GET" && key.starts_with("client-");
        if self.has(Fault::SlowsDownARead) && client_reads && self.strikes == 0 {
            self.strike();
            return refused(503, "SlowDown");
        }
        let Some(stored) = self.objects.get(key).cloned() else { return refused(404, "NoSuchKey") };
        if key == VICTIM && self.undead {
            self.strike();
        }
        if request.method == "HEAD" {
            let length = ("content-length".to_owned(), stored.body.len().to_string());
            return Answer { headers: stored.headers.into_iter().chain([length]).collect(), ..status(200) };
        }
        if let Some(range) = request.headers.get("range") {
            let (from, to) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
            let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
            return Answer { status: 206, headers: stored.headers, body: stored.body[from..=to].to_vec() };
        }
        let served = if key == VICTIM { self.falsified(&stored) } else { stored };
        Answer { status: 200, headers: served.headers, body: served.body }
    }

    /// The victim, as the fault shows it.
    fn falsified(&mut self, true_one: &Stored) -> Stored {
        let shown = match self.fault {
            Some(Fault::ServesOld) => {
                self.former.iter().rev().find(|old| old.body != true_one.body && !old.body.is_empty()).cloned()
            }
            Some(Fault::OtherBody) => {
                let mut others = self.objects.iter().filter(|(key, _)| key.starts_with("client-01/"));
                let other = others.find(|(_, other)| !other.body.is_empty());
                other.map(|(_, other)| Stored { body: other.body.clone(), ..true_one.clone() })
            }
            Some(Fault::OldMetadata) => {
                let old = self.former.iter().rev().find(|old| old.headers != true_one.headers);
                old.map(|old| Stored { headers: old.headers.clone(), ..true_one.clone() })
            }
            _ => None,
        };
        let Some(shown) = shown else { return true_one.clone() };
        self.strike();
        shown
    }

    fn list(&mut self, prefix: &str) -> Answer {
        let mut entries: BTreeMap<String, usize> =
            self.objects.iter().map(|(key, stored)| (key.clone(), stored.body.len())).collect();
        entries.retain(|key, _| key.starts_with(prefix));
        if self.has(Fault::DropsFromListings) && entries.remove(VICTIM).is_some() {
            self.strike();
        }
        if self.has(Fault::ListsWhatIsNot) && VICTIM.starts_with(prefix) && !entries.contains_key(VICTIM) {
            self.strike();
            entries.insert(VICTIM.to_owned(), 100);
        }
        let entry = |(key, size): (&String, &usize)| {
            format!("<Contents><Key>{}</Key><Size>{size}</Size></Contents>", escaped(key))
        };
        let contents: String = entries.iter().map(entry).collect();
        said(200, format!("<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"))
    }

    fn begin_upload(&mut self, key: &str, request: &Request) -> Answer {
        self.requests += 1;
        let id = format!("upload-{}", self.requests);
        let upload = Upload { key: key.to_owned(), headers: carried(&request.headers), parts: BTreeMap::new() };
        self.uploads.insert(id.clone(), upload);
        said(200, format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"))
    }

    fn take_part(&mut self, request: &Request) -> Answer {
        let number = request.query["partNumber"].parse().unwrap();
        let Some(upload) = self.uploads.get_mut(&request.query["uploadId"]) else {
            return refused(404, "NoSuchUpload");
        };
        upload.parts.insert(number, request.body.clone());
        Answer { headers: [("etag".to_owned(), format!("\"{number}\""))].into(), ..status(200) }
    }

    fn complete_upload(&mut self, id: &str) -> Answer {
        let Some(upload) = self.uploads.remove(id) else { return refused(404, "NoSuchUpload") };
        let body = upload.parts.into_values().flatten().collect();
        self.store(&upload.key, Stored { body, headers: upload.headers });
        said(200, "<CompleteMultipartUploadResult><ETag>\"x\"</ETag></CompleteMultipartUploadResult>".to_owned())
    }
}

/// The headers that an object keeps.
fn carried(headers: &Headers) -> Headers {
    let kept = |name: &str| matches!(name, "content-type" | "content-disposition") || name.starts_with("x-amz-meta-");
    headers.iter().filter(|(name, _)| kept(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}
