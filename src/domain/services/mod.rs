//! Use cases. Each takes domain values, depends on ports only, and says in domain words what went wrong.

pub mod absorb;
pub mod audit_log;
pub mod backups;
pub mod buckets;
pub mod certificates;
pub mod config;
pub mod credentials;
pub mod drift;
pub mod explain;
mod files;
mod guard;
pub mod health;
pub mod history;
pub mod jobs;
pub mod keyring;
mod known;
pub mod loops;
pub mod manifests;
pub mod members;
pub mod migrations;
pub mod node_configs;
pub mod operations;
pub mod pool_buckets;
pub mod pools;
pub mod publish;
pub mod purges;
pub mod reachability;
pub mod relocation;
pub mod restore;
pub mod rollback;
pub mod routes;
mod serving;
pub mod settings;
mod sidecars;
pub mod topology;
mod touched;
pub mod vhosts;

use std::sync::Arc;

use crate::domain::ids::Revision;
use crate::domain::invalid::Invalid;
use crate::domain::manifest;
use crate::domain::vhost::Snippet;
use crate::ports::backup::Backup;
use crate::ports::certificates::Certificates as CertificateReader;
use crate::ports::cipher::CipherError;
use crate::ports::clock::Clock;
use crate::ports::copier::Copier;
use crate::ports::gate::{Gate, GateError};
use crate::ports::gateway::{Gateway, GatewayError};
use crate::ports::migration_files::{MigrationFiles, MigrationFilesError};
use crate::ports::node_files::NodeFiles;
use crate::ports::object_storage::{ObjectStorage, StorageError};
use crate::ports::revisions::{Revisions, RevisionsError};
use crate::ports::settings_file::SettingsFileError;
use crate::ports::store::{Store, StoreError};
use crate::ports::timer::Timer;

use absorb::Absorb;
use audit_log::AuditLog;
use backups::Backups;
use buckets::Buckets;
use certificates::Certificates;
use config::Config;
use credentials::Credentials;
use drift::Drift;
use explain::Explain;
use health::Health;
use history::History;
use jobs::{JobDesk, Jobs};
use keyring::{Keyring, Unusable};
use loops::Loops;
use manifests::Manifests;
use members::Members;
use migrations::{Means, Migrations, Settings as MigrationSettings};
use node_configs::NodeConfigs;
use operations::Operations;
use pool_buckets::PoolBucketsOf;
use pools::Pools;
use publish::{PublishLoop, Publisher};
use purges::Purges;
use reachability::Reachability;
use relocation::Relocation;
use restore::Restore;
use rollback::Rollback;
use routes::Routes;
use settings::Settings;
use topology::Overview;
use vhosts::Vhosts;

