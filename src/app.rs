//! The composition root: settings in, a running server out.

use std::future::Future;
use std::io;

use tokio::signal::unix::{SignalKind, signal};

use crate::adapters::clock::SystemClock;
use crate::adapters::process_lock::{LockError, ProcessLock};
use crate::config::Settings;
use crate::ports::clock::Clock;

/// Why the server did not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another process works on the same data, or the data directory cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
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

/// Serves until `stop` resolves, then ends in order.
///
/// # Errors
/// The server could not start. Nothing was changed.
pub async fn serve_until(settings: Settings, stop: impl Future<Output = ()> + Send) -> Result<(), ServeError> {
    let address = settings.listen_address();
    let _lock = ProcessLock::take(&settings.db_path, &format!("serves {address}"), SystemClock.now())?;
    crate::adapters::cli::say(&format!("nanio-orchestrator {} starting on {address}", env!("CARGO_PKG_VERSION")));
    stop.await;
    Ok(())
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
