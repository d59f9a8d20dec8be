//! `nanio-orchestrator config`: the settings and the configuration of nginx, from the command line of the gateway.

mod edit;
mod nginx;
mod rotate;
mod secret;
mod set;
mod show;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;

use super::{print, say};
use crate::adapters::settings::{EnvSettings, mended};
use crate::config::{ConfigError, Settings, Sources};

type Fault = Box<dyn std::error::Error>;

/// What `config` does.
#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print all settings grouped by category
    Show,
    /// Print the value of a single setting, secrets in clear
    Get {
        /// Its short name or its variable
        key: String,
    },
    /// Write a setting to the config file
    Set {
        /// Its short name or its variable
        key: String,
        /// Its value; empty: unset, so that the default holds
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Generate a Fernet key for SECRET
    GenerateSecret {
        /// Also write it to the config file
        #[arg(long)]
        set: bool,
        /// Write it even if there is a key, whose credentials can then no longer be read
        #[arg(long, requires = "set")]
        force: bool,
    },
    /// Encrypt all stored S3 keys with the first key of SECRET
    RotateSecret,
    /// Open the config file in $EDITOR
    Edit,
    /// Run nginx -t
    Validate,
    /// Run nginx -s reload
    Reload,
    /// Regenerate all config files from DB + reload
    Rebuild,
}

impl ConfigCommand {
    /// Does it; the exit status is 1 also where nginx says no.
    pub(super) async fn run(self) -> Result<ExitCode, Fault> {
        match self {
            Self::Show => show::all(&Sources::gather(Vec::new())?),
            Self::Get { key } => show::one(&Sources::gather(Vec::new())?, &key)?,
            Self::Set { key, value } => set::run(&file()?, &key, &value)?,
            Self::GenerateSecret { set: false, .. } => print(&secret::generate()),
            Self::GenerateSecret { force, .. } => secret::set(&file()?, force)?,
            Self::RotateSecret => return rotate::run(&settings()?).await,
            Self::Edit => edit::run(&file()?)?,
            Self::Validate => return nginx::validate(&settings()?).await,
            Self::Reload => return nginx::reload(&settings()?).await,
            Self::Rebuild => return nginx::rebuild(&settings()?).await,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The env file in force.
fn file() -> Result<EnvSettings, Fault> {
    Ok(EnvSettings::new(&Arc::new(mended(Vec::new())?)))
}

fn settings() -> Result<Settings, ConfigError> {
    Settings::from_sources(&Sources::gather(Vec::new())?)
}

/// Tells how what was written comes into force.
fn tell_when(file: &EnvSettings) {
    let how = if file.sources().is_dev() { "" } else { ": systemctl restart nanio-orchestrator" };
    say(&format!("In force after the next start{how}"));
}
