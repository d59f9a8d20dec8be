//! `nanio-orchestrator audit`: who changed what, by the running server.

use clap::{Args, Subcommand};

use super::output::Column;
use super::resource::query;
use super::say;
use super::session::ApiArguments;

type Fault = Box<dyn std::error::Error>;

/// Entries a page, unless it is said otherwise: as the API.
const PAGE: u64 = 50;

const COLUMNS: &[Column] = &[
    ("ID", "id"),
    ("WHEN", "created_at"),
    ("WHO", "actor"),
    ("WHAT", "action"),
    ("KIND", "entity_type"),
    ("WHICH", "entity_id"),
    ("NGINX", "nginx_reload_ok"),
];

/// What `audit` takes.
#[derive(Debug, Args)]
pub(super) struct AuditArguments {
    #[command(flatten)]
    api: ApiArguments,
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Read the audit log, the newest entry first
    List(Filter),
}

#[derive(Debug, Args)]
struct Filter {
    /// Only about this kind of thing: pool, pool_member, vhost, route, config …
    #[arg(long, value_name = "KIND")]
    entity_type: Option<String>,
    /// Only about this one
    #[arg(long, value_name = "ID")]
    entity_id: Option<i64>,
    /// Not before: a date, or a time of ISO 8601
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Not after; a date means that whole day
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Which page
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    page: u64,
    /// Entries a page
    #[arg(long, default_value_t = PAGE, value_name = "NUMBER")]
    per_page: u64,
}

/// Does it.
pub(super) async fn run(arguments: AuditArguments) -> Result<(), Fault> {
    let session = arguments.api.open()?;
    let AuditCommand::List(filter) = arguments.command;
    let query = query(&[
        ("entity_type", filter.entity_type),
        ("entity_id", filter.entity_id.map(|id| id.to_string())),
        ("from", filter.from),
        ("to", filter.to),
        ("page", Some(filter.page.to_string())),
        ("per_page", Some(filter.per_page.to_string())),
    ]);
    let page = session.server.get(&format!("/api/audit{query}")).await?;
    let entries = page.as_array().map_or(&[][..], Vec::as_slice);
    session.list(entries, COLUMNS, "There is no such entry. Fewer filters, or a lower --page, show more.")?;
    if entries.len() as u64 == filter.per_page {
        say(&format!("There may be more: --page {}", filter.page + 1));
    }
    Ok(())
}
