//! The command line that talks to a running server, as its users see it: answers, words, exit status.

mod answers;
mod buckets;
mod documents;
mod double;
mod elsewhere;
mod faults;
mod follow;
mod history;
mod members;
mod pools;
mod product;
mod tls;
mod troubleshooting;
mod vhosts;

use std::process::{Command, Output};

use serde_json::Value;

use crate::process::Server;
use crate::process::place::Place;

/// A server in dry-run mode, and commands with its settings.
pub struct Desk {
    pub place: Place,
    // Ended before its directory goes.
    pub server: Option<Server>,
}

impl Desk {
    pub fn open() -> Self {
        let place = Place::new();
        let server = Some(place.start(place.serve()));
        Self { place, server }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.command();
        command.args(arguments);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command that must succeed answers, and what it tells beside that.
    #[track_caller]
    pub fn told(&self, arguments: &[&str]) -> (String, String) {
        let output = self.run(arguments);
        let (answer, told) = (stdout(&output), stderr(&output));
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {answer}{told}");
        (answer, told)
    }

    /// The answer alone.
    #[track_caller]
    pub fn says(&self, arguments: &[&str]) -> String {
        self.told(arguments).0
    }

    /// The answer as a program reads it.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.says(&[arguments, &["-o", "json"]].concat())).unwrap()
    }

    /// What a command says that must fail with this exit status. Nothing is on stdout then.
    #[track_caller]
    pub fn fails(&self, arguments: &[&str], status: i32) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}{}", stdout(&output), stderr(&output));
        assert_eq!(stdout(&output), "", "{arguments:?}");
        stderr(&output)
    }

    /// Two pools with a member each, and a vhost whose default pool is the first.
    pub fn furnished() -> Self {
        let desk = Self::open();
        for (pool, address) in [("old", "127.0.0.1:9"), ("new", "127.0.0.1:19")] {
            desk.says(&["pool", "create", "--name", pool]);
            desk.says(&["pool", "member", "add", pool, "--address", address]);
        }
        desk.says(&[
            "vhost",
            "create",
            "--server-name",
            "s3.test",
            "--ssl",
            "false",
            "--listen-port",
            "8081",
            "--default-pool-id",
            "old",
        ]);
        desk
    }
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The words of each line, without the blanks that align them.
pub fn words(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split_whitespace().collect()).collect()
}

/// A command at a terminal of its own, at which `typed` is typed when `prompt` stands there: exit status, and all that
/// was shown.
pub fn at_terminal(command: &Command, prompt: &str, typed: &str) -> (i32, String) {
    at_terminal_after(command, prompt, || {}, typed)
}

/// The same, with something that happens before somebody types.
pub fn at_terminal_after(command: &Command, prompt: &str, meanwhile: impl FnOnce(), typed: &str) -> (i32, String) {
    use std::io::{Read as _, Write as _};
    use std::process::Stdio;
    let quoted = |text: &std::ffi::OsStr| format!("'{}'", text.to_string_lossy().replace('\'', "'\\''"));
    let line: Vec<String> = std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect();
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--echo", "never", "--command", &line.join(" "), "/dev/null"]);
    script.env_clear().env("TERM", "xterm").env("SHELL", "/bin/sh");
    for (name, value) in command.get_envs() {
        script.env(name, value.unwrap_or_default());
    }
    if let Some(directory) = command.get_current_dir() {
        script.current_dir(directory);
    }
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut shown, mut bytes) = (Vec::new(), [0; 1024]);
    while !String::from_utf8_lossy(&shown).contains(prompt) {
        let count = screen.read(&mut bytes).unwrap();
        assert_ne!(count, 0, "{prompt} did not come: {}", String::from_utf8_lossy(&shown));
        shown.extend_from_slice(&bytes[..count]);
    }
    meanwhile();
    keyboard.write_all(typed.as_bytes()).unwrap();
    screen.read_to_end(&mut shown).unwrap();
    (child.wait().unwrap().code().unwrap(), String::from_utf8_lossy(&shown).into_owned())
}
