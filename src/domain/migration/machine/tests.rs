use super::*;

use MigrationKind::{BackFill, Move};

fn steps(kind: MigrationKind) -> impl Iterator<Item = Step> {
    Step::ALL.into_iter().filter(move |step| step.belongs_to(kind))
}

/// Every pair of step and outcome, one a line.
fn table(kind: MigrationKind) -> String {
    let mut text = String::new();
    for step in steps(kind) {
        let phase = step.phase().unwrap_or(Phase::Error);
        for outcome in OutcomeKind::ALL {
            let line = match next(kind, phase, step, outcome) {
                Ok(turn) => format!("{} ({})", turn.step.as_str(), turn.phase.as_str()),
                Err(_) => "-".to_owned(),
            };
            text.push_str(&format!("{:<18} {:<10} {line}\n", step.as_str(), format!("{outcome:?}")));
        }
    }
    text
}

#[test]
fn the_table_of_steps_and_outcomes_is_as_it_was_reviewed() {
    for (kind, file, reviewed) in [
        (Move, "machine.txt", include_str!("../machine.txt")),
        (BackFill, "machine_back_fill.txt", include_str!("../machine_back_fill.txt")),
    ] {
        assert!(table(kind) == reviewed, "src/domain/migration/{file} must be:\n{}", table(kind));
    }
}

#[test]
fn no_kind_takes_a_step_of_the_other() {
    for kind in [Move, BackFill] {
        for step in Step::ALL {
            for outcome in OutcomeKind::ALL {
                let Ok(turn) = next(kind, Phase::Copying, step, outcome) else { continue };
                assert!(step.belongs_to(kind) && turn.step.belongs_to(kind), "{kind:?} {step:?} {turn:?}");
            }
        }
    }
}

#[test]
fn a_back_fill_that_succeeds_has_no_phase_in_which_all_writes_are_held() {
    let mut turn = Turn { step: Step::Check, phase: Phase::Pending };
    let mut phases = vec![turn.phase];
    while turn.step != Step::End {
        turn = next(BackFill, turn.phase, turn.step, OutcomeKind::Done).unwrap();
        if phases.last() != Some(&turn.phase) {
            phases.push(turn.phase);
        }
    }
    assert_eq!(phases, [Phase::Pending, Phase::Copying, Phase::Verifying, Phase::Done]);
}

/// The same as a picture (Mermaid), without the turns that stay where they are.
fn picture(kind: MigrationKind) -> String {
    let mut text = "stateDiagram-v2\n    [*] --> check\n".to_owned();
    for step in steps(kind) {
        for outcome in OutcomeKind::ALL {
            let Ok(turn) = next(kind, step.phase().unwrap_or(Phase::Error), step, outcome) else { continue };
            if turn.step == step {
                continue;
            }
            let label = match outcome {
                OutcomeKind::Done => String::new(),
                other => format!(" : {other:?}"),
            };
            text.push_str(&format!("    {} --> {}{label}\n", step.as_str(), turn.step.as_str()));
        }
    }
    text + "    end --> [*]\n"
}

#[test]
fn the_picture_in_the_documentation_is_that_of_this_table() {
    let documentation = include_str!("../../../../docs/migration.md");
    for kind in [Move, BackFill] {
        assert!(documentation.contains(&picture(kind)), "docs/migration.md must hold:\n{}", picture(kind));
    }
}

#[test]
fn a_migration_that_succeeds_takes_every_step_in_order() {
    let mut turn = Turn { step: Step::Check, phase: Phase::Pending };
    let mut phases = vec![turn.phase];
    for expected in &Step::ALL[1..16] {
        turn = next(Move, turn.phase, turn.step, OutcomeKind::Done).unwrap();
        assert_eq!(turn.step, *expected);
        if phases.last() != Some(&turn.phase) {
            phases.push(turn.phase);
        }
    }
    use Phase as P;
    assert_eq!(phases, [P::Pending, P::Copying, P::WriteRouting, P::Verifying, P::Switching, P::Done]);
    let end = next(Move, turn.phase, turn.step, OutcomeKind::Done).unwrap();
    assert_eq!((end.step, end.phase), (Step::End, Phase::Done));
}

#[test]
fn nothing_leads_back_from_the_commit() {
    for kind in [Move, BackFill] {
        for step in steps(kind).filter(|step| step.is_committed()) {
            for outcome in OutcomeKind::ALL {
                if let Ok(turn) = next(kind, Phase::Switching, step, outcome) {
                    assert!(turn.step.is_committed() || turn.step == Step::End, "{step:?} {outcome:?}");
                }
            }
        }
    }
}

#[test]
fn whatever_fails_before_the_commit_withdraws() {
    for kind in [Move, BackFill] {
        for step in steps(kind) {
            let withdraws = !step.is_committed() && !matches!(step, Step::Commit | Step::Withdraw | Step::End);
            let turn = next(kind, step.phase().unwrap_or(Phase::Error), step, OutcomeKind::Failed);
            assert_eq!(
                turn.ok().map(|turn| (turn.step, turn.phase)),
                withdraws.then_some((Step::Withdraw, Phase::Error))
            );
        }
    }
}

#[test]
fn after_a_restart_the_token_decides() {
    for step in Step::ALL {
        let phase = step.phase().unwrap_or(Phase::Error);
        let on = resumed(phase, step, true, true);
        assert!(on.step.is_committed(), "{step:?} goes on to {on:?}");
        let back = resumed(phase, step, false, true);
        let expected = match step {
            Step::Check => Step::Check,
            Step::Withdraw | Step::End => Step::Withdraw,
            step if step.is_committed() => step,
            _ => Step::JournalOn,
        };
        assert_eq!(back.step, expected, "{step:?}");
    }
}
