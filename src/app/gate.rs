//! The gate of the nginx that the settings name.

use std::path::Path;
use std::sync::Arc;

use super::{StartError, nginx_command};
use crate::adapters::broken;
use crate::adapters::clock::SystemClock;
use crate::adapters::fake::gate::FakeGate;
use crate::adapters::gate::{GateDirectory, GateOptions, GateServer, Released};
use crate::adapters::nginx::running::RunningNginx;
use crate::config::Settings;
use crate::ports::clock::Clock as _;
use crate::ports::gate::{Gate, GateError};
use crate::ports::gateway::GatewayError;

/// The gate of the nginx that there is, if there is one.
pub(super) enum GateChoice {
    Directory(Arc<GateDirectory>),
    DryRun(Arc<FakeGate>),
}

impl GateChoice {
    pub(super) fn port(&self) -> Arc<dyn Gate> {
        match self {
            Self::Directory(gate) => broken::gate(gate.clone()),
            Self::DryRun(gate) => gate.clone(),
        }
    }

    /// Answers nginx for as long as what is given back lives.
    pub(super) fn serve(&self) -> Result<Option<GateServer>, StartError> {
        match self {
            Self::Directory(gate) => Ok(Some(gate.serve()?)),
            Self::DryRun(_) => Ok(None),
        }
    }
}

/// The gate that the settings ask for.
pub(super) async fn gate(settings: &Settings) -> Result<GateChoice, GatewayError> {
    if settings.dev {
        return Ok(GateChoice::DryRun(Arc::new(FakeGate::dry_run())));
    }
    let nginx = RunningNginx::new(&settings.nginx_config_dir, nginx_command(settings)).await?;
    let options = GateOptions {
        fleeting: settings.migration_gate_volatile,
        ..GateOptions::at(settings.migration_gate_dir.clone())
    };
    Ok(GateChoice::Directory(Arc::new(GateDirectory::new(options, nginx))))
}

/// Gives held writes back to the source. A start does not fail for it: nginx holds what it cannot be told of.
pub(super) fn release_held(directory: &Path) {
    match crate::adapters::gate::release(directory, SystemClock.now()) {
        Ok(done) => {
            if !done.released.is_empty() {
                tracing::warn!(count = done.released.len(), "writes that were held were given back to the source");
            }
            if !done.kept.is_empty() {
                tracing::warn!(
                    count = done.kept.len(),
                    "back-fills that were cut short are taken up before all writes flow"
                );
            }
        }
        Err(error) => tracing::error!(%error, "writes that are held could not be given back to the source"),
    }
}

/// As `serve` does at its start, for a command: what became of the tokens whose writes were held.
///
/// # Errors
/// Writes of a token could not be given back.
pub fn release(settings: &Settings) -> Result<Released, GateError> {
    crate::adapters::gate::release(&settings.migration_gate_dir, SystemClock.now())
}
