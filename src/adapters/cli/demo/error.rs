//! Why a demo does not run, and what to do about it.

use std::path::Path;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum DemoError {
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error(
        "{0} cannot be a demo's directory: its path holds characters that mean something to nginx. Choose another with --dir"
    )]
    Directory(String),
    #[error("{0} is damaged. Restore it, or remove the demo's directory to begin anew")]
    Kept(String),
    #[error(
        "{directory} was made for port {kept}, and its configuration names it. Leave out {flag}, or choose another directory with --dir"
    )]
    OtherPort { flag: &'static str, kept: u16, directory: String },
    #[error("{program} is not installed: {hint}")]
    Missing { program: String, hint: String },
    #[error("port {port}, for {purpose}, is not free ({source}). End what uses it, or choose another with {flag}")]
    Port { port: u16, purpose: &'static str, flag: &'static str, source: std::io::Error },
    #[error("there are not enough ports from {first} on: choose a lower --storage-port")]
    NoPortsLeft { first: u16 },
    #[error("cannot start {name}: {source}")]
    Spawn { name: String, source: std::io::Error },
    #[error("{name} has ended ({status}). Its last words, from {log}:\n  {last_words}")]
    Ended { name: String, status: String, last_words: String, log: String },
    #[error("{what} does not come up; see {log}")]
    NotUp { what: String, log: String },
    #[error("process {pid} of an earlier demo ({file}) cannot be ended: end it by hand")]
    Leftover { pid: u32, file: String },
    #[error("the server has ended: {0}")]
    Server(String),
    #[error("{call}: {answer}")]
    Api { call: String, answer: String },
    #[error("{call} through the gateway: {answer}")]
    S3 { call: String, answer: String },
}

impl DemoError {
    /// A fault with a file or directory.
    pub fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.display().to_string(), source }
    }
}
