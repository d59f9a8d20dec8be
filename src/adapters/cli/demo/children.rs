//! Child processes that do not outlive the demo: ended in order when it ends, by the kernel when it is
//! killed, and at the next start if even that failed.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::DemoError;
use crate::adapters::processes::birth;

const POLL: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(5);

/// A program to run.
#[derive(Debug)]
pub(super) struct Program {
    /// Its short name: of its pid file and its log.
    pub name: String,
    /// What to execute.
    pub path: PathBuf,
    /// Its arguments. They show in `ps`: no secrets.
    pub arguments: Vec<String>,
    /// Variables that are added to the environment.
    pub environment: Vec<(&'static str, String)>,
}

/// The running children.
pub(super) struct Children {
    spawner: mpsc::Sender<Order>,
    setpriv: PathBuf,
    run: PathBuf,
    logs: PathBuf,
    all: Vec<(String, Child)>,
}

type Order = (Command, mpsc::SyncSender<io::Result<Child>>);

impl Children {
    /// Ends what an earlier demo in this directory left running, then is ready to start children.
    pub async fn new(setpriv: PathBuf, run: PathBuf, logs: PathBuf) -> Result<Self, DemoError> {
        end_leftovers(&run).await?;
        let (spawner, orders) = mpsc::channel::<Order>();
        // The kernel's death signal follows the thread that forked, so that thread must live as long as
        // the children are wanted; a thread of the async runtime gives no such promise.
        let thread = std::thread::Builder::new().name("spawner".to_owned());
        let spawn_all = move || {
            for (mut command, answer) in orders {
                let _ = answer.send(command.spawn());
            }
        };
        thread.spawn(spawn_all).map_err(|e| DemoError::Spawn { name: "a thread".to_owned(), source: e })?;
        Ok(Self { spawner, setpriv, run, logs, all: Vec::new() })
    }

    /// Starts a program. It gets SIGTERM when the demo dies, and no signal of the terminal before.
    pub fn start(&mut self, program: Program) -> Result<u32, DemoError> {
        let name = program.name;
        let child = self.spawn(&name, &program.path, &program.arguments, program.environment);
        let child = child.map_err(|source| DemoError::Spawn { name: name.clone(), source })?;
        let pid = child.id();
        let pid_file = self.pid_file(&name);
        // Noted first: whatever fails next, it is ended with the others.
        self.all.push((name, child));
        if let Some(born) = birth(pid) {
            std::fs::write(&pid_file, format!("{pid} {born}\n")).map_err(|e| DemoError::file(&pid_file, e))?;
        }
        Ok(pid)
    }

    fn spawn(
        &self,
        name: &str,
        path: &Path,
        arguments: &[String],
        environment: Vec<(&'static str, String)>,
    ) -> io::Result<Child> {
        let log = self.log(name);
        let out = OpenOptions::new().create(true).append(true).mode(0o600).open(&log)?;
        let mut command = Command::new(&self.setpriv);
        command.args(["--pdeathsig", "TERM", "--"]).arg(path).args(arguments).envs(environment);
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).process_group(0);
        let (answer, answered) = mpsc::sync_channel(1);
        let gone = || io::Error::other("the thread that starts children has ended");
        self.spawner.send((command, answer)).map_err(|_| gone())?;
        answered.recv().map_err(|_| gone())?
    }

    /// Where a child's words go.
    pub fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }

    fn pid_file(&self, name: &str) -> PathBuf {
        self.run.join(format!("{name}.pid"))
    }

    /// The first child that has ended by itself, as an error that quotes its last words.
    pub fn check(&mut self) -> Result<(), DemoError> {
        for (name, child) in &mut self.all {
            if let Ok(Some(status)) = child.try_wait() {
                let log = self.logs.join(format!("{name}.log"));
                return Err(DemoError::Ended {
                    name: name.clone(),
                    status: status.to_string(),
                    last_words: last_lines(&log, 5),
                    log: log.display().to_string(),
                });
            }
        }
        Ok(())
    }

    /// Ends all children, the youngest first: politely, then not.
    pub async fn stop(&mut self) {
        while let Some((name, mut child)) = self.all.pop() {
            let pid_file = self.pid_file(&name);
            // A child that was waited for has no pid any more that could be signalled.
            if matches!(child.try_wait(), Ok(None)) {
                let _ = kill_process(Pid::from_child(&child), Signal::TERM);
                if !within(PATIENCE, || !matches!(child.try_wait(), Ok(None))).await {
                    let _ = child.kill();
                    let _ = child.wait();
                }
            }
            let _ = std::fs::remove_file(pid_file);
        }
    }
}

