//! `config validate`, `reload` and `rebuild`: by the server that runs on this data or, if there is none, directly.

use std::process::ExitCode;

use serde_json::Value;

use super::{Fault, print};
use crate::adapters::cli::server::Server;
use crate::adapters::cli::service_user;
use crate::adapters::process_lock::LockError;
use crate::app::{self, StartError};
use crate::config::Settings;
use crate::domain::audit::{Actor, NginxAnswer};
use crate::domain::services::Services;

/// What nginx said, and what was written on the way.
pub(super) struct Done {
    pub ok: bool,
    pub output: String,
    pub written: Vec<String>,
    pub removed: Vec<String>,
}

impl From<NginxAnswer> for Done {
    fn from(NginxAnswer { ok, output }: NginxAnswer) -> Self {
        Self { ok, output, written: Vec::new(), removed: Vec::new() }
    }
}

impl From<&Value> for Done {
    /// The answer of a server.
    fn from(body: &Value) -> Self {
        let list = |name: &str| -> Vec<String> {
            let list = body[name].as_array().into_iter().flatten();
            list.filter_map(|item| item.as_str().map(str::to_owned)).collect()
        };
        Self {
            ok: body["ok"] == Value::Bool(true),
            output: body["output"].as_str().unwrap_or_default().to_owned(),
            written: list("written"),
            removed: list("removed"),
        }
    }
}

impl Done {
    fn show(&self) -> ExitCode {
        for path in &self.written {
            print(&format!("  ✓ {path}"));
        }
        for path in &self.removed {
            print(&format!("  ✓ {path} (removed)"));
        }
        if !self.output.is_empty() {
            print(self.output.trim_end());
        }
        if self.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Has nginx test what is on disk.
pub(super) async fn validate(settings: &Settings) -> Result<ExitCode, Fault> {
    service_user::become_it(settings)?;
    // Without the database: this is asked for when the service does not start, which may be because of it.
    let done = app::validate(settings).await.map(Done::from);
    or_by_the_server(settings, "validate", done).await
}

/// Has nginx load what is on disk.
pub(super) async fn reload(settings: &Settings) -> Result<ExitCode, Fault> {
    service_user::become_it(settings)?;
    app::expect_gateway(settings)?;
    let reload = async |services: &Services| services.config.reload(Actor::Cli).await;
    let done = match app::offline(settings, "config reload", reload).await {
        Ok(answer) => Ok(answer?.into()),
        Err(error) => Err(error),
    };
    or_by_the_server(settings, "reload", done).await
}

/// Writes every file anew from the database, after nginx has tested them, and reloads.
pub(super) async fn rebuild(settings: &Settings) -> Result<ExitCode, Fault> {
    service_user::become_it(settings)?;
    app::expect_gateway(settings)?;
    let rebuild = async |services: &Services| services.config.rebuild(Actor::Cli).await;
    let done = match app::offline(settings, "config rebuild", rebuild).await {
        Ok(rebuilt) => {
            let rebuilt = rebuilt?;
            let (output, written, removed) = (rebuilt.output, rebuilt.written, rebuilt.removed);
            Ok(Done { ok: rebuilt.ok, output, written, removed })
        }
        Err(error) => Err(error),
    };
    or_by_the_server(settings, "rebuild", done).await
}

/// Asks the server that has the data, if that is why it could not be done directly.
async fn or_by_the_server(
    settings: &Settings,
    operation: &str,
    done: Result<Done, StartError>,
) -> Result<ExitCode, Fault> {
    let done = match done {
        Ok(done) => done,
        Err(StartError::Lock(busy @ LockError::Busy { .. })) => match Server::of(&busy, settings)? {
            Some(server) => Done::from(&server.ask(operation).await?),
            None => return Err(busy.into()),
        },
        Err(error) => return Err(error.into()),
    };
    Ok(done.show())
}
