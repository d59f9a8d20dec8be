//! Why a change is made.
//!
//! It is told beside the use cases and not through them: none of them does anything else because of it, and each would
//! have to hand it on. Whoever asks for a change does so inside [`during`]; the publisher takes the reason along when the
//! change is asked for. It holds in the task that asks, and in no task that this one starts.

use std::future::Future;

use crate::domain::revision::Reason;

tokio::task_local! {
    static REASON: Reason;
}

/// Does `work`, in which every change is made for this reason.
pub async fn during<T>(reason: Option<Reason>, work: impl Future<Output = T>) -> T {
    match reason {
        Some(reason) => REASON.scope(reason, work).await,
        None => work.await,
    }
}

/// The reason for what is being done, if one was told.
#[must_use]
pub fn current() -> Option<Reason> {
    REASON.try_with(Clone::clone).ok()
}
