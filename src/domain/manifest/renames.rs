//! What things of the present document are called in an earlier one: a pool that got another name is the same pool, with
//! the same objects.

use std::collections::{BTreeMap, BTreeSet};

use super::{Difference, Manifest, Subject, Turn};
use crate::domain::pool::PoolName;
use crate::domain::vhost::ServerName;

/// Pools and vhosts that have other names in an earlier document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renames {
    /// Of pools.
    pub pools: Names<PoolName>,
    /// Of vhosts.
    pub vhosts: Names<ServerName>,
}

impl Renames {
    /// What gives things their earlier names, each when it is free. Of names that were exchanged, nothing.
    #[must_use]
    pub fn steps(&self) -> Vec<Difference> {
        let (pools, vhosts) = (self.pools.in_order().unwrap_or_default(), self.vhosts.in_order().unwrap_or_default());
        let pools = pools.into_iter().map(|(now, then)| {
            let (before, after) = (now.to_string(), then.to_string());
            Difference::rename(Subject::Pool(then), before, after)
        });
        let vhosts = vhosts.into_iter().map(|(now, then)| {
            let (before, after) = (now.to_string(), then.to_string());
            Difference::rename(Subject::Vhost(then), before, after)
        });
        pools.chain(vhosts).collect()
    }

    /// A turn between the earlier names, in the present ones.
    #[must_use]
    pub fn now(&self, turn: &Turn) -> Turn {
        Turn {
            vhost: self.vhosts.now(&turn.vhost).clone(),
            from: self.pools.now(&turn.from).clone(),
            to: turn.to.as_ref().map(|to| self.pools.now(to).clone()),
            ..turn.clone()
        }
    }
}

/// Names of one kind of thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names<N> {
    /// The earlier names by the present ones, where they differ.
    then: BTreeMap<N, N>,
    /// Earlier names of what is not there any more.
    lost: BTreeSet<N>,
}

impl<N> Default for Names<N> {
    fn default() -> Self {
        Self { then: BTreeMap::new(), lost: BTreeSet::new() }
    }
}

impl<N: Ord + Clone> Names<N> {
    /// What is called `name` in the document had another name before.
    pub fn was_called(&mut self, name: &N, before: &N) {
        if self.lost.remove(name) {
            self.lost.insert(before.clone());
            return;
        }
        let now = self.now(name).clone();
        if now == *before {
            self.then.remove(&now);
        } else {
            self.then.insert(now, before.clone());
        }
    }

    /// What is called `name` in the document was not there before.
    pub fn was_made(&mut self, name: &N) {
        if !self.lost.remove(name) {
            let now = self.now(name).clone();
            self.then.remove(&now);
        }
    }

    /// Something that is not there any more was called `name` before.
    pub fn was_lost(&mut self, name: &N) {
        self.lost.insert(name.clone());
    }

    /// The present name of what has this one in the earlier document.
    #[must_use]
    pub fn now<'a>(&'a self, then: &'a N) -> &'a N {
        self.then.iter().find(|(_, earlier)| *earlier == then).map_or(then, |(now, _)| now)
    }

    /// Each present name with the earlier one, in an order in which every name is free when it is given.
    ///
    /// # Errors
    /// Two that exchanged their names, perhaps by way of others.
    pub fn in_order(&self) -> Result<Vec<(N, N)>, (N, N)> {
        let mut left: Vec<(N, N)> = self.then.iter().map(|(now, then)| (now.clone(), then.clone())).collect();
        let mut ordered = Vec::with_capacity(left.len());
        while let Some(first) = left.first().cloned() {
            let free = left.iter().position(|(_, then)| left.iter().all(|(now, _)| now != then));
            ordered.push(left.remove(free.ok_or(first)?));
        }
        Ok(ordered)
    }
}

impl Manifest {
    /// Gives a pool another name, here and wherever the document names it. The name must be free.
    pub fn rename_pool(&mut self, from: &PoolName, to: &PoolName) {
        if let Some(pool) = self.pools.remove(from) {
            self.pools.insert(to.clone(), pool);
        }
        let sources = self.pools.values_mut().filter_map(|pool| pool.source.as_mut());
        let vhosts = self.vhosts.values_mut();
        let served = vhosts.flat_map(|vhost| {
            vhost.default_pool.iter_mut().chain(vhost.routes.values_mut().map(|route| &mut route.pool))
        });
        for name in sources.chain(served).filter(|name| **name == *from) {
            name.clone_from(to);
        }
    }

    /// Gives a vhost another name. The name must be free.
    pub fn rename_vhost(&mut self, from: &ServerName, to: &ServerName) {
        if let Some(vhost) = self.vhosts.remove(from) {
            self.vhosts.insert(to.clone(), vhost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(names: &Names<&'static str>) -> Result<Vec<(&'static str, &'static str)>, (&'static str, &'static str)> {
        names.in_order()
    }

    #[test]
    fn names_are_given_when_they_are_free() {
        let mut names = Names::default();
        names.was_called(&"b", &"a");
        names.was_called(&"c", &"b");
        names.was_called(&"d", &"c");
        assert_eq!(ordered(&names), Ok(vec![("b", "a"), ("c", "b"), ("d", "c")]));
        assert_eq!((names.now(&"c"), names.now(&"x")), (&"d", &"x"));
        // By way of a third name, x and y have exchanged theirs.
        for (name, before) in [("x", "between"), ("y", "x"), ("between", "y")] {
            names.was_called(&name, &before);
        }
        assert_eq!(ordered(&names), Err(("x", "y")));
    }

    #[test]
    fn who_has_the_present_name_again_was_not_renamed_and_who_is_gone_is_nobody_now() {
        let mut names = Names::default();
        names.was_called(&"b", &"a");
        names.was_called(&"a", &"b");
        assert_eq!(ordered(&names), Ok(vec![]));
        names.was_lost(&"x");
        names.was_called(&"x", &"y");
        names.was_made(&"y");
        names.was_called(&"b", &"a");
        names.was_made(&"a");
        assert_eq!(names, Names::default());
    }
}
