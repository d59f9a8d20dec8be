//! What is looked at before a migration, and why it may not begin.
//!
//! First what the database knows, in the order of 0.4.x; then what the storage says; then what an operator should know.

use futures_util::future::{join, join5};

use super::engine::Shared;
use super::reach::{Reach, prefix_of, reach};
use super::record::http_twin;
use crate::domain::bucket::{BucketName, BucketStatus};
use crate::domain::copy::WhyNot;
use crate::domain::copy::carriable;
use crate::domain::credential::Credential;
use crate::domain::ids::{MigrationId, PoolId, RouteId};
use crate::domain::migration::machine::Outcome;
use crate::domain::migration::work::{Check, CheckOutcome, MigrationKind};
use crate::domain::migration::{Migration, MigrationMode, Named, Orphan};
use crate::domain::object::Occupancy;
use crate::domain::pool::{Address, Pool, PoolKind};
use crate::domain::route::is_plain_bucket;
use crate::domain::services::ServiceError;
use crate::domain::site::Site;
use crate::domain::vhost::Vhost;
use crate::ports::object_storage::{PAGE, StorageError};
use crate::ports::store::Tx;

/// How many pages of the source are looked through for keys that cannot be moved, before a migration is begun. All of
/// them are looked at while it runs.
const LOOKED_THROUGH: usize = 20;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is to move.
    pub bucket: BucketName,
    /// From where.
    pub source: PoolId,
    /// To where.
    pub destination: PoolId,
    /// What becomes of objects that only the destination has.
    pub mode: MigrationMode,
    /// Through which vhost, if the caller knows.
    pub vhost: Option<crate::domain::ids::VhostId>,
}

/// What the database knows about a request that it does not refuse.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub vhost: Vhost,
    pub route: RouteId,
    pub source: Pool,
    pub destination: Pool,
    /// What will not follow, in sentences.
    pub cascade_warnings: Vec<String>,
    pub sites: Sites,
}

/// Members and keys of source and destination.
pub(super) type Sites = [(Vec<Address>, Option<Credential>); 2];

/// What storage and machine said to a plan.
pub(super) struct Looked {
    pub checks: Vec<Check>,
    /// Which of the checks failed because a pool said nothing of the bucket; the first of them.
    pub unanswered: Option<usize>,
}

impl Looked {
    /// The checks, none of which failed.
    pub(super) fn expect_no_failure(self) -> Result<Vec<Check>, ServiceError> {
        let Self { checks, unanswered } = self;
        let Some(first) = checks.iter().position(|check| check.outcome == CheckOutcome::Failed) else {
            return Ok(checks);
        };
        let why = checks[first].message.clone();
        let silent = unanswered == Some(first);
        Err(if silent { ServiceError::Unavailable(why) } else { ServiceError::Rejected(why) })
    }
}

/// Checks a request against the database. `own` is the migration that was made of it, if it was.
pub(super) fn plan(tx: &mut dyn Tx, request: &Request, own: Option<MigrationId>) -> Result<Plan, ServiceError> {
    let rejected = |why: String| Err(ServiceError::Rejected(why));
    let bucket = &request.bucket;
    if request.source == request.destination {
        return rejected("Source and destination pool must be different".to_owned());
    }
    let source = nanio(tx, request.source, "Source")?;
    let destination = nanio(tx, request.destination, "Destination")?;
    let sites = sites(tx, &source, &destination)?;
    expect_no_other(tx, bucket, [source.id, destination.id], own)?;
    expect_plain(bucket)?;
    let reach = reach(tx, source.id, bucket)?;
    let (vhost, route) = routed(tx, request, &source, &reach)?;
    if let Some(part) = reach.parts.first() {
        return rejected(format!("{part} routes a part of bucket {bucket}: the bucket cannot be moved as a whole"));
    }
    let cascade_warnings = cascade_warnings(tx, &source, &destination, bucket, &reach)?;
    Ok(Plan { vhost, route, source, destination, cascade_warnings, sites })
}

/// Where both pools are.
pub(super) fn sites(tx: &mut dyn Tx, source: &Pool, destination: &Pool) -> Result<Sites, ServiceError> {
    Ok([site_parts(tx, source, "Source")?, site_parts(tx, destination, "Destination")?])
}

/// Refuses a bucket of which another migration is under way between any of these pools.
pub(super) fn expect_no_other(
    tx: &mut dyn Tx,
    bucket: &BucketName,
    pools: [PoolId; 2],
    own: Option<MigrationId>,
) -> Result<(), ServiceError> {
    for other in tx.migrations_of(bucket)? {
        // One that still has something in nginx, such as uploads on its source, is not over.
        let active = !other.phase.is_final() || other.work.gate.is_some() || other.needs_adoption;
        let shares = [other.source.id, other.destination.id].iter().any(|pool| pools.contains(pool));
        if active && shares && Some(other.id) != own {
            return Err(ServiceError::Conflict(format!(
                "Migration {} of bucket {bucket} is {}; wait for its end, or cancel it",
                other.id,
                other.phase.as_str()
            )));
        }
    }
    Ok(())
}

