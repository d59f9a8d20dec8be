//! Reading the audit log, and how long it is kept.

use std::sync::Arc;
use std::time::Duration;

use super::ServiceError;
use crate::domain::audit::{Entry, Filter};
use crate::ports::clock::Clock;
use crate::ports::store::{Store, StoreError};

/// How many entries go in one transaction: changes that wait for it must not wait long.
const STEP: u64 = 500;

/// The audit log.
#[derive(Clone)]
pub struct AuditLog {
    store: Store,
    clock: Arc<dyn Clock>,
}

impl AuditLog {
    pub(super) fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// The entries that pass a filter, newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self, filter: Filter) -> Result<Vec<Entry>, ServiceError> {
        self.store.read(move |tx| Ok(tx.audit(&filter)?)).await
    }

    /// Removes the entries that are older than `age`, in steps between which others can write; tells how many.
    ///
    /// # Errors
    /// The store's. What was removed until then stays so.
    pub async fn forget_older_than(&self, age: Duration) -> Result<u64, StoreError> {
        let before = self.clock.now().earlier(age);
        let mut removed = 0;
        loop {
            let step = self.store.write(move |tx| tx.prune_audit(before, STEP)).await?;
            removed += step;
            if step < STEP {
                return Ok(removed);
            }
        }
    }
}
