//! `pool credentials`: the S3 keys of a nanio pool. The secret one is never an argument: others would see it.

use std::fs;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use reqwest::Method;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde::Serialize;
use serde_json::Value;

use super::Fault;
use crate::adapters::cli::confirm::Consent;
use crate::adapters::cli::output::{Column, plain};
use crate::adapters::cli::resource::{Collection, body};
use crate::adapters::cli::say;
use crate::adapters::cli::session::Session;

/// No key is as long.
const MOST_BYTES: u64 = 4096;

const FIRST: &[Column] = &[("", "pool_id"), ("", "source"), ("", "access_key_masked"), ("", "region")];

#[derive(Debug, Subcommand)]
pub(super) enum CredentialsCommand {
    /// Show which keys the pool is asked with; the secret one is never shown
    Show {
        /// The pool: name or id
        pool: String,
    },
    /// Store or replace the keys; the secret one is read from a prompt, standard input or a file
    Set {
        /// The pool: name or id
        pool: String,
        #[command(flatten)]
        keys: KeyArguments,
    },
    /// Delete the keys of the pool, so that it is asked with the global ones
    Delete {
        /// The pool: name or id
        pool: String,
        #[command(flatten)]
        consent: Consent,
    },
}

#[derive(Debug, Args, Serialize)]
pub(super) struct KeyArguments {
    /// The access key
    #[arg(long, value_name = "KEY")]
    access_key: String,
    /// File that holds the secret key [default: asked for on a terminal, else standard input]
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    secret_key_file: Option<PathBuf>,
    /// The region that requests are signed for
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    /// Where the pool's S3 service is, if not at its members
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint_url: Option<String>,
}

impl CredentialsCommand {
    /// Does it.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        let (Self::Show { pool } | Self::Set { pool, .. } | Self::Delete { pool, .. }) = &self;
        let pools = Collection::pools(session);
        let pool = pools.find(pool).await?;
        let path = format!("{}/credentials", pools.at(&pool));
        let name = plain(pool["name"].as_str().unwrap_or_default());
        match self {
            Self::Show { .. } => {
                let shown = session.server.get(&path).await?;
                session.one(&shown, FIRST)?;
                if shown["source"] == "global" {
                    say(&format!(
                        "Pool {name} has no keys of its own: these are the global ones. To give it some: \
                         nanio-orchestrator pool credentials set {name} --access-key KEY"
                    ));
                }
                Ok(())
            }
            Self::Set { keys, .. } => {
                let mut keys_and_secret = body(session, &keys).await?;
                keys_and_secret["secret_key"] = Value::from(secret(keys.secret_key_file.as_deref())?);
                let stored = session.server.call(Method::PUT, &path, Some(&keys_and_secret)).await?;
                session.one(&stored, FIRST)
            }
            Self::Delete { consent, .. } => {
                let told = format!("Pool {name} is then asked with the global keys or, without any, unsigned.");
                consent.ask(&format!("Delete the S3 keys of pool {name}"), &[told])?;
                session.server.call(Method::DELETE, &path, None).await?;
                say(&format!("The S3 keys of pool {name} are deleted."));
                Ok(())
            }
        }
    }
}

/// The secret key: the first line of a file or of standard input, or what is typed unseen.
fn secret(file: Option<&Path>) -> Result<String, Fault> {
    if file.is_none() && io::stdin().is_terminal() {
        return Ok(unseen("Secret key (not shown): ")?);
    }
    let mut text = String::new();
    match file {
        Some(path) => {
            let file = fs::File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
            file.take(MOST_BYTES).read_to_string(&mut text)?
        }
        None => io::stdin().take(MOST_BYTES).read_to_string(&mut text)?,
    };
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() {
        let from = file.map_or_else(|| "standard input".to_owned(), |path| path.display().to_string());
        return Err(format!("{from} holds no secret key: it must be the first line").into());
    }
    Ok(line.to_owned())
}

/// What is typed at the terminal after a prompt, without it being shown there.
fn unseen(prompt: &str) -> io::Result<String> {
    let terminal = io::stdin();
    let before = tcgetattr(&terminal)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    // Not shown from before the prompt is there, so that nothing typed in answer to it is.
    tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
    let _ = write!(io::stderr(), "{prompt}");
    let mut line = String::new();
    let read = terminal.read_line(&mut line);
    tcsetattr(&terminal, OptionalActions::Now, &before)?;
    say("");
    read.map(|_| line.trim_end_matches(['\r', '\n']).to_owned())
}
