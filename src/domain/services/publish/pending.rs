//! Changes that wait for their turn, each with its own result type.

use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;
use tracing::Span;

use super::{Change, Published};
use crate::domain::audit::{Actor, NginxAnswer};
use crate::domain::revision::Reason;
use crate::domain::services::ServiceError;
use crate::domain::services::touched::Touched;
use crate::domain::time::Timestamp;
use crate::ports::store::{StoreError, Tx};

/// How a change goes through the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It may share its test with others.
    Shared,
    /// It does not.
    Alone,
    /// Nor does it become live.
    Rehearsal,
}

/// One of the two runs of a change.
#[derive(Debug, Clone, Copy)]
pub(super) enum Run<'a> {
    /// The first: nobody will read what it logs.
    RolledBack,
    /// The second, with nginx's answer.
    Kept(Option<&'a NginxAnswer>),
}

/// A change that waits for its turn, with its result type hidden.
pub(super) trait Pending: Send {
    /// Runs the body; `true` if it succeeded.
    fn attempt(&mut self, tx: &mut dyn Tx, now: Timestamp, run: Run<'_>, touched: &mut Touched) -> bool;
    /// How it goes through the steps.
    fn way(&self) -> Way;
    /// What asked for it.
    fn span(&self) -> &Span;
    /// Answers with the body's own result.
    fn answer(self: Box<Self>, published: &Published);
    /// Answers with a fault from outside the body.
    fn refuse(self: Box<Self>, error: ServiceError);
}

/// A change that waits for its turn, and who waits for it.
pub(super) struct Asked<T, F> {
    pub actor: Actor,
    pub way: Way,
    /// What asked for it.
    pub span: Span,
    pub reason: Option<Reason>,
    pub body: F,
    pub outcome: Option<Result<T, ServiceError>>,
    pub reply: oneshot::Sender<Result<(T, Published), ServiceError>>,
}

impl<T, F> Pending for Asked<T, F>
where
    T: Send,
    F: FnMut(&mut Change<'_>) -> Result<T, ServiceError> + Send,
{
    fn attempt(&mut self, tx: &mut dyn Tx, now: Timestamp, run: Run<'_>, touched: &mut Touched) -> bool {
        let mut own = Touched::default();
        let (nginx, logs) = match run {
            Run::RolledBack => (None, false),
            Run::Kept(nginx) => (nginx.cloned(), true),
        };
        let (actor, reason) = (self.actor, self.reason.clone());
        let mut change = Change { tx, now, actor, reason, nginx, logs, touched: &mut own };
        let outcome = (self.body)(&mut change);
        let succeeded = outcome.is_ok();
        if succeeded {
            touched.add(own);
        }
        self.outcome = Some(outcome);
        succeeded
    }

    fn way(&self) -> Way {
        self.way
    }

    fn span(&self) -> &Span {
        &self.span
    }

    fn answer(self: Box<Self>, published: &Published) {
        let outcome = self.outcome.unwrap_or_else(|| Err(stopping()));
        // A caller that went away does not undo its change.
        let _ = self.reply.send(outcome.map(|value| (value, published.clone())));
    }

    fn refuse(self: Box<Self>, error: ServiceError) {
        let _ = self.reply.send(Err(error));
    }
}

pub(super) type Batch = Vec<Box<dyn Pending>>;

/// A batch that a transaction's closure works on and that survives its roll-back.
pub(super) type SharedBatch = Arc<Mutex<Batch>>;

/// Nobody makes changes any more.
pub(super) fn stopping() -> ServiceError {
    ServiceError::Store(StoreError::Unavailable("the orchestrator is shutting down; repeat the change".to_owned()))
}
