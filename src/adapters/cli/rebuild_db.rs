//! `nanio-orchestrator rebuild-db`: by the server that runs on this data or, if there is none, directly.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::server::Server;
use super::{print, say, service_user};
use crate::adapters::process_lock::LockError;
use crate::app::{self, RebuildFault, Rebuilt, StartError};
use crate::config::{Settings, Sources};
use crate::domain::audit::Restored;
use crate::domain::restore::{Import, ImportedPool, ImportedVhost};

type Fault = Box<dyn std::error::Error>;

/// What `rebuild-db` takes.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct RebuildArguments {
    /// Preview without writing
    #[arg(long)]
    dry_run: bool,
    /// Overwrite existing DB data
    #[arg(long)]
    force: bool,
}

/// Does it, or tells what it would do.
pub(super) async fn run(arguments: RebuildArguments) -> Result<ExitCode, Fault> {
    let settings = Settings::from_sources(&Sources::gather(Vec::new())?)?;
    service_user::become_it(&settings)?;
    if arguments.dry_run {
        show_preview(&app::preview_rebuild(&settings).await?);
        return Ok(ExitCode::SUCCESS);
    }
    match app::rebuild_db(&settings, arguments.force).await {
        Ok(rebuilt) => show(&rebuilt),
        Err(RebuildFault::Lock(busy) | RebuildFault::Start(StartError::Lock(busy))) => {
            by_the_server(&settings, busy, arguments.force).await?;
        }
        Err(error) => return Err(error.to_string().replace("force=true", "--force").into()),
    }
    Ok(ExitCode::SUCCESS)
}

async fn by_the_server(settings: &Settings, busy: LockError, force: bool) -> Result<(), Fault> {
    let Some(server) = Server::of(&busy, settings)? else { return Err(busy.into()) };
    let answer = server.ask(if force { "rebuild-from-disk?force=true" } else { "rebuild-from-disk" }).await;
    let answer = answer.map_err(|error| error.to_string().replace("force=true", "--force"))?;
    let count = |name: &str| answer[name].as_u64().unwrap_or_default();
    let warnings = answer["warnings"].as_array().into_iter().flatten();
    show_counts(&Restored {
        pools_imported: count("pools_imported"),
        members_imported: count("members_imported"),
        vhosts_imported: count("vhosts_imported"),
        routes_imported: count("routes_imported"),
        migrations_imported: count("migrations_imported"),
        completed_migrations_imported: count("completed_migrations_imported"),
        credentials_recovered: count("credentials_recovered"),
        warnings: warnings.filter_map(Value::as_str).map(str::to_owned).collect(),
    });
    say("The running server did it, and goes on with the new database.");
    Ok(())
}

fn show(rebuilt: &Rebuilt) {
    if let Some(former) = &rebuilt.former {
        print(&format!("Taken over: a database of 0.4.x, kept as {}", former.display()));
    } else if let Some(aside) = &rebuilt.aside {
        print(&format!("Set aside: the database that could not be used, kept as {}", aside.display()));
    }
    show_counts(&Restored::of(&rebuilt.import));
    say(
        "Next: start the server (systemctl start nanio-orchestrator) and look at GET /api/config/status: what differs \
         from the database is shown as drift.",
    );
}

fn show_counts(restored: &Restored) {
    for (what, count) in [
        ("Pools", restored.pools_imported),
        ("Members", restored.members_imported),
        ("Vhosts", restored.vhosts_imported),
        ("Routes", restored.routes_imported),
        ("Migrations", restored.migrations_imported),
        ("Migrations (completed)", restored.completed_migrations_imported),
        ("Credentials", restored.credentials_recovered),
    ] {
        print(&format!("  {what:<24}{count}"));
    }
    show_warnings(&restored.warnings);
}

fn show_warnings(warnings: &[String]) {
    for warning in warnings {
        print(&format!("  ⚠ {warning}"));
    }
}

fn show_preview(import: &Import) {
    print("Dry run: nothing was written.");
    print(&format!("Pools ({})", import.pools.len()));
    for row in &import.pools {
        print(&format!("  {}", pool(row)));
    }
    print(&format!("Vhosts ({})", import.vhosts.len()));
    for row in &import.vhosts {
        print(&format!("  {}", vhost(row)));
    }
    let counts = Restored::of(import);
    print(&format!(
        "Migrations: {}, and {} that ended",
        counts.migrations_imported, counts.completed_migrations_imported
    ));
    print("Audit log: is not on disk; the database keeps the one it has");
    show_warnings(&import.warnings);
}

fn pool(row: &ImportedPool) -> String {
    let mut told = vec![row.pool.kind.as_str().to_owned(), counted(row.members.len(), "member")];
    told.push(if row.credential.is_some() { "credentials" } else { "no credentials" }.to_owned());
    told.push(if row.has_sidecar { "sidecar" } else { "no sidecar" }.to_owned());
    format!("{} ({})", row.pool.name, told.join(", "))
}

fn vhost(row: &ImportedVhost) -> String {
    let mut told = vec![counted(row.routes.len(), "route")];
    let mut tell = |yes: bool, what: &str| {
        if yes {
            told.push(what.to_owned());
        }
    };
    tell(row.vhost.default_pool_id.is_some(), "default pool");
    tell(row.vhost.ssl, "TLS");
    tell(!row.vhost.extra_blocks.is_empty(), "extra blocks");
    tell(row.vhost.ip_rules.is_some(), "IP rules");
    tell(!row.vhost.enabled, "disabled");
    tell(row.has_sidecar, "sidecar");
    format!("{} ({})", row.vhost.server_name, told.join(", "))
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
