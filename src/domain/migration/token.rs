//! The token of a migration: one file, whose name is the state.
//!
//! Commit and roll-back rename the same file, so exactly one of them wins, whoever tries. nginx looks at the names at
//! each request. A token that is missing or cannot be read means *held*: never a write to the wrong side.

use serde::{Deserialize, Serialize};

use crate::domain::invalid::{Invalid, checked_string};

checked_string!(
    /// The random name of a migration's token, journal and internal locations: nobody can guess it, and none is ever
    /// used again.
    Token
);

impl Token {
    /// Characters of a name: 128 bits in hexadecimal.
    pub const LENGTH: usize = 32;

    /// Checks a name.
    ///
    /// # Errors
    /// It is not 32 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let fits = |c: u8| c.is_ascii_digit() || matches!(c, b'a'..=b'f');
        if text.len() == Self::LENGTH && text.bytes().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::Pattern { pattern: "^[0-9a-f]{32}$" })
        }
    }
}

/// What the files of a token say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenState {
    /// `.src`: writes flow to the source.
    Source,
    /// `.held`: frozen.
    Held,
    /// `.switched`: committed; reads go to the destination, writes wait at the gate.
    Switched,
    /// `.switched` and `.open`: writes flow to the destination without asking the gate.
    Open,
    /// None of them. nginx holds writes.
    Missing,
}

/// What the key of a canary begins with, behind the last `/`: an unsigned write that shows that journal and gate are in
/// its way. The gate answers it with 403, as the storage does.
pub const CANARY: &str = ".nanio-canary-";

/// Whether a request, by its URI as it was sent, is a canary.
#[must_use]
pub fn is_canary(uri: &str) -> bool {
    let path = uri.split('?').next().unwrap_or_default();
    path.rsplit('/').next().is_some_and(|last| last.starts_with(CANARY))
}

/// What nginx has of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateStage {
    /// Writes are journaled, and token and gate decide where they go.
    Gated,
    /// The route leads to the destination; uploads that began on the source still ask the gate.
    Settled,
}

/// The part of a migration that nginx knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationGate {
    /// Names its files.
    pub token: Token,
    /// What is rendered.
    pub stage: GateStage,
    /// Identities of uploads that began on the source and have not ended: rendered once it is settled.
    pub source_uploads: Vec<String>,
}
