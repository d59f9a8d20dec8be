//! The machine that is installed to: how far it is from what a step wants, and the step itself.
//!
//! A step may be taken twice. Files appear whole or not at all; one that was there and says something else is kept
//! beside the new one.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown, lchown};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::step::{Rights, Step, TextFile, Trial, Who};
use super::tree::{Ids, files_of_others};
use crate::adapters::image::Image;
use crate::adapters::privileged::UNIT;
use crate::app;

/// What a file is called whose place another one took.
pub const BEFORE: &str = ".before-install";
/// What a file is called until it is whole and tried. sudo and systemd pass over names with this end.
const NEW: &str = ".nanio-new";

/// Whether a step is to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// All is as it should be.
    Right,
    /// What is not.
    Wanting(String),
    /// It cannot be done on this machine, and need not be.
    Elsewhere(String),
}

/// The machine.
#[derive(Debug)]
pub struct Machine {
    /// Its files.
    pub image: Image,
}

impl Machine {
    /// How far the machine is from what a step wants. Changes nothing.
    ///
    /// # Errors
    /// It cannot be told, or nothing must be done as things are.
    pub fn look(&self, step: &Step) -> Result<Finding, String> {
        match step {
            Step::Account => Ok(match self.ids() {
                Ok(_) => Finding::Right,
                Err(missing) => Finding::Wanting(missing),
            }),
            Step::Program { from, to } => self.look_at_program(from, to),
            Step::Directory { path, rights, whole } => self.look_at_directory(path, *rights, *whole),
            Step::File(file) => self.look_at_file(file),
            Step::Candidate { conf, managed } => self.look_at_candidate(conf, managed),
            Step::Aside { path, since } => Ok(match self.image.on_disk(path).symlink_metadata() {
                Ok(_) => Finding::Wanting((*since).to_owned()),
                Err(_) => Finding::Right,
            }),
            Step::ManagerReload if !self.has_systemd() => {
                Ok(Finding::Elsewhere("no systemd runs here; one that starts reads them by itself".to_owned()))
            }
            Step::ManagerReload => Ok(match self.manager_is_behind() {
                true => Finding::Wanting("it has read others".to_owned()),
                false => Finding::Right,
            }),
        }
    }

    /// Takes a step that is wanted.
    ///
    /// # Errors
    /// Why not. What was there is there.
    pub fn take(&self, step: &Step) -> Result<(), String> {
        match step {
            Step::Account => self.make_account(),
            Step::Program { from, to } => {
                let bytes = fs::read(from).map_err(|error| told("read", from, &error))?;
                self.put(to, &bytes, Some(Rights { user: Who::Root, group: Who::Root, mode: 0o755 }), Trial::None)
            }
            Step::Directory { path, rights, whole } => self.make_directory(path, *rights, *whole),
            Step::File(file) => self.make_file(file),
            Step::Candidate { conf, managed } => {
                let main = app::main_file(&self.image, conf, managed)?;
                let rights = Rights { user: Who::Root, group: Who::Root, mode: 0o644 };
                self.put(&main.candidate_path, main.candidate.as_bytes(), Some(rights), Trial::None)
            }
            Step::Aside { path, .. } => {
                let path = self.image.on_disk(path);
                fs::rename(&path, with_end(&path, BEFORE)).map_err(|error| told("rename", &path, &error))
            }
            Step::ManagerReload => self.run("systemctl", &["daemon-reload"]),
        }
    }

    /// Whether systemd runs the machine.
    pub fn has_systemd(&self) -> bool {
        self.image.is_here() && Path::new("/run/systemd/system").is_dir()
    }

    /// A program of the machine, called on it.
    pub fn command(&self, program: &str) -> Command {
        if self.image.is_here() {
            return Command::new(program);
        }
        let mut command = Command::new("chroot");
        command.arg(self.image.root()).arg(program);
        command
    }

    /// Calls a program of the machine.
    ///
    /// # Errors
    /// It cannot be called, or ends with a fault; in its own words.
    pub fn run(&self, program: &str, words: &[&str]) -> Result<(), String> {
        ended(self.command(program).args(words), program)
    }

    fn manager_is_behind(&self) -> bool {
        let show = [UNIT, "-p", "NeedDaemonReload", "-p", "LoadState"];
        let output = self.command("systemctl").arg("show").args(show).output();
        output.map_or(true, |output| {
            let text = String::from_utf8_lossy(&output.stdout);
            text.contains("NeedDaemonReload=yes") || !text.contains("LoadState=loaded")
        })
    }

