//! The request to end a split that 0.4.x left in nginx, and why it may not be. See [`adoption`](super::adoption).

use futures_util::future::join4;

use super::adoption::adopt_reader;
use super::engine::Shared;
use super::preflight::{Plan, failed, nanio, ok, site_parts};
use super::reach::reach;
use super::{Migrations, record, write_down};
use crate::domain::audit::Actor;
use crate::domain::bucket::BucketName;
use crate::domain::ids::MigrationId;
use crate::domain::migration::machine::Step;
use crate::domain::migration::work::{Adopts, Check, CheckOutcome, MigrationKind, Side, Work};
use crate::domain::migration::{Migration, MigrationMode};
use crate::domain::object::Occupancy;
use crate::domain::pool::PoolKind;
use crate::domain::route::{Route, is_plain_bucket};
use crate::domain::services::ServiceError;
use crate::domain::services::publish::Change;
use crate::domain::site::Site;
use crate::domain::vhost::Vhost;
use crate::ports::store::Tx;

impl Migrations {
    /// Has a split that 0.4.x left in nginx ended. Gives the migration that does it; the split's own record ends, or
    /// begins anew, with it.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`]; or the first thing that stands in its way.
    pub async fn adopt(&self, actor: Actor, id: MigrationId, to: Side) -> Result<Migration, ServiceError> {
        let read = self.context.store.read(move |tx| {
            let split = record::find(tx, id)?;
            let reads_only = tx.pool(split.source.id)?.is_some_and(|pool| pool.kind == PoolKind::Http);
            let planned = if reads_only && split.needs_adoption { None } else { Some(plan(tx, &split, None)?) };
            Ok::<_, ServiceError>((split, planned))
        });
        let (split, planned) = read.await?;
        let migration = match planned {
            Some(planned) => {
                let checks = self.shared.look_at_split(&planned, &split.bucket).await;
                if let Some(fault) = checks.iter().find(|check| check.outcome == CheckOutcome::Failed) {
                    return Err(ServiceError::Rejected(fault.message.clone()));
                }
                let make = move |change: &mut Change<'_>| queue(change, Adopts { split: id, to }, &checks);
                self.context.publisher.change(actor, make).await?
            }
            None => {
                let end = move |change: &mut Change<'_>| {
                    let split = record::find(change.tx, id)?;
                    adopt_reader(change, split, to)
                };
                self.context.publisher.change(actor, end).await?
            }
        };
        // The split has no file of its own until now if 0.4.x left no record of it.
        let kept = if migration.id == split.id { vec![&migration] } else { vec![&split, &migration] };
        for record in kept {
            if let Err(error) = self.shared.files.write(record).await {
                tracing::error!(migration = record.id.0, %error, "the migration's file could not be written");
            }
        }
        self.shared.board.ring();
        Ok(migration)
    }
}

/// Writes an adoption down: from the pool that takes the writes to the one that is read first.
fn queue(change: &mut Change<'_>, adopts: Adopts, checks: &[Check]) -> Result<Migration, ServiceError> {
    let split = record::find(change.tx, adopts.split)?;
    let planned = plan(change.tx, &split, None)?;
    let work = Work {
        kind: MigrationKind::Adoption,
        adopts: Some(adopts),
        step: Step::Check,
        checks: checks.to_vec(),
        ..Work::default()
    };
    write_down(change, planned, split.bucket, MigrationMode::Copy, work)
}

/// What the database knows against an adoption. `own` is the migration that was made of it, if it was.
fn plan(tx: &mut dyn Tx, split: &Migration, own: Option<MigrationId>) -> Result<Plan, ServiceError> {
    let rejected = |why: String| Err(ServiceError::Rejected(why));
    let bucket = &split.bucket;
    if !split.needs_adoption {
        return rejected(format!("Migration {} has left no split that could be adopted", split.id));
    }
    if split.source.id == split.destination.id {
        return rejected(format!(
            "the file of vhost {} does not say which pool takes the writes of bucket {bucket}",
            split.vhost.name
        ));
    }
    let read_first = nanio(tx, split.source.id, "Source")?;
    let written = nanio(tx, split.destination.id, "Destination")?;
    let sites = [site_parts(tx, &written, "Destination")?, site_parts(tx, &read_first, "Source")?];
    if !is_plain_bucket(bucket.as_str()) {
        return rejected(format!("bucket {bucket} cannot be moved while clients use it: its name is not a plain one"));
    }
    for other in tx.migrations_of(bucket)? {
        let is_under_way = !other.phase.is_final() || other.work.gate.is_some();
        if is_under_way && other.id != split.id && Some(other.id) != own {
            return Err(ServiceError::Conflict(format!(
                "Migration {} of bucket {bucket} is {}; wait for its end, or cancel it",
                other.id,
                other.phase.as_str()
            )));
        }
    }
    let also = |other: &Migration| other.needs_adoption && other.vhost.id == split.vhost.id && other.id != split.id;
    if let Some(other) = tx.migrations()?.into_iter().find(also) {
        return rejected(format!(
            "vhost {} also splits bucket {} (migration {}), and its file is rendered as a whole: finish or cancel all \
             but one of its migrations under 0.4.x first",
            split.vhost.name, other.bucket, other.id
        ));
    }
    let (vhost, route) = only_way(tx, split)?;
    Ok(Plan { vhost, route: route.id, source: written, destination: read_first, cascade_warnings: Vec::new(), sites })
}

