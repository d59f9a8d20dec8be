//! What must stay as it is while a bucket is moved.

use super::record::expect_reach;
use crate::domain::services::ServiceError;
use crate::ports::store::Tx;

/// Refuses a state in which a migration that nginx knows of could not go on. Called with the state after a change,
/// whatever the change was.
pub(in crate::domain::services) fn refuse_disturbed(tx: &mut dyn Tx) -> Result<(), ServiceError> {
    for migration in tx.gated_migrations()? {
        if migration.phase.is_final() && !migration.work.committed {
            // It is being tidied up, and needs nothing any more.
            continue;
        }
        let disturbed = if migration.work.committed {
            let pool = tx.pool(migration.source.id)?;
            let gone = pool.is_none_or(|pool| pool.name.as_str() != migration.source.name);
            gone.then(|| format!("pool {} is needed by uploads that began there", migration.source.name))
        } else {
            match expect_reach(tx, &migration) {
                Ok(_) => None,
                Err(ServiceError::Rejected(why)) => Some(why),
                Err(fault) => return Err(fault),
            }
        };
        if let Some(why) = disturbed {
            return Err(ServiceError::Conflict(format!(
                "migration {0} is moving bucket {1} from pool {2} to pool {3}, and this change disturbs it ({why}); wait \
                 for its end, or cancel it (POST /api/migrations/{0}/cancel)",
                migration.id, migration.bucket, migration.source.name, migration.destination.name
            )));
        }
    }
    Ok(())
}
