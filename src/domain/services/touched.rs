//! What a change touched.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::gateway::FileName;
use crate::domain::ids::{PoolId, RouteId, VhostId};
use crate::domain::manifest::Deed;
use crate::domain::revision::RevisionEntry;
use crate::ports::gateway::Overwrite;

/// What a change touched, so that only its files are rendered.
#[derive(Debug, Clone, Default)]
pub(super) struct Touched {
    pub pools: BTreeSet<PoolId>,
    pub vhosts: BTreeSet<VhostId>,
    pub routes: BTreeMap<VhostId, BTreeSet<RouteId>>,
    pub retired: BTreeSet<FileName>,
    pub everything: bool,
    pub sidecars: bool,
    pub common: bool,
    /// It is part of the history although nginx may see nothing of it.
    pub noteworthy: bool,
    pub overwrite: Overwrite,
    /// What is written into the audit log about it.
    pub entries: Vec<RevisionEntry>,
    /// What that does to the document, in order.
    pub deeds: Vec<Deed>,
}

impl Touched {
    /// Takes over what another part of the change touched.
    pub fn add(&mut self, other: Touched) {
        self.pools.extend(other.pools);
        self.vhosts.extend(other.vhosts);
        for (vhost, routes) in other.routes {
            self.routes.entry(vhost).or_default().extend(routes);
        }
        self.retired.extend(other.retired);
        self.everything |= other.everything;
        self.sidecars |= other.sidecars;
        self.common |= other.common;
        self.noteworthy |= other.noteworthy;
        self.entries.extend(other.entries);
        self.deeds.extend(other.deeds);
        self.overwrite = match (std::mem::take(&mut self.overwrite), other.overwrite) {
            (Overwrite::Everything, _) | (_, Overwrite::Everything) => Overwrite::Everything,
            (Overwrite::Nothing, one) | (one, Overwrite::Nothing) => one,
            (Overwrite::These(mut all), Overwrite::These(more)) => {
                all.extend(more);
                Overwrite::These(all)
            }
        };
    }
}
