//! Answers for people and for programs: a table, or all fields of the API's answer as JSON or YAML.
//!
//! What is shown as a table comes from nodes, files and other people, and can do nothing to the terminal.

use std::borrow::Cow;

use clap::ValueEnum;
use serde_json::Value;

use super::{print, say};

type Fault = Box<dyn std::error::Error>;

/// The form of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Columns or sentences, for people
    #[default]
    #[value(alias = "text")]
    Table,
    /// What the API answers
    Json,
    /// The same as YAML
    Yaml,
}

/// A column of a table: its title, and the field that it shows.
pub(super) type Column = (&'static str, &'static str);

impl Format {
    /// Shows a list. If nothing is in it, people are told so, on stderr, and what to do next.
    pub fn list(self, entries: &[Value], columns: &[Column], empty: &str) -> Result<(), Fault> {
        if self != Self::Table {
            return self.document(&Value::from(entries));
        }
        for line in table(entries, columns) {
            print(&line);
        }
        if entries.is_empty() {
            say(empty);
        }
        Ok(())
    }

    /// Shows one thing, a field a line; these fields come first.
    pub fn one(self, thing: &Value, first: &[Column]) -> Result<(), Fault> {
        if self != Self::Table {
            return self.document(thing);
        }
        for line in sheet(thing, first) {
            print(&line);
        }
        Ok(())
    }

    fn document(self, value: &Value) -> Result<(), Fault> {
        let text = match self {
            Self::Yaml => serde_saphyr::to_string(value)?,
            Self::Json | Self::Table => serde_json::to_string_pretty(value)?,
        };
        print(text.trim_end());
        Ok(())
    }
}

/// A title line and a line an entry; nothing if there is no entry. Nothing is cut.
fn table(entries: &[Value], columns: &[Column]) -> Vec<String> {
    if entries.is_empty() {
        return Vec::new();
    }
    let titles = columns.iter().map(|(title, _)| (*title).to_owned()).collect();
    let cells = |entry: &Value| columns.iter().map(|(_, field)| cell(&entry[*field])).collect();
    let rows: Vec<Vec<String>> = std::iter::once(titles).chain(entries.iter().map(cells)).collect();
    aligned(&rows)
}

/// A line a field.
fn sheet(thing: &Value, first: &[Column]) -> Vec<String> {
    let Value::Object(fields) = thing else { return vec![cell(thing)] };
    let leads = |field: &str| first.iter().any(|(_, first)| *first == field);
    let leading = first.iter().filter_map(|(_, field)| fields.get_key_value(*field));
    let others = fields.iter().filter(|(field, _)| !leads(field));
    let rows: Vec<Vec<String>> = leading.chain(others).map(|(name, value)| vec![name.clone(), cell(value)]).collect();
    aligned(&rows)
}

fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    let line = |row: &Vec<String>| {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// A value in a line of its own.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => plain(text).into_owned(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Object(_) => plain(&value.to_string()).into_owned(),
    }
}

/// The text without characters that a terminal obeys instead of showing: they are written as Rust writes them.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| if is_obeyed(c) { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(shown).collect())
}

/// As [`plain`], of a text that may have lines.
pub(super) fn plain_lines(text: &str) -> String {
    text.split('\n').map(plain).collect::<Vec<_>>().join("\n")
}

/// Whether a character moves the cursor, begins a command, or changes the order or the look of others.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: &[Column] = &[("ID", "id"), ("NAME", "name"), ("ON", "enabled")];

    #[test]
    fn columns_are_as_wide_as_what_is_in_them_and_nothing_is_cut() {
        let entries = [
            json!({"id": 7, "name": "pool-2025", "enabled": true}),
            json!({"id": 1234, "name": null, "enabled": false}),
        ];
        assert_eq!(table(&entries, COLUMNS), ["ID    NAME       ON", "7     pool-2025  yes", "1234  -          no"]);
        assert!(table(&[], COLUMNS).is_empty());
    }

    #[test]
    fn one_thing_has_a_line_a_field_the_known_ones_first() {
        let thing = json!({"b": [1, 2], "a": {"x": ""}, "name": "n", "id": 3});
        assert_eq!(sheet(&thing, COLUMNS), ["id    3", "name  n", "a     {\"x\":\"\"}", "b     1, 2"]);
    }

    #[test]
    fn nothing_that_is_shown_is_obeyed_by_a_terminal() {
        for (hostile, shown) in [
            ("\u{1b}[2Jx", "\\u{1b}[2Jx"),
            ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("evil\u{202e}fdp", "evil\\u{202e}fdp"),
            ("ü 日本", "ü 日本"),
        ] {
            assert_eq!(plain(hostile), shown);
            assert_eq!(cell(&json!([hostile])), shown);
        }
        assert_eq!(plain_lines("a\n\u{7}b"), "a\n\\u{7}b");
    }
}
