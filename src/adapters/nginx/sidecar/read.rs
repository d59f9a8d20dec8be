//! Sidecars back to values: those that this program wrote, and those of 0.4.x, which say less.

use super::FORMAT;
use crate::adapters::fields::{Fields, checked, count, flag, id, line, ranged, text, time, whole};
use crate::adapters::nginx::snippet;
use crate::domain::bucket::BucketName;
use crate::domain::credential::{Credential, FernetToken};
use crate::domain::disk::{DiskCredential, DiskPoolSidecar, DiskVhostSidecar};
use crate::domain::ids::{MemberId, PoolId, Revision, RouteId, VhostId};
use crate::domain::invalid::Invalid;
use crate::domain::pool::{
    Address, FailTimeout, Keepalive, LbMethod, MaxFails, Member, PoolKind, PoolName, Role, Weight,
};
use crate::domain::route::{KeyPrefix, PathPrefix};
use crate::domain::sidecar::{HighestIds, SidecarRoute};
use crate::domain::time::Timestamp;
use crate::domain::vhost::{ExtraBlock, IpRange, IpRuleMode, IpRules, PemPath, Port, ServerName, Snippet, Zone};

/// The sidecar of a pool.
///
/// # Errors
/// It is no JSON object, has no usable name, or a newer version wrote it.
pub fn pool(source: &str) -> Result<DiskPoolSidecar, String> {
    let mut fields = object(source)?;
    let name = fields.required("name", checked(PoolName::parse))?;
    let id = fields.optional("pool_id", id(PoolId));
    let kind = fields.optional("type", checked(PoolKind::stored));
    let (created_at, updated_at) = times(&mut fields);
    let source = named_pool(&mut fields, "source_nanio_pool_id", "source_nanio_pool_name");
    let default_role = if kind == Some(PoolKind::Http) { Role::Primary } else { Role::Active };
    let mut members = fields.objects("members", |fields| {
        let (created_at, updated_at) = element_times(fields, created_at, updated_at);
        Ok(Member {
            id: fields.required("id", self::id(MemberId))?,
            revision: Revision::NEW,
            pool_id: id.unwrap_or(PoolId(0)),
            address: fields.required("address", checked(Address::parse))?,
            role: fields.or("role", default_role, checked(Role::parse)),
            weight: fields.or("weight", Weight::default(), ranged(Weight::new)),
            max_fails: fields.or("max_fails", MaxFails::default(), ranged(MaxFails::new)),
            fail_timeout_s: fields.or("fail_timeout_s", FailTimeout::default(), ranged(FailTimeout::new)),
            enabled: fields.or("enabled", true, flag),
            created_at,
            updated_at,
        })
    });
    if let Some(members) = &mut members {
        once(&mut fields, "members", members, |member| member.id.0);
    }
    Ok(DiskPoolSidecar {
        id,
        name,
        kind,
        description: fields.optional("description", text),
        source,
        credential: fields.object("credentials", credential),
        lb_method: fields.optional("lb_method", checked(LbMethod::parse)),
        keepalive: fields.optional("keepalive", ranged(Keepalive::new)),
        members,
        created_at,
        updated_at,
        remains: fields.finish(),
    })
}

fn credential(fields: &mut Fields<'_>) -> Result<DiskCredential, String> {
    let (created_at, updated_at) = times(fields);
    Ok(DiskCredential {
        access_key_enc: fields.required("access_key_enc", checked(FernetToken::parse))?,
        secret_key_enc: fields.required("secret_key_enc", checked(FernetToken::parse))?,
        endpoint_url: fields.optional("endpoint_url", line),
        region: fields.or("region", Credential::DEFAULT_REGION.to_owned(), line),
        created_at,
        updated_at,
    })
}

/// The sidecar of a vhost.
///
/// # Errors
/// It is no JSON object, has no usable name, or a newer version wrote it.
pub fn vhost(source: &str) -> Result<DiskVhostSidecar, String> {
    let mut fields = object(source)?;
    let server_name = fields.required("server_name", checked(ServerName::parse))?;
    let (created_at, updated_at) = times(&mut fields);
    let mut routes = fields.objects("routes", |fields| {
        let (created_at, updated_at) = element_times(fields, created_at, updated_at);
        Ok(SidecarRoute {
            id: fields.required("id", id(RouteId))?,
            path_prefix: fields.required("path_prefix", checked(PathPrefix::stored))?,
            pool_id: fields.required("pool_id", id(PoolId))?,
            pool_name: fields.required("pool_name", checked(PoolName::parse))?,
            key_prefix: fields.optional("key_prefix", checked(KeyPrefix::parse)),
            extra_directives: fields.optional("extra_directives", directives),
            // One that is not known to be wanted is not switched on.
            enabled: fields.or("enabled", false, flag),
            created_at,
            updated_at,
        })
    });
    if let Some(routes) = &mut routes {
        once(&mut fields, "routes", routes, |route| route.id.0);
    }
    Ok(DiskVhostSidecar {
        id: fields.optional("vhost_id", id(VhostId)),
        server_name,
        default_pool: named_pool(&mut fields, "default_pool_id", "default_pool_name"),
        extra_blocks: extra_blocks(&mut fields),
        ip_rules: ip_rules(&mut fields),
        listen_port: fields.optional("listen_port", ranged(Port::new)),
        ssl: fields.optional("ssl", flag),
        ssl_certificate: fields.optional("ssl_certificate", checked(PemPath::parse)),
        ssl_certificate_key: fields.optional("ssl_certificate_key", checked(PemPath::parse)),
        extra_directives: fields.optional("extra_directives", directives),
        enabled: fields.optional("enabled", flag),
        routes: routes.unwrap_or_default(),
        ignored_buckets: fields.texts("ignored_buckets", BucketName::parse).unwrap_or_default(),
        created_at,
        updated_at,
        remains: fields.finish(),
    })
}

