//! The service's user, and the group of the same name: what is there is used, and what is missing is made.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;

use super::layout::{HOME, USER};
use super::machine::{Machine, ended, told};
use super::tree::Ids;

/// The files of accounts, and their modes.
const FILES: [(&str, u32); 4] = [("passwd", 0o644), ("group", 0o644), ("shadow", 0o640), ("gshadow", 0o640)];

impl Machine {
    /// The numbers of the service's user and group.
    ///
    /// # Errors
    /// What of them is missing.
    pub fn ids(&self) -> Result<Ids, String> {
        match (self.number_in("passwd")?, self.number_in("group")?) {
            (Some(user), Some(group)) => Ok(Ids { user, group }),
            (None, None) => Err("there is none".to_owned()),
            (None, Some(_)) => Err("there is the group, but no user".to_owned()),
            (Some(_), None) => Err("there is the user, but no group".to_owned()),
        }
    }

    /// Makes what is missing of the two.
    pub(super) fn make_account(&self) -> Result<(), String> {
        let has_group = self.number_in("group")?.is_some();
        if self.number_in("passwd")?.is_none() {
            let group: &[&str] = if has_group { &["--gid", USER] } else { &["--user-group"] };
            let account = ["--system", "--no-create-home", "--home-dir", HOME, "--shell", "/usr/sbin/nologin", USER];
            return self.change_accounts("useradd", &[group, &account].concat());
        }
        if !has_group {
            self.change_accounts("groupadd", &["--system", USER])?;
        }
        // Its own group stays: the service gets this one by the unit, and who works as the user by being in it.
        self.change_accounts("usermod", &["--append", "--groups", USER, USER])
    }

    fn change_accounts(&self, program: &str, words: &[&str]) -> Result<(), String> {
        let mut command = Command::new(program);
        if !self.image.is_here() {
            self.make_files()?;
            command.arg("--prefix").arg(self.image.root());
        }
        ended(command.args(words), program)
    }

    /// The tools want all files of an image to be there.
    fn make_files(&self) -> Result<(), String> {
        for (name, mode) in FILES {
            let path = self.image.on_disk(&Path::new("/etc").join(name));
            fs::create_dir_all(path.with_file_name("")).map_err(|error| told("make", &path, &error))?;
            let file = OpenOptions::new().create(true).append(true).mode(mode).open(&path);
            file.map_err(|error| told("make", &path, &error))?;
        }
        Ok(())
    }

    /// The number that a file of accounts gives the service's name. On this machine other places count as well, such as
    /// a directory of the company's.
    fn number_in(&self, file: &str) -> Result<Option<u32>, String> {
        let text = if self.image.is_here() {
            let output = Command::new("getent").args([file, USER]).output();
            output.map_err(|error| format!("getent: {error}"))?.stdout
        } else {
            fs::read(self.image.on_disk(&Path::new("/etc").join(file))).unwrap_or_default()
        };
        Ok(String::from_utf8_lossy(&text).lines().find_map(|line| number_of(line, USER)))
    }
}

/// The number in a line of passwd(5) or group(5), if it is about this name.
fn number_of(line: &str, name: &str) -> Option<u32> {
    let mut fields = line.split(':');
    (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_name() {
        let user = "nanio-orchestrator:x:998:997::/opt/nanio-orchestrator:/usr/sbin/nologin";
        assert_eq!(number_of(user, "nanio-orchestrator"), Some(998));
        assert_eq!(number_of("nanio-orchestrator:x:997:", "nanio-orchestrator"), Some(997));
        assert_eq!(number_of(user, "nanio"), None);
        assert_eq!(number_of("nanio-orchestrator:x:no:997", "nanio-orchestrator"), None);
        assert_eq!(number_of("nanio-orchestrator", "nanio-orchestrator"), None);
    }
}
