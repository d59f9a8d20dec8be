//! Migrations, from their records beside the database, and the splits that 0.4.x left in nginx.

use std::collections::BTreeMap;

use super::Notes;
use super::ids::Ids;
use super::import::Disk;
use super::pool_rows::Pools;
use super::vhost_rows::Vhosts;
use super::vhosts::PoolNamed;
use crate::domain::bucket::BucketName;
use crate::domain::disk::{DiskMigration, Split};
use crate::domain::ids::{MigrationId, PoolId, Revision, VhostId};
use crate::domain::migration::work::Work;
use crate::domain::migration::{Migration, MigrationMode, Named, Orphan, Phase};
use crate::domain::pool::PoolName;
use crate::domain::route::Route;
use crate::domain::time::Timestamp;

/// Migrations with their ids.
pub(super) struct Migrations {
    pub rows: Vec<Migration>,
    pub highest: i64,
}

/// The records on disk, those of a database of 0.4.x that no file tells of, and one for each split without a record.
pub(super) fn import(
    disk: &Disk,
    pools: &Pools,
    vhosts: &Vhosts,
    highest: i64,
    now: Timestamp,
    notes: &mut Notes,
) -> Migrations {
    let mut told: BTreeMap<MigrationId, &DiskMigration> = BTreeMap::new();
    for file in &disk.migrations {
        match &file.content {
            Err(why) => notes.say(format!("{} cannot be read: {why}; nothing of it was taken over", file.path)),
            Ok(migration) => match told.get(&migration.id) {
                // A crash may leave the state of a migration beside the record of its end.
                Some(known) if known.phase.is_final() => {}
                _ => {
                    told.insert(migration.id, migration);
                }
            },
        }
    }
    for migration in disk.former.iter().flat_map(|former| &former.migrations) {
        told.entry(migration.id).or_insert(migration);
    }
    let mut ids = Ids::above(highest);
    told.keys().for_each(|id| ids.hear(Some(id.0)));
    let mut rows: Vec<Migration> = Vec::with_capacity(told.len());
    for migration in told.into_values() {
        let id = MigrationId(ids.claim(Some(migration.id.0)).unwrap_or_else(|| ids.fresh()));
        rows.push(row(id, migration, pools, vhosts, now, notes));
    }
    for (place, split) in &vhosts.splits {
        adopt(&mut rows, &mut ids, (*place, split), pools, vhosts, now, notes);
    }
    Migrations { rows, highest: ids.highest() }
}

fn row(
    id: MigrationId,
    told: &DiskMigration,
    pools: &Pools,
    vhosts: &Vhosts,
    now: Timestamp,
    notes: &mut Notes,
) -> Migration {
    let place = vhost(told, vhosts);
    let named = |pool: &Named<PoolId>| match pools.named(&pool.name) {
        Some(found) => Named { id: found.id, name: found.name.as_str().to_owned() },
        None => Named { id: PoolId(0), name: pool.name.clone() },
    };
    let route = place.and_then(|place| route_of(&vhosts.rows[place].routes, told.bucket.as_str()));
    let (source, destination) = (named(&told.source), named(&told.destination));
    let mut migration = Migration {
        id,
        revision: Revision::NEW,
        vhost: match place {
            Some(place) => {
                let vhost = &vhosts.rows[place].vhost;
                Named { id: vhost.id, name: vhost.server_name.as_str().to_owned() }
            }
            None => Named {
                id: VhostId(0),
                name: told.vhost.1.as_ref().map_or_else(String::new, |name| name.as_str().to_owned()),
            },
        },
        bucket: told.bucket.clone(),
        mode: told.mode,
        phase: told.phase,
        route_id: route.map(|route| route.id),
        needs_adoption: told.needs_adoption,
        objects_total: told.objects_total,
        objects_done: told.objects_done,
        bytes_total: told.bytes_total,
        bytes_done: told.bytes_done,
        error_msg: told.error_msg.clone(),
        started_at: told.started_at,
        finished_at: told.finished_at,
        orphan: orphan(told, &source, pools),
        swept_http_vhosts: told.swept_http_vhosts.clone(),
        updated_http_vhosts: told.updated_http_vhosts.clone(),
        created_at: told.created_at.or(told.started_at).unwrap_or(now),
        work: told.work.clone(),
        source,
        destination,
    };
    for what in &told.remains {
        notes.say(format!("migration {id} of bucket {}: {what}", told.bucket));
    }
    if !migration.phase.is_final() && !migration.needs_adoption {
        resume(&mut migration, told, route, notes);
    }
    migration
}

