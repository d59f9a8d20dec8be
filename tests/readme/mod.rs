//! README's table of settings is the table of the code.

use nanio_orchestrator::config::{Preset, SETTINGS, Setting};

/// The row of a setting. What is allowed is what the rule says when it refuses.
fn row(setting: &Setting) -> String {
    let code = |text: &str| format!("`{text}`");
    let preset = match setting.preset {
        Preset::Unset => "_(unset)_".to_owned(),
        Preset::Same(text) => code(text),
        Preset::ByMode { production, dev } => format!("{}; dev mode: {}", code(production), code(dev)),
    };
    let allowed = setting.check("\0").expect_err("no setting takes a NUL");
    let name = setting.key.to_ascii_uppercase();
    format!("| `{name}` | {preset} | {} | {allowed} |", setting.description())
}

#[test]
fn the_readme_lists_every_setting_with_its_default_and_what_is_allowed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).expect("README.md is there");
    let missing: Vec<String> = SETTINGS.iter().map(row).filter(|row| !readme.lines().any(|line| line == row)).collect();
    assert!(missing.is_empty(), "README.md lacks these rows, or has them otherwise:\n{}", missing.join("\n"));
}
