//! The audit log: who changed what, when, and what nginx said to it.

use serde::Serialize;

use super::ids::{AuditId, EntityKind, PoolId};
use super::invalid::words;
use super::pool::{Member, Pool};
use super::route::Route;
use super::time::Timestamp;
use super::vhost::Vhost;

words!(
    /// Who asked for a change.
    Actor {
        /// A client with the API key.
        Api = "api",
        /// A browser session.
        Web = "web",
        /// A command on the gateway machine.
        Cli = "cli",
        /// The program itself.
        Engine = "engine",
    }
);

words!(
    /// What was done.
    Action {
        /// Made.
        Create = "create",
        /// Changed.
        Update = "update",
        /// Removed.
        Delete = "delete",
        /// nginx was told to load its configuration.
        ManualReload = "manual_reload",
        /// Every file was written anew from the database.
        Rebuild = "rebuild",
        /// The S3 keys of a pool were stored or replaced.
        SetCredentials = "set_credentials",
        /// They were removed.
        RemoveCredentials = "remove_credentials",
        /// All S3 keys were encrypted with the present key.
        RotateSecret = "rotate_secret",
    }
);

/// An entity as it was before or after a change; serialised as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Snapshot {
    /// A pool.
    Pool(Pool),
    /// A pool member.
    Member(Member),
    /// A vhost.
    Vhost(Vhost),
    /// A route.
    Route(Route),
    /// The S3 keys of a pool, as far as they may be shown.
    Credential(CredentialSnapshot),
    /// What became of all S3 keys.
    Rotation(RotationSnapshot),
}

/// S3 keys without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CredentialSnapshot {
    /// The beginning of the access key.
    pub access_key_masked: String,
    /// Where to reach the pool's S3 service, if not at its members.
    pub endpoint_url: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
}

/// Whose S3 keys were encrypted anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RotationSnapshot {
    /// Pools whose keys were.
    pub rotated: Vec<PoolId>,
    /// Pools whose keys no present key decrypts; they stay as they were.
    pub unreadable: Vec<PoolId>,
}

/// What nginx answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NginxAnswer {
    /// Whether it accepted.
    pub ok: bool,
    /// Its own words.
    pub output: String,
}

/// The thing an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// An entity of the gateway.
    Entity(EntityKind, i64),
    /// The configuration as a whole.
    Config,
}

impl Subject {
    /// `entity_type` and `entity_id` of the wire form.
    #[must_use]
    pub fn columns(self) -> (&'static str, Option<i64>) {
        match self {
            Subject::Entity(kind, id) => (kind.noun(), Some(id)),
            Subject::Config => ("config", None),
        }
    }
}

/// An entry to be written, in the transaction of the change it tells of.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEntry {
    /// Who.
    pub actor: Actor,
    /// Did what.
    pub action: Action,
    /// To what.
    pub subject: Subject,
    /// Before.
    pub before: Option<Snapshot>,
    /// After.
    pub after: Option<Snapshot>,
    /// nginx's answer, if it was asked.
    pub nginx: Option<NginxAnswer>,
    /// When.
    pub at: Timestamp,
}

/// An entry as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Identity; higher is later.
    pub id: AuditId,
    /// Who.
    pub actor: String,
    /// Did what.
    pub action: String,
    /// To what kind of thing.
    pub entity_type: String,
    /// Which one.
    pub entity_id: Option<i64>,
    /// JSON of it before.
    pub before_json: Option<String>,
    /// JSON of it after.
    pub after_json: Option<String>,
    /// nginx's answer, if it was asked.
    pub nginx: Option<NginxAnswer>,
    /// When.
    pub created_at: Timestamp,
}

/// Which entries to read, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only about this kind of thing.
    pub entity_type: Option<String>,
    /// Only about this one.
    pub entity_id: Option<i64>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Not after.
    pub to: Option<Timestamp>,
    /// How many to pass over.
    pub skip: u64,
    /// How many to read.
    pub take: u64,
}
