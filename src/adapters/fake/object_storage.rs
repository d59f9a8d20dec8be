//! Storage nodes in memory.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::domain::pool::Address;
use crate::ports::object_storage::{ObjectStorage, Occupancy, StorageError};

/// Storage nodes that all see the same buckets. Every node answers, and every bucket is empty, until it is
/// said otherwise.
#[derive(Debug, Default)]
pub struct FakeStorage {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    occupied: HashSet<String>,
    failing: HashMap<String, String>,
}

impl FakeStorage {
    /// From now on this bucket holds something, whichever node is asked.
    pub fn fill(&self, bucket: &str) {
        self.state().occupied.insert(bucket.to_owned());
    }

    /// From now on the node at this address gives no usable answer, for this reason.
    pub fn fail(&self, node: &Address, why: &str) {
        self.state().failing.insert(node.as_str().to_owned(), why.to_owned());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ObjectStorage for FakeStorage {
    async fn occupancy(&self, members: &[Address], bucket: &str) -> Result<Occupancy, StorageError> {
        let state = self.state();
        let mut refusals = Vec::new();
        for member in members {
            let refusal = match (member.host_port(), state.failing.get(member.as_str())) {
                (None, _) => "unix sockets cannot be asked",
                (Some(_), Some(why)) => why,
                (Some(_), None) if state.occupied.contains(bucket) => return Ok(Occupancy::Occupied),
                (Some(_), None) => return Ok(Occupancy::Empty),
            };
            refusals.push(format!("{member}: {refusal}"));
        }
        if refusals.is_empty() {
            return Err(StorageError("the pool has no enabled member".to_owned()));
        }
        Err(StorageError(refusals.join("; ")))
    }
}