    fn look_at_program(&self, from: &Path, to: &Path) -> Result<Finding, String> {
        let present = fs::read(self.image.on_disk(to)).ok();
        let Some(present) = present else { return Ok(Finding::Wanting("is not there".to_owned())) };
        let wanted = fs::read(from).map_err(|error| told("read", from, &error))?;
        Ok(if present == wanted { Finding::Right } else { Finding::Wanting("is another version".to_owned()) })
    }

    fn look_at_directory(&self, path: &Path, rights: Rights, whole: bool) -> Result<Finding, String> {
        let place = self.image.on_disk(path);
        let Some(metadata) = self.expect_no_trap(&place)? else {
            return Ok(Finding::Wanting("is not there".to_owned()));
        };
        if !metadata.is_dir() {
            return Err(format!("{} is there and is no directory", path.display()));
        }
        if let Some(wrong) = self.wrong_rights(&metadata, rights) {
            return Ok(Finding::Wanting(wrong));
        }
        let ids = self.ids()?;
        let strange = if whole { files_of_others(&place, ids)? } else { Vec::new() };
        Ok(match strange.first() {
            Some(first) => Finding::Wanting(format!(
                "{} in it belong to root, {} the first",
                strange.len(),
                self.image.name_of(first).display()
            )),
            None => Finding::Right,
        })
    }

    fn make_directory(&self, path: &Path, rights: Rights, whole: bool) -> Result<(), String> {
        let place = self.image.on_disk(path);
        if self.expect_no_trap(&place)?.is_none() {
            // What leads there is root's, and open to all.
            fs::create_dir_all(&place).map_err(|error| told("make", path, &error))?;
        }
        self.give(&place, rights)?;
        if whole {
            let ids = self.ids()?;
            for strange in files_of_others(&place, ids)? {
                lchown(&strange, Some(ids.user), Some(ids.group)).map_err(|error| told("chown", &strange, &error))?;
            }
        }
        Ok(())
    }

