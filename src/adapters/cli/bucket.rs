//! `nanio-orchestrator bucket`: what vhosts serve and pools hold, by the running server.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Serialize;
use serde_json::Value;

use super::confirm::Consent;
use super::follow::{Progress, follow};
use super::output::{Column, cell};
use super::resource::{Collection, body, counted, in_flags};
use super::session::{ApiArguments, Session};
use super::{migration, say};
use crate::domain::bucket::BucketName;

type Fault = Box<dyn std::error::Error>;

const OF_VHOST: &[Column] = &[
    ("BUCKET", "name"),
    ("STATUS", "status"),
    ("POOL", "pool_name"),
    ("OBJECTS", "object_count"),
    ("ALL", "count_complete"),
    ("FOUND", "discovered_at"),
    ("WHY NOT COUNTED", "count_error"),
];
const OF_POOL: &[Column] =
    &[("BUCKET", "bucket"), ("STATUS", "status"), ("ROUTED IN", "routed_in"), ("DEFAULT OF", "default_vhosts")];
const ORPHANS: &[Column] = &[("BUCKET", "bucket"), ("OBJECTS", "objects"), ("ALL", "count_complete")];

/// What `bucket` takes.
#[derive(Debug, Args)]
pub(super) struct BucketArguments {
    #[command(flatten)]
    api: ApiArguments,
    #[command(subcommand)]
    command: BucketCommand,
}

#[derive(Debug, Subcommand)]
enum BucketCommand {
    /// List the buckets of a vhost, as the last sync found them, or those that a pool holds now
    List {
        #[command(flatten)]
        place: Place,
        /// Count the objects too, for two seconds at most
        #[arg(long, conflicts_with = "pool")]
        fetch_counts: bool,
    },
    /// Ask the pools of a vhost for their buckets now
    Sync(OfVhost),
    /// Give a bucket a route of its own
    Promote {
        /// The bucket
        #[arg(value_parser = name)]
        bucket: String,
        #[command(flatten)]
        vhost: OfVhost,
        #[command(flatten)]
        promotion: Promotion,
        /// Watch the migration until it ends
        #[arg(long, requires = "migrate")]
        wait: bool,
    },
    /// Do not show a bucket as new any more
    Ignore {
        /// The bucket
        #[arg(value_parser = name)]
        bucket: String,
        #[command(flatten)]
        vhost: OfVhost,
    },
    /// Carry over what the default pool still has of a routed bucket
    Migrate {
        /// The bucket
        #[arg(value_parser = name)]
        bucket: String,
        #[command(flatten)]
        vhost: OfVhost,
        /// Watch the migration until it ends
        #[arg(long)]
        wait: bool,
    },
    /// Find objects that routed buckets left on the default pool
    Orphans(OfVhost),
    /// Delete what nobody is served from: a routed bucket's copy on the default pool, or what a pool holds of a bucket
    Purge {
        /// The bucket
        #[arg(value_parser = name)]
        bucket: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        consent: Consent,
    },
}

