//! S3 keys: as they are used, and as those of a pool are kept: encrypted.

use super::ids::PoolId;
use super::invalid::{Invalid, checked_string, words};
use super::pool::{is_host, is_port};
use super::secret::Secret;
use super::time::Timestamp;

checked_string!(
    /// A [Fernet](https://github.com/fernet/spec) token. Kept as it is, also when no present key decrypts it:
    /// a key that is lost today may be found tomorrow.
    FernetToken
);

impl FernetToken {
    /// The most characters a token may have; the secrets inside are a few hundred bytes.
    pub const MAX: usize = 8192;
    const PATTERN: &'static str = "^[A-Za-z0-9_=-]+$";

    /// Checks the alphabet (URL-safe base64), not the content.
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '=');
        if text.is_empty() {
            return Err(Invalid::TooShort { min: 1 });
        }
        if text.len() > Self::MAX {
            return Err(Invalid::TooLong { max: Self::MAX });
        }
        if !text.chars().all(fits) {
            return Err(Invalid::Pattern { pattern: Self::PATTERN });
        }
        Ok(Self(text.to_owned()))
    }
}

/// The S3 keys of a `nanio` pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Whose.
    pub pool_id: PoolId,
    /// The access key, encrypted.
    pub access_key_enc: FernetToken,
    /// The secret key, encrypted.
    pub secret_key_enc: FernetToken,
    /// Where to reach the pool's S3 service, if not at its members.
    pub endpoint_url: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
    /// When they were first stored.
    pub created_at: Timestamp,
    /// When they were last replaced.
    pub updated_at: Timestamp,
}

impl Credential {
    /// The region of a node that was not given one.
    pub const DEFAULT_REGION: &'static str = "us-east-1";
}

/// An access key and its secret key, in clear: what requests are signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Names the caller.
    pub access_key: AccessKey,
    /// Proves it.
    pub secret_key: SecretKey,
}

impl Keys {
    /// Checks both.
    ///
    /// # Errors
    /// The name of the bad one, and the rule that it breaks.
    pub fn parse(access_key: &str, secret_key: &str) -> Result<Self, (&'static str, Invalid)> {
        Ok(Self {
            access_key: AccessKey::parse(access_key).map_err(|invalid| ("access_key", invalid))?,
            secret_key: SecretKey::parse(secret_key).map_err(|invalid| ("secret_key", invalid))?,
        })
    }
}

/// The name part of S3 keys. It travels in a header of each request. Printed, it is masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKey(Secret);

impl AccessKey {
    /// The most characters it may have.
    pub const MAX: usize = 512;
    const PATTERN: &'static str = "^[!-+--~]+$";

    /// Checks a key: visible ASCII without commas, which end it where it is sent.
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        expect_length(text, Self::MAX)?;
        if !text.chars().all(|c| c.is_ascii_graphic() && c != ',') {
            return Err(Invalid::Pattern { pattern: Self::PATTERN });
        }
        Ok(Self(Secret::new(text)))
    }

    /// The key itself.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

/// The secret part of S3 keys. It never travels. Printed, it is masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretKey(Secret);

impl SecretKey {
    /// The most characters it may have.
    pub const MAX: usize = 512;

    /// Checks a key: any characters but control characters.
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        expect_length(text, Self::MAX)?;
        if text.chars().any(char::is_control) {
            return Err(Invalid::rule("a secret key has no control characters"));
        }
        Ok(Self(Secret::new(text)))
    }

    /// The key itself.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

fn expect_length(text: &str, max: usize) -> Result<(), Invalid> {
    match text.chars().count() {
        0 => Err(Invalid::TooShort { min: 1 }),
        length if length > max => Err(Invalid::TooLong { max }),
        _ => Ok(()),
    }
}

checked_string!(
    /// The address of an S3 service: `http://` or `https://`, a host, perhaps a port, perhaps a path.
    Endpoint
);

impl Endpoint {
    /// The most characters it may have.
    pub const MAX: usize = 512;