    /// What is at a place. A link in a directory of the service's may lead root anywhere: it is not followed.
    fn expect_no_trap(&self, place: &Path) -> Result<Option<fs::Metadata>, String> {
        let metadata = match fs::symlink_metadata(place) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(told("look at", place, &error)),
        };
        if !metadata.is_symlink() {
            return Ok(Some(metadata));
        }
        let parent = place.parent().unwrap_or(Path::new("/"));
        let owner = fs::metadata(parent).map_err(|error| told("look at", parent, &error))?.uid();
        if owner != 0 {
            return Err(format!(
                "{} is a link in a directory that is not root's: it is not followed. Put a directory in its place",
                place.display()
            ));
        }
        fs::metadata(place).map(Some).map_err(|error| told("look at", place, &error))
    }

    fn look_at_file(&self, file: &TextFile) -> Result<Finding, String> {
        let place = self.image.on_disk(&file.path);
        let metadata = match fs::metadata(&place) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Finding::Wanting("is not there".to_owned()));
            }
            Err(error) => return Err(told("look at", &file.path, &error)),
        };
        if !file.once {
            let present = fs::read(&place).map_err(|error| told("read", &file.path, &error))?;
            if present != file.text.as_bytes() {
                return Ok(Finding::Wanting("says something else".to_owned()));
            }
        }
        let wrong = file.rights.and_then(|rights| self.wrong_rights(&metadata, rights));
        Ok(wrong.map_or(Finding::Right, Finding::Wanting))
    }

    fn make_file(&self, file: &TextFile) -> Result<(), String> {
        let place = self.image.on_disk(&file.path);
        match fs::read(&place) {
            Ok(present) if file.once || present == file.text.as_bytes() => match file.rights {
                Some(rights) => self.give(&place, rights),
                None => Ok(()),
            },
            Ok(present) => {
                let metadata = fs::metadata(&place).map_err(|error| told("look at", &file.path, &error))?;
                let kept = with_end(&place, BEFORE);
                write_as(&kept, &present, metadata.uid(), metadata.gid(), metadata.mode())
                    .map_err(|error| told("write", &kept, &error))?;
                self.put(&file.path, file.text.as_bytes(), file.rights, file.trial)
            }
            Err(_) => self.put(&file.path, file.text.as_bytes(), file.rights, file.trial),
        }
    }

    fn look_at_candidate(&self, conf: &Path, managed: &Path) -> Result<Finding, String> {
        if !self.image.on_disk(conf).exists() {
            return Ok(Finding::Elsewhere(format!("{} is not there yet; each start makes it", conf.display())));
        }
        let main = app::main_file(&self.image, conf, managed)?;
        let present = fs::read(self.image.on_disk(&main.candidate_path)).ok();
        Ok(match present {
            None => Finding::Wanting("is not there".to_owned()),
            Some(present) if present != main.candidate.as_bytes() => {
                Finding::Wanting("does not fit nginx.conf any more".to_owned())
            }
            Some(_) => Finding::Right,
        })
    }

    /// Puts a file in its place, once it is whole, has its rights and was tried.
    fn put(&self, path: &Path, bytes: &[u8], rights: Option<Rights>, trial: Trial) -> Result<(), String> {
        let place = self.image.on_disk(path);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).map_err(|error| told("make", parent, &error))?;
        }
        let (user, group, mode) = match (rights, fs::metadata(&place)) {
            (Some(rights), _) => {
                let (user, group) = self.owner(rights)?;
                (user, group, rights.mode)
            }
            (None, Ok(old)) => (old.uid(), old.gid(), old.mode()),
            (None, Err(error)) => return Err(told("look at", path, &error)),
        };
        let new = with_end(&place, NEW);
        write_as(&new, bytes, user, group, mode)
            .map_err(|error| told("write", path, &error))
            .and_then(|()| self.try_out(&new, trial))
            .and_then(|()| fs::rename(&new, &place).map_err(|error| told("write", path, &error)))
            .inspect_err(|_| drop(fs::remove_file(&new)))
    }

    fn try_out(&self, new: &Path, trial: Trial) -> Result<(), String> {
        let name = self.image.name_of(new);
        let name = name.to_string_lossy();
        match trial {
            Trial::None => Ok(()),
            Trial::Nginx => self.run("nginx", &["-t", "-q", "-c", &name]),
            Trial::Visudo if self.image.is_here() || self.image.on_disk(Path::new("/usr/sbin/visudo")).exists() => {
                self.run("visudo", &["-c", "-q", "-f", &name])
            }
            // The image has no sudo yet; the one of this machine reads the same language.
            Trial::Visudo => ended(Command::new("visudo").args(["-c", "-q", "-f"]).arg(new), "visudo"),
        }
    }

    fn wrong_rights(&self, metadata: &fs::Metadata, rights: Rights) -> Option<String> {
        let Ok((user, group)) = self.owner(rights) else { return Some("has not its owner yet".to_owned()) };
        let mode = metadata.mode() & 0o7777;
        if (metadata.uid(), metadata.gid()) != (user, group) {
            return Some(format!("belongs to {}:{}", metadata.uid(), metadata.gid()));
        }
        (mode != rights.mode).then(|| format!("has the mode {mode:04o}"))
    }

    fn owner(&self, rights: Rights) -> Result<(u32, u32), String> {
        let number = |who, of: fn(Ids) -> u32| match who {
            Who::Root => Ok(0),
            Who::Service => self.ids().map(of),
        };
        Ok((number(rights.user, |ids| ids.user)?, number(rights.group, |ids| ids.group)?))
    }

    fn give(&self, place: &Path, rights: Rights) -> Result<(), String> {
        let (user, group) = self.owner(rights)?;
        // The mode last: a change of owner takes bits away.
        chown(place, Some(user), Some(group))
            .and_then(|()| fs::set_permissions(place, Permissions::from_mode(rights.mode)))
            .map_err(|error| told("set the rights of", place, &error))
    }
}

/// Writes a new file that is never readable by more than it should be.
fn write_as(path: &Path, bytes: &[u8], user: u32, group: u32, mode: u32) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    std::os::unix::fs::fchown(&file, Some(user), Some(group))?;
    file.set_permissions(Permissions::from_mode(mode & 0o7777))?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Calls a program and waits for its end.
pub(super) fn ended(command: &mut Command, name: &str) -> Result<(), String> {
    let output = command.env("PATH", super::search_path()).output();
    let output = output.map_err(|error| format!("{name} could not be run ({error}): install it, then try again"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stderr, output.stdout].concat();
    Err(format!("{name} ended with {}: {}", output.status, String::from_utf8_lossy(&said).trim()))
}

pub(super) fn told(what: &str, path: &(impl AsRef<OsStr> + ?Sized), error: &io::Error) -> String {
    format!("could not {what} {}: {error}", Path::new(path).display())
}
