//! What differs between two sides of a bucket, found by listing both folder by folder: flat listings of some nodes miss
//! keys, and a copier's own word is not trusted.

use std::collections::BTreeMap;

use futures_util::future::try_join;

use crate::domain::bucket::BucketName;
use crate::domain::copy::{WhyNot, carriable};
use crate::domain::migration::equal::seems_equal;
use crate::domain::object::{FolderPage, Object};
use crate::domain::site::Site;
use crate::domain::time::Timestamp;
use crate::ports::object_storage::{ObjectStorage, PAGE, StorageError};

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Differences {
    /// Keys that the destination lacks or has otherwise.
    pub source: Vec<String>,
    /// Keys that seem to be equal, but may differ in what listings do not show.
    pub doubtful: Vec<String>,
    /// Keys that only the destination has.
    pub destination: Vec<String>,
    /// Keys of the source that cannot be moved, with the reason.
    pub unfit: Vec<(String, WhyNot)>,
    /// Objects on the source.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// How many keys are remembered of those that cannot be moved.
const UNFIT: usize = 20;

/// Names of objects that nanio shows while they are being written.
pub(super) fn is_temporary(key: &str) -> bool {
    let Some((_, hex)) = key.rsplit_once(".tmp.") else { return false };
    hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Compares a bucket on two sides. What was written on the source since `doubted` is not believed to be equal because
/// listings say so.
pub(super) async fn compare(
    storage: &dyn ObjectStorage,
    (source, destination): (&Site, &Site),
    bucket: &BucketName,
    doubted: Option<Timestamp>,
) -> Result<Differences, StorageError> {
    let mut found = Differences::default();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let ours = list(storage, source, bucket, &folder);
        let theirs = list(storage, destination, bucket, &folder);
        let (ours, mut theirs) = try_join(ours, theirs).await?;
        for (key, object) in ours.objects {
            found.objects += 1;
            found.bytes = found.bytes.saturating_add(object.size);
            match carriable(&key) {
                Ok(()) | Err(WhyNot::Folder) => {}
                Err(why) => {
                    if found.unfit.len() < UNFIT {
                        found.unfit.push((key.clone(), why));
                    }
                }
            }
            if theirs.objects.remove(&key).is_none_or(|other| !seems_equal(&object, &other)) {
                found.source.push(key);
            } else if doubted.is_some_and(|since| object.modified.is_none_or(|at| at >= since)) {
                found.doubtful.push(key);
            }
        }
        found.destination.extend(theirs.objects.into_keys());
        let mut inner = ours.folders;
        inner.extend(theirs.folders);
        inner.sort_unstable();
        inner.dedup();
        folders.extend(inner);
    }
    Ok(found)
}

pub(super) struct Folder {
    pub objects: BTreeMap<String, Object>,
    pub folders: Vec<String>,
}

/// One folder, whole.
pub(super) async fn list(
    storage: &dyn ObjectStorage,
    site: &Site,
    bucket: &BucketName,
    prefix: &str,
) -> Result<Folder, StorageError> {
    let mut folder = Folder { objects: BTreeMap::new(), folders: Vec::new() };
    let mut from = None;
    let mut barren = 0;
    loop {
        let FolderPage { objects, folders, next } = storage.folder(site, bucket, prefix, from.as_deref(), PAGE).await?;
        barren = if objects.is_empty() && folders.is_empty() { barren + 1 } else { 0 };
        let kept = objects.into_iter().filter(|object| !is_temporary(&object.key));
        folder.objects.extend(kept.map(|object| (object.key.clone(), object)));
        // A node that names the folder itself among its folders would be asked for ever.
        folder.folders.extend(folders.into_iter().filter(|inner| inner.len() > prefix.len()));
        match next {
            None => return Ok(folder),
            Some(_) if barren > 16 => {
                return Err(StorageError::Unanswered(format!("the listing of {bucket}/{prefix} does not end")));
            }
            next => from = next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_objects_being_written_are_known() {
        assert!(is_temporary("a/b.tmp.0123456789abcdef0123456789ABCDEF"));
        for key in ["a.tmp.0123", "a.tmp", "a.tmp.0123456789abcdef0123456789abcdeg", "x"] {
            assert!(!is_temporary(key), "{key}");
        }
    }
}
