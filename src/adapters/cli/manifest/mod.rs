//! `export`, `plan` and `apply`: the gateway as a document, by the server that is named, by that which runs on this data or,
//! if there is none, directly.

mod means;
pub(super) mod show;

use std::io::{BufRead as _, IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::session::ServerArguments;
use super::{print, say};
use crate::adapters::http::manifest_schema;
use means::{Document, Means};

type Fault = Box<dyn std::error::Error>;

/// What the gateway is to be.
const AIM: &str = "what the document says";
/// Exit status of a plan that is not empty. It is that of wrong usage, too, as with `terraform plan -detailed-exitcode`.
const DIFFERENT: u8 = 2;

/// What `export` takes.
#[derive(Debug, PartialEq, Eq, Args)]
pub(super) struct ExportArguments {
    /// How the document is written
    #[arg(long, default_value = "yaml")]
    format: Format,
    #[command(flatten)]
    server: ServerArguments,
}

/// What `plan` takes.
#[derive(Debug, PartialEq, Eq, Args)]
pub(super) struct PlanArguments {
    #[command(flatten)]
    document: DocumentArguments,
}

/// What `apply` takes.
#[derive(Debug, PartialEq, Eq, Args)]
pub(super) struct ApplyArguments {
    #[command(flatten)]
    document: DocumentArguments,
    /// Do not ask, on a terminal, before anything is changed
    #[arg(long)]
    yes: bool,
    /// Only show what would be done, as plan does
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, PartialEq, Eq, Args)]
struct DocumentArguments {
    /// The document, in YAML or JSON; -: from stdin
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Remove what the document does not name
    #[arg(long)]
    prune: bool,
    /// Leave out what would lead buckets away from their objects
    #[arg(long)]
    partial: bool,
    /// The state that the document was planned for; another one is an error
    #[arg(long, value_name = "STATE")]
    expect: Option<String>,
    /// How the answer is written
    #[arg(short, long, default_value = "text")]
    output: Output,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Yaml,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Prints the gateway.
pub(super) async fn export(arguments: ExportArguments) -> Result<ExitCode, Fault> {
    let text = Means::find(&arguments.server)?.export(arguments.format == Format::Json).await?;
    print(text.trim_end());
    Ok(ExitCode::SUCCESS)
}

/// Prints what a document would change.
pub(super) async fn plan(arguments: PlanArguments) -> Result<ExitCode, Fault> {
    let (output, means) = (arguments.document.output, Means::find(&arguments.document.server)?);
    let plan = means.plan(&arguments.document.read()?).await?;
    Ok(shown(&plan, output))
}

/// Makes the gateway what a document says.
pub(super) async fn apply(arguments: ApplyArguments) -> Result<ExitCode, Fault> {
    let (output, means) = (arguments.document.output, Means::find(&arguments.document.server)?);
    let mut document = arguments.document.read()?;
    if arguments.dry_run {
        return Ok(shown(&means.plan(&document).await?, output));
    }
    let asks = !arguments.yes && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if asks {
        let plan = means.plan(&document).await?;
        if plan["changed"] == true {
            say(&show::plan(&plan, AIM));
            if !confirmed()? {
                say("Nothing was changed");
                return Ok(ExitCode::FAILURE);
            }
        }
        // What is applied is what was shown.
        document.expect = plan["state"].as_str().map(str::to_owned);
    }
    let applied = means.apply(&document).await?;
    match output {
        Output::Json => print(&format!("{applied:#}")),
        Output::Text => print(show::applied(&applied).trim_end()),
    }
    if applied["changed"] == true {
        say("Next: nanio-orchestrator config reload");
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the JSON Schema of the document.
pub(super) fn schema() {
    print(manifest_schema().trim_end());
}

/// Prints a plan; what that means for a script is the exit status.
fn shown(plan: &Value, output: Output) -> ExitCode {
    match output {
        Output::Json => print(&format!("{plan:#}")),
        Output::Text => print(show::plan(plan, AIM).trim_end()),
    }
    verdict(plan)
}

/// What a plan means for a script.
pub(super) fn verdict(plan: &Value) -> ExitCode {
    if plan["nginx"]["ok"] == false {
        ExitCode::FAILURE
    } else if plan["changed"] == true || plan["needs_migration"].as_array().is_some_and(|held| !held.is_empty()) {
        ExitCode::from(DIFFERENT)
    } else {
        ExitCode::SUCCESS
    }
}

fn confirmed() -> Result<bool, Fault> {
    say("Apply this? Type yes:");
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

impl DocumentArguments {
    fn read(self) -> Result<Document, Fault> {
        let mut text = String::new();
        if self.file.as_os_str() == "-" {
            std::io::stdin().lock().read_to_string(&mut text)?;
        } else {
            let file = self.file.display();
            text = std::fs::read_to_string(&self.file).map_err(|error| format!("{file}: {error}"))?;
        }
        let json = text.trim_start().starts_with('{');
        Ok(Document { text, json, prune: self.prune, partial: self.partial, expect: self.expect })
    }
}
