//! Whose keys a request to a pool is signed with: the pool's own, else those of the settings.

use std::sync::Arc;

use crate::domain::credential::{Credential, Endpoint, FernetToken, Keys, Region};
use crate::domain::pool::Address;
use crate::domain::site::Site;
use crate::ports::cipher::{Cipher, CipherError};

/// Opens and seals the S3 keys of pools; knows the global ones.
#[derive(Clone)]
pub struct Keyring {
    cipher: Arc<dyn Cipher>,
    global: Option<Keys>,
}

/// Stored keys that cannot be used. It is the fault of one pool, and of no other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// They cannot be decrypted.
    #[error("the stored S3 keys cannot be used: {0}")]
    Sealed(#[from] CipherError),
    /// They can, and no request could be made with them.
    #[error("the stored S3 keys cannot be used: their {0} is not acceptable; store them again")]
    Unfit(&'static str),
}

impl Keyring {
    /// A keyring with this cipher, and these keys for pools without keys of their own.
    #[must_use]
    pub fn new(cipher: Arc<dyn Cipher>, global: Option<Keys>) -> Self {
        Self { cipher, global }
    }

    /// The keys of pools without keys of their own.
    pub(super) fn global(&self) -> Option<&Keys> {
        self.global.as_ref()
    }

    /// The keys of a pool in clear.
    pub(super) fn open(&self, sealed: &Credential) -> Result<Keys, Unusable> {
        let access_key = self.cipher.decrypt(&sealed.access_key_enc)?;
        let secret_key = self.cipher.decrypt(&sealed.secret_key_enc)?;
        Keys::parse(access_key.reveal(), secret_key.reveal()).map_err(|(name, _)| Unusable::Unfit(name))
    }

    /// Where a pool's storage is asked, with what: its own keys, endpoint and region, else the global keys and
    /// its members.
    pub(super) fn site(&self, members: Vec<Address>, own: Option<&Credential>) -> Result<Site, Unusable> {
        let Some(own) = own else {
            return Ok(Site { members, endpoint: None, region: Region::default(), keys: self.global.clone() });
        };
        // 0.4.x stored both unseen.
        let endpoint = own.endpoint_url.as_deref().filter(|url| !url.trim().is_empty());
        let endpoint = endpoint.map(Endpoint::parse).transpose().map_err(|_| Unusable::Unfit("endpoint_url"))?;
        let region = Region::parse(&own.region).map_err(|_| Unusable::Unfit("region"))?;
        Ok(Site { members, endpoint, region, keys: Some(self.open(own)?) })
    }

    /// Access key and secret key as they are kept.
    pub(super) fn seal(&self, keys: &Keys) -> Result<(FernetToken, FernetToken), CipherError> {
        let seal = |secret| self.cipher.encrypt(secret);
        Ok((seal(keys.access_key.secret())?, seal(keys.secret_key.secret())?))
    }

    /// The same keys sealed with the present key; `None` if they are already.
    pub(super) fn renew(&self, sealed: &Credential) -> Result<Option<Credential>, CipherError> {
        let access_key_enc = self.cipher.renew(&sealed.access_key_enc)?;
        let secret_key_enc = self.cipher.renew(&sealed.secret_key_enc)?;
        if access_key_enc.is_none() && secret_key_enc.is_none() {
            return Ok(None);
        }
        let old = sealed.clone();
        Ok(Some(Credential {
            access_key_enc: access_key_enc.unwrap_or(old.access_key_enc),
            secret_key_enc: secret_key_enc.unwrap_or(old.secret_key_enc),
            ..sealed.clone()
        }))
    }
}
