//! `nanio-orchestrator vhost`: virtual hosts of the gateway, by the running server.

use std::fs;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};

use super::confirm::Consent;
use super::resource::{Collection, counted};
use super::session::ApiArguments;

type Fault = Box<dyn std::error::Error>;

/// What `vhost` takes.
#[derive(Debug, Args)]
pub(super) struct VhostArguments {
    #[command(flatten)]
    api: ApiArguments,
    #[command(subcommand)]
    command: VhostCommand,
}

#[derive(Debug, Subcommand)]
enum VhostCommand {
    /// List all vhosts
    List,
    /// Show a vhost
    Get {
        /// Its server name or id
        vhost: String,
    },
    /// Make a vhost
    Create(VhostFields),
    /// Change a vhost: what is not given stays, an empty value clears
    Update {
        /// Its server name or id
        vhost: String,
        #[command(flatten)]
        fields: VhostFields,
        /// Change the default pool even if buckets stay behind on the old one
        #[arg(long)]
        allow_orphan: bool,
    },
    /// Delete a vhost that has no routes of its own any more
    Delete {
        /// Its server name or id
        vhost: String,
        #[command(flatten)]
        consent: Consent,
    },
}

#[derive(Debug, Args, Serialize)]
#[group(required = true, multiple = true)]
struct VhostFields {
    /// The host name it answers to; `*.` in front makes it a wildcard
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    server_name: Option<String>,
    /// The port for clients [default: 443]
    #[arg(long, value_name = "PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen_port: Option<i64>,
    /// TLS on that port; needs certificate and key [default: true]
    #[arg(long, value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ssl: Option<bool>,
    /// Absolute path of the certificate chain
    #[arg(long, value_name = "PATH", visible_alias = "ssl-cert-path")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ssl_certificate: Option<String>,
    /// Absolute path of the private key
    #[arg(long, value_name = "PATH", visible_alias = "ssl-key-path")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ssl_certificate_key: Option<String>,
    /// The pool that serves buckets without a route of their own: name or id
    #[arg(long, value_name = "POOL", visible_alias = "default-pool")]
    #[serde(skip_serializing_if = "Option::is_none")]
    default_pool_id: Option<String>,
    /// False takes the vhost out of nginx
    #[arg(long, value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    /// Whether only the listed addresses may connect, or may not
    #[arg(long, value_parser = ["allow", "deny", ""], hide_possible_values = true, value_name = "allow|deny")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_rule_mode: Option<String>,
    /// Addresses and networks, separated by commas
    #[arg(long, value_name = "IPS", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "without_blanks")]
    ip_rule_ips: Option<Vec<String>>,
    /// Raw nginx directives after the proxy settings
    #[arg(long, value_name = "TEXT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_directives: Option<String>,
    /// Raw nginx directives by zone (top, ssl, proxy, end), repeated: ZONE=TEXT or ZONE=@FILE
    #[arg(long, value_name = "ZONE=TEXT", value_parser = block)]
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "without_nulls")]
    extra_blocks: Option<Vec<Value>>,
}

/// An extra block as the API takes it; nothing for an empty text, which clears them all.
fn block(text: &str) -> Result<Value, String> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    let (zone, content) = text.split_once('=').ok_or("write ZONE=TEXT or ZONE=@FILE")?;
    let content = match content.strip_prefix('@') {
        Some(path) => fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?,
        None => content.to_owned(),
    };
    Ok(json!({"zone": zone, "content": content}))
}

fn without_nulls<S: serde::Serializer>(blocks: &Option<Vec<Value>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(blocks.iter().flatten().filter(|block| !block.is_null()))
}

fn without_blanks<S: serde::Serializer>(texts: &Option<Vec<String>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(texts.iter().flatten().map(|text| text.trim()).filter(|text| !text.is_empty()))
}

/// The fields of an update, with what is said yes to.
#[derive(Serialize)]
struct Update {
    #[serde(flatten)]
    fields: VhostFields,
    allow_orphan: bool,
}

/// Does it.
pub(super) async fn run(arguments: VhostArguments) -> Result<(), Fault> {
    let session = arguments.api.open()?;
    let vhosts = Collection::vhosts(&session);
    match arguments.command {
        VhostCommand::List => vhosts.list().await,
        VhostCommand::Get { vhost } => vhosts.get(&vhost).await,
        VhostCommand::Create(fields) => vhosts.create(&fields).await,
        VhostCommand::Update { vhost, fields, allow_orphan } => {
            vhosts.update(&vhost, &Update { fields, allow_orphan }).await
        }
        VhostCommand::Delete { vhost, consent } => {
            let vhost = vhosts.find(&vhost).await?;
            let routes = session.server.list(&format!("{}/routes", vhosts.at(&vhost))).await?;
            let own = routes.iter().filter(|route| route["path_prefix"] != "/").count() as u64;
            let told = if own == 0 {
                "Its clients get no answer from this gateway any more, once it is reloaded.".to_owned()
            } else {
                format!("It has {}. While that is so, the server refuses to delete it.", counted(own, "route"))
            };
            vhosts.delete(&vhost, &[told], consent, "").await
        }
    }
}
