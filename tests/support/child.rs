//! Programs that end with the test that started them, however it ends.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::nginx::wait_until;

/// A running program. Dropped with a failing test it is killed; should the test itself be killed, the kernel
/// does it.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a program; what it says goes to `log`.
    pub fn start(program: &Path, configure: impl FnOnce(&mut Command), log: &Path) -> Self {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program).env_clear().env("PATH", path());
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        configure(&mut command);
        let child = command.spawn().expect("setpriv must be installed: run `make setup`");
        Self { child, log: log.to_owned() }
    }

    /// Waits until the program is `ready`; fails with its last words if it ends instead.
    pub fn wait_until(&mut self, what: &str, ready: impl Fn() -> bool) {
        assert!(self.comes(what, ready), "{what} has ended: {}", self.said());
    }

    /// Waits until the program is `ready` or has ended; whether it has not ended.
    pub fn comes(&mut self, what: &str, ready: impl Fn() -> bool) -> bool {
        let child = RefCell::new(&mut self.child);
        let ended = || child.borrow_mut().try_wait().unwrap().is_some();
        wait_until(what, || ready() || ended());
        !ended()
    }

    /// Everything that it said.
    pub fn said(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// How it ended, if it has.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Sends a signal and waits for the end.
    pub fn end(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.said());
        }
    }
}

/// A program of the project's `.venv`, or from PATH.
pub fn project_program(name: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin").join(name);
    if own.is_file() {
        return own;
    }
    let all = std::env::split_paths(&path()).map(|directory| directory.join(name)).find(|file| file.is_file());
    all.unwrap_or_else(|| panic!("{name} is not installed: run `make setup`"))
}

/// The search path, with the directory that Debian keeps nginx in.
pub fn path() -> std::ffi::OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin");
    path
}
