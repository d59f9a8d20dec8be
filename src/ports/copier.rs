//! Copies of buckets from site to site, made by a program of its own.
//!
//! No object passes through the orchestrator. A copier never outlives the orchestrator that started it: it ends with
//! it, and what the kernel might have missed is ended before anything else is done.

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::copy::{Copied, CopyOrder, Progress, WhyNot};

/// Makes copies. The same order may be given again at any time: what is there already is not copied twice, but for
/// keys that were named.
#[async_trait]
pub trait Copier: Send + Sync {
    /// The version of the program, or what is wrong with it.
    async fn probe(&self) -> Result<String, CopierError>;

    /// Ends the copiers that an earlier life left running, and waits until they are gone. Returns how many were at work
    /// when that life ended: what they had sent may still arrive. To be called before the first copy is started.
    async fn end_leftovers(&self) -> Result<usize, CopierError>;

    /// What follows from [`end_leftovers`](Self::end_leftovers) is written down: it need not be told again.
    async fn forget_leftovers(&self) -> Result<(), CopierError>;

    /// Makes a copy ready, which begins when it is told to [go](Copying::go): until then no object is looked at, read or
    /// written. `watch` is told how it goes. It is refused if a key cannot be carried. Of a site with several places, the
    /// first that takes connections is used, and the next if nothing was copied before it failed.
    async fn prepare(&self, order: CopyOrder, watch: Arc<dyn Watch>) -> Result<Box<dyn Copying>, CopierError>;

    /// Makes a copy ready and lets it begin.
    async fn start(&self, order: CopyOrder, watch: Arc<dyn Watch>) -> Result<Box<dyn Copying>, CopierError> {
        let mut copying = self.prepare(order, watch).await?;
        copying.go();
        Ok(copying)
    }
}

/// A copy that is ready, or under way. Dropped, it is ended as soon as can be.
#[async_trait]
pub trait Copying: Send + Sync {
    /// Lets it begin, if it has not begun.
    fn go(&mut self);

    /// Waits for its end. May be given up and called again.
    async fn ended(&mut self) -> Result<Copied, CopierError>;

    /// Ends it. When this returns, no request of it will be made any more; one that was on its way may still arrive.
    async fn cancel(self: Box<Self>);
}

/// Is told how a copy goes.
pub trait Watch: Send + Sync {
    /// How far it is: every second, and at the end.
    fn progress(&self, progress: Progress);

    /// Something for the log of a migration: one line, without secrets. There are not more than a few hundred a copy.
    fn line(&self, line: &str);
}

/// Why there is no copy, or no complete one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CopierError {
    /// The program is not there, or not what it should be. Says what to do.
    #[error("{0}")]
    Unusable(String),
    /// A key that would be skipped unseen.
    #[error("the object {key:?} cannot be copied: {why}")]
    Uncarriable {
        /// The key.
        key: String,
        /// The reason.
        why: WhyNot,
    },
    /// No place of a site takes connections; each is named with what was wrong.
    #[error("{0}")]
    Unreachable(String),
    /// Some objects were not copied, since a node said so of each. Nothing of it is under way any more.
    #[error("the copy is not complete: {why}")]
    Refused {
        /// Their keys.
        keys: Vec<String>,
        /// The copier's own words.
        why: String,
    },
    /// Some objects were not copied, and what was sent of them may still arrive; with the copier's own words.
    #[error("the copy is not complete: {0}")]
    Failed(String),
    /// It was ended before it was complete.
    #[error("the copy was cancelled")]
    Cancelled,
    /// The machine.
    #[error("{0}")]
    Fault(String),
}
