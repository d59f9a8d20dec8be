//! Uploads in parts: some done at once, and some begun before the bucket moves and completed afterwards.

use bytes::Bytes;
use http::{Method, StatusCode};
use rand::Rng as _;

use super::client::{Client, quote};
use super::content::Tag;
use super::history::Object;
use super::names::Form;
use super::s3::{self, Ask};
use super::wire::Answer;

const MIB: usize = 1024 * 1024;

/// An upload under way.
struct Upload {
    key: String,
    tag: Tag,
    id: String,
    etags: Vec<String>,
    size: usize,
}

impl Client {
    /// Uploads an object in parts, unless others do so already: the machine is small.
    pub async fn upload_if_free(&mut self) {
        let shared = self.shared.clone();
        let Ok(_turn) = shared.uploads.try_acquire() else { return };
        let Some(key) = self.own_settled().filter(|key| !Form::is_empty_only(key)) else { return };
        let Some(mut upload) = self.begin_upload(&key).await else { return };
        for _ in 0..self.random.random_range(2..=5) {
            let size = self.random.random_range(5 * MIB..8 * MIB);
            if !self.upload_part(&mut upload, size).await {
                return;
            }
        }
        self.complete_upload(upload).await;
    }

    /// Begins an upload at once, and completes it when the bucket has moved.
    pub async fn upload_across(mut self) {
        let key = self.shared.names[self.index].long_upload();
        let Some(mut upload) = self.begin_upload(&key).await else { return };
        if !self.upload_part(&mut upload, 5 * MIB).await {
            return;
        }
        self.shared.released().await;
        if self.upload_part(&mut upload, 5 * MIB + 1).await && self.complete_upload(upload).await {
            self.get(&key, false).await;
        }
    }

    async fn begin_upload(&mut self, key: &str) -> Option<Upload> {
        let tag = self.shared.ledger.next_tag(key);
        let (method, query) = (Method::POST, "uploads=".to_owned());
        let ask = Ask { method, key: Some(key), query, headers: tag.headers().to_vec(), ..Ask::default() };
        let what = format!("POST {key}?uploads");
        let outcome = self.ask_slowly(ask).await;
        let answer = self.expect(&what, outcome, &[StatusCode::OK])?;
        let Some(id) = s3::text_of(&answer.body, "InitiateMultipartUploadResult", "UploadId") else {
            self.shared.tally.client_error(&format!("{what}: no upload: {}", quote(&answer)));
            return None;
        };
        Some(Upload { key: key.to_owned(), tag, id, etags: Vec::new(), size: 0 })
    }

    /// Whether it was taken.
    async fn upload_part(&mut self, upload: &mut Upload, size: usize) -> bool {
        let id = crate::adapters::sigv4::encode(&upload.id, "");
        let query = format!("partNumber={}&uploadId={id}", upload.etags.len() + 1);
        let what = format!("PUT {}?{query}", upload.key);
        let body = upload.tag.bytes(upload.size, size).into();
        let ask = Ask { method: Method::PUT, key: Some(&upload.key), query, body, ..Ask::default() };
        let outcome = self.ask_slowly(ask).await;
        let Some(answer) = self.expect(&what, outcome, &[StatusCode::OK]) else { return false };
        let Some(etag) = etag(&answer) else {
            self.shared.tally.client_error(&format!("{what}: no ETag"));
            return false;
        };
        upload.etags.push(etag);
        upload.size += size;
        true
    }

    /// Whether it was acknowledged. From here on it is a write like any other.
    async fn complete_upload(&mut self, upload: Upload) -> bool {
        let object = Object { content: upload.tag, size: upload.size, note: upload.tag };
        let query = format!("uploadId={}", crate::adapters::sigv4::encode(&upload.id, ""));
        let what = format!("POST {}?{query}", upload.key);
        let (method, body) = (Method::POST, completion(&upload.etags));
        self.shared.ledger.begin(&upload.key, Some(object));
        let outcome = self.ask_slowly(Ask { method, key: Some(&upload.key), query, body, ..Ask::default() }).await;
        let Some(answer) = self.expect(&what, outcome, &[StatusCode::OK]) else { return false };
        // An error may come after the status.
        if s3::text_of(&answer.body, "CompleteMultipartUploadResult", "ETag").is_none() {
            self.shared.tally.client_error(&format!("{what}: {}", quote(&answer)));
            return false;
        }
        self.shared.ledger.acknowledge(&upload.key);
        true
    }
}

fn etag(answer: &Answer) -> Option<String> {
    Some(answer.headers.get(http::header::ETAG)?.to_str().ok()?.to_owned())
}

fn completion(etags: &[String]) -> Bytes {
    let part = |(number, etag): (usize, &String)| {
        format!("<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag></Part>", number + 1)
    };
    let parts: String = etags.iter().enumerate().map(part).collect();
    format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>").into()
}
