//! Asking for a back-fill: a bucket has a route of its own, and the vhost's default pool still has objects of it.

use super::engine::Shared;
use super::preflight::{self, Looked, Plan};
use super::reach::{prefix_of, reach};
use super::{Migrations, write_down};
use crate::domain::audit::Actor;
use crate::domain::bucket::{BucketName, BucketStatus};
use crate::domain::ids::{MigrationId, VhostId};
use crate::domain::migration::machine::Step;
use crate::domain::migration::work::{Check, CheckOutcome, MigrationKind, Work};
use crate::domain::migration::{Migration, MigrationMode};
use crate::domain::services::publish::Change;
use crate::domain::services::{ServiceError, vhosts};
use crate::ports::store::Tx;

impl Migrations {
    /// Has what a vhost's default pool still has of a bucket carried over to the pool that the bucket's route names, as
    /// far as that pool lacks it.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] for the vhost; the first thing that stands in its way.
    pub async fn back_fill(&self, actor: Actor, vhost: VhostId, bucket: BucketName) -> Result<Migration, ServiceError> {
        let wanted = bucket.clone();
        let planned = self.context.store.read(move |tx| plan(tx, vhost, &wanted, None)).await?;
        let checks = self.shared.look_back_fill(&planned, &bucket).await.expect_no_failure()?;
        let make = move |change: &mut Change<'_>| {
            let planned = plan(change.tx, vhost, &bucket, None)?;
            let work =
                Work { kind: MigrationKind::BackFill, step: Step::Check, checks: checks.clone(), ..Work::default() };
            write_down(change, planned, bucket.clone(), MigrationMode::Copy, work)
        };
        self.begin(actor, make).await
    }
}

impl Shared {
    /// What can be known before a back-fill goes on.
    pub(super) async fn preflight_back_fill(&self, migration: &Migration) -> Result<Vec<Check>, ServiceError> {
        let (vhost, bucket, own) = (migration.vhost.id, migration.bucket.clone(), Some(migration.id));
        let pools = [migration.source.id, migration.destination.id];
        match self.store.read(move |tx| plan(tx, vhost, &bucket, own)).await {
            Ok(plan) if [plan.source.id, plan.destination.id] != pools => Ok(vec![preflight::failed(
                "request",
                format!(
                    "route or default pool changed meanwhile: it was asked for from pool {} to pool {}",
                    migration.source.name, migration.destination.name
                ),
            )]),
            Ok(plan) => Ok(self.look_back_fill(&plan, &migration.bucket).await.checks),
            Err(error @ (ServiceError::Rejected(_) | ServiceError::Conflict(_))) => {
                Ok(vec![preflight::failed("request", error.to_string())])
            }
            Err(error) => Err(error),
        }
    }

    async fn look_back_fill(&self, plan: &Plan, bucket: &BucketName) -> Looked {
        let mut looked = self.look(plan, bucket, MigrationMode::Copy, false).await;
        for check in &mut looked.checks {
            if check.name == "destination" && check.outcome == CheckOutcome::Warning {
                *check = preflight::ok(
                    "destination",
                    format!("what pool '{}' has of bucket {bucket} stays as it is", plan.destination.name),
                );
            }
        }
        // Uploads on the default pool are nobody's any more.
        looked.checks.retain(|check| check.name != "uploads");
        looked
    }
}

/// Checks a back-fill against the database. `own` is the migration that was made of it, if it was.
fn plan(tx: &mut dyn Tx, vhost: VhostId, bucket: &BucketName, own: Option<MigrationId>) -> Result<Plan, ServiceError> {
    let rejected = |why: String| Err(ServiceError::Rejected(why));
    let vhost = vhosts::find(tx, vhost)?;
    let Some(default) = vhost.default_pool_id else {
        return rejected(format!("vhost {} has no default pool", vhost.server_name));
    };
    let Some(route) = tx.route_at(vhost.id, &prefix_of(bucket))?.filter(|route| route.enabled && vhost.enabled) else {
        return rejected(format!(
            "Bucket '{bucket}' has no enabled route '/{bucket}/' of its own in vhost {}: its default pool serves it",
            vhost.server_name
        ));
    };
    if tx.bucket(vhost.id, bucket)?.is_some_and(|known| known.status == BucketStatus::Deleted) {
        return rejected(format!("Bucket '{bucket}' has been deleted from its pool"));
    }
    let source = preflight::nanio(tx, default, "Default")?;
    if route.pool_id == default {
        return rejected(format!(
            "The route of bucket '{bucket}' leads to the default pool '{}': nothing is left behind elsewhere",
            source.name
        ));
    }
    let destination = preflight::nanio(tx, route.pool_id, "Route's")?;
    let sites = preflight::sites(tx, &source, &destination)?;
    preflight::expect_no_other(tx, bucket, [source.id, destination.id], own)?;
    preflight::expect_plain(bucket)?;
    let reach = reach(tx, destination.id, bucket)?;
    if let Some(part) = reach.parts.first() {
        return rejected(format!("{part} routes a part of bucket {bucket}: the rest of it cannot be filled in alone"));
    }
    Ok(Plan { vhost, route: route.id, source, destination, cascade_warnings: Vec::new(), sites })
}
