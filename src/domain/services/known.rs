//! Server blocks as they were last published, so that one route more does not cost a read of all others.
//!
//! There is one writer (the publisher, under the lock between processes), so what it published last is what
//! the database says now. Whatever is not certain is forgotten and read anew.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::ServiceError;
use crate::domain::gateway::moving::Moving;
use crate::domain::gateway::{ManagedFile, Server, ServerRoute};
use crate::domain::ids::{RouteId, VhostId};
use crate::ports::store::Tx;

/// How many server blocks are kept: those of the vhosts that are being worked on.
const KEPT: usize = 8;

/// The server blocks, and how many routes each vhost has in nginx.
#[derive(Clone, Default)]
pub(super) struct KnownServers {
    servers: HashMap<VhostId, Arc<Server>>,
    counts: Option<RouteCounts>,
}

/// How many routes nginx has of each vhost.
#[derive(Clone, Default)]
pub(super) struct RouteCounts(HashMap<VhostId, u64>);

impl RouteCounts {
    /// The vhost has these routes in nginx now.
    pub fn put(&mut self, server: &Server) {
        self.0.insert(server.id, server.routes.len() as u64);
    }

    /// nginx does not have the vhost any more.
    pub fn remove(&mut self, vhost: VhostId) {
        self.0.remove(&vhost);
    }

    /// Of the vhost that has most.
    pub fn most(&self) -> u64 {
        self.0.values().copied().max().unwrap_or_default()
    }
}

impl KnownServers {
    /// The server block of a vhost of which only these routes were touched; `None` if it must be read whole.
    ///
    /// It is taken out: only [`KnownServers::keep`], after the commit, makes it known again.
    pub fn with_routes(
        &mut self,
        tx: &mut dyn Tx,
        vhost: VhostId,
        routes: &BTreeSet<RouteId>,
        gated: &[Moving],
    ) -> Result<Option<Arc<Server>>, ServiceError> {
        let Some(mut server) = self.servers.remove(&vhost) else { return Ok(None) };
        // Without a default pool the routes decide together how requests are read.
        if server.default.is_none() {
            return Ok(None);
        }
        let block = Arc::make_mut(&mut server);
        for id in routes {
            match tx.route(*id)? {
                Some(route) if route.path_prefix.is_root() => return Ok(None),
                Some(route) if route.enabled => {
                    let Some(pool) = tx.pool(route.pool_id)? else { return Ok(None) };
                    if !tx.members(pool.id)?.iter().any(|member| member.enabled) {
                        // The whole reading says what is wrong with it.
                        return Ok(None);
                    }
                    block.routes.put(ServerRoute {
                        id: route.id,
                        path_prefix: route.path_prefix,
                        pool: pool.name,
                        key_prefix: route.key_prefix,
                        extra_directives: route.extra_directives,
                    });
                }
                Some(_) | None => block.routes.remove(*id),
            }
        }
        if !gated.is_empty() || !block.moves.is_empty() {
            block.set_moves(gated, &tx.pool_refs()?);
        }
        Ok(Some(server))
    }

    /// The counts of what is committed. They are taken out: only [`KnownServers::keep`], after the commit, makes
    /// the new ones known.
    pub fn counts(&mut self, tx: &mut dyn Tx) -> Result<RouteCounts, ServiceError> {
        match self.counts.take() {
            Some(counts) => Ok(counts),
            None => Ok(RouteCounts(tx.route_counts()?)),
        }
    }

    /// Nothing certain is known of this vhost any more.
    pub fn forget(&mut self, vhost: VhostId) {
        self.servers.remove(&vhost);
    }

    /// Nothing certain is known any more.
    pub fn forget_all(&mut self) {
        *self = Self::default();
    }

    /// These files are published and committed, and with them these counts, if any were changed.
    pub fn keep<'a>(&mut self, files: impl Iterator<Item = &'a ManagedFile>, counts: Option<RouteCounts>) {
        self.counts = counts.or(self.counts.take());
        for file in files {
            if let ManagedFile::Server(server) = file {
                if self.servers.len() >= KEPT {
                    self.servers.clear();
                }
                self.servers.insert(server.id, server.clone());
            }
        }
    }
}
