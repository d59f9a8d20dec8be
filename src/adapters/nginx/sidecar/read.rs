//! Sidecars back to values: those that this program wrote, and those of 0.4.x, which say less.

use super::FORMAT;
use crate::adapters::fields::parts::{credential, directives, element_times, extra_blocks, ip_rules, once, times};
use crate::adapters::fields::{Fields, checked, count, flag, id, ranged, text, whole};
use crate::adapters::nginx::snippet;
use crate::domain::bucket::BucketName;
use crate::domain::disk::{DiskPoolSidecar, DiskVhostSidecar};
use crate::domain::ids::{MemberId, PoolId, Revision, RouteId, VhostId};
use crate::domain::pool::{
    Address, FailTimeout, Keepalive, LbMethod, MaxFails, Member, PoolKind, PoolName, Role, Weight,
};
use crate::domain::route::{KeyPrefix, PathPrefix};
use crate::domain::sidecar::{HighestIds, SidecarRoute};
use crate::domain::vhost::{PemPath, Port, ServerName};

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
            extra_directives: fields.optional("extra_directives", directives(&stays_in_place)),
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
        extra_blocks: extra_blocks(&mut fields, &stays_in_place),
        ip_rules: ip_rules(&mut fields),
        listen_port: fields.optional("listen_port", ranged(Port::new)),
        ssl: fields.optional("ssl", flag),
        ssl_certificate: fields.optional("ssl_certificate", checked(PemPath::parse)),
        ssl_certificate_key: fields.optional("ssl_certificate_key", checked(PemPath::parse)),
        extra_directives: fields.optional("extra_directives", directives(&stays_in_place)),
        enabled: fields.optional("enabled", flag),
        routes: routes.unwrap_or_default(),
        route_ids: fields.entries("route_ids", PathPrefix::stored, |value| id(RouteId)(value)),
        ignored_buckets: fields.texts("ignored_buckets", BucketName::parse).unwrap_or_default(),
        created_at,
        updated_at,
        remains: fields.finish(),
    })
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

/// What an operator of 0.4.x had is taken over, whatever is allowed now; but it must stay where it is put.
fn stays_in_place(text: &str) -> Result<(), String> {
    snippet::check(text, true)
}
