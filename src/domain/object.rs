//! What a bucket holds.

use std::collections::BTreeMap;

use super::time::Timestamp;

/// Whether a bucket holds anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occupancy {
    /// There is no such bucket.
    Absent,
    /// It holds no object.
    Empty,
    /// At least one object.
    Occupied,
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Its bytes.
    pub size: u64,
    /// Its entity tag, without quotes; `None` if the storage does not tell.
    pub etag: Option<String>,
    /// When it was written, by the clock of the storage; `None` if the storage does not tell.
    pub modified: Option<Timestamp>,
}

/// What is known of an object beside its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectHead {
    /// Its bytes.
    pub size: u64,
    /// Its entity tag, without quotes.
    pub etag: Option<String>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// What its owner wrote beside it (`x-amz-meta-…`), by the name in lower case without that prefix.
    pub metadata: BTreeMap<String, String>,
}

/// A part of what is directly in a folder: under a prefix, up to the next `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FolderPage {
    /// The objects.
    pub objects: Vec<Object>,
    /// The folders, by their whole prefix, which ends in `/`.
    pub folders: Vec<String>,
    /// Where the next page begins, in the storage's own words; `None` after the last one.
    pub next: Option<String>,
}

/// A part of a bucket's objects, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectPage {
    /// The objects.
    pub objects: Vec<Object>,
    /// Where the next page begins, in the storage's own words; `None` after the last one.
    pub next: Option<String>,
}

/// An upload that was begun and not ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Upload {
    /// The key of the object that it would make.
    pub key: String,
    /// Its identity.
    pub id: String,
}

/// A part of a bucket's uploads, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UploadPage {
    /// The uploads.
    pub uploads: Vec<Upload>,
    /// The place behind which the next page begins; `None` after the last one.
    pub next: Option<Upload>,
}

/// Objects and bytes under a prefix.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether these are all.
    pub complete: bool,
}

/// An object that is still there after it was to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undeleted {
    /// Its key.
    pub key: String,
    /// The storage's error code, or why it was not asked.
    pub why: String,
}
