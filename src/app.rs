//! The composition root: settings in, a running server or the use cases of one command out.

use std::future::Future;
use std::io;
use std::sync::Arc;

use poem::listener::{Listener, TcpListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use crate::adapters::clock::SystemClock;
use crate::adapters::http::{self, HttpOptions};
use crate::adapters::nginx::command::{NginxCommand, Sudo};
use crate::adapters::nginx::gateway::NginxGateway;
use crate::adapters::process_lock::{LockError, ProcessLock};
use crate::adapters::s3::NodeStorage;
use crate::adapters::settings::{EnvSettings, Systemd};
use crate::adapters::store::{OpenError, PostgresStore, SqliteStore};
use crate::config::{NginxSudo, Settings};
use crate::domain::audit::NginxAnswer;
use crate::domain::services::settings::Settings as SettingsService;
use crate::domain::services::{ServiceError, Services};
use crate::fault::point;
use crate::ports::clock::Clock;
use crate::ports::gateway::{Gateway, GatewayError, Recovery};
use crate::ports::object_storage::StorageError;
use crate::ports::store::Store;

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
    /// S3 cannot be spoken.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What a crash interrupted cannot be made good.
    #[error("an interrupted change could not be completed: {0}")]
    Recovery(#[source] ServiceError),
}

/// Why the server did not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The use cases could not be brought up.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {source}; change NANIO_ORCHESTRATOR_HOST or NANIO_ORCHESTRATOR_PORT, or end what uses it"
    )]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The server broke off.
    #[error("the HTTP server ended: {0}")]
    Http(#[source] io::Error),
    /// Signals cannot be received, so the server could not be stopped in order.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// The server could not start. Nothing was changed.
pub async fn serve(settings: Settings) -> Result<(), ServeError> {
    let stop = stop_signal().map_err(ServeError::Signals)?;
    serve_until(settings, stop).await
}

/// Serves until `stop` resolves; then requests and the change under way end in order.
///
/// # Errors
/// The server could not start. Nothing was changed.
pub async fn serve_until(
    settings: Settings,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let address = settings.listen_address();
    let Running { services, changes, store, clock, lock: _lock } =
        start(&settings, &format!("serves {address}")).await?;
    let listener = TcpListener::bind(&address).into_acceptor().await;
    let listener = listener.map_err(|source| ServeError::Listen { address: address.clone(), source })?;
    crate::adapters::cli::say(&format!("nanio-orchestrator {} starting on {address}", env!("CARGO_PKG_VERSION")));

    let app = http::app(Arc::new(services), http_options(&settings, clock, store));
    let served = http::run(listener, app, stop).await.map_err(ServeError::Http);
    // The application is gone, and with it every publisher.
    last_changes(changes).await;
    served
}

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
    services: Services,
    /// Makes the changes; ends when the last publisher is gone.
    changes: JoinHandle<()>,
    store: Store,
    clock: Arc<dyn Clock>,
    lock: ProcessLock,
}

/// Takes the lock, opens what the settings name, and makes good what a crash interrupted.
async fn start(settings: &Settings, purpose: &str) -> Result<Running, StartError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let lock = ProcessLock::take(&settings.db_path, purpose, clock.now())?;
    point("start.locked");
    let store = store(settings).await?;
    point("start.database");
    let gateway = gateway(settings).await?;
    point("start.gateway");
    let storage = Arc::new(NodeStorage::new(global_keys(settings))?);
    let own = own_settings(settings, store.clone(), clock.clone());
    let (services, changes) = Services::new(store.clone(), gateway, storage, clock.clone(), own);
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
    Ok(Running { services, changes: tokio::spawn(changes.run()), store, clock, lock })
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

async fn gateway(settings: &Settings) -> Result<Arc<dyn Gateway>, GatewayError> {
    let (root, allow_raw) = (&settings.nginx_config_dir, settings.allow_raw_directives);
    if settings.dev {
        return Ok(Arc::new(NginxGateway::dry_run(root, allow_raw)?));
    }
    let sudo = match settings.nginx_sudo {
        NginxSudo::Auto => Sudo::Auto,
        NginxSudo::Always => Sudo::Always,
        NginxSudo::Never => Sudo::Never,
    };
    let command = NginxCommand::new(settings.nginx_bin.clone(), settings.nginx_conf.clone(), sudo);
    Ok(Arc::new(NginxGateway::real(root, command, allow_raw).await?))
}

/// The settings of the program itself, as it was started.
fn own_settings(settings: &Settings, store: Store, clock: Arc<dyn Clock>) -> SettingsService {
    let (file, manager) = (EnvSettings::new(settings.sources()), Systemd::new(settings.dev));
    SettingsService::new(store, Arc::new(file), Arc::new(manager), clock)
}

fn global_keys(settings: &Settings) -> Option<(String, String)> {
    let (access, secret) = (settings.s3_access_key.as_ref()?, settings.s3_secret_key.as_ref()?);
    Some((access.reveal().to_owned(), secret.reveal().to_owned()))
}

fn http_options(settings: &Settings, clock: Arc<dyn Clock>, store: Store) -> HttpOptions {
    HttpOptions {
        api_key: settings.api_key.reveal().to_owned(),
        session_ttl: settings.session_ttl.as_secs(),
        dev: settings.dev,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        nginx_config_dir: settings.nginx_config_dir.display().to_string(),
        host: std::fs::read_to_string("/etc/hostname").unwrap_or_default().trim().to_owned(),
        clock,
        store,
    }
}

/// Resolves at the first SIGTERM or SIGINT from now on.
///
/// # Errors
/// The signals cannot be received.
pub fn stop_signal() -> io::Result<impl Future<Output = ()> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests;
