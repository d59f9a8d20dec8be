//! Which kills there are to try, and what must hold after each.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::rig::{Rig, Seen};
use super::script::{Scene, Step, steps};

/// One kill, or one kill in the middle of a step and two more in the recovery from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Which step of the script is interrupted; `None`: the first start of all.
    step: Option<usize>,
    /// `name:N`.
    at: String,
    /// `name:N`, counted from the start of the recovery.
    again: Option<String>,
}

/// What an undisturbed run shows.
struct Run {
    step: Step,
    before: Seen,
    after: Seen,
    /// Each point passed between request and answer, with how often it had been passed.
    points: Vec<(String, usize)>,
    /// Interruptions in which something is left to be completed or reverted, and the points of that.
    recoveries: Vec<(String, Vec<(String, usize)>)>,
}

/// All that was learned from undisturbed runs.
pub struct Lesson {
    start: Vec<(String, usize)>,
    empty: Seen,
    runs: Vec<Run>,
}

/// Names with how often each had been passed, then.
fn counted(passed: Vec<String>) -> Vec<(String, usize)> {
    let mut times = BTreeMap::new();
    let count = |name: String| {
        let time = times.entry(name.clone()).or_insert(0);
        *time += 1;
        (name, *time)
    };
    passed.into_iter().map(count).collect()
}

/// Points right behind a lasting effect: files made, moved and removed, the commit, the answer. A kill at
/// another point finds the disk as one of these left it.
const LASTING: [&str; 16] = [
    "write.created",
    "write.written",
    "write.renamed",
    "mirror.linked",
    "mirror.unlinked",
    "stage.removed",
    "prepare.old-kept",
    "prepare.new-kept",
    "move.linked",
    "move.renamed",
    "move.removed",
    "forget.removed",
    "backup.proven",
    "backup.moved",
    "store.ended",
    "http.answer",
];

/// The last time that each point was passed, and the first if `both`: what lies between is more of the same.
fn edges(points: &[(String, usize)], both: bool) -> Vec<String> {
    let is_edge = |(name, time): &&(String, usize)| {
        let of_name = || points.iter().filter(|(other, _)| other == name).map(|(_, time)| *time);
        both && of_name().min() == Some(*time) || of_name().max() == Some(*time)
    };
    points.iter().filter(is_edge).map(|(name, time)| format!("{name}:{time}")).collect()
}

impl Lesson {
    /// Runs the script without a fault, one process a step, and keeps the state between the steps.
    pub fn learn(rig: &Rig) -> Self {
        rig.keep("nothing");
        let server = rig.start(None).unwrap();
        let start = counted(rig.passed());
        let mut before = rig.look();
        server.end();
        let empty = before.clone();
        rig.keep("0");
        let mut runs: Vec<Run> = Vec::new();
        for (index, step) in steps(rig.listen).into_iter().enumerate() {
            if matches!(step.scene, Scene::Edited | Scene::Reweighed) {
                rig.restore(&index.to_string(), step.scene);
                let server = rig.start(None).unwrap();
                before = rig.look();
                server.end();
            }
            rig.restore(&index.to_string(), step.scene);
            let server = rig.start(None).unwrap();
            let (status, body) = rig.take(&step).expect("an answer");
            assert!((200..300).contains(&status) && body["ok"] != json!(false), "{}: {status} {body}", step.name);
            let points = counted(rig.passed()).split_off(server.at_start);
            let after = rig.look();
            assert_eq!(rig.disagreement(&after), Vec::<String>::new(), "{}", step.name);
            server.end();
            rig.keep(&(index + 1).to_string());
            let recoveries = recoveries(rig, index, &step, &points);
            runs.push(Run { step, before, after: after.clone(), points, recoveries });
            before = after;
        }
        Self { start, empty, runs }
    }

    /// Every kill to try.
    pub fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        let start = edges(&self.start, true);
        cases.extend(start.into_iter().map(|at| Case { step: None, at, again: None }));
        for (index, run) in self.runs.iter().enumerate() {
            let step = Some(index);
            let mut points = run.points.clone();
            points.retain(|(name, _)| run.step.thorough || LASTING.contains(&name.as_str()));
            cases.extend(edges(&points, run.step.thorough).into_iter().map(|at| Case { step, at, again: None }));
            for (at, points) in &run.recoveries {
                let again = edges(points, false).into_iter().map(Some);
                cases.extend(again.map(|again| Case { step, at: at.clone(), again }));
            }
        }
        cases
    }

    /// The names of all points that were passed.
    pub fn reached(&self) -> BTreeSet<String> {
        let of_runs = self
            .runs
            .iter()
            .flat_map(|run| run.points.iter().chain(run.recoveries.iter().flat_map(|(_, points)| points)));
        self.start.iter().chain(of_runs).map(|(name, _)| name.clone()).collect()
    }

    /// Interrupts, starts again and looks; tells what is wrong.
    pub fn run(&self, rig: &Rig, case: &Case) -> Vec<String> {
        let run = case.step.map(|index| &self.runs[index]);
        let name = run.map_or("the first start", |run| run.step.name);
        let label = format!("{name}, killed at {} {}", case.at, case.again.as_deref().unwrap_or_default());
        match run {
            None => {
                rig.restore("nothing", Scene::Plain);
                assert!(rig.start(Some(&case.at)).is_err(), "{label}: not reached");
            }
            Some(run) => {
                let index = case.step.unwrap_or_default();
                rig.restore(&index.to_string(), run.step.scene);
                interrupt(rig, &run.step, &case.at, &label);
            }
        }
        if let Some(again) = &case.again {
            assert!(rig.start(Some(again)).is_err(), "{label}: not reached");
            // What is left to do may be less now, and this point no longer on the way.
            if let Ok(server) = rig.start(Some(again)) {
                server.kill();
            }
        }
        let server = match rig.start(None) {
            Ok(server) => server,
            Err(killed) => return vec![format!("{label}: {killed:?}")],
        };
        let mut wrong = Vec::new();
        let expected = match run {
            None => vec![self.empty.clone()],
            Some(run) => run.acceptable(),
        };
        check(rig, run, &expected, &mut wrong);
        server.end();
        wrong.into_iter().map(|what| format!("{label}: {what}")).collect()
    }
}

