//! `config edit`: an editor on a copy, which takes the file's place only if the next start will take it.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Fault, print, tell_when};
use crate::adapters::cli::say;
use crate::adapters::http::TlsFiles;
use crate::adapters::settings::EnvSettings;
use crate::config::{Outlook, Settings};

/// Edits the env file.
pub(super) fn run(file: &EnvSettings) -> Result<(), Fault> {
    let path = file.path().display();
    let old = file
        .text()?
        .ok_or_else(|| format!("Config file not found: {path}. `nanio-orchestrator config set KEY VALUE` makes it"))?;
    let copy = Copy::of(file.path(), &old)?;
    let editor = editor();
    // The variable may hold flags as well, so a shell takes it apart, as it does for every program that calls an editor.
    let status = Command::new("sh").args(["-c", &format!("{editor} \"$1\""), "sh"]).arg(&copy.0).status();
    if !status.map_err(|error| format!("the editor could not be started: {error}"))?.success() {
        copy.remove();
        return Err(format!("{editor} ended with a fault; nothing was changed").into());
    }
    let new = fs::read_to_string(&copy.0).map_err(|error| format!("{}: {error}", copy.0.display()))?;
    if new == old {
        copy.remove();
        print("No change");
        return Ok(());
    }
    let replaced = check(file, &old, &new).and_then(|()| Ok(file.replace(Some(old), new)?));
    if let Err(fault) = replaced {
        return Err(format!("{fault}\nYour edit is kept in {}", copy.0.display()).into());
    }
    copy.remove();
    print(&format!("✓ {path}"));
    tell_when(file);
    Ok(())
}

/// Refuses what would keep the next start from succeeding. What was wrong before only gets a word.
fn check(file: &EnvSettings, old: &str, new: &str) -> Result<(), Fault> {
    let next = file.sources().next_start(Some(new));
    let (before, after) = (Outlook::of(&file.sources().next_start(Some(old))), Outlook::of(&next));
    let told = |problems: Vec<String>| problems.iter().map(|problem| format!("\n  {problem}")).collect::<String>();
    let fresh: Vec<String> = after.problems_since(&before).map(ToString::to_string).collect();
    if !fresh.is_empty() {
        return Err(format!("nothing was changed, since the next start would be refused:{}", told(fresh)).into());
    }
    if !after.problems.is_empty() {
        let left = after.problems.iter().map(ToString::to_string).collect();
        say(&format!("as before the edit, no server starts with these settings:{}", told(left)));
    }
    let files = Settings::from_sources(&next).ok().and_then(|settings| TlsFiles::of(&settings));
    match files.map(|files| files.check()) {
        Some(Err(unusable)) => {
            Err(format!("nothing was changed, since the next start would be refused: {unusable}").into())
        }
        _ => Ok(()),
    }
}

/// What the operator likes to edit with.
fn editor() -> String {
    let named = ["EDITOR", "VISUAL"].into_iter().filter_map(|name| std::env::var(name).ok());
    let chosen = named.map(|name| name.trim().to_owned()).find(|name| !name.is_empty());
    let there = |name: &&str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|directory| directory.join(name).is_file())
    };
    chosen.unwrap_or_else(|| ["nano", "vi"].into_iter().find(there).unwrap_or("vi").to_owned())
}

/// A copy that nobody else can read: it holds secrets.
struct Copy(PathBuf);

impl Copy {
    /// Beside the file or, where that may not be, in the directory for such things.
    fn of(file: &Path, text: &str) -> Result<Self, Fault> {
        let stem = file.file_name().unwrap_or_default().to_string_lossy();
        // Editors tell by the end of the name what it is.
        let name = format!(".{}.edit.env", std::process::id());
        let places = [file.with_file_name(format!("{stem}{name}")), std::env::temp_dir().join(format!("{stem}{name}"))];
        let mut fault = None;
        for path in places {
            let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            match made.and_then(|mut copy| copy.write_all(text.as_bytes())) {
                Ok(()) => return Ok(Self(path)),
                Err(error) => fault = Some(format!("{}: {error}", path.display())),
            }
        }
        Err(fault.unwrap_or_default().into())
    }

    /// A copy that stays is seen by the next look at the directory.
    fn remove(&self) {
        let _ = fs::remove_file(&self.0);
    }
}
