//! `nanio-orchestrator serve`.

use clap::Args;

use super::say;
use crate::adapters::logging;
use crate::adapters::settings::mended;
use crate::adapters::telemetry::Telemetry;
use crate::app;
use crate::config::{SETTINGS, Settings};

/// Flags of `serve`; each wins over the setting of the same name.
#[derive(Debug, Default, PartialEq, Eq, Args)]
pub struct ServeArguments {
    /// Bind address
    #[arg(long, value_parser = host)]
    host: Option<String>,
    /// Listen port
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Accepted for scripts written for 0.4.x; does nothing
    #[arg(long)]
    reload: bool,
}

impl ServeArguments {
    fn flags(&self) -> Vec<(String, String)> {
        let host = self.host.clone().map(|host| ("host".to_owned(), host));
        let port = self.port.map(|port| ("port".to_owned(), port.to_string()));
        host.into_iter().chain(port).collect()
    }
}

/// An address that the setting `host` may have.
pub(super) fn host(text: &str) -> Result<String, String> {
    let setting = SETTINGS.iter().find(|setting| setting.key == "host");
    match setting.map(|setting| setting.check(text)) {
        Some(Err(allowed)) => Err(format!("must be {allowed}")),
        _ => Ok(text.to_owned()),
    }
}

/// Serves until SIGTERM or SIGINT.
pub(super) async fn run(arguments: ServeArguments) -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::from_sources(&mended(arguments.flags())?)?;
    let endpoint = settings.otlp_endpoint.as_deref();
    let telemetry = endpoint.map(|endpoint| Telemetry::start(endpoint, env!("CARGO_PKG_VERSION"))).transpose()?;
    logging::start(&settings, telemetry.as_ref())?;
    if arguments.reload {
        say("note: --reload does nothing here; restart the server to apply a change");
    }
    if settings.dev {
        say("DEV MODE: nginx commands are printed and not executed (NANIO_ORCHESTRATOR_DEV=false for production)");
    }
    if let Some(file) = &settings.log_file {
        say(&format!("Logging to file: {}", file.display()));
    }
    for warning in settings.warnings() {
        tracing::warn!("{warning}");
    }
    let served = app::serve(settings).await;
    if let Some(telemetry) = telemetry {
        telemetry.end().await;
    }
    Ok(served?)
}
