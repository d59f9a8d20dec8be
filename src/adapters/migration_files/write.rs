//! A migration as text: the fields of 0.4.x first, ours behind. The same record gives the same bytes.

use serde::Serialize;

use super::FORMAT;
use crate::adapters::fields::ascii;
use crate::domain::ids::{MigrationId, PoolId, RouteId, VhostId};
use crate::domain::migration::work::Work;
use crate::domain::migration::{Migration, MigrationMode, Phase};
use crate::domain::time::Timestamp;

#[derive(Serialize)]
struct StateText<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    copied_objects: i64,
    total_objects: i64,
    bytes_transferred: i64,
    bytes_total: i64,
    started_at: Option<String>,
    finished_at: Option<String>,
    nginx_state: &'static str,
    updated_at: String,
    #[serde(flatten)]
    orphan: Option<OrphanText<'a>>,
    swept_http_vhosts: &'a [String],
    #[serde(flatten)]
    tail: Tail<'a>,
}

#[derive(Serialize)]
struct DoneText<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    #[serde(flatten)]
    orphan: Option<OrphanText<'a>>,
    swept_http_vhosts: &'a [String],
    written_at: String,
    copied_objects: i64,
    total_objects: i64,
    bytes_transferred: i64,
    bytes_total: i64,
    started_at: Option<String>,
    finished_at: Option<String>,
    #[serde(flatten)]
    tail: Tail<'a>,
}

#[derive(Serialize)]
struct Head<'a> {
    migration_id: MigrationId,
    vhost_id: VhostId,
    bucket: &'a str,
    source_pool_id: PoolId,
    source_pool_name: &'a str,
    target_pool_id: PoolId,
    target_pool_name: &'a str,
    mode: MigrationMode,
    route_id: Option<RouteId>,
    status: Phase,
}

#[derive(Serialize)]
struct OrphanText<'a> {
    orphaned_source_pool_id: PoolId,
    orphaned_source_prefix: &'a str,
    orphaned_at: String,
    orphaned_source_pool_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    purged_at: Option<String>,
}

/// What 0.4.x did not keep.
#[derive(Serialize)]
struct Tail<'a> {
    updated_http_vhosts: &'a [String],
    vhost_name: &'a str,
    error_msg: Option<&'a str>,
    needs_adoption: bool,
    created_at: String,
    work: &'a Work,
    format: u32,
}

/// The record of a migration.
#[must_use]
pub fn text(migration: &Migration) -> String {
    let head = Head {
        migration_id: migration.id,
        vhost_id: migration.vhost.id,
        bucket: migration.bucket.as_str(),
        source_pool_id: migration.source.id,
        source_pool_name: &migration.source.name,
        target_pool_id: migration.destination.id,
        target_pool_name: &migration.destination.name,
        mode: migration.mode,
        route_id: migration.route_id,
        status: migration.phase,
    };
    let orphan = migration.orphan.as_ref().map(|orphan| OrphanText {
        orphaned_source_pool_id: orphan.pool.id,
        orphaned_source_prefix: &orphan.prefix,
        orphaned_at: orphan.since.iso(),
        orphaned_source_pool_name: &orphan.pool.name,
        purged_at: orphan.purged_at.map(Timestamp::iso),
    });
    let tail = Tail {
        updated_http_vhosts: &migration.updated_http_vhosts,
        vhost_name: &migration.vhost.name,
        error_msg: migration.error_msg.as_deref(),
        needs_adoption: migration.needs_adoption,
        created_at: migration.created_at.iso(),
        work: &migration.work,
        format: FORMAT,
    };
    let (started_at, finished_at) =
        (migration.started_at.map(Timestamp::iso), migration.finished_at.map(Timestamp::iso));
    // The record is a function of the migration: it changes when the migration does, not with the time of day.
    let latest = migration.finished_at.or(migration.started_at).unwrap_or(migration.created_at).iso();
    if migration.phase == Phase::Done {
        return json(&DoneText {
            head,
            orphan,
            swept_http_vhosts: &migration.swept_http_vhosts,
            written_at: latest,
            copied_objects: migration.objects_done,
            total_objects: migration.objects_total,
            bytes_transferred: migration.bytes_done,
            bytes_total: migration.bytes_total,
            started_at,
            finished_at,
            tail,
        });
    }
    json(&StateText {
        head,
        copied_objects: migration.objects_done,
        total_objects: migration.objects_total,
        bytes_transferred: migration.bytes_done,
        bytes_total: migration.bytes_total,
        started_at,
        finished_at,
        nginx_state: nginx_state(migration),
        updated_at: latest,
        orphan,
        swept_http_vhosts: &migration.swept_http_vhosts,
        tail,
    })
}

/// Whom nginx reads, in the words of 0.4.x. This program never splits.
fn nginx_state(migration: &Migration) -> &'static str {
    match migration.phase {
        _ if migration.needs_adoption => "split",
        Phase::Switching | Phase::Done => "target",
        _ => "source",
    }
}

fn json<T: Serialize>(value: &T) -> String {
    let pretty = serde_json::to_string_pretty(value).expect("structs of strings and numbers always serialise");
    ascii(&pretty) + "\n"
}
