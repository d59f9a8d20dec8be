//! The machine's clock, and time that passes on it.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::Utc;

use crate::domain::time::Timestamp;
use crate::ports::clock::Clock;
use crate::ports::timer::Timer;

/// Tells the machine's time.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::of(Utc::now())
    }
}

/// Measures and waits with the machine's monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemTimer {
    began: Instant,
}

impl Default for SystemTimer {
    fn default() -> Self {
        Self { began: Instant::now() }
    }
}

#[async_trait]
impl Timer for SystemTimer {
    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn epoch_ms(&self) -> i64 {
        Utc::now().timestamp_millis()
    }

    async fn pause(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
