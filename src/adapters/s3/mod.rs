//! Storage nodes asked over S3: requests signed as the site says, answers read in bounds, nobody followed elsewhere.

mod answers;
mod ask;
mod heads;
mod many;
pub(in crate::adapters) mod xml;

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::HeaderMap;
use md5::{Digest as _, Md5};
use reqwest::{Client, Method};
use tokio::time::Instant;

use crate::domain::bucket::BucketName;
use crate::domain::credential::Region;
use crate::domain::object::{Count, FolderPage, ObjectHead, ObjectPage, Occupancy, Undeleted, Upload, UploadPage};
use crate::domain::pool::Address;
use crate::domain::site::Site;
use crate::domain::time::Timestamp;
use crate::ports::object_storage::{ObjectStorage, PAGE, StorageError, Tell};

use ask::{Question, ask};

/// How often an object that is there one moment and not the next is asked about.
const HEADS: u32 = 3;
/// A whole question, over all places of a site.
const PATIENCE: Duration = Duration::from_secs(5);
/// More of an answer than this is not read: a page of a thousand keys, the longest there are and all escaped, is less.
const LONGEST: usize = 8 * 1024 * 1024;
/// So many members are probed at the same time.
const AT_A_TIME: usize = 64;
/// The most that S3 takes for `max-buckets`.
const BUCKETS_A_PAGE: usize = 10_000;
/// A site has fewer buckets.
const MOST_BUCKETS: usize = 200_000;

