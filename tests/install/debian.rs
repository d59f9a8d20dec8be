//! A Debian 12 with nginx, rclone, sudo and systemd, made by mmdebstrap; and the package for it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use super::place::said;
use crate::support::child::Running;

/// The program that is tested.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_nanio-orchestrator");
const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

/// What puts a command into the machine: files, processes and network of its own, and all of it goes with the command.
const INSIDE: [&str; 5] = ["--net", "--mount", "--pid", "--fork", "--kill-child"];

/// A copy of the machine; it goes with the test.
pub struct Debian {
    directory: tempfile::TempDir,
}

/// The machine that copies are taken of.
fn tree() -> &'static str {
    static TREE: OnceLock<String> = OnceLock::new();
    TREE.get_or_init(|| {
        let output = Command::new("bash").arg(Path::new(PACKAGE).join("scripts/debian-tree.sh")).output().unwrap();
        let (out, err) = said(&output);
        assert!(output.status.success(), "scripts/debian-tree.sh: {out}{err}");
        out.trim().to_owned()
    })
}

/// The package of the program in a version. The program is the one that is tested, whatever the version says.
pub fn package(version: &'static str) -> PathBuf {
    static MADE: Mutex<BTreeMap<&str, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry(version).or_insert_with(|| make_package(version)).clone()
}

fn make_package(version: &str) -> PathBuf {
    let directory = Path::new(PACKAGE).join("target/packages");
    let mut deb = Command::new("bash");
    deb.arg(Path::new(PACKAGE).join("scripts/deb.sh")).arg(PROGRAM).arg(&directory).arg(version);
    // Packed fast: it is unpacked a moment later.
    let output = deb.env("DEB_COMPRESSION", "none").output().unwrap();
    let (out, err) = said(&output);
    assert!(output.status.success(), "scripts/deb.sh: {out}{err}");
    out.trim().into()
}

impl Debian {
    pub fn new() -> Self {
        assert!(rustix::process::geteuid().is_root(), "a Debian is made and entered by root: run these tests as root");
        let directory = tempfile::tempdir_in(Path::new(PACKAGE).join("target")).unwrap();
        let copied = Command::new("cp").args(["-a", tree()]).arg(directory.path().join("tree")).status().unwrap();
        assert!(copied.success());
        // The service's user looks through it.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { directory }
    }

    fn tree(&self) -> PathBuf {
        self.directory.path().join("tree")
    }

    /// Where a file of the machine is.
    pub fn path(&self, path: &str) -> PathBuf {
        self.tree().join(path.trim_start_matches('/'))
    }

    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn rights(&self, path: &str) -> (u32, u32, u32) {
        let metadata = fs::metadata(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777)
    }

    /// Brings a package in.
    pub fn bring(&self, package: &Path) -> String {
        let name = format!("/root/{}", package.file_name().unwrap().to_str().unwrap());
        fs::copy(package, self.path(&name)).unwrap();
        name
    }

    fn command(&self, commands: &str) -> Command {
        let mut command = Command::new("unshare");
        command.args(INSIDE).arg(format!("--root={}", self.tree().display())).arg("--mount-proc");
        command.args(["/bin/sh", "-euc", &format!("ip link set lo up\n{commands}")]);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("DEBIAN_FRONTEND", "noninteractive");
        command.stdin(Stdio::null());
        command
    }

    /// Runs a shell on the machine, as root.
    pub fn run(&self, commands: &str) -> Output {
        self.command(commands).output().unwrap()
    }

    /// The same, which must go well; gives stdout.
    pub fn must(&self, commands: &str) -> String {
        let output = self.run(commands);
        let (out, err) = said(&output);
        assert!(output.status.success(), "{commands}\n{}\n{out}{err}", output.status);
        out
    }

    /// Runs a shell that goes on until it is told to end by the end of what is given back.
    pub fn start(&self, commands: &str, log: &Path) -> Running {
        let template = self.command(commands);
        let configure = |command: &mut Command| {
            command.args(template.get_args()).env_clear();
            command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        };
        Running::start(Path::new("/usr/bin/unshare"), configure, log)
    }

    /// Who hears what the service tells its manager.
    pub fn manager(&self, path: &str) -> Manager {
        let place = self.path(path);
        let socket = UnixDatagram::bind(&place).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o666)).unwrap();
        let (words, heard) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 256];
            while let Ok(length) = socket.recv(&mut bytes) {
                if words.send(String::from_utf8_lossy(&bytes[..length]).into_owned()).is_err() {
                    break;
                }
            }
        });
        Manager { heard }
    }
}

/// A stand-in for systemd.
pub struct Manager {
    heard: mpsc::Receiver<String>,
}

impl Manager {
    /// The next word that is told.
    pub fn hear(&self) -> String {
        self.heard.recv_timeout(Duration::from_secs(60)).expect("the service says something within a minute")
    }
}
