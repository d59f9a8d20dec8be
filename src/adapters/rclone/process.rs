//! One rclone at work, from its first byte to its last, and never a moment longer than the program that wants it.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::record::{GRACE, Record, Records};
use crate::fault::point;

/// Waits on its standard input until the process is written down, and becomes rclone then. If we die before, it reads the
/// end of the input instead, and ends.
const WAIT_THEN_RUN: &str = r#"read -r word && [ "$word" = go ] && exec "$@""#;

/// What is to be run.
pub(super) struct Call {
    pub program: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(OsString, OsString)>,
}

type Order = (Command, Handle, oneshot::Sender<io::Result<Child>>);

/// Starts processes that the kernel kills when we die.
///
/// Its death signal follows the thread that forked. So that thread must live as long as we do; a thread of the async
/// runtime gives no such promise.
#[derive(Default)]
pub(super) struct Spawner {
    orders: Mutex<Option<mpsc::Sender<Order>>>,
}

impl Spawner {
    async fn spawn(&self, command: Command) -> io::Result<Child> {
        let (answer, answered) = oneshot::channel();
        self.orders()?.send((command, Handle::current(), answer)).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    fn orders(&self) -> io::Result<mpsc::Sender<Order>> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(orders) = &*orders {
            return Ok(orders.clone());
        }
        let (sender, receiver) = mpsc::channel::<Order>();
        std::thread::Builder::new().name("copier-spawner".to_owned()).spawn(move || {
            for (mut command, runtime, answer) in receiver {
                let _runtime = runtime.enter();
                // If nobody waits for it any more, it is dropped, and so killed.
                let _ = answer.send(command.spawn());
            }
        })?;
        *orders = Some(sender.clone());
        Ok(sender)
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that starts copiers has ended")
}

/// A process that is written down and waits to become rclone. Dropped, it is killed.
pub(super) struct Running {
    child: Child,
    record: Record,
}

impl Running {
    /// Starts it and writes it down. It does nothing before it is [fed](feed).
    pub async fn start(spawner: &Spawner, records: &Records, call: Call) -> io::Result<Self> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "/bin/sh", "-c", WAIT_THEN_RUN, "sh"]);
        command.arg(call.program).args(call.arguments);
        command.env_clear().envs(call.environment).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = spawner.spawn(command).await?;
        let (pid, records) = (child.id().ok_or_else(gone)?, records.clone());
        let record = tokio::task::spawn_blocking(move || records.open(pid)).await.map_err(io::Error::other)??;
        point("copier.recorded");
        Ok(Self { child, record })
    }

    /// Both ends of the talk with it; to be taken once.
    pub fn talk(&mut self) -> io::Result<(ChildStdin, tokio::process::ChildStderr)> {
        self.child.stdin.take().zip(self.child.stderr.take()).ok_or_else(gone)
    }

    /// Waits until it has ended by itself.
    pub async fn ended(mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.record.close();
        point("copier.ended");
        Ok(status)
    }

    /// Ends it, with everything that it may have started, and waits until it is gone.
    pub async fn end(mut self) -> io::Result<()> {
        // First in a way that lets it abort the uploads that it began.
        for signal in [Signal::TERM, Signal::KILL] {
            // A process that was waited for has no number any more.
            if let Some(group) = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw) {
                let _ = kill_process_group(group, signal);
            }
            if let Ok(ended) = timeout(GRACE, self.child.wait()).await {
                ended?;
                self.record.close();
                return Ok(());
            }
        }
        Err(io::Error::other("the copier does not end, not even by SIGKILL"))
    }
}

/// Lets it become rclone; when it may go on, gives it keys or rules, one a line. Without a line rclone copies nothing.
pub(super) async fn feed(mut input: ChildStdin, may_go: impl Future<Output = bool>, lines: &[&str]) {
    // A copier that takes no more has ended, and says why elsewhere.
    if input.write_all(b"go\n").await.is_err() || !may_go.await {
        return;
    }
    for chunk in lines.chunks(1000) {
        let text: String = chunk.iter().flat_map(|line| [line, "\n"]).collect();
        if input.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
    point("copier.fed");
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;
    use crate::adapters::processes::birth;

    fn call(marker: &std::path::Path) -> Call {
        let script = format!("echo ran > {}; exec sleep 600", marker.display());
        Call { program: "/bin/sh".into(), arguments: vec!["-c".to_owned(), script], environment: Vec::new() }
    }

    #[tokio::test]
    async fn what_was_never_let_go_never_runs() {
        let directory = tempfile::tempdir().unwrap();
        let (marker, records) = (directory.path().join("ran"), Records::at(directory.path().join("copiers")));
        let mut running = Running::start(&Spawner::default(), &records, call(&marker)).await.unwrap();
        // As when we are killed in this moment, and the kernel closes the pipe.
        drop(running.talk().unwrap());
        assert!(!running.ended().await.unwrap().success());
        assert!(!marker.exists());
    }

    /// As when we are killed: no destructor ends the process, only the kernel does, and the record stays.
    #[tokio::test]
    async fn f45_the_kernel_ends_it_when_the_thread_that_started_it_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let (marker, records) = (directory.path().join("ran"), Records::at(directory.path().join("copiers")));
        let spawner = Spawner::default();
        let mut running = Running::start(&spawner, &records, call(&marker)).await.unwrap();
        let (input, _output) = running.talk().unwrap();
        feed(input, ready(true), &[]).await;
        let pid = running.child.id().unwrap();
        while !marker.exists() {
            tokio::task::yield_now().await;
        }
        assert!(birth(pid).is_some());
        drop(spawner);
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&running.child.wait().await.unwrap()), Some(9));
        assert_eq!(std::fs::read_dir(directory.path().join("copiers")).unwrap().count(), 1);
        assert_eq!(records.end_all().await.unwrap(), 1);
        records.forget_all().await.unwrap();
        assert_eq!(std::fs::read_dir(directory.path().join("copiers")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn what_does_not_want_to_end_is_killed() {
        let directory = tempfile::tempdir().unwrap();
        let (marker, records) = (directory.path().join("ran"), Records::at(directory.path().join("copiers")));
        let spawner = Spawner::default();
        let script = format!("trap '' TERM; echo ran > {}; while :; do sleep 600; done", marker.display());
        let call = Call { arguments: vec!["-c".to_owned(), script], ..call(&marker) };
        let mut running = Running::start(&spawner, &records, call).await.unwrap();
        let (input, _output) = running.talk().unwrap();
        feed(input, ready(true), &[]).await;
        let pid = running.child.id().unwrap();
        while !marker.exists() {
            tokio::task::yield_now().await;
        }
        running.end().await.unwrap();
        assert_eq!(birth(pid), None);
    }
}
