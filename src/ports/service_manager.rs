//! What keeps the program running.

use async_trait::async_trait;

/// Starts the program anew.
#[async_trait]
pub trait ServiceManager: Send + Sync {
    /// Makes sure that a restart will be accepted, and asks for it a moment later, so that the answer to whoever wanted
    /// it gets out first.
    ///
    /// # Errors
    /// There is nobody to ask, or this program may not; with what the operator can do.
    async fn restart(&self) -> Result<(), RestartRefused>;
}

/// The program cannot have itself restarted here. The text says why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RestartRefused(pub String);
