//! How a migration goes on: the only code that changes its phase.
//!
//! [`Step`] says what is to be done next, [`Outcome`] what came of it, and [`next`] where that leads. It is total: every
//! pair has an answer, and one that cannot be is refused instead of guessed. Whoever does the steps decides nothing.
//!
//! Until the commit, an error or a cancellation withdraws: writes flow to the source, nginx gets its plain
//! configuration, the token goes. After the commit there is no way back and none is needed: every further step is
//! repeated until it succeeds.
//!
//! A back-fill has steps of its own between the journal and the end, and no commit: the destination serves the bucket
//! from the beginning.

use serde::{Deserialize, Serialize};

use super::Phase;
use super::work::MigrationKind;

/// What is to be done. Each can be repeated: a crash in it, or after it, leads to it again or to an earlier one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Look whether it can begin; make the bucket at the destination.
    #[default]
    Check,
    /// Token and journal; nginx writes down every write.
    JournalOn,
    /// Wait until no worker is left that does not.
    AwaitWorkers,
    /// Copy everything.
    CopyAll,
    /// Compare everything.
    CompareAll,
    /// Carry over what was written since.
    CarryDirty,
    /// Hold writes.
    Freeze,
    /// Wait until the writes that were let through have ended.
    Drain,
    /// Carry over the last keys, and compare those.
    CarryLast,
    /// Give the bucket to the destination: one rename.
    Commit,
    /// Let held writes go to the source again.
    Thaw,
    /// Routes, records and files say that the destination serves the bucket.
    Record,
    /// nginx gets the plain routes.
    Settle,
    /// Wait until no worker is left that needs the token.
    AwaitOldWorkers,
    /// Wait for the uploads that began on the source.
    AwaitUploads,
    /// Remove token and journal.
    Forget,
    /// Compare both sides, and change nothing.
    Report,
    /// Back-fill: find what the destination lacks.
    Seek,
    /// Back-fill: carry over a portion of it, while nobody writes those keys.
    Fill,
    /// Back-fill: look once more what the destination lacks, and why.
    Verify,
    /// Back-fill: nginx gets its plain configuration of before.
    Conclude,
    /// After an error or a cancellation: nginx gets the plain configuration of before, the token goes.
    Withdraw,
    /// Nothing.
    End,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// It is done, and there is more of the same to do; or, where something was to be taken back, it was committed.
    Again,
    /// It cannot be done now; the migration may be tried again from an earlier step.
    NotNow(String),
    /// The journal may lack writes: everything must be looked at again.
    Void(String),
    /// It cannot be done.
    Failed(String),
    /// An operator does not want it any more.
    Cancelled,
}

/// The kinds of outcomes, without their reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeKind {
    /// [`Outcome::Done`]
    Done,
    /// [`Outcome::Again`]
    Again,
    /// [`Outcome::NotNow`]
    NotNow,
    /// [`Outcome::Void`]
    Void,
    /// [`Outcome::Failed`]
    Failed,
    /// [`Outcome::Cancelled`]
    Cancelled,
}

impl OutcomeKind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Done, Self::Again, Self::NotNow, Self::Void, Self::Failed, Self::Cancelled];
}

impl Outcome {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Done => OutcomeKind::Done,
            Self::Again => OutcomeKind::Again,
            Self::NotNow(_) => OutcomeKind::NotNow,
            Self::Void(_) => OutcomeKind::Void,
            Self::Failed(_) => OutcomeKind::Failed,
            Self::Cancelled => OutcomeKind::Cancelled,
        }
    }

    /// Its reason, if it has one.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::NotNow(why) | Self::Void(why) | Self::Failed(why) => Some(why),
            Self::Done | Self::Again | Self::Cancelled => None,
        }
    }
}

/// An outcome that the step cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the step {step:?} cannot end with {outcome:?}")]
pub struct IllegalOutcome {
    /// The step.
    pub step: Step,
    /// The outcome.
    pub outcome: OutcomeKind,
}

impl Step {
    /// Every step, in the order in which a migration that succeeds takes them; then the others.
    pub const ALL: [Self; 23] = [
        Self::Check,
        Self::JournalOn,
        Self::AwaitWorkers,
        Self::CopyAll,
        Self::CompareAll,
        Self::CarryDirty,
        Self::Freeze,
        Self::Drain,
        Self::CarryLast,
        Self::Commit,
        Self::Record,
        Self::Settle,
        Self::AwaitOldWorkers,
        Self::AwaitUploads,
        Self::Forget,
        Self::Report,
        Self::Seek,
        Self::Fill,
        Self::Verify,
        Self::Conclude,
        Self::Thaw,
        Self::Withdraw,
        Self::End,
    ];

