//! What every command that asks a running server has in common: which server, and in which form it answers.

use std::env;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::output::{Column, Format, plain_lines};
use super::print;
use super::server::Server;
use super::trust::Trust;
use crate::config::{Outlook, SERVER, Secret, Setting, Settings, Sources, variable};

type Fault = Box<dyn std::error::Error>;

/// Which server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct ServerArguments {
    /// URL of the server [default: NANIO_ORCHESTRATOR_SERVER, else that of the settings, on this machine]
    #[arg(long, global = true, value_name = "URL", help_heading = "Server")]
    server: Option<String>,
    /// Authorities (PEM) that an https server is proven by, in the place of those of the system
    #[arg(long, global = true, value_name = "FILE", help_heading = "Server")]
    ca_cert: Option<PathBuf>,
}

/// Which server, and which form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct ApiArguments {
    #[command(flatten)]
    server: ServerArguments,
    /// Form of the answer
    #[arg(long, short, global = true, value_enum, default_value_t, value_name = "FORM", help_heading = "Server")]
    output: Format,
}

impl ApiArguments {
    /// Finds server and key. Nothing is asked yet.
    pub fn open(&self) -> Result<Session, Fault> {
        let server = match self.server.named()? {
            Some(server) => server,
            None => self.server.of_this_machine(&Sources::gather(Vec::new())?)?,
        };
        Ok(Session { server, format: self.output })
    }
}

impl ServerArguments {
    /// The server that was named here or in the environment, if one was. Nothing is asked yet.
    pub fn named(&self) -> Result<Option<Server>, Fault> {
        let Some(url) = self.server.clone().or_else(|| of_environment(SERVER)) else { return Ok(None) };
        // Neither files nor rights of this machine are needed if the key is in the environment.
        let key = match of_environment(&variable("api_key")) {
            Some(key) => Secret::new(key),
            None => key(&Sources::gather(Vec::new())?)?,
        };
        Server::with(&url, key, self.trust()).map(Some)
    }

    fn trust(&self) -> Trust<'_> {
        self.ca_cert.as_deref().map_or(Trust::System, Trust::Authorities)
    }

    fn of_this_machine(&self, sources: &Sources) -> Result<Server, Fault> {
        // First of all: whoever wants to call a server and has no key is not about to start one.
        key(sources)?;
        let settings = Settings::from_sources(sources)?;
        match &self.ca_cert {
            Some(authorities) => Server::named(&settings, authorities),
            None => Server::configured(&settings),
        }
    }
}

fn of_environment(name: &str) -> Option<String> {
    env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// The API key as the next start would take it, also where there is nothing to start here.
fn key(sources: &Sources) -> Result<Secret, Fault> {
    let outlook = Outlook::of(sources);
    let known = outlook.text("api_key").filter(|key| *key != "changeme");
    known.map(Secret::new).ok_or_else(|| {
        let name = Setting::named("api_key").map(Setting::variable).unwrap_or_default();
        format!(
            "no API key is known here: set {name} to that of the server, or run this where {} can be read",
            sources.file_path()
        )
        .into()
    })
}

/// A server, and the form of its answers.
pub(super) struct Session {
    /// The server.
    pub server: Server,
    format: Format,
}

impl Session {
    /// Shows a list.
    pub fn list(&self, entries: &[Value], columns: &[Column], empty: &str) -> Result<(), Fault> {
        self.format.list(entries, columns, empty)
    }

    /// Shows one thing.
    pub fn one(&self, thing: &Value, first: &[Column]) -> Result<(), Fault> {
        self.format.one(thing, first)
    }

    /// Shows the list in `answer` as a table, or else all of the answer.
    pub fn part(&self, answer: &Value, list: &str, columns: &[Column], empty: &str) -> Result<(), Fault> {
        match self.format {
            Format::Table => self.list(answer[list].as_array().map_or(&[], Vec::as_slice), columns, empty),
            Format::Json | Format::Yaml => self.one(answer, &[]),
        }
    }

    /// Shows an answer: to people in words, to programs as it is.
    pub fn tell(&self, answer: &Value, words: impl FnOnce() -> String) -> Result<(), Fault> {
        match self.format {
            Format::Table => print(&plain_lines(words().trim_end())),
            Format::Json | Format::Yaml => self.one(answer, &[])?,
        }
        Ok(())
    }

    /// Whether a person reads the answers.
    pub fn is_for_people(&self) -> bool {
        self.format == Format::Table
    }
}
