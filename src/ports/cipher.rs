//! What turns a secret that is to be kept into a token, and back.

use crate::domain::credential::FernetToken;
use crate::domain::secret::Secret;

/// Encrypts with one key; decrypts with that one and with older ones.
pub trait Cipher: Send + Sync {
    /// The secret as a token that only a holder of the key can read. Another token each time.
    ///
    /// # Errors
    /// There is no key, or the secret is longer than any S3 key.
    fn encrypt(&self, secret: &Secret) -> Result<FernetToken, CipherError>;

    /// The secret in a token, whenever it was made.
    ///
    /// # Errors
    /// There is no key, or none that fits.
    fn decrypt(&self, token: &FernetToken) -> Result<Secret, CipherError>;

    /// The same secret in a token of the present key; `None` if `token` is one.
    ///
    /// # Errors
    /// As [`Cipher::decrypt`].
    fn renew(&self, token: &FernetToken) -> Result<Option<FernetToken>, CipherError>;
}

/// Why there is no token, or no secret in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// Nobody gave a key.
    #[error(
        "NANIO_ORCHESTRATOR_SECRET is not set, so S3 keys of pools can be neither stored nor read: put back the key \
         that they were stored with, or make one with `nanio-orchestrator config generate-secret --set`; then restart \
         the service"
    )]
    NoKey,
    /// The token was made with another key, or is damaged.
    #[error(
        "no key in NANIO_ORCHESTRATOR_SECRET decrypts them: add the key that they were stored with behind a comma and \
         restart the service, or store them again"
    )]
    Unreadable,
    /// No token holds so much.
    #[error("the secret is too long to be stored")]
    TooLong,
}
