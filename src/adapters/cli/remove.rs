//! `nanio-orchestrator remove`: takes away what `install` made. nginx's live files, the settings and the data stay, unless
//! `--purge` says otherwise; and nginx goes on with what it has loaded in any case.

use std::fs;
use std::io::{self, BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Args;

use super::install::{HOME, Layout, MARK, SUDOERS, UNITS, USER, unit_names};
use super::{print, say};
use crate::adapters::image::Image;
use crate::adapters::privileged::UNIT;

type Fault = Box<dyn std::error::Error>;

/// What `remove` takes.
#[derive(Debug, Default, PartialEq, Eq, Args)]
pub struct RemoveArguments {
    /// Also remove settings, database, backups and nginx's managed files: nothing is left to go back to
    #[arg(long)]
    purge: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Print every step and take none
    #[arg(long)]
    dry_run: bool,
    /// The files of another machine, such as an image that is being made
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Leave program and units to the package that calls this
    #[arg(long, hide = true)]
    from_package: bool,
}

/// One thing that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// The service is stopped, and not started any more.
    Stop,
    /// A file goes.
    File(PathBuf),
    /// A file goes, if it is one that `install` made.
    Own(PathBuf),
    /// A directory goes, with all that is in it.
    Directory(PathBuf),
    /// A directory goes, if nothing is left in it.
    Empty(PathBuf),
    /// The service's user goes.
    Account,
    /// systemd forgets the units.
    Forget,
}

/// What goes, in order.
fn plan(layout: &Layout, purge: bool, from_package: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    if !from_package {
        steps.push(Step::Stop);
    }
    steps.extend(unit_names().map(|name| Step::Own(Path::new(UNITS).join(name))));
    if !from_package {
        steps.push(Step::Forget);
    }
    steps.push(Step::File(SUDOERS.into()));
    steps.push(Step::File(layout.candidate()));
    steps.push(Step::Directory(Path::new(HOME).join("bin")));
    if purge {
        let env_dir = layout.env_file.parent().unwrap_or(&layout.env_file).to_owned();
        let all = [layout.managed.clone(), layout.gate.clone(), layout.data.clone(), env_dir];
        steps.extend(all.map(Step::Directory));
        steps.push(Step::Empty(HOME.into()));
        steps.push(Step::Account);
    }
    steps
}