/// Why a use case did not do what it was asked. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// The thing that is addressed does not exist; the noun, as in `Pool`.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// What is addressed by something else than an id is not there, in a sentence.
    #[error("{0}")]
    Missing(String),
    /// The request contradicts what is there, such as a pool that does not exist.
    #[error("{0}")]
    Rejected(String),
    /// Something else stands in the way, such as a name that is taken.
    #[error("{0}")]
    Conflict(String),
    /// nginx refused, or the domain in its place.
    #[error("{0}")]
    Refused(String),
    /// A document is wrong, in these places.
    #[error("{}", told(.0))]
    Manifest(Vec<manifest::Fault>),
    /// Of several operations these, by their place in the list, are refused.
    #[error("{}", .0.iter().map(|(index, why)| format!("operation {index}: {why}")).collect::<Vec<_>>().join("\n"))]
    Operations(Vec<(usize, ServiceError)>),
    /// The caller knows an older revision than the present one; the noun, as in `Pool`.
    #[error("{0} was changed by someone else: read it again, then repeat the change")]
    Stale(&'static str),
    /// A single value is not acceptable.
    #[error("{field}: {invalid}")]
    Field {
        /// Its name on the wire.
        field: &'static str,
        /// The rule it broke.
        invalid: Invalid,
        /// The value.
        input: String,
    },
    /// Not for clients of the API, whoever they are.
    #[error("{0}")]
    Forbidden(String),
    /// Not in this place or at this time; nothing is broken.
    #[error("{0}")]
    Unavailable(String),
    /// The settings' file.
    #[error(transparent)]
    SettingsFile(#[from] SettingsFileError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no key to encrypt or decrypt S3 keys with.
    #[error(transparent)]
    Cipher(#[from] CipherError),
    /// Token, journal or gate of a migration.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// nginx, its files, or the machine.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The storage nodes of a pool.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The S3 keys of a pool.
    #[error(transparent)]
    Keys(#[from] Unusable),
    /// The records of migrations.
    #[error(transparent)]
    MigrationFiles(#[from] MigrationFilesError),
    /// The history.
    #[error(transparent)]
    Revisions(#[from] RevisionsError),
}

/// What every use case works with.
#[derive(Clone)]
pub(crate) struct Context {
    pub store: Store,
    pub gateway: Arc<dyn Gateway>,
    pub storage: Arc<dyn ObjectStorage>,
    pub keyring: Keyring,
    pub publisher: Publisher,
}

/// What the use cases need of the world.
pub struct Ports {
    /// The database.
    pub store: Store,
    /// nginx and its files.
    pub gateway: Arc<dyn Gateway>,
    /// Token, journal, gate and workers of a bucket that is moved.
    pub gate: Arc<dyn Gate>,
    /// Storage nodes.
    pub storage: Arc<dyn ObjectStorage>,
    /// The records of migrations.
    pub migrations: Arc<dyn MigrationFiles>,
    /// The history of accepted changes.
    pub revisions: Arc<dyn Revisions>,
    /// Copies buckets.
    pub copier: Arc<dyn Copier>,
    /// How migrations are made.
    pub migration_settings: MigrationSettings,
    /// Time that passes.
    pub timer: Arc<dyn Timer>,
    /// Reads certificates.
    pub certificates: Arc<dyn CertificateReader>,
    /// Writes the files of nodes.
    pub node_files: Arc<dyn NodeFiles>,
    /// Copies of the database.
    pub backup: Arc<dyn Backup>,
    /// The cipher, and the S3 keys of pools that have none of their own.
    pub keyring: Keyring,
    /// The settings of the program, whose use case needs no other port.
    pub settings: Settings,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
}

/// All use cases.
pub struct Services {
    /// Pools.
    pub pools: Pools,
    /// Pool members.
    pub members: Members,
    /// Configuration for storage nodes.
    pub node_configs: NodeConfigs,
    /// Which members can be reached.
    pub reachability: Reachability,
    /// S3 keys of pools.
    pub credentials: Credentials,
    /// What pools hold.
    pub pool_buckets: PoolBucketsOf,
    /// Deletions of what pools hold.
    pub purges: Purges,
    /// Work that goes on after the request that asked for it.
    pub jobs: Jobs,
    /// Vhosts.
    pub vhosts: Vhosts,
    /// Routes.
    pub routes: Routes,
    /// Migrations of buckets.
    pub migrations: Migrations,
    /// Changes of a bucket's pool that take its objects along.
    pub relocation: Relocation,
    /// Buckets of vhosts.
    pub buckets: Buckets,
    /// The configuration as a whole.
    pub config: Config,
    /// The gateway as a document.
    pub manifests: Manifests,
    /// Several operations as one change.
    pub operations: Operations,
    /// Single managed files.
    pub drift: Drift,
    /// Edits on disk that become the database's.
    pub absorb: Absorb,
    /// A lost database, made again from the disk.
    pub restore: Restore,
    /// The settings of the program.
    pub settings: Settings,
    /// The audit log.
    pub audit: AuditLog,
    /// Whether the program is well.
    pub health: Health,
    /// Copies of the database.
    pub backups: Backups,
    /// What runs by itself.
    pub loops: Loops,
    /// Which certificates end soon.
    pub certificates: Certificates,
    /// The gateway at a glance.
    pub overview: Overview,
    /// Where requests go, and why.
    pub explain: Explain,
    /// What was changed.
    pub history: History,
    /// Back to what was there before.
    pub rollback: Rollback,
}

impl Services {
    /// The use cases over these adapters, and the loop that must run for changes to happen.
    #[must_use]
    pub fn new(ports: Ports) -> (Self, PublishLoop) {
        let Ports {
            store,
            gateway,
            storage,
            migrations,
            revisions,
            gate,
            copier,
            migration_settings,
            timer,
            certificates,
            node_files,
            backup,
            settings,
            keyring,
            clock,
        } = ports;
        let (publisher, publish_loop) =
            publish::channel(store.clone(), gateway.clone(), revisions.clone(), clock.clone());
        let context = Context { store: store.clone(), gateway, storage, keyring, publisher };
        let config = Config::new(context.clone(), clock.clone());
        let reachability = Reachability::new(context.clone(), clock.clone());
        let backups = Backups::new(store.clone(), backup, clock.clone());
        let explained = gate.clone();
        let means = Means {
            copier,
            gate,
            files: migrations.clone(),
            clock: clock.clone(),
            timer,
            settings: migration_settings,
        };
        let desk = JobDesk::new(&context, clock.clone());
        let purges = Purges::new(context.clone(), clock.clone(), desk.clone(), migrations.clone());
        let moves = Migrations::new(context.clone(), config.clone(), backups.clone(), means);
        let (routes, buckets) = (Routes::new(context.clone()), Buckets::new(context.clone(), clock.clone()));
        let relocation = Relocation::new(context.clone(), routes.clone(), buckets.clone(), moves.clone());
        let manifests = Manifests::new(context.clone());
        let services = Self {
            pools: Pools::new(context.clone()),
            members: Members::new(context.clone()),
            certificates: Certificates::new(context.clone(), certificates, clock.clone()),
            rollback: Rollback::new(manifests.clone(), revisions.clone()),
            manifests,
            operations: Operations::new(context.clone()),
            overview: Overview::new(context.clone(), reachability.clone()),
            history: History::new(revisions),
            explain: Explain::new(context.clone(), explained),
            reachability,
            credentials: Credentials::new(context.clone()),
            node_configs: NodeConfigs::new(store.clone(), node_files),
            pool_buckets: PoolBucketsOf::new(context.clone()),
            jobs: Jobs::new(desk, purges.clone()),
            purges,
            vhosts: Vhosts::new(context.clone()),
            routes,
            buckets,
            drift: Drift::new(context.clone(), config.clone(), clock.clone()),
            absorb: Absorb::new(context.clone()),
            restore: Restore::new(context.clone(), clock.clone(), migrations),
            relocation,
            migrations: moves,
            config,
            settings,
            audit: AuditLog::new(store, clock.clone()),
            health: Health::new(context, clock),
            backups,
            loops: Loops::default(),
        };
        (services, publish_loop)
    }
}

/// What is wrong with a document, one place a line.
fn told(faults: &[manifest::Fault]) -> String {
    faults.iter().map(|fault| format!("{}: {}", fault.place(), fault.what)).collect::<Vec<_>>().join("\n")
}

/// Refuses a change that was made with an older state in mind.
fn expect_revision(noun: &'static str, expected: Option<Revision>, present: Revision) -> Result<(), ServiceError> {
    match expected {
        Some(revision) if revision != present => Err(ServiceError::Stale(noun)),
        _ => Ok(()),
    }
}

/// A reader names by id alone an entry that is no longer there, so its place in the list is not known.
fn lost_place(noun: &str, id: impl std::fmt::Display, key: &str) -> ServiceError {
    ServiceError::Refused(format!(
        "after: there is no {noun} {id} any more. Give its {key} as after_key too, as the Link header of each page \
         does, or begin again without after"
    ))
}

/// Takes raw directives over after the gateway's lexer has accepted them.
fn checked_snippet(gateway: &dyn Gateway, field: &'static str, text: &str) -> Result<Snippet, ServiceError> {
    let fault = |invalid| ServiceError::Field { field, invalid, input: text.to_owned() };
    let snippet = Snippet::parse(text).map_err(fault)?;
    gateway.check_snippet(snippet.as_str()).map_err(|sentence| fault(Invalid::Rule(sentence)))?;
    Ok(snippet)
}