/// A migration that had not ended begins again, unless what it is about is gone, or was switched already.
fn resume(migration: &mut Migration, told: &DiskMigration, route: Option<&Route>, notes: &mut Notes) {
    let lost = match route {
        _ if migration.source.id == PoolId(0) => Some(format!("pool {} is not on disk", migration.source.name)),
        _ if migration.destination.id == PoolId(0) => {
            Some(format!("pool {} is not on disk", migration.destination.name))
        }
        None => Some(format!("no route serves bucket {} any more", migration.bucket)),
        Some(route) if route.pool_id == migration.destination.id => Some(format!(
            "it was cut short in phase {} after the route had been given to pool {}: check that the bucket is complete \
             there",
            told.phase.as_str(),
            migration.destination.name
        )),
        Some(_) => None,
    };
    match lost {
        None => migration.phase = Phase::Pending,
        Some(why) => {
            notes.say(format!("migration {} of bucket {} cannot go on: {why}", migration.id, migration.bucket));
            migration.phase = Phase::Error;
            migration.error_msg = Some(why);
        }
    }
}

/// What was left on the source: the pool by its name, never by an id of another life.
fn orphan(told: &DiskMigration, source: &Named<PoolId>, pools: &Pools) -> Option<Orphan> {
    let (id, prefix, since) = told.orphan.as_ref()?;
    let named = told.orphaned_pool_name.as_ref();
    let pool = if let Some(name) = named {
        let known = pools.named(name.as_str());
        Named { id: known.map_or(PoolId(0), |pool| pool.id), name: name.as_str().to_owned() }
    } else if *id == told.source.id {
        source.clone()
    } else {
        let found = pools.find(&PoolNamed { name: None, id: Some(*id) })?;
        Named { id: found.id, name: found.name.as_str().to_owned() }
    };
    Some(Orphan { pool, prefix: prefix.clone(), since: *since, purged_at: told.purged_at })
}

/// The vhost that a record means: by name; by id within the tree if its routes agree; else the only one that
/// routes the bucket.
fn vhost(told: &DiskMigration, vhosts: &Vhosts) -> Option<usize> {
    let routes = |place: &usize| route_of(&vhosts.rows[*place].routes, told.bucket.as_str()).is_some();
    if let Some(name) = &told.vhost.1 {
        return vhosts.rows.iter().position(|row| row.vhost.server_name == *name);
    }
    let claimed = vhosts.claimed(told.vhost.0);
    if let Some(place) = claimed.filter(routes) {
        return Some(place);
    }
    let mut routing = (0..vhosts.rows.len()).filter(routes);
    match (routing.next(), routing.next()) {
        (Some(only), None) => Some(only),
        _ => claimed,
    }
}

fn route_of<'r>(routes: &'r [Route], bucket: &str) -> Option<&'r Route> {
    let canonical = |route: &Route| route.path_prefix.canonical().strip_prefix('/') == Some(bucket);
    routes.iter().find(|route| canonical(route))
}

/// A split is in nginx: new writes go to the destination. Nothing may be rendered over it, whatever the records say.
fn adopt(
    rows: &mut Vec<Migration>,
    ids: &mut Ids,
    (place, split): (usize, &Split),
    pools: &Pools,
    vhosts: &Vhosts,
    now: Timestamp,
    notes: &mut Notes,
) {
    let vhost = &vhosts.rows[place].vhost;
    let bucket = split.path_prefix.bucket();
    let is_of = |row: &Migration| row.vhost.id == vhost.id && row.bucket.as_str() == bucket && row.phase != Phase::Done;
    let found = rows.iter_mut().rev().find(|row| is_of(row));
    let id = match found {
        Some(row) => {
            row.needs_adoption = true;
            // As 0.4.x left it: it must not start again by itself.
            row.phase = if row.phase.is_final() { row.phase } else { Phase::WriteRouting };
            row.id
        }
        None => {
            let Ok(bucket) = BucketName::parse(bucket) else { return };
            let named = |name: &PoolName| Named {
                id: pools.named(name.as_str()).map_or(PoolId(0), |pool| pool.id),
                name: name.as_str().to_owned(),
            };
            let source = named(&split.source);
            let row = Migration {
                id: MigrationId(ids.fresh()),
                revision: Revision::NEW,
                vhost: Named { id: vhost.id, name: vhost.server_name.as_str().to_owned() },
                destination: split.destination.as_ref().map_or_else(|| source.clone(), named),
                route_id: route_of(&vhosts.rows[place].routes, bucket.as_str()).map(|route| route.id),
                bucket,
                source,
                mode: MigrationMode::Copy,
                phase: Phase::Error,
                needs_adoption: true,
                objects_total: 0,
                objects_done: 0,
                bytes_total: 0,
                bytes_done: 0,
                error_msg: Some("0.4.x left its split of reads and writes in nginx, and no record of it".to_owned()),
                started_at: None,
                finished_at: None,
                orphan: None,
                swept_http_vhosts: Vec::new(),
                updated_http_vhosts: Vec::new(),
                created_at: now,
                work: Work::default(),
            };
            let id = row.id;
            rows.push(row);
            id
        }
    };
    notes.say(format!(
        "vhost {}: 0.4.x is splitting bucket {bucket} between pool {} (read first) and pool {} (new writes), migration \
         {id}. Its file is left as it is and nothing is rendered over it. If 0.4.x still runs, finish or cancel that \
         migration there first",
        vhost.server_name,
        split.source,
        split.destination.as_ref().map_or("?", |pool| pool.as_str()),
    ));
}
