//! `nanio-orchestrator migration`: buckets that move to another pool, by the running server.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{HumanBytes, HumanDuration};
use reqwest::Method;
use serde::Serialize;
use serde_json::Value;

use super::follow::{Progress, follow};
use super::output::{Column, cell};
use super::resource::{body, query};
use super::say;
use super::session::{ApiArguments, Session};

type Fault = Box<dyn std::error::Error>;

/// Who is at the terminal has ended the watching, as a shell tells it.
pub(super) const INTERRUPTED: u8 = 130;

const COLUMNS: &[Column] = &[
    ("ID", "id"),
    ("BUCKET", "bucket"),
    ("FROM", "src_pool_name"),
    ("TO", "dst_pool_name"),
    ("VHOST", "server_name"),
    ("KIND", "kind"),
    ("PHASE", "phase"),
    ("OBJECTS", "objects_done"),
    ("OF", "objects_total"),
    ("ASKED FOR", "created_at"),
    ("WHY", "error_msg"),
];
const CHECKS: &[Column] = &[("CHECK", "name"), ("OUTCOME", "outcome"), ("MESSAGE", "message")];
const LOG: &[Column] = &[("WHEN", "created_at"), ("PHASE", "phase"), ("MESSAGE", "message")];

/// What `migration` takes.
#[derive(Debug, Args)]
pub(super) struct MigrationArguments {
    #[command(flatten)]
    api: ApiArguments,
    #[command(subcommand)]
    command: MigrationCommand,
}

#[derive(Debug, Subcommand)]
enum MigrationCommand {
    /// List migrations, the newest first
    List {
        /// Only those in this phase
        #[arg(long)]
        phase: Option<String>,
        /// At most so many
        #[arg(long, value_name = "NUMBER")]
        limit: Option<u64>,
    },
    /// Show a migration
    Get(Id),
    /// See what would be found before a migration; begins nothing
    Preflight(NewMigration),
    /// Move a bucket to another pool while clients use it
    Start {
        #[command(flatten)]
        wanted: NewMigration,
        /// Watch it until it ends
        #[arg(long)]
        wait: bool,
    },
    /// End a migration: the source goes on serving the bucket
    Cancel(Id),
    /// Make a migration wait
    Pause(Id),
    /// Let a paused migration go on
    Resume(Id),
    /// Read the log of a migration, the newest line first
    Log {
        #[command(flatten)]
        migration: Id,
        /// At most so many lines
        #[arg(long, value_name = "NUMBER")]
        limit: Option<u64>,
    },
    /// Follow a migration until it ends; exit status 0 only if the bucket has moved
    Watch(Id),
}

#[derive(Debug, Clone, Copy, Args)]
struct Id {
    /// The number of the migration
    id: u32,
}

impl Id {
    fn path(self, part: &str) -> String {
        format!("/api/migrations/{}{part}", self.id)
    }
}

#[derive(Debug, Args, Serialize)]
struct NewMigration {
    /// The bucket; it needs a route to the source pool
    bucket: String,
    /// The pool that serves it: name or id
    #[arg(long, value_name = "POOL", visible_alias = "src")]
    src_pool_id: String,
    /// The pool that is to serve it: name or id
    #[arg(long, value_name = "POOL", visible_alias = "dst")]
    dst_pool_id: String,
    /// copy: what only the destination has stays; sync: it goes
    #[arg(long, value_parser = ["copy", "sync"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    /// The vhost whose route is meant, if several have one: server name or id
    #[arg(long, value_name = "VHOST", visible_alias = "vhost")]
    #[serde(skip_serializing_if = "Option::is_none")]
    vhost_id: Option<String>,
}