    /// Checks an address. No user and password: keys have fields of their own. No query and fragment: the address
    /// is what a request's path is appended to.
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.len() > Self::MAX {
            return Err(Invalid::TooLong { max: Self::MAX });
        }
        let rest = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let fits = rest.is_some_and(|rest| {
            let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
            let has_port = authority.rfind(':').is_some_and(|colon| !authority[colon..].contains(']'));
            let (host, port) = authority.rsplit_once(':').filter(|_| has_port).unwrap_or((authority, "80"));
            is_host(host) && is_port(port) && is_plain_path(path)
        });
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::rule(
                "an endpoint must be http://host, https://host:port or such with a path behind it, without user, \
                 password, query and blanks",
            ))
        }
    }

    /// What the path of a request is appended to: no slash at its end.
    #[must_use]
    pub fn base(&self) -> &str {
        self.0.trim_end_matches('/')
    }

    /// Host and port, as a member's address names them.
    #[must_use]
    pub fn host_port(&self) -> String {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("http", &self.0));
        let authority = rest.split('/').next().unwrap_or_default();
        let has_port = authority.rfind(':').is_some_and(|colon| !authority[colon..].contains(']'));
        let port = if scheme == "https" { 443 } else { 80 };
        if has_port { authority.to_owned() } else { format!("{authority}:{port}") }
    }
}

fn is_plain_path(path: &str) -> bool {
    let plain =
        |segment: &str| segment.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | '-'));
    let mut segments = path.strip_suffix('/').unwrap_or(path).split('/').skip(1);
    segments.all(|segment| plain(segment) && !matches!(segment, "" | "." | ".."))
}

checked_string!(
    /// The region that requests are signed for.
    Region
);

impl Region {
    /// The most characters it may have.
    pub const MAX: usize = 64;
    const PATTERN: &'static str = "^[A-Za-z0-9_-]+$";

    /// Checks a region: 1–64 letters, digits, `_` and `-`.
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        expect_length(text, Self::MAX)?;
        if !text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')) {
            return Err(Invalid::Pattern { pattern: Self::PATTERN });
        }
        Ok(Self(text.to_owned()))
    }
}

impl Default for Region {
    fn default() -> Self {
        Self(Credential::DEFAULT_REGION.to_owned())
    }
}

words!(
    /// Whose keys requests to a pool are signed with.
    KeySource {
        /// Its own.
        Pool = "pool",
        /// Those of the settings.
        Global = "global",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_addresses_and_carry_nothing_else() {
        for good in [
            "http://10.0.0.1:9000",
            "https://s3.example.org",
            "https://s3.example.org/",
            "http://[::1]:9000",
            "http://[::1]",
            "https://example.org/storage/s3-v1",
        ] {
            assert!(Endpoint::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "10.0.0.1:9000",
            "ftp://a",
            "http://",
            "http:///a",
            "http://user@a",
            "http://user:password@a",
            "http://a@b:80/",
            "http://a:0",
            "http://a:80a",
            "http://a?b",
            "http://a#b",
            "http://a/b?c",
            "http://a/../b",
            "http://a//b",
            "http://a/%2e",
            "http://a b",
            "http://a\n",
            "http://a\r\nX: 1",
            "http://::1:9000",
            "http://[::1",
            "HTTP://a",
            "http://a\\b",
        ] {
            assert!(Endpoint::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Endpoint::parse("http://a/b/").unwrap().base(), "http://a/b");
    }

    #[test]
    fn keys_that_no_header_carries_are_refused() {
        assert!(AccessKey::parse("AKIAIOSFODNN7EXAMPLE-_.~=+").is_ok());
        for bad in ["", "a b", "a,b", "é", "a\n", &"x".repeat(513)] {
            assert!(AccessKey::parse(bad).is_err(), "{bad:?}");
        }
        assert!(SecretKey::parse("wJalrXUtnFEMI/K7MDENG+bPx é").is_ok());
        assert!(SecretKey::parse("a\nb").is_err());
    }

    #[test]
    fn f38_no_form_of_a_key_shows_it() {
        let keys = Keys::parse("AKIDEXAMPLE", "topsecretkey").unwrap();
        let told = format!("{keys:?}");
        assert!(!told.contains("EXAMPLE") && !told.contains("ecretkey"), "{told}");
    }
}
