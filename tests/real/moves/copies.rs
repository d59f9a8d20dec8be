//! Copies name two buckets, and either may be on the move.

use nanio_orchestrator::domain::gateway::Protocol;
use nanio_orchestrator::domain::migration::token::{GateStage, TokenState};

use super::{Rig, by_default, moving, routed, vhost};
use crate::support::http::Request;

fn copy(source: &str, to: &str) -> Request {
    Request::put(format!("/{to}/k"), "").header("x-amz-copy-source", source)
}

#[test]
fn a_copy_is_never_read_where_the_bucket_was() {
    let server = routed(by_default(vhost(1, "localhost", Protocol::S3), "src"), "/there/", "dst", None);
    let gated = [moving(1, "bkt", GateStage::Gated, &[]), moving(2, "bkt2", GateStage::Gated, &[])];
    let rig = Rig::with(vec![server], &gated);
    rig.gate.decide(Some("dst"));
    let not_here = "501 NotImplemented";
    let later = "503 SlowDown";
    // From, to, and what comes of it while both are at the source, while bkt is held, and once it is switched.
    for (from, to, before, held, after) in [
        ("bkt/j", "other", "src", "src", not_here),
        ("/bkt/j?versionId=1", "other", "src", "src", not_here),
        ("%2Fbkt%2Fj", "other", "src", "src", not_here),
        ("bkt/j", "there", not_here, not_here, not_here),
        ("bkt/j", "bkt", "src", "dst", "dst"),
        ("other/j", "bkt", "src", later, not_here),
        ("there/j", "bkt", not_here, not_here, not_here),
        ("bkt/j", "bkt2", later, later, later),
        ("bkt2/j", "bkt", later, later, later),
        ("bkt2/j", "bkt2", "src", "src", "src"),
        ("bktx/j", "other", "src", "src", "src"),
        ("other/j", "other", "src", "src", "src"),
    ] {
        for (state, expected) in [(TokenState::Source, before), (TokenState::Held, held), (TokenState::Open, after)] {
            rig.say(1, state);
            assert_eq!(rig.served(&copy(from, to)), expected, "{from} to {to} when {state:?}");
        }
    }
}

#[test]
fn a_copy_that_is_told_to_wait_leaves_nothing_under_way() {
    let server = by_default(vhost(1, "localhost", Protocol::S3), "src");
    let rig =
        Rig::with(vec![server], &[moving(1, "bkt", GateStage::Gated, &[]), moving(2, "bkt2", GateStage::Gated, &[])]);
    rig.say(1, TokenState::Held);
    assert_eq!(rig.served(&copy("other/j", "bkt")), "503 SlowDown");
    let lines = rig.journal(1, 2);
    assert_eq!((&lines[1]["e"], &lines[1]["to"], &lines[1]["us"]), (&"end".into(), &"gate".into(), &"".into()));
    assert_eq!(rig.served(&copy("bkt2/j", "bkt")), "503 SlowDown");
    rig.journal(1, 2);
}
