//! `nanio-orchestrator pool`: groups of storage nodes, by the running server.

mod credentials;
mod member;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;

use super::confirm::Consent;
use super::output::plain;
use super::resource::{Collection, counted};
use super::session::{ApiArguments, Session};
use credentials::CredentialsCommand;
use member::MemberCommand;

type Fault = Box<dyn std::error::Error>;

/// What `pool` takes.
#[derive(Debug, Args)]
pub(super) struct PoolArguments {
    #[command(flatten)]
    api: ApiArguments,
    #[command(subcommand)]
    command: PoolCommand,
}

#[derive(Debug, Subcommand)]
enum PoolCommand {
    /// List all pools
    List,
    /// Show a pool
    Get {
        /// Its name or id
        pool: String,
    },
    /// Make a pool
    Create(PoolFields),
    /// Change a pool: what is not given stays, an empty value clears
    Update {
        /// Its name or id
        pool: String,
        #[command(flatten)]
        fields: PoolFields,
    },
    /// Delete a pool with its members, if nothing uses it
    Delete {
        /// Its name or id
        pool: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// The storage nodes of a pool
    #[command(subcommand)]
    Member(MemberCommand),
    /// The S3 keys of a nanio pool
    #[command(subcommand)]
    Credentials(CredentialsCommand),
}

#[derive(Debug, Args, Serialize)]
#[group(required = true, multiple = true)]
struct PoolFields {
    /// Letters, digits, `.`, `_` and `-`
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// What the nodes speak: S3 over shared storage, or plain files
    #[arg(long = "type", value_parser = ["nanio", "http"])]
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// Free text
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// How nginx chooses a member
    #[arg(long, value_parser = ["least_conn", "round_robin", "ip_hash"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    lb_method: Option<String>,
    /// Idle upstream connections that a worker keeps
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    keepalive: Option<i64>,
    /// The nanio pool whose files this http pool serves: name or id
    #[arg(long, value_name = "POOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    source_nanio_pool_id: Option<String>,
}

/// Does it.
pub(super) async fn run(arguments: PoolArguments) -> Result<(), Fault> {
    let session = arguments.api.open()?;
    let pools = Collection::pools(&session);
    match arguments.command {
        PoolCommand::List => pools.list().await,
        PoolCommand::Get { pool } => pools.get(&pool).await,
        PoolCommand::Create(fields) => pools.create(&fields).await,
        PoolCommand::Update { pool, fields } => pools.update(&pool, &fields).await,
        PoolCommand::Delete { pool, consent } => {
            let pool = pools.find(&pool).await?;
            let consequences = consequences(&session, &pool).await?;
            pools.delete(&pool, &consequences, consent, "").await
        }
        PoolCommand::Member(command) => command.run(&session).await,
        PoolCommand::Credentials(command) => command.run(&session).await,
    }
}

/// Who uses a pool, and what goes with it.
async fn consequences(session: &Session, pool: &Value) -> Result<Vec<String>, Fault> {
    let topology = session.server.get("/api/topology").await?;
    Ok(uses(&topology, pool))
}

fn uses(topology: &Value, pool: &Value) -> Vec<String> {
    let all = |list: &str| topology[list].as_array().cloned().unwrap_or_default();
    let (id, name) = (&pool["id"], plain(pool["name"].as_str().unwrap_or_default()));
    let vhosts = all("vhosts");
    let vhost_name = |vhost: &Value| plain(vhost["server_name"].as_str().unwrap_or_default()).into_owned();
    let named = |id: &Value| {
        let vhost = vhosts.iter().find(|vhost| vhost["id"] == *id);
        vhost.map_or_else(|| format!("vhost {id}"), |vhost| format!("vhost {}", vhost_name(vhost)))
    };
    let mut told = Vec::new();
    for vhost in vhosts.iter().filter(|vhost| vhost["default_pool_id"] == *id) {
        told.push(format!("{name} is the default pool of vhost {}.", vhost_name(vhost)));
    }
    for routes in all("routes").iter().filter(|routes| routes["pool_id"] == *id) {
        let number = ["enabled", "disabled"].iter().filter_map(|part| routes[*part].as_u64()).sum();
        let example = plain(routes["example"].as_str().unwrap_or_default()).into_owned();
        let (number, vhost) = (counted(number, "route"), named(&routes["vhost_id"]));
        told.push(format!("{number} of {vhost} to {name}, {example} for one."));
    }
    if !told.is_empty() {
        told.push("While that is so, the server refuses to delete it.".to_owned());
    }
    let members = all("pools").iter().find(|pool| pool["id"] == *id).and_then(|pool| pool["members"].as_u64());
    match members {
        Some(0) | None => {}
        Some(members) => told.push(format!(
            "Its entry of {} goes, and its S3 keys with it. The nodes and what they hold stay.",
            counted(members, "member")
        )),
    }
    told
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_uses_a_pool_is_told_before_it_is_deleted() {
        let topology = json!({
            "vhosts": [{"id": 1, "server_name": "s3.test", "default_pool_id": 3}, {"id": 2, "server_name": "cdn.test"}],
            "routes": [
                {"vhost_id": 2, "pool_id": 3, "enabled": 2, "disabled": 1, "example": "/photos/"},
                {"vhost_id": 2, "pool_id": 4, "enabled": 1, "disabled": 0, "example": "/other/"},
            ],
            "pools": [{"id": 3, "members": 2}, {"id": 5, "members": 0}],
        });
        assert_eq!(
            uses(&topology, &json!({"id": 3, "name": "old"})),
            [
                "old is the default pool of vhost s3.test.",
                "3 routes of vhost cdn.test to old, /photos/ for one.",
                "While that is so, the server refuses to delete it.",
                "Its entry of 2 members goes, and its S3 keys with it. The nodes and what they hold stay.",
            ]
        );
        assert!(uses(&topology, &json!({"id": 5, "name": "idle"})).is_empty());
    }
}
