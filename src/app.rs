//! The composition root: settings in, a running server or the use cases of one command out.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::adapters::background::{Background, First, Rhythm};
use crate::adapters::certificates::PemFiles;
use crate::adapters::clock::{SystemClock, SystemTimer};
use crate::adapters::fernet::FernetCipher;
use crate::adapters::migration_files::MigrationDirectory;
use crate::adapters::nginx::command::{NginxCommand, Sudo};
use crate::adapters::nginx::gateway::NginxGateway;
use crate::adapters::node_files::NodeTemplates;
use crate::adapters::process_lock::{LockError, ProcessLock};
use crate::adapters::rclone::{Limits, RcloneCopier};
use crate::adapters::revision_files::RevisionDirectory;
use crate::adapters::s3::{NoClient, NodeStorage};
use crate::adapters::settings::{EnvSettings, Systemd};
use crate::adapters::store::{
    OpenError, PostgresBackup, PostgresStore, RestoreError, Restored, SqliteBackup, SqliteStore,
};
use crate::config::{NginxSudo, Settings, variable};
use crate::domain::audit::NginxAnswer;
use crate::domain::credential::Keys;
use crate::domain::invalid::Invalid;
use crate::domain::services::keyring::Keyring;
use crate::domain::services::migrations::Settings as MigrationSettings;
use crate::domain::services::settings::Settings as SettingsService;
use crate::domain::services::{Ports, ServiceError, Services};
use crate::fault::point;
use crate::ports::backup::{Backup, Means};
use crate::ports::clock::Clock;
use crate::ports::copier::{Copier as _, CopierError};
use crate::ports::gate::{Gate, GateError};
use crate::ports::gateway::{Gateway, GatewayError, Recovery};
use crate::ports::store::Store;

mod gate;
mod ground;
mod machine;
mod rebuild;
mod serve;
mod watchdog;

pub use gate::release;
use gate::{GateChoice, release_held};
pub use ground::{NoGateway, expect_gateway};
pub use machine::{MainFile, Named, main_file, named_by_files, with_includes};
pub use rebuild::{RebuildFault, Rebuilt, is_former_database, preview_rebuild, rebuild_db};
pub use serve::{ServeError, serve, serve_until, stop_signal};

