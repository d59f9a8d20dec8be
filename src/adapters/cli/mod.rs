//! The command line. Exit status: 0 done, 1 a fault, 2 wrong usage, and that of a plan which is not empty.

mod adopt;
mod config;
mod demo;
mod drill;
mod manifest;
mod orphaned;
mod rebuild_db;
mod release;
mod restore_db;
mod serve;
mod server;
mod service_user;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use adopt::AdoptArguments;
use config::ConfigCommand;
use demo::DemoArguments;
use drill::DrillArguments;
use manifest::{ApplyArguments, ExportArguments, PlanArguments};
use orphaned::OrphanedCommand;
use rebuild_db::RebuildArguments;
use restore_db::RestoreArguments;
use serve::ServeArguments;

/// Control plane for nginx gateways in front of S3-compatible storage.
#[derive(Debug, Parser)]
#[command(name = "nanio-orchestrator", version, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server (default command)
    Serve(ServeArguments),
    /// Run everything for real: a private nginx, storage nodes, the server
    Demo(DemoArguments),
    /// Hammer a bucket through the gateway while it is migrated, and prove every answer true
    Drill(DrillArguments),
    /// Rebuild DB from disk
    RebuildDb(RebuildArguments),
    /// Put a backup in the place of the database (the server must be stopped)
    RestoreDb(RestoreArguments),
    /// What finished migrations left on their sources
    #[command(subcommand)]
    Orphaned(OrphanedCommand),
    /// End a split of reads and writes that 0.4.x left in nginx (the server must run)
    Adopt(AdoptArguments),
    /// Give writes that a migration holds back to the source (systemd: ExecStopPost)
    Release,
    /// Print the gateway as a document
    Export(ExportArguments),
    /// Show what a document would change; exit status 2 if that is anything
    Plan(PlanArguments),
    /// Make the gateway what a document says, in one change
    Apply(ApplyArguments),
    /// Show and change settings; test, reload and rebuild the configuration of nginx
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the OpenAPI document
    #[command(hide = true)]
    Openapi,
    /// Print the JSON Schema of the document that export writes
    #[command(hide = true)]
    Schema,
}

impl Arguments {
    /// Does what the arguments ask for.
    pub async fn run(self) -> ExitCode {
        let succeeded = |()| ExitCode::SUCCESS;
        let done = match self.command.unwrap_or(Command::Serve(self.serve)) {
            Command::Serve(arguments) => serve::run(arguments).await.map(succeeded),
            Command::Demo(arguments) => demo::run(arguments).await.map(succeeded),
            Command::Drill(arguments) => return drill::run(arguments).await,
            Command::RebuildDb(arguments) => rebuild_db::run(arguments).await,
            Command::RestoreDb(arguments) => restore_db::run(arguments).await.map(succeeded),
            Command::Orphaned(command) => command.run().await.map(succeeded),
            Command::Adopt(arguments) => adopt::run(arguments).await.map(succeeded),
            Command::Release => release::run().map(succeeded),
            Command::Export(arguments) => manifest::export(arguments).await,
            Command::Plan(arguments) => manifest::plan(arguments).await,
            Command::Apply(arguments) => manifest::apply(arguments).await,
            Command::Config(command) => command.run().await,
            Command::Openapi => {
                print!("{}", crate::adapters::http::openapi_document());
                Ok(ExitCode::SUCCESS)
            }
            Command::Schema => {
                manifest::schema();
                Ok(ExitCode::SUCCESS)
            }
        };
        done.unwrap_or_else(|fault| {
            say(&format!("nanio-orchestrator: {fault}"));
            ExitCode::FAILURE
        })
    }
}

/// Tells the operator something, on stderr. A stderr that is closed is no reason to fail.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Gives a line of the answer, on stdout. Nobody may be there to read it.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(std::iter::once("nanio-orchestrator").chain(arguments.iter().copied()))
    }

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn serve_is_the_default_command_and_takes_the_same_flags_with_and_without_its_name() {
        let bare = parse(&["--host", "::1", "--port", "81", "--reload"]).unwrap();
        assert!(bare.command.is_none());
        let Some(Command::Serve(named)) =
            parse(&["serve", "--host", "::1", "--port", "81", "--reload"]).unwrap().command
        else {
            panic!("serve is a command");
        };
        assert_eq!(bare.serve, named);
        assert_eq!(parse(&[]).unwrap().serve, ServeArguments::default());
    }

    #[test]
    fn wrong_usage_has_exit_status_two() {
        for arguments in [
            &["--port", "0"][..],
            &["--port", "x"],
            &["--host", "a b"],
            &["nonsense"],
            &["--port", "1", "serve"],
            &["restore-db"],
        ] {
            assert_eq!(parse(arguments).unwrap_err().exit_code(), 2, "{arguments:?}");
        }
        assert_eq!(parse(&["--version"]).unwrap_err().exit_code(), 0);
    }
}
