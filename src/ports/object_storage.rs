//! The S3 side of storage nodes.
//!
//! A site is asked at one place after the other, as long as they do not answer, answer with a fault of their own
//! (5xx), or with something that is not S3. What S3 itself says, also if it is "no", is final.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::bucket::BucketName;
use crate::domain::object::{Count, FolderPage, ObjectHead, ObjectPage, Occupancy, Undeleted, Upload, UploadPage};
use crate::domain::pool::Address;
use crate::domain::site::Site;
use crate::domain::time::Timestamp;

/// How many objects or uploads a page holds at most, and how many are deleted at a time.
pub const PAGE: usize = 1000;
/// How many pages without a single object are put up with.
const BARREN: usize = 16;

/// Takes what came of one member.
pub type Tell<'a> = dyn Fn(&Address, Result<(), StorageError>) + Sync + 'a;

/// Storage nodes. Whatever they do, a question is answered within a few seconds. Two have work that grows with what is
/// asked: [`delete`](ObjectStorage::delete) may take as long as the settings allow for each page of keys, and
/// [`count`](ObjectStorage::count) asks for one page after the other.
#[async_trait]
pub trait ObjectStorage: Send + Sync {
    /// All buckets by name. Those that no route could name are left out.
    async fn buckets(&self, site: &Site) -> Result<Vec<BucketName>, StorageError>;

    /// Whether a bucket is there, and holds anything.
    async fn occupancy(&self, site: &Site, bucket: &BucketName) -> Result<Occupancy, StorageError>;

    /// Makes a bucket. One that is there already, and ours, is as good.
    async fn create_bucket(&self, site: &Site, bucket: &BucketName) -> Result<(), StorageError>;

    /// At most `limit` (up to [`PAGE`]) objects whose keys begin with `prefix`, from the
    /// [`next`](ObjectPage::next) of an earlier page on.
    async fn objects(
        &self,
        site: &Site,
        bucket: &BucketName,
        prefix: &str,
        from: Option<&str>,
        limit: usize,
    ) -> Result<ObjectPage, StorageError>;

    /// At most `limit` (up to [`PAGE`]) objects and folders directly under `prefix`, from the
    /// [`next`](FolderPage::next) of an earlier page on. Keys are what they are, whatever stands in them. Objects come
    /// once each; not every server counts folders, or leaves those of earlier pages out.
    async fn folder(
        &self,
        site: &Site,
        bucket: &BucketName,
        prefix: &str,
        from: Option<&str>,
        limit: usize,
    ) -> Result<FolderPage, StorageError>;

    /// What is known of an object; `None` if the storage says in its own words that it is not there.
    async fn head(&self, site: &Site, bucket: &BucketName, key: &str) -> Result<Option<ObjectHead>, StorageError>;

    /// When an object was written, by the clock of its node and to the second; `None` if it is not there, or the node
    /// does not tell.
    async fn written_at(&self, site: &Site, bucket: &BucketName, key: &str) -> Result<Option<Timestamp>, StorageError>;

    /// Makes an object without bytes, of a key that ends in `/`, with what else `head` says. It is sent to another
    /// place only if nothing of it has reached the one before. Not every server can hold one.
    async fn put_marker(
        &self,
        site: &Site,
        bucket: &BucketName,
        key: &str,
        head: &ObjectHead,
    ) -> Result<(), StorageError>;

    /// What time it is at the first place that answers, to the second.
    async fn time(&self, site: &Site) -> Result<Timestamp, StorageError>;

    /// Uploads under way whose keys begin with `prefix`, behind the [`next`](UploadPage::next) of an earlier page.
    async fn uploads(
        &self,
        site: &Site,
        bucket: &BucketName,
        prefix: &str,
        behind: Option<&Upload>,
    ) -> Result<UploadPage, StorageError>;

    /// Ends an upload, so that it never makes an object. One that is not there is ended.
    async fn abort(&self, site: &Site, bucket: &BucketName, upload: &Upload) -> Result<(), StorageError>;

    /// Deletes objects, however many; those that are not there are deleted. Tells which are still there. It is sent to
    /// another place only if nothing of it has reached the one before: a deletion that comes late would delete what was
    /// written since.
    async fn delete(&self, site: &Site, bucket: &BucketName, keys: &[String]) -> Result<Vec<Undeleted>, StorageError>;

    /// Whether members take connections and, if they are asked over TCP, answer in HTTP. Several are asked at the same
    /// time; `tell` is called for each as soon as it is known.
    async fn probe(&self, members: &[Address], tell: &Tell<'_>);

    /// The buckets of several sites, asked at the same time: what [`buckets`](ObjectStorage::buckets) says of each, in
    /// the order of `sites`. A site that does not answer costs the others nothing.
    async fn listings(&self, sites: &[Site]) -> Vec<Result<Vec<BucketName>, StorageError>>;

    /// Counts the objects of several buckets, a few at the same time, until `time` is over; in the order of `asked`.
    /// A count that was cut is not [`complete`](Count::complete).
    async fn counts(&self, asked: &[(Site, BucketName)], time: Duration) -> Vec<Result<Count, StorageError>>;

    /// Counts the objects whose keys begin with `prefix`, and stops after the page with number `most`.
    async fn count(&self, site: &Site, bucket: &BucketName, prefix: &str, most: u64) -> Result<Count, StorageError> {
        let (mut count, mut from, mut barren) = (Count::default(), None, 0);
        loop {
            let page = self.objects(site, bucket, prefix, from.as_deref(), PAGE).await?;
            count.objects += page.objects.len() as u64;
            count.bytes = page.objects.iter().fold(count.bytes, |sum, object| sum.saturating_add(object.size));
            count.complete = page.next.is_none();
            barren = if page.objects.is_empty() { barren + 1 } else { 0 };
            if count.complete || count.objects >= most {
                return Ok(count);
            }
            if barren > BARREN {
                return Err(StorageError::Unanswered(format!("the listing of {bucket} does not end")));
            }
            from = page.next;
        }
    }
}

/// Why a question has no answer. Names places, status and error code, and never repeats anything else that a node sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// There is nobody to ask.
    #[error("the pool has no enabled member")]
    NoMember,
    /// No place gave a usable answer; each is named with what was wrong.
    #[error("{0}")]
    Unanswered(String),
    /// S3 said no.
    #[error("{place}: status {status} ({code})")]
    Refused {
        /// Who said it.
        place: String,
        /// The HTTP status.
        status: u16,
        /// S3's error code: 1–64 letters.
        code: String,
    },
}

impl StorageError {
    /// Whether S3 gave this error code.
    #[must_use]
    pub fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }
}