fn extra_blocks(fields: &mut Fields<'_>) -> Vec<ExtraBlock> {
    let blocks = fields.objects("extra_blocks_json", |fields| {
        Ok(ExtraBlock {
            zone: fields.required("zone", checked(Zone::parse))?,
            content: fields.required("content", directives)?,
        })
    });
    blocks.unwrap_or_default()
}

fn ip_rules(fields: &mut Fields<'_>) -> Option<IpRules> {
    let mode = fields.optional("ip_rule_mode", checked(IpRuleMode::parse));
    let ranges = fields.texts("ip_rule_ips_json", IpRange::parse).unwrap_or_default();
    match (mode, ranges.is_empty()) {
        (None, true) => None,
        (Some(mode), false) => IpRules::new(mode, ranges).ok(),
        (Some(mode), true) => {
            fields.note(format!("ip_rule_mode is {} but no address is listed; left out", mode.as_str()));
            None
        }
        (None, false) => {
            fields.note("ip_rule_ips_json lists addresses but ip_rule_mode does not say what for; left out");
            None
        }
    }
}

/// The file of the highest ids.
///
/// # Errors
/// It is no JSON object, a number is missing, or a newer version wrote it.
pub fn ids(source: &str) -> Result<HighestIds, String> {
    let mut fields = object(source)?;
    let highest = fields.object("highest_ids", |fields| {
        Ok(HighestIds {
            pools: fields.required("pools", count)?,
            members: fields.required("members", count)?,
            vhosts: fields.required("vhosts", count)?,
            routes: fields.required("routes", count)?,
            migrations: fields.required("migrations", count)?,
        })
    });
    // Half of the numbers would let an id be given twice: nobody is to take them for all.
    highest.ok_or_else(|| match fields.finish() {
        remains if remains.is_empty() => "its highest_ids is missing".to_owned(),
        remains => remains.join("; "),
    })
}

/// The fields of a whole sidecar of a form that this program knows.
fn object(source: &str) -> Result<Fields<'static>, String> {
    let mut fields = Fields::of_text(source)?;
    match fields.optional("format", whole) {
        Some(format) if format > i64::from(FORMAT) => Err(format!(
            "it was written by a newer version of the orchestrator (format {format}, this one knows {FORMAT}); \
             install that version"
        )),
        _ => Ok(fields),
    }
}

fn directives(value: &serde_json::Value) -> Result<Snippet, String> {
    let text = text(value)?;
    // What an operator of 0.4.x had is taken over, whatever is allowed now; but it must stay where it is put.
    snippet::check(&text, true)?;
    Snippet::parse(&text).map_err(|why: Invalid| why.to_string())
}

fn named_pool(
    fields: &mut Fields<'_>,
    id_field: &'static str,
    name_field: &'static str,
) -> Option<(PoolId, Option<PoolName>)> {
    let name = fields.optional(name_field, checked(PoolName::parse));
    match (fields.optional(id_field, id(PoolId)), name) {
        (Some(id), name) => Some((id, name)),
        (None, Some(name)) => {
            fields.note(format!("{name_field} is {name}, but {id_field} is missing; left out"));
            None
        }
        (None, None) => None,
    }
}

fn times(fields: &mut Fields<'_>) -> (Option<Timestamp>, Option<Timestamp>) {
    (fields.optional("created_at", time), fields.optional("updated_at", time))
}

/// The times of a part; those of the whole where it lacks them.
fn element_times(
    fields: &mut Fields<'_>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
) -> (Timestamp, Timestamp) {
    let (created, updated) = times(fields);
    let created = created.or(created_at).or(updated_at).unwrap_or(Timestamp::UNKNOWN);
    (created, updated.or(updated_at).unwrap_or(created))
}

/// Leaves out what comes a second time.
fn once<T>(fields: &mut Fields<'_>, name: &str, elements: &mut Vec<T>, id: impl Fn(&T) -> i64) {
    let mut seen = std::collections::HashSet::new();
    elements.retain(|element| {
        let id = id(element);
        let first = seen.insert(id);
        if !first {
            fields.note(format!("{name}: the id {id} stands there twice; the second one was left out"));
        }
        first
    });
}
