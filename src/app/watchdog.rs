//! The sign of life: given only while the program can do its work.
//!
//! A restart cures a program that hangs, so what is asked is whether it comes back: the runtime to this task, and the
//! database with an answer. A database that is away and says so is nothing that a restart would mend.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::ServeError;
use crate::adapters::notify::Notifier;
use crate::domain::services::ServiceError;
use crate::ports::store::Store;

/// Whoever is to be told how the server fares, if anybody.
pub(super) struct Supervisor(Option<Arc<Notifier>>);

/// Gives the signs until it is dropped.
pub(super) struct Signs(Option<JoinHandle<()>>);

impl Drop for Signs {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

impl Supervisor {
    /// Who started us.
    pub fn find() -> Result<Self, ServeError> {
        Ok(Self(Notifier::from_environment().map_err(ServeError::Supervisor)?.map(Arc::new)))
    }

    /// Says that requests are answered from now on, and gives signs of life as long as what is given back lives.
    pub fn ready(&self, store: Store) -> Signs {
        let Some(notifier) = self.0.clone() else { return Signs(None) };
        notifier.tell("READY=1");
        let Some(patience) = notifier.watchdog() else { return Signs(None) };
        let is_alive = move || {
            let store = store.clone();
            async move { drop(store.read(|tx| Ok::<_, ServiceError>(tx.files()?.len())).await) }
        };
        Signs(Some(tokio::spawn(give_signs(patience / 2, is_alive, move || notifier.tell("WATCHDOG=1")))))
    }

    /// Says that the server is about to end.
    pub fn stopping(&self) {
        if let Some(notifier) = &self.0 {
            notifier.tell("STOPPING=1");
        }
    }
}

/// One sign after each time that `is_alive` came back.
async fn give_signs<F: Future<Output = ()>>(period: Duration, is_alive: impl Fn() -> F, sign: impl Fn()) {
    loop {
        is_alive().await;
        sign();
        tokio::time::sleep(period).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::{Semaphore, mpsc};

    use super::*;

    #[tokio::test]
    async fn a_database_that_does_not_come_back_ends_the_signs_until_it_does() {
        let (database, signs) = (Arc::new(Semaphore::new(2)), Arc::new(AtomicU32::new(0)));
        let (asks, mut asked) = mpsc::unbounded_channel();
        let (door, given) = (database.clone(), signs.clone());
        let is_alive = move || {
            let (door, asks) = (door.clone(), asks.clone());
            async move {
                let _ = asks.send(());
                door.acquire().await.expect("the test keeps it open").forget();
            }
        };
        let sign = move || {
            given.fetch_add(1, Ordering::SeqCst);
        };
        let task = tokio::spawn(give_signs(Duration::ZERO, is_alive, sign));
        for _ in 0..3 {
            asked.recv().await.unwrap();
        }
        assert_eq!(signs.load(Ordering::SeqCst), 2, "the third question has no answer yet");
        database.add_permits(1);
        asked.recv().await.unwrap();
        assert_eq!(signs.load(Ordering::SeqCst), 3);
        task.abort();
    }
}
