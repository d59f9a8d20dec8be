//! The gateway as it was after an earlier change, made again as a new one.
//!
//! What is kept of a change is what it did, not the whole gateway: the document of then is the present one, from which
//! the deeds of all later changes are taken back, newest first. It is applied like any other document, so that no
//! rollback leads a bucket away from its objects. What the history does not tell is refused, never guessed.

use std::sync::Arc;

use super::ServiceError;
use super::manifests::{Applied, Exported, Manifests, Plan, Terms};
use super::publish::reason;
use crate::domain::audit::Actor;
use crate::domain::manifest::{Difference, Manifest, Past, Subject, Verb};
use crate::domain::revision::Reason;
use crate::ports::revisions::Revisions;

/// How often the state is looked at again because something changed it meanwhile.
const TRIES: usize = 5;

/// Use case: go back to an earlier revision.
#[derive(Clone)]
pub struct Rollback {
    manifests: Manifests,
    revisions: Arc<dyn Revisions>,
}

/// The numbers of its changes are not those of the history.
const ANOTHER: &str = "the database was made again or put back to an older copy since";

/// Where to go back to, and how it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Back {
    /// The revision after which the gateway was as wanted.
    pub number: u64,
    /// Buckets that would be led away from their objects stay where they are; the rest is done.
    pub partial: bool,
    /// The state from which to go back; none: whatever is there.
    pub expect: Option<String>,
}

/// The gateway of an earlier revision.
struct Earlier {
    manifest: Manifest,
    terms: Terms,
}

impl Rollback {
    pub(super) fn new(manifests: Manifests, revisions: Arc<dyn Revisions>) -> Self {
        Self { manifests, revisions }
    }

    /// What going back to a revision would do. Changes nothing.
    ///
    /// # Errors
    /// There is no such revision; [`ServiceError::Conflict`] if the history does not tell how the gateway was;
    /// [`ServiceError::Stale`] if the gateway is not in the state that is expected.
    pub async fn plan(&self, back: &Back) -> Result<Plan, ServiceError> {
        for _ in 0..TRIES {
            let Earlier { manifest, terms } = self.earlier(back).await?;
            match self.manifests.plan(&manifest, &terms).await {
                Err(ServiceError::Stale(_)) if back.expect.is_none() => {}
                planned => {
                    let mut plan = planned?;
                    plan.warnings.extend(keyless(&plan.differences.steps));
                    return Ok(plan);
                }
            }
        }
        Err(restless())
    }

    /// Goes back to a revision, in one change. Its reason is that it goes back, unless another one was told.
    ///
    /// # Errors
    /// As [`Rollback::plan`]; [`ServiceError::Conflict`] if buckets would be led away from their objects, unless `partial`
    /// leaves those out; nginx's refusal. Nothing has changed.
    pub async fn apply(&self, actor: Actor, back: &Back) -> Result<Applied, ServiceError> {
        let why = reason::current().unwrap_or_else(|| Reason::rollback(back.number));
        reason::during(Some(why), self.go_back(actor, back)).await
    }

    async fn go_back(&self, actor: Actor, back: &Back) -> Result<Applied, ServiceError> {
        for _ in 0..TRIES {
            let Earlier { manifest, terms } = self.earlier(back).await?;
            match self.manifests.apply(actor, &manifest, &terms).await {
                Err(ServiceError::Stale(_)) if back.expect.is_none() => {}
                applied => {
                    let mut applied = applied?;
                    applied.warnings.extend(keyless(&applied.differences.steps));
                    return Ok(applied);
                }
            }
        }
        Err(restless())
    }

    /// The document after a revision.
    async fn earlier(&self, back: &Back) -> Result<Earlier, ServiceError> {
        let Back { number, partial, ref expect } = *back;
        let Exported { manifest, state, change: newest } = self.manifests.export().await?;
        if number > newest {
            return Err(match self.revisions.read(number).await? {
                Some(_) => lost(number, number, ANOTHER),
                None => ServiceError::NotFound("Revision"),
            });
        }
        if expect.as_ref().is_some_and(|expected| *expected != state) {
            return Err(ServiceError::Stale("The gateway"));
        }
        let (mut at, mut past) = (newest, Past::of(manifest));
        while at > number {
            let Some(back) = self.revisions.way_back(at).await? else {
                return Err(lost(number, at, "the history does not hold what it did, or not any more"));
            };
            if back.base < number {
                return Err(lost(number, at, ANOTHER));
            }
            for deed in back.deeds.iter().rev() {
                past.take_back(deed).map_err(|why| lost(number, at, &why))?;
            }
            at = back.base;
        }
        let Past { manifest, renames } = past;
        Ok(Earlier { manifest, terms: Terms { prune: true, partial, expect: Some(state), renames } })
    }
}

/// Why the gateway of a revision is not known.
fn lost(number: u64, at: u64, why: &str) -> ServiceError {
    ServiceError::Conflict(format!(
        "nothing was changed, as it is not known what the gateway was after revision {number}: revision {at} cannot be \
         taken back ({why}). Write down what it should be (nanio-orchestrator export), edit that, and apply it \
         (nanio-orchestrator apply --prune)"
    ))
}

/// What becomes of the S3 keys of pools that are made again: the history holds no secret.
fn keyless(steps: &[Difference]) -> Vec<String> {
    let made = steps.iter().filter(|step| step.verb == Verb::Create);
    let warning = |subject: &Subject| match subject {
        Subject::Pool(name) => {
            Some(format!("pool {name} is made again, without S3 keys: if it had any, set them again"))
        }
        _ => None,
    };
    made.filter_map(|step| warning(&step.subject)).collect()
}

fn restless() -> ServiceError {
    ServiceError::Conflict("the gateway was changed each time meanwhile; repeat when nothing else does".to_owned())
}
