//! Which copiers run, on disk: for the life after this one.
//!
//! A record is an empty file whose name says everything, so it is there as a whole or not at all: number and start time
//! of the process, and the boot of the machine that both count from. A number alone may be anybody's by now.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::time::{Instant, sleep};

use crate::adapters::processes::birth;

/// How long a copier may take to end when it is asked to, and the kernel when it is told to.
pub(super) const GRACE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// The records beside one database.
#[derive(Debug, Clone)]
pub(super) struct Records {
    directory: PathBuf,
}

/// The record of a process that is not known to have ended.
#[derive(Debug)]
pub(super) struct Record {
    path: PathBuf,
}

impl Record {
    /// The process has ended.
    pub fn close(self) {
        // One that stays names a process that is gone: the next start finds nothing to end.
        let _ = fs::remove_file(self.path);
    }
}

impl Records {
    pub fn at(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Writes down a process, durably.
    pub fn open(&self, pid: u32) -> io::Result<Record> {
        let born = birth(pid).ok_or_else(|| io::Error::other("the process has ended already"))?;
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let path = self.directory.join(format!("{pid}.{born}.{}", boot()?));
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?.sync_all()?;
        File::open(&self.directory)?.sync_all()?;
        Ok(Record { path })
    }

    /// Ends every process that is written down and still runs, and waits until it is gone. Returns how many are
    /// written down: of those that are gone already nobody has seen the end either.
    pub async fn end_all(&self) -> io::Result<usize> {
        let (all, boot) = (self.all()?, boot()?);
        for (_, pid, born, of_boot) in &all {
            if *of_boot == boot && birth(*pid) == Some(*born) {
                end(*pid, *born).await?;
            }
        }
        Ok(all.len())
    }

    /// Forgets every process that is written down and does not run.
    pub async fn forget_all(&self) -> io::Result<()> {
        let boot = boot()?;
        for (path, pid, born, of_boot) in self.all()? {
            if of_boot == boot && birth(pid) == Some(born) {
                continue;
            }
            match fs::remove_file(&path) {
                // Whoever started it has waited for it at the same moment.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        Ok(())
    }

    /// What is written down: where, number, start time and boot. What has another name is not ours.
    fn all(&self) -> io::Result<Vec<(PathBuf, u32, u64, String)>> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut all = Vec::new();
        for entry in entries {
            let path = entry?.path();
            all.extend(read(&path).map(|(pid, born, boot)| (path, pid, born, boot)));
        }
        Ok(all)
    }
}

async fn end(pid: u32, born: u64) -> io::Result<()> {
    let group = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("no such number"))?;
    // First in a way that lets it abort the uploads that it began.
    for signal in [Signal::TERM, Signal::KILL] {
        let _ = kill_process_group(group, signal);
        let deadline = Instant::now() + GRACE;
        while birth(pid) == Some(born) && Instant::now() < deadline {
            sleep(POLL).await;
        }
        if birth(pid) != Some(born) {
            return Ok(());
        }
    }
    Err(io::Error::other(format!("process {pid} does not end, not even by SIGKILL: look at what it waits for")))
}

fn read(path: &Path) -> Option<(u32, u64, String)> {
    let name = path.file_name()?.to_str()?;
    let mut parts = name.splitn(3, '.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.to_owned()))
}

fn boot() -> io::Result<String> {
    Ok(fs::read_to_string(BOOT)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, Command};

    use super::*;

    struct Bed {
        directory: tempfile::TempDir,
    }

    impl Bed {
        fn new() -> Self {
            Self { directory: tempfile::tempdir().unwrap() }
        }

        fn records(&self) -> Records {
            Records::at(self.directory.path().join("copiers"))
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(self.directory.path().join("copiers")).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }
    }

    fn process(script: &str) -> Child {
        Command::new("sh").args(["-c", script]).process_group(0).spawn().unwrap()
    }

    #[tokio::test]
    async fn f45_a_process_of_an_earlier_life_is_ended_and_waited_for() {
        let bed = Bed::new();
        let mut left = process("exec sleep 600");
        bed.records().open(left.id()).unwrap();
        assert_eq!(bed.names().len(), 1);
        assert_eq!(bed.records().end_all().await.unwrap(), 1);
        assert!(!left.wait().unwrap().success());
        // It is known until somebody has made use of that.
        assert_eq!(bed.records().end_all().await.unwrap(), 1);
        bed.records().forget_all().await.unwrap();
        assert_eq!((bed.names(), bed.records().end_all().await.unwrap()), (vec![], 0));
    }

    #[tokio::test]
    async fn a_process_that_only_has_the_same_number_is_left_alone() {
        let bed = Bed::new();
        let mut other = process("exec sleep 600");
        drop(bed.records().open(other.id()).unwrap());
        let path = bed.directory.path().join("copiers").join(&bed.names()[0]);
        let born = birth(other.id()).unwrap();
        for name in
            [format!("{}.{}.{}", other.id(), born + 1, boot().unwrap()), format!("{}.{born}.another-boot", other.id())]
        {
            fs::rename(&path, path.with_file_name(&name)).unwrap();
            assert_eq!(bed.records().end_all().await.unwrap(), 1, "{name}");
            bed.records().forget_all().await.unwrap();
            assert_eq!(bed.names(), Vec::<String>::new(), "{name}");
            assert!(other.try_wait().unwrap().is_none(), "{name}");
            fs::write(&path, "").unwrap();
        }
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[tokio::test]
    async fn what_is_no_record_stays_and_no_directory_is_no_record() {
        let bed = Bed::new();
        assert_eq!(bed.records().end_all().await.unwrap(), 0);
        fs::create_dir(bed.directory.path().join("copiers")).unwrap();
        fs::write(bed.directory.path().join("copiers/notes.txt"), "").unwrap();
        bed.records().forget_all().await.unwrap();
        assert_eq!((bed.records().end_all().await.unwrap(), bed.names()), (0, vec!["notes.txt".to_owned()]));
    }
}
