//! A bucket that is being moved, as a server block knows it: which blocks must know of it, and what its files,
//! addresses and upstreams are called. Everybody who names one of those asks here.

use std::collections::{HashMap, HashSet};

use super::{PoolRef, Protocol, Server, ServerRoute};
use crate::domain::bucket::BucketName;
use crate::domain::ids::{MigrationId, PoolId, VhostId};
use crate::domain::migration::Migration;
use crate::domain::migration::token::{GateStage, MigrationGate, Token};
use crate::domain::migration::work::MigrationKind;
use crate::domain::pool::{PoolKind, PoolName};

/// The socket in the gate directory at which nginx asks where a write may go.
pub const GATE_SOCKET: &str = "gate.sock";

/// The socket in the gate directory to which nginx sends what completes an upload that began on the source.
pub const RELAY_SOCKET: &str = "relay.sock";

/// What the gate answers in `X-Target`, in the place of a pool, if a request is to be sent to [`RELAY_SOCKET`]. Every
/// server block knows it, and no pool can have this name.
pub const RELAY: &str = "nanio_relay";

/// What a file of a token says by being there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateFile {
    /// Writes flow to the source.
    Source,
    /// Writes are held.
    Held,
    /// Reads go to the destination.
    Switched,
    /// Writes flow to the destination without a question.
    Open,
    /// Where nginx writes down every write.
    Journal,
}

impl GateFile {
    /// The name of the file in the gate directory. No rule of logrotate for `*.log` matches the journal's.
    #[must_use]
    pub fn name(self, token: &Token) -> String {
        format!("{token}.{}", self.word())
    }

    /// What stands behind the dot.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            GateFile::Source => "src",
            GateFile::Held => "held",
            GateFile::Switched => "switched",
            GateFile::Open => "open",
            GateFile::Journal => "journal",
        }
    }
}

/// What the path begins with under which nginx asks at [`GATE_SOCKET`]; the token follows.
pub const GATE_PATH: &str = "/gate/";

/// The path under which nginx asks at [`GATE_SOCKET`] about a write.
#[must_use]
pub fn gate_path(token: &Token) -> String {
    format!("{GATE_PATH}{token}")
}

/// An upload's identity that is longer is looked for only as S3 writes it: a pattern must fit into nginx's buffer for
/// a word of its configuration, 4,096 bytes.
pub const LONGEST_SPELLED: usize = 300;

/// A migration of which nginx has anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moving {
    /// The migration.
    pub migration: MigrationId,
    /// What moves.
    pub bucket: BucketName,
    /// From where.
    pub source: PoolId,
    /// To where.
    pub destination: PoolId,
    /// The vhost in which the bucket goes on being read on the destination first, as 0.4.x split it.
    pub split_in: Option<VhostId>,
    /// Token, stage, and uploads that began on the source.
    pub gate: MigrationGate,
}

/// What a server block says of a bucket that is being moved, if a client can reach it on the source through the block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The migration.
    pub migration: MigrationId,
    /// What moves.
    pub bucket: BucketName,
    /// The pool that serves it in this block until the switch.
    pub source: PoolName,
    /// The pool that serves it in this block after the switch.
    pub destination: PoolName,
    /// Whether the destination is read before the switch, too, and the source only for what the destination lacks.
    pub split: bool,
    /// Token, stage, and uploads that began on the source. The uploads are told only once it is settled: before, every
    /// request that names an upload asks the gate.
    pub gate: MigrationGate,
}

impl Moving {
    /// What nginx must know of a migration; `None` if that is nothing.
    #[must_use]
    pub fn of(migration: &Migration) -> Option<Self> {
        let source = match migration.work.kind {
            MigrationKind::Move | MigrationKind::Adoption => migration.source.id,
            // The destination serves the bucket already: only what is written to it matters, and nothing is switched.
            MigrationKind::BackFill => migration.destination.id,
        };
        Some(Self {
            migration: migration.id,
            bucket: migration.bucket.clone(),
            source,
            destination: migration.destination.id,
            split_in: (migration.work.kind == MigrationKind::Adoption).then_some(migration.vhost.id),
            gate: migration.work.gate.clone()?,
        })
    }

