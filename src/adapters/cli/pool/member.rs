//! `pool member`: the storage nodes of a pool.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::Fault;
use crate::adapters::cli::confirm::Consent;
use crate::adapters::cli::resource::{Collection, Kind};
use crate::adapters::cli::session::Session;

const MEMBERS: Kind = Kind {
    noun: "member",
    name: "address",
    list: "pool member list POOL",
    columns: &[
        ("ID", "id"),
        ("ADDRESS", "address"),
        ("ROLE", "role"),
        ("WEIGHT", "weight"),
        ("ENABLED", "enabled"),
        ("REACHABLE", "reachable"),
        ("WHY NOT", "unreachable_because"),
    ],
    empty: "The pool has no member yet. To add one: nanio-orchestrator pool member add POOL --address HOST:PORT",
};

#[derive(Debug, Subcommand)]
pub(super) enum MemberCommand {
    /// List the members of a pool
    List {
        /// The pool: name or id
        pool: String,
    },
    /// Add a member to a pool
    Add {
        /// The pool: name or id
        pool: String,
        #[command(flatten)]
        fields: MemberFields,
    },
    /// Change a member: what is not given stays
    Update {
        /// The pool: name or id
        pool: String,
        /// The member: address or id
        member: String,
        #[command(flatten)]
        fields: MemberFields,
    },
    /// Take a member out of a pool
    Remove {
        /// The pool: name or id
        pool: String,
        /// The member: address or id
        member: String,
        #[command(flatten)]
        consent: Consent,
    },
}

#[derive(Debug, Args, Serialize)]
#[group(required = true, multiple = true)]
pub(super) struct MemberFields {
    /// `host:port`, `[IPv6]:port` or `unix:/path/to/socket`
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// `active` in nanio pools, `primary` or `replica` in http pools
    #[arg(long, value_parser = ["active", "primary", "replica"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    /// Its share of the requests
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<i64>,
    /// Failures until it is left out; 0: never
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_fails: Option<i64>,
    /// Seconds in which failures count, and for which it is left out
    #[arg(long, value_name = "SECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    fail_timeout_s: Option<i64>,
    /// False takes it out of nginx
    #[arg(long, value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
}

impl MemberCommand {
    /// Does it.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        let (Self::List { pool } | Self::Add { pool, .. } | Self::Update { pool, .. } | Self::Remove { pool, .. }) =
            &self;
        let pools = Collection::pools(session);
        let members = format!("{}/members", pools.at(&pools.find(pool).await?));
        let members = Collection::new(session, &MEMBERS, members);
        match self {
            Self::List { .. } => members.list().await,
            Self::Add { fields, .. } => members.create(&fields).await,
            Self::Update { member, fields, .. } => members.update(&member, &fields).await,
            Self::Remove { pool, member, consent } => {
                let member = members.find(&member).await?;
                let others = members.all().await?;
                let others =
                    others.iter().filter(|other| other["id"] != member["id"] && other["enabled"] == true).count();
                let told = format!("Requests to pool {pool} then go to its other enabled members: {others}.");
                members.delete(&member, &[told], consent, "").await
            }
        }
    }
}
