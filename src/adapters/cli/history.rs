//! `nanio-orchestrator history`: by the running server.

use std::error::Error;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::confirm::Consent;
use super::manifest::{show, verdict};
use super::output::plain_lines;
use super::resource::query;
use super::say;
use super::server::{Refused, Server};
use super::session::ApiArguments;

/// What `history` takes.
#[derive(Debug, PartialEq, Eq, Args)]
pub(super) struct HistoryArguments {
    #[command(flatten)]
    api: ApiArguments,
    #[command(subcommand)]
    command: HistoryCommand,
}

/// What can be asked of the history of accepted changes.
#[derive(Debug, PartialEq, Eq, Subcommand)]
enum HistoryCommand {
    /// List accepted changes, newest first
    List {
        /// How many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Show how one of them changed nginx's files
    Show {
        /// Its number
        number: u64,
    },
    /// Make the gateway what it was after one of them, as a new change
    Rollback {
        /// Its number
        number: u64,
        /// Leave out what would lead buckets away from their objects, as after a finished migration
        #[arg(long)]
        partial: bool,
        /// Only show what would be done; exit status 2 if that is anything
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        consent: Consent,
    },
}

/// Asks, and tells the answer.
pub(super) async fn run(arguments: HistoryArguments) -> Result<ExitCode, Box<dyn Error>> {
    let session = arguments.api.open()?;
    match arguments.command {
        HistoryCommand::List { limit } => {
            let answer = session.server.get(&format!("/api/config/revisions?limit={limit}")).await?;
            let revisions = list(&answer);
            if revisions.is_empty() && session.is_for_people() {
                say("No change has been accepted yet.");
                return Ok(ExitCode::SUCCESS);
            }
            session.tell(&answer, || revisions.iter().map(row).collect::<Vec<_>>().join("\n"))?;
        }
        HistoryCommand::Show { number } => {
            let answer = session.server.get(&format!("/api/config/revisions/{number}")).await;
            let answer = answer.map_err(|fault| told_of(number, fault))?;
            session.tell(&answer, || format!("{}\n{}", row(&answer), text(&answer["diff"])))?;
        }
        HistoryCommand::Rollback { number, partial, dry_run, consent } => {
            let way = Way { server: &session.server, number, partial };
            let aim = format!("what it was after revision {number}");
            if dry_run {
                let answer = way.call(true, None).await?;
                session.tell(&answer, || show::plan(&answer["planned"], &aim))?;
                return Ok(verdict(&answer["planned"]));
            }
            let shown = if consent.is_asked_for() { Some(way.call(true, None).await?) } else { None };
            if let Some(shown) = &shown {
                say(plain_lines(&show::plan(&shown["planned"], &aim)).trim_end());
            }
            consent.ask(&format!("Roll the gateway back to revision {number}"), &[])?;
            // What was consented to is what is done, or nothing.
            let answer = way.call(false, shown.as_ref().map(|shown| text(&shown["planned"]["state"]))).await?;
            session.tell(&answer, || show::applied(&answer["applied"]))?;
            if answer["applied"]["changed"] == true {
                say("Next: nanio-orchestrator config reload");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A rollback, at the server that would do it.
struct Way<'a> {
    server: &'a Server,
    number: u64,
    partial: bool,
}

impl Way<'_> {
    async fn call(&self, dry_run: bool, expect: Option<&str>) -> Result<Value, Box<dyn Error>> {
        let Self { server, number, partial } = self;
        let terms = [
            ("partial", Some(partial.to_string())),
            ("dry_run", Some(dry_run.to_string())),
            ("expect", expect.map(str::to_owned)),
        ];
        let path = format!("/api/config/revisions/{number}/rollback{}", query(&terms));
        server.call(Method::POST, &path, None).await.map_err(|fault| told_of(*number, fault))
    }
}

/// The same fault; if there is no such revision, with the command that lists those there are.
fn told_of(number: u64, fault: Box<dyn Error>) -> Box<dyn Error> {
    match fault.downcast_ref::<Refused>() {
        Some(refused) if refused.is_of_something_missing() => {
            format!("there is no revision {number}, or not any more; those there are: nanio-orchestrator history list")
                .into()
        }
        _ => fault,
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// A revision in one line.
fn row(revision: &Value) -> String {
    let entries = list(&revision["entries"]);
    let done = entries.iter().map(|entry| {
        let id = entry["entity_id"].as_i64().map(|id| format!(" {id}")).unwrap_or_default();
        let outcome = entry["outcome"].as_str().map(|outcome| format!(": {outcome}")).unwrap_or_default();
        let why = entry["reason"].as_str().map(|reason| format!(" ({reason})")).unwrap_or_default();
        format!(
            "{} {}{id} by {}{outcome}{why}",
            text(&entry["action"]),
            text(&entry["entity_type"]),
            text(&entry["actor"])
        )
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
        let entry = json!({"actor": "web", "action": "create", "entity_type": "route", "entity_id": 7, "reason": "ä"});
        let sync = json!({"actor": "api", "action": "sync_from_disk", "entity_type": "config", "entity_id": null});
        let revision = json!({"number": 12, "at": "2026-11-27T10:00:00Z", "entries": [entry, sync], "files": [{}]});
        assert_eq!(
            row(&revision),
            "    12  2026-11-27T10:00:00Z  create route 7 by web (ä), sync_from_disk config by api (1 files)"
        );
    }
}