#[derive(Debug, Args)]
struct OfVhost {
    /// The vhost: server name or id
    #[arg(long, value_name = "VHOST")]
    vhost: String,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Place {
    /// Of a vhost: server name or id
    #[arg(long, value_name = "VHOST")]
    vhost: Option<String>,
    /// Of a pool: name or id
    #[arg(long, value_name = "POOL")]
    pool: Option<String>,
}

#[derive(Debug, Args, Serialize)]
struct Promotion {
    /// The pool that serves the bucket from then on: name or id
    #[arg(long, value_name = "POOL", visible_alias = "pool")]
    pool_id: String,
    /// Move the bucket's objects there; the route follows when they are
    #[arg(long)]
    migrate: bool,
    /// Do it even if the bucket's objects stay behind on the pool that serves it now
    #[arg(long)]
    allow_orphan: bool,
}

/// A name that can stand in a path.
fn name(text: &str) -> Result<String, String> {
    BucketName::parse(text).map(|name| name.as_str().to_owned()).map_err(|invalid| invalid.to_string())
}

impl Place {
    /// Where the API has its buckets, and whether it is a pool.
    async fn find(&self, session: &Session) -> Result<(String, bool), Fault> {
        match (&self.vhost, &self.pool) {
            (_, Some(pool)) => {
                let pools = Collection::pools(session);
                Ok((format!("{}/buckets", pools.at(&pools.find(pool).await?)), true))
            }
            (vhost, None) => Ok((of_vhost(session, vhost.as_deref().unwrap_or_default()).await?, false)),
        }
    }
}

async fn of_vhost(session: &Session, vhost: &str) -> Result<String, Fault> {
    let vhosts = Collection::vhosts(session);
    Ok(format!("{}/buckets", vhosts.at(&vhosts.find(vhost).await?)))
}

/// Does it.
pub(super) async fn run(arguments: BucketArguments) -> Result<ExitCode, Fault> {
    let session = arguments.api.open()?;
    let post = async |path: String, body: Option<&Value>| session.server.call(Method::POST, &path, body).await;
    match arguments.command {
        BucketCommand::List { place, fetch_counts } => list(&session, &place, fetch_counts).await?,
        BucketCommand::Sync(of) => {
            let synced = post(format!("{}/sync", of_vhost(&session, &of.vhost).await?), None).await?;
            session.one(&synced, &[("", "vhost_id"), ("", "buckets_found"), ("", "buckets_new")])?;
            if !synced["error"].is_null() {
                return Ok(ExitCode::FAILURE);
            }
        }
        BucketCommand::Promote { bucket, vhost, promotion, wait } => {
            let path = format!("{}/{bucket}/promote", of_vhost(&session, &vhost.vhost).await?);
            let body = body(&session, &promotion).await?;
            let promoted = post(path, Some(&body)).await.map_err(in_flags)?;
            return migrating(&session, &promoted, wait).await;
        }
        BucketCommand::Ignore { bucket, vhost } => {
            let path = format!("{}/{bucket}/ignore", of_vhost(&session, &vhost.vhost).await?);
            session.one(&post(path, None).await?, &[])?;
        }
        BucketCommand::Migrate { bucket, vhost, wait } => {
            let path = format!("{}/{bucket}/migrate", of_vhost(&session, &vhost.vhost).await?);
            return migrating(&session, &post(path, None).await?, wait).await;
        }
        BucketCommand::Orphans(of) => {
            let found = session.server.get(&format!("{}/orphans", of_vhost(&session, &of.vhost).await?)).await?;
            session.part(&found, "orphans", ORPHANS, "No bucket has left anything on the default pool.")?;
            for one in found["unchecked"].as_array().into_iter().flatten() {
                say(&format!("not looked at: {} ({})", cell(&one["bucket"]), cell(&one["reason"])));
            }
        }
        BucketCommand::Purge { bucket, place, consent } => return purge(&session, &bucket, &place, consent).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(session: &Session, place: &Place, fetch_counts: bool) -> Result<(), Fault> {
    let (path, is_pool) = place.find(session).await?;
    if is_pool {
        let mut held = session.server.get(&format!("{path}/status")).await?;
        if session.is_for_people() {
            names_only(&mut held);
        }
        return session.part(&held, "buckets", OF_POOL, "The pool holds no bucket.");
    }
    let listed = session.server.get(&format!("{path}?fetch_counts={fetch_counts}")).await?;
    let empty = "No bucket is known. To ask the pools now: nanio-orchestrator bucket sync --vhost VHOST";
    session.part(&listed, "buckets", OF_VHOST, empty)
}

/// Vhosts by their names alone.
fn names_only(held: &mut Value) {
    for bucket in held["buckets"].as_array_mut().into_iter().flatten() {
        for field in ["routed_in", "default_vhosts"] {
            for vhost in bucket[field].as_array_mut().into_iter().flatten() {
                *vhost = vhost["server_name"].take();
            }
        }
    }
}

/// Shows what was asked for, or watches the migration that does it.
async fn migrating(session: &Session, answer: &Value, wait: bool) -> Result<ExitCode, Fault> {
    let id = answer["migration_id"].as_u64();
    match id {
        Some(id) if wait => return migration::watch(session, id).await,
        Some(id) => say(&format!("To follow it: nanio-orchestrator migration watch {id}")),
        None => say("Not live yet. Next: nanio-orchestrator config reload"),
    }
    session.one(answer, &[("", "bucket"), ("", "route"), ("", "pool")])?;
    Ok(ExitCode::SUCCESS)
}

async fn purge(session: &Session, bucket: &str, place: &Place, consent: Consent) -> Result<ExitCode, Fault> {
    let (path, is_pool) = place.find(session).await?;
    let told = if is_pool {
        of_pool(bucket, &session.server.get(&format!("{path}/status")).await?)
    } else {
        of_default_pool(bucket, &session.server.get(&format!("{path}/orphans")).await?)
    };
    consent.ask(&format!("Delete these objects of {bucket} for good"), &told)?;
    let deed = if is_pool { "purge" } else { "purge-orphan" };
    let answer = session.server.call(Method::POST, &format!("{path}/{bucket}/{deed}"), None).await?;
    let Some(job) = answer["job_id"].as_u64() else {
        session.one(&answer, &[("", "bucket"), ("", "deleted"), ("", "total")])?;
        return Ok(if answer["ok"] == true { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    };
    let Some(ended) = follow(&session.server, &format!("/api/jobs/{job}"), progress).await? else {
        say(&format!("The purge goes on by itself, as job {job}: GET /api/jobs/{job} tells how far it is"));
        return Ok(ExitCode::from(migration::INTERRUPTED));
    };
    session.one(&ended, &[("", "id"), ("", "state"), ("", "done"), ("", "total")])?;
    Ok(if ended["state"] == "done" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a purge of a pool's bucket deletes, and who is served from it.
fn of_pool(bucket: &str, held: &Value) -> Vec<String> {
    let pool = cell(&held["pool_name"]);
    let mut told = vec![format!("Everything that pool {pool} holds of {bucket}, unfinished uploads too.")];
    let found = held["buckets"].as_array().into_iter().flatten().find(|held| held["bucket"] == bucket);
    let Some(found) = found else {
        told.push(format!("Pool {pool} does not list {bucket}."));
        return told;
    };
    for (field, words) in [("routed_in", "by a route of"), ("default_vhosts", "as the default pool of")] {
        for vhost in found[field].as_array().into_iter().flatten() {
            if found["status"] == if field == "routed_in" { "routed" } else { "via_default" } {
                told.push(format!(
                    "It is served from there {words} {}: the server will refuse.",
                    cell(&vhost["server_name"])
                ));
            }
        }
    }
    if let Some(migration) = found["migration_id"].as_i64() {
        told.push(format!("Migration {migration} needs it there: the server will refuse until that has ended."));
    }
    told
}

/// What a purge of an orphan deletes.
fn of_default_pool(bucket: &str, found: &Value) -> Vec<String> {
    let orphan = found["orphans"].as_array().into_iter().flatten().find(|orphan| orphan["bucket"] == bucket);
    let objects = orphan.and_then(|orphan| orphan["objects"].as_u64());
    let told = match (objects, orphan.is_some_and(|orphan| orphan["count_complete"] == true)) {
        (Some(objects), true) => {
            format!("{} of {bucket} on the default pool of the vhost.", counted(objects, "object"))
        }
        (Some(objects), false) => format!("At least {} of {bucket} on the default pool.", counted(objects, "object")),
        (None, _) => format!("No object of {bucket} was found on the default pool of the vhost."),
    };
    vec![told]
}

/// How far a purge is.
fn progress(job: &Value) -> Progress {
    let number = |field: &str| job[field].as_u64().unwrap_or_default();
    let state = job["state"].as_str().unwrap_or_default();
    Progress {
        state: format!("purge of {}: {state}", cell(&job["bucket"])),
        detail: counted(number("done"), "object"),
        done: number("done"),
        total: number("total"),
        ended: matches!(state, "done" | "failed" | "cancelled"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_purge_deletes_is_told_before_it_is_asked_for() {
        let found = json!({"orphans": [{"bucket": "a", "objects": 3, "count_complete": true},
            {"bucket": "b", "objects": 1, "count_complete": false}]});
        assert_eq!(of_default_pool("a", &found), ["3 objects of a on the default pool of the vhost."]);
        assert_eq!(of_default_pool("b", &found), ["At least 1 object of b on the default pool."]);
        assert_eq!(of_default_pool("c", &found), ["No object of c was found on the default pool of the vhost."]);
        let held = json!({"pool_name": "old", "buckets": [
            {"bucket": "a", "status": "routed", "routed_in": [{"server_name": "s3.test"}], "default_vhosts": []},
            {"bucket": "b", "status": "orphaned", "routed_in": [], "default_vhosts": [{"server_name": "s3.test"}]},
        ]});
        assert_eq!(of_pool("a", &held)[1], "It is served from there by a route of s3.test: the server will refuse.");
        assert_eq!(of_pool("b", &held).len(), 1);
        assert_eq!(of_pool("c", &held)[1], "Pool old does not list c.");
    }

    #[test]
    fn a_purge_that_goes_on_is_followed_by_its_job() {
        let job = json!({"id": 1, "bucket": "a", "state": "running", "done": 500, "total": 2000});
        let told = progress(&job);
        assert_eq!((told.done, told.total, told.ended), (500, 2000, false));
        assert!(progress(&json!({"bucket": "a", "state": "failed"})).ended);
    }

    #[test]
    fn a_name_that_could_leave_its_place_in_a_path_is_wrong_usage() {
        for text in ["..", "a/b", "a?b", ""] {
            assert!(name(text).is_err(), "{text}");
        }
        assert_eq!(name("a.b-c_d@e").as_deref(), Ok("a.b-c_d@e"));
    }
}