/// No HTTP client can be made on this machine.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client for S3: {0}; are the CA certificates of this machine readable?")]
pub struct NoClient(#[from] reqwest::Error);

/// The S3 services of pools, over the network.
pub struct NodeStorage {
    client: Client,
    /// How long work may take that grows with what is asked.
    work_patience: Duration,
}

impl NodeStorage {
    /// A client of storage nodes that lets them work for so long.
    ///
    /// # Errors
    /// The HTTP client cannot be made (no TLS roots on this machine).
    pub fn new(work_patience: Duration) -> Result<Self, NoClient> {
        Ok(Self { client: ask::client()?, work_patience })
    }

    async fn delete_some(
        &self,
        site: &Site,
        bucket: &BucketName,
        keys: &[String],
    ) -> Result<Vec<Undeleted>, StorageError> {
        let (mut body, mut left) = (String::from("<Delete><Quiet>true</Quiet>"), Vec::new());
        for key in keys {
            match xml::written(key) {
                Some(key) => body.push_str(&format!("<Object><Key>{key}</Key></Object>")),
                None => left.push(Undeleted { key: key.clone(), why: "XML cannot hold this key".to_owned() }),
            }
        }
        if left.len() == keys.len() {
            return Ok(left);
        }
        body.push_str("</Delete>");
        let mut headers = HeaderMap::new();
        // Some servers want the one checksum, some the other; the signature holds the SHA-256.
        if let Ok(md5) = BASE64_STANDARD.encode(Md5::digest(&body)).parse() {
            headers.insert("content-md5", md5);
        }
        let question = Question {
            method: Method::POST,
            headers,
            body: body.into(),
            patience: self.work_patience,
            repeatable: false,
            ..Question::about(Some(bucket), vec![("delete", String::new())])
        };
        left.extend(ask(&self.client, site, &question, answers::undeleted).await?);
        Ok(left)
    }
}

#[async_trait]
impl ObjectStorage for NodeStorage {
    async fn buckets(&self, site: &Site) -> Result<Vec<BucketName>, StorageError> {
        let (mut names, mut seen, mut token) = (BTreeSet::new(), BTreeSet::new(), None::<String>);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut query = vec![("max-buckets", BUCKETS_A_PAGE.to_string())];
            query.extend(token.take().map(|token| ("continuation-token", token)));
            let question = Question { patience: deadline - Instant::now(), ..Question::about(None, query) };
            let (page, next) = ask(&self.client, site, &question, answers::buckets).await?;
            names.extend(page);
            if names.len() > MOST_BUCKETS {
                return Err(StorageError::Unanswered(format!("more than {MOST_BUCKETS} buckets")));
            }
            match next {
                Some(next) if seen.insert(next.clone()) => token = Some(next),
                Some(_) => return Err(StorageError::Unanswered("the list of buckets does not end".to_owned())),
                None => return Ok(names.into_iter().collect()),
            }
        }
    }

    async fn occupancy(&self, site: &Site, bucket: &BucketName) -> Result<Occupancy, StorageError> {
        // Not HEAD: without a body, a 404 could come from anything that speaks HTTP.
        match self.objects(site, bucket, "", None, 1).await {
            Ok(page) if page.objects.is_empty() && page.next.is_none() => Ok(Occupancy::Empty),
            Ok(_) => Ok(Occupancy::Occupied),
            Err(error) if error.is("NoSuchBucket") => Ok(Occupancy::Absent),
            Err(error) => Err(error),
        }
    }

    async fn create_bucket(&self, site: &Site, bucket: &BucketName) -> Result<(), StorageError> {
        let place = format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{}\
             </LocationConstraint></CreateBucketConfiguration>",
            site.region
        );
        // AWS refuses the name of its first region here.
        let body = if site.region == Region::default() { String::new() } else { place };
        let question = Question { method: Method::PUT, body: body.into(), ..Question::about(Some(bucket), Vec::new()) };
        match ask(&self.client, site, &question, |_| Ok(())).await {
            Err(error) if error.is("BucketAlreadyOwnedByYou") => Ok(()),
            outcome => outcome,
        }
    }

    async fn objects(
        &self,
        site: &Site,
        bucket: &BucketName,
        prefix: &str,
        from: Option<&str>,
        limit: usize,
    ) -> Result<ObjectPage, StorageError> {
        let mut query = vec![("encoding-type", "url".to_owned()), ("list-type", "2".to_owned())];
        query.push(("max-keys", limit.clamp(1, PAGE).to_string()));
        query.push(("prefix", prefix.to_owned()));
        query.extend(from.map(|token| ("continuation-token", token.to_owned())));
        query.retain(|(_, value)| !value.is_empty());
        let read = |body: &[u8]| match answers::objects(body)? {
            page if page.next.as_deref() == from && from.is_some() => Err("the listing goes in a circle"),
            page => Ok(page),
        };
        let mut page = ask(&self.client, site, &Question::about(Some(bucket), query), read).await?;
        // A server that knows no prefixes must not have other objects taken for these.
        page.objects.retain(|object| object.key.starts_with(prefix));
        Ok(page)
    }

    async fn folder(
        &self,
        site: &Site,
        bucket: &BucketName,
        prefix: &str,
        from: Option<&str>,
        limit: usize,
    ) -> Result<FolderPage, StorageError> {
        let mut query = vec![("delimiter", "/".to_owned()), ("encoding-type", "url".to_owned())];
        query.extend([("list-type", "2".to_owned()), ("max-keys", limit.clamp(1, PAGE).to_string())]);
        query.push(("prefix", prefix.to_owned()));
        query.extend(from.map(|token| ("continuation-token", token.to_owned())));
        query.retain(|(_, value)| !value.is_empty());
        let read = |body: &[u8]| match answers::folder(body)? {
            page if page.next.as_deref() == from && from.is_some() => Err("the listing goes in a circle"),
            page => Ok(page),
        };
        let mut page = ask(&self.client, site, &Question::about(Some(bucket), query), read).await?;
        // A server that knows no prefixes or delimiters must not have other things taken for what is asked for.
        let direct = |rest: &str| !rest.contains('/');
        page.objects.retain(|object| object.key.strip_prefix(prefix).is_some_and(direct));
        page.folders
            .retain(|folder| folder.strip_suffix('/').and_then(|bare| bare.strip_prefix(prefix)).is_some_and(direct));
        Ok(page)
    }

    async fn head(&self, site: &Site, bucket: &BucketName, key: &str) -> Result<Option<ObjectHead>, StorageError> {
        let question = Question { method: Method::HEAD, ..Question::of(bucket, key, Vec::new()) };
        let mut tries = HEADS;
        loop {
            tries -= 1;
            match ask::ask_whole(&self.client, site, &question, |headers, _| heads::read(headers)).await {
                Ok(head) => return Ok(Some(head)),
                Err(error) if error.is(ask::HEADLESS) => {}
                Err(error) => return Err(error),
            }
            match self.why_not(site, bucket, key).await {
                Ok(()) => return Ok(None),
                // It was made in between.
                Err(_) if tries > 0 => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn written_at(&self, site: &Site, bucket: &BucketName, key: &str) -> Result<Option<Timestamp>, StorageError> {
        let question = Question { method: Method::HEAD, ..Question::of(bucket, key, Vec::new()) };
        match ask::ask_whole(&self.client, site, &question, |headers, _| Ok(heads::last_modified(headers))).await {
            Ok(written) => Ok(written),
            Err(StorageError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn put_marker(
        &self,
        site: &Site,
        bucket: &BucketName,
        key: &str,
        head: &ObjectHead,
    ) -> Result<(), StorageError> {
        if !key.ends_with('/') {
            return Err(StorageError::Unanswered(format!("{key:?} does not end in / and is no marker of a folder")));
        }
        let headers = heads::written(head).map_err(|odd| StorageError::Unanswered(format!("{key:?}: {odd}")))?;
        let question =
            Question { method: Method::PUT, headers, repeatable: false, ..Question::of(bucket, key, Vec::new()) };
        ask(&self.client, site, &question, |_| Ok(())).await
    }

    async fn time(&self, site: &Site) -> Result<Timestamp, StorageError> {
        let mut faults = Vec::new();
        for place in site.places() {
            // Not signed: who has another time than we would refuse a signature, and not tell his.
            match place.base() {
                Some(base) => match self.dated(&base).await {
                    Ok(time) => return Ok(time),
                    Err(fault) => faults.push(format!("{place}: {fault}")),
                },
                None => faults.push(format!("{place}: unix sockets cannot be asked")),
            }
        }
        if faults.is_empty() { Err(StorageError::NoMember) } else { Err(StorageError::Unanswered(faults.join("; "))) }
    }

    async fn uploads(
        &self,
        site: &Site,
        bucket: &BucketName,
        prefix: &str,
        behind: Option<&Upload>,
    ) -> Result<UploadPage, StorageError> {
        let mut query = vec![("encoding-type", "url".to_owned()), ("max-uploads", PAGE.to_string())];
        query.push(("prefix", prefix.to_owned()));
        if let Some(Upload { key, id }) = behind {
            query.extend([("key-marker", key.clone()), ("upload-id-marker", id.clone())]);
        }
        query.retain(|(_, value)| !value.is_empty());
        query.push(("uploads", String::new()));
        let read = |body: &[u8]| match answers::uploads(body)? {
            page if page.next.as_ref() == behind && behind.is_some() => Err("the listing goes in a circle"),
            page => Ok(page),
        };
        let mut page = ask(&self.client, site, &Question::about(Some(bucket), query), read).await?;
        page.uploads.retain(|upload| upload.key.starts_with(prefix));
        // Not every server keeps the order.
        page.uploads.sort();
        Ok(page)
    }

    async fn abort(&self, site: &Site, bucket: &BucketName, upload: &Upload) -> Result<(), StorageError> {
        // A late one ends an upload that was to be ended, and no other: each has its own identity.
        let query = vec![("uploadId", upload.id.clone())];
        let question = Question { method: Method::DELETE, ..Question::of(bucket, &upload.key, query) };
        match ask(&self.client, site, &question, |_| Ok(())).await {
            Err(error) if error.is("NoSuchUpload") => Ok(()),
            outcome => outcome,
        }
    }

    async fn delete(&self, site: &Site, bucket: &BucketName, keys: &[String]) -> Result<Vec<Undeleted>, StorageError> {
        let mut left = Vec::new();
        for some in keys.chunks(PAGE) {
            left.extend(self.delete_some(site, bucket, some).await?);
        }
        Ok(left)
    }

    async fn listings(&self, sites: &[Site]) -> Vec<Result<Vec<BucketName>, StorageError>> {
        many::listings(self, sites).await
    }

    async fn counts(&self, asked: &[(Site, BucketName)], time: Duration) -> Vec<Result<Count, StorageError>> {
        many::counts(self, asked, time).await
    }

    async fn probe(&self, members: &[Address], tell: &Tell<'_>) {
        let (mut waiting, mut under_way) = (members.iter(), FuturesUnordered::new());
        loop {
            under_way.extend(waiting.by_ref().take(AT_A_TIME - under_way.len()).map(|member| self.probe_one(member)));
            match under_way.next().await {
                Some((member, outcome)) => tell(member, outcome),
                None => return,
            }
        }
    }
}

impl NodeStorage {
    /// Asks why a HEAD was refused, since that alone has no words of S3's: a 404 could come from anything that speaks
    /// HTTP. `Ok`: there is no such object.
    async fn why_not(&self, site: &Site, bucket: &BucketName, key: &str) -> Result<(), StorageError> {
        let headers = HeaderMap::from_iter([(http::header::RANGE, http::HeaderValue::from_static("bytes=0-0"))]);
        let question = Question { headers, ..Question::of(bucket, key, Vec::new()) };
        match ask(&self.client, site, &question, |_| Err("the object was not there a moment ago")).await {
            Err(error) if error.is("NoSuchKey") => Ok(()),
            outcome => outcome,
        }
    }

    async fn dated(&self, base: &str) -> Result<Timestamp, &'static str> {
        let answer = self.client.head(format!("{base}/")).timeout(PATIENCE).send().await;
        let answer = answer.map_err(|error| ask::fault(&error))?;
        heads::date(answer.headers()).ok_or("it does not tell the time")
    }

    async fn probe_one<'a>(&self, member: &'a Address) -> (&'a Address, Result<(), StorageError>) {
        let fault = match tokio::time::timeout(PATIENCE, self.greet(member)).await {
            Ok(Ok(())) => return (member, Ok(())),
            Ok(Err(fault)) => fault,
            Err(_) => format!("no answer within {} ms", PATIENCE.as_millis()),
        };
        (member, Err(StorageError::Unanswered(format!("{member}: {fault}"))))
    }

    async fn greet(&self, member: &Address) -> Result<(), String> {
        if let Some(path) = member.as_str().strip_prefix("unix:") {
            return tokio::net::UnixStream::connect(path).await.map(drop).map_err(|_| "no connection".to_owned());
        }
        let answer = self.client.head(format!("http://{member}/")).send().await;
        let status = answer.map_err(|error| ask::fault(&error).to_owned())?.status();
        if status.is_server_error() { Err(format!("status {}", status.as_u16())) } else { Ok(()) }
    }
}
