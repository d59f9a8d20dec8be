//! Time that passes, for work that waits.

use std::time::Duration;

use async_trait::async_trait;

/// Measures and waits. It has no date: see [`Clock`](super::clock::Clock).
#[async_trait]
pub trait Timer: Send + Sync {
    /// How long this timer exists. Never goes back.
    fn elapsed(&self) -> Duration;

    /// Milliseconds since 1970, as nginx writes them into its logs.
    fn epoch_ms(&self) -> i64;

    /// Waits.
    async fn pause(&self, time: Duration);
}
