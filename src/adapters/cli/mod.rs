//! The command line. Its exit status is documented by [`EXIT_STATUS`], which every user can see.

mod adopt;
mod audit;
mod bucket;
mod config;
mod confirm;
mod demo;
mod deputy;
mod doctor;
mod documents;
mod drill;
mod explain;
mod follow;
mod history;
mod install;
mod manifest;
mod migration;
mod orphaned;
mod output;
mod pool;
mod rebuild_db;
mod release;
mod remove;
mod resource;
mod restore_db;
mod route;
mod serve;
mod server;
mod service_user;
mod session;
mod settings_document;
mod trust;
mod vhost;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use adopt::AdoptArguments;
use audit::AuditArguments;
use bucket::BucketArguments;
use config::ConfigCommand;
use demo::DemoArguments;
use deputy::DeputyArguments;
use doctor::DoctorArguments;
use documents::{CompletionsArguments, ManArguments};
use drill::DrillArguments;
use explain::ExplainArguments;
use history::HistoryArguments;
use install::{CandidateArguments, InstallArguments};
use manifest::{ApplyArguments, ExportArguments, PlanArguments};
use migration::MigrationArguments;
use orphaned::OrphanedCommand;
use pool::PoolArguments;
use rebuild_db::RebuildArguments;
use remove::RemoveArguments;
use restore_db::RestoreArguments;
use route::RouteArguments;
use serve::ServeArguments;
use server::Unanswered;
use vhost::VhostArguments;

use crate::domain::revision::Reason;
use crate::domain::services::publish::reason;

/// What the program is called.
const NAME: &str = "nanio-orchestrator";
/// No server answers.
const UNANSWERED: u8 = 3;
/// What scripts can rely on.
const EXIT_STATUS: &str = "\
Exit status:
  0    done
  1    a fault; or the answer is no: nginx refuses, a migration or a check has failed
  2    wrong usage (plan, --dry-run: there is something to change; drill: it could not be run)
  3    no server answers
  130  watching was ended by Ctrl-C; what was watched goes on

Answers are on stdout, everything else on stderr.";

/// Control plane for nginx gateways in front of S3-compatible storage.
#[derive(Debug, Parser)]
#[command(name = NAME, version, args_conflicts_with_subcommands = true, after_help = EXIT_STATUS)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArguments,
    /// Why you make this change: one line, at most 500 characters; `history` shows it
    #[arg(long, global = true, value_name = "TEXT", value_parser = Reason::parse)]
    reason: Option<Reason>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server (default command)
    Serve(ServeArguments),
    /// Install the service on this machine (as root; as often as you like)
    Install(InstallArguments),
    /// Remove what install made (as root); nginx's files, settings and data stay unless --purge
    Remove(RemoveArguments),
    /// Tell what is wrong with this machine, and what to do; changes nothing, and needs no server
    Doctor(DoctorArguments),
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
    /// End a split of reads and writes that 0.4.x left in nginx, through the running server
    Adopt(AdoptArguments),
    /// Where a request goes, and why: server block, route, pool, members, migration, through the running server
    Explain(ExplainArguments),
    /// Accepted changes, and how they changed nginx's files, through the running server
    History(HistoryArguments),
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
    /// Answer one request of the service for a call that needs root (systemd starts it)
    #[command(hide = true)]
    Deputy(DeputyArguments),
    /// Bring the candidate main file up to nginx.conf (systemd does it at each start)
    #[command(hide = true)]
    Candidate(CandidateArguments),
    /// Pools of storage nodes, through the running server
    Pool(PoolArguments),
    /// Vhosts of the gateway, through the running server
    Vhost(VhostArguments),
    /// Routes of a vhost to pools, through the running server
    Route(RouteArguments),
    /// Buckets of vhosts and pools, through the running server
    Bucket(BucketArguments),
    /// Moves of buckets to other pools, through the running server
    Migration(MigrationArguments),
    /// The audit log, through the running server
    Audit(AuditArguments),
    /// Print a script that completes commands in a shell
    Completions(CompletionsArguments),
    /// Write the man pages
    #[command(hide = true)]
    Man(ManArguments),
    /// Print docs/cli.md
    #[command(hide = true)]
    CliDocs,
    /// Print docs/configuration.md
    #[command(hide = true)]
    SettingsDocs,
    /// Print the OpenAPI document
    #[command(hide = true)]
    Openapi,
    /// Print the JSON Schema of the document that export writes
    #[command(hide = true)]
    Schema,
}

impl Arguments {
    /// Does what the arguments ask for.
    pub async fn run(mut self) -> ExitCode {
        let reason = self.reason.take();
        reason::during(reason, self.carry_out()).await
    }

    async fn carry_out(self) -> ExitCode {
        let succeeded = |()| ExitCode::SUCCESS;
        let done = match self.command.unwrap_or(Command::Serve(self.serve)) {
            Command::Serve(arguments) => serve::run(arguments).await.map(succeeded),
            Command::Install(arguments) => install::run(arguments).await,
            Command::Remove(arguments) => remove::run(&arguments),
            Command::Doctor(arguments) => doctor::run(arguments).await,
            Command::Deputy(arguments) => deputy::run(&arguments).map(succeeded),
            Command::Candidate(arguments) => install::candidate(arguments).map(succeeded),
            Command::Demo(arguments) => demo::run(arguments).await.map(succeeded),
            Command::Drill(arguments) => return drill::run(arguments).await,
            Command::RebuildDb(arguments) => rebuild_db::run(arguments).await,
            Command::RestoreDb(arguments) => restore_db::run(arguments).await.map(succeeded),
            Command::Orphaned(command) => command.run().await.map(succeeded),
            Command::Adopt(arguments) => adopt::run(arguments).await.map(succeeded),
            Command::Explain(arguments) => explain::run(arguments).await.map(succeeded),
            Command::History(arguments) => history::run(arguments).await,
            Command::Release => release::run().map(succeeded),
            Command::Export(arguments) => manifest::export(arguments).await,
            Command::Plan(arguments) => manifest::plan(arguments).await,
            Command::Apply(arguments) => manifest::apply(arguments).await,
            Command::Config(command) => command.run().await,
            Command::Pool(arguments) => pool::run(arguments).await.map(succeeded),
            Command::Vhost(arguments) => vhost::run(arguments).await.map(succeeded),
            Command::Route(arguments) => route::run(arguments).await.map(succeeded),
            Command::Bucket(arguments) => bucket::run(arguments).await,
            Command::Migration(arguments) => migration::run(arguments).await,
            Command::Audit(arguments) => audit::run(arguments).await.map(succeeded),
            Command::Completions(arguments) => {
                documents::completions(arguments);
                Ok(ExitCode::SUCCESS)
            }
            Command::Man(arguments) => documents::man(&arguments).map(succeeded),
            Command::CliDocs => {
                print!("{}", documents::reference());
                Ok(ExitCode::SUCCESS)
            }
            Command::SettingsDocs => {
                print!("{}", settings_document::reference());
                Ok(ExitCode::SUCCESS)
            }
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
            // What a server says may be what a node or a client has said to it.
            say(&format!("{NAME}: {}", output::plain_lines(&fault.to_string())));
            if fault.is::<Unanswered>() { ExitCode::from(UNANSWERED) } else { ExitCode::FAILURE }
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
