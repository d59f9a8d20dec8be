//! `config show` and `config get`.

use std::path::Path;

use super::{Fault, print};
use crate::adapters::cli::say;
use crate::config::{Outlook, SETTINGS, Setting, Shown, Sources};

/// Prints every setting with its value, secrets masked.
pub(super) fn all(sources: &Sources) {
    let outlook = Outlook::of(sources);
    let mut category = None;
    for setting in SETTINGS {
        if category != Some(setting.category) {
            let gap = if category.is_some() { "\n" } else { "" };
            print(&format!("{gap}{}", setting.category.title()));
            category = Some(setting.category);
        }
        print(&line(setting, value(&outlook, setting.key).as_deref()));
    }
    let mode = if sources.is_dev() { "dev" } else { "production" };
    let path = std::path::absolute(sources.file_path()).unwrap_or_else(|_| sources.file_path().into());
    print(&format!("\nConfig file ({mode}): {}", path.display()));
    if !outlook.problems.is_empty() {
        say("With these settings no server starts:");
    }
    for problem in &outlook.problems {
        say(&format!("  {problem}"));
    }
}

fn line(setting: &Setting, value: Option<&str>) -> String {
    let unset = if setting.shown == Shown::Masked { "(not set)" } else { "(unset)" };
    let shown = value.map_or_else(|| unset.to_owned(), |value| setting.mask(value));
    format!("  {:<28} {shown:<30} {}", setting.key, setting.description())
}

/// Prints one value as it is.
pub(super) fn one(sources: &Sources, name: &str) -> Result<(), Fault> {
    let outlook = Outlook::of(sources);
    let key = Setting::named(name).map_or_else(|| name.trim().to_ascii_lowercase(), |setting| setting.key.to_owned());
    let managed = |part: &str| Path::new(outlook.text("nginx_config_dir").unwrap_or_default()).join(part);
    let text = match key.as_str() {
        // Names that scripts for 0.4.x know beside the settings.
        "dev" => Some(sources.is_dev().to_string()),
        "pools_dir" => Some(managed("pools").display().to_string()),
        "vhosts_dir" => Some(managed("vhosts").display().to_string()),
        key if SETTINGS.iter().any(|setting| setting.key == key) => value(&outlook, key),
        _ => return Err(unknown(name).into()),
    };
    print(&text.unwrap_or_default());
    Ok(())
}

/// The value in force.
fn value(outlook: &Outlook, key: &str) -> Option<String> {
    let text = outlook.text(key).map(str::to_owned);
    match (key, text) {
        ("db_backup_path", None) => outlook.text("db_path").map(|database| format!("{database}.bak")),
        (_, text) => text,
    }
}

/// That there is no such setting, and which there are.
pub(super) fn unknown(name: &str) -> String {
    let keys: Vec<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
    format!("Unknown setting: {name}\nThe settings are: {}", keys.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f38_a_line_has_the_columns_of_0_4_and_masks_secrets() {
        let named = |key| Setting::named(key).unwrap();
        assert_eq!(
            line(named("host"), Some("0.0.0.0")),
            "  host                         0.0.0.0                        Bind address"
        );
        assert_eq!(
            line(named("api_key"), Some("changeme")),
            "  api_key                      chan****                       API authentication key"
        );
        assert!(line(named("metrics_token"), None).contains(" (not set) "));
        assert!(line(named("log_file"), None).contains(" (unset) "));
        assert!(!line(named("database_url"), Some("postgres://u:topsecret@h/d")).contains("topsecret"));
    }
}
