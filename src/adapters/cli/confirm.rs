//! What cannot be undone is asked about first.

use std::io::{self, IsTerminal as _, Write as _};

use clap::Args;

use super::output::plain_lines;
use super::say;

type Fault = Box<dyn std::error::Error>;

/// Whether to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub(super) struct Consent {
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl Consent {
    /// Whether somebody will be asked.
    pub fn is_asked_for(self) -> bool {
        !self.yes && io::stdin().is_terminal()
    }

    /// Tells what will happen, and goes on only if somebody says yes to it.
    pub fn ask(self, deed: &str, consequences: &[String]) -> Result<(), Fault> {
        for consequence in consequences {
            say(&plain_lines(consequence));
        }
        if self.yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            return Err(
                format!("{deed}: nobody is there to be asked (stdin is no terminal); --yes says yes to it").into()
            );
        }
        let _ = write!(io::stderr(), "{}? [y/N] ", plain_lines(deed));
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            return Ok(());
        }
        Err("nothing was changed".into())
    }
}
