//! All processes of one nginx: its master, its workers, and whoever else has its sockets. If they cannot be told for
//! sure, that is said, with what to do: a worker that is overlooked would go on with a configuration of before.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::workers::{self, Process, Status};

/// How often, and how long apart, a zombie is looked at: every worker that ends is one for a moment.
const GLANCES: u32 = 40;
const GLANCE: Duration = Duration::from_millis(5);

/// One nginx.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// Its master.
    pub master: Process,
    /// Its workers, also those that only finish what they have.
    pub workers: Vec<Process>,
}

impl Family {
    /// The nginx whose master this file names.
    ///
    /// # Errors
    /// There is none, it is not the only one, or it is in the middle of something; with what to do.
    pub fn of(pid_file: &Path) -> Result<Self, String> {
        let mut outcome = Self::look(pid_file);
        for _ in 0..GLANCES {
            match &outcome {
                Err(Trouble::Zombie(_)) => std::thread::sleep(GLANCE),
                _ => break,
            }
            outcome = Self::look(pid_file);
        }
        outcome.map_err(|trouble| trouble.told(pid_file))
    }

    fn look(pid_file: &Path) -> Result<Self, Trouble> {
        let old = old_binary(pid_file);
        if old.exists() {
            return Err(Trouble::Replaced(old));
        }
        let master = workers::master(pid_file).ok_or(Trouble::NoMaster)?;
        let all: Vec<Status> =
            workers::all().into_iter().filter_map(Status::of).filter(|status| status.name == "nginx").collect();
        let (children, others): (Vec<Status>, Vec<Status>) =
            all.into_iter().filter(|status| status.process != master).partition(|status| status.parent == master.pid);
        if let Some(zombie) = children.iter().find(|child| child.state == 'Z') {
            return Err(Trouble::Zombie(zombie.process.pid));
        }
        if let Some(other) = relative(master, &others) {
            return Err(Trouble::Another(other));
        }
        let works = |child: &Status| workers::command_line(child.process.pid).starts_with("nginx: worker process");
        Ok(Self { master, workers: children.iter().filter(|child| works(child)).map(|child| child.process).collect() })
    }
}

/// Whether this process is a worker of the nginx whose master this file names.
#[must_use]
pub fn is_worker(pid_file: &Path, pid: u32) -> bool {
    let Some(master) = workers::master(pid_file) else { return false };
    Status::of(pid).is_some_and(|status| status.parent == master.pid)
        && workers::command_line(pid).starts_with("nginx: worker process")
}

/// Why nginx's workers cannot be told.
enum Trouble {
    NoMaster,
    /// By another program: its pid file is there.
    Replaced(PathBuf),
    Zombie(u32),
    /// A process of another master, or of none, has the same port.
    Another(u32),
}

impl Trouble {
    fn told(&self, pid_file: &Path) -> String {
        match self {
            Self::NoMaster => format!(
                "nginx is not running (no master process at {}); start it, for example with: systemctl start nginx",
                pid_file.display()
            ),
            Self::Replaced(old) => format!(
                "nginx's program is being replaced: {} is there, so two masters share its ports; finish the upgrade \
                 with kill -QUIT $(cat {0}), or remove the file if no such process runs",
                old.display()
            ),
            Self::Zombie(pid) => format!(
                "process {pid} of nginx has ended and its master does not take notice: the master hangs or is stopped; \
                 look at it with: ps -o pid,ppid,stat,cmd -C nginx"
            ),
            Self::Another(pid) => format!(
                "process {pid} is an nginx with the same ports that does not belong to the master at {}; a worker left \
                 over by a master that was killed goes on with the configuration of before. Look at it with: ps -o \
                 pid,ppid,stat,cmd -C nginx, and end it with: kill -QUIT {pid}",
                pid_file.display()
            ),
        }
    }
}

fn old_binary(pid_file: &Path) -> PathBuf {
    let mut path = pid_file.as_os_str().to_owned();
    path.push(".oldbin");
    path.into()
}

/// A process that has a port of this master's and is neither it nor a child of its.
fn relative(master: Process, others: &[Status]) -> Option<u32> {
    if others.is_empty() {
        return None;
    }
    let sockets = sockets_of(master.pid).map(|own| sharing_ports(&own, &listening()));
    let masters: HashSet<u32> = others.iter().map(|other| other.process.pid).collect();
    let is_one = |other: &&Status| match (&sockets, sockets_of(other.process.pid)) {
        (Ok(sockets), Ok(theirs)) => theirs.iter().any(|inode| sockets.contains(inode)),
        // What they have open is not for us to see. A worker without a master is ours rather than anybody else's.
        _ => other.state != 'Z' && !masters.contains(&other.parent) && is_orphan(other),
    };
    others.iter().find(is_one).map(|other| other.process.pid)
}

fn is_orphan(status: &Status) -> bool {
    workers::command_line(status.process.pid).starts_with("nginx: worker process")
}

/// The inodes of the sockets that a process has open.
fn sockets_of(pid: u32) -> io::Result<HashSet<u64>> {
    let inode =
        |target: PathBuf| -> Option<u64> { target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok() };
    let entries = fs::read_dir(format!("/proc/{pid}/fd"))?;
    Ok(entries.filter_map(|entry| inode(fs::read_link(entry.ok()?.path()).ok()?)).collect())
}

/// Listening TCP sockets of this machine: port and inode (proc(5), `/proc/net/tcp`).
fn listening() -> Vec<(u16, u64)> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .flat_map(|path| fs::read_to_string(path).unwrap_or_default().lines().filter_map(listener).collect::<Vec<_>>())
        .collect()
}

fn listener(line: &str) -> Option<(u16, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let listens = *fields.get(3)? == "0A";
    let port = u16::from_str_radix(fields.get(1)?.rsplit(':').next()?, 16).ok()?;
    listens.then_some((port, fields.get(9)?.parse().ok()?))
}

/// All sockets that listen where these do.
fn sharing_ports(own: &HashSet<u64>, listening: &[(u16, u64)]) -> HashSet<u64> {
    let ports: HashSet<u16> =
        listening.iter().filter(|(_, inode)| own.contains(inode)).map(|(port, _)| *port).collect();
    listening.iter().filter(|(port, _)| ports.contains(port)).map(|(_, inode)| *inode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_socket_is_told_from_a_connection() {
        let line =
            "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0";
        assert_eq!(listener(line), Some((8080, 4711)));
        assert_eq!(listener(&line.replace(" 0A ", " 01 ")), None);
        assert_eq!(listener("  sl  local_address rem_address   st"), None);
    }

    #[test]
    fn who_listens_at_the_same_port_with_another_socket_shares_it() {
        let listening = [(80, 1), (80, 2), (443, 3), (81, 4)];
        assert_eq!(sharing_ports(&HashSet::from([1, 3]), &listening), HashSet::from([1, 2, 3]));
    }

    #[test]
    fn without_a_master_there_are_no_workers_to_tell() {
        let directory = tempfile::tempdir().unwrap();
        let pid_file = directory.path().join("nginx.pid");
        assert!(Family::of(&pid_file).unwrap_err().contains("nginx is not running"));
        // This process is none of nginx's.
        fs::write(&pid_file, std::process::id().to_string()).unwrap();
        assert!(Family::of(&pid_file).unwrap_err().contains("nginx is not running"));
        assert!(!is_worker(&pid_file, std::process::id()));
    }
}