    /// The route of an S3 block that serves only a part of the bucket from `source`, the source, if there is one. What
    /// is written through it would be in no journal.
    #[must_use]
    pub fn part_in<'a>(&self, server: &'a Server, source: &PoolName) -> Option<&'a ServerRoute> {
        let concerns = self.gate.stage == GateStage::Gated && server.protocol == Protocol::S3;
        let is_part = |route: &&ServerRoute| is_part_of(route, &self.bucket);
        server.routes.iter().filter(|_| concerns).filter(is_part).find(|route| route.pool == *source)
    }

    fn through(&self, server: &Server, pools: &HashMap<PoolId, PoolRef>) -> Option<Move> {
        let name = |id: PoolId| pools.get(&id).map(|pool| pool.name.clone());
        let (source, destination) = match (server.protocol, self.gate.stage) {
            (Protocol::S3, GateStage::Gated) => {
                let source = name(self.source)?;
                (serving(server, &self.bucket)? == &source).then_some((source, name(self.destination)?))?
            }
            (Protocol::S3, GateStage::Settled) => {
                let destination = name(self.destination)?;
                let concerns = !self.gate.source_uploads.is_empty() && serving(server, &self.bucket)? == &destination;
                concerns.then_some((name(self.source)?, destination))?
            }
            (Protocol::Http, GateStage::Gated) if self.source != self.destination => {
                let reads = |pool: &&PoolName| {
                    pools.values().any(|known| known.name == **pool && known.is_linked_to(self.source))
                };
                let linked = pools.iter().filter(|(_, pool)| pool.is_linked_to(self.destination));
                let (_, destination) = linked.min_by_key(|(id, _)| **id)?;
                (readers(server, &self.bucket).find(reads)?.clone(), destination.name.clone())
            }
            // What is read depends on nothing but the switch.
            (Protocol::Http, _) => return None,
        };
        let mut gate = self.gate.clone();
        if gate.stage == GateStage::Gated {
            gate.source_uploads.clear();
        }
        let split =
            server.protocol == Protocol::S3 && self.gate.stage == GateStage::Gated && self.split_in == Some(server.id);
        Some(Move { migration: self.migration, bucket: self.bucket.clone(), source, destination, split, gate })
    }
}

impl Server {
    /// Says of every bucket that is being moved and can be reached here where it is. Whatever was said before is
    /// replaced.
    pub fn set_moves(&mut self, gated: &[Moving], pools: &HashMap<PoolId, PoolRef>) {
        let mut moves: Vec<Move> = gated.iter().filter_map(|moving| moving.through(self, pools)).collect();
        // A bucket that moves on while uploads of its last move are open: no write may go past the journal.
        moves.sort_by_key(|one| (one.gate.stage == GateStage::Settled, one.migration));
        let mut known = HashSet::new();
        moves.retain(|one| known.insert(one.bucket.clone()));
        self.moves = moves;
    }

    /// The bucket's move through this route of an `http` block.
    #[must_use]
    pub fn move_read_by(&self, route: &ServerRoute) -> Option<&Move> {
        self.moves.iter().find(|one| route.pool == one.source && read_by(route) == one.bucket.as_str())
    }

    /// Whether the default pool of this `http` block reads the bucket of a move, so that the bucket has a location.
    #[must_use]
    pub fn moves_by_default(&self, one: &Move) -> bool {
        let default = self.default.as_ref().is_some_and(|default| default.pool == one.source);
        self.protocol == Protocol::Http && default && self.leaves_to_default(&one.bucket)
    }

    /// Whether no route of this block serves the bucket: the default pool does, if there is one.
    #[must_use]
    pub fn leaves_to_default(&self, bucket: &BucketName) -> bool {
        !self.routes.iter().any(|route| is_whole(route) && route.path_prefix.bucket() == bucket.as_str())
    }
}

/// Whether a route serves a part of the bucket.
#[must_use]
pub fn is_part_of(route: &ServerRoute, bucket: &BucketName) -> bool {
    route.path_prefix.bucket() == bucket.as_str() && !is_whole(route)
}

/// Whether a route serves its bucket whole.
fn is_whole(route: &ServerRoute) -> bool {
    !route.path_prefix.canonical()[1..].contains('/')
}

/// The pool that serves a bucket of an S3 block.
fn serving<'a>(server: &'a Server, bucket: &BucketName) -> Option<&'a PoolName> {
    let route = server.routes.iter().find(|route| is_whole(route) && route.path_prefix.bucket() == bucket.as_str());
    route.map(|route| &route.pool).or(server.default.as_ref().map(|default| &default.pool))
}

/// The pools through which a bucket is read in an `http` block.
fn readers<'a>(server: &'a Server, bucket: &'a BucketName) -> impl Iterator<Item = &'a PoolName> {
    let routes = server.routes.iter().filter(|route| read_by(route) == bucket.as_str()).map(|route| &route.pool);
    let default = server.default.as_ref().filter(|_| server.leaves_to_default(bucket));
    routes.chain(default.map(|default| &default.pool))
}

/// The bucket that the nodes see when an `http` block serves a route.
fn read_by(route: &ServerRoute) -> &str {
    match &route.key_prefix {
        Some(key_prefix) => key_prefix.as_str().trim_start_matches('/').split('/').next().unwrap_or_default(),
        None => route.path_prefix.bucket(),
    }
}

impl PoolRef {
    fn is_linked_to(&self, nanio: PoolId) -> bool {
        self.kind == PoolKind::Http && self.source == Some(nanio)
    }
}
