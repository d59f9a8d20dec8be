//! `config set`.

use super::show::unknown;
use super::{Fault, print, tell_when};
use crate::adapters::cli::say;
use crate::adapters::settings::EnvSettings;
use crate::config::{Origin, Setting};

/// Writes one setting to the env file, after the next start has been thought through.
pub(super) fn run(file: &EnvSettings, key: &str, value: &str) -> Result<(), Fault> {
    let setting = Setting::named(key).ok_or_else(|| unknown(key))?;
    write(file, setting, value)
}

pub(super) fn write(file: &EnvSettings, setting: &'static Setting, value: &str) -> Result<(), Fault> {
    let change = file.set(setting, value)?;
    let shown = change.after.unwrap_or_default();
    print(&format!("✓ {}={shown}  →  {}", setting.variable(), file.path().display()));
    match change.overridden {
        Some(Origin::Environment) => say(&format!(
            "note: the environment has another value of {}, which wins over the file in a program started from here",
            setting.variable()
        )),
        Some(_) | None => tell_when(file),
    }
    Ok(())
}
