//! A real S3 server that takes any key: `moto_server`, in memory.

use std::net::TcpStream;

use super::child::{Running, project_program};
use super::nginx::free_port;

/// A running server. It takes any credentials.
pub struct Moto {
    // Ended before the directory of its log goes.
    _process: Running,
    pub port: u16,
    _directory: tempfile::TempDir,
}

impl Moto {
    /// Starts a server and waits until it answers.
    pub fn start() -> Self {
        let (port, directory) = (free_port(), tempfile::tempdir().unwrap());
        let configure = |command: &mut std::process::Command| {
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        };
        let log = directory.path().join("log");
        let mut process = Running::start(&project_program("moto_server"), configure, &log);
        process.wait_until("moto", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { _process: process, port, _directory: directory }
    }
}
