//! What the database says of a bucket follows its route in the same change.

use super::super::ServiceError;
use super::super::publish::Change;
use crate::domain::audit::Snapshot;
use crate::domain::bucket::{Bucket, BucketStatus};
use crate::domain::ids::VhostId;
use crate::domain::route::PathPrefix;

/// Brings the record of a bucket, if there is one, in line with its route after that was made, changed or removed.
/// Whether the bucket itself is there is for the next sync to say.
pub(in crate::domain::services) fn follow_route(
    change: &mut Change<'_>,
    vhost: VhostId,
    prefix: &PathPrefix,
) -> Result<(), ServiceError> {
    let tx = &mut *change.tx;
    let Some(name) = prefix.whole_bucket() else { return Ok(()) };
    let Some(before) = tx.bucket(vhost, &name)? else { return Ok(()) };
    let route = tx.route_at(vhost, prefix.canonical())?.filter(|route| route.enabled);
    let status = match (route.is_some(), before.status) {
        (true, BucketStatus::Unrouted) => BucketStatus::Routed,
        (true, other) => other,
        (false, BucketStatus::Deleted) => return Ok(tx.delete_bucket(vhost, &name)?),
        (false, _) => BucketStatus::Unrouted,
    };
    let after = Bucket { status, routed_pool_id: route.map(|route| route.pool_id), ..before.clone() };
    if after != before {
        tx.save_bucket(&after)?;
        change.remember(Some(Snapshot::Bucket(before)), Some(Snapshot::Bucket(after)))?;
    }
    Ok(())
}
