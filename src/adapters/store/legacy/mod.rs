//! A database of 0.4.x, any of its schemas, read without changing a byte of it.
//!
//! It says what the files of 0.4.x do not: disabled members and routes, pools without members, raw directives. A row
//! or column that is not as it must be becomes a sentence; the others are read all the same.

mod rows;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::error::{OpenError, unopened};
use super::schema_state::lines;
use super::sqlite::look;
use crate::adapters::fields::parts::{Check, credential, directives, element_times, extra_blocks, ip_rules, times};
use crate::adapters::fields::{Fields, checked, count, flag, id, line, ranged, text, time};
use crate::domain::bucket::BucketName;
use crate::domain::disk::{DiskCredential, DiskDatabase, DiskMigration, DiskPoolSidecar, DiskVhostSidecar, Writer};
use crate::domain::ids::{MemberId, MigrationId, PoolId, Revision, RouteId, VhostId};
use crate::domain::migration::work::Work;
use crate::domain::migration::{MigrationMode, Named, Phase};
use crate::domain::pool::{
    Address, FailTimeout, Keepalive, LbMethod, MaxFails, Member, PoolKind, PoolName, Role, Weight,
};
use crate::domain::route::{KeyPrefix, PathPrefix};
use crate::domain::sidecar::SidecarRoute;
use crate::domain::vhost::{PemPath, Port, ServerName};
use rows::Rows;

/// What the database at `path` says, if it is one of 0.4.x. `check` says why raw directives cannot be put into
/// nginx's configuration, if they cannot.
///
/// # Errors
/// The file is there and cannot be read as a database.
pub fn read(path: &Path, check: Check<'_>) -> Result<Option<DiskDatabase>, OpenError> {
    if !path.exists() {
        return Ok(None);
    }
    let place = path.display().to_string();
    let mut connection = look(path).map_err(|why| unopened(&place, &why))?;
    let tables = lines(&mut connection, "SELECT name AS line FROM sqlite_master WHERE type = 'table'");
    let tables = tables.map_err(|why| unopened(&place, &why))?;
    let has = |table: &str| tables.iter().any(|name| name == table);
    if has("__diesel_schema_migrations") || !has("pools") || !has("vhosts") {
        return Ok(None);
    }
    let mut rows = Rows::new(connection);
    let (pools, names) = pools(&mut rows);
    let vhosts = vhosts(&mut rows, &names, check);
    let migrations = migrations(&mut rows, &names, &vhosts);
    Ok(Some(DiskDatabase { pools, vhosts, migrations, remains: rows.finish() }))
}

type Names = HashMap<PoolId, PoolName>;

fn pools(rows: &mut Rows) -> (Vec<DiskPoolSidecar>, Names) {
    let mut pools = rows.read("pools", |fields| {
        let id = fields.required("id", id(PoolId))?;
        let (created_at, updated_at) = times(fields);
        Ok(DiskPoolSidecar {
            id: Some(id),
            name: fields.required("name", checked(PoolName::parse))?,
            kind: fields.optional("type", checked(PoolKind::stored)),
            description: fields.optional("description", text),
            source: fields.optional("source_nanio_pool_id", self::id(PoolId)).map(|id| (id, None)),
            credential: None,
            lb_method: fields.optional("lb_method", checked(LbMethod::parse)),
            keepalive: fields.optional("keepalive", ranged(Keepalive::new)),
            members: None,
            created_at,
            updated_at,
            remains: Vec::new(),
        })
    });
    let kinds: HashMap<PoolId, Option<PoolKind>> =
        pools.iter().filter_map(|pool| Some((pool.id?, pool.kind))).collect();
    let mut members: HashMap<PoolId, Vec<Member>> = HashMap::new();
    for member in rows.read("pool_members", |fields| member(fields, &kinds)) {
        members.entry(member.pool_id).or_default().push(member);
    }
    let mut credentials: HashMap<PoolId, DiskCredential> = rows
        .read("pool_credentials", |fields| {
            fields.optional("id", count);
            Ok((fields.required("pool_id", id(PoolId))?, credential(fields)?))
        })
        .into_iter()
        .collect();
    let names: Names = pools.iter().filter_map(|pool| Some((pool.id?, pool.name.clone()))).collect();
    for pool in &mut pools {
        let Some(id) = pool.id else { continue };
        pool.members = Some(members.remove(&id).unwrap_or_default());
        pool.credential = credentials.remove(&id);
        if let Some((source, name)) = &mut pool.source {
            *name = names.get(source).cloned();
        }
    }
    (pools, names)
}

