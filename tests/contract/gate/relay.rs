//! Uploads that began on the source, completed after the switch.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use nanio_orchestrator::domain::bucket::BucketName;
use nanio_orchestrator::domain::credential::Region;
use nanio_orchestrator::domain::migration::token::Token;
use nanio_orchestrator::domain::pool::{Address, PoolName};
use nanio_orchestrator::domain::site::Site;
use nanio_orchestrator::ports::gate::{Admission, Carrier, Destination, Gate};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::adapters::{Disk, ask};

const DONE: &str = "<CompleteMultipartUploadResult><Key>a b/c</Key></CompleteMultipartUploadResult>";
const NO_UPLOAD: &str = "<Error><Code>NoSuchUpload</Code></Error>";
const BODY: &str = "<CompleteMultipartUpload/>";
const REQUEST: &str = "POST /photos/a%20b//../c?uploadId=up%2F1&x= HTTP/1.0\r\nHost: s3.example:9080\r\n\
    X-Amz-Date: 20261127T090000Z\r\nauthorization: AWS4-HMAC-SHA256 Credential=x\r\nContent-Length: 26\r\n\
    Connection: close\r\n\r\n<CompleteMultipartUpload/>";
const KEY: &str = "a b//../c";

/// A storage node that gives its answers in turn; an empty one is no answer.
struct Node {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Node {
    async fn answering(answers: &[(&str, &str)]) -> Self {
        let answers: Vec<String> = answers
            .iter()
            .map(|(status, body)| match *status {
                "" => String::new(),
                status => format!("HTTP/1.1 {status}\r\nETag: \"e\"\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
            })
            .collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, heard) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<String>>>::default());
        let ear = heard.clone();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(BODY.as_bytes()) {
                    let mut some = [0; 4096];
                    let count = stream.read(&mut some).await.unwrap();
                    request.extend_from_slice(&some[..count]);
                }
                ear.lock().unwrap().push(String::from_utf8(request).unwrap());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { port, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// Carries as often as it may.
#[derive(Default)]
struct Hands {
    carried: Mutex<Vec<String>>,
    failures: Mutex<u32>,
}

impl Hands {
    fn carried(&self) -> Vec<String> {
        self.carried.lock().unwrap().clone()
    }
}

#[async_trait]
impl Carrier for Hands {
    async fn carry(&self, key: &str) -> Result<(), String> {
        let mut failures = self.failures.lock().unwrap();
        if *failures > 0 {
            *failures -= 1;
            return Err("the destination is down".to_owned());
        }
        self.carried.lock().unwrap().push(key.to_owned());
        Ok(())
    }
}

struct Rig {
    disk: Disk,
    token: Token,
    node: Node,
    hands: Arc<Hands>,
}

impl Rig {
    async fn new(answers: &[(&str, &str)]) -> Self {
        let (mut disk, node) = (Disk::new().await, Node::answering(answers).await);
        let token = disk.gate.create().await.unwrap();
        disk.serve();
        let rig = Self { disk, token, node, hands: Arc::default() };
        rig.admit();
        rig
    }

    fn admit(&self) {
        let down = Address::parse("127.0.0.1:1").unwrap();
        let members = vec![down, Address::parse(&format!("127.0.0.1:{}", self.node.port)).unwrap()];
        let destination = Destination {
            bucket: BucketName::parse("photos").unwrap(),
            pool: PoolName::parse("new").unwrap(),
            source: PoolName::parse("old").unwrap(),
            source_site: Site { members, endpoint: None, region: Region::default(), keys: None },
            uploads: BTreeSet::from(["up/1".to_owned()]),
            carrier: self.hands.clone(),
        };
        self.disk.gate.admit(&self.token, Admission::Destination(Arc::new(destination)));
    }

    /// As after a restart of ours.
    async fn reborn(&mut self) {
        self.disk.reborn().await;
        self.disk.serve();
        self.admit();
    }

    async fn complete(&self) -> String {
        self.send(REQUEST).await
    }

    async fn send(&self, request: &str) -> String {
        ask(self.disk.directory().join("relay.sock"), request.into()).await
    }
}

fn is(answer: &str, status: &str, body: &str) -> bool {
    answer.starts_with(&format!("HTTP/1.0 {status}")) && answer.ends_with(body)
}

#[tokio::test]
async fn the_request_goes_to_the_source_as_it_came_and_the_object_is_carried_before_the_answer() {
    let rig = Rig::new(&[("200 OK", DONE)]).await;
    let answer = rig.complete().await;
    assert!(is(&answer, "200", DONE) && answer.to_lowercase().contains("etag: \"e\""), "{answer}");
    assert_eq!(rig.hands.carried(), [KEY]);
    let heard = &rig.node.heard()[0];
    assert!(heard.starts_with("POST /photos/a%20b//../c?uploadId=up%2F1&x= HTTP/1.1\r\n"), "{heard}");
    for line in
        ["Host: s3.example:9080", "X-Amz-Date: 20261127T090000Z", "authorization: AWS4-HMAC-SHA256 Credential=x"]
    {
        assert!(heard.contains(&format!("\r\n{line}\r\n")), "{heard}");
    }
    assert!(!heard.to_lowercase().contains("connection:") && heard.ends_with(&format!("\r\n\r\n{BODY}")), "{heard}");
    // Who lost the answer gets it again, and nobody is asked.
    assert!(is(&rig.complete().await, "200", DONE));
    assert_eq!((rig.hands.carried().len(), rig.node.heard().len()), (1, 1));
}

#[tokio::test]
async fn what_could_not_be_carried_is_no_success_until_it_is_and_the_source_is_not_asked_again() {
    let mut rig = Rig::new(&[("200 OK", DONE)]).await;
    *rig.hands.failures.lock().unwrap() = 2;
    assert!(is(&rig.complete().await, "503", "<Error><Code>SlowDown</Code></Error>"));
    rig.reborn().await;
    assert!(is(&rig.complete().await, "503", "<Error><Code>SlowDown</Code></Error>"));
    assert_eq!(rig.hands.carried(), Vec::<String>::new());
    assert!(is(&rig.complete().await, "200", DONE));
    assert_eq!((rig.hands.carried().len(), rig.node.heard().len()), (1, 1));
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_and_the_object_is_there_when_the_client_hears_of_it() {
    let mut rig = Rig::new(&[("", ""), ("404 Not Found", NO_UPLOAD), ("404 Not Found", NO_UPLOAD)]).await;
    assert!(is(&rig.complete().await, "503", "<Error><Code>SlowDown</Code></Error>"));
    rig.reborn().await;
    assert!(is(&rig.complete().await, "404", NO_UPLOAD));
    assert_eq!(rig.hands.carried(), [KEY]);
    // It is not carried again: a client may have written a newer one.
    assert!(is(&rig.complete().await, "404", NO_UPLOAD));
    assert_eq!(rig.hands.carried(), [KEY]);
}

#[tokio::test]
async fn what_the_source_refuses_is_passed_on_and_nothing_is_carried() {
    let error = "<Error><Code>InternalError</Code></Error>";
    let part = "<Error><Code>InvalidPart</Code></Error>";
    let answers = [
        // An upload that was aborted.
        ("404 Not Found", NO_UPLOAD),
        // S3 says 200 before it knows.
        ("200 OK", error),
        ("400 Bad Request", part),
        ("500 Oops", error),
        ("200 OK", DONE),
    ];
    let rig = Rig::new(&answers).await;
    for (status, body) in answers {
        let answer = rig.complete().await;
        assert!(is(&answer, &status[..3], body), "{answer}");
        assert_eq!(rig.hands.carried().len(), usize::from(body == DONE));
    }
}

#[tokio::test]
async fn a_bucket_in_the_host_is_none_in_the_path() {
    let request = |path: &str| {
        format!("POST {path}?uploadId=up%2F1 HTTP/1.0\r\nHost: photos.s3.example\r\nContent-Length: 26\r\n\r\n{BODY}")
    };
    let rig = Rig::new(&[("200 OK", DONE)]).await;
    rig.send(&request("/k/l")).await;
    assert_eq!(rig.hands.carried(), ["k/l"]);
    // The path can be read in two ways: the source says which it is.
    let said = "<CompleteMultipartUploadResult><Key>photos/k&amp;</Key></CompleteMultipartUploadResult>";
    let rig = Rig::new(&[("200 OK", said)]).await;
    rig.send(&request("/photos/k&")).await;
    assert_eq!(rig.hands.carried(), ["photos/k&"]);
    let rig = Rig::new(&[("200 OK", "<CompleteMultipartUploadResult/>")]).await;
    assert!(is(&rig.send(&request("/photos/k")).await, "503", "<Error><Code>SlowDown</Code></Error>"));
    assert_eq!(rig.hands.carried(), Vec::<String>::new());
}

#[tokio::test]
async fn an_upload_of_nobody_and_a_body_without_end_go_nowhere() {
    let rig = Rig::new(&[("200 OK", DONE)]).await;
    let other = REQUEST.replace("up%2F1", "another");
    assert!(is(&rig.send(&other).await, "503", "<Error><Code>SlowDown</Code></Error>"));
    let long = format!("POST /photos/k?uploadId=up%2F1 HTTP/1.0\r\nContent-Length: {}\r\n\r\n", 9 << 20);
    let long = [long.into_bytes(), vec![b'x'; 9 << 20]].concat();
    let mut stream = tokio::net::UnixStream::connect(rig.disk.directory().join("relay.sock")).await.unwrap();
    // It may be cut off before it has said everything.
    let _ = stream.write_all(&long).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.0 413"), "{answer}");
    assert_eq!(rig.node.heard(), Vec::<String>::new());
}