/// Does it.
pub(super) async fn run(arguments: MigrationArguments) -> Result<ExitCode, Fault> {
    let session = arguments.api.open()?;
    let server = &session.server;
    match arguments.command {
        MigrationCommand::List { phase, limit } => {
            let query = query(&[("phase", phase), ("limit", limit.map(|limit| limit.to_string()))]);
            let all = server.get(&format!("/api/migrations{query}")).await?;
            let empty = "There is no such migration. To move a bucket: nanio-orchestrator migration start BUCKET \
                         --src-pool-id POOL --dst-pool-id POOL";
            session.list(all.as_array().map_or(&[], Vec::as_slice), COLUMNS, empty)?;
        }
        MigrationCommand::Get(id) => session.one(&server.get(&id.path("")).await?, COLUMNS)?,
        MigrationCommand::Preflight(wanted) => {
            let body = body(&session, &wanted).await?;
            let found = server.call(Method::POST, "/api/migrations/preflight", Some(&body)).await?;
            session.part(&found, "checks", CHECKS, "Nothing was checked.")?;
            return Ok(if found["ok"] == true { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        MigrationCommand::Start { wanted, wait } => {
            let body = body(&session, &wanted).await?;
            let migration = server.call(Method::POST, "/api/migrations", Some(&body)).await?;
            return begun(&session, &migration, wait).await;
        }
        MigrationCommand::Cancel(id) => act(&session, id, "cancel", "The source goes on serving the bucket").await?,
        MigrationCommand::Pause(id) => act(&session, id, "pause", "It waits until it is resumed").await?,
        MigrationCommand::Resume(id) => act(&session, id, "resume", "It goes on where it was").await?,
        MigrationCommand::Log { migration, limit } => {
            let query = query(&[("limit", limit.map(|limit| limit.to_string()))]);
            let lines = server.get(&migration.path(&format!("/log{query}"))).await?;
            session.list(lines.as_array().map_or(&[], Vec::as_slice), LOG, "The log is empty so far.")?;
        }
        MigrationCommand::Watch(id) => return watch(&session, id.id.into()).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn act(session: &Session, id: Id, deed: &str, told: &str) -> Result<(), Fault> {
    let answer = session.server.call(Method::POST, &id.path(&format!("/{deed}")), None).await?;
    session.one(&answer, &[])?;
    say(&format!("{told}. To see it: nanio-orchestrator migration get {}", id.id));
    Ok(())
}

/// Shows a migration that was asked for just now, or watches it.
async fn begun(session: &Session, migration: &Value, wait: bool) -> Result<ExitCode, Fault> {
    for warning in migration["cascade_warnings"].as_array().into_iter().flatten() {
        say(&format!("warning: {}", cell(warning)));
    }
    if wait {
        return watch(session, number(migration, "id")).await;
    }
    session.one(migration, COLUMNS)?;
    say(&format!("To follow it: nanio-orchestrator migration watch {}", migration["id"]));
    Ok(ExitCode::SUCCESS)
}

/// Follows a migration; the exit status says whether it came to its end.
pub(super) async fn watch(session: &Session, id: u64) -> Result<ExitCode, Fault> {
    let Some(migration) = follow(&session.server, &format!("/api/migrations/{id}"), progress).await? else {
        say(&format!(
            "Migration {id} goes on by itself. To see it again: nanio-orchestrator migration watch {id}; to end it: \
             nanio-orchestrator migration cancel {id}"
        ));
        return Ok(ExitCode::from(INTERRUPTED));
    };
    session.one(&migration, COLUMNS)?;
    if migration["phase"] == "done" {
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("Why: nanio-orchestrator migration log {id}"));
    Ok(ExitCode::FAILURE)
}

fn number(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap_or_default()
}

/// How far a migration is.
fn progress(migration: &Value) -> Progress {
    let phase = migration["phase"].as_str().unwrap_or_default();
    let ended = matches!(phase, "done" | "error" | "cancelled");
    let mut state = format!("migration {} of {}: {phase}", migration["id"], cell(&migration["bucket"]));
    let mut tell = |yes: bool, words: &str| {
        if yes {
            state.push_str(words);
        }
    };
    tell(migration["paused"] == true, ", paused");
    tell(migration["cancelling"] == true && !ended, ", being cancelled");
    if let Some(why) = migration["error_msg"].as_str() {
        tell(true, &format!(" ({why})"));
    }
    let (done, total) = (number(migration, "objects_done"), number(migration, "objects_total"));
    let bytes = |field| HumanBytes(number(migration, field));
    let mut detail = Vec::new();
    if total > 0 {
        detail.push(format!("{done} of {total} objects, {} of {}", bytes("bytes_done"), bytes("bytes_total")));
    }
    if let Some(pace) = migration["bytes_per_second"].as_u64().filter(|_| !ended) {
        detail.push(format!("{}/s", HumanBytes(pace)));
    }
    if let Some(seconds) = migration["eta_seconds"].as_u64().filter(|_| !ended) {
        detail.push(format!("{} left", HumanDuration(Duration::from_secs(seconds))));
    }
    Progress { state, detail: detail.join(", "), done, total, ended }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn progress_tells_phase_objects_bytes_pace_and_the_time_that_is_left() {
        let mut migration = json!({
            "id": 7, "bucket": "photos", "phase": "copying", "objects_done": 5, "objects_total": 10,
            "bytes_done": 1024, "bytes_total": 4096, "bytes_per_second": 2048, "eta_seconds": 90, "error_msg": null,
        });
        let told = progress(&migration);
        assert_eq!((told.state.as_str(), told.ended), ("migration 7 of photos: copying", false));
        let expected = "5 of 10 objects, 1.00 KiB of 4.00 KiB, 2.00 KiB/s, 2 minutes left";
        assert_eq!(told.detail, expected);
        for (field, value) in [("phase", json!("error")), ("error_msg", json!("disk full"))] {
            migration[field] = value;
        }
        let told = progress(&migration);
        assert_eq!((told.state.as_str(), told.ended), ("migration 7 of photos: error (disk full)", true));
        assert_eq!(told.detail, "5 of 10 objects, 1.00 KiB of 4.00 KiB");
    }

    #[test]
    fn a_migration_that_waits_says_what_for() {
        let migration = json!({"id": 1, "bucket": "b", "phase": "pending", "paused": true, "cancelling": true});
        assert_eq!(progress(&migration).state, "migration 1 of b: pending, paused, being cancelled");
    }
}
