//! `nanio-orchestrator serve`.

use clap::Args;

use super::say;
use crate::adapters::logging;
use crate::adapters::settings::mended;
use crate::app;
use crate::config::{Origin, SETTINGS, Settings, variable};

/// Settings of parts that are not in this version yet: checked, and without effect.
const UNUSED: [&str; 1] = ["otlp_endpoint"];

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

fn is_set(settings: &Settings, key: &str) -> bool {
    settings.effective(key).is_some_and(|effective| effective.origin != Origin::Default)
}

fn unused(settings: &Settings) -> Option<String> {
    let unused = UNUSED.iter().filter(|key| is_set(settings, key));
    let names: Vec<String> = unused.map(|key| variable(key)).collect();
    (!names.is_empty()).then(|| format!("set, but without effect in this version: {}", names.join(", ")))
}

/// Serves until SIGTERM or SIGINT.
pub(super) async fn run(arguments: ServeArguments) -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::from_sources(&mended(arguments.flags())?)?;
    logging::start(&settings)?;
    if arguments.reload {
        say("note: --reload does nothing here; restart the server to apply a change");
    }
    if settings.dev {
        say("DEV MODE: nginx commands are printed and not executed (NANIO_ORCHESTRATOR_DEV=false for production)");
    }
    if let Some(file) = &settings.log_file {
        say(&format!("Logging to file: {}", file.display()));
    }
    for warning in settings.warnings().iter().cloned().chain(unused(&settings)) {
        tracing::warn!("{warning}");
    }
    app::serve(settings).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    fn settings(values: &[(&str, &str)]) -> Settings {
        let mut environment: std::collections::HashMap<String, String> =
            values.iter().map(|(key, value)| (variable(key), (*value).to_owned())).collect();
        environment.insert(variable("api_key"), "k".to_owned());
        Settings::from_sources(&Sources { environment, ..Sources::default() }).unwrap()
    }

    #[test]
    fn settings_without_effect_are_named_when_they_are_set() {
        assert_eq!(unused(&settings(&[("port", "81")])), None);
        let named = unused(&settings(&[("otlp_endpoint", "http://127.0.0.1:4317")])).unwrap();
        assert!(named.ends_with(": NANIO_ORCHESTRATOR_OTLP_ENDPOINT"), "{named}");
    }

    #[test]
    fn the_lists_name_real_settings() {
        for key in UNUSED {
            assert!(SETTINGS.iter().any(|setting| setting.key == key), "{key}");
        }
    }
}
