//! Settings: where they come from, what they may be, and how they are shown.
//!
//! Command line flags win over the process environment, that over one env file, that over the defaults.
//! Nothing is guessed: a value that cannot be used is named with its origin and with what is allowed, all
//! of them at once. [`Sources::gather`] is the only input; all else is pure.

mod change;
pub mod env_file;
mod problem;
mod reader;
mod secret;
mod sources;
mod table;
mod values;

pub use change::{Change, ChangeError, Outlook};
pub use problem::{ConfigError, Problem};
pub use reader::{Effective, Origin};
pub use secret::{DatabaseUrl, Secret, mask, mask_url};
pub use sources::{EnvFile, Sources};
pub use table::{Category, Preset, SETTINGS, Setting, Settings, Shown, variable};
pub use values::{Kind, LogFormat, LogLevel, NginxSudo};

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use reader::Reader;

/// What the environment variables of all settings begin with.
pub const PREFIX: &str = "NANIO_ORCHESTRATOR_";
/// The env file of a production installation.
pub const PRODUCTION_FILE: &str = "/etc/nanio-orchestrator/config.env";
/// The environment variable that names another env file of a production installation.
pub const CONFIG_FILE: &str = "NANIO_ORCHESTRATOR_CONFIG_FILE";
/// The variable that tells our own command line which server to ask.
pub const SERVER: &str = "NANIO_ORCHESTRATOR_SERVER";
/// The env file, in the working directory, whose presence means dev mode.
pub const DEV_FILE: &str = "dev.env";

impl Settings {
    /// The settings that these sources make.
    ///
    /// # Errors
    /// Every value that cannot be used; and, in production, an API key that is missing or `changeme`.
    pub fn from_sources(sources: &Sources) -> Result<Self, ConfigError> {
        let Examined { settings, problems, .. } = examine(sources);
        match settings {
            Some(settings) if problems.is_empty() => Ok(settings),
            _ => Err(ConfigError { problems }),
        }
    }

    /// What these settings were made of.
    #[must_use]
    pub fn sources(&self) -> &Arc<Sources> {
        &self.sources
    }

    /// A setting's value as it was written (secrets in clear) and its origin.
    #[must_use]
    pub fn effective(&self, key: &str) -> Option<&Effective> {
        self.effective.get(key)
    }

    /// What is allowed but probably not meant, for the operator.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// `host:port`, with brackets around an IPv6 address.
    #[must_use]
    pub fn listen_address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The backup path in force.
    #[must_use]
    pub fn backup_path(&self) -> PathBuf {
        self.db_backup_path.clone().unwrap_or_else(|| {
            let mut path = self.db_path.clone().into_os_string();
            path.push(".bak");
            path.into()
        })
    }
}

/// Sources, looked at as a whole.
struct Examined {
    settings: Option<Settings>,
    problems: Vec<Problem>,
    effective: BTreeMap<&'static str, Effective>,
}

fn examine(sources: &Sources) -> Examined {
    let (dev, file) = sources.mode();
    let merged = sources.merged(file);
    let mut reader = Reader::new(&merged, dev);
    let settings = Settings::read(&mut reader);
    let mut problems = std::mem::take(&mut reader.problems);
    if let Some((text, origin)) = merged.get("dev")
        && !text.is_empty()
        && let Err(allowed) = values::boolean(text)
    {
        problems.push(Problem::text(format!("{}={text:?} ({origin}): must be {allowed}", variable("dev"))));
    }
    let effective = std::mem::take(&mut reader.effective);
    problems.extend(conflicts(&effective, dev));
    let settings = settings.map(|mut settings| {
        settings.warnings = warnings(&merged, &settings);
        settings.effective = effective.clone();
        settings.sources = Arc::new(sources.clone());
        settings
    });
    Examined { settings, problems, effective }
}

/// What each value allows by itself but not beside the others.
fn conflicts(effective: &BTreeMap<&'static str, Effective>, dev: bool) -> Vec<Problem> {
    let text = |key: &str| effective.get(key).and_then(|e| e.text.as_deref());
    let mut problems = Vec::new();
    for (one, other) in [("tls_cert", "tls_key"), ("tls_key", "tls_cert")] {
        if text(one).is_some() && text(other).is_none() {
            problems.push(Problem::of_key(other, &format!("must be set too, since {} is", variable(one))));
        }
    }
    if dev {
        return problems;
    }
    if text("api_key").is_none_or(|key| key == "changeme") {
        problems.push(Problem::of_key("api_key", NO_KEY));
    }
    if text("nginx_config_dir").is_some_and(|path| !path.starts_with('/')) {
        problems.push(Problem::of_key("nginx_config_dir", "must be an absolute path: nginx's include lines name it"));
    }
    problems
}

const NO_KEY: &str = "is not set, or still `changeme`, and without a key of its own no production server starts.\n  \
    To make one, run as root:\n    \
    mkdir -p /etc/nanio-orchestrator && (umask 027; echo \"NANIO_ORCHESTRATOR_API_KEY=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \\n')\" \
    >> /etc/nanio-orchestrator/config.env)\n  \
    To try the program without any set-up: nanio-orchestrator demo. For the dry-run dev mode: DEV=true nanio-orchestrator";

fn warnings(merged: &HashMap<String, (String, Origin)>, settings: &Settings) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut keys: Vec<&String> = merged.keys().collect();
    keys.sort_unstable();
    for key in keys {
        let (text, origin) = &merged[key];
        if key != "dev"
            && ![CONFIG_FILE, SERVER].contains(&variable(key).as_str())
            && !SETTINGS.iter().any(|setting| setting.key == key)
        {
            warnings.push(format!("{} ({origin}) is not a setting of this program; it is ignored", variable(key)));
        }
        if matches!(origin, Origin::File { .. }) && text.contains(" #") {
            warnings.push(format!(
                "the value of {} ({origin}) contains a `#`, which is part of the value: a comment needs a line of its own",
                variable(key)
            ));
        }
    }
    let local =
        settings.host == "localhost" || settings.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if settings.dev && !local && settings.api_key.reveal() == "dev" {
        warnings.push(format!(
            "dev mode with the well-known API key `dev` on {}: whoever reaches this address can use it (NANIO_ORCHESTRATOR_HOST=127.0.0.1 keeps it local)",
            settings.listen_address()
        ));
    }
    warnings
}

#[cfg(test)]
mod tests;
