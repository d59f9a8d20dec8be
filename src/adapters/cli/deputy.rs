//! `nanio-orchestrator deputy`: as systemd starts it, with a connection as standard input and output.

use std::io::{stdin, stdout};
use std::path::PathBuf;

use clap::Args;

use crate::adapters::{deputy, privileged};

/// What `deputy` takes: where the programs and the file of its calls are. The unit names them, so that nobody else does.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct DeputyArguments {
    /// The nginx program
    #[arg(long)]
    nginx: PathBuf,
    /// nginx's main file
    #[arg(long)]
    nginx_conf: PathBuf,
    /// systemd's client
    #[arg(long)]
    systemctl: PathBuf,
}

/// Answers one request.
pub(super) fn run(arguments: &DeputyArguments) -> Result<(), Box<dyn std::error::Error>> {
    let calls = privileged::calls(&arguments.nginx, &arguments.nginx_conf, &arguments.systemctl);
    Ok(deputy::answer(&calls, stdin().lock(), stdout().lock())?)
}