/// Refuses a bucket whose requests nginx could not tell from others.
pub(super) fn expect_plain(bucket: &BucketName) -> Result<(), ServiceError> {
    if is_plain_bucket(bucket.as_str()) {
        return Ok(());
    }
    Err(ServiceError::Rejected(format!(
        "bucket {bucket} cannot be moved while clients use it: its name is not a plain one (3 to 63 lower-case \
         letters, digits, '.', '_' and '-')"
    )))
}

/// The vhost and the route that make the bucket one that can be moved.
fn routed(tx: &mut dyn Tx, request: &Request, source: &Pool, reach: &Reach) -> Result<(Vhost, RouteId), ServiceError> {
    let bucket = &request.bucket;
    let wanted = |vhost: &Vhost| request.vhost.is_none_or(|id| id == vhost.id);
    let found = reach.routes.iter().find(|(vhost, route)| route.enabled && vhost.enabled && wanted(vhost));
    if let Some((vhost, route)) = found {
        if tx.bucket(vhost.id, bucket)?.is_some_and(|known| known.status == BucketStatus::Deleted) {
            return Err(ServiceError::Rejected(format!("Bucket '{bucket}' has been deleted from its pool")));
        }
        return Ok((vhost.clone(), route.id));
    }
    let through_default = reach.defaults.iter().find(|vhost| wanted(vhost));
    Err(ServiceError::Rejected(match through_default {
        Some(vhost) => format!(
            "No route '/{bucket}/' in vhost {}: create the route first (promote the bucket to pool {})",
            vhost.server_name, source.name
        ),
        None => format!(
            "No enabled route '/{bucket}/' leads to pool {}{}",
            source.name,
            elsewhere(tx, request)?.map_or_else(String::new, |pool| format!(": it leads to pool {pool}"))
        ),
    }))
}

/// Where the route of the bucket leads instead.
fn elsewhere(tx: &mut dyn Tx, request: &Request) -> Result<Option<String>, ServiceError> {
    let Some(vhost) = request.vhost else { return Ok(None) };
    let Some(route) = tx.route_at(vhost, &prefix_of(&request.bucket))? else { return Ok(None) };
    Ok(tx.pool(route.pool_id)?.map(|pool| pool.name.to_string()))
}

pub(super) fn nanio(tx: &mut dyn Tx, id: PoolId, side: &str) -> Result<Pool, ServiceError> {
    match tx.pool(id)? {
        None => Err(ServiceError::Rejected(format!("{side} pool {id} not found"))),
        Some(pool) if pool.kind != PoolKind::Nanio => Err(ServiceError::Rejected(format!(
            "{side} pool '{}' is of type http; only buckets of nanio pools can be migrated",
            pool.name
        ))),
        Some(pool) => Ok(pool),
    }
}

pub(super) fn site_parts(
    tx: &mut dyn Tx,
    pool: &Pool,
    side: &str,
) -> Result<(Vec<Address>, Option<Credential>), ServiceError> {
    let members: Vec<Address> =
        tx.members(pool.id)?.into_iter().filter(|member| member.enabled).map(|member| member.address).collect();
    if members.is_empty() {
        return Err(ServiceError::Rejected(format!("{side} pool '{}' has no enabled member", pool.name)));
    }
    Ok((members, tx.credential(pool.id)?))
}

fn cascade_warnings(
    tx: &mut dyn Tx,
    source: &Pool,
    destination: &Pool,
    bucket: &BucketName,
    reach: &Reach,
) -> Result<Vec<String>, ServiceError> {
    let mut warnings = Vec::new();
    for linked in tx.pools_backed_by(source.id)?.into_iter().filter(|pool| pool.kind == PoolKind::Http) {
        if !reach.http.iter().any(|(_, route)| route.pool_id == linked.id) {
            warnings.push(format!(
                "HTTP pool '{}' is linked to the source pool, but none of its vhosts has a route '/{bucket}/': they will \
                 not follow the migration",
                linked.name
            ));
        }
    }
    if !reach.http.is_empty() && http_twin(tx, destination.id)?.is_none() {
        let names: Vec<&str> = reach.http.iter().map(|(vhost, _)| vhost.server_name.as_str()).collect();
        warnings.push(format!(
            "No HTTP pool is linked to pool '{}': {} will go on reading the copy that stays on pool '{}'",
            destination.name,
            names.join(", "),
            source.name
        ));
    }
    Ok(warnings)
}

