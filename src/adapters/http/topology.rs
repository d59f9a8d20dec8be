//! `/api/topology`: the gateway at a glance.

use std::sync::Arc;

use poem_openapi::OpenApi;

use super::api::Group;
use super::auth::Caller;
use super::error::{Failure, Reading};
use super::reply::Shown;
use super::schema::view;
use crate::domain::pool::PoolKind;
use crate::domain::services::Services;
use crate::domain::services::topology::{MemberSight, PoolSight, Topology, Totals};
use crate::domain::vhost::Vhost;
use crate::ports::store::RouteBundle;

view! {
    /// A vhost in the topology.
    VhostNode as "TopologyVhost" {
        /// Its identity.
        id: i64,
        /// The host name it answers to.
        server_name: String,
        /// The port for clients.
        listen_port: i64,
        /// TLS on that port.
        ssl: bool,
        /// False: nginx does not have it.
        enabled: bool,
        /// The pool that serves what no route does.
        default_pool_id: Option<i64>,
    }
}

view! {
    /// Routes of one vhost to one pool, taken together. `/` is left out.
    BundleEdge as "TopologyRoutes" {
        /// The vhost.
        vhost_id: i64,
        /// The pool.
        pool_id: i64,
        /// Enabled routes.
        enabled: u64,
        /// Disabled routes.
        disabled: u64,
        /// The prefix of one of them.
        example: String,
    }
}

view! {
    /// A pool in the topology.
    PoolNode as "TopologyPool" {
        /// Its identity.
        id: i64,
        /// Its name.
        name: String,
        /// What its nodes speak.
        r#type: PoolKind,
        /// The nanio pool whose files it serves.
        source_nanio_pool_id: Option<i64>,
        /// Its members, disabled ones included.
        members: u64,
        /// Those that are enabled.
        enabled: u64,
        /// The enabled ones that answer.
        reachable: u64,
        /// The enabled ones that do not.
        unreachable: u64,
    }
}

view! {
    /// A member in the topology.
    MemberNode as "TopologyMember" {
        /// Its identity.
        id: i64,
        /// Its pool.
        pool_id: i64,
        /// Where it listens.
        address: String,
        /// False: nginx does not have it.
        enabled: bool,
        /// Whether it answers; null: not known yet.
        reachable: Option<bool>,
    }
}

view! {
    /// How much there is in all, also of what is left out.
    TotalsView as "TopologyTotals" {
        /// Vhosts.
        vhosts: u64,
        /// Routes without `/`.
        routes: u64,
        /// Pools.
        pools: u64,
        /// Members.
        members: u64,
        /// Enabled members that do not answer.
        unreachable: u64,
    }
}

view! {
    /// The gateway at a glance. Of a very large gateway a part is left out; `totals` counts everything.
    TopologyView as "Topology" {
        /// Vhosts by name.
        vhosts: Vec<VhostNode>,
        /// What they send where.
        routes: Vec<BundleEdge>,
        /// Pools: first those with members that do not answer, then by name.
        pools: Vec<PoolNode>,
        /// All members or, where there are many, those that do not answer.
        members: Vec<MemberNode>,
        /// How much there is in all.
        totals: TotalsView,
    }
}

impl From<Vhost> for VhostNode {
    fn from(vhost: Vhost) -> Self {
        Self {
            id: vhost.id.0,
            server_name: vhost.server_name.to_string(),
            listen_port: vhost.listen_port.get(),
            ssl: vhost.ssl,
            enabled: vhost.enabled,
            default_pool_id: vhost.default_pool_id.map(|id| id.0),
        }
    }
}

impl From<RouteBundle> for BundleEdge {
    fn from(bundle: RouteBundle) -> Self {
        Self {
            vhost_id: bundle.vhost_id.0,
            pool_id: bundle.pool_id.0,
            enabled: bundle.enabled,
            disabled: bundle.disabled,
            example: bundle.example,
        }
    }
}

impl From<PoolSight> for PoolNode {
    fn from(sight: PoolSight) -> Self {
        Self {
            id: sight.pool.id.0,
            name: sight.pool.name.to_string(),
            r#type: sight.pool.kind,
            source_nanio_pool_id: sight.pool.source_nanio_pool_id.map(|id| id.0),
            members: sight.members as u64,
            enabled: sight.enabled as u64,
            reachable: sight.reachable as u64,
            unreachable: sight.unreachable as u64,
        }
    }
}

impl From<MemberSight> for MemberNode {
    fn from(MemberSight { member, reachable }: MemberSight) -> Self {
        Self {
            id: member.id.0,
            pool_id: member.pool_id.0,
            address: member.address.to_string(),
            enabled: member.enabled,
            reachable,
        }
    }
}

impl From<Totals> for TotalsView {
    fn from(totals: Totals) -> Self {
        Self {
            vhosts: totals.vhosts as u64,
            routes: totals.routes,
            pools: totals.pools as u64,
            members: totals.members as u64,
            unreachable: totals.unreachable as u64,
        }
    }
}

impl From<Topology> for TopologyView {
    fn from(topology: Topology) -> Self {
        Self {
            vhosts: topology.vhosts.into_iter().map(VhostNode::from).collect(),
            routes: topology.routes.into_iter().map(BundleEdge::from).collect(),
            pools: topology.pools.into_iter().map(PoolNode::from).collect(),
            members: topology.members.into_iter().map(MemberNode::from).collect(),
            totals: topology.totals.into(),
        }
    }
}

/// The operation on the gateway as a whole.
pub struct TopologyApi(pub Arc<Services>);

#[OpenApi(tag = "Group::Health")]
impl TopologyApi {
    /// See the gateway at a glance
    ///
    /// Which vhost sends what to which pool, and which members answer. The answer stays small, however many routes
    /// there are.
    #[oai(path = "/topology", method = "get", operation_id = "topology")]
    async fn look(&self, _caller: Caller) -> Result<Shown<TopologyView>, Failure<Reading>> {
        Ok(Shown(self.0.overview.look().await?.into()))
    }
}
