//! The time of day.

use crate::domain::time::Timestamp;

/// Tells the time. The only source of "now" for domain and services.
pub trait Clock: Send + Sync {
    /// The present second, in UTC.
    fn now(&self) -> Timestamp;
}