fn member(fields: &mut Fields<'_>, kinds: &HashMap<PoolId, Option<PoolKind>>) -> Result<Member, String> {
    let pool_id = fields.required("pool_id", id(PoolId))?;
    let kind = kinds.get(&pool_id).ok_or_else(|| format!("there is no pool {pool_id}"))?;
    let (created_at, updated_at) = element_times(fields, None, None);
    let default = if *kind == Some(PoolKind::Http) { Role::Primary } else { Role::Active };
    let role = fields.or("role", default, checked(Role::parse));
    Ok(Member {
        id: fields.required("id", id(MemberId))?,
        revision: Revision::NEW,
        pool_id,
        address: fields.required("address", checked(Address::parse))?,
        // A rebuild of 0.4.x made every primary `active`, which no http pool has.
        role: if role == Role::Active { default } else { role },
        weight: fields.or("weight", Weight::default(), ranged(Weight::new)),
        max_fails: fields.or("max_fails", MaxFails::default(), ranged(MaxFails::new)),
        fail_timeout_s: fields.or("fail_timeout_s", FailTimeout::default(), ranged(FailTimeout::new)),
        enabled: fields.or("enabled", true, flag),
        created_at,
        updated_at,
    })
}

fn vhosts(rows: &mut Rows, pools: &Names, check: Check<'_>) -> Vec<DiskVhostSidecar> {
    let mut vhosts = rows.read("vhosts", |fields| {
        let (created_at, updated_at) = times(fields);
        let default_pool = fields.optional("default_pool_id", id(PoolId));
        Ok(DiskVhostSidecar {
            id: Some(fields.required("id", id(VhostId))?),
            server_name: fields.required("server_name", checked(ServerName::parse))?,
            default_pool: default_pool.map(|id| (id, pools.get(&id).cloned())),
            extra_blocks: extra_blocks(fields, check),
            ip_rules: ip_rules(fields),
            listen_port: fields.optional("listen_port", ranged(Port::new)),
            ssl: fields.optional("ssl", flag),
            ssl_certificate: fields.optional("ssl_cert_path", checked(PemPath::parse)),
            ssl_certificate_key: fields.optional("ssl_key_path", checked(PemPath::parse)),
            extra_directives: fields.optional("extra_directives", directives(check)),
            enabled: fields.optional("enabled", flag),
            routes: Vec::new(),
            route_ids: BTreeMap::new(),
            ignored_buckets: Vec::new(),
            created_at,
            updated_at,
            remains: Vec::new(),
        })
    });
    let mut routes: HashMap<VhostId, Vec<SidecarRoute>> = HashMap::new();
    for (vhost, route) in rows.read("routes", |fields| route(fields, pools, check)) {
        routes.entry(vhost).or_default().push(route);
    }
    let mut ignored: HashMap<VhostId, Vec<BucketName>> = HashMap::new();
    let buckets = rows.read("bucket_sync", |fields| {
        fields.optional("id", count);
        fields.optional("discovered_at", text);
        fields.optional("routed_pool_id", count);
        let bucket = fields.required("bucket", checked(BucketName::parse))?;
        Ok((fields.required("vhost_id", id(VhostId))?, bucket, fields.required("status", text)?))
    });
    for (vhost, bucket, _) in buckets.into_iter().filter(|(_, _, status)| status == "ignored") {
        ignored.entry(vhost).or_default().push(bucket);
    }
    for vhost in &mut vhosts {
        let Some(id) = vhost.id else { continue };
        vhost.routes = routes.remove(&id).unwrap_or_default();
        vhost.ignored_buckets = ignored.remove(&id).unwrap_or_default();
        vhost.ignored_buckets.sort();
    }
    for (vhost, routes) in routes {
        rows.note(format!("table routes: {} are of vhost {vhost}, which is not there; left out", routes.len()));
    }
    vhosts
}