impl Shared {
    /// Everything that can be known before a migration goes on. The first failure is the reason why it does not.
    pub(super) async fn preflight(&self, migration: &Migration) -> Result<Vec<Check>, ServiceError> {
        if migration.work.kind == MigrationKind::BackFill {
            return self.preflight_back_fill(migration).await;
        }
        let request = Request {
            bucket: migration.bucket.clone(),
            source: migration.source.id,
            destination: migration.destination.id,
            mode: migration.mode,
            vhost: Some(migration.vhost.id),
        };
        let own = Some(migration.id);
        let began = migration.started_at.is_some();
        let planned = self.store.read(move |tx| plan(tx, &request, own)).await;
        match planned {
            Ok(plan) => Ok(self.look(&plan, &migration.bucket, migration.mode, began).await.checks),
            Err(error @ (ServiceError::Rejected(_) | ServiceError::Conflict(_))) => {
                Ok(vec![failed("request", error.to_string())])
            }
            Err(error) => Err(error),
        }
    }

    /// What storage and machine say to a plan. `began`: what the destination has may be the migration's own.
    pub(super) async fn look(&self, plan: &Plan, bucket: &BucketName, mode: MigrationMode, began: bool) -> Looked {
        let mut checks = Vec::new();
        let names = [&plan.source.name, &plan.destination.name];
        let mut sites: Vec<Site> = Vec::new();
        for ((members, own), name) in plan.sites.iter().zip(names) {
            match self.keyring.site(members.clone(), own.as_ref()) {
                Ok(site) => sites.push(site),
                Err(unusable) => {
                    checks.push(failed("credentials", format!("pool '{name}': {unusable}")));
                    return Looked { checks, unanswered: None };
                }
            }
        }
        let (source, destination) = (&sites[0], &sites[1]);
        let (here, there) =
            join(self.storage.occupancy(source, bucket), self.storage.occupancy(destination, bucket)).await;
        let unanswered = [here.is_err(), there.is_err()].iter().position(|silent| *silent);
        checks.push(source_check(plan, bucket, here));
        checks.push(destination_check(plan, bucket, there, mode, began));
        if checks.iter().any(|check| check.outcome == CheckOutcome::Failed) {
            return Looked { checks, unanswered };
        }
        // Each may take until a node has not answered in time.
        let (keys, client_keys, uploads, clocks, machine) = join5(
            self.keys_check(source, bucket),
            self.client_keys_check(plan, source, destination, bucket),
            self.uploads_check(plan, source, bucket),
            self.clock_checks(&sites, names.map(|name| name.as_str())),
            self.machine_checks(),
        )
        .await;
        checks.extend([keys, region_check(source, destination), client_keys, uploads]);
        checks.extend(clocks.into_iter().chain(machine));
        checks.extend(
            plan.cascade_warnings.iter().map(|warning| check("cascade", CheckOutcome::Warning, warning.clone())),
        );
        Looked { checks, unanswered }
    }

