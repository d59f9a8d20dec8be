//! nginx's processes, read from `/proc`: the only proof that a reload was applied.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it was started, in clock ticks since the machine was (proc(5), `starttime`).
    pub started: u64,
}

/// What a reload of ours proved, kept beside the files so that a restart of ours does not lose it.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Proof {
    /// Who was told.
    pub master: Process,
    /// The hashes of the files that it runs, by path.
    pub files: HashMap<String, String>,
}

/// The master process that a pid file names, if it runs and is an nginx.
#[must_use]
pub fn master(pid_file: &Path) -> Option<Process> {
    let pid = fs::read_to_string(pid_file).ok()?.trim().parse().ok()?;
    let (_, started) = stat(pid)?;
    command_line(pid).starts_with("nginx: master").then_some(Process { pid, started })
}

/// The workers of a master that accept connections; those that are shutting down are left out.
#[must_use]
pub fn serving(master: Process) -> Vec<Process> {
    all()
        .into_iter()
        .filter_map(|pid| {
            let (parent, started) = stat(pid)?;
            let serves = parent == master.pid && command_line(pid).trim_end() == "nginx: worker process";
            serves.then_some(Process { pid, started })
        })
        .collect()
}

/// What the kernel says of a process.
pub(super) struct Status {
    pub name: String,
    /// `Z` is a zombie.
    pub state: char,
    pub parent: u32,
    pub process: Process,
}

impl Status {
    pub fn of(pid: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold blanks and parentheses of its own.
        let (name, rest) = text.split_once('(')?.1.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let process = Process { pid, started: fields.get(19)?.parse().ok()? };
        let (state, parent) = (fields.first()?.chars().next()?, fields.get(1)?.parse().ok()?);
        Some(Self { name: name.to_owned(), state, parent, process })
    }
}

/// Parent and start time of a process.
fn stat(pid: u32) -> Option<(u32, u64)> {
    let status = Status::of(pid)?;
    Some((status.parent, status.process.started))
}

/// The numbers of all processes.
pub(super) fn all() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

pub(super) fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}
