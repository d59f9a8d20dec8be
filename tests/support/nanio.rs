//! A real storage node: `nanio serve` on a directory of its own.

use std::net::TcpStream;
use std::path::PathBuf;

use super::child::{Running, project_program};
use super::nginx::free_port;

/// The credentials that every node of the tests takes.
pub const ACCESS_KEY: &str = "testkey";
pub const SECRET_KEY: &str = "test-secret-of-no-value";

/// A running node.
pub struct Nanio {
    // Ended before its directory goes.
    process: Running,
    pub port: u16,
    directory: tempfile::TempDir,
}

impl Nanio {
    /// Starts a node and waits until it answers.
    pub fn start() -> Self {
        let (port, directory) = (free_port(), tempfile::tempdir().unwrap());
        let data = directory.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let configure = |command: &mut std::process::Command| {
            command.args(["serve", "--host", "127.0.0.1", "--port", &port.to_string(), "--data-dir"]).arg(&data);
            command.arg("--no-access-log");
            command.env("NANIO_ACCESS_KEY", ACCESS_KEY).env("NANIO_SECRET_KEY", SECRET_KEY);
        };
        let mut process = Running::start(&project_program("nanio"), configure, &directory.path().join("log"));
        process.wait_until("nanio", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { process, port, directory }
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its process gets a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        self.process.signal(signal);
    }

    /// An object as it is on its disk.
    pub fn read(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        std::fs::read(self.data().join(bucket).join(key)).ok()
    }

    /// Puts an object where the node keeps it: faster than a request for each of thousands.
    pub fn write(&self, bucket: &str, key: &str, content: &[u8]) {
        let path = self.data().join(bucket).join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Puts an object where the node keeps it, as if it had been written so many seconds ago.
    pub fn write_ago(&self, bucket: &str, key: &str, content: &[u8], seconds: u64) {
        self.write(bucket, key, content);
        let file = std::fs::File::options().write(true).open(self.data().join(bucket).join(key)).unwrap();
        let now = file.metadata().unwrap().modified().unwrap();
        file.set_modified(now - std::time::Duration::from_secs(seconds)).unwrap();
    }

    /// Makes an empty bucket where the node keeps it.
    pub fn make(&self, bucket: &str) {
        std::fs::create_dir_all(self.data().join(bucket)).unwrap();
    }

    /// Removes a bucket with all that it holds.
    pub fn remove(&self, bucket: &str) {
        std::fs::remove_dir_all(self.data().join(bucket)).unwrap();
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The names of the buckets on its disk.
    pub fn buckets(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.data()).unwrap().map(|entry| entry.unwrap());
        let mut names: Vec<String> = entries
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        names
    }

    /// The keys of a bucket on its disk, in order.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let top = self.data().join(bucket);
        let mut keys = Vec::new();
        let mut directories = vec![top.clone()];
        while let Some(directory) = directories.pop() {
            let Ok(entries) = std::fs::read_dir(&directory) else { continue };
            for path in entries.map(|entry| entry.unwrap().path()) {
                let own = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".nanio"));
                if own {
                    continue;
                }
                if path.is_dir() {
                    directories.push(path);
                } else {
                    keys.push(path.strip_prefix(&top).unwrap().to_string_lossy().into_owned());
                }
            }
        }
        keys.sort();
        keys
    }
}
