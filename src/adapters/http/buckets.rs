//! `/api/vhosts/{vhost_id}/buckets`.

use std::sync::Arc;

use poem_openapi::OpenApi;

use super::api::Group;
use super::auth::Caller;
use super::body::JsonBody;
use super::error::{ApiError, Asking, Doing, Failure, Having, Making};
use super::fields::{Fields, Request};
use super::params::{Path, Query};
use super::reply::Shown;
use super::routes::consent;
use super::schema::view;
use crate::domain::bucket::{BucketName, BucketStatus};
use crate::domain::ids::VhostId;
use crate::domain::services::Services;
use crate::domain::services::buckets::{BucketView as Found, Counted, OrphanScan, Promotion, Synced, VhostSync};
use crate::domain::time::Timestamp;

view! {
    /// A bucket of a vhost.
    BucketView as "Bucket" {
        /// Its name.
        name: String,
        /// What is known of it.
        status: BucketStatus,
        /// The name of the pool of its own route; null: the vhost's default pool serves it.
        pool_name: Option<String>,
        /// That pool.
        routed_pool_id: Option<i64>,
        /// Its objects on the pool that serves it, if they were asked for and could be counted.
        object_count: Option<u64>,
        /// Whether these are all; false: there are at least so many. Null: not counted.
        count_complete: Option<bool>,
        /// Why they were not counted, although they were asked for.
        count_error: Option<String>,
        /// When it was found, for the first time or again, UTC, `YYYY-MM-DDTHH:MM:SSZ`.
        discovered_at: Option<String>,
    }
}

view! {
    /// The buckets of a vhost.
    BucketListView as "BucketList" {
        /// The vhost.
        vhost_id: i64,
        /// By status, then by name.
        buckets: Vec<BucketView>,
        /// When the default pool last listed its buckets, UTC, `YYYY-MM-DDTHH:MM:SSZ`.
        last_synced_at: Option<String>,
    }
}

view! {
    /// What came of a sync.
    SyncView as "BucketSync" {
        /// The vhost.
        vhost_id: i64,
        /// Buckets that are there.
        buckets_found: Option<u64>,
        /// Those that were not known.
        buckets_new: Option<u64>,
        /// Those that are gone from the pools that served them.
        buckets_deleted: Option<u64>,
        /// Those that were not as they were known, the new ones included.
        buckets_changed: Option<u64>,
        /// When the pools were asked, UTC, `YYYY-MM-DDTHH:MM:SSZ`.
        synced_at: Option<String>,
        /// Whether there was nothing to sync: the default pool is none that lists buckets.
        skipped: bool,
        /// Why.
        reason: Option<String>,
        /// Why the default pool could not be asked; what it serves is as it was known.
        error: Option<String>,
        /// Other pools of the vhost that could not be asked; what they serve is as it was known.
        warnings: Vec<String>,
    }
}

view! {
    /// The bucket has a route of its own.
    PromotedView as "PromotedBucket" {
        /// True.
        ok: bool,
        /// What nginx said to it.
        output: String,
        /// The bucket.
        bucket: String,
        /// The name of the pool that serves it.
        pool: String,
        /// The route's prefix.
        route: String,
        /// Whether a migration of its objects was started.
        migration_started: bool,
        /// Which.
        migration_id: Option<i64>,
    }
}

view! {
    /// The back-fill was asked for.
    BackFillView as "BucketBackFill" {
        /// True.
        ok: bool,
        /// The migration that does it.
        migration_id: i64,
        /// The bucket.
        bucket: String,
    }
}

view! {
    /// The bucket is ignored.
    IgnoredView as "IgnoredBucket" {
        /// True.
        ok: bool,
        /// The bucket.
        bucket: String,
        /// `ignored`.
        status: BucketStatus,
    }
}

view! {
    /// The route is removed.
    UnroutedView as "RemovedBucketRoute" {
        /// True.
        ok: bool,
        /// The bucket.
        bucket: String,
        /// The prefix of the route.
        route_removed: String,
    }
}

view! {
    /// A bucket with objects on the default pool, where no client of this vhost sees them.
    OrphanView as "OrphanedBucket" {
        /// The bucket.
        bucket: String,
        /// Its objects there.
        objects: u64,
        /// Whether these are all; false: there are at least so many.
        count_complete: bool,
    }
}

view! {
    /// A bucket that could not be looked at.
    UncheckedView as "UncheckedBucket" {
        /// The bucket.
        bucket: String,
        /// Why.
        reason: String,
    }
}

view! {
    /// Routed buckets of which the default pool holds objects.
    OrphansView as "BucketOrphans" {
        /// The vhost.
        vhost_id: i64,
        /// Those that it does hold objects of, by name.
        orphans: Vec<OrphanView>,
        /// How many buckets were looked at.
        checked: u64,
        /// Those that could not be looked at: they may have objects there.
        unchecked: Vec<UncheckedView>,
    }
}

