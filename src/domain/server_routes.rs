//! The routes of a server block, in runs.
//!
//! A block that differs from another in one route shares all runs with it but one, so neither a copy of the
//! block nor what is derived of its runs costs what the whole block costs.

use std::sync::Arc;

use super::gateway::ServerRoute;
use super::ids::RouteId;

/// Some consecutive routes of a server block. It is never changed where somebody else could see it, so one
/// allocation says the same as long as anybody points to it.
pub type Run = Vec<ServerRoute>;

/// A run that grows beyond this is cut in two.
const LONGEST: usize = 256;

/// The routes of a server block, in the order in which the block has them.
#[derive(Debug, Clone, Default)]
pub struct ServerRoutes {
    /// None is empty. How routes are spread over runs means nothing.
    runs: Vec<Arc<Run>>,
}

impl ServerRoutes {
    /// All routes, in order.
    pub fn iter(&self) -> impl Iterator<Item = &ServerRoute> {
        self.runs.iter().flat_map(|run| run.iter())
    }

    /// The runs, in order.
    #[must_use]
    pub fn runs(&self) -> &[Arc<Run>] {
        &self.runs
    }

    /// How many routes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.runs.iter().map(|run| run.len()).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Adds a route to routes that are in [`ServerRoute::order`], or replaces the one with its id; the order stays.
    pub fn put(&mut self, route: ServerRoute) {
        let (run, place) = self.place_of(&route);
        if self.runs.get(run).and_then(|run| run.get(place)).is_some_and(|known| known.id == route.id) {
            // It stays where it is, and so does everything behind it.
            Arc::make_mut(&mut self.runs[run])[place] = route;
            return;
        }
        self.remove(route.id);
        let (run, place) = self.place_of(&route);
        match self.runs.get_mut(run) {
            Some(run) => Arc::make_mut(run).insert(place, route),
            None => self.runs.push(Arc::new(vec![route])),
        }
        self.cut(run);
    }

    /// Takes a route out, if it is there.
    pub fn remove(&mut self, id: RouteId) {
        let place_in = |run: &Arc<Run>| run.iter().position(|known| known.id == id);
        let found = self.runs.iter().enumerate().find_map(|(at, run)| Some((at, place_in(run)?)));
        let Some((at, place)) = found else { return };
        if self.runs[at].len() == 1 {
            self.runs.remove(at);
        } else {
            Arc::make_mut(&mut self.runs[at]).remove(place);
        }
    }

    /// The run in which a route belongs, and its place there. The last run also takes what comes behind it.
    fn place_of(&self, route: &ServerRoute) -> (usize, usize) {
        let before = |known: &ServerRoute| ServerRoute::order(known, route).is_lt();
        let run = self.runs.partition_point(|run| run.last().is_some_and(before));
        let run = run.min(self.runs.len().saturating_sub(1));
        (run, self.runs.get(run).map_or(0, |run| run.partition_point(before)))
    }

    fn cut(&mut self, run: usize) {
        if self.runs[run].len() > LONGEST {
            let rest = Arc::make_mut(&mut self.runs[run]).split_off(LONGEST / 2);
            self.runs.insert(run + 1, Arc::new(rest));
        }
    }
}

impl PartialEq for ServerRoutes {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for ServerRoutes {}

impl FromIterator<ServerRoute> for ServerRoutes {
    fn from_iter<I: IntoIterator<Item = ServerRoute>>(routes: I) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for route in routes {
            match runs.last_mut() {
                Some(run) if run.len() < LONGEST / 2 => run.push(route),
                _ => runs.push(vec![route]),
            }
        }
        Self { runs: runs.into_iter().map(Arc::new).collect() }
    }
}

impl IntoIterator for ServerRoutes {
    type Item = ServerRoute;
    type IntoIter = std::iter::FlatMap<std::vec::IntoIter<Arc<Run>>, Run, fn(Arc<Run>) -> Run>;

    fn into_iter(self) -> Self::IntoIter {
        self.runs.into_iter().flat_map(Arc::unwrap_or_clone)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::pool::PoolName;
    use crate::domain::route::PathPrefix;

    fn route(id: i64, bucket: usize) -> ServerRoute {
        ServerRoute {
            id: RouteId(id),
            path_prefix: PathPrefix::parse(&format!("/bucket-{bucket}/")).unwrap(),
            pool: PoolName::parse("pool-a").unwrap(),
            key_prefix: None,
            extra_directives: None,
        }
    }

    /// `Some`: put the route of this id at this bucket; `None`: take the route out.
    fn steps() -> impl Strategy<Value = Vec<(i64, Option<usize>)>> {
        let step = (0..900_i64, prop::option::weighted(0.8, 0..100_000_usize));
        prop::collection::vec(step, 0..600)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_sequence_of_changes_gives_what_sorting_the_rest_gives(
            first in prop::collection::btree_map(0..100_000_usize, 1000..9000_i64, 0..700),
            steps in steps(),
        ) {
            let mut wanted: Vec<ServerRoute> = first.into_iter().map(|(bucket, id)| route(id, bucket)).collect();
            wanted.sort_by_key(|route| route.id);
            wanted.dedup_by_key(|route| route.id);
            wanted.sort_by(ServerRoute::order);
            let mut routes: ServerRoutes = wanted.iter().cloned().collect();
            for (id, bucket) in steps {
                let taken = |known: &ServerRoute, bucket: usize| known.path_prefix == route(0, bucket).path_prefix;
                match bucket {
                    Some(bucket) if wanted.iter().any(|known| known.id.0 != id && taken(known, bucket)) => continue,
                    Some(bucket) => routes.put(route(id, bucket)),
                    None => routes.remove(RouteId(id)),
                }
                wanted.retain(|known| known.id.0 != id);
                wanted.extend(bucket.map(|bucket| route(id, bucket)));
                prop_assert!(routes.runs().iter().all(|run| (1..=LONGEST).contains(&run.len())));
            }
            wanted.sort_by(ServerRoute::order);
            prop_assert_eq!(routes.len(), wanted.len());
            prop_assert_eq!(routes.is_empty(), wanted.is_empty());
            prop_assert!(routes.iter().eq(&wanted));
            prop_assert!(routes.into_iter().eq(wanted));
        }
    }

    #[test]
    fn a_changed_copy_shares_every_other_run_and_leaves_the_original_as_it_was() {
        let original: ServerRoutes = (0..1000).map(|number| route(number as i64, 1000 + number)).collect();
        let mut copy = original.clone();
        let changed = ServerRoute { pool: PoolName::parse("pool-b").unwrap(), ..route(500, 1500) };
        copy.put(changed.clone());
        let own = copy.runs().iter().zip(original.runs()).filter(|(one, other)| !Arc::ptr_eq(one, other)).count();
        assert_eq!((own, copy.runs().len()), (1, original.runs().len()));
        assert_eq!(original.iter().nth(500), Some(&route(500, 1500)));
        assert_eq!(copy.iter().nth(500), Some(&changed));
        assert_ne!(copy, original);
    }
}
