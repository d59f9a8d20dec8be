//! Buckets get a route of their own, lose it, or are ignored. Route and record are one change, tested by nginx.

use super::super::publish::Change;
use super::super::routes::{self, Consent, NewRoute};
use super::super::{ServiceError, guard};
use super::{Buckets, named, pool_name, with_default_pool};
use crate::domain::audit::{Action, Actor, Snapshot, Subject};
use crate::domain::bucket::{Bucket, BucketName, BucketStatus};
use crate::domain::ids::{PoolId, VhostId};
use crate::domain::pool::PoolName;
use crate::domain::route::PathPrefix;
use crate::ports::store::Tx;

/// What a bucket's own route shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promotion {
    /// The pool that serves the bucket from then on.
    pub pool_id: PoolId,
    /// Its objects shall move there first: see [`Relocation`](crate::domain::services::relocation::Relocation).
    pub migrate: bool,
    /// Its objects may stay behind.
    pub allow_orphan: bool,
}

/// A bucket that has got a route of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promoted {
    /// The route's prefix.
    pub route: PathPrefix,
    /// The name of its pool.
    pub pool: PoolName,
    /// What nginx said to it.
    pub output: String,
}

/// A bucket without a route of its own any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unrouted {
    /// The prefix of the route that was removed.
    pub route: PathPrefix,
}

impl Buckets {
    /// Gives a bucket a route of its own.
    ///
    /// # Errors
    /// An unknown pool, one of another type or without members; a route that is there; a bucket that is deleted;
    /// objects that clients would no longer see, or that cannot be counted; what nginx refuses.
    pub async fn promote(
        &self,
        actor: Actor,
        id: VhostId,
        bucket: BucketName,
        wanted: Promotion,
    ) -> Result<Promoted, ServiceError> {
        let new = NewRoute {
            path_prefix: routable(&bucket)?,
            pool_id: wanted.pool_id,
            key_prefix: None,
            extra_directives: None,
            enabled: true,
            allow_orphan: wanted.allow_orphan,
        };
        let prefix = new.path_prefix.clone();
        let (name, asked) = (bucket.clone(), new.clone());
        let serving = self.context.store.read(move |tx| promotable(tx, id, &name, &asked)).await?;
        if let Some(serving) = serving.as_ref().filter(|serving| serving.pool != wanted.pool_id && !wanted.allow_orphan)
            && let Some(why) = self.context.left_behind(serving, &prefix).await
        {
            return Err(ServiceError::Rejected(why));
        }
        let seen = serving.map(|serving| serving.pool);
        let make = move |change: &mut Change<'_>| {
            let serving = promotable(change.tx, id, &bucket, &new)?;
            if serving.map(|serving| serving.pool) != seen {
                return Err(ServiceError::Conflict(format!(
                    "bucket {bucket} has got another pool while its objects were looked at; repeat the request"
                )));
            }
            let before = named(change.tx, id, &bucket)?;
            let made = routes::insert(change, id, &new, None, Action::PromoteBucket)?;
            let discovered_at = before.as_ref().map_or(change.now, |bucket| bucket.discovered_at);
            let after = Bucket {
                vhost_id: id,
                name: bucket.clone(),
                status: BucketStatus::Routed,
                routed_pool_id: Some(new.pool_id),
                discovered_at,
            };
            change.tx.save_bucket(&after)?;
            change.remember(before.map(Snapshot::Bucket), Some(Snapshot::Bucket(after)))?;
            Ok(made.view)
        };
        let (made, published) = self.context.publisher.alone(actor, make).await?;
        let output = published.tested.nginx.map(|answer| answer.output).unwrap_or_default();
        Ok(Promoted { route: made.route.path_prefix, pool: made.pool_name, output })
    }

    /// Marks a bucket as one that nobody wants to hear of, known or not.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] for the vhost; a bucket that is being moved.
    pub async fn ignore(&self, actor: Actor, id: VhostId, bucket: BucketName) -> Result<Bucket, ServiceError> {
        self.context.publisher.change(actor, move |change: &mut Change<'_>| ignore(change, id, &bucket)).await
    }

    /// Removes the route of a bucket; its record goes too if the bucket is gone.
    ///
    /// # Errors
    /// No such route; objects that clients would no longer see, or that cannot be counted; a copy that a migration
    /// left where the bucket would be served from; a bucket that is being moved.
    pub async fn unroute(
        &self,
        actor: Actor,
        id: VhostId,
        bucket: BucketName,
        consent: Consent,
    ) -> Result<Unrouted, ServiceError> {
        self.remove_route(actor, id, bucket, consent, Action::RemoveBucketRoute).await
    }

    /// Removes the route of a whole bucket.
    pub(super) async fn remove_route(
        &self,
        actor: Actor,
        id: VhostId,
        bucket: BucketName,
        consent: Consent,
        action: Action,
    ) -> Result<Unrouted, ServiceError> {
        let prefix = routable(&bucket)?;
        let find = move |tx: &mut dyn Tx| {
            super::vhosts::find(tx, id)?;
            let route = tx.route_at(id, prefix.canonical())?;
            route.ok_or_else(|| ServiceError::Missing(format!("bucket {bucket} has no route of its own in this vhost")))
        };
        let route = self.context.store.read(find).await?;
        let removed = route.path_prefix.clone();
        self.routes.remove(actor, route, consent, action).await?;
        Ok(Unrouted { route: removed })
    }
}

