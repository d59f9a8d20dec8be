//! The gateway at a glance: which vhost sends what to which pool, and how the pools fare.

use super::reachability::Reachability;
use super::{Context, ServiceError};
use crate::domain::pool::{Member, Pool};
use crate::domain::reachability::Standing;
use crate::domain::vhost::Vhost;
use crate::ports::store::{RouteBundle, Tx};

/// So many vhosts, pools and members are told of; bundles of routes twice as often.
const MOST: usize = 400;
/// With more members than this, only those that need a look are told of.
const MOST_MEMBERS: usize = 200;

/// A pool and how its members fare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSight {
    /// The pool.
    pub pool: Pool,
    /// Its members, disabled ones included.
    pub members: usize,
    /// Those that are enabled.
    pub enabled: usize,
    /// The enabled ones that answer.
    pub reachable: usize,
    /// The enabled ones that do not.
    pub unreachable: usize,
}

/// A member and whether it answers; `None`: not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberSight {
    /// The member.
    pub member: Member,
    /// Whether it answers.
    pub reachable: Option<bool>,
}

/// How much there is in all, also of what is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Vhosts.
    pub vhosts: usize,
    /// Routes without `/`, disabled ones included.
    pub routes: u64,
    /// Pools.
    pub pools: usize,
    /// Members, disabled ones included.
    pub members: usize,
    /// Enabled members that do not answer.
    pub unreachable: usize,
}

/// The gateway at a glance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topology {
    /// The first vhosts by name.
    pub vhosts: Vec<Vhost>,
    /// Routes of one vhost to one pool, taken together.
    pub routes: Vec<RouteBundle>,
    /// Pools: first those with members that do not answer, then by name.
    pub pools: Vec<PoolSight>,
    /// Members: all, or those that do not answer.
    pub members: Vec<MemberSight>,
    /// How much there is in all.
    pub totals: Totals,
}

/// Use case: look at the gateway as a whole. What it tells of is bounded, however large the gateway.
#[derive(Clone)]
pub struct Overview {
    context: Context,
    reachability: Reachability,
}

impl Overview {
    pub(super) fn new(context: Context, reachability: Reachability) -> Self {
        Self { context, reachability }
    }

    /// Looks.
    ///
    /// # Errors
    /// The store's.
    pub async fn look(&self) -> Result<Topology, ServiceError> {
        let read = |tx: &mut dyn Tx| {
            let mut pools = Vec::new();
            for pool in tx.pools()? {
                let members = tx.members(pool.id)?;
                pools.push((pool, members));
            }
            Ok::<_, ServiceError>((tx.vhosts()?, tx.route_bundles()?, pools))
        };
        let (vhosts, routes, pools) = self.context.store.read(read).await?;
        Ok(self.put_together(vhosts, routes, pools))
    }

    fn put_together(
        &self,
        mut vhosts: Vec<Vhost>,
        mut routes: Vec<RouteBundle>,
        pools: Vec<(Pool, Vec<Member>)>,
    ) -> Topology {
        let mut totals = Totals {
            vhosts: vhosts.len(),
            routes: routes.iter().map(|bundle| bundle.enabled + bundle.disabled).sum(),
            pools: pools.len(),
            ..Totals::default()
        };
        let (mut sights, mut members) = (Vec::with_capacity(pools.len()), Vec::new());
        for (pool, of_pool) in pools {
            let of_pool: Vec<MemberSight> = of_pool.into_iter().map(|member| self.sight(member)).collect();
            let count = |reachable| {
                of_pool.iter().filter(|sight| sight.member.enabled && sight.reachable == Some(reachable)).count()
            };
            sights.push(PoolSight {
                pool,
                members: of_pool.len(),
                enabled: of_pool.iter().filter(|sight| sight.member.enabled).count(),
                reachable: count(true),
                unreachable: count(false),
            });
            members.extend(of_pool);
        }
        totals.members = members.len();
        totals.unreachable = sights.iter().map(|sight| sight.unreachable).sum();
        if members.len() > MOST_MEMBERS {
            members.retain(|sight| sight.member.enabled && sight.reachable == Some(false));
        }
        sights.sort_by_key(|sight| sight.unreachable == 0);
        vhosts.truncate(MOST);
        sights.truncate(MOST);
        members.truncate(MOST);
        routes.truncate(2 * MOST);
        Topology { vhosts, routes, pools: sights, members, totals }
    }

    fn sight(&self, member: Member) -> MemberSight {
        let reachable = match self.reachability.standing(&member) {
            Standing::Unknown => None,
            Standing::Reachable { .. } => Some(true),
            Standing::Unreachable { .. } => Some(false),
        };
        MemberSight { member, reachable }
    }
}
