//! `nanio-orchestrator route`: which pool serves what of a vhost, by the running server.

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;

use super::confirm::Consent;
use super::output::{cell, plain};
use super::resource::{Collection, Kind};
use super::session::ApiArguments;

type Fault = Box<dyn std::error::Error>;

const ROUTES: Kind = Kind {
    noun: "route",
    name: "path_prefix",
    list: "route list VHOST",
    columns: &[
        ("ID", "id"),
        ("PREFIX", "path_prefix"),
        ("POOL", "pool_name"),
        ("ENABLED", "enabled"),
        ("KEY PREFIX", "key_prefix"),
        ("CHANGED", "updated_at"),
    ],
    empty: "The vhost has no route yet. To make one: nanio-orchestrator route create VHOST --path-prefix /BUCKET/ --pool-id POOL",
};

/// What `route` takes.
#[derive(Debug, Args)]
pub(super) struct RouteArguments {
    #[command(flatten)]
    api: ApiArguments,
    #[command(subcommand)]
    command: RouteCommand,
}

#[derive(Debug, Subcommand)]
enum RouteCommand {
    /// List the routes of a vhost
    List {
        /// The vhost: server name or id
        vhost: String,
    },
    /// Show a route
    Get {
        /// The vhost: server name or id
        vhost: String,
        /// The route: prefix, bucket or id
        route: String,
    },
    /// Make a route
    Create {
        /// The vhost: server name or id
        vhost: String,
        #[command(flatten)]
        fields: RouteFields,
        /// Do it even if the bucket's objects stay behind on the pool that serves it now
        #[arg(long)]
        allow_orphan: bool,
    },
    /// Change a route: what is not given stays, an empty value clears
    Update {
        /// The vhost: server name or id
        vhost: String,
        /// The route: prefix, bucket or id
        route: String,
        #[command(flatten)]
        fields: RouteFields,
        #[command(flatten)]
        consent: Stale,
    },
    /// Delete a route; the default pool serves its bucket from then on
    Delete {
        /// The vhost: server name or id
        vhost: String,
        /// The route: prefix, bucket or id
        route: String,
        #[command(flatten)]
        stale: Stale,
        #[command(flatten)]
        consent: Consent,
    },
}

#[derive(Debug, Args, Serialize)]
#[group(required = true, multiple = true)]
struct RouteFields {
    /// `/bucket/`, rarely `/bucket/dir/`
    #[arg(long, value_name = "PREFIX")]
    #[serde(skip_serializing_if = "Option::is_none")]
    path_prefix: Option<String>,
    /// The pool that serves the requests: name or id
    #[arg(long, value_name = "POOL", visible_alias = "pool")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pool_id: Option<String>,
    /// What replaces the prefix on the way to an http pool
    #[arg(long, value_name = "PREFIX")]
    #[serde(skip_serializing_if = "Option::is_none")]
    key_prefix: Option<String>,
    /// Raw nginx directives for this route alone
    #[arg(long, value_name = "TEXT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_directives: Option<String>,
    /// False takes the route out of nginx
    #[arg(long, value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
}

#[derive(Debug, Clone, Copy, Args, Serialize)]
struct Stale {
    /// Do it even if the bucket's objects stay behind on the pool that serves it now
    #[arg(long)]
    allow_orphan: bool,
    /// Do it even if the bucket is then served from the copy that a migration left
    #[arg(long)]
    allow_stale: bool,
}

/// The fields of a change, with what is said yes to.
#[derive(Serialize)]
struct Change<T> {
    #[serde(flatten)]
    fields: RouteFields,
    #[serde(flatten)]
    consent: T,
}

#[derive(Serialize)]
struct Orphan {
    allow_orphan: bool,
}

/// Does it.
pub(super) async fn run(arguments: RouteArguments) -> Result<(), Fault> {
    let session = arguments.api.open()?;
    let vhosts = Collection::vhosts(&session);
    let (RouteCommand::List { vhost }
    | RouteCommand::Get { vhost, .. }
    | RouteCommand::Create { vhost, .. }
    | RouteCommand::Update { vhost, .. }
    | RouteCommand::Delete { vhost, .. }) = &arguments.command;
    let vhost = vhosts.find(vhost).await?;
    let routes = Collection::new(&session, &ROUTES, format!("{}/routes", vhosts.at(&vhost)));
    match arguments.command {
        RouteCommand::List { .. } => routes.list().await,
        RouteCommand::Get { route, .. } => routes.get(&prefix(route)).await,
        RouteCommand::Create { fields, allow_orphan, .. } => {
            routes.create(&Change { fields, consent: Orphan { allow_orphan } }).await
        }
        RouteCommand::Update { route, fields, consent, .. } => {
            routes.update(&prefix(route), &Change { fields, consent }).await
        }
        RouteCommand::Delete { route, stale, consent, .. } => {
            let route = routes.find(&prefix(route)).await?;
            let query = format!("?allow_orphan={}&allow_stale={}", stale.allow_orphan, stale.allow_stale);
            let told = consequence(&vhost, &route, &routes.all().await?);
            routes.delete(&route, &[told], consent, &query).await
        }
    }
}

/// A bucket's name stands for its route; a number is an id, since a bucket can be written with its slashes.
fn prefix(route: String) -> String {
    let is_id = !route.is_empty() && route.bytes().all(|byte| byte.is_ascii_digit());
    if is_id || route.starts_with('/') { route } else { format!("/{route}/") }
}

/// Where the requests of a route go without it.
fn consequence(vhost: &Value, route: &Value, routes: &[Value]) -> String {
    let (prefix, pool) = (plain(route["path_prefix"].as_str().unwrap_or_default()), cell(&route["pool_name"]));
    let default = routes.iter().find(|route| route["path_prefix"] == "/" && route["enabled"] == true);
    match default {
        Some(default) => {
            let default = cell(&default["pool_name"]);
            format!("Requests under {prefix} then go to the default pool {default} instead of {pool}.")
        }
        None => format!(
            "Vhost {} has no default pool: requests under {prefix} are then refused.",
            cell(&vhost["server_name"])
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_bucket_stands_for_its_route_and_a_number_for_an_id() {
        for (given, meant) in [("photos", "/photos/"), ("/a/b/", "/a/b/"), ("12", "12"), ("/12/", "/12/"), ("/", "/")] {
            assert_eq!(prefix(given.to_owned()), meant);
        }
    }

    #[test]
    fn it_is_told_who_serves_a_bucket_without_its_route() {
        let route = json!({"path_prefix": "/photos/", "pool_name": "new", "enabled": true});
        let root = json!({"path_prefix": "/", "pool_name": "old", "enabled": true});
        let vhost = json!({"server_name": "s3.test"});
        let told = consequence(&vhost, &route, &[root, route.clone()]);
        assert_eq!(told, "Requests under /photos/ then go to the default pool old instead of new.");
        assert!(consequence(&vhost, &route, std::slice::from_ref(&route)).contains("are then refused"));
    }
}
