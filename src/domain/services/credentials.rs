//! S3 keys of pools. They come in, are used, and never go out again.

use super::keyring::Unusable;
use super::pools;
use super::publish::Change;
use super::{Context, ServiceError};
use crate::domain::audit::{Action, Actor, CredentialSnapshot, RotationSnapshot, Snapshot, Subject};
use crate::domain::credential::{Credential, Endpoint, KeySource, Keys, Region};
use crate::domain::ids::{EntityKind, PoolId};
use crate::domain::pool::{Pool, PoolKind, PoolName};
use crate::domain::time::Timestamp;
use crate::ports::cipher::CipherError;
use crate::ports::store::Tx;

/// Keys to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCredential {
    /// The keys.
    pub keys: Keys,
    /// Where to reach the pool's S3 service, if not at its members.
    pub endpoint: Option<Endpoint>,
    /// The region that requests are signed for.
    pub region: Region,
}

/// The keys that requests to a pool are signed with, as far as they may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolCredential {
    /// The pool.
    pub pool_id: PoolId,
    /// The beginning of the access key, or a word in brackets if there is none to show.
    pub access_key_masked: String,
    /// Where to reach the pool's S3 service, if not at its members.
    pub endpoint_url: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
    /// Whose keys they are.
    pub source: KeySource,
    /// When the pool's own were first stored.
    pub created_at: Option<Timestamp>,
    /// When they were last replaced.
    pub updated_at: Option<Timestamp>,
    /// Why they cannot be used, and what to do.
    pub problem: Option<String>,
}

/// What became of all stored keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Pools whose keys are now encrypted with the first key of `SECRET`.
    pub rotated: Vec<(PoolId, PoolName)>,
    /// Pools whose keys were already.
    pub current: Vec<(PoolId, PoolName)>,
    /// Pools whose keys no key of `SECRET` decrypts; they stay as they were.
    pub unreadable: Vec<(PoolId, PoolName)>,
}

/// What is shown of an access key that nobody set.
const NOT_SET: &str = "(not set)";
/// What is shown of an access key that cannot be decrypted.
const UNREADABLE: &str = "(unreadable)";

/// Use cases about the S3 keys of pools.
#[derive(Clone)]
pub struct Credentials {
    context: Context,
}

impl Credentials {
    pub(super) fn new(context: Context) -> Self {
        Self { context }
    }

    /// What requests to a pool are signed with.
    ///
    /// # Errors
    /// No such pool, not a nanio pool, or keys that are stored while there is no `SECRET` to read them with.
    pub async fn get(&self, id: PoolId) -> Result<PoolCredential, ServiceError> {
        let read = move |tx: &mut dyn Tx| {
            nanio_pool(tx, id)?;
            Ok::<_, ServiceError>(tx.credential(id)?)
        };
        match self.context.store.read(read).await? {
            Some(stored) => self.shown(&stored),
            None => Ok(PoolCredential {
                pool_id: id,
                access_key_masked: match self.context.keyring.global() {
                    Some(keys) => keys.access_key.secret().to_string(),
                    None => NOT_SET.to_owned(),
                },
                endpoint_url: None,
                region: Credential::DEFAULT_REGION.to_owned(),
                source: KeySource::Global,
                created_at: None,
                updated_at: None,
                problem: None,
            }),
        }
    }

