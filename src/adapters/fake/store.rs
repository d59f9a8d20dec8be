//! The store in memory: the same promises as the databases, nothing kept after the process.

mod state;
mod tx;

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use tokio::sync::Mutex;

use crate::ports::store::{Access, Body, StoreError, Transactions};

use state::State;
use tx::FakeTx;

/// A store in memory. A transaction works on its own copy of the state; committing swaps it in, so readers
/// never wait and see nothing that is not committed.
#[derive(Default)]
pub struct FakeStore {
    committed: Arc<RwLock<Arc<State>>>,
    writer: Arc<Mutex<()>>,
}

impl FakeStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Transactions for FakeStore {
    async fn run(&self, access: Access, body: Body) -> Result<(), StoreError> {
        let turn = match access {
            Access::Read => None,
            Access::Write => Some(Arc::clone(&self.writer).lock_owned().await),
        };
        let committed = Arc::clone(&self.committed);
        let work = move || {
            let _turn = turn;
            let state = Arc::clone(&committed.read().unwrap_or_else(PoisonError::into_inner));
            let mut tx = FakeTx::new(state, access);
            let commit = body(&mut tx);
            if commit && access == Access::Write {
                *committed.write().unwrap_or_else(PoisonError::into_inner) = tx.into_state();
            }
        };
        tokio::task::spawn_blocking(work).await.map_err(|stopped| {
            StoreError::Unavailable(format!("the transaction was stopped and rolled back: {stopped}"))
        })
    }
}