    /// Whether a migration of this kind ever takes the step.
    #[must_use]
    pub fn belongs_to(self, kind: MigrationKind) -> bool {
        match self {
            Self::Check | Self::JournalOn | Self::AwaitWorkers | Self::Forget | Self::Withdraw | Self::End => true,
            Self::Seek | Self::Fill | Self::Verify | Self::Conclude => kind == MigrationKind::BackFill,
            _ => kind != MigrationKind::BackFill,
        }
    }

    /// The word of the step, as it stands in JSON and files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::JournalOn => "journal_on",
            Self::AwaitWorkers => "await_workers",
            Self::CopyAll => "copy_all",
            Self::CompareAll => "compare_all",
            Self::CarryDirty => "carry_dirty",
            Self::Freeze => "freeze",
            Self::Drain => "drain",
            Self::CarryLast => "carry_last",
            Self::Commit => "commit",
            Self::Thaw => "thaw",
            Self::Record => "record",
            Self::Settle => "settle",
            Self::AwaitOldWorkers => "await_old_workers",
            Self::AwaitUploads => "await_uploads",
            Self::Forget => "forget",
            Self::Report => "report",
            Self::Seek => "seek",
            Self::Fill => "fill",
            Self::Verify => "verify",
            Self::Conclude => "conclude",
            Self::Withdraw => "withdraw",
            Self::End => "end",
        }
    }

    /// The phase in which a migration that has neither failed nor was cancelled is while it takes this step.
    #[must_use]
    pub fn phase(self) -> Option<Phase> {
        Some(match self {
            Self::Check => Phase::Pending,
            Self::JournalOn | Self::AwaitWorkers | Self::CopyAll | Self::CompareAll | Self::CarryDirty | Self::Thaw => {
                Phase::Copying
            }
            Self::Seek | Self::Fill => Phase::Copying,
            Self::Freeze | Self::Drain => Phase::WriteRouting,
            Self::CarryLast | Self::Verify | Self::Conclude => Phase::Verifying,
            Self::Commit | Self::Record | Self::Settle => Phase::Switching,
            Self::AwaitOldWorkers | Self::AwaitUploads | Self::Forget | Self::Report => Phase::Done,
            Self::Withdraw | Self::End => return None,
        })
    }

    /// Whether the destination serves the bucket by now, whatever else happens: all that is left is to tidy up.
    #[must_use]
    pub fn is_committed(self) -> bool {
        matches!(
            self,
            Self::Record
                | Self::Settle
                | Self::AwaitOldWorkers
                | Self::AwaitUploads
                | Self::Forget
                | Self::Report
                | Self::Conclude
        )
    }

    /// Whether it must not be given up in the middle: what a copier has sent while keys were held may still arrive.
    #[must_use]
    pub fn is_atomic(self) -> bool {
        self == Self::Fill
    }

    /// Whether an operator may make it wait here.
    #[must_use]
    pub fn can_pause(self) -> bool {
        matches!(
            self,
            Self::Check
                | Self::JournalOn
                | Self::AwaitWorkers
                | Self::CopyAll
                | Self::CompareAll
                | Self::CarryDirty
                | Self::Seek
                | Self::Fill
                | Self::Verify
        )
    }
}

/// Where a migration goes from a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// What is to be done next.
    pub step: Step,
    /// The phase that it is then in.
    pub phase: Phase,
}

