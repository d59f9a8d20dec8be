//! Takes out of a document what would lead buckets away from their objects.

use super::{Manifest, RouteSpec, Turn};
use crate::domain::route::PathPrefix;

impl Manifest {
    /// The same document, but with these turns left as they are in `present`, and with what they need.
    #[must_use]
    pub fn without(&self, turns: &[Turn], present: &Manifest) -> Manifest {
        let mut rest = self.clone();
        for turn in turns {
            let Some(now) = present.vhosts.get(&turn.vhost) else { continue };
            let then = rest.vhosts.entry(turn.vhost.clone()).or_insert_with(|| now.clone());
            if turn.prefix.is_root() {
                then.default_pool.clone_from(&now.default_pool);
                continue;
            }
            let at = |prefix: &&PathPrefix| prefix.canonical() == turn.prefix.canonical();
            let (before, after) = (now.routes.keys().find(at), then.routes.keys().find(at).cloned());
            match (before.map(|prefix| (prefix, &now.routes[prefix])), after) {
                (Some((_, before)), Some(after)) => {
                    if let Some(route) = then.routes.get_mut(&after) {
                        *route = RouteSpec { pool: before.pool.clone(), enabled: before.enabled, ..route.clone() };
                    }
                }
                (Some((prefix, before)), None) => {
                    then.routes.insert(prefix.clone(), before.clone());
                }
                (None, Some(after)) => {
                    then.routes.remove(&after);
                }
                (None, None) => {}
            }
        }
        let missing: Vec<_> =
            rest.referred().into_iter().filter(|name| !rest.pools.contains_key(*name)).cloned().collect();
        for name in missing {
            if let Some(pool) = present.pools.get(&name) {
                rest.pools.insert(name, pool.clone());
            }
        }
        rest
    }
}