fn route(fields: &mut Fields<'_>, pools: &Names, check: Check<'_>) -> Result<(VhostId, SidecarRoute), String> {
    let (created_at, updated_at) = element_times(fields, None, None);
    let pool_id = fields.required("pool_id", id(PoolId))?;
    let route = SidecarRoute {
        id: fields.required("id", id(RouteId))?,
        path_prefix: fields.required("path_prefix", checked(PathPrefix::stored))?,
        pool_id,
        pool_name: pools.get(&pool_id).cloned().ok_or_else(|| format!("there is no pool {pool_id}"))?,
        key_prefix: fields.optional("key_prefix", checked(KeyPrefix::parse)),
        extra_directives: fields.optional("extra_directives", directives(check)),
        enabled: fields.or("enabled", true, flag),
        created_at,
        updated_at,
    };
    Ok((fields.required("vhost_id", id(VhostId))?, route))
}

fn migrations(rows: &mut Rows, pools: &Names, vhosts: &[DiskVhostSidecar]) -> Vec<DiskMigration> {
    let hosts: HashMap<VhostId, &ServerName> =
        vhosts.iter().filter_map(|vhost| Some((vhost.id?, &vhost.server_name))).collect();
    let pool = |id: PoolId| match pools.get(&id) {
        Some(name) => Ok(Named { id, name: name.to_string() }),
        None => Err(format!("there is no pool {id}")),
    };
    rows.read("migrations", |fields| {
        fields.optional("rclone_pid", count);
        let orphan = (
            fields.optional("orphaned_source_pool_id", id(PoolId)),
            fields.optional("orphaned_source_prefix", line),
            fields.optional("orphaned_at", time),
        );
        let orphan = match orphan {
            (Some(pool), Some(prefix), Some(since)) => Some((pool, prefix, since)),
            _ => None,
        };
        let vhost = fields.required("vhost_id", id(VhostId))?;
        Ok(DiskMigration {
            id: fields.required("id", id(MigrationId))?,
            vhost: (vhost, hosts.get(&vhost).map(|name| (*name).clone())),
            bucket: fields.required("bucket", checked(BucketName::parse))?,
            source: pool(fields.required("src_pool_id", id(PoolId))?)?,
            destination: pool(fields.required("dst_pool_id", id(PoolId))?)?,
            // The first schemas had no other.
            mode: fields.optional("mode", checked(MigrationMode::parse)).unwrap_or(MigrationMode::Copy),
            route_id: fields.optional("route_id", id(RouteId)),
            phase: fields.required("phase", checked(Phase::stored))?,
            objects_total: fields.optional("objects_total", count).unwrap_or_default(),
            objects_done: fields.optional("objects_done", count).unwrap_or_default(),
            bytes_total: fields.optional("bytes_total", count).unwrap_or_default(),
            bytes_done: fields.optional("bytes_done", count).unwrap_or_default(),
            error_msg: fields.optional("error_msg", text),
            started_at: fields.optional("started_at", time),
            finished_at: fields.optional("finished_at", time),
            orphaned_pool_name: orphan.as_ref().and_then(|(id, ..)| pools.get(id)).map(ToString::to_string),
            orphan,
            purged_at: None,
            needs_adoption: false,
            swept_http_vhosts: Vec::new(),
            updated_http_vhosts: Vec::new(),
            created_at: fields.optional("created_at", time),
            work: Work::default(),
            writer: Writer::Version04,
            remains: Vec::new(),
        })
    })
}
