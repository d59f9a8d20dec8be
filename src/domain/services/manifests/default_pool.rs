//! Whether a vhost can get another default pool: only if every bucket that the default pool serves for want of a route has
//! no objects there, or has a route to there in the document.

use std::collections::{BTreeSet, HashSet};

use futures_util::future::join_all;

use super::super::Context;
use super::super::guard::{self, Holding, Serving};
use super::data::{Grounds, TOGETHER};
use crate::domain::bucket::BucketName;
use crate::domain::manifest::{Manifest, Turn, VhostSpec};
use crate::domain::route::PathPrefix;

/// The two documents between which a turn leads.
#[derive(Clone, Copy)]
pub(super) struct Documents<'a> {
    /// The gateway as it is.
    pub before: &'a Manifest,
    /// As it is to be.
    pub after: &'a Manifest,
}

impl Documents<'_> {
    /// The buckets of the turn's vhost that have a route of their own, now or then: no change of the default pool concerns
    /// them, and where they are led is a turn of its own.
    fn routed(self, turn: &Turn) -> HashSet<BucketName> {
        let vhosts = [self.before, self.after].into_iter().filter_map(|document| document.vhosts.get(&turn.vhost));
        vhosts.flat_map(whole_buckets).collect()
    }
}

fn whole_buckets(vhost: &VhostSpec) -> impl Iterator<Item = BucketName> {
    vhost.routes.iter().filter(|(_, route)| route.enabled).filter_map(|(prefix, _)| prefix.whole_bucket())
}

/// Why the default pool of a vhost must stay; `None`: it need not.
pub(super) async fn held(
    context: &Context,
    turn: &Turn,
    serving: &Serving,
    grounds: &Grounds,
    documents: Documents<'_>,
) -> Option<String> {
    let unknown = |why: String| {
        let pool = &serving.name;
        Some(format!(
            "pool {pool} serves every bucket without a route of its own, and could not be asked which it holds ({why})"
        ))
    };
    let site = match context.site(serving) {
        Ok(site) => site,
        Err(unusable) => return unknown(unusable.to_string()),
    };
    let buckets = match context.storage.buckets(&site).await {
        Ok(buckets) => buckets,
        Err(error) => return unknown(error.to_string()),
    };
    let routed = documents.routed(turn);
    let led_away: Vec<PathPrefix> =
        buckets.into_iter().filter(|bucket| !routed.contains(bucket)).filter_map(|bucket| prefix_of(&bucket)).collect();
    for some in led_away.chunks(TOGETHER) {
        let holdings = join_all(some.iter().map(|prefix| context.holding(serving, prefix))).await;
        let left =
            some.iter().zip(holdings).find_map(|(prefix, holding)| left(grounds, turn, serving, prefix, holding));
        if left.is_some() {
            return left;
        }
    }
    shown_again(context, turn, grounds, &routed).await
}

/// What would be left behind of one bucket.
fn left(grounds: &Grounds, turn: &Turn, serving: &Serving, prefix: &PathPrefix, holding: Holding) -> Option<String> {
    let (bucket, pool, vhost) = (prefix.bucket(), &serving.name, grounds.vhost(&turn.vhost));
    let (holds, doubt) = match holding {
        Holding::Nothing => return None,
        Holding::Objects => ("holds", String::new()),
        Holding::Unknown(why) => ("may hold", format!(" (they could not be counted: {why})")),
    };
    Some(format!(
        "bucket {bucket} has no route of its own and {holds} objects on pool {pool}{doubt}, which clients would no longer \
         see; give it a route to that pool first (nanio-orchestrator route create {vhost} --path-prefix {prefix} \
         --pool-id {pool})"
    ))
}

/// The old copy that the new default pool would serve.
async fn shown_again(
    context: &Context,
    turn: &Turn,
    grounds: &Grounds,
    routed: &HashSet<BucketName>,
) -> Option<String> {
    let to = grounds.pools.get(turn.to.as_ref()?)?;
    let moved: BTreeSet<&BucketName> = grounds.migrations.iter().map(|migration| &migration.bucket).collect();
    for bucket in moved.into_iter().filter(|bucket| !routed.contains(*bucket)) {
        let (Some(left), Some(prefix)) = (guard::leftover_of(&grounds.migrations, to.pool, bucket), prefix_of(bucket))
        else {
            continue;
        };
        let stale = context.stale_copy(to, &left, &prefix).await;
        if stale.is_some() {
            return stale;
        }
    }
    None
}

fn prefix_of(bucket: &BucketName) -> Option<PathPrefix> {
    PathPrefix::of_bucket(bucket).ok()
}
