//! A machine that is a directory.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_nanio-orchestrator");

/// What `ls -l` would tell of a file, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub user: u32,
    pub group: u32,
    pub mode: u32,
    pub changed: (i64, i64),
    pub bytes: Option<Vec<u8>>,
}

/// The machine; it goes with the test.
pub struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    /// An empty one.
    pub fn new() -> Self {
        assert!(rustix::process::geteuid().is_root(), "these tests make users and files of root's: run them as root");
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// Where a file of the machine is.
    pub fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path.trim_start_matches('/'))
    }

    /// Puts a file there.
    pub fn put(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The text of a file.
    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn has(&self, path: &str) -> bool {
        fs::symlink_metadata(self.path(path)).is_ok()
    }

    /// Runs a command of the program on this machine, with nothing of the caller's environment.
    pub fn run(&self, command: &str, flags: &[&str]) -> Output {
        let mut program = Command::new(PROGRAM);
        program.arg(command).arg("--root").arg(self.directory.path()).args(flags);
        program.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        program.current_dir(self.directory.path()).stdin(Stdio::null()).output().unwrap()
    }

    /// The same, which must go well; gives what it said on stdout and stderr.
    pub fn must(&self, command: &str, flags: &[&str]) -> (String, String) {
        let output = self.run(command, flags);
        let said = said(&output);
        assert!(output.status.success(), "{command} {flags:?}: {}\n{}{}", output.status, said.0, said.1);
        said
    }

    /// User and group of the service.
    pub fn ids(&self) -> (u32, u32) {
        let passwd = self.text("/etc/passwd");
        let line = passwd.lines().find(|line| line.starts_with("nanio-orchestrator:")).expect("the user is there");
        let fields: Vec<&str> = line.split(':').collect();
        assert_eq!(fields[6], "/usr/sbin/nologin", "{line}");
        (fields[2].parse().unwrap(), fields[3].parse().unwrap())
    }

    /// `user group mode` of a file.
    pub fn rights(&self, path: &str) -> (u32, u32, u32) {
        let metadata = fs::metadata(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777)
    }

    /// Everything that is on the machine.
    pub fn snapshot(&self) -> BTreeMap<PathBuf, Seen> {
        let mut seen = BTreeMap::new();
        let mut directories = vec![self.directory.path().to_owned()];
        while let Some(next) = directories.pop() {
            for path in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
                let metadata = fs::symlink_metadata(&path).unwrap();
                let (user, group, mode) = (metadata.uid(), metadata.gid(), metadata.mode());
                let changed = (metadata.ctime(), metadata.ctime_nsec());
                let bytes = metadata.is_file().then(|| fs::read(&path).unwrap());
                seen.insert(path.clone(), Seen { user, group, mode, changed, bytes });
                if metadata.is_dir() {
                    directories.push(path);
                }
            }
        }
        seen
    }
}

/// What a program said on stdout and on stderr.
pub fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}