    /// Looks for keys that cannot be moved, as far as that is quick.
    pub(super) async fn keys_check(&self, source: &Site, bucket: &BucketName) -> Check {
        let (mut folders, mut pages, mut unfit) = (vec![String::new()], 0, Vec::new());
        'all: while let Some(folder) = folders.pop() {
            let mut from = None;
            loop {
                if pages == LOOKED_THROUGH {
                    break 'all;
                }
                pages += 1;
                let page = match self.storage.folder(source, bucket, &folder, from.as_deref(), PAGE).await {
                    Ok(page) => page,
                    Err(error) => {
                        return check("keys", CheckOutcome::Warning, format!("keys could not be looked at: {error}"));
                    }
                };
                for object in page.objects {
                    match carriable(&object.key) {
                        Ok(()) => {}
                        Err(WhyNot::Folder) if object.size == 0 => {}
                        Err(why) => unfit.push(format!("{:?} ({why})", object.key)),
                    }
                }
                folders.extend(page.folders.into_iter().filter(|inner| inner.len() > folder.len()));
                match page.next {
                    Some(next) => from = Some(next),
                    None => break,
                }
            }
        }
        if unfit.is_empty() {
            let rest = if folders.is_empty() {
                ""
            } else {
                " of those that were looked at; the others are looked at while it runs"
            };
            return ok("keys", format!("every key can be moved{rest}"));
        }
        unfit.truncate(5);
        failed("keys", format!("these objects cannot be moved: {}; rename or delete them first", unfit.join(", ")))
    }

    pub(super) async fn uploads_check(&self, plan: &Plan, source: &Site, bucket: &BucketName) -> Check {
        match self.storage.uploads(source, bucket, "", None).await {
            Ok(page) if page.uploads.is_empty() => ok("uploads", "no upload is under way".to_owned()),
            Ok(page) => check(
                "uploads",
                CheckOutcome::Warning,
                format!(
                    "{} uploads are under way; they are finished on pool '{}'",
                    page.uploads.len(),
                    plan.source.name
                ),
            ),
            Err(error) => check(
                "uploads",
                CheckOutcome::Warning,
                format!("uploads under way cannot be listed ({error}): such that are not used meanwhile would be lost"),
            ),
        }
    }

    pub(super) async fn clock_checks(&self, sites: &[Site], names: [&str; 2]) -> Vec<Check> {
        let mut checks = Vec::new();
        for (site, name) in sites.iter().zip(names) {
            let theirs = match self.storage.time(site).await {
                Ok(theirs) => theirs,
                Err(error) => {
                    checks.push(check("clock", CheckOutcome::Warning, format!("pool '{name}': {error}")));
                    continue;
                }
            };
            let skew = theirs.unix() - self.clock.now().unix();
            if skew.abs() > 60 {
                checks.push(check(
                    "clock",
                    CheckOutcome::Warning,
                    format!(
                        "the clock of pool '{name}' is {skew} s off this machine's: signed requests may be refused"
                    ),
                ));
            }
        }
        if checks.is_empty() {
            checks.push(ok("clock", "the clocks of both pools are right".to_owned()));
        }
        checks
    }

    /// Whether what the destination has of the bucket was left there by an earlier migration away from it.
    pub(super) async fn own_orphan(&self, migration: &Migration) -> Result<Option<Orphan>, Outcome> {
        let (bucket, destination) = (migration.bucket.clone(), Named::clone(&migration.destination));
        let read = self.store.read(move |tx| {
            let left = Migration::left_on(&tx.migrations_of(&bucket)?, destination.id, &bucket);
            Ok::<_, ServiceError>(left.and_then(|left| left.orphan))
        });
        read.await.map_err(|error| Outcome::NotNow(error.to_string()))
    }
}

/// What the source says of the bucket.
fn source_check(plan: &Plan, bucket: &BucketName, seen: Result<Occupancy, StorageError>) -> Check {
    let pool = &plan.source.name;
    match seen {
        Ok(Occupancy::Occupied) => ok("source", format!("bucket {bucket} holds objects on pool '{pool}'")),
        Ok(Occupancy::Empty) => failed("source", format!("Bucket '{bucket}' is empty on source pool '{pool}'")),
        Ok(Occupancy::Absent) => failed("source", format!("Bucket '{bucket}' does not exist on source pool '{pool}'")),
        Err(error) => failed("source", format!("source pool '{pool}': {error}")),
    }
}

/// What the destination says of the bucket.
fn destination_check(
    plan: &Plan,
    bucket: &BucketName,
    seen: Result<Occupancy, StorageError>,
    mode: MigrationMode,
    began: bool,
) -> Check {
    let pool = &plan.destination.name;
    match (seen, mode) {
        (Ok(Occupancy::Absent), _) => ok("destination", format!("the bucket will be made on pool '{pool}'")),
        (Ok(Occupancy::Empty), _) => ok("destination", format!("the bucket on pool '{pool}' is empty")),
        (Ok(Occupancy::Occupied), _) if began => {
            ok("destination", format!("the bucket on pool '{pool}' has what was copied already"))
        }
        (Ok(Occupancy::Occupied), MigrationMode::Sync) => failed(
            "destination",
            format!(
                "Bucket '{bucket}' has objects on destination pool '{pool}', and mode sync would delete them; use \
                 mode copy, or empty it first"
            ),
        ),
        (Ok(Occupancy::Occupied), MigrationMode::Copy) => check(
            "destination",
            CheckOutcome::Warning,
            format!("bucket {bucket} has objects on pool '{pool}' already; those of other keys will stay there"),
        ),
        (Err(error), _) => failed("destination", format!("destination pool '{pool}': {error}")),
    }
}

/// Signatures name a region: a client's must be good on both sides.
fn region_check(source: &Site, destination: &Site) -> Check {
    if source.region == destination.region {
        return ok("region", format!("both pools are asked in region {}", source.region));
    }
    check(
        "region",
        CheckOutcome::Warning,
        format!(
            "the pools are asked in different regions ({} and {}): requests that clients sign for one may be refused by \
             the other",
            source.region, destination.region
        ),
    )
}

pub(super) fn ok(name: &str, message: String) -> Check {
    check(name, CheckOutcome::Ok, message)
}

pub(super) fn failed(name: &str, message: String) -> Check {
    check(name, CheckOutcome::Failed, message)
}

pub(super) fn check(name: &str, outcome: CheckOutcome, message: String) -> Check {
    Check { name: name.to_owned(), outcome, message }
}
