//! What a storage node is sent, seen by one that writes it down; and what is done with what it answers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use nanio_orchestrator::adapters::s3::NodeStorage;
use nanio_orchestrator::domain::credential::{Endpoint, Region};
use nanio_orchestrator::domain::object::{ObjectHead, Occupancy, Upload};
use nanio_orchestrator::domain::pool::Address;
use nanio_orchestrator::domain::site::Site;
use nanio_orchestrator::ports::object_storage::{ObjectStorage, StorageError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::adapters::keys;
use super::named;
use super::odd_nodes::OddNode;

const EMPTY: &str = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";

/// A node that gives its answers in turn, the last one for ever, and remembers what it was asked.
struct Scripted {
    port: u16,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
    serving: JoinHandle<()>,
}

impl Scripted {
    /// Answers with these status lines and bodies.
    async fn start(answers: &[(&str, &str)]) -> Self {
        let answers: Vec<String> = answers
            .iter()
            .map(|(head, body)| {
                format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            })
            .collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, heard) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<Vec<u8>>>>::default());
        let ear = heard.clone();
        let serving = tokio::spawn(async move {
            for turn in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 64 * 1024];
                let bytes = stream.read(&mut request).await.unwrap_or(0);
                request.truncate(bytes);
                ear.lock().unwrap().push(request);
                let answer = answers.get(turn).or(answers.last()).unwrap();
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { port, heard, serving }
    }

    fn site(&self) -> Site {
        let members = vec![Address::parse(&format!("127.0.0.1:{}", self.port)).unwrap()];
        Site { members, endpoint: None, region: Region::default(), keys: Some(keys("s3cr3tvalue")) }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn storage() -> NodeStorage {
    NodeStorage::new(Duration::from_secs(60)).unwrap()
}

#[tokio::test]
async fn f29_requests_are_signed_with_the_keys_and_for_the_region_of_the_site() {
    let node = Scripted::start(&[("200 OK", EMPTY)]).await;
    let site = Site { region: Region::parse("eu-west-1").unwrap(), ..node.site() };
    assert_eq!(storage().occupancy(&site, &named("b@1")).await, Ok(Occupancy::Empty));
    storage().occupancy(&Site { keys: None, ..node.site() }, &named("b")).await.unwrap();
    let heard = node.heard();
    assert!(heard[0].starts_with("GET /b%401?encoding-type=url&list-type=2&max-keys=1 HTTP/1.1\r\n"), "{}", heard[0]);
    assert!(
        heard[0].contains("Credential=testkey/") && heard[0].contains("/eu-west-1/s3/aws4_request"),
        "{}",
        heard[0]
    );
    assert!(!heard[1].to_lowercase().contains("authorization"), "{}", heard[1]);
    assert!(!heard.concat().contains("s3cr3tvalue"));
}

#[tokio::test]
async fn f29_the_path_of_an_endpoint_stands_before_the_bucket() {
    let node = Scripted::start(&[("200 OK", EMPTY)]).await;
    let endpoint = Endpoint::parse(&format!("http://127.0.0.1:{}/storage/v1/", node.port)).unwrap();
    let site = Site { endpoint: Some(endpoint), members: Vec::new(), ..node.site() };
    storage().occupancy(&site, &named("b")).await.unwrap();
    assert!(node.heard()[0].starts_with("GET /storage/v1/b?"), "{}", node.heard()[0]);
}

#[tokio::test]
async fn f29_an_https_endpoint_is_spoken_to_in_tls_and_in_nothing_else() {
    let node = Scripted::start(&[("200 OK", EMPTY)]).await;
    let endpoint = Endpoint::parse(&format!("https://127.0.0.1:{}", node.port)).unwrap();
    let site = Site { endpoint: Some(endpoint), ..node.site() };
    storage().occupancy(&site, &named("b")).await.unwrap_err();
    let heard = node.heard.lock().unwrap().clone();
    // A TLS handshake record (RFC 8446, 5.1).
    assert!(!heard.is_empty() && heard.iter().all(|bytes| bytes.first() == Some(&0x16)), "{heard:?}");
}

#[tokio::test]
async fn f36_nobody_is_followed_elsewhere() {
    let elsewhere = Scripted::start(&[("200 OK", EMPTY)]).await;
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let head = format!("{status}\r\nLocation: http://127.0.0.1:{}/b", elsewhere.port);
        let node = Scripted::start(&[(&head, "")]).await;
        let told = storage().occupancy(&node.site(), &named("b")).await.unwrap_err().to_string();
        assert!(told.contains(&format!("status {}", &status[..3])), "{told}");
        assert_eq!(node.heard().len(), 1);
    }
    assert_eq!(elsewhere.heard(), Vec::<String>::new());
}

#[tokio::test]
async fn f36_of_a_refusal_only_status_and_code_are_told() {
    let body = "<Error><Code>SignatureDoesNotMatch</Code><Message>secret words</Message></Error>";
    let node = Scripted::start(&[("403 secret words", body)]).await;
    let refused = storage().occupancy(&node.site(), &named("b")).await.unwrap_err();
    let place = format!("127.0.0.1:{}", node.port);
    assert_eq!(refused.to_string(), format!("{place}: status 403 (SignatureDoesNotMatch)"));
    // A fault of the node itself has a code too, and the next one is asked.
    let broken = Scripted::start(&[("503 x", "<Error><Code>SlowDown</Code></Error>")]).await;
    let told = storage().occupancy(&broken.site(), &named("b")).await.unwrap_err();
    assert_eq!(told, StorageError::Unanswered(format!("127.0.0.1:{}: status 503 (SlowDown)", broken.port)));
    let both = Site { members: [broken.site().members, node.site().members].concat(), ..node.site() };
    assert_eq!(storage().occupancy(&both, &named("b")).await.unwrap_err(), refused);
}

#[tokio::test]
async fn buckets_are_read_page_by_page_and_a_list_without_end_is_none() {
    let page = |names: &[&str], next: &str| {
        let names: String = names.iter().map(|name| format!("<Bucket><Name>{name}</Name></Bucket>")).collect();
        let next =
            if next.is_empty() { String::new() } else { format!("<ContinuationToken>{next}</ContinuationToken>") };
        format!("<ListAllMyBucketsResult><Buckets>{names}</Buckets>{next}</ListAllMyBucketsResult>")
    };
    let (first, last) = (page(&["b", "a"], "more/1"), page(&["c"], ""));
    let node = Scripted::start(&[("200 OK", &first), ("200 OK", &last)]).await;
    assert_eq!(storage().buckets(&node.site()).await.unwrap(), ["a", "b", "c"].map(named));
    assert!(node.heard()[1].contains("continuation-token=more%2F1"), "{}", node.heard()[1]);
    let node = Scripted::start(&[("200 OK", &first)]).await;
    let told = storage().buckets(&node.site()).await.unwrap_err().to_string();
    assert!(told.contains("does not end"), "{told}");
}

#[tokio::test]
async fn a_listing_that_goes_in_a_circle_ends() {
    let objects = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>\
                   </ListBucketResult>";
    let node = Scripted::start(&[("200 OK", objects)]).await;
    let told = storage().count(&node.site(), &named("b"), "", 10).await.unwrap_err().to_string();
    assert!(told.contains("circle"), "{told}");
    let uploads = "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>\
                   <NextUploadIdMarker>i</NextUploadIdMarker></ListMultipartUploadsResult>";
    let node = Scripted::start(&[("200 OK", uploads)]).await;
    let page = storage().uploads(&node.site(), &named("b"), "", None).await.unwrap();
    assert_eq!(page.next, Some(Upload { key: "k".to_owned(), id: "i".to_owned() }));
    let told = storage().uploads(&node.site(), &named("b"), "", page.next.as_ref()).await.unwrap_err().to_string();
    assert!(told.contains("circle") && node.heard()[1].contains("key-marker=k&upload-id-marker=i"), "{told}");
}

#[tokio::test]
async fn a_server_that_knows_no_prefixes_does_not_have_other_objects_taken_for_these() {
    let body = "<ListBucketResult><Contents><Key>a/1</Key><Size>1</Size></Contents>\
                <Contents><Key>b/1</Key><Size>1</Size></Contents></ListBucketResult>";
    let node = Scripted::start(&[("200 OK", body)]).await;
    let page = storage().objects(&node.site(), &named("b"), "b/", None, 10).await.unwrap();
    assert_eq!(page.objects.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(), ["b/1"]);
}

#[tokio::test]
async fn a_deletion_carries_both_checksums_and_tells_what_it_could_not_ask() {
    let node = Scripted::start(&[("200 OK", "<DeleteResult></DeleteResult>")]).await;
    let keys = ["a & <b>".to_owned(), "c\u{1}".to_owned()];
    let left = storage().delete(&node.site(), &named("b"), &keys).await.unwrap();
    assert_eq!(left.iter().map(|left| left.key.as_str()).collect::<Vec<_>>(), ["c\u{1}"]);
    let heard = node.heard().concat();
    assert!(heard.starts_with("POST /b?delete= HTTP/1.1\r\n"), "{heard}");
    let body = "<Delete><Quiet>true</Quiet><Object><Key>a &amp; &lt;b&gt;</Key></Object></Delete>";
    assert!(heard.ends_with(body), "{heard}");
    assert!(heard.contains("content-md5: u0rn6KPglgM6exWaHrbYZA=="), "{heard}");
    assert!(
        heard.contains("x-amz-content-sha256: f8c789f9241a6b1ca10d1ceda83e4914bf00518d0416f4f964fd7695766669ea"),
        "{heard}"
    );
}

#[tokio::test]
async fn a_deletion_that_a_member_may_have_taken_is_not_sent_to_another() {
    let next = Scripted::start(&[("200 OK", "<DeleteResult></DeleteResult>")]).await;
    for (head, body) in [("503 x", "<Error><Code>SlowDown</Code></Error>"), ("200 OK", "no XML"), ("502 x", "")] {
        let first = Scripted::start(&[(head, body)]).await;
        let site = Site { members: [first.site().members, next.site().members].concat(), ..first.site() };
        let told = storage().delete(&site, &named("b"), &["key".to_owned()]).await.unwrap_err().to_string();
        assert!(told.starts_with(&format!("127.0.0.1:{}: ", first.port)), "{told}");
        assert_eq!((first.heard().len(), next.heard().len()), (1, 0));
    }
}

#[tokio::test]
async fn a_key_that_a_url_means_otherwise_is_not_sent() {
    let node = Scripted::start(&[("200 OK", "")]).await;
    for key in ["a/../b", "./a", "a/.", ".."] {
        let told = storage().head(&node.site(), &named("b"), key).await.unwrap_err().to_string();
        assert!(told.contains("no URL"), "{told}");
    }
    storage().head(&node.site(), &named("b"), "a//b?c#d%41/").await.unwrap();
    assert_eq!(node.heard().len(), 1);
    assert!(node.heard()[0].starts_with("HEAD /b/a//b%3Fc%23d%2541/ HTTP/1.1\r\n"), "{}", node.heard()[0]);
}

#[tokio::test]
async fn a_marker_carries_its_metadata_and_no_byte() {
    let node = Scripted::start(&[("200 OK", "")]).await;
    let head = ObjectHead {
        content_type: Some("application/x-directory".to_owned()),
        content_encoding: Some("gzip".to_owned()),
        metadata: [("owner".to_owned(), "me".to_owned())].into(),
        ..ObjectHead::default()
    };
    storage().put_marker(&node.site(), &named("b"), "a b/", &head).await.unwrap();
    let heard = node.heard().concat();
    assert!(heard.starts_with("PUT /b/a%20b/ HTTP/1.1\r\n") && heard.ends_with("\r\n\r\n"), "{heard}");
    for line in ["content-type: application/x-directory", "content-encoding: gzip", "x-amz-meta-owner: me"] {
        assert!(heard.contains(&format!("\r\n{line}\r\n")), "{heard}");
    }
    assert!(heard.contains("x-amz-meta-owner,") || heard.contains(";x-amz-meta-owner"), "it is signed: {heard}");
}

#[tokio::test]
async fn that_an_object_is_missing_is_believed_in_words_of_s3_only() {
    let missing = "<Error><Code>NoSuchKey</Code></Error>";
    let node = Scripted::start(&[("404 Not Found", ""), ("404 Not Found", missing)]).await;
    assert_eq!(storage().head(&node.site(), &named("b"), "k").await, Ok(None));
    assert!(node.heard()[1].to_lowercase().contains("range: bytes=0-0"), "{}", node.heard()[1]);
    // It was made in between.
    let node = Scripted::start(&[("404 Not Found", ""), ("200 OK", "x")]).await;
    assert!(storage().head(&node.site(), &named("b"), "k").await.unwrap().is_some());
    for (head, body) in [("404 Not Found", "<html/>"), ("503 x", "")] {
        let node = Scripted::start(&[("404 Not Found", ""), (head, body)]).await;
        storage().head(&node.site(), &named("b"), "k").await.unwrap_err();
    }
}

#[tokio::test]
async fn the_time_of_a_site_is_that_of_its_answer_whatever_it_answers() {
    let node = Scripted::start(&[("403 Forbidden\r\nDate: Fri, 27 Nov 2026 09:41:03 GMT", "")]).await;
    assert_eq!(storage().time(&node.site()).await.unwrap().iso(), "2026-11-27T09:41:03Z");
    let node = Scripted::start(&[("200 OK", "")]).await;
    let told = storage().time(&node.site()).await.unwrap_err().to_string();
    assert!(told.contains("does not tell the time"), "{told}");
}

#[tokio::test]
async fn an_address_that_is_no_address_is_a_fault_of_its_own() {
    let address = Address::parse("256.1.1.1:9000").unwrap();
    let site = Site { members: vec![address], endpoint: None, region: Region::default(), keys: Some(keys("s")) };
    let told = storage().occupancy(&site, &named("b")).await.unwrap_err().to_string();
    assert!(told.contains("256.1.1.1:9000: no URL"), "{told}");
}

async fn probed(members: &[Address]) -> Vec<(Address, bool)> {
    let told = Mutex::new(Vec::new());
    storage().probe(members, &|member, outcome| told.lock().unwrap().push((member.clone(), outcome.is_ok()))).await;
    told.into_inner().unwrap()
}

#[tokio::test]
async fn a_member_that_is_at_fault_is_not_reachable_and_one_that_says_no_is() {
    for (head, reachable) in [("200 OK", true), ("403 Forbidden", true), ("404 x", true), ("502 Bad", false)] {
        let node = Scripted::start(&[(head, "")]).await;
        let members = node.site().members;
        assert_eq!(probed(&members).await, [(members[0].clone(), reachable)], "{head}");
        assert!(node.heard()[0].starts_with("HEAD / HTTP/1.1\r\n"));
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let address = Address::parse(&format!("unix:{}", path.display())).unwrap();
    assert_eq!(probed(std::slice::from_ref(&address)).await, [(address.clone(), false)]);
    let _listener = tokio::net::UnixListener::bind(&path).unwrap();
    assert_eq!(probed(std::slice::from_ref(&address)).await, [(address, true)]);
}

#[tokio::test]
async fn a_member_that_hangs_does_not_keep_the_others_waiting() {
    let (_, mute) = OddNode::all().await.into_iter().find(|(what, _)| *what == "mute").unwrap();
    let hanging = Address::parse(&format!("127.0.0.1:{}", mute.port)).unwrap();
    let nodes = [Scripted::start(&[("200 OK", "")]).await, Scripted::start(&[("200 OK", "")]).await];
    let sound = nodes.each_ref().map(|node| node.site().members[0].clone());
    let told = probed(&[hanging.clone(), sound[0].clone(), hanging.clone(), sound[1].clone()]).await;
    let (first, last) = told.split_at(2);
    assert!(sound.iter().all(|node| first.contains(&(node.clone(), true))), "{told:?}");
    assert_eq!(last, [(hanging.clone(), false), (hanging, false)]);
}
