//! docs/configuration.md: how settings are set, and the table of all of them, made from [`SETTINGS`].

use crate::config::{Category, Preset, SETTINGS, Setting};

/// What is to be said before the table, as it is in the chapter.
const PREFACE: &str = include_str!("settings_document.md");

/// The text of docs/configuration.md.
pub(super) fn reference() -> String {
    let mut text = PREFACE.to_owned();
    let mut category: Option<Category> = None;
    for setting in SETTINGS {
        if category != Some(setting.category) {
            category = Some(setting.category);
            text.push_str(&heading(setting.category));
        }
        text.push_str(&row(setting));
    }
    text
}

fn heading(category: Category) -> String {
    format!(
        "\n### {}\n\n| Setting | Default | Meaning | Must be | Over HTTP |\n|---|---|---|---|---|\n",
        category.title()
    )
}

/// What is allowed is what the rule says when it refuses.
fn row(setting: &Setting) -> String {
    let code = |text: &str| format!("`{text}`");
    let preset = match setting.preset {
        Preset::Unset => "_(unset)_".to_owned(),
        Preset::Same(text) => code(text),
        Preset::ByMode { production, dev } => format!("{}; dev mode: {}", code(production), code(dev)),
    };
    let allowed = setting.check("\0").err().unwrap_or_default();
    let changed = if setting.is_guarded() { "shown" } else { "shown, changed" };
    let name = code(&setting.key.to_ascii_uppercase());
    format!("| {name} | {preset} | {} | {} | {changed} |\n", cell(setting.description()), cell(&allowed))
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PREFIX;

    #[test]
    fn every_setting_has_a_row_that_says_what_is_allowed() {
        let text = reference();
        for setting in SETTINGS {
            let begin = format!("\n| `{}` | ", setting.key.to_ascii_uppercase());
            let (_, row) = text.split_once(&begin).expect("a row");
            let cells: Vec<&str> = row.lines().next().unwrap_or_default().split(" | ").collect();
            assert_eq!(cells.len(), 4, "{row}");
            assert!(cells.iter().all(|cell| !cell.trim().is_empty()), "{row}");
        }
    }

    #[test]
    fn the_preface_names_the_prefix_of_the_variables() {
        assert!(PREFACE.contains(&format!("`{PREFIX}`")));
    }
}
