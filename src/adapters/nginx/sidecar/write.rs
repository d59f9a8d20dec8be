//! Sidecars as text: JSON in the form of 0.4.x (two blanks, ASCII only, a line end), its fields first, ours behind.
//!
//! Like the configuration, a pure function of the value: the same state gives the same bytes.

use std::fmt::Write as _;
use std::sync::Arc;

use serde::Serialize;

use super::FORMAT;
use crate::adapters::fields::ascii;
use crate::adapters::nginx::pieces::Pieces;
use crate::domain::gateway::ServerRoute;
use crate::domain::ids::{MemberId, PoolId, RouteId, VhostId};
use crate::domain::pool::{LbMethod, Member, PoolKind, Role};
use crate::domain::sidecar::{HighestIds, PoolSidecar, SidecarRoute, VhostSidecar};

#[derive(Serialize)]
struct PoolText<'a> {
    pool_id: PoolId,
    name: &'a str,
    #[serde(rename = "type")]
    kind: PoolKind,
    description: Option<&'a str>,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_nanio_pool_id: Option<PoolId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credentials: Option<CredentialText<'a>>,
    source_nanio_pool_name: Option<&'a str>,
    lb_method: LbMethod,
    keepalive: i64,
    members: Vec<MemberText<'a>>,
    created_at: String,
    format: u32,
}

#[derive(Serialize)]
struct CredentialText<'a> {
    access_key_enc: &'a str,
    secret_key_enc: &'a str,
    endpoint_url: Option<&'a str>,
    region: &'a str,
    created_at: String,
    updated_at: String,
}

#[derive(Serialize)]
struct MemberText<'a> {
    id: MemberId,
    address: &'a str,
    role: Role,
    weight: i64,
    max_fails: i64,
    fail_timeout_s: i64,
    enabled: bool,
    created_at: String,
    updated_at: String,
}

#[derive(Serialize)]
struct VhostText<'a> {
    vhost_id: VhostId,
    server_name: &'a str,
    default_pool_id: Option<PoolId>,
    default_pool_name: Option<&'a str>,
    /// A list as JSON in a string, as 0.4.x kept it in its database.
    extra_blocks_json: Option<String>,
    ip_rule_mode: Option<&'a str>,
    ip_rule_ips_json: Option<String>,
    updated_at: String,
    listen_port: i64,
    ssl: bool,
    ssl_certificate: Option<&'a str>,
    ssl_certificate_key: Option<&'a str>,
    extra_directives: Option<&'a str>,
    enabled: bool,
    routes: Vec<RouteText<'a>>,
    ignored_buckets: Vec<&'a str>,
    created_at: String,
    format: u32,
}

#[derive(Serialize)]
struct RouteText<'a> {
    id: RouteId,
    path_prefix: &'a str,
    pool_id: PoolId,
    pool_name: &'a str,
    key_prefix: Option<&'a str>,
    extra_directives: Option<&'a str>,
    enabled: bool,
    created_at: String,
    updated_at: String,
}

#[derive(Serialize)]
struct IdsText {
    highest_ids: HighestText,
    format: u32,
}

#[derive(Serialize)]
struct HighestText {
    pools: i64,
    members: i64,
    vhosts: i64,
    routes: i64,
    migrations: i64,
}

/// The sidecar of a pool.
#[must_use]
pub fn pool(sidecar: &PoolSidecar) -> String {
    let pool = &sidecar.pool;
    text(&PoolText {
        pool_id: pool.id,
        name: pool.name.as_str(),
        kind: pool.kind,
        description: pool.description.as_deref(),
        updated_at: pool.updated_at.iso(),
        source_nanio_pool_id: pool.source_nanio_pool_id,
        credentials: sidecar.credential.as_ref().map(|credential| CredentialText {
            access_key_enc: credential.access_key_enc.as_str(),
            secret_key_enc: credential.secret_key_enc.as_str(),
            endpoint_url: credential.endpoint_url.as_deref(),
            region: &credential.region,
            created_at: credential.created_at.iso(),
            updated_at: credential.updated_at.iso(),
        }),
        source_nanio_pool_name: sidecar.source_nanio_pool_name.as_ref().map(|name| name.as_str()),
        lb_method: pool.lb_method,
        keepalive: pool.keepalive.get(),
        members: sidecar.members.iter().map(member).collect(),
        created_at: pool.created_at.iso(),
        format: FORMAT,
    })
}

