//! The machine's clock.

use chrono::Utc;

use crate::domain::time::Timestamp;
use crate::ports::clock::Clock;

/// Tells the machine's time.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::of(Utc::now())
    }
}
