//! Env files as systemd itself reads them: `load_env_file` of its own library is what `EnvironmentFile=` calls.

use std::io::Write as _;
use std::process::{Command, Stdio};

use nanio_orchestrator::config::env_file::{assign, parse};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::support::child::project_program;

const CASES: usize = 2000;

/// Reads a JSON list of texts, writes a JSON list of what systemd reads from each: `NAME=value` strings.
const READER: &str = r#"
import ctypes, glob, json, os, sys, tempfile
libraries = glob.glob("/usr/lib/*/systemd/libsystemd-shared-*.so")
if not libraries:
    sys.exit("systemd is not installed: run `make setup`")
load = ctypes.CDLL(libraries[0]).load_env_file
strings = ctypes.POINTER(ctypes.c_char_p)
load.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(strings)]
answers = []
with tempfile.TemporaryDirectory() as directory:
    path = os.path.join(directory, "env")
    for text in json.load(sys.stdin):
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        found, read, index = strings(), [], 0
        code = load(None, path.encode(), ctypes.byref(found))
        if code < 0:
            sys.exit(f"load_env_file: {code} for {text!r}")
        while found and found[index] is not None:
            read.append(found[index].decode("utf-8"))
            index += 1
        answers.append(read)
json.dump(answers, sys.stdout)
"#;

fn systemd(texts: &[String]) -> Vec<Vec<String>> {
    let mut command = Command::new(project_program("python3"));
    command.args(["-c", READER]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(serde_json::to_string(texts).unwrap().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "systemd's reader failed: see above");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// `count` values of a strategy.
fn samples<T>(strategy: &impl Strategy<Value = T>) -> Vec<T> {
    let mut runner = TestRunner::default();
    (0..CASES).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// What is read of a text, a later assignment in the place of an earlier one.
fn ours(text: &str) -> Vec<String> {
    let mut all: Vec<(String, String)> = Vec::new();
    for assignment in parse(text) {
        match all.iter_mut().find(|(key, _)| *key == assignment.key) {
            Some((_, value)) => *value = assignment.value,
            None => all.push((assignment.key, assignment.value)),
        }
    }
    all.into_iter().map(|(key, value)| format!("{key}={value}")).collect()
}

#[test]
fn systemd_reads_back_every_value_that_we_write_and_all_else_as_before() {
    // No comment ends in a backslash here: systemd before 254 takes such a one to go on in the next line.
    let lines = "(A=[a-z #;='\"$]{0,6}|B='[a-z\n\"]{0,6}'|C=\"[a-z'\\\\n]{0,6}x\"|# [a-z#=]{0,6}|# NANIO_ORCHESTRATOR_API_KEY=old|\
                 NANIO_ORCHESTRATOR_API_KEY=[a-z]{0,4}|)";
    let strategy = (proptest::collection::vec(lines, 0..6), "[^\n\r\0]{0,16}|[ '\"\\\\$`#;a\t]{0,12}");
    let written: Vec<(String, String, String)> = samples(&strategy)
        .into_iter()
        .filter_map(|(lines, value)| {
            let text = lines.join("\n");
            let changed = assign(&text, "NANIO_ORCHESTRATOR_API_KEY", &value).ok()?;
            Some((text, value, changed))
        })
        .collect();
    assert!(written.len() > CASES / 2, "only {} of the files could be written", written.len());
    let texts: Vec<String> = written.iter().map(|(_, _, changed)| changed.clone()).collect();
    for ((text, value, changed), read) in written.into_iter().zip(systemd(&texts)) {
        assert!(read.contains(&format!("NANIO_ORCHESTRATOR_API_KEY={value}")), "{changed:?} reads as {read:?}");
        assert_eq!(read, ours(&changed), "{changed:?}");
        let mut before = ours(&text);
        let mut after = read;
        for list in [&mut before, &mut after] {
            list.retain(|pair| !pair.starts_with("NANIO_ORCHESTRATOR_API_KEY="));
        }
        assert_eq!(before, after, "{text:?} became {changed:?}");
    }
}
