//! What the engine says of a migration on its way, for operators.

use crate::domain::ids::MigrationId;
use crate::domain::time::Timestamp;

/// A line to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLogEntry {
    /// Of which migration.
    pub migration: MigrationId,
    /// The phase it was in, or a word such as `recovery`.
    pub phase: String,
    /// What happened.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

/// A line that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Rises with time.
    pub id: i64,
    /// Of which migration.
    pub migration: MigrationId,
    /// The phase it was in, or a word such as `recovery`.
    pub phase: String,
    /// What happened.
    pub message: String,
    /// When.
    pub at: Timestamp,
}