fn member(member: &Member) -> MemberText<'_> {
    MemberText {
        id: member.id,
        address: member.address.as_str(),
        role: member.role,
        weight: member.weight.get(),
        max_fails: member.max_fails.get(),
        fail_timeout_s: member.fail_timeout_s.get(),
        enabled: member.enabled,
        created_at: member.created_at.iso(),
        updated_at: member.updated_at.iso(),
    }
}

/// The sidecar of a vhost. `routes` is what [`route_ids`] says of the served ones, in their order.
#[must_use]
pub fn vhost(sidecar: &VhostSidecar, routes: impl Iterator<Item = Arc<str>>) -> Pieces {
    let mut text = vhost_fields(sidecar);
    let Some(served) = &sidecar.served else { return text.into() };
    // Behind the last field, and in pieces: there may be 20,000.
    text.truncate(text.trim_end_matches(['\n', '}']).len());
    text.push_str(",\n  \"route_ids\": {\n");
    let default = served.default.map_or_else(|| "null".to_owned(), |id| id.to_string());
    let end = format!("    \"/\": {default}\n  }}\n}}\n");
    [text.into()].into_iter().chain(routes).chain([end.into()]).collect()
}

/// What the sidecar of a vhost says of the ids of these routes: one line each, before that of `/`.
pub fn route_ids<'a>(routes: impl IntoIterator<Item = &'a ServerRoute>) -> String {
    let mut text = String::new();
    for route in routes {
        let _ = writeln!(text, "    {}: {},", json(&route.path_prefix.as_str()), route.id);
    }
    text
}

fn vhost_fields(sidecar: &VhostSidecar) -> String {
    let vhost = &sidecar.vhost;
    let rules = vhost.ip_rules.as_ref();
    text(&VhostText {
        vhost_id: vhost.id,
        server_name: vhost.server_name.as_str(),
        default_pool_id: vhost.default_pool_id,
        default_pool_name: sidecar.default_pool_name.as_ref().map(|name| name.as_str()),
        extra_blocks_json: (!vhost.extra_blocks.is_empty()).then(|| json(&vhost.extra_blocks)),
        ip_rule_mode: rules.map(|rules| rules.mode.as_str()),
        ip_rule_ips_json: rules.map(|rules| json(&rules.ranges)),
        updated_at: vhost.updated_at.iso(),
        listen_port: vhost.listen_port.get(),
        ssl: vhost.ssl,
        ssl_certificate: vhost.ssl_certificate.as_ref().map(|path| path.as_str()),
        ssl_certificate_key: vhost.ssl_certificate_key.as_ref().map(|path| path.as_str()),
        extra_directives: vhost.extra_directives.as_ref().map(|text| text.as_str()),
        enabled: vhost.enabled,
        routes: sidecar.routes.iter().map(route).collect(),
        ignored_buckets: sidecar.ignored_buckets.iter().map(|name| name.as_str()).collect(),
        created_at: vhost.created_at.iso(),
        format: FORMAT,
    })
}

fn route(route: &SidecarRoute) -> RouteText<'_> {
    RouteText {
        id: route.id,
        path_prefix: route.path_prefix.as_str(),
        pool_id: route.pool_id,
        pool_name: route.pool_name.as_str(),
        key_prefix: route.key_prefix.as_ref().map(|prefix| prefix.as_str()),
        extra_directives: route.extra_directives.as_ref().map(|text| text.as_str()),
        enabled: route.enabled,
        created_at: route.created_at.iso(),
        updated_at: route.updated_at.iso(),
    }
}

/// The file of the highest ids.
#[must_use]
pub fn ids(highest: HighestIds) -> String {
    let HighestIds { pools, members, vhosts, routes, migrations } = highest;
    text(&IdsText { highest_ids: HighestText { pools, members, vhosts, routes, migrations }, format: FORMAT })
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("lists of checked strings always serialise")
}

fn text<T: Serialize>(value: &T) -> String {
    let pretty = serde_json::to_string_pretty(value).expect("structs of strings and numbers always serialise");
    let mut text = ascii(&pretty);
    text.push('\n');
    text
}
