//! What is made of the definition of the command line: completions, man pages, and docs/cli.md.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Arg, Args, Command, CommandFactory, Id};
use clap_complete::Shell;

use super::{Arguments, NAME, say};

type Fault = Box<dyn std::error::Error>;

/// What the program is called within its completions for bash.
const BASH_NAME: &str = "nanio_orchestrator";

/// What `completions` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub(super) struct CompletionsArguments {
    /// The shell that is to complete
    shell: Shell,
}

/// What `man` takes.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct ManArguments {
    /// Where the pages are written, one for each command
    directory: PathBuf,
}

/// Prints a script for a shell.
pub(super) fn completions(arguments: CompletionsArguments) {
    let generate = |name: &str| {
        let mut script = Vec::new();
        clap_complete::generate(arguments.shell, &mut Arguments::command(), name, &mut script);
        String::from_utf8_lossy(&script).trim_end().to_owned()
    };
    // The generator for bash loses commands below a name with a hyphen: it takes what it puts in the hyphen's place for
    // what it puts between a command and the next. The name matters only where the script is registered.
    let script = match arguments.shell {
        Shell::Bash => generate(BASH_NAME).replace(&format!(" {BASH_NAME}\n"), &format!(" {NAME}\n")),
        _ => generate(NAME),
    };
    super::print(&script);
}

/// Writes all man pages.
pub(super) fn man(arguments: &ManArguments) -> Result<(), Fault> {
    let directory = &arguments.directory;
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), directory))
        .map_err(|error| format!("{}: {error}", directory.display()))?;
    say(&format!("The pages are in {}: man -l {0}/{NAME}.1", directory.display()));
    Ok(())
}

/// The text of docs/cli.md.
pub(super) fn reference() -> String {
    let mut command = Arguments::command();
    command.build();
    let mut text = format!(
        "# Command line\n\nMade by `make cli-docs` from the program's own definition; `{NAME} <command> --help` says the same.\n"
    );
    describe(&mut text, &mut command, NAME, &[]);
    text
}

/// A section on a command, then on those below it. What holds for all of these is told once, above them.
fn describe(text: &mut String, command: &mut Command, name: &str, told_above: &[Id]) {
    let mut line = |parts: std::fmt::Arguments<'_>| {
        // A string takes everything.
        let _ = text.write_fmt(parts);
    };
    line(format_args!("\n## {name}\n\n"));
    if let Some(about) = command.get_about() {
        line(format_args!("{about}.\n\n"));
    }
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").lines().map(str::trim).collect::<Vec<_>>().join("\n");
    line(format_args!("```\n{usage}\n```\n"));
    let arguments =
        command.get_arguments().filter(|argument| is_told(argument) && !told_above.contains(argument.get_id()));
    let arguments: Vec<&Arg> = arguments.collect();
    let for_all =
        arguments.iter().filter(|argument| argument.is_global_set()).map(|argument| argument.get_id().clone());
    let told_above: Vec<Id> = told_above.iter().cloned().chain(for_all).collect();
    if !arguments.is_empty() {
        line(format_args!("\n"));
    }
    for argument in arguments {
        line(format_args!("- `{}`: {}\n", spelling(argument), meaning(argument)));
    }
    if let Some(more) = command.get_after_help() {
        line(format_args!("\n```\n{more}\n```\n"));
    }
    for below in command.get_subcommands_mut().filter(|below| !below.is_hide_set() && below.get_name() != "help") {
        let name = format!("{name} {}", below.get_name());
        describe(text, below, &name, &told_above);
    }
}

fn is_told(argument: &Arg) -> bool {
    !matches!(argument.get_id().as_str(), "help" | "version") && !argument.is_hide_set()
}

fn spelling(argument: &Arg) -> String {
    let values = argument.get_value_names().unwrap_or_default().iter().map(|name| format!("<{name}>"));
    let values = values.collect::<Vec<_>>().join(" ");
    let aliases = argument.get_visible_aliases().unwrap_or_default();
    let long = argument.get_long().into_iter().chain(aliases).map(|long| format!("--{long}"));
    let mut flags: Vec<String> =
        argument.get_short().map(|short| format!("-{short}")).into_iter().chain(long).collect();
    if flags.is_empty() {
        return values;
    }
    if argument.get_action().takes_values()
        && let Some(last) = flags.last_mut()
    {
        let _ = write!(last, " {values}");
    }
    flags.join(", ")
}

fn meaning(argument: &Arg) -> String {
    let mut told = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let takes_values = argument.get_action().takes_values();
    let possible = argument.get_possible_values();
    if takes_values && !possible.is_empty() && !argument.is_hide_possible_values_set() {
        let names: Vec<String> = possible.iter().map(|value| format!("`{}`", value.get_name())).collect();
        let _ = write!(told, " ({})", names.join(", "));
    }
    let defaults: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if takes_values && !defaults.is_empty() {
        let _ = write!(told, " [default: {}]", defaults.join(" "));
    }
    told
}