/// Where an outcome of a step leads. `phase` is the present one: it stays when a migration that has ended is tidied up.
/// A step that the kind of migration never takes leads nowhere.
///
/// # Errors
/// The step cannot have this outcome: a fault of this program, at which the migration stops where it is.
pub fn next(kind: MigrationKind, phase: Phase, step: Step, outcome: OutcomeKind) -> Result<Turn, IllegalOutcome> {
    use MigrationKind as K;
    use OutcomeKind as O;
    use Step as S;
    let illegal = IllegalOutcome { step, outcome };
    let to = |step: Step| Ok(Turn { step, phase: step.phase().unwrap_or(phase) });
    if !step.belongs_to(kind) {
        return Err(illegal);
    }
    match (step, outcome) {
        // A back-fill goes its own way.
        (S::AwaitWorkers, O::Done) if kind == K::BackFill => to(S::Seek),
        (S::Seek, O::Done) | (S::Fill | S::Verify, O::Again) => to(S::Fill),
        (S::Fill, O::Done) => to(S::Verify),
        (S::Verify, O::Done) => to(S::Conclude),
        (S::Conclude, O::Done) => to(S::Forget),
        (S::Forget, O::Done) if kind == K::BackFill => to(S::End),
        (S::Withdraw, O::Again) if kind == K::BackFill => Err(illegal),
        (S::Seek | S::Fill | S::Verify, O::NotNow) => to(step),
        // It goes on.
        (S::Check, O::Done) => to(S::JournalOn),
        (S::JournalOn, O::Done) => to(S::AwaitWorkers),
        (S::AwaitWorkers, O::Done) => to(S::CopyAll),
        (S::CopyAll, O::Done) => to(S::CompareAll),
        (S::CompareAll, O::Done) => to(S::CarryDirty),
        (S::CarryDirty, O::Done) => to(S::Freeze),
        (S::Freeze, O::Done) => to(S::Drain),
        (S::Drain, O::Done) => to(S::CarryLast),
        (S::CarryLast, O::Done) => to(S::Commit),
        (S::Commit, O::Done) => to(S::Record),
        (S::Thaw, O::Done) => to(S::CarryDirty),
        (S::Record, O::Done) => to(S::Settle),
        (S::Settle, O::Done) => to(S::AwaitOldWorkers),
        (S::AwaitOldWorkers, O::Done) => to(S::AwaitUploads),
        (S::AwaitUploads, O::Done) => to(S::Forget),
        (S::Forget, O::Done) => to(S::Report),
        (S::Report | S::Withdraw, O::Done) => to(S::End),
        // It stays.
        (S::CarryDirty, O::Again) => to(S::CarryDirty),
        (step, O::NotNow) if step.is_committed() || step == S::Withdraw => {
            Ok(Turn { step, phase: step.phase().unwrap_or(phase) })
        }
        (S::Check | S::JournalOn | S::AwaitWorkers | S::CopyAll | S::CompareAll | S::CarryDirty, O::NotNow) => to(step),
        // Back to where writes flow to the source.
        (S::Freeze | S::Drain | S::CarryLast | S::Commit, O::NotNow) => to(S::Thaw),
        (S::Thaw, O::NotNow) => to(S::Thaw),
        // The journal lacks something: what it would have said must be found by comparing, which is still to come.
        (S::JournalOn | S::AwaitWorkers, O::Void) if kind != K::BackFill => to(step),
        // The same, after it.
        (S::CopyAll | S::CompareAll | S::CarryDirty, O::Void) => to(S::CopyAll),
        (S::Freeze | S::Drain | S::CarryLast, O::Void) => to(S::Thaw),
        (S::Thaw, O::Void) => to(S::CopyAll),
        // The token says that it was committed: there is nothing to take back.
        (S::Thaw | S::Withdraw, O::Again) => to(S::Record),
        // It ends, and the source serves the bucket.
        (step, O::Failed) if !step.is_committed() && !matches!(step, S::Commit | S::Withdraw | S::End) => {
            Ok(Turn { step: S::Withdraw, phase: Phase::Error })
        }
        (step, O::Cancelled) if !step.is_committed() && !matches!(step, S::Commit | S::Withdraw | S::End) => {
            Ok(Turn { step: S::Withdraw, phase: Phase::Cancelled })
        }
        // It cannot be.
        _ => Err(illegal),
    }
}

/// Where a migration goes on after a restart.
///
/// `switched` tells whether its token says that it is committed, `gated` whether nginx has anything of it.
#[must_use]
pub fn resumed(phase: Phase, step: Step, switched: bool, gated: bool) -> Turn {
    let turn = |step: Step| Turn { step, phase: step.phase().unwrap_or(phase) };
    match step {
        Step::Record | Step::Settle | Step::AwaitOldWorkers | Step::AwaitUploads | Step::Forget | Step::Report => {
            turn(step)
        }
        Step::Conclude => turn(step),
        // The rename is the commit, whether or not somebody wrote it down.
        _ if switched => turn(Step::Record),
        Step::Withdraw => turn(Step::Withdraw),
        Step::End if gated => turn(Step::Withdraw),
        Step::End => turn(Step::End),
        _ if phase.is_final() && gated => turn(Step::Withdraw),
        _ if phase.is_final() => turn(Step::End),
        Step::Check => turn(Step::Check),
        // nginx may or may not have it: everything up to the journal is done again.
        _ => turn(Step::JournalOn),
    }
}

#[cfg(test)]
mod tests;