/// Removes, or tells what that would be.
pub(super) fn run(arguments: &RemoveArguments) -> Result<ExitCode, Fault> {
    let image = Image::at(&arguments.root).map_err(|error| format!("--root {}: {error}", arguments.root.display()))?;
    let layout = Layout::of(&image, Path::new("/usr/bin/nanio-orchestrator"))?;
    if !arguments.dry_run && !rustix::process::geteuid().is_root() {
        return Err("remove takes away files of root's: run it as root, or see what would go with --dry-run".into());
    }
    let steps = plan(&layout, arguments.purge, arguments.from_package);
    if !arguments.dry_run && !arguments.yes && !confirmed(arguments.purge, &layout)? {
        say("Nothing was changed.");
        return Ok(ExitCode::FAILURE);
    }
    for step in &steps {
        let told = describe(step);
        if arguments.dry_run {
            print(&format!("  · {told}"));
        } else {
            match take(&image, step) {
                Ok(done) => print(&format!("  ✓ {told}{}", if done { "" } else { " (not there)" })),
                Err(why) => {
                    print(&format!("  ✗ {told}: {why}"));
                    return Ok(ExitCode::FAILURE);
                }
            }
        }
    }
    if arguments.dry_run {
        say("Dry run: nothing was changed.");
    } else if !arguments.purge {
        say(&format!(
            "Left: {} (nginx serves it as before), {}, {} and the user {USER}, whose files they are. `install` takes \
             them up again; `remove --purge` removes them too.",
            layout.managed.display(),
            layout.data.display(),
            layout.env_file.display()
        ));
    } else {
        say(&format!(
            "nginx serves what it has loaded until its next reload; the include lines for {} in {} can go.",
            layout.managed.display(),
            layout.nginx_conf.display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn confirmed(purge: bool, layout: &Layout) -> io::Result<bool> {
    let what = if purge {
        format!(
            "the service, its settings, its database in {} and the gateway in {}: nginx will serve none of its vhosts",
            layout.data.display(),
            layout.managed.display()
        )
    } else {
        "the service; settings, data and nginx's files stay".to_owned()
    };
    print!("This removes {what}. Go on? [y/N] ");
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn describe(step: &Step) -> String {
    match step {
        Step::Stop => format!("stop and disable {UNIT}"),
        Step::File(path) | Step::Own(path) => format!("remove {}", path.display()),
        Step::Directory(path) => format!("remove {} and all that is in it", path.display()),
        Step::Empty(path) => format!("remove {} if it is empty", path.display()),
        Step::Account => format!("remove user and group {USER}"),
        Step::Forget => "have systemd forget the units".to_owned(),
    }
}

/// Takes a step; whether there was anything to do.
fn take(image: &Image, step: &Step) -> Result<bool, String> {
    let gone = |done: io::Result<()>| match done {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.to_string()),
    };
    match step {
        Step::Stop | Step::Forget if !image.is_here() || !Path::new("/run/systemd/system").is_dir() => Ok(false),
        Step::Forget => {
            let done = Command::new("systemctl").arg("daemon-reload").output();
            done.map(|output| output.status.success()).map_err(|error| error.to_string())
        }
        // Held writes are given back by the unit's ExecStopPost.
        Step::Stop => {
            let socket = format!("{UNIT}-deputy.socket");
            let done = Command::new("systemctl").args(["disable", "--now", UNIT, &socket]).output();
            done.map(|output| output.status.success()).map_err(|error| error.to_string())
        }
        Step::File(path) => gone(fs::remove_file(image.on_disk(path))),
        Step::Own(path) => {
            let path = image.on_disk(path);
            match fs::read_to_string(&path) {
                Ok(text) if !text.starts_with(MARK) => {
                    Err(format!("{} is not what install made: remove it yourself, if it is to go", path.display()))
                }
                _ => gone(fs::remove_file(path)),
            }
        }
        Step::Directory(path) => {
            let place = image.on_disk(path);
            match fs::symlink_metadata(&place) {
                // The directory behind a link is somebody's choice, and may hold more.
                Ok(metadata) if metadata.is_symlink() => gone(fs::remove_file(place)),
                _ => gone(fs::remove_dir_all(place)),
            }
        }
        Step::Empty(path) => match fs::remove_dir(image.on_disk(path)) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
            done => gone(done),
        },
        Step::Account => {
            let had_user = forgotten(image, "userdel")?;
            // One that was there before the user, or beside another group of his, does not go with him.
            Ok(forgotten(image, "groupdel")? || had_user)
        }
    }
}

/// Has userdel(8) or groupdel(8) remove the service's name; whether there was one.
fn forgotten(image: &Image, program: &str) -> Result<bool, String> {
    let mut command = Command::new(program);
    if !image.is_here() {
        command.arg("--prefix").arg(image.root());
    }
    let output = command.arg(USER).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    match (program, output.status.code()) {
        (_, Some(0)) => Ok(true),
        // There is none; or it is the own group of somebody else, who needs it.
        (_, Some(6)) | ("groupdel", Some(8)) => Ok(false),
        _ => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_files_of_nginx_go_only_with_purge() {
        let layout = Layout::usual().unwrap();
        let touched = |purge| {
            let all = plan(&layout, purge, false);
            all.iter().map(describe).filter(|told| told.contains("/etc/nginx/nanio ")).count()
        };
        assert_eq!((touched(false), touched(true)), (0, 1));
    }

    #[test]
    fn without_purge_what_install_would_keep_is_kept() {
        let told: Vec<String> = plan(&Layout::usual().unwrap(), false, false).iter().map(describe).collect();
        assert_eq!(
            told,
            [
                "stop and disable nanio-orchestrator",
                "remove /etc/systemd/system/nanio-orchestrator.service",
                "remove /etc/systemd/system/nanio-orchestrator-deputy.socket",
                "remove /etc/systemd/system/nanio-orchestrator-deputy@.service",
                "have systemd forget the units",
                "remove /etc/sudoers.d/nanio-orchestrator",
                "remove /etc/nginx/nanio-candidate.conf",
                "remove /opt/nanio-orchestrator/bin and all that is in it",
            ]
        );
    }
}