    /// Stores or replaces the keys of a pool, in the database and in its sidecar. The same keys again change nothing.
    ///
    /// # Errors
    /// No such pool, not a nanio pool, or no `SECRET` to encrypt with.
    pub async fn set(&self, actor: Actor, id: PoolId, new: NewCredential) -> Result<PoolCredential, ServiceError> {
        self.context.store.read(move |tx| nanio_pool(tx, id).map(drop)).await?;
        // Encrypted once: each encryption gives another token, and a change must repeat itself.
        let (access_key_enc, secret_key_enc) = self.context.keyring.seal(&new.keys)?;
        let service = self.clone();
        let store = move |change: &mut Change<'_>| {
            nanio_pool(change.tx, id)?;
            let before = change.tx.credential(id)?;
            if let Some(before) = &before
                && service.is(before, &new)
            {
                return Ok(before.clone());
            }
            let after = Credential {
                pool_id: id,
                access_key_enc: access_key_enc.clone(),
                secret_key_enc: secret_key_enc.clone(),
                endpoint_url: new.endpoint.as_ref().map(|endpoint| endpoint.as_str().to_owned()),
                region: new.region.as_str().to_owned(),
                created_at: before.as_ref().map_or(change.now, |before| before.created_at),
                updated_at: change.now,
            };
            change.tx.save_credential(&after)?;
            change.touch_pool(id);
            let before = before.map(|before| service.snapshot(&before));
            change.audit(Action::SetCredentials, subject(id), before, Some(service.snapshot(&after)))?;
            Ok(after)
        };
        let stored = self.context.publisher.change(actor, store).await?;
        self.shown(&stored)
    }

    /// Removes the keys of a pool; the global ones are used from then on. Needs no `SECRET`.
    ///
    /// # Errors
    /// No such pool, not a nanio pool, or [`ServiceError::NotFound`] when none are stored.
    pub async fn remove(&self, actor: Actor, id: PoolId) -> Result<(), ServiceError> {
        let service = self.clone();
        let remove = move |change: &mut Change<'_>| {
            nanio_pool(change.tx, id)?;
            let before = change.tx.credential(id)?.ok_or(ServiceError::NotFound("Credentials"))?;
            change.tx.delete_credential(id)?;
            change.touch_pool(id);
            change.audit(Action::RemoveCredentials, subject(id), Some(service.snapshot(&before)), None)?;
            Ok(())
        };
        self.context.publisher.change(actor, remove).await
    }

    /// Encrypts all stored keys with the first key of `SECRET`, so that the others can be taken out of it. All of
    /// them in one change; what no key decrypts stays, and is named.
    ///
    /// # Errors
    /// There is no `SECRET`, or the files cannot be written.
    pub async fn rotate(&self, actor: Actor) -> Result<Rotation, ServiceError> {
        let stored = self.context.store.read(|tx| Ok::<_, ServiceError>(tx.credentials()?)).await?;
        let mut renewed = Vec::with_capacity(stored.len());
        for credential in stored {
            match self.context.keyring.renew(&credential) {
                Err(CipherError::NoKey) => return Err(CipherError::NoKey.into()),
                outcome => renewed.push((credential, outcome)),
            }
        }
        let rotate = move |change: &mut Change<'_>| {
            let mut rotation = Rotation::default();
            for (seen, outcome) in &renewed {
                // Replaced or removed meanwhile: whoever did that used the present key.
                if change.tx.credential(seen.pool_id)?.as_ref() != Some(seen) {
                    continue;
                }
                let pool = pools::find(change.tx, seen.pool_id)?;
                let list = match outcome {
                    Ok(Some(sealed)) => {
                        change.tx.save_credential(sealed)?;
                        change.touch_pool(pool.id);
                        &mut rotation.rotated
                    }
                    Ok(None) => &mut rotation.current,
                    Err(_) => &mut rotation.unreadable,
                };
                list.push((pool.id, pool.name));
            }
            if !rotation.rotated.is_empty() {
                let ids = |list: &[(PoolId, PoolName)]| list.iter().map(|(id, _)| *id).collect();
                let (rotated, unreadable) = (ids(&rotation.rotated), ids(&rotation.unreadable));
                let after = Snapshot::Rotation(RotationSnapshot { rotated, unreadable });
                change.audit(Action::RotateSecret, Subject::Config, None, Some(after))?;
            }
            Ok(rotation)
        };
        self.context.publisher.change(actor, rotate).await
    }

    /// Whether what is stored is what is to be stored.
    fn is(&self, stored: &Credential, new: &NewCredential) -> bool {
        stored.endpoint_url.as_deref() == new.endpoint.as_ref().map(Endpoint::as_str)
            && stored.region == new.region.as_str()
            && self.context.keyring.open(stored).is_ok_and(|keys| keys == new.keys)
    }

    fn shown(&self, stored: &Credential) -> Result<PoolCredential, ServiceError> {
        let (access_key_masked, problem) = match self.context.keyring.open(stored) {
            Ok(keys) => {
                // The keys are right, but 0.4.x took any endpoint and region.
                let unusable = self.context.keyring.site(Vec::new(), Some(stored)).err();
                (keys.access_key.secret().to_string(), unusable.map(|unusable| unusable.to_string()))
            }
            Err(Unusable::Sealed(CipherError::NoKey)) => return Err(CipherError::NoKey.into()),
            Err(unusable) => (UNREADABLE.to_owned(), Some(unusable.to_string())),
        };
        Ok(PoolCredential {
            pool_id: stored.pool_id,
            access_key_masked,
            endpoint_url: stored.endpoint_url.clone(),
            region: stored.region.clone(),
            source: KeySource::Pool,
            created_at: Some(stored.created_at),
            updated_at: Some(stored.updated_at),
            problem,
        })
    }

    fn snapshot(&self, stored: &Credential) -> Snapshot {
        Snapshot::Credential(CredentialSnapshot {
            access_key_masked: match self.context.keyring.open(stored) {
                Ok(keys) => keys.access_key.secret().to_string(),
                Err(_) => UNREADABLE.to_owned(),
            },
            endpoint_url: stored.endpoint_url.clone(),
            region: stored.region.clone(),
        })
    }
}

fn subject(id: PoolId) -> Subject {
    Subject::Entity(EntityKind::Pool, id.0)
}

fn nanio_pool(tx: &mut dyn Tx, id: PoolId) -> Result<Pool, ServiceError> {
    let pool = pools::find(tx, id)?;
    if pool.kind == PoolKind::Nanio {
        return Ok(pool);
    }
    Err(ServiceError::Rejected(format!(
        "Credentials are for pools of type nanio only; pool {} is of type {}",
        pool.name,
        pool.kind.as_str()
    )))
}
