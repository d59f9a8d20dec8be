//! `nanio-orchestrator adopt`: by the running server, which alone drives migrations.

use clap::{Args, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

use super::say;
use super::session::ApiArguments;

/// What `adopt` takes.
#[derive(Debug, PartialEq, Eq, Args)]
pub(super) struct AdoptArguments {
    #[command(flatten)]
    api: ApiArguments,
    /// The migration that 0.4.x left in the middle of a split (needs_adoption)
    id: u32,
    /// Where the bucket is to be in the end; nothing is lost either way
    #[arg(long)]
    to: To,
}

/// The pools of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    /// The pool that is read first
    Source,
    /// The pool that takes the writes
    Destination,
}

/// Asks for it, and tells what does it.
pub(super) async fn run(arguments: AdoptArguments) -> Result<(), Box<dyn std::error::Error>> {
    let session = arguments.api.open()?;
    let to = match arguments.to {
        To::Source => "source",
        To::Destination => "destination",
    };
    let path = format!("/api/migrations/{}/adopt", arguments.id);
    let adoption = session.server.call(Method::POST, &path, Some(&json!({"to": to}))).await?;
    session.tell(&adoption, || words(&arguments, &adoption))?;
    if adoption["adopts"] == Value::Null {
        say("Next: nanio-orchestrator config reload");
    }
    Ok(())
}

fn words(arguments: &AdoptArguments, adoption: &Value) -> String {
    let text = |name: &str| adoption[name].as_str().unwrap_or_default();
    if adoption["adopts"] == Value::Null {
        return format!("vhost {} reads bucket {} from one pool again", text("server_name"), text("bucket"));
    }
    let carries = format!(
        "migration {} carries what is newer of bucket {} from pool {} to pool {}",
        adoption["id"],
        text("bucket"),
        text("src_pool_name"),
        text("dst_pool_name")
    );
    match arguments.to {
        To::Source => carries,
        To::Destination => {
            format!("{carries}\nmigration {} then moves the bucket to pool {}", arguments.id, text("src_pool_name"))
        }
    }
}
