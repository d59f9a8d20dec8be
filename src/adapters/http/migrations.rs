//! `/api/migrations`.

mod views;

use std::sync::Arc;

use poem_openapi::OpenApi;

use super::api::Group;
use super::auth::Caller;
use super::body::JsonBody;
use super::error::{ApiError, Asking, Composing, Failure, Finding, Making, Removing, Searching};
use super::fields::{Fields, Request as Body};
use super::params::{LogLimit, MigrationLimit, Path, Query};
use super::reply::{Made, Shown, Tag};
use crate::domain::bucket::BucketName;
use crate::domain::ids::{MigrationId, PoolId, VhostId};
use crate::domain::migration::work::{CheckOutcome, Side};
use crate::domain::migration::{Migration, MigrationMode, Phase};
use crate::domain::services::Services;
use crate::domain::services::migrations::Request;
use views::{CheckView, DoneView, LogView, MigrationView, OrphanView, PreflightView, SourceBucketsView, StaleView};

impl Body for Request {
    const NAME: &'static str = "NewMigration";
    const ABOUT: &'static str = "A bucket that is to move to another pool while clients use it.";

    fn read(fields: &mut Fields) -> Option<Self> {
        let bucket = fields
            .required::<BucketName>("bucket", "The bucket. It needs an enabled route `/<bucket>/` to the source pool.");
        let source = fields.required::<PoolId>("src_pool_id", "The pool that serves it.");
        let destination = fields.required::<PoolId>("dst_pool_id", "The pool that is to serve it.");
        let mode = fields.defaulted(
            "mode",
            "`copy`: what only the destination has stays; `sync`: it goes, and there may be nothing when it begins.",
            MigrationMode::Copy,
            "copy",
        );
        let vhost = fields.given::<VhostId>("vhost_id", "The vhost whose route is meant, if several have one.");
        Some(Self { bucket: bucket?, source: source?, destination: destination?, mode: mode?, vhost })
    }
}

/// Where the bucket of a split is to be in the end.
struct Adoption {
    to: Side,
}

impl Body for Adoption {
    const NAME: &'static str = "Adoption";
    const ABOUT: &'static str = "Where the bucket of a split is to be in the end.";

    fn read(fields: &mut Fields) -> Option<Self> {
        let to = fields.required::<Side>(
            "to",
            "`source`: the pool that is read first; `destination`: the one that takes the writes. Nothing is lost either \
             way.",
        );
        Some(Self { to: to? })
    }
}

/// The operations on migrations.
pub struct MigrationsApi(pub Arc<Services>);

#[OpenApi(tag = "Group::Migrations")]
impl MigrationsApi {
    /// Move a bucket to another pool
    ///
    /// Clients go on meanwhile: no write is lost, none of their reads is stale. It waits as `pending` while others run
    /// (`MIGRATION_MAX_PARALLEL`). The objects stay on the source, too, where nobody reads them.
    #[oai(path = "/migrations", method = "post", operation_id = "create_migration")]
    async fn create(&self, caller: Caller, body: JsonBody<Request>) -> Result<Made<MigrationView>, Failure<Making>> {
        let requested = self.0.migrations.request(caller.0, body.0).await?;
        let tag = Tag::of(requested.migration.revision);
        Ok(Made(requested.into(), tag))
    }

    /// See what would be found before a migration
    ///
    /// Looks at everything that a migration looks at before it begins, and begins nothing.
    #[oai(path = "/migrations/preflight", method = "post", operation_id = "preflight_migration")]
    async fn preflight(
        &self,
        _caller: Caller,
        body: JsonBody<Request>,
    ) -> Result<Shown<PreflightView>, Failure<Composing>> {
        let checks = self.0.migrations.preflight(body.0).await?;
        let ok = checks.iter().all(|check| check.outcome != CheckOutcome::Failed);
        Ok(Shown(PreflightView { ok, checks: checks.into_iter().map(CheckView::from).collect() }))
    }

    /// List migrations
    ///
    /// Newest first.
    #[oai(path = "/migrations", method = "get", operation_id = "list_migrations")]
    async fn list(
        &self,
        _caller: Caller,
        /// Only those in this phase. An unknown one has none.
        phase: Query<String>,
        /// At most so many, 50 unless given.
        limit: Query<MigrationLimit>,
    ) -> Result<Shown<Vec<MigrationView>>, Failure<Searching>> {
        let mut faults = Vec::new();
        let phase = phase.read(&mut faults);
        let limit = limit.read(&mut faults).unwrap_or(MigrationLimit(50)).0;
        if !faults.is_empty() {
            return Err(ApiError::faults(faults).into());
        }
        let phase = match phase.as_deref().map(Phase::parse) {
            Some(Err(_)) => return Ok(Shown(Vec::new())),
            Some(Ok(phase)) => Some(phase),
            None => None,
        };
        let all = self.0.migrations.list(phase, limit).await?;
        Ok(Shown(all.into_iter().map(MigrationView::from).collect()))
    }

    /// List migrations that cannot go on
    ///
    /// A pool has no enabled member any more, or the bucket is gone from the source.
    #[oai(path = "/migrations/stale", method = "get", operation_id = "list_stale_migrations")]
    async fn stale(&self, _caller: Caller) -> Result<Shown<Vec<StaleView>>, Failure<Searching>> {
        let stale = self.0.migrations.stale().await?;
        Ok(Shown(stale.into_iter().map(StaleView::from).collect()))
    }