/// Ignores a bucket, as a part of a change.
///
/// # Errors
/// As [`Buckets::ignore`].
pub(in crate::domain::services) fn ignore(
    change: &mut Change<'_>,
    id: VhostId,
    bucket: &BucketName,
) -> Result<Bucket, ServiceError> {
    super::vhosts::find(change.tx, id)?;
    guard::expect_not_moving(change.tx, id, bucket.as_str())?;
    let before = named(change.tx, id, bucket)?;
    let after = Bucket {
        vhost_id: id,
        name: bucket.clone(),
        status: BucketStatus::Ignored,
        routed_pool_id: before.as_ref().and_then(|before| before.routed_pool_id),
        discovered_at: before.as_ref().map_or(change.now, |before| before.discovered_at),
    };
    if before.as_ref() != Some(&after) {
        change.tx.save_bucket(&after)?;
        change.touch_buckets(id);
        let before = before.map(Snapshot::Bucket);
        change.audit(Action::IgnoreBucket, Subject::Bucket(id.0), before, Some(Snapshot::Bucket(after.clone())))?;
    }
    Ok(after)
}

/// Heeds a bucket again that was ignored, as a part of a change. Whether it is there is for the next sync to say.
///
/// # Errors
/// The store's.
pub(in crate::domain::services) fn heed(
    change: &mut Change<'_>,
    id: VhostId,
    bucket: &BucketName,
) -> Result<(), ServiceError> {
    let Some(before) = change.tx.bucket(id, bucket)? else { return Ok(()) };
    let status = if before.routed_pool_id.is_some() { BucketStatus::Routed } else { BucketStatus::Unrouted };
    let after = Bucket { status, ..before.clone() };
    change.tx.save_bucket(&after)?;
    change.touch_buckets(id);
    let (old, new) = (Snapshot::Bucket(before), Snapshot::Bucket(after));
    change.audit(Action::Update, Subject::Bucket(id.0), Some(old), Some(new))?;
    Ok(())
}

/// The prefix of the bucket's route.
pub(super) fn routable(bucket: &BucketName) -> Result<PathPrefix, ServiceError> {
    PathPrefix::of_bucket(bucket).map_err(|invalid| ServiceError::Rejected(format!("bucket {bucket}: {invalid}")))
}

/// Who serves a bucket that can be given this route.
fn promotable(
    tx: &mut dyn Tx,
    id: VhostId,
    bucket: &BucketName,
    new: &NewRoute,
) -> Result<Option<guard::Serving>, ServiceError> {
    let (vhost, _) = with_default_pool(tx, id)?;
    routes::check_new(tx, &vhost, new)?;
    guard::expect_not_moving(tx, id, bucket.as_str())?;
    if named(tx, id, bucket)?.is_some_and(|bucket| bucket.status == BucketStatus::Deleted) {
        let home = match guard::serving(tx, id, &new.path_prefix)? {
            Some(serving) => pool_name(tx, serving.pool)?.map(|name| format!("pool {name}")),
            None => None,
        };
        return Err(ServiceError::Rejected(format!(
            "bucket {bucket} is deleted: {} does not list it any more. Create it again and sync the buckets of the \
             vhost first",
            home.unwrap_or_else(|| "its pool".to_owned())
        )));
    }
    Ok(guard::serving(tx, id, &new.path_prefix)?)
}
