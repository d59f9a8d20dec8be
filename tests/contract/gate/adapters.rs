//! How each adapter is set up.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nanio_orchestrator::adapters::fake::gate::FakeGate;
use nanio_orchestrator::adapters::gate::{GateDirectory, GateOptions, GateServer};
use nanio_orchestrator::adapters::nginx::running::RunningNginx;
use nanio_orchestrator::domain::migration::token::Token;
use nanio_orchestrator::ports::gate::{Gate, GateError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use crate::support::nginx::{PrivateNginx, free_port};

pub struct Rig {
    pub gate: Arc<dyn Gate>,
    under: Under,
}

enum Under {
    Memory(Arc<FakeGate>),
    Disk(Mutex<Disk>),
}

/// A gate directory beside a running nginx.
pub struct Disk {
    pub gate: Arc<GateDirectory>,
    pub nginx: PrivateNginx,
    pub port: u16,
    server: Option<GateServer>,
    asking: Vec<JoinHandle<String>>,
}

impl Disk {
    pub async fn new() -> Self {
        let (mut nginx, port) = (PrivateNginx::new(), free_port());
        listening(&nginx, port, "");
        nginx.start();
        let gate = gate(&nginx).await;
        Self { gate, nginx, port, server: None, asking: Vec::new() }
    }

    pub fn directory(&self) -> PathBuf {
        self.nginx.dir.path().join("gate")
    }

    pub fn file(&self, token: &Token, kind: &str) -> PathBuf {
        self.directory().join(format!("{token}.{kind}"))
    }

    /// Has nginx open the journal.
    pub fn journal(&mut self, token: &Token) {
        let journal = self.file(token, "journal");
        listening(&self.nginx, self.port, &format!("access_log {} journal;", journal.display()));
        self.nginx.stop();
        self.nginx.start();
    }

    /// A token whose journal nginx has open.
    pub async fn journaled(&mut self) -> Token {
        let token = self.gate.create().await.unwrap();
        self.journal(&token);
        token
    }

    /// What nginx says when it cannot write the journal.
    pub fn complain(&self, token: &Token) {
        let text = format!(
            "2026/11/27 09:00:00 [alert] 7#7: *1 write() to \"{}\" failed (28: No space left on device)\n",
            self.file(token, "journal").display()
        );
        append(&self.nginx.dir.path().join("error.log"), text.as_bytes());
    }

    /// As after a restart of ours.
    pub async fn reborn(&mut self) {
        self.server = None;
        self.gate = gate(&self.nginx).await;
    }

    pub fn serve(&mut self) {
        self.server = Some(self.gate.serve().unwrap());
    }
}

/// nginx.conf with one server that logs as the journal is logged.
fn listening(nginx: &PrivateNginx, port: u16, lines: &str) {
    nginx.write_conf(&format!(
        "log_format journal escape=json '{{\"u\":\"$request_uri\"}}';\n    \
         server {{ listen 127.0.0.1:{port}; server_name s3.example; {lines} location / {{ return 403; }} }}"
    ));
}

async fn gate(nginx: &PrivateNginx) -> Arc<GateDirectory> {
    let running = RunningNginx::new(&nginx.managed(), nginx.command()).await.unwrap();
    Arc::new(GateDirectory::new(options(&nginx.dir.path().join("gate")), running))
}

/// Little room, and no waiting for what nginx does not say.
pub fn options(directory: &Path) -> GateOptions {
    let mut options = GateOptions::at(directory.to_owned());
    (options.fleeting, options.room, options.quiet) = (true, 1 << 20, Duration::ZERO);
    options
}

pub fn append(path: &Path, bytes: &[u8]) {
    fs::OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

/// Asks a socket of the gate's, as nginx does; gives the whole answer.
pub async fn ask(socket: PathBuf, request: Vec<u8>) -> String {
    let mut stream = UnixStream::connect(&socket).await.unwrap();
    stream.write_all(&request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// What nginx asks the gate for a write.
pub fn question(token: &Token, id: &str, more: &str) -> Vec<u8> {
    format!("GET /gate/{token} HTTP/1.0\r\nHost: gate\r\nConnection: close\r\nX-Request-Id: {id}\r\n{more}\r\n")
        .into_bytes()
}

pub async fn memory() -> Rig {
    let gate = Arc::new(FakeGate::default());
    Rig { gate: gate.clone(), under: Under::Memory(gate) }
}

pub async fn on_disk() -> Rig {
    let disk = Disk::new().await;
    Rig { gate: disk.gate.clone(), under: Under::Disk(Mutex::new(disk)) }
}

impl Rig {
    pub fn append(&self, token: &Token, line: &[u8]) {
        match &self.under {
            Under::Memory(gate) => gate.append(token, line),
            Under::Disk(disk) => append(&disk.lock().unwrap().file(token, "journal"), &[line, b"\n"].concat()),
        }
    }

    /// A token whose journal is written by nginx.
    pub async fn journaled(&self) -> Token {
        let token = self.gate.create().await.unwrap();
        if let Under::Disk(disk) = &self.under {
            disk.lock().unwrap().journal(&token);
        }
        token
    }

    pub fn spoil(&self, token: &Token) {
        match &self.under {
            Under::Memory(gate) => gate.spoil(token, "a test"),
            Under::Disk(disk) => disk.lock().unwrap().complain(token),
        }
    }

    /// Takes the token's files away, but for the journal.
    pub fn lose(&self, token: &Token) {
        match &self.under {
            Under::Memory(gate) => gate.lose(token),
            Under::Disk(disk) => fs::remove_file(disk.lock().unwrap().file(token, "switched")).unwrap(),
        }
    }

    pub fn end_nginx(&self) {
        match &self.under {
            Under::Memory(gate) => gate.set_workers(Err(GateError::Fault("no nginx".to_owned()))),
            Under::Disk(disk) => disk.lock().unwrap().nginx.stop(),
        }
    }

    /// A request comes to the gate, and waits there.
    pub async fn arrive(&self, token: &Token, id: &str) {
        match &self.under {
            Under::Memory(gate) => gate.arrive(token, id),
            Under::Disk(disk) => {
                let mut disk = disk.lock().unwrap();
                if disk.server.is_none() {
                    disk.serve();
                }
                let asking = tokio::spawn(ask(disk.directory().join("gate.sock"), question(token, id, "")));
                disk.asking.push(asking);
            }
        }
        while !self.gate.arrived(token).contains(id) {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until those that waited have gone.
    pub async fn let_through(&self) {
        if let Under::Disk(disk) = &self.under {
            let asking = std::mem::take(&mut disk.lock().unwrap().asking);
            for answer in asking {
                assert!(answer.await.unwrap().contains("x-target: old"));
            }
        }
    }
}
