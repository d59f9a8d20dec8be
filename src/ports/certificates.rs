//! The certificates that nginx shows to clients.

use async_trait::async_trait;

use crate::domain::time::Timestamp;

/// Reads certificates.
#[async_trait]
pub trait Certificates: Send + Sync {
    /// When the certificate of a server ends: the first one of its PEM file.
    ///
    /// # Errors
    /// It cannot be told, in words for the operator.
    async fn not_after(&self, path: &str) -> Result<Timestamp, String>;
}
