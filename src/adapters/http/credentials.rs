//! `/api/pools/{pool_id}/credentials`, and the change of the key that encrypts them.

use std::sync::Arc;

use poem_openapi::OpenApi;

use super::api::Group;
use super::auth::Caller;
use super::body::JsonBody;
use super::error::{Acting, Changing, Failure, Having, Removing};
use super::fields::{Fields, Request};
use super::params::Path;
use super::reply::Shown;
use super::schema::view;
use super::values::Blankable;
use crate::domain::credential::{Credential, KeySource, Keys, Region};
use crate::domain::ids::PoolId;
use crate::domain::pool::PoolName;
use crate::domain::services::Services;
use crate::domain::services::credentials::{NewCredential, PoolCredential, Rotation};
use crate::domain::time::Timestamp;

view! {
    /// The S3 keys that requests to a pool are signed with, as far as they may be shown.
    CredentialView as "Credentials" {
        /// The pool.
        pool_id: i64,
        /// The first four characters of the access key and `****`; `(not set)` if there is none, `(unreadable)` if it cannot be decrypted.
        access_key_masked: String,
        /// Where to reach the pool's S3 service; null: at its members.
        endpoint_url: Option<String>,
        /// The region that requests are signed for.
        region: String,
        /// Whose keys they are: the pool's own, or the global ones of the settings.
        source: KeySource,
        /// When the pool's own were first stored, UTC, `YYYY-MM-DD HH:MM:SS`.
        created_at: Option<String>,
        /// When they were last replaced, UTC.
        updated_at: Option<String>,
        /// Why they cannot be used, and what to do; null: nothing is known against them.
        problem: Option<String>,
    }
}

view! {
    /// The keys are removed.
    RemovedView as "RemovedCredentials" {
        /// True.
        ok: bool,
        /// The pool.
        pool_id: i64,
    }
}

view! {
    /// A pool.
    PoolRef as "PoolRef" {
        /// Its identity.
        pool_id: i64,
        /// Its name.
        pool_name: String,
    }
}

view! {
    /// What became of the stored keys.
    RotationView as "Rotation" {
        /// Whether every stored key is now encrypted with the first key of `SECRET`: the others can go.
        ok: bool,
        /// Pools whose keys were encrypted anew.
        rotated: Vec<PoolRef>,
        /// Pools whose keys were encrypted with the first key already.
        current: Vec<PoolRef>,
        /// Pools whose keys no key of `SECRET` decrypts; they stay as they were.
        unreadable: Vec<PoolRef>,
    }
}

impl From<PoolCredential> for CredentialView {
    fn from(credential: PoolCredential) -> Self {
        Self {
            pool_id: credential.pool_id.0,
            access_key_masked: credential.access_key_masked,
            endpoint_url: credential.endpoint_url,
            region: credential.region,
            source: credential.source,
            created_at: credential.created_at.map(Timestamp::sql),
            updated_at: credential.updated_at.map(Timestamp::sql),
            problem: credential.problem,
        }
    }
}

impl From<Rotation> for RotationView {
    fn from(rotation: Rotation) -> Self {
        let refs = |list: Vec<(PoolId, PoolName)>| {
            list.into_iter().map(|(id, name)| PoolRef { pool_id: id.0, pool_name: name.as_str().to_owned() }).collect()
        };
        Self {
            ok: rotation.unreadable.is_empty(),
            rotated: refs(rotation.rotated),
            current: refs(rotation.current),
            unreadable: refs(rotation.unreadable),
        }
    }
}

const ACCESS_KEY: &str = "The access key: visible ASCII characters without commas.";
const SECRET_KEY: &str = "The secret key. No answer and no log ever holds it.";
const ENDPOINT_URL: &str = "Where to reach the pool's S3 service, if not at its members: `http://` or `https://`.";
const REGION: &str = "The region that requests are signed for.";

impl Request for NewCredential {
    const NAME: &'static str = "NewCredentials";
    const ABOUT: &'static str = "S3 keys of a pool, in place of those that it has.";
    const HIDDEN: &'static [&'static str] = &["access_key", "secret_key"];

    fn read(fields: &mut Fields) -> Option<Self> {
        let access_key = fields.required("access_key", ACCESS_KEY);
        let secret_key = fields.required("secret_key", SECRET_KEY);
        let endpoint = Blankable::settle(fields.clearable("endpoint_url", ENDPOINT_URL)).flatten();
        let region = fields.defaulted("region", REGION, Region::default(), Credential::DEFAULT_REGION);
        Some(Self { keys: Keys { access_key: access_key?, secret_key: secret_key? }, endpoint, region: region? })
    }
}

/// The operations on credentials.
pub struct CredentialsApi(pub Arc<Services>);

#[OpenApi]
impl CredentialsApi {
    /// Get the S3 keys of a pool
    ///
    /// Masked: those that requests to the pool are signed with, be they its own or the global ones. nanio pools only.
    #[oai(
        path = "/pools/:pool_id/credentials",
        method = "get",
        operation_id = "get_credentials",
        tag = "Group::Credentials"
    )]
    async fn get(
        &self,
        _caller: Caller,
        /// The pool.
        pool_id: Path<PoolId>,
    ) -> Result<Shown<CredentialView>, Failure<Having>> {
        Ok(Shown(self.0.credentials.get(pool_id.0).await?.into()))
    }

    /// Store or replace the S3 keys of a pool
    ///
    /// Encrypted with the first key of the setting `SECRET`, without which the answer is 500. nanio pools only.
    #[oai(
        path = "/pools/:pool_id/credentials",
        method = "put",
        operation_id = "set_credentials",
        tag = "Group::Credentials"
    )]
    async fn set(
        &self,
        caller: Caller,
        /// The pool.
        pool_id: Path<PoolId>,
        new: JsonBody<NewCredential>,
    ) -> Result<Shown<CredentialView>, Failure<Changing>> {
        Ok(Shown(self.0.credentials.set(caller.0, pool_id.0, new.0).await?.into()))
    }

    /// Remove the S3 keys of a pool
    ///
    /// The global keys are used from then on. 404 if the pool has none. nanio pools only.
    #[oai(
        path = "/pools/:pool_id/credentials",
        method = "delete",
        operation_id = "remove_credentials",
        tag = "Group::Credentials"
    )]
    async fn remove(
        &self,
        caller: Caller,
        /// The pool.
        pool_id: Path<PoolId>,
    ) -> Result<Shown<RemovedView>, Failure<Removing>> {
        self.0.credentials.remove(caller.0, pool_id.0).await?;
        Ok(Shown(RemovedView { ok: true, pool_id: pool_id.0.0 }))
    }

    /// Encrypt all S3 keys with the first key of `SECRET`
    ///
    /// To change the key: put the new one in front of the old one (`SECRET=new,old`), restart, call this, and take
    /// the old one out. All keys and sidecars are written in one change. `ok` is false if some could not be read.
    #[oai(
        path = "/config/settings/rotate-secret",
        method = "post",
        operation_id = "rotate_secret",
        tag = "Group::Credentials"
    )]
    async fn rotate(&self, caller: Caller) -> Result<Shown<RotationView>, Failure<Acting>> {
        Ok(Shown(self.0.credentials.rotate(caller.0).await?.into()))
    }
}