/// Why the use cases could not be brought up. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process works on the same data, or the data directory cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The managed directory cannot be used.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// Nobody could answer nginx about held writes.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The global S3 keys cannot be used.
    #[error("{variable}: {invalid}")]
    Keys {
        /// Which of them.
        variable: String,
        /// The rule it broke.
        invalid: Invalid,
    },
    /// S3 cannot be spoken.
    #[error(transparent)]
    Storage(#[from] NoClient),
    /// What a crash left running goes on copying.
    #[error(transparent)]
    Copier(#[from] CopierError),
    /// What a crash interrupted cannot be made good.
    #[error("an interrupted change could not be completed: {0}")]
    Recovery(#[source] ServiceError),
}

/// Why the database was not restored from a copy.
#[derive(Debug, thiserror::Error)]
pub enum RestoreFault {
    /// A server runs, or the data directory cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The copy or its new place cannot be used.
    #[error(transparent)]
    Copy(#[from] RestoreError),
    /// The database is not a file of this machine.
    #[error(
        "the database is PostgreSQL (NANIO_ORCHESTRATOR_DATABASE_URL), which only its own server restores: use \
         pg_restore, or recovery to a point in time; nothing was changed"
    )]
    Elsewhere,
}

/// How often the audit log is looked through for entries that are too old.
const RETENTION_PERIOD: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Does `work` with the use cases and without a server: for a command, while no server runs on the same data.
/// `purpose` is what others are told who find the data in use.
///
/// As at the start of a server, what a crash interrupted is made good first. When this returns, every change that
/// `work` asked for has been made or refused, and the data is free again.
///
/// # Errors
/// [`StartError::Lock`] with [`LockError::Busy`] when a server or another command has the data; or the use cases
/// could not be brought up. `work` was not called.
pub async fn offline<T>(
    settings: &Settings,
    purpose: &str,
    work: impl AsyncFnOnce(&Services) -> T,
) -> Result<T, StartError> {
    let Running { services, changes, lock: _lock, .. } = start(settings, purpose).await?;
    let done = work(&services).await;
    drop(services);
    last_changes(changes).await;
    Ok(done)
}

/// Has nginx test what is on disk, without the database and while no server runs on the same data.
///
/// # Errors
/// As [`offline`], but for the database.
pub async fn validate(settings: &Settings) -> Result<NginxAnswer, StartError> {
    let _lock = ProcessLock::take(&settings.db_path, "config validate", SystemClock.now())?;
    Ok(gateway(settings).await?.validate().await)
}

/// The use cases at work, and the lock that makes them the only ones on their data.
struct Running {
    services: Arc<Services>,
    /// Makes the changes; ends when the last publisher is gone.
    changes: JoinHandle<()>,
    store: Store,
    clock: Arc<dyn Clock>,
    gate: GateChoice,
    lock: ProcessLock,
}

/// Takes the lock, opens what the settings name, and makes good what a crash interrupted.
async fn start(settings: &Settings, purpose: &str) -> Result<Running, StartError> {
    let lock = ProcessLock::take(&settings.db_path, purpose, SystemClock.now())?;
    // Before anything else: nobody is there to decide about held writes, and every moment of it costs clients.
    release_held(&settings.migration_gate_dir);
    start_locked(settings, lock).await
}

/// As [`start`], when the lock is taken already.
async fn start_locked(settings: &Settings, lock: ProcessLock) -> Result<Running, StartError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    point("start.locked");
    let store = store(settings).await?;
    point("start.database");
    let gateway = gateway(settings).await?;
    point("start.gateway");
    // Before any step of a migration: a copier of an earlier life would write what is no longer true.
    match copier(settings).end_leftovers().await? {
        0 => {}
        count => tracing::warn!(count, "copiers were at work when an earlier run ended; none of them is any more"),
    }
    let gate = gate::gate(settings).await?;
    let ports = ports(settings, store.clone(), gateway, gate.port())?;
    let (services, changes) = Services::new(ports);
    match services.settings.recover().await.map_err(StartError::Recovery)? {
        Recovery::Clean => {}
        Recovery::RolledForward => tracing::warn!("a change of a setting that was interrupted was completed"),
        Recovery::RolledBack => tracing::warn!("a change of a setting that was interrupted was taken back"),
    }
    match changes.recover().await.map_err(StartError::Recovery)? {
        Recovery::Clean => {}
        Recovery::RolledForward => tracing::warn!("a change that was interrupted after its commit was completed"),
        Recovery::RolledBack => tracing::warn!("a change that was interrupted before its commit was taken back"),
    }
    point("start.recovered");
    if services.restore.keep_ids().await.map_err(StartError::Recovery)? {
        tracing::warn!(
            "the database is empty, but the managed directory holds the files of a gateway: 'nanio-orchestrator \
             rebuild-db --dry-run' lists what a new database would hold"
        );
    }
    if let Err(error) = services.backups.settle().await {
        // The gateway does not wait for the place of the copies.
        tracing::warn!(%error, "backups of the database cannot be made as things are");
    }
    Ok(Running { services: Arc::new(services), changes: tokio::spawn(changes.run()), store, clock, gate, lock })
}

/// The adapters that the settings ask for, around a database and a gateway.
fn ports(
    settings: &Settings,
    store: Store,
    gateway: Arc<dyn Gateway>,
    gate: Arc<dyn Gate>,
) -> Result<Ports, StartError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Ok(Ports {
        gateway,
        gate,
        storage: Arc::new(NodeStorage::new(settings.s3_request_timeout)?),
        migrations: Arc::new(MigrationDirectory::beside(&settings.db_path)),
        revisions: Arc::new(RevisionDirectory::beside(&settings.db_path, settings.revision_retention)),
        certificates: Arc::new(PemFiles),
        node_files: Arc::new(NodeTemplates::new()),
        backup: backup(settings),
        keyring: keyring(settings)?,
        copier: Arc::new(copier(settings)),
        migration_settings: migration_settings(settings),
        timer: Arc::new(SystemTimer::default()),
        settings: own_settings(settings, store.clone(), clock.clone()),
        store,
        clock,
    })
}

