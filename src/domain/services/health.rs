//! Whether the program is well.

use std::sync::{Arc, Mutex, PoisonError};

use super::config::compare;
use super::{Context, ServiceError};
use crate::domain::time::Timestamp;
use crate::ports::clock::Clock;

/// The state of the program, at most one second old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthReport {
    /// The database answers.
    pub db_ok: bool,
    /// The managed files can be read.
    pub files_ok: bool,
    /// Managed files that are not as we wrote them.
    pub drift_alerts: u64,
}

/// Use case: is it well?
#[derive(Clone)]
pub struct Health {
    context: Context,
    clock: Arc<dyn Clock>,
    last: Arc<Mutex<Option<(Timestamp, HealthReport)>>>,
}

impl Health {
    pub(super) fn new(context: Context, clock: Arc<dyn Clock>) -> Self {
        Self { context, clock, last: Arc::new(Mutex::new(None)) }
    }

    /// The state now. Asked often, it looks once a second.
    pub async fn check(&self) -> HealthReport {
        let now = self.clock.now();
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, report)) = last
            && at == now
        {
            return report;
        }
        let report = self.look().await;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, report));
        report
    }

    async fn look(&self) -> HealthReport {
        let recorded = match self.context.store.read(|tx| Ok::<_, ServiceError>(tx.files()?)).await {
            Ok(recorded) => recorded,
            Err(error) => {
                tracing::error!(%error, "health: the database does not answer");
                return HealthReport { db_ok: false, files_ok: false, drift_alerts: 0 };
            }
        };
        let (files_ok, drift_alerts) = match self.context.gateway.observe().await {
            Ok(observed) => (true, compare(recorded, &observed).iter().filter(|file| file.drifted).count() as u64),
            Err(error) => {
                tracing::error!(%error, "health: the managed directory cannot be read");
                (false, recorded.len() as u64)
            }
        };
        HealthReport { db_ok: true, files_ok, drift_alerts }
    }
}
