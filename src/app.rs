//! The composition root: settings in, a running server out.

use std::future::Future;
use std::io;
use std::sync::Arc;

use poem::listener::{Listener, TcpListener};
use tokio::signal::unix::{SignalKind, signal};

use crate::adapters::clock::SystemClock;
use crate::adapters::fernet::FernetCipher;
use crate::adapters::http::{self, HttpOptions};
use crate::adapters::nginx::command::{NginxCommand, Sudo};
use crate::adapters::nginx::gateway::NginxGateway;
use crate::adapters::process_lock::{LockError, ProcessLock};
use crate::adapters::s3::{NoClient, NodeStorage};
use crate::adapters::store::{OpenError, PostgresStore, SqliteStore};
use crate::config::{NginxSudo, Settings, variable};
use crate::domain::credential::Keys;
use crate::domain::invalid::Invalid;
use crate::domain::services::keyring::Keyring;
use crate::domain::services::{ServiceError, Services};
use crate::fault::point;
use crate::ports::clock::Clock;
use crate::ports::gateway::{Gateway, GatewayError, Recovery};
use crate::ports::store::Store;

/// Why the server did not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another process works on the same data, or the data directory cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The managed directory cannot be used.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
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
    /// What a crash interrupted cannot be made good.
    #[error("an interrupted change could not be completed: {0}")]
    Recovery(#[source] ServiceError),
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
    let clock = Arc::new(SystemClock);
    let address = settings.listen_address();
    let _lock = ProcessLock::take(&settings.db_path, &format!("serves {address}"), clock.now())?;
    point("start.locked");
    let store = store(&settings).await?;
    point("start.database");
    let gateway = gateway(&settings).await?;
    point("start.gateway");
    let storage = Arc::new(NodeStorage::new(settings.s3_request_timeout)?);
    let (services, changes) = Services::new(store.clone(), gateway, storage, keyring(&settings)?, clock.clone());
    match changes.recover().await.map_err(ServeError::Recovery)? {
        Recovery::Clean => {}
        Recovery::RolledForward => tracing::warn!("a change that was interrupted after its commit was completed"),
        Recovery::RolledBack => tracing::warn!("a change that was interrupted before its commit was taken back"),
    }
    point("start.recovered");
    let listener = TcpListener::bind(&address).into_acceptor().await;
    let listener = listener.map_err(|source| ServeError::Listen { address: address.clone(), source })?;
    crate::adapters::cli::say(&format!("nanio-orchestrator {} starting on {address}", env!("CARGO_PKG_VERSION")));

    let changes = tokio::spawn(changes.run());
    let app = http::app(Arc::new(services), http_options(&settings, clock, store));
    let served = http::run(listener, app, stop).await.map_err(ServeError::Http);
    // The application is gone, and with it every publisher: the loop ends when the last change is done.
    if let Err(error) = changes.await {
        tracing::error!(%error, "the last changes were cut short; the next start completes or reverts them");
    }
    served
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

fn keyring(settings: &Settings) -> Result<Keyring, ServeError> {
    let global = match (&settings.s3_access_key, &settings.s3_secret_key) {
        (Some(access_key), Some(secret_key)) => Some(
            Keys::parse(access_key.reveal(), secret_key.reveal())
                .map_err(|(name, invalid)| ServeError::Keys { variable: variable(&format!("s3_{name}")), invalid })?,
        ),
        _ => None,
    };
    Ok(Keyring::new(Arc::new(FernetCipher::new(settings.secret.as_ref())), global))
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
