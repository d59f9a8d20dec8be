//! One thing in which two documents differ.

use crate::domain::bucket::BucketName;
use crate::domain::invalid::words;
use crate::domain::pool::{Address, PoolName};
use crate::domain::route::PathPrefix;
use crate::domain::vhost::ServerName;

words!(
    /// What is done to it.
    Verb {
        /// Only the wanted document has it.
        Create = "create",
        /// Both have it.
        Update = "update",
        /// Only the present document has it.
        Delete = "delete",
    }
);

/// What differs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A pool.
    Pool(PoolName),
    /// The member of a pool with this address: the first one of them is number 0.
    Member(PoolName, Address, usize),
    /// A vhost.
    Vhost(ServerName),
    /// A route of a vhost, by its wanted prefix if there is one.
    Route(ServerName, PathPrefix),
    /// A bucket of a vhost that nobody wants to hear of.
    IgnoredBucket(ServerName, BucketName),
}

impl Subject {
    /// The noun.
    #[must_use]
    pub fn noun(&self) -> &'static str {
        match self {
            Subject::Pool(_) => "pool",
            Subject::Member(..) => "member",
            Subject::Vhost(_) => "vhost",
            Subject::Route(..) => "route",
            Subject::IgnoredBucket(..) => "ignored_bucket",
        }
    }

    /// Where it stands in the document.
    #[must_use]
    pub fn path(&self) -> Vec<String> {
        let steps: Vec<&str> = match self {
            Subject::Pool(pool) => vec!["pools", pool.as_str()],
            Subject::Member(pool, address, _) => vec!["pools", pool.as_str(), "members", address.as_str()],
            Subject::Vhost(vhost) => vec!["vhosts", vhost.as_str()],
            Subject::Route(vhost, prefix) => vec!["vhosts", vhost.as_str(), "routes", prefix.as_str()],
            Subject::IgnoredBucket(vhost, bucket) => {
                vec!["vhosts", vhost.as_str(), "ignored_buckets", bucket.as_str()]
            }
        };
        steps.into_iter().map(str::to_owned).collect()
    }
}

/// A field of something that both documents have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldDifference {
    /// Its name in the document.
    pub field: &'static str,
    /// What it is; `None`: nothing.
    pub before: Option<String>,
    /// What it is to be.
    pub after: Option<String>,
}

/// One thing that is to be made, changed or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What is done.
    pub verb: Verb,
    /// To what.
    pub subject: Subject,
    /// Of something that is changed: every field that differs.
    pub fields: Vec<FieldDifference>,
}

impl Difference {
    /// Something that only one of the documents has.
    #[must_use]
    pub fn whole(verb: Verb, subject: Subject) -> Self {
        Self { verb, subject, fields: Vec::new() }
    }

    /// A pool or vhost that gets another name, and is as it was otherwise.
    #[must_use]
    pub fn rename(subject: Subject, before: String, after: String) -> Self {
        let field = if matches!(subject, Subject::Vhost(_)) { "server_name" } else { "name" };
        let (before, after) = (Some(before), Some(after));
        Self { verb: Verb::Update, subject, fields: vec![FieldDifference { field, before, after }] }
    }

    /// Whether it is a [`Difference::rename`].
    #[must_use]
    pub fn is_rename(&self) -> bool {
        self.fields.iter().any(|field| matches!(field.field, "name" | "server_name"))
    }
}