    /// List what finished migrations left on their sources
    ///
    /// The latest first. Nothing of it is ever deleted by itself.
    #[oai(path = "/migrations/orphaned", method = "get", operation_id = "list_orphaned_sources")]
    async fn orphaned(&self, _caller: Caller) -> Result<Shown<Vec<OrphanView>>, Failure<Searching>> {
        let orphaned = self.0.migrations.orphaned().await?;
        Ok(Shown(orphaned.into_iter().filter_map(OrphanView::of).collect()))
    }

    /// List buckets that can be moved away from a pool
    ///
    /// Those with an enabled route to it.
    #[oai(path = "/migrations/source-buckets", method = "get", operation_id = "list_source_buckets")]
    async fn source_buckets(
        &self,
        _caller: Caller,
        /// The pool. Required.
        pool_id: Query<PoolId>,
    ) -> Result<Shown<SourceBucketsView>, Failure<Asking>> {
        let pool = pool_id.required().map_err(ApiError::faults)?;
        let buckets = self.0.migrations.source_buckets(pool).await?;
        let names = buckets.iter().map(|bucket| bucket.as_str().to_owned()).collect();
        Ok(Shown(SourceBucketsView { pool_id: pool.0, buckets: names }))
    }

    /// Get a migration
    ///
    /// With how fast it copies at the moment, if it does.
    #[oai(path = "/migrations/:migration_id", method = "get", operation_id = "get_migration")]
    async fn get(
        &self,
        _caller: Caller,
        /// The migration.
        migration_id: Path<MigrationId>,
    ) -> Result<Shown<MigrationView>, Failure<Finding>> {
        Ok(Shown(self.0.migrations.get(migration_id.0).await?.into()))
    }

    /// Read the log of a migration
    ///
    /// Newest first.
    #[oai(path = "/migrations/:migration_id/log", method = "get", operation_id = "get_migration_log")]
    async fn log(
        &self,
        _caller: Caller,
        /// The migration.
        migration_id: Path<MigrationId>,
        /// At most so many lines, 100 unless given.
        limit: Query<LogLimit>,
    ) -> Result<Shown<Vec<LogView>>, Failure<Finding>> {
        let mut faults = Vec::new();
        let limit = limit.read(&mut faults).unwrap_or(LogLimit(100)).0;
        if !faults.is_empty() {
            return Err(ApiError::faults(faults).into());
        }
        let log = self.0.migrations.log(migration_id.0, limit).await?;
        Ok(Shown(log.into_iter().map(LogView::from).collect()))
    }

    /// End a migration
    ///
    /// The source goes on serving the bucket, with every write that a client was told of. Not possible once the
    /// destination serves it.
    #[oai(path = "/migrations/:migration_id/cancel", method = "post", operation_id = "cancel_migration")]
    async fn cancel(
        &self,
        caller: Caller,
        /// The migration.
        migration_id: Path<MigrationId>,
    ) -> Result<Shown<DoneView>, Failure<Removing>> {
        self.0.migrations.cancel(caller.0, migration_id.0).await?;
        Ok(done(migration_id.0))
    }

    /// End a split that 0.4.x left in nginx
    ///
    /// Of a migration with `needs_adoption`. Another migration does it, and is the answer: it carries what is newer on the
    /// pool that takes the writes to the one that is read first, which then serves the bucket. If the bucket is wanted at
    /// the destination, the split's own record begins anew after it, as a migration like any other.
    #[oai(path = "/migrations/:migration_id/adopt", method = "post", operation_id = "adopt_migration")]
    async fn adopt(
        &self,
        caller: Caller,
        /// The migration of 0.4.x.
        migration_id: Path<MigrationId>,
        body: JsonBody<Adoption>,
    ) -> Result<Made<MigrationView>, Failure<Making>> {
        let adoption = self.0.migrations.adopt(caller.0, migration_id.0, body.0.to).await?;
        let tag = Tag::of(adoption.revision);
        Ok(Made(adoption.into(), tag))
    }

    /// Make a migration wait
    ///
    /// Clients notice nothing. Not possible while writes are held.
    #[oai(path = "/migrations/:migration_id/pause", method = "post", operation_id = "pause_migration")]
    async fn pause(
        &self,
        caller: Caller,
        /// The migration.
        migration_id: Path<MigrationId>,
    ) -> Result<Shown<DoneView>, Failure<Removing>> {
        self.0.migrations.pause(caller.0, migration_id.0).await?;
        Ok(done(migration_id.0))
    }

    /// Let a paused migration go on
    ///
    /// Where it was.
    #[oai(path = "/migrations/:migration_id/resume", method = "post", operation_id = "resume_migration")]
    async fn resume(
        &self,
        caller: Caller,
        /// The migration.
        migration_id: Path<MigrationId>,
    ) -> Result<Shown<DoneView>, Failure<Removing>> {
        self.0.migrations.resume(caller.0, migration_id.0).await?;
        Ok(done(migration_id.0))
    }
}

/// What `GET /api/migrations/orphaned` answers, for who prints it.
///
/// # Errors
/// It cannot be written as JSON.
pub fn orphan_document(orphaned: Vec<Migration>) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(orphaned.into_iter().filter_map(OrphanView::of).collect::<Vec<_>>())
}

fn done(id: MigrationId) -> Shown<DoneView> {
    Shown(DoneView { ok: true, migration_id: id.0 })
}