/// Whether `done` became true in time.
pub(super) async fn within(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        if done() {
            return true;
        }
        if tokio::time::Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn end_leftovers(run: &Path) -> Result<(), DemoError> {
    let entries = std::fs::read_dir(run).map_err(|e| DemoError::file(run, e))?;
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.extension().is_none_or(|extension| extension != "pid") {
            continue;
        }
        if let Some((pid, born)) = read_pid_file(&path) {
            // The pid alone could be anybody's by now; pid and birth together are one process.
            let alive = || birth(pid) == Some(born);
            for signal in [Signal::TERM, Signal::KILL] {
                if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw)
                    && alive()
                {
                    let _ = kill_process(pid, signal);
                    within(PATIENCE, || !alive()).await;
                }
            }
            if alive() {
                return Err(DemoError::Leftover { pid, file: path.display().to_string() });
            }
        }
        std::fs::remove_file(&path).map_err(|e| DemoError::file(&path, e))?;
    }
    Ok(())
}

fn read_pid_file(path: &Path) -> Option<(u32, u64)> {
    let text = std::fs::read_to_string(path).ok()?;
    let (pid, born) = text.trim().split_once(' ')?;
    Some((pid.parse().ok()?, born.parse().ok()?))
}

/// The last lines of a log, for a message.
pub(super) fn last_lines(path: &Path, count: usize) -> String {
    let text = std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bed {
        directory: tempfile::TempDir,
    }

    impl Bed {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            std::fs::create_dir(directory.path().join("run")).unwrap();
            std::fs::create_dir(directory.path().join("logs")).unwrap();
            Self { directory }
        }

        fn run(&self) -> PathBuf {
            self.directory.path().join("run")
        }

        async fn children(&self) -> Children {
            Children::new("setpriv".into(), self.run(), self.directory.path().join("logs")).await.unwrap()
        }
    }

    fn shell(name: &str, script: &str) -> Program {
        Program {
            name: name.to_owned(),
            path: "sh".into(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            environment: vec![("GREETING", "hello".to_owned())],
        }
    }

    #[tokio::test]
    async fn children_run_with_their_environment_and_end_with_stop() {
        let bed = Bed::new();
        let mut children = bed.children().await;
        let pid = children.start(shell("one", "echo $GREETING; exec sleep 600")).unwrap();
        let log = children.log("one");
        assert!(within(PATIENCE, || std::fs::read_to_string(&log).is_ok_and(|text| text == "hello\n")).await);
        assert!(children.check().is_ok());
        assert!(bed.run().join("one.pid").exists());
        children.stop().await;
        assert_eq!(birth(pid), None);
        assert!(!bed.run().join("one.pid").exists());
    }

    #[tokio::test]
    async fn a_child_that_ends_by_itself_is_named_with_its_last_words() {
        let bed = Bed::new();
        let mut children = bed.children().await;
        children.start(shell("one", "echo something is wrong >&2; exit 3")).unwrap();
        let mut error = None;
        assert!(
            within(PATIENCE, || {
                error = children.check().err();
                error.is_some()
            })
            .await
        );
        let error = error.map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains("one") && error.contains('3') && error.contains("something is wrong"), "{error}");
        children.stop().await;
    }

    #[tokio::test]
    async fn what_an_earlier_run_left_is_ended_at_the_next_start() {
        let bed = Bed::new();
        let mut left = Command::new("sleep").arg("600").spawn().unwrap();
        let born = birth(left.id()).unwrap();
        std::fs::write(bed.run().join("left.pid"), format!("{} {born}\n", left.id())).unwrap();
        bed.children().await;
        assert!(!left.wait().unwrap().success());
        assert!(!bed.run().join("left.pid").exists());
    }

    #[tokio::test]
    async fn a_process_that_only_has_the_same_number_is_left_alone() {
        let bed = Bed::new();
        let mut other = Command::new("sleep").arg("600").spawn().unwrap();
        let born = birth(other.id()).unwrap();
        std::fs::write(bed.run().join("left.pid"), format!("{} {}\n", other.id(), born + 1)).unwrap();
        std::fs::write(bed.run().join("torn.pid"), "12").unwrap();
        bed.children().await;
        assert!(other.try_wait().unwrap().is_none());
        assert!(!bed.run().join("left.pid").exists() && !bed.run().join("torn.pid").exists());
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[tokio::test]
    async fn children_end_when_the_thread_that_started_them_does() {
        let bed = Bed::new();
        let mut children = bed.children().await;
        children.start(shell("one", "echo up; exec sleep 600")).unwrap();
        let log = children.log("one");
        assert!(within(PATIENCE, || std::fs::read_to_string(&log).is_ok_and(|text| text == "up\n")).await);
        let mut child = children.all.remove(0).1;
        // As when the process is killed: no destructor ends the child, only the kernel does.
        drop(children);
        assert!(within(PATIENCE, || !matches!(child.try_wait(), Ok(None))).await);
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let bed = Bed::new();
        let children = Children::new("/nowhere/setpriv".into(), bed.run(), bed.directory.path().join("logs")).await;
        let error = children.unwrap().start(shell("one", "true")).unwrap_err().to_string();
        assert!(error.contains("one"), "{error}");
    }
}
