//! `nanio-orchestrator doctor`: what is wrong with this machine, and what to do. It changes nothing, and needs no server.

mod checks;
mod gather;
mod program;
mod service;
mod survey;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{print, say};
use checks::{Answer, Verdict, judge};

type Fault = Box<dyn std::error::Error>;

/// How the answers are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// What `doctor` takes.
#[derive(Debug, Default, PartialEq, Eq, Args)]
pub struct DoctorArguments {
    /// How the answers are printed
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Looks, and tells; exit status 1 if anything does not work.
pub(super) async fn run(arguments: DoctorArguments) -> Result<ExitCode, Fault> {
    let answers = judge(&gather::survey().await?);
    let faults = answers.iter().filter(|answer| answer.verdict == Verdict::Fault).count();
    match arguments.output {
        Output::Json => print(&serde_json::to_string_pretty(&serde_json::json!({
            "ok": faults == 0,
            "checks": answers,
        }))?),
        Output::Text => {
            answers.iter().flat_map(lines).for_each(|line| print(&line));
            say(&match faults {
                0 => "No fault was found.".to_owned(),
                1 => "1 fault was found.".to_owned(),
                faults => format!("{faults} faults were found."),
            });
        }
    }
    Ok(if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn lines(answer: &Answer) -> Vec<String> {
    let sign = match answer.verdict {
        Verdict::Good => '✓',
        Verdict::Warning => '!',
        Verdict::Fault => '✗',
    };
    let mut lines = vec![format!("  {sign} {:<14} {}", answer.check, answer.detail)];
    lines.extend(answer.remedy.as_ref().map(|remedy| format!("    {:<14} → {remedy}", "")));
    lines
}
