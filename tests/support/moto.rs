//! An S3 server that is not nanio: moto, in memory.

use std::net::TcpStream;

use super::child::{Running, project_program};
use super::nginx::free_port;

/// A running server. It takes any credentials.
pub struct Moto {
    // Ended before its directory goes.
    _process: Running,
    pub port: u16,
    _directory: tempfile::TempDir,
}

impl Moto {
    /// Starts a server and waits until it answers.
    pub fn start() -> Self {
        let (port, directory) = (free_port(), tempfile::tempdir().unwrap());
        let mut process = Running::start(
            &project_program("moto_server"),
            |command| {
                command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).current_dir(directory.path());
            },
            &directory.path().join("log"),
        );
        process.wait_until("moto", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { _process: process, port, _directory: directory }
    }

    /// How many buckets it has.
    pub fn buckets(&self) -> usize {
        super::s3::send("GET", "/", b"", self.port).text().matches("<Bucket>").count()
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}
