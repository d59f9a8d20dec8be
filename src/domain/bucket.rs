//! Buckets as a vhost knows them: found on its default pool, routed, ignored or gone.

use serde::Serialize;

use super::ids::{PoolId, VhostId};
use super::invalid::{Invalid, checked_string, words};
use super::time::Timestamp;

words!(
    /// What is known of a bucket of a vhost.
    BucketStatus {
        /// Found, without a route of its own.
        Unrouted = "unrouted",
        /// It has a route of its own.
        Routed = "routed",
        /// It is being moved.
        Migrating = "migrating",
        /// An operator does not want to hear of it.
        Ignored = "ignored",
        /// Found once, and not listed by its pool any more.
        Deleted = "deleted",
    }
);

checked_string!(
    /// The name of a bucket, as a storage node reports it or an operator writes it.
    BucketName
);

impl BucketName {
    /// The most characters a name may have: S3 allowed 255 before 2018, and nodes may still have such buckets.
    pub const MAX: usize = 255;
    const PATTERN: &'static str = "^[A-Za-z0-9._@-]+$";

    /// Checks a name: 1–255 characters that a route's prefix may hold, and not `.` or `..`.
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '@' | '-');
        if text.is_empty() {
            return Err(Invalid::TooShort { min: 1 });
        }
        if text.chars().count() > Self::MAX {
            return Err(Invalid::TooLong { max: Self::MAX });
        }
        if !text.chars().all(fits) {
            return Err(Invalid::Pattern { pattern: Self::PATTERN });
        }
        if matches!(text, "." | "..") {
            return Err(Invalid::rule("a bucket cannot be named . or .."));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A bucket of a vhost. Its identity is the pair of vhost and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// The vhost through which clients reach it.
    pub vhost_id: VhostId,
    /// Its name.
    pub name: BucketName,
    /// What is known of it.
    pub status: BucketStatus,
    /// The pool of its route, if it has one.
    pub routed_pool_id: Option<PoolId>,
    /// When it was found: for the first time, or again after it had been gone.
    pub discovered_at: Timestamp,
}
