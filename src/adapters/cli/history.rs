//! `nanio-orchestrator history`: by the running server.

use std::error::Error;

use clap::Subcommand;
use reqwest::Method;
use serde_json::Value;

use super::print;
use super::server::Server;
use crate::config::{Settings, Sources};

/// What can be asked of the history of accepted changes.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub enum HistoryCommand {
    /// List accepted changes, newest first
    List {
        /// How many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// Print what GET /api/config/revisions answers
        #[arg(long)]
        json: bool,
    },
    /// Show how one of them changed nginx's files
    Show {
        /// Its number
        number: u64,
        /// Print what GET /api/config/revisions/NUMBER answers
        #[arg(long)]
        json: bool,
    },
}

impl HistoryCommand {
    /// Asks, and prints the answer.
    pub(super) async fn run(self) -> Result<(), Box<dyn Error>> {
        let settings = Settings::from_sources(&Sources::gather(Vec::new())?)?;
        let (path, as_json) = match &self {
            Self::List { limit, json } => (format!("/api/config/revisions?limit={limit}"), *json),
            Self::Show { number, json } => (format!("/api/config/revisions/{number}"), *json),
        };
        let answer = Server::configured(&settings)?.call(Method::GET, &path, None).await?;
        if as_json {
            print(&serde_json::to_string_pretty(&answer)?);
            return Ok(());
        }
        match &self {
            Self::List { .. } => list(&answer).iter().for_each(|one| print(&row(one))),
            Self::Show { .. } => {
                print(&row(&answer));
                print(answer["diff"].as_str().unwrap_or_default().trim_end());
            }
        }
        Ok(())
    }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// A revision in one line.
fn row(revision: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = list(&revision["entries"]);
    let done = entries.iter().map(|entry| {
        let id = entry["entity_id"].as_i64().map(|id| format!(" {id}")).unwrap_or_default();
        format!("{} {}{id} by {}", text(&entry["action"]), text(&entry["entity_type"]), text(&entry["actor"]))
    });
    let done: Vec<String> = done.collect();
    let files = list(&revision["files"]).len();
    format!("{:>6}  {}  {} ({files} files)", revision["number"].to_string(), text(&revision["at"]), done.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_revision_is_one_line() {
        let entry = json!({"actor": "web", "action": "create", "entity_type": "route", "entity_id": 7});
        let sync = json!({"actor": "api", "action": "sync_from_disk", "entity_type": "config", "entity_id": null});
        let revision = json!({"number": 12, "at": "2026-11-27T10:00:00Z", "entries": [entry, sync], "files": [{}]});
        assert_eq!(
            row(&revision),
            "    12  2026-11-27T10:00:00Z  create route 7 by web, sync_from_disk config by api (1 files)"
        );
    }
}
