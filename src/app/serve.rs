//! The server, from its first moment to its last.

use std::future::Future;
use std::io;
use std::sync::Arc;

use poem::listener::{AcceptorExt, Listener as _, TcpListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::watchdog::Supervisor;
use super::{Running, StartError, last_changes, start, start_loops};
use crate::adapters::http::{self, Assets, HttpOptions, TLS_LOOK, TlsError, TlsFiles};
use crate::adapters::job_runner::JobRunner;
use crate::config::Settings;
use crate::ports::clock::Clock;
use crate::ports::store::Store;

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
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The server broke off.
    #[error("the HTTP server ended: {0}")]
    Http(#[source] io::Error),
    /// The service manager waits for a word and cannot be told.
    #[error("the service manager cannot be told how the program fares: {0}")]
    Supervisor(#[source] io::Error),
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
    // Before anything is touched: a certificate that cannot be used keeps the server from starting.
    let shown = TlsFiles::of(&settings).map(|files| files.watch(TLS_LOOK)).transpose()?;
    let supervisor = Supervisor::find()?;
    let Running { services, changes, store, clock, gate, lock: _lock } =
        start(&settings, &format!("serves {address}")).await?;
    let _gate = gate.serve()?;
    let tcp = TcpListener::bind(address.clone());
    let acceptor = match shown {
        Some(shown) => http::listen_with_tls(tcp, shown).await,
        None => tcp.into_acceptor().await.map(AcceptorExt::boxed),
    };
    let acceptor = acceptor.map_err(|source| ServeError::Listen { address: address.clone(), source })?;
    crate::adapters::cli::say(&format!("nanio-orchestrator {} starting on {address}", env!("CARGO_PKG_VERSION")));

    let background = start_loops(&services, &settings, clock.clone());
    let (stop_engine, stopped) = watch::channel(false);
    let engine = tokio::spawn(services.migrations.engine().run(stopped));
    let runner = JobRunner::start(services.jobs.clone());
    let (end, ended) = watch::channel(false);
    let signs = supervisor.ready(store.clone());
    let app = http::app(services, http_options(&settings, clock, store, ended));
    let stop = async move {
        stop.await;
        supervisor.stopping();
        end.send_replace(true);
    };
    let served = http::run(acceptor, app, stop).await.map_err(ServeError::Http);
    stop_engine.send_replace(true);
    if let Err(error) = engine.await {
        tracing::error!(%error, "the migrations were cut short; the next start takes them up again");
    }
    runner.stop().await;
    background.stop().await;
    // The application and the loops are gone, and with them every publisher.
    last_changes(changes).await;
    drop(signs);
    served
}

fn http_options(settings: &Settings, clock: Arc<dyn Clock>, store: Store, ended: watch::Receiver<bool>) -> HttpOptions {
    HttpOptions {
        api_key: settings.api_key.reveal().to_owned(),
        metrics_token: settings.metrics_token.as_ref().map(|token| token.reveal().to_owned()),
        session_ttl: settings.session_ttl.as_secs(),
        dev: settings.dev,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        nginx_config_dir: settings.nginx_config_dir.display().to_string(),
        host: std::fs::read_to_string("/etc/hostname").unwrap_or_default().trim().to_owned(),
        clock,
        store,
        assets: Assets::built(),
        ended,
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