/// The vhost and the route of the split, if clients reach the bucket on the pool that is read first through it alone:
/// what others write there would be in no journal.
fn only_way(tx: &mut dyn Tx, split: &Migration) -> Result<(Vhost, Route), ServiceError> {
    let bucket = &split.bucket;
    let reach = reach(tx, split.source.id, bucket)?;
    if let Some(part) = reach.parts.first() {
        return Err(ServiceError::Rejected(format!(
            "{part} routes a part of bucket {bucket}: the bucket cannot be adopted as a whole"
        )));
    }
    if let Some(other) = reach.served().find(|vhost| vhost.id != split.vhost.id) {
        return Err(ServiceError::Rejected(format!(
            "vhost {} reaches bucket {bucket} on pool {}, too, past the split: what is written through it meanwhile could \
             be lost. Disable it, or give it a route '/{bucket}/' to pool {}, until the split is adopted",
            other.server_name, split.source.name, split.destination.name
        )));
    }
    let own = reach.routes.into_iter().find(|(vhost, route)| vhost.id == split.vhost.id && route.enabled);
    own.filter(|(vhost, _)| vhost.enabled).ok_or_else(|| {
        ServiceError::Rejected(format!(
            "vhost {} has no enabled route '/{bucket}/' to pool {} any more",
            split.vhost.name, split.source.name
        ))
    })
}

impl Shared {
    /// Everything that can be known before an adoption goes on.
    pub(super) async fn adoption_checks(&self, migration: &Migration) -> Result<Vec<Check>, ServiceError> {
        let (own, adopts) = (migration.id, migration.work.adopts);
        let planned = self.store.read(move |tx| {
            let split = adopts.ok_or(ServiceError::NotFound("Migration")).map(|adopts| adopts.split)?;
            let split = record::find(tx, split)?;
            plan(tx, &split, Some(own))
        });
        match planned.await {
            Ok(plan) => Ok(self.look_at_split(&plan, &migration.bucket).await),
            Err(error @ (ServiceError::Rejected(_) | ServiceError::Conflict(_) | ServiceError::NotFound(_))) => {
                Ok(vec![failed("request", error.to_string())])
            }
            Err(error) => Err(error),
        }
    }

    /// What storage and machine say to an adoption.
    async fn look_at_split(&self, plan: &Plan, bucket: &BucketName) -> Vec<Check> {
        let mut sites: Vec<Site> = Vec::new();
        let names = [&plan.source.name, &plan.destination.name];
        for ((members, own), name) in plan.sites.iter().zip(names) {
            match self.keyring.site(members.clone(), own.as_ref()) {
                Ok(site) => sites.push(site),
                Err(unusable) => return vec![failed("credentials", format!("pool '{name}': {unusable}"))],
            }
        }
        let mut checks = Vec::new();
        for (site, name) in sites.iter().zip(names) {
            checks.push(match self.storage.occupancy(site, bucket).await {
                Ok(Occupancy::Absent) => failed(
                    "bucket",
                    format!("Bucket '{bucket}' does not exist on pool '{name}', and a split needs it there: make it"),
                ),
                Ok(Occupancy::Empty | Occupancy::Occupied) => ok("bucket", format!("it is there on pool '{name}'")),
                Err(error) => failed("bucket", format!("pool '{name}': {error}")),
            });
        }
        let (keys, uploads, clocks, machine) = join4(
            self.keys_check(&sites[0], bucket),
            self.uploads_check(plan, &sites[0], bucket),
            self.clock_checks(&sites, names.map(|name| name.as_str())),
            self.machine_checks(),
        )
        .await;
        checks.extend([keys, uploads]);
        checks.extend(clocks.into_iter().chain(machine));
        checks
    }
}
