//! Changes of the pool of a bucket that take its objects along: where a plain change would leave them behind, a migration
//! is asked for instead, and the route follows when the objects are there.

use super::buckets::{Buckets, Promoted, Promotion};
use super::migrations::{Migrations, Request};
use super::routes::{Consent, RoutePatch, RouteView, Routes};
use super::{Context, ServiceError, guard, vhosts};
use crate::domain::audit::Actor;
use crate::domain::bucket::BucketName;
use crate::domain::ids::{MigrationId, PoolId, Revision, RouteId, VhostId};
use crate::domain::migration::MigrationMode;

/// Use cases that may begin a migration. Cheap to clone.
#[derive(Clone)]
pub struct Relocation {
    context: Context,
    routes: Routes,
    buckets: Buckets,
    migrations: Migrations,
}

impl Relocation {
    pub(super) fn new(context: Context, routes: Routes, buckets: Buckets, migrations: Migrations) -> Self {
        Self { context, routes, buckets, migrations }
    }

    /// Changes a route. If another pool would leave objects of its bucket behind, they are moved: the route keeps its
    /// pool until they are there, and everything else of the change is made at once.
    ///
    /// # Errors
    /// As [`Routes::update`]; and if the bucket cannot be moved, with the reason.
    pub async fn update_route(
        &self,
        actor: Actor,
        vhost: VhostId,
        id: RouteId,
        expected: Option<Revision>,
        patch: RoutePatch,
    ) -> Result<(RouteView, Option<MigrationId>), ServiceError> {
        let conflict = match self.routes.update(actor, vhost, id, expected, patch.clone()).await {
            Ok(view) => return Ok((view, None)),
            Err(ServiceError::Conflict(why)) => why,
            Err(error) => return Err(error),
        };
        let seen = self.routes.get(vhost, id).await?.route;
        let whole = seen.path_prefix.plain_bucket().and_then(|bucket| BucketName::parse(bucket).ok());
        let stays = patch.path_prefix.as_ref().is_none_or(|prefix| *prefix == seen.path_prefix);
        let (Some(bucket), Some(destination)) = (whole, patch.pool_id.filter(|pool| *pool != seen.pool_id)) else {
            return Err(ServiceError::Conflict(conflict));
        };
        // Who says yes to leaving objects behind does not ask for a move.
        if patch.consent.allow_orphan || !seen.enabled || !stays || patch.enabled == Some(false) {
            return Err(ServiceError::Conflict(conflict));
        }
        let migration = self.request(actor, vhost, bucket, seen.pool_id, destination).await.map_err(|error| {
            ServiceError::Conflict(format!("{conflict}. It cannot be migrated as things are: {error}"))
        })?;
        let rest = RoutePatch { pool_id: None, ..patch };
        let view = self.routes.update(actor, vhost, id, None, rest).await?;
        Ok((view, Some(migration)))
    }

    /// Gives a bucket a route of its own, and moves its objects to the route's pool if it has any.
    ///
    /// # Errors
    /// As [`Buckets::promote`]; and if the bucket cannot be moved, with the reason. Then it has no route either.
    pub async fn promote(
        &self,
        actor: Actor,
        vhost: VhostId,
        bucket: BucketName,
        wanted: Promotion,
    ) -> Result<(Promoted, Option<MigrationId>), ServiceError> {
        let at_once = Promotion { migrate: false, ..wanted };
        if !wanted.migrate {
            return Ok((self.buckets.promote(actor, vhost, bucket, at_once).await?, None));
        }
        let default = self.default_pool(vhost).await?;
        if default == Some(wanted.pool_id) {
            return Err(ServiceError::Rejected(format!(
                "bucket {bucket} is on the default pool already: promote it without migrate"
            )));
        }
        let without_objects = Promotion { allow_orphan: false, ..at_once };
        let refused = match self.buckets.promote(actor, vhost, bucket.clone(), without_objects).await {
            Ok(promoted) => return Ok((promoted, None)),
            Err(error @ ServiceError::Rejected(_)) => error,
            Err(error) => return Err(error),
        };
        let Some(source) = default else { return Err(refused) };
        self.expect_answers(&bucket, [source, wanted.pool_id]).await?;
        let here = Promotion { pool_id: source, migrate: false, allow_orphan: false };
        let promoted = self.buckets.promote(actor, vhost, bucket.clone(), here).await?;
        match self.request(actor, vhost, bucket.clone(), source, wanted.pool_id).await {
            Ok(migration) => Ok((promoted, Some(migration))),
            Err(error) => {
                // The route led where the bucket is without it.
                self.buckets.unroute(actor, vhost, bucket, Consent::default()).await?;
                Err(error)
            }
        }
    }

    /// Looks whether both pools say anything of the bucket, before anything is changed.
    async fn expect_answers(&self, bucket: &BucketName, pools: [PoolId; 2]) -> Result<(), ServiceError> {
        for id in pools {
            let found = self.context.store.read(move |tx| Ok::<_, ServiceError>(guard::at_pool(tx, id)?)).await?;
            let pool = found.ok_or_else(|| ServiceError::Rejected(format!("pool_id: pool {id} does not exist")))?;
            let site = self.context.site(&pool)?;
            let answer = self.context.storage.occupancy(&site, bucket).await;
            answer.map_err(|error| ServiceError::Unavailable(format!("pool {}: {error}", pool.name)))?;
        }
        Ok(())
    }

    async fn request(
        &self,
        actor: Actor,
        vhost: VhostId,
        bucket: BucketName,
        source: PoolId,
        destination: PoolId,
    ) -> Result<MigrationId, ServiceError> {
        let request = Request { bucket, source, destination, mode: MigrationMode::Copy, vhost: Some(vhost) };
        Ok(self.migrations.request(actor, request).await?.migration.id)
    }

    async fn default_pool(&self, vhost: VhostId) -> Result<Option<PoolId>, ServiceError> {
        self.context.store.read(move |tx| Ok::<_, ServiceError>(vhosts::find(tx, vhost)?.default_pool_id)).await
    }
}
