//! `nanio-orchestrator orphaned list`: by the server that runs on this data or, if there is none, directly.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::server::Server;
use super::{print, service_user};
use crate::adapters::http::orphan_document;
use crate::app::{self, StartError};
use crate::config::{Settings, Sources};
use crate::domain::services::Services;

type Fault = Box<dyn std::error::Error>;

/// What can be asked about what migrations left behind.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub enum OrphanedCommand {
    /// List all completed migrations with orphaned source data
    List(ListArguments),
}

/// What `orphaned list` takes.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct ListArguments {
    /// Print what GET /api/migrations/orphaned answers
    #[arg(long)]
    json: bool,
}

impl OrphanedCommand {
    /// Prints the list.
    pub(super) async fn run(self) -> Result<(), Fault> {
        let Self::List(arguments) = self;
        let settings = Settings::from_sources(&Sources::gather(Vec::new())?)?;
        service_user::become_it(&settings)?;
        let orphans = orphans(&settings).await?;
        if arguments.json {
            print(&serde_json::to_string_pretty(&orphans)?);
        } else {
            show(&orphans);
        }
        Ok(())
    }
}

/// The orphans as the API tells them.
async fn orphans(settings: &Settings) -> Result<Value, Fault> {
    if settings.database_url.is_none() && !settings.db_path.exists() {
        // Nothing has ever moved, and a question makes no database.
        return Ok(json!([]));
    }
    let read = async |services: &Services| services.migrations.orphaned().await;
    match app::offline(settings, "orphaned list", read).await {
        Ok(orphaned) => Ok(orphan_document(orphaned?)?),
        Err(StartError::Lock(busy)) => match Server::of(&busy, settings)? {
            Some(server) => server.call(Method::GET, "/api/migrations/orphaned", None).await,
            None => Err(busy.into()),
        },
        Err(error) => Err(error.into()),
    }
}

fn show(orphans: &Value) {
    let orphans = orphans.as_array().map(Vec::as_slice).unwrap_or_default();
    if orphans.is_empty() {
        print("No orphaned data found.");
        return;
    }
    print(&row(["ID", "Bucket", "Source Pool", "Prefix", "Orphaned At"]));
    for orphan in orphans {
        let text = |name: &str| orphan[name].as_str().unwrap_or_default();
        print(&row([
            &orphan["migration_id"].to_string(),
            text("bucket"),
            text("orphaned_source_pool_name"),
            text("orphaned_source_prefix"),
            text("orphaned_at"),
        ]));
    }
}

/// A line of the table. What is too long for its column pushes the others aside, and is never cut.
fn row([id, bucket, pool, prefix, since]: [&str; 5]) -> String {
    format!("{id:<6} {bucket:<24} {pool:<22} {prefix:<26} {since}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_whole_and_stay_apart() {
        let long = "b".repeat(63);
        let line = row(["12", &long, "old", "/x/", "2026-11-27 12:00:00"]);
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words, ["12", &long, "old", "/x/", "2026-11-27", "12:00:00"]);
    }
}