/// Sends the step's request to an orchestrator that kills itself at `at`.
fn interrupt(rig: &Rig, step: &Step, at: &str, label: &str) {
    let server = rig.start(Some(at)).unwrap_or_else(|_| panic!("{label}: killed before the request"));
    let answer = rig.take(step);
    assert_eq!(answer, None, "{label}: not reached");
    server.expect_killed(label);
}

/// Where a change of files can be interrupted so that the next start has something to do, and what it does then.
fn recoveries(rig: &Rig, index: usize, step: &Step, points: &[(String, usize)]) -> Vec<(String, Vec<(String, usize)>)> {
    let mut all = Vec::new();
    if !step.thorough || !points.iter().any(|(name, _)| name == "intent.recorded") {
        return all;
    }
    let last =
        |name: &str| points.iter().rev().find(|(other, _)| other == name).map(|(_, time)| format!("{name}:{time}"));
    // In the middle of the moves, before the commit, after the commit.
    let moved = ["move.renamed", "move.removed"].iter().find_map(|name| last(name));
    let reloads = ["/api/config/rebuild", "/api/config/rewrite-file"].contains(&step.path);
    let ended = if reloads { Some("store.ended:2".to_owned()) } else { last("store.ended") };
    for at in [moved, ended].into_iter().flatten() {
        rig.restore(&index.to_string(), step.scene);
        interrupt(rig, step, &at, step.name);
        let server = rig.start(None).unwrap();
        let mut passed: Vec<String> = rig.passed().into_iter().take(server.at_start).collect();
        server.end();
        // What runs by itself may come before or after the first request is possible: it is no part of the recovery.
        let end = passed.iter().position(|name| name == "start.recovered").unwrap();
        passed.truncate(end + 1);
        all.push((at, counted(passed)));
    }
    all
}

impl Run {
    /// What may be there after an interruption: the state before or the state after. A rebuild is two changes,
    /// the files and the reload, so there is one state between them.
    fn acceptable(&self) -> Vec<Seen> {
        let mut states = vec![self.before.clone(), self.after.clone()];
        if self.after.audit.len() > self.before.audit.len() + 1 {
            let mut between = self.after.clone();
            between.audit.pop();
            states.push(between);
        }
        states
    }
}

/// What must hold of an orchestrator that was started after a crash.
fn check(rig: &Rig, run: Option<&Run>, expected: &[Seen], wrong: &mut Vec<String>) {
    let leftovers = rig.leftovers();
    if !leftovers.is_empty() {
        wrong.push(format!("left behind: {leftovers:?}"));
    }
    // In each state that was learned, database and disk agree; so they do in one that is the same.
    let seen = rig.look();
    let Some(state) = expected.iter().position(|state| *state == seen) else {
        wrong.push(format!("neither the state before nor after: {}", difference(&expected[0], &seen)));
        return;
    };
    if !rig.nginx_accepts() {
        wrong.push("nginx -t refuses the files".to_owned());
    }
    // Further changes work: the same one, if it is not there yet, or another.
    match run {
        Some(run) if state == 0 => {
            let answer = rig.take(&run.step);
            let again = rig.look();
            if again != run.after {
                let difference = difference(&run.after, &again);
                wrong.push(format!("the change, made again, gives {answer:?} and another state: {difference}"));
            }
        }
        _ => {
            let pool = rig.ask("POST", "/api/pools", &json!({"name": "later"}));
            let id = pool.as_ref().map(|(_, body)| body["id"].clone()).unwrap_or_default();
            let member = rig.ask("POST", &format!("/api/pools/{id}/members"), &json!({"address": "127.0.0.1:11"}));
            if !matches!((&pool, &member), (Some((201, _)), Some((201, _)))) {
                wrong.push(format!("a further change is refused: {pool:?} {member:?}"));
            }
            wrong.extend(rig.disagreement(&rig.look()));
        }
    }
    let leftovers = rig.leftovers();
    if !leftovers.is_empty() {
        wrong.push(format!("left behind by a further change: {leftovers:?}"));
    }
}

fn difference(expected: &Seen, seen: &Seen) -> String {
    let paths = |seen: &Seen| -> Vec<String> { seen.disk.keys().map(|path| path.display().to_string()).collect() };
    let told = |seen: &Seen| -> Value { json!([seen.entities, seen.files, seen.audit, seen.revisions, paths(seen)]) };
    format!("expected\n  {}\nor after it, found\n  {}", told(expected), told(seen))
}
