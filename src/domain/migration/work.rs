//! What the engine keeps of a migration beside how far it is.

use serde::{Deserialize, Serialize};

use super::machine::Step;
use super::token::MigrationGate;
use crate::domain::ids::MigrationId;
use crate::domain::invalid::words;

/// What is done to a bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MigrationKind {
    /// It is given to another pool while clients use it.
    #[default]
    Move,
    /// A split of reads and writes that 0.4.x left in nginx ends: what is newer on the pool that takes the writes is
    /// carried back to the one that is read first.
    Adoption,
    /// The pool that serves it gets what an earlier pool still has of it. Nothing is switched, overwritten or brought
    /// back.
    BackFill,
}

words!(
    /// One of the pools of a split.
    Side {
        /// The one that is read first.
        Source = "source",
        /// The one that takes the writes.
        Destination = "destination",
    }
);

/// What an adoption is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopts {
    /// The record of the split.
    pub split: MigrationId,
    /// Where the bucket is to be in the end.
    pub to: Side,
}

/// Kept in the database and in `state.json`, so that neither a restart nor a rebuild loses it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Work {
    /// What is done.
    pub kind: MigrationKind,
    /// The split that it ends, if it is an adoption.
    pub adopts: Option<Adopts>,
    /// What is to be done next.
    pub step: Step,
    /// An operator does not want it any more; it is being ended.
    pub cancel: bool,
    /// An operator made it wait. It goes on as it was when it is resumed.
    pub paused: bool,
    /// The destination serves the bucket, whatever else happens.
    pub committed: bool,
    /// Whatever the destination has of the bucket, it has from this migration, or is to lose: it had nothing when the
    /// migration began, or only what an earlier migration of the bucket had left there.
    pub owns_destination: bool,
    /// Seconds since 1970. The destination may have objects that this migration did not write. Those that were written on
    /// the source since then may differ in what listings do not show, and are looked at one by one.
    pub doubted_since: Option<i64>,
    /// What nginx has of it.
    pub gate: Option<MigrationGate>,
    /// How many cutovers were begun, but for those that a crash cut short.
    pub attempts: u32,
    /// The longest time that a client's write was held, in milliseconds.
    pub write_hold_ms: Option<u64>,
    /// What was found before it began.
    pub checks: Vec<Check>,
    /// Workers of nginx that still run the configuration of before, while it waits for them.
    pub waiting_for_workers: Vec<u32>,
    /// When a copier was ended in the middle because this program was, in milliseconds since 1970: what it had sent may
    /// still have arrived for a while after that.
    pub cut_short_ms: Option<i64>,
    /// What the comparison after the switch found.
    pub audit: Option<Comparison>,
}

/// One thing that was looked at before a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was looked at, as a word.
    pub name: String,
    /// What was found.
    pub outcome: CheckOutcome,
    /// In a sentence, with what to do if it is not as it should be.
    pub message: String,
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    /// As it should be.
    Ok,
    /// The migration can go on; the operator should know.
    Warning,
    /// The migration cannot go on.
    Failed,
}

/// What a comparison of both sides after the switch found. It changes nothing: what is missing may have been deleted by
/// a client since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// It is not finished.
    Pending,
    /// The destination holds all that the source holds.
    Ok,
    /// Keys of the source that the destination lacks or has otherwise, the first hundred.
    Differences(Vec<String>),
    /// It could not be made.
    Failed(String),
}
