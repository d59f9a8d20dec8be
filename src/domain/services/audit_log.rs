//! Reading the audit log.

use super::ServiceError;
use crate::domain::audit::{Entry, Filter};
use crate::ports::store::Store;

/// The audit log.
#[derive(Clone)]
pub struct AuditLog {
    store: Store,
}

impl AuditLog {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }

    /// The entries that pass a filter, newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self, filter: Filter) -> Result<Vec<Entry>, ServiceError> {
        self.store.read(move |tx| Ok(tx.audit(&filter)?)).await
    }
}