impl From<Found> for BucketView {
    fn from(found: Found) -> Self {
        let (object_count, count_complete, count_error) = match found.count {
            Counted::NotAsked => (None, None, None),
            Counted::Counted(count) => (Some(count.objects), Some(count.complete), None),
            Counted::Uncounted(why) => (None, None, Some(why)),
        };
        Self {
            name: found.bucket.name.as_str().to_owned(),
            status: found.bucket.status,
            pool_name: found.pool_name.map(|name| name.as_str().to_owned()),
            routed_pool_id: found.bucket.routed_pool_id.map(|id| id.0),
            object_count,
            count_complete,
            count_error,
            discovered_at: Some(found.bucket.discovered_at.iso()),
        }
    }
}

impl SyncView {
    fn of(vhost: VhostId, outcome: VhostSync) -> Self {
        let empty = Self {
            vhost_id: vhost.0,
            buckets_found: None,
            buckets_new: None,
            buckets_deleted: None,
            buckets_changed: None,
            synced_at: None,
            skipped: false,
            reason: None,
            error: None,
            warnings: Vec::new(),
        };
        match outcome {
            VhostSync::Skipped(reason) => Self { skipped: true, reason: Some(reason), ..empty },
            VhostSync::Failed(error) => Self { error: Some(error), ..empty },
            VhostSync::Synced(Synced { tally, new, changed, at, faults }) => Self {
                buckets_found: Some(tally.found),
                buckets_new: Some(new),
                buckets_deleted: Some(tally.deleted),
                buckets_changed: Some(changed),
                synced_at: Some(at.iso()),
                warnings: faults.into_iter().map(|fault| format!("pool {}: {}", fault.name, fault.why)).collect(),
                ..empty
            },
        }
    }
}

impl OrphansView {
    fn of(vhost: VhostId, scan: OrphanScan) -> Self {
        let orphans = scan.orphans.into_iter().map(|orphan| OrphanView {
            bucket: orphan.name.as_str().to_owned(),
            objects: orphan.count.objects,
            count_complete: orphan.count.complete,
        });
        let unchecked = scan.unchecked.into_iter();
        let unchecked =
            unchecked.map(|one| UncheckedView { bucket: one.name.as_str().to_owned(), reason: one.why }).collect();
        Self { vhost_id: vhost.0, orphans: orphans.collect(), checked: scan.checked, unchecked }
    }
}

const MIGRATE: &str =
    "Move the bucket's objects to the pool: until they are there, the route leads to the default pool.";
const TARGET: &str = "The pool that serves the bucket from then on.";
const ALLOW_ORPHAN: &str = "Do it even if the bucket's objects stay behind on the pool that serves it now.";

impl Request for Promotion {
    const NAME: &'static str = "BucketPromotion";
    const ABOUT: &'static str = "The route that a bucket shall have.";

    fn read(fields: &mut Fields) -> Option<Self> {
        let pool_id = fields.required("pool_id", TARGET);
        let migrate = fields.defaulted("migrate", MIGRATE, false, false);
        let allow_orphan = fields.defaulted("allow_orphan", ALLOW_ORPHAN, false, false);
        Some(Self { pool_id: pool_id?, migrate: migrate?, allow_orphan: allow_orphan? })
    }
}

/// The operations on the buckets of a vhost.
pub struct BucketsApi(pub Arc<Services>);

#[OpenApi(tag = "Group::Buckets")]
impl BucketsApi {
    /// List the buckets of a vhost
    ///
    /// As the last sync found them. With `fetch_counts`, the objects of each are counted on the pool that serves it,
    /// within two seconds for all of them: `count_complete` says of each whether that was enough.
    #[oai(path = "/vhosts/:vhost_id/buckets", method = "get", operation_id = "list_buckets")]
    async fn list(
        &self,
        _caller: Caller,
        /// The vhost.
        vhost_id: Path<VhostId>,
        /// Count the objects too.
        fetch_counts: Query<bool>,
    ) -> Result<Shown<BucketListView>, Failure<Asking>> {
        let count = fetch_counts.alone().map_err(ApiError::faults)?.unwrap_or(false);
        let list = self.0.buckets.list(vhost_id.0, count).await?;
        Ok(Shown(BucketListView {
            vhost_id: vhost_id.0.0,
            buckets: list.buckets.into_iter().map(BucketView::from).collect(),
            last_synced_at: list.listed_at.map(Timestamp::iso),
        }))
    }

    /// Sync the buckets of a vhost now
    ///
    /// Asks the default pool and the pools of the buckets' routes. No route is changed. 200 also if the default pool
    /// could not be asked (`error`) or is none that lists buckets (`skipped`).
    #[oai(path = "/vhosts/:vhost_id/buckets/sync", method = "post", operation_id = "sync_buckets")]
    async fn sync(
        &self,
        caller: Caller,
        /// The vhost.
        vhost_id: Path<VhostId>,
    ) -> Result<Shown<SyncView>, Failure<Doing>> {
        Ok(Shown(SyncView::of(vhost_id.0, self.0.buckets.sync(caller.0, vhost_id.0).await?)))
    }