/// Waits until the last change is made.
async fn last_changes(changes: JoinHandle<()>) {
    if let Err(error) = changes.await {
        tracing::error!(%error, "the last changes were cut short; the next start completes or reverts them");
    }
}

/// The database that the settings name. Opened under the process lock, so that nobody else is at work on it.
async fn store(settings: &Settings) -> Result<Store, OpenError> {
    Ok(match &settings.database_url {
        Some(url) => Store::new(Arc::new(PostgresStore::connect(url.reveal()).await?)),
        None => Store::new(Arc::new(SqliteStore::open(&settings.db_path)?)),
    })
}

/// How that database is backed up.
fn backup(settings: &Settings) -> Arc<dyn Backup> {
    match &settings.database_url {
        Some(_) => Arc::new(PostgresBackup),
        None => {
            let path = settings.backup_path();
            Arc::new(SqliteBackup::new(&settings.db_path, &path, settings.db_backup_rotate))
        }
    }
}

/// How migrations are made.
fn migration_settings(settings: &Settings) -> MigrationSettings {
    MigrationSettings {
        max_parallel: settings.migration_max_parallel,
        max_copy_passes: settings.migration_max_copy_passes,
        hold_target: settings.migration_hold_target_ms,
        max_hold: settings.migration_max_hold,
        drain_timeout: settings.migration_drain_timeout,
        cutover_attempts: settings.migration_cutover_attempts,
        multipart_wait: settings.migration_multipart_wait,
        settle_wait: settings.migration_settle_wait,
        worker_wait: settings.migration_worker_wait,
    }
}

/// How often each member is looked at.
const REACH_PERIOD: Duration = Duration::from_secs(10);

/// Everything that runs by itself. A loop more is one paragraph more.
fn start_loops(services: &Services, settings: &Settings, clock: Arc<dyn Clock>) -> Background {
    let mut background = Background::new(clock, services.loops.clone());

    if let Means::Copies { .. } = services.backups.means() {
        let backups = services.backups.clone();
        let trigger = backups.wanted();
        let period = settings.db_backup_interval;
        background.start(Rhythm { name: "backup", period, first: First::AfterOnePeriod, trigger }, move || {
            let backups = backups.clone();
            async move {
                match backups.catch_up().await {
                    Ok(Some(taken)) if taken.fresh => Ok(format!("copied {} bytes to {}", taken.bytes, taken.path)),
                    Ok(_) => Ok("nothing was written since the newest copy".to_owned()),
                    Err(error) => Err(error.to_string()),
                }
            }
        });
    }

    let (watch, trigger) = (services.drift.clone(), Arc::new(Notify::new()));
    let period = settings.drift_interval;
    background.start(Rhythm { name: "drift", period, first: First::Now, trigger }, move || {
        let watch = watch.clone();
        async move {
            match watch.look().await.map_err(|error| error.to_string())?.len() {
                0 => Ok("every file is as it was written".to_owned()),
                count => Ok(format!("{count} files are not as they were written")),
            }
        }
    });

    let (buckets, trigger) = (services.buckets.clone(), Arc::new(Notify::new()));
    let period = settings.bucket_sync_interval;
    background.start(Rhythm { name: "bucket_sync", period, first: First::Now, trigger }, move || {
        let buckets = buckets.clone();
        async move {
            let round = buckets.sync_all().await.map_err(|error| error.to_string())?;
            let asked: Vec<String> =
                round.faults.iter().map(|fault| format!("; pool {}: {}", fault.name, fault.why)).collect();
            Ok(format!("{} vhosts, {} buckets changed{}", round.vhosts, round.changed, asked.concat()))
        }
    });

    let (reach, trigger) = (services.reachability.clone(), Arc::new(Notify::new()));
    background.start(Rhythm { name: "reachability", period: REACH_PERIOD, first: First::Now, trigger }, move || {
        let reach = reach.clone();
        async move {
            let sight = reach.look().await.map_err(|error| error.to_string())?;
            Ok(format!("{} of {} members cannot be reached", sight.unreachable, sight.members))
        }
    });

    if settings.audit_retention_days > 0 {
        let (audit, age) = (services.audit.clone(), DAY * settings.audit_retention_days);
        let (period, trigger) = (RETENTION_PERIOD, Arc::new(Notify::new()));
        background.start(Rhythm { name: "audit_retention", period, first: First::Now, trigger }, move || {
            let audit = audit.clone();
            async move {
                let removed = audit.forget_older_than(age).await.map_err(|error| error.to_string())?;
                Ok(format!("removed {removed} audit entries"))
            }
        });
    }

    background
}

