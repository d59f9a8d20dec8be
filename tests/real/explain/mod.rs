//! What `explain` says is what nginx does: generated requests, hostile ones most of them, over raw sockets.
//!
//! `NANIO_EXPLAIN_CASES` and `NANIO_EXPLAIN_SEED` try more, and others.

mod ground;
mod requests;

use std::collections::BTreeMap;

use nanio_orchestrator::adapters::nginx::snippet::directive_names;
use nanio_orchestrator::domain::explain::{Explanation, Lookups, Request, Verdict, arrive, explain};
use nanio_orchestrator::domain::gateway::Protocol;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use self::ground::{DECISION, Ground, Observed};

/// How many requests are tried.
const CASES: u64 = 2_000;

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().unwrap())
}

fn explained(ground: &Ground, request: &Request) -> Explanation {
    let protocol = |id| ground.servers.iter().find(|server| server.id == id).unwrap().protocol;
    let arrival = match arrive(&ground.listeners(), request, |reader| protocol(reader) == Protocol::Http) {
        Ok(arrival) => arrival,
        Err(explanation) => return *explanation,
    };
    let server = ground.servers.iter().find(|server| server.id == arrival.chosen.vhost).unwrap();
    let state = |token: &_| ground.states[token];
    let directives = |text: &nanio_orchestrator::domain::vhost::Snippet| directive_names(text.as_str());
    explain(server, request, &arrival, &Lookups { state: &state, directives: &directives })
}

/// What nginx must be seen to do if an explanation is true.
fn expected(explanation: &Explanation) -> Observed {
    let (answer, asked) = match &explanation.verdict {
        Verdict::Pool(pool) => (pool.to_string(), 0),
        Verdict::Answer { status, code } => (format!("{status} {}", code.unwrap_or_default()).trim().to_owned(), 0),
        // What the gate of this test says; a pool that is none of the move's is never asked.
        Verdict::Gate { source, destination } if [source, destination].iter().any(|pool| pool.as_str() == DECISION) => {
            (DECISION.to_owned(), 1)
        }
        Verdict::Gate { .. } => ("503 SlowDown".to_owned(), 1),
        Verdict::NoConnection => ("nothing".to_owned(), 0),
    };
    Observed { answer, asked }
}

#[test]
fn an_explanation_is_what_nginx_does() {
    let (cases, seed) = (number("NANIO_EXPLAIN_CASES", CASES), number("NANIO_EXPLAIN_SEED", 0));
    let ground = Ground::start();
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let strategy = requests::requests(&ground);
    let (mut seen, mut uncertain, mut differences) = (BTreeMap::<String, usize>::new(), 0, Vec::new());
    for _ in 0..cases {
        let request = strategy.new_tree(&mut runner).unwrap().current();
        let (explanation, mut observed) = (explained(&ground, &request), ground.observe(&request));
        let doubted = explanation.uncertain.iter().any(|doubt| doubt.contains("extra directives"));
        let mut expected = expected(&explanation);
        if request.method == b"HEAD" {
            // No body, so no code.
            for one in [&mut expected, &mut observed] {
                if one.answer.starts_with(|c: char| c.is_ascii_digit()) {
                    one.answer.truncate(3);
                }
            }
        }
        *seen.entry(observed.answer.clone()).or_default() += 1;
        if doubted {
            uncertain += 1;
        } else if observed != expected {
            differences.push(format!(
                "{}\n  nginx: {observed:?}\n  explained: {expected:?}\n  {:#?}",
                shown(&request),
                explanation.why
            ));
        }
    }
    println!(
        "explain: {cases} generated requests (seed {seed}), {} differences, {uncertain} uncertain: {seen:?}",
        differences.len()
    );
    assert!(
        differences.is_empty(),
        "{} differences, the first of them:\n{}",
        differences.len(),
        differences[..differences.len().min(12)].join("\n")
    );
    for answer in [
        "alpha",
        "beta",
        "web-a",
        "web-b",
        "301",
        "400",
        "400 InvalidURI",
        "403",
        "404",
        "404 NoSuchBucket",
        "405",
        "414",
        "501 NotImplemented",
        "503 SlowDown",
    ] {
        assert!(cases < CASES || seen.contains_key(answer), "{answer} was never seen");
    }
    assert!(uncertain * 10 < cases, "{uncertain} of {cases} are uncertain");
}

fn shown(request: &Request) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let target = text(&request.target);
    let target = if target.len() > 300 { format!("{}… ({} bytes)", &target[..80], target.len()) } else { target };
    format!(
        "{} {target} host {:?} copy {:?} port {}",
        text(&request.method),
        request.host.as_deref().map(text),
        text(&request.copy_source),
        request.port
    )
}