    /// Find objects that buckets left on the default pool
    ///
    /// Counts, within two seconds, what the default pool holds of buckets that another pool serves.
    #[oai(path = "/vhosts/:vhost_id/buckets/orphans", method = "get", operation_id = "list_bucket_orphans")]
    async fn orphans(
        &self,
        _caller: Caller,
        /// The vhost.
        vhost_id: Path<VhostId>,
    ) -> Result<Shown<OrphansView>, Failure<Having>> {
        Ok(Shown(OrphansView::of(vhost_id.0, self.0.buckets.orphans(vhost_id.0).await?)))
    }

    /// Give a bucket a route of its own
    ///
    /// The bucket is not made on the target pool. 400 that names `allow_orphan` if the bucket has objects on another
    /// pool, or if they cannot be counted.
    #[oai(path = "/vhosts/:vhost_id/buckets/:bucket/promote", method = "post", operation_id = "promote_bucket")]
    async fn promote(
        &self,
        caller: Caller,
        /// The vhost.
        vhost_id: Path<VhostId>,
        /// The bucket.
        bucket: Path<BucketName>,
        wanted: JsonBody<Promotion>,
    ) -> Result<Shown<PromotedView>, Failure<Making>> {
        let asked = self.0.relocation.promote(caller.0, vhost_id.0, bucket.0.clone(), wanted.0);
        let (promoted, migration) = asked.await?;
        Ok(Shown(PromotedView {
            ok: true,
            output: promoted.output,
            bucket: bucket.0.as_str().to_owned(),
            pool: promoted.pool.as_str().to_owned(),
            route: promoted.route.as_str().to_owned(),
            migration_started: migration.is_some(),
            migration_id: migration.map(|id| id.0),
        }))
    }

    /// Carry over what the default pool still has of a bucket
    ///
    /// For a bucket with a route of its own: what the default pool has of it, and the route's pool lacks, is copied there
    /// while clients go on. Nothing is overwritten, and nothing that clients delete meanwhile is brought back. It waits as
    /// `pending` while others run (`MIGRATION_MAX_PARALLEL`), and is a migration of kind `back_fill` that can be paused
    /// and cancelled as any other. It may be asked for again.
    #[oai(path = "/vhosts/:vhost_id/buckets/:bucket/migrate", method = "post", operation_id = "back_fill_bucket")]
    async fn back_fill(
        &self,
        caller: Caller,
        /// The vhost.
        vhost_id: Path<VhostId>,
        /// The bucket.
        bucket: Path<BucketName>,
    ) -> Result<Shown<BackFillView>, Failure<Doing>> {
        let migration = self.0.migrations.back_fill(caller.0, vhost_id.0, bucket.0).await?;
        Ok(Shown(BackFillView { ok: true, migration_id: migration.id.0, bucket: migration.bucket.as_str().to_owned() }))
    }

    /// Ignore a bucket
    ///
    /// Sync leaves it alone from then on; a route ends that.
    #[oai(path = "/vhosts/:vhost_id/buckets/:bucket/ignore", method = "post", operation_id = "ignore_bucket")]
    async fn ignore(
        &self,
        caller: Caller,
        /// The vhost.
        vhost_id: Path<VhostId>,
        /// The bucket.
        bucket: Path<BucketName>,
    ) -> Result<Shown<IgnoredView>, Failure<Doing>> {
        let ignored = self.0.buckets.ignore(caller.0, vhost_id.0, bucket.0).await?;
        Ok(Shown(IgnoredView { ok: true, bucket: ignored.name.as_str().to_owned(), status: ignored.status }))
    }

    /// Remove the route of a bucket
    ///
    /// Its record goes too if it is `deleted`; else the default pool serves it from then on. 409 if that pool still
    /// holds the copy that a migration left (it is named), unless `allow_stale`; 409 if the bucket has objects on the
    /// route's pool, unless `allow_orphan`.
    #[oai(path = "/vhosts/:vhost_id/buckets/:bucket/route", method = "delete", operation_id = "remove_bucket_route")]
    async fn unroute(
        &self,
        caller: Caller,
        /// The vhost.
        vhost_id: Path<VhostId>,
        /// The bucket.
        bucket: Path<BucketName>,
        /// Do it even if the bucket's objects stay behind on the pool that serves it now.
        allow_orphan: Query<bool>,
        /// Do it even if the bucket would then be served from the copy that a migration left; includes `allow_orphan`.
        allow_stale: Query<bool>,
    ) -> Result<Shown<UnroutedView>, Failure<Doing>> {
        let consent = consent(allow_orphan, allow_stale)?;
        let removed = self.0.buckets.unroute(caller.0, vhost_id.0, bucket.0.clone(), consent).await?;
        Ok(Shown(UnroutedView {
            ok: true,
            bucket: bucket.0.as_str().to_owned(),
            route_removed: removed.route.as_str().to_owned(),
        }))
    }
}
