//! Settings as they run, beside what the env file will make of the next start.

use std::path::Path;

use crate::config::{Effective, Kind, Origin, Outlook, SETTINGS, Setting as Row, Shown, Sources};
use crate::domain::setting::{Setting, SettingOrigin, SettingValue, SettingsReport};

/// All settings of a program that was started with `sources`, while its env file holds `text`.
pub(super) fn report(sources: &Sources, file: &Path, text: Option<&str>) -> SettingsReport {
    let (runs, next) = (Outlook::of(sources), Outlook::of(&sources.next_start(text)));
    let settings = SETTINGS.iter().map(|row| {
        let effective = runs.effective.get(row.key);
        let changed = runs.text(row.key) != next.text(row.key);
        Setting {
            key: row.key,
            variable: row.variable(),
            category: row.category.title(),
            description: row.description(),
            value: runs.text(row.key).map(|text| shown(row, text)),
            origin: effective.map_or(SettingOrigin::Default, origin),
            pending: changed.then(|| next.text(row.key).map(|text| shown(row, text))),
            masked: row.shown == Shown::Masked,
            guarded: row.is_guarded(),
        }
    });
    let backup = runs
        .text("db_backup_path")
        .map_or_else(|| format!("{}.bak", runs.text("db_path").unwrap_or_default()), str::to_owned);
    SettingsReport {
        file: file.display().to_string(),
        dev: sources.is_dev(),
        backup_path: backup,
        settings: settings.collect(),
        problems: next.problems.iter().map(ToString::to_string).collect(),
    }
}

fn origin(effective: &Effective) -> SettingOrigin {
    match effective.origin {
        Origin::Flag(_) => SettingOrigin::Flag,
        Origin::Environment => SettingOrigin::Environment,
        Origin::File { .. } => SettingOrigin::File,
        Origin::Default => SettingOrigin::Default,
    }
}

/// A value as clients know it: numbers and truth values as such, secrets as masks.
fn shown(row: &Row, text: &str) -> SettingValue {
    let flag = || match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(SettingValue::Flag(true)),
        "false" | "0" | "no" | "off" => Some(SettingValue::Flag(false)),
        _ => None,
    };
    let typed = match row.kind {
        Kind::Number => text.trim().parse().ok().map(SettingValue::Number),
        Kind::Flag => flag(),
        Kind::Text => None,
    };
    // A value that the next start will refuse is shown as it stands in the file.
    typed.unwrap_or_else(|| SettingValue::Text(row.mask(text)))
}
