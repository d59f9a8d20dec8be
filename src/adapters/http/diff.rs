//! Unified diffs of managed files, without what they keep secret.

use std::time::Duration;

use similar::TextDiff;

use crate::domain::services::drift::Texts;

/// How many unchanged lines are shown around a change.
const CONTEXT: usize = 3;
/// After this time a diff is coarser than it could be: 20,000 lines may all differ.
const PATIENCE: Duration = Duration::from_millis(200);
/// How every Fernet token begins: the version 0x80 and the first bytes of a time before the year 2106.
const TOKEN: &str = "gAAAAA";

/// From what the database says to what is on disk; empty if they are the same.
#[must_use]
pub fn unified(path: &str, texts: &Texts) -> String {
    between(path, (texts.desired.as_deref(), "database"), (texts.on_disk.as_deref(), "disk"))
}

/// From one state of a file to another; each has a word that tells which it is, `None` if there is no file.
#[must_use]
pub fn between(path: &str, before: (Option<&str>, &str), after: (Option<&str>, &str)) -> String {
    let name = |(text, what): (Option<&str>, &str)| match text {
        Some(_) => format!("{path} ({what})"),
        None => "/dev/null".to_owned(),
    };
    let (old, new) = (masked(before.0.unwrap_or_default()), masked(after.0.unwrap_or_default()));
    TextDiff::configure()
        .timeout(PATIENCE)
        .diff_lines(&old, &new)
        .unified_diff()
        .context_radius(CONTEXT)
        .header(&name(before), &name(after))
        .to_string()
}

/// The text with each token cut to what tells it from another one, and from none.
fn masked(text: &str) -> String {
    let mut rest = text;
    let mut shown = String::with_capacity(text.len());
    while let Some(place) = rest.find(TOKEN) {
        let (before, token) = rest.split_at(place);
        let end =
            token.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '='))).unwrap_or(token.len());
        let (token, after) = token.split_at(end);
        shown.push_str(before);
        shown.push_str(token.get(..12).unwrap_or(token));
        shown.push_str("****");
        rest = after;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(desired: Option<&str>, on_disk: Option<&str>) -> Texts {
        Texts { desired: desired.map(str::to_owned), on_disk: on_disk.map(str::to_owned) }
    }

    #[test]
    fn a_change_is_shown_with_its_neighbours_and_a_file_that_is_not_there_as_none() {
        let diff = unified("p.conf", &texts(Some("a\nb\nc\n"), Some("a\nB\nc\n")));
        assert_eq!(diff, "--- p.conf (database)\n+++ p.conf (disk)\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
        assert!(unified("p.conf", &texts(Some("a\n"), None)).contains("+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"));
        assert_eq!(unified("p.conf", &texts(Some("a\n"), Some("a\n"))), "");
    }

    #[test]
    fn no_token_leaves_the_machine() {
        let line = |token: &str| format!("  \"access_key_enc\": \"{token}\",\n");
        let diff = unified("s", &texts(Some(&line("gAAAAABqAAAA-secret_1==")), Some(&line("gAAAAABqBBBB-secret_2=="))));
        assert!(!diff.contains("secret"), "{diff}");
        assert!(diff.contains("-  \"access_key_enc\": \"gAAAAABqAAAA****\",\n+"), "{diff}");
        assert_eq!(masked("gAAAAA and gAAA"), "gAAAAA**** and gAAA");
    }
}
