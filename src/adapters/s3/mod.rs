//! Storage nodes asked over S3: requests signed by object_store's signer, answers read in bounds.

mod listing;

use std::time::Duration;

use async_trait::async_trait;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::HttpRequestBody;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use tokio::time::Instant;

use crate::domain::pool::Address;
use crate::ports::object_storage::{ObjectStorage, Occupancy, StorageError};

/// A node that does not accept a connection within this is passed over.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// A whole question, over all members.
const PATIENCE: Duration = Duration::from_secs(5);
/// More of an answer than this is not read: the listing of one key is far smaller.
const MOST_BYTES: usize = 256 * 1024;
/// What 0.4.x signs with.
const REGION: &str = "us-east-1";

/// Storage nodes, asked with the global keys or, without keys, unsigned.
pub struct NodeStorage {
    client: Client,
    credential: Option<AwsCredential>,
}

impl NodeStorage {
    /// A client of storage nodes with the global access and secret key.
    ///
    /// # Errors
    /// The HTTP client cannot be made (no TLS roots on this machine).
    pub fn new(keys: Option<(String, String)>) -> Result<Self, StorageError> {
        let client = Client::builder().connect_timeout(CONNECT_PATIENCE).timeout(PATIENCE).no_proxy();
        // A listing comes from the node that was asked, or not at all. Questions are rare: a connection that was
        // kept is one that the node may be closing just now.
        let client = client.redirect(Policy::none()).pool_max_idle_per_host(0).build();
        let client = client.map_err(|error| StorageError(format!("no HTTP client: {error}")))?;
        let credential = keys.map(|(key_id, secret_key)| AwsCredential { key_id, secret_key, token: None });
        Ok(Self { client, credential })
    }

    async fn ask(&self, host: &str, port: u16, bucket: &str) -> Result<Occupancy, String> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let url = format!("http://{host}:{port}/{bucket}?list-type=2&max-keys=1");
        let request = http::Request::builder().method("GET").uri(&url).body(HttpRequestBody::empty());
        let mut request = request.map_err(|error| error.to_string())?;
        if let Some(credential) = &self.credential {
            let signed = AwsAuthorizer::new(credential, "s3", REGION).try_authorize(&mut request, None);
            signed.map_err(|error| error.to_string())?;
        }
        let (parts, _) = request.into_parts();
        let sent = self.client.get(&url).headers(parts.headers).send().await;
        let mut answer = sent.map_err(|error| match error {
            error if error.is_timeout() => "time-out",
            error if error.is_connect() => "no connection",
            _ => "no HTTP answer",
        })?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|_| "the answer broke off")? {
            if body.len() + chunk.len() > MOST_BYTES {
                return Err("the answer is too long for a listing".to_owned());
            }
            body.extend_from_slice(&chunk);
        }
        match status {
            StatusCode::OK => listing::occupancy(&body),
            StatusCode::NOT_FOUND if listing::says_no_such_bucket(&body) => Ok(Occupancy::Empty),
            other => Err(format!("status {}", other.as_u16())),
        }
    }
}

#[async_trait]
impl ObjectStorage for NodeStorage {
    async fn occupancy(&self, members: &[Address], bucket: &str) -> Result<Occupancy, StorageError> {
        if members.is_empty() {
            return Err(StorageError("the pool has no enabled member".to_owned()));
        }
        let (deadline, mut refusals) = (Instant::now() + PATIENCE, Vec::new());
        for (left, member) in (1..=members.len()).rev().zip(members) {
            let Some((host, port)) = member.host_port() else {
                refusals.push(format!("{member}: unix sockets cannot be asked"));
                continue;
            };
            // A fair share of what is left, so that a member that never answers leaves time for the next.
            let share = (deadline - Instant::now()) / u32::try_from(left).unwrap_or(u32::MAX);
            match tokio::time::timeout(share, self.ask(host, port, bucket)).await {
                Ok(Ok(occupancy)) => return Ok(occupancy),
                Ok(Err(refusal)) => refusals.push(format!("{member}: {refusal}")),
                Err(_) => refusals.push(format!("{member}: no answer within {} ms", share.as_millis())),
            }
        }
        Err(StorageError(refusals.join("; ")))
    }
}
