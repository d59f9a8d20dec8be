//! A bucket that is being moved, as a server block knows it.

use crate::domain::bucket::BucketName;
use crate::domain::ids::{MigrationId, PoolId};
use crate::domain::migration::token::MigrationGate;
use crate::domain::pool::PoolName;

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
    /// Token, stage, and uploads that began on the source.
    pub gate: MigrationGate,
}
