//! Routes: which pool serves a bucket of a vhost.

use serde::Serialize;

use super::bucket::BucketName;
use super::ids::{PoolId, Revision, RouteId, VhostId};
use super::invalid::{Invalid, checked_string};
use super::raw::{begins_with_slash, spells};
use super::time::Timestamp;
use super::vhost::Snippet;

checked_string!(
    /// The start of the paths that a route serves: `/bucket/`, rarely `/bucket/dir/`, or `/`
    /// for the automatic route of the default pool.
    PathPrefix
);

impl PathPrefix {
    const PATTERN: &'static str = "^/[A-Za-z0-9._/@-]+$";
    /// The most characters a prefix may have: a bucket name and a generous key (S3: 1,024 bytes).
    pub const MAX: usize = 1100;

    /// The prefix of the automatic route to the default pool.
    #[must_use]
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Checks a prefix that a client gave. `/` alone is not one: that route is automatic.
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '@' | '-');
        if text.chars().count() > Self::MAX {
            return Err(Invalid::TooLong { max: Self::MAX });
        }
        if text.len() < 2 || !text.starts_with('/') || !text.chars().all(fits) {
            return Err(Invalid::Pattern { pattern: Self::PATTERN });
        }
        let trimmed = text.strip_suffix('/').unwrap_or(text);
        if trimmed[1..].split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(Invalid::rule(
                "path_prefix may not hold an empty segment, . or .. : no request that S3 accepts would match it",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// Takes over what the store holds; `/` included.
    ///
    /// # Errors
    /// As [`PathPrefix::parse`].
    pub fn stored(text: &str) -> Result<Self, Invalid> {
        if text == "/" { Ok(Self::root()) } else { Self::parse(text) }
    }

    /// Whether this is the automatic route of the default pool.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// The prefix without the slash at its end: two prefixes that differ in it only would
    /// claim the same requests.
    #[must_use]
    pub fn canonical(&self) -> &str {
        if self.is_root() { "/" } else { self.0.trim_end_matches('/') }
    }

    /// The first segment: the bucket. Empty for `/`.
    #[must_use]
    pub fn bucket(&self) -> &str {
        self.0[1..].split('/').next().unwrap_or_default()
    }

    /// Whether the prefix serves a raw address. The bucket is always written plainly (anything else is refused before);
    /// in the key, every character may also be percent-encoded, and means the same key to the node.
    #[must_use]
    pub fn covers_raw(&self, address: &[u8]) -> bool {
        let whole = self.canonical();
        let key_at = whole[1..].find('/').map_or(whole.len(), |at| at + 1);
        let (bucket, key) = whole.split_at(key_at);
        let Some(rest) = address.strip_prefix(bucket.as_bytes()) else { return false };
        let ends = |rest: &[u8]| matches!(rest.first(), None | Some(b'?')) || begins_with_slash(rest);
        if key.is_empty() {
            return matches!(rest.first(), None | Some(b'/' | b'?'));
        }
        let below = self.0.ends_with('/');
        spells(rest, key.as_bytes(), &|_| true, &|rest| if below { begins_with_slash(rest) } else { ends(rest) })
    }

    /// The prefix of a whole bucket.
    ///
    /// # Errors
    /// No request for this bucket can be told from one for another, such as of a bucket `.`.
    pub fn of_bucket(bucket: &BucketName) -> Result<Self, Invalid> {
        Self::parse(&format!("/{bucket}/"))
    }

    /// The bucket, if the prefix covers it whole, whatever its name.
    #[must_use]
    pub fn whole_bucket(&self) -> Option<BucketName> {
        BucketName::parse(&self.canonical()[1..]).ok()
    }

    /// The bucket, if the prefix covers it whole and its name is a plain one
    /// (see [`is_plain_bucket`]), so that a `map` can route it.
    #[must_use]
    pub fn plain_bucket(&self) -> Option<&str> {
        // The rules of a plain name leave no room for a second segment.
        let path = self.0.strip_prefix('/')?;
        let bucket = path.strip_suffix('/').unwrap_or(path);
        is_plain_bucket(bucket).then_some(bucket)
    }
}

/// Whether `name` is written the way nginx's routing map captures it: 3–63 lower-case letters,
/// digits, `.`, `_` and `-`, a letter or digit at both ends
/// ([S3 bucket naming rules](https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html),
/// and `_`, which older buckets have).
#[must_use]
pub fn is_plain_bucket(name: &str) -> bool {
    let ends = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && ends(bytes[0])
        && ends(bytes[bytes.len() - 1])
        && bytes.iter().all(|&b| ends(b) || matches!(b, b'.' | b'_' | b'-'))
}

checked_string!(
    /// What replaces the path prefix on the way to an `http` pool.
    KeyPrefix
);

impl KeyPrefix {
    const PATTERN: &'static str = "^[A-Za-z0-9._/@-]+$";

    /// Checks a key prefix.
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '@' | '-');
        if text.is_empty() {
            return Err(Invalid::TooShort { min: 1 });
        }
        if text.chars().count() > PathPrefix::MAX {
            return Err(Invalid::TooLong { max: PathPrefix::MAX });
        }
        if !text.chars().all(fits) {
            return Err(Invalid::Pattern { pattern: Self::PATTERN });
        }
        if text.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(Invalid::rule("key_prefix may not hold the segments . or .."));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Which pool serves the requests under a path prefix of a vhost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Route {
    /// Identity.
    pub id: RouteId,
    /// Saved how often.
    pub revision: Revision,
    /// The vhost it belongs to.
    pub vhost_id: VhostId,
    /// The requests it serves.
    pub path_prefix: PathPrefix,
    /// The pool that serves them.
    pub pool_id: PoolId,
    /// Replacement of the prefix, `http` pools only: it would break a signed S3 request.
    pub key_prefix: Option<KeyPrefix>,
    /// Raw directives for this route alone.
    pub extra_directives: Option<Snippet>,
    /// False takes it out of nginx.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last saved.
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_that_could_never_match_are_refused() {
        for bad in ["", "/", "a", "//", "/a//b", "/../a", "/a/..", "/a b", "/a\n", "/a;", "/a%20", "/ä"] {
            assert!(PathPrefix::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_whole_plain_buckets_can_be_routed_by_a_map() {
        let plain = |text: &str| PathPrefix::parse(text).ok().and_then(|p| p.plain_bucket().map(str::to_owned));
        assert_eq!(plain("/photos/"), Some("photos".to_owned()));
        assert_eq!(plain("/photos"), Some("photos".to_owned()));
        for special in ["/Photos/", "/ab/", "/photos/2024/", "/-ab/", "/a@b/"] {
            assert_eq!(plain(special), None, "{special}");
        }
    }

    #[test]
    fn a_prefix_covers_keys_however_they_are_written_and_buckets_only_plainly() {
        let covers = |prefix: &str, address: &str| PathPrefix::parse(prefix).unwrap().covers_raw(address.as_bytes());
        for (prefix, address) in [
            ("/bkt/", "/bkt"),
            ("/bkt", "/bkt?x"),
            ("/Up/", "/Up/k"),
            ("/bkt/sub/", "/bkt/s%75b%2fx"),
            ("/bkt/sub", "/bkt%2Fsub"),
            ("/bkt/sub", "/bkt/sub?x"),
        ] {
            assert!(covers(prefix, address), "{prefix} {address}");
        }
        for (prefix, address) in [
            ("/bkt/", "/bktx"),
            ("/bkt/", "/b%6bt/"),
            ("/bkt/", "/bkt%2Fx"),
            ("/bkt/sub/", "/bkt/sub"),
            ("/bkt/sub/", "/bkt/SUB/"),
            ("/bkt/sub", "/bkt/subs"),
            ("/bkt/sub", "/bkt?/sub"),
        ] {
            assert!(!covers(prefix, address), "{prefix} {address}");
        }
    }
}
