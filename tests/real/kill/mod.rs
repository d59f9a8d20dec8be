//! SIGKILL at every step of a migration, while clients prove every answer true; and that they would notice.

mod broken;
mod held;
mod rig;

use std::collections::BTreeSet;

use rig::{Rig, token_files};

use crate::crash::written_points;

/// Points before the commit, each passed by a life of its own: whatever is done up to there is done again by the next.
const BEFORE: [&str; 18] = [
    "gate.journal-made",
    "gate.birth-noted",
    "gate.token-made",
    "gate.token-made>intent.recorded",
    "gate.token-made>move.renamed",
    // Recorded: from here on this token is the migration's.
    "gate.token-made>move.done>store.ended",
    "reload.new-workers",
    "gate.knocked",
    // Copied, and compared.
    "copier.ended",
    "copier.ended>store.ended:3",
    // A pass over what was written since.
    "copier.ended:2",
    "gate.frozen",
    "gate.frozen>gate.knocked",
    // The last keys are carried over, and compared.
    "gate.frozen>copier.ended",
    "gate.frozen>gate.proven",
    // With copiers at work: what they had sent is waited for, once, by the next that comes so far.
    "gate.frozen>copier.fed",
    "copier.fed",
    "copier.recorded",
];

/// From the commit to the plain routes, all of one migration.
const AFTER: [&str; 7] = [
    "gate.committed",
    "gate.reopened",
    "gate.opened",
    "gate.opened>intent.recorded",
    "gate.opened>move.renamed",
    "gate.opened>move.done>store.ended",
    "reload.new-workers",
];

/// What is passed once in a migration: further migrations, to and fro.
const OTHERS: [&[&str]; 2] = [
    // The second dies when it gives held writes back at its start, as nobody else did.
    &["gate.frozen", "gate.thawed", "gate.commit-lasting"],
    &["gate.opened>store.ended", "gate.removed", "gate.removed:2", "gate.removed>store.ended:2"],
];

#[test]
fn a_kill_at_any_step_of_a_migration_costs_no_client_anything_and_the_next_start_goes_on() {
    let mut rig = Rig::start(2, 200);
    for point in BEFORE.iter().chain(&AFTER) {
        rig.die_at(point);
        rig.clean_up_as_systemd();
    }
    rig.finish();
    for points in OTHERS {
        for point in points {
            rig.die_at(point);
        }
        rig.finish();
    }
    let (wrong, counts) = rig.end();
    eprintln!("{}", counts.json());
    assert!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
    assert!(counts.is_clean(true), "{}", counts.json());
    assert_eq!(token_files(&rig.moving), BTreeSet::new(), "tokens are left behind");
    let block = rig.moving.server_block();
    let served = ["photos pool-one", "photos pool-two"][rig.at];
    assert!(!block.contains("migration_id") && block.contains(served), "{block}");
}

#[test]
fn every_point_of_gate_and_copier_is_one_at_which_a_migration_is_killed() {
    let planned = BEFORE.iter().chain(&AFTER).chain(OTHERS.into_iter().flatten());
    let planned: BTreeSet<&str> = planned.filter_map(|plan| plan.rsplit('>').next()?.split(':').next()).collect();
    let written = written_points();
    let ours = written.iter().filter(|name| name.starts_with("gate.") || name.starts_with("copier."));
    let missed: Vec<&String> = ours.filter(|name| !planned.contains(name.as_str())).collect();
    assert!(missed.is_empty(), "{missed:?}: extend the lists of this file");
}
