//! S3 keys of a pool, as they are kept: encrypted.

use super::ids::PoolId;
use super::invalid::{Invalid, checked_string};
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
