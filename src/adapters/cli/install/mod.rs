//! `nanio-orchestrator install`: makes of a machine with nginx one on which the service runs, as often as it is asked.
//!
//! What is wanted is a list of values (`step`), which the dry run prints; the machine is compared with each, and only
//! what differs is done. Nothing is started, no setting is changed, and nginx.conf only on request.

mod account;
mod config_env;
mod former;
mod layout;
mod machine;
mod report;
mod step;
mod sudoers;
mod tree;
mod unit;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::say;
use crate::adapters::image::Image;
use crate::app;
use former::Former;
use layout::{PACKAGE_UNITS, sources};
use report::Report;

pub(super) use layout::{HOME, Layout, UNITS, USER};
pub(super) use machine::{Finding, Machine};
pub(super) use step::{Step, Wish, plan};
pub(super) use sudoers::PATH as SUDOERS;
pub(super) use unit::{MARK, names as unit_names};

type Fault = Box<dyn std::error::Error>;

/// What `install` takes.
#[derive(Debug, Default, PartialEq, Eq, Args)]
pub struct InstallArguments {
    /// Print every step and take none
    #[arg(long)]
    dry_run: bool,
    /// The files of another machine, such as an image that is being made
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Add the two include lines to nginx.conf, after a backup and if nginx accepts them
    #[arg(long)]
    patch_nginx: bool,
    /// Called by a package: what is printed is kept in a log
    #[arg(long, hide = true)]
    from_package: bool,
    /// Write the units that a package brings, and nothing else
    #[arg(long, hide = true, conflicts_with_all = ["from_package", "patch_nginx"])]
    package_files: bool,
}

/// What `candidate` takes.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct CandidateArguments {
    /// nginx's main file
    #[arg(long)]
    nginx_conf: PathBuf,
    /// The managed directory
    #[arg(long)]
    nginx_config_dir: PathBuf,
}

/// Installs, or tells what that would be.
pub(super) async fn run(arguments: InstallArguments) -> Result<ExitCode, Fault> {
    let image = Image::at(&arguments.root).map_err(|error| format!("--root {}: {error}", arguments.root.display()))?;
    if !arguments.dry_run && !rustix::process::geteuid().is_root() {
        return Err(
            "install makes a user and files of root's: run it as root, or see what it would do with --dry-run".into()
        );
    }
    let machine = Machine { image };
    let mut report = Report::new(arguments.dry_run);
    if arguments.package_files {
        return Ok(report.through(&machine, &step::unit_files(&Layout::usual()?, Path::new(PACKAGE_UNITS))));
    }
    let layout = Layout::of(&machine.image, &std::fs::canonicalize(std::env::current_exe()?)?)?;
    let former = Former::find(&machine, &layout).await;
    let had_settings = machine.image.on_disk(&layout.env_file).exists();
    let api_key = config_env::new_api_key();
    let wish = Wish {
        api_key: api_key.clone(),
        secret: fernet::Fernet::generate_key(),
        packaged: layout.is_packaged(&machine.image),
        nginx_conf: if arguments.patch_nginx { patched(&machine.image, &layout)? } else { None },
    };
    let done = report.through(&machine, &plan(&layout, &wish)?);
    if done != ExitCode::SUCCESS {
        return Ok(done);
    }
    if arguments.dry_run {
        say("Dry run: nothing was changed.");
    } else {
        report.sum_up();
    }
    if !had_settings && !arguments.dry_run {
        report.tell_key(&api_key, arguments.from_package);
    }
    if had_settings {
        report.tell_lacks(&config_env::lacks(&sources(&machine.image)?), &layout);
    }
    report.tell_includes(app::main_file(&machine.image, &layout.nginx_conf, &layout.managed), &layout);
    report.tell_next(&former, &layout);
    Ok(ExitCode::SUCCESS)
}

/// The text of nginx.conf with the lines that it lacks, if it lacks any.
fn patched(image: &Image, layout: &Layout) -> Result<Option<String>, String> {
    let main = app::main_file(image, &layout.nginx_conf, &layout.managed)?;
    if main.missing.is_empty() {
        return Ok(None);
    }
    app::with_includes(image, &layout.nginx_conf, &main.missing).map(Some)
}

/// Brings the candidate main file up to nginx.conf: root does it at each start of the service, which may not.
pub(super) fn candidate(arguments: CandidateArguments) -> Result<(), Fault> {
    let machine = Machine { image: Image::here() };
    let step = Step::Candidate { conf: arguments.nginx_conf, managed: arguments.nginx_config_dir };
    match machine.look(&step)? {
        Finding::Right => {}
        Finding::Wanting(_) => machine.take(&step)?,
        Finding::Elsewhere(why) => say(&why),
    }
    Ok(())
}

/// Where programs of the system are looked for: root's own search path may lack those of root.
fn search_path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/usr/bin:/sbin:/bin");
    path
}