/// Puts a copy in the place of the database, while no server runs.
///
/// # Errors
/// A server runs, or the copy cannot be used; then nothing was changed.
pub fn restore_db(settings: &Settings, copy: &Path) -> Result<Restored, RestoreFault> {
    if settings.database_url.is_some() {
        return Err(RestoreFault::Elsewhere);
    }
    let now = SystemClock.now();
    let _lock = ProcessLock::take(&settings.db_path, "restores a copy of the database", now)?;
    Ok(crate::adapters::store::restore(&settings.db_path, copy, now)?)
}

/// What copies buckets. Its records are beside the database, whose lock protects them.
fn copier(settings: &Settings) -> RcloneCopier {
    let limits = Limits {
        checkers: settings.migration_checkers,
        transfers: settings.migration_transfers,
        bandwidth: settings.migration_bandwidth_limit.clone(),
    };
    RcloneCopier::new(settings.rclone_path.clone(), limits, &settings.db_path)
}

async fn gateway(settings: &Settings) -> Result<Arc<dyn Gateway>, GatewayError> {
    let (root, allow_raw) = (&settings.nginx_config_dir, settings.allow_raw_directives);
    if settings.dev {
        return Ok(Arc::new(NginxGateway::dry_run(root, allow_raw)?.with_gate_dir(&settings.migration_gate_dir)?));
    }
    let gateway = NginxGateway::real(root, nginx_command(settings), allow_raw).await?;
    Ok(Arc::new(gateway.with_gate_dir(&settings.migration_gate_dir)?))
}

fn nginx_command(settings: &Settings) -> NginxCommand {
    let sudo = match settings.nginx_sudo {
        NginxSudo::Auto => Sudo::Auto,
        NginxSudo::Always => Sudo::Always,
        NginxSudo::Never => Sudo::Never,
    };
    NginxCommand::new(settings.nginx_bin.clone(), settings.nginx_conf.clone(), sudo)
}

/// The settings of the program itself, as it was started.
fn own_settings(settings: &Settings, store: Store, clock: Arc<dyn Clock>) -> SettingsService {
    let (file, manager) = (EnvSettings::new(settings.sources()), Systemd::new(settings.dev));
    SettingsService::new(store, Arc::new(file), Arc::new(manager), clock)
}

fn keyring(settings: &Settings) -> Result<Keyring, StartError> {
    let global = match (&settings.s3_access_key, &settings.s3_secret_key) {
        (Some(access_key), Some(secret_key)) => Some(
            Keys::parse(access_key.reveal(), secret_key.reveal())
                .map_err(|(name, invalid)| StartError::Keys { variable: variable(&format!("s3_{name}")), invalid })?,
        ),
        _ => None,
    };
    Ok(Keyring::new(Arc::new(FernetCipher::new(settings.secret.as_ref())), global))
}

#[cfg(test)]
mod tests;
