//! A service manager that only remembers what it was asked.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::ports::service_manager::{RestartRefused, ServiceManager};

/// Accepts every restart until it is told otherwise, and makes none.
#[derive(Debug, Default)]
pub struct FakeManager {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    restarts: u64,
    refusal: Option<String>,
}

impl FakeManager {
    /// From now on every restart is refused, for this reason.
    pub fn refuse(&self, why: &str) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).refusal = Some(why.to_owned());
    }

    /// How many restarts were accepted.
    pub fn restarts(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).restarts
    }
}

#[async_trait]
impl ServiceManager for FakeManager {
    async fn restart(&self) -> Result<(), RestartRefused> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = &state.refusal {
            return Err(RestartRefused(why.clone()));
        }
        state.restarts += 1;
        Ok(())
    }
}
