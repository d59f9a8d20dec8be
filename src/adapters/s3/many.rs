//! Several questions at the same time: as many as nodes bear well, and never longer than all of them may take.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;

use crate::domain::bucket::BucketName;
use crate::domain::object::Count;
use crate::domain::site::Site;
use crate::ports::object_storage::{ObjectStorage, PAGE, StorageError};

/// So many sites are asked for their buckets at the same time. Each is another group of machines.
const SITES_AT_A_TIME: usize = 32;
/// So many buckets are counted at the same time. They may all be on one machine, which has clients to serve.
const COUNTS_AT_A_TIME: usize = 16;

/// The buckets of each site.
pub(super) async fn listings(
    storage: &dyn ObjectStorage,
    sites: &[Site],
) -> Vec<Result<Vec<BucketName>, StorageError>> {
    let each: Vec<_> = sites.iter().map(|site| storage.buckets(site)).collect();
    stream::iter(each).buffered(SITES_AT_A_TIME).collect().await
}

/// The objects of each bucket, as far as they were counted when the time was over.
pub(super) async fn counts(
    storage: &dyn ObjectStorage,
    asked: &[(Site, BucketName)],
    time: Duration,
) -> Vec<Result<Count, StorageError>> {
    let late = || StorageError::Unanswered(format!("not counted within {} ms", time.as_millis()));
    let found: Vec<Found> = asked.iter().map(|_| Mutex::new(Err(late()))).collect();
    let each = stream::iter(asked.iter().zip(&found));
    let all = each.for_each_concurrent(COUNTS_AT_A_TIME, |((site, bucket), found)| count(storage, site, bucket, found));
    // Whoever is not at an end then has left what was found so far.
    let _ = tokio::time::timeout(time, all).await;
    found.into_iter().map(|found| found.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

/// What is known of one bucket so far.
type Found = Mutex<Result<Count, StorageError>>;

/// Counts one bucket, page by page; `found` holds at any moment what is known.
async fn count(storage: &dyn ObjectStorage, site: &Site, bucket: &BucketName, found: &Found) {
    let tell = |news| *found.lock().unwrap_or_else(PoisonError::into_inner) = news;
    let (mut count, mut from) = (Count::default(), None::<String>);
    while !count.complete {
        match storage.objects(site, bucket, "", from.as_deref(), PAGE).await {
            Ok(page) => {
                count.objects += page.objects.len() as u64;
                count.bytes = page.objects.iter().fold(count.bytes, |sum, object| sum.saturating_add(object.size));
                count.complete = page.next.is_none();
                from = page.next;
                tell(Ok(count));
            }
            Err(error) => return tell(Err(error)),
        }
    }
}
