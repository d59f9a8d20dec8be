//! What must stay as it is while a bucket is moved.

use super::reach::prefix_of;
use crate::domain::migration::Migration;
use crate::domain::services::ServiceError;
use crate::ports::store::{StoreError, Tx};

/// Refuses a state in which a migration that nginx knows of could not go on. Called with the state after a change,
/// whatever the change was.
pub(in crate::domain::services) fn refuse_disturbed(tx: &mut dyn Tx) -> Result<(), ServiceError> {
    for migration in tx.gated_migrations()? {
        if migration.phase.is_final() && (!migration.work.committed || migration.work.gate.is_none()) {
            // It is being tidied up, or only reports, and needs nothing any more.
            continue;
        }
        if let Some(why) = disturbed(tx, &migration)? {
            return Err(ServiceError::Conflict(format!(
                "migration {0} is moving bucket {1} from pool {2} to pool {3}, and this change disturbs it ({why}); wait \
                 for its end, or cancel it (POST /api/migrations/{0}/cancel)",
                migration.id, migration.bucket, migration.source.name, migration.destination.name
            )));
        }
    }
    Ok(())
}

/// What is not any more as the migration needs it. Uploads that began on the source may need it after the switch too.
fn disturbed(tx: &mut dyn Tx, migration: &Migration) -> Result<Option<String>, StoreError> {
    for named in [&migration.source, &migration.destination] {
        let pool = tx.pool(named.id)?;
        if pool.is_none_or(|pool| pool.name.as_str() != named.name) {
            return Ok(Some(format!("there would be no pool {} any more", named.name)));
        }
    }
    if migration.work.committed {
        return Ok(None);
    }
    let Some(vhost) = tx.vhost(migration.vhost.id)? else { return Ok(None) };
    let route = tx.route_at(vhost.id, &prefix_of(&migration.bucket))?;
    let serves = route.is_some_and(|route| route.enabled && route.pool_id == migration.serving().id);
    let gone = !serves || !vhost.enabled;
    Ok(gone
        .then(|| format!("route /{}/ of vhost {} would not lead there any more", migration.bucket, vhost.server_name)))
}
