//! A migration record back to a value, whoever wrote it.

use super::FORMAT;
use crate::adapters::fields::{Fields, checked, count, flag, id, line, text, time, whole};
use crate::domain::bucket::BucketName;
use crate::domain::disk::{DiskMigration, Writer};
use crate::domain::ids::{MigrationId, PoolId, RouteId, VhostId};
use crate::domain::migration::{MigrationMode, Named, Phase};
use crate::domain::vhost::ServerName;

/// A record, from the file of this name.
///
/// # Errors
/// It is no JSON object, a newer version wrote it, or it does not say what moves, from where, to where, and how far
/// it is.
pub fn record(source: &str, file: &str) -> Result<DiskMigration, String> {
    let mut fields = Fields::of_text(source)?;
    // 0.4.x had no such field.
    let format = fields.optional("format", whole);
    if let Some(format) = format.filter(|format| *format > i64::from(FORMAT)) {
        return Err(format!(
            "it was written by a newer version of the orchestrator (format {format}, this one knows {FORMAT}); \
             install that version"
        ));
    }
    let writer = if format.is_some() { Writer::Ours } else { Writer::Version04 };
    let migration_id = fields.required("migration_id", id(MigrationId))?;
    let told = fields.texts("swept_http_vhosts", |name| Ok(name.to_owned())).unwrap_or_default();
    let updated = fields.texts("updated_http_vhosts", |name| Ok(name.to_owned())).unwrap_or_default();
    // 0.4.x listed under this name those that followed.
    let (swept_http_vhosts, updated_http_vhosts) = match writer {
        Writer::Ours => (told, updated),
        Writer::Version04 => (Vec::new(), told),
    };
    let orphan = (
        fields.optional("orphaned_source_pool_id", id(PoolId)),
        fields.optional("orphaned_source_prefix", line),
        fields.optional("orphaned_at", time),
    );
    let mut record = DiskMigration {
        id: migration_id,
        vhost: (fields.required("vhost_id", id(VhostId))?, fields.optional("vhost_name", checked(ServerName::parse))),
        bucket: fields.required("bucket", checked(BucketName::parse))?,
        source: pool(&mut fields, "source_pool_id", "source_pool_name")?,
        destination: pool(&mut fields, "target_pool_id", "target_pool_name")?,
        mode: fields.or("mode", MigrationMode::Copy, checked(MigrationMode::parse)),
        route_id: fields.optional("route_id", id(RouteId)),
        phase: fields.required("status", checked(Phase::stored))?,
        objects_total: fields.optional("total_objects", count).unwrap_or_default(),
        objects_done: fields.optional("copied_objects", count).unwrap_or_default(),
        bytes_total: fields.optional("bytes_total", count).unwrap_or_default(),
        bytes_done: fields.optional("bytes_transferred", count).unwrap_or_default(),
        error_msg: fields.optional("error_msg", text),
        started_at: fields.optional("started_at", time),
        finished_at: fields.optional("finished_at", time),
        orphan: None,
        orphaned_pool_name: fields.optional("orphaned_source_pool_name", line),
        purged_at: fields.optional("purged_at", time),
        needs_adoption: fields.optional("needs_adoption", flag).unwrap_or_default(),
        swept_http_vhosts,
        updated_http_vhosts,
        created_at: fields.optional("created_at", time),
        work: fields.optional("work", |value| serde_json::from_value(value.clone())).unwrap_or_default(),
        writer,
        remains: Vec::new(),
    };
    record.orphan = match orphan {
        (Some(pool), Some(prefix), Some(since)) => Some((pool, prefix, since)),
        (None, None, None) => None,
        _ => {
            fields.note("what was left on the source is told in part only; left out");
            None
        }
    };
    if !file.starts_with(&format!("migration-{migration_id}.")) {
        fields
            .note(format!("it says that it is about migration {migration_id}; that counts, not the name of the file"));
    }
    // They follow from the rest, or say when the file was written.
    for derived in ["nginx_state", "updated_at", "written_at"] {
        fields.optional(derived, text);
    }
    record.remains = fields.finish();
    Ok(record)
}

fn pool(fields: &mut Fields<'_>, id_field: &'static str, name_field: &'static str) -> Result<Named<PoolId>, String> {
    Ok(Named { id: fields.required(id_field, id(PoolId))?, name: fields.required(name_field, line)? })
}
