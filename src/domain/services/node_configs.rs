//! Configuration for storage nodes: generated on request, kept nowhere.

use std::sync::Arc;

use super::{ServiceError, members, pools};
use crate::domain::ids::{MemberId, PoolId};
use crate::domain::node_config::{NanioPort, NodeFile, NodeKind, NodeSetup, Parameters, WrittenFile};
use crate::domain::pool::{Address, Member, Pool};
use crate::ports::node_files::NodeFiles;
use crate::ports::store::{Store, Tx};

/// What a node needs.
#[derive(Debug)]
pub struct NodeConfig {
    /// What runs on it.
    pub kind: NodeKind,
    /// Where the gateway reaches it.
    pub member: Address,
    /// Its files.
    pub files: Vec<WrittenFile>,
    /// What to do with them.
    pub instructions: String,
    /// What will not work, or not be safe, as things are.
    pub warnings: Vec<String>,
}

/// What to generate for a member, and what is missing for it.
#[derive(Debug)]
pub struct NodeSummary {
    /// The member.
    pub member: Member,
    /// What usually runs on it.
    pub kind: NodeKind,
    /// Where nanio would listen, if it runs there.
    pub port: Option<NanioPort>,
    /// The paths of the files that it would get.
    pub files: Vec<&'static str>,
    /// What is to be given or done so that the files work.
    pub missing: Vec<String>,
}

/// Use cases about the configuration of nodes.
#[derive(Clone)]
pub struct NodeConfigs {
    store: Store,
    files: Arc<dyn NodeFiles>,
}

impl NodeConfigs {
    pub(super) fn new(store: Store, files: Arc<dyn NodeFiles>) -> Self {
        Self { store, files }
    }

    /// The files of a member. Nothing of it is kept.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] for pool or member.
    pub async fn generate(
        &self,
        pool: PoolId,
        member: MemberId,
        parameters: Parameters,
    ) -> Result<NodeConfig, ServiceError> {
        let (pool, member) = self.store.read(move |tx| members::find(tx, pool, member)).await?;
        let setup = NodeSetup::of(&pool, &member, parameters);
        let kind = setup.parameters.kind;
        let write = |file: NodeFile| WrittenFile { path: file.path(), content: self.files.text(file, &setup) };
        Ok(NodeConfig {
            kind,
            member: member.address,
            files: kind.files().iter().copied().map(write).collect(),
            instructions: self.files.instructions(&setup),
            warnings: setup.warnings(),
        })
    }

    /// What to generate for each member of a pool, by id. Computed from the members alone.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] for the pool.
    pub async fn summary(&self, pool: PoolId) -> Result<Vec<NodeSummary>, ServiceError> {
        let read = move |tx: &mut dyn Tx| {
            let pool = pools::find(tx, pool)?;
            Ok(tx.members(pool.id)?.into_iter().map(|member| summary_of(&pool, member)).collect())
        };
        self.store.read(read).await
    }
}

fn summary_of(pool: &Pool, member: Member) -> NodeSummary {
    let mut parameters = Parameters::usual(NodeKind::suggested(pool.kind));
    if let Some((_, port)) = member.address.host_port()
        && let Ok(port) = NanioPort::new(i64::from(port))
    {
        parameters.port = port;
    }
    let kind = parameters.kind;
    let setup = NodeSetup::of(pool, &member, parameters);
    NodeSummary {
        kind,
        port: kind.has_nanio().then_some(setup.parameters.port),
        files: kind.files().iter().map(|file| file.path()).collect(),
        missing: setup.warnings(),
        member,
    }
}
