//! Changes one assignment of an env file and nothing else.
//!
//! Whatever is written here reads back as it was meant, by this program and by systemd: the result is parsed
//! before it is handed out, and the one way of quoting that is used means the same to both (and to a shell).

use std::ops::Range;

use super::{Assignment, parse, read};

/// Why a text cannot take an assignment. The text stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssignError {
    /// The value has a line break or a NUL, which a line of the file cannot hold, or a code point that is no
    /// character, for which systemd refuses the whole file.
    #[error("a value of the env file must be one line of characters, without NUL")]
    Unwritable,
    /// Whatever is added would become part of another value.
    #[error(
        "line {line} opens a quote that is never closed, so that all lines below are part of its value: close it first"
    )]
    OpenQuote {
        /// The line, from 1.
        line: usize,
    },
}

/// `text` with `name` set to `value`; every other byte stays.
///
/// Of several assignments of this name (in whatever case) the last one, which is the effective one, is replaced and
/// the others go. If there is none, the first comment that would be one without its `#` is put into force; if there
/// is no such comment either, a line is added at the end.
///
/// # Errors
/// [`AssignError`]: no text that reads back as it should can be made.
pub fn assign(text: &str, name: &str, value: &str) -> Result<String, AssignError> {
    if value.contains(['\n', '\r', '\0']) || value.chars().any(is_no_character) {
        return Err(AssignError::Unwritable);
    }
    let (assignments, comments) = read(text);
    let open = || AssignError::OpenQuote { line: assignments.last().map_or(1, |last| last.line) };
    if is_open(text) {
        return Err(open());
    }
    let line = format!("{name}={}", quote(value));
    let mut own: Vec<Range<usize>> =
        assignments.iter().filter(|a| a.key.eq_ignore_ascii_case(name)).map(|a| a.span.clone()).collect();
    let candidates = match own.pop() {
        Some(last) => vec![replaced(text, &own, &last, &line)],
        None => match comments.into_iter().find(|span| is_template(&text[span.clone()], name)) {
            Some(comment) => vec![replaced(text, &[], &comment, &line)],
            None => appended(text, &line),
        },
    };
    let others = |assignments: &[Assignment]| -> Vec<(String, String)> {
        let others = assignments.iter().filter(|a| !a.key.eq_ignore_ascii_case(name));
        others.map(|a| (a.key.clone(), a.value.clone())).collect()
    };
    let kept = others(&assignments);
    let is_right = |candidate: &String| {
        let all = parse(candidate);
        let own: Vec<&Assignment> = all.iter().filter(|a| a.key.eq_ignore_ascii_case(name)).collect();
        matches!(own[..], [only] if only.key == name && only.value == value) && others(&all) == kept
    };
    candidates.into_iter().find(is_right).ok_or_else(open)
}

/// The code points that Unicode keeps free for ever.
fn is_no_character(c: char) -> bool {
    matches!(c, '\u{FDD0}'..='\u{FDEF}') || u32::from(c) & 0xFFFE == 0xFFFE
}

/// Whether the last value of the file has no end, so that it takes in whatever is added.
fn is_open(text: &str) -> bool {
    parse(&format!("{text}\n\nX=")).last().is_none_or(|last| last.key != "X")
}

/// `text` with `line` in the place of `place` and without the lines of `gone`, which are in front of it.
fn replaced(text: &str, gone: &[Range<usize>], place: &Range<usize>, line: &str) -> String {
    let mut result = String::with_capacity(text.len() + line.len());
    let mut from = 0;
    for span in gone.iter().map(|span| whole_lines(text, span)) {
        // Two of them can share a line's end.
        result.push_str(text.get(from..span.start).unwrap_or_default());
        from = span.end.max(from);
    }
    result.push_str(text.get(from..place.start).unwrap_or_default());
    result.push_str(line);
    result.push_str(&text[place.end..]);
    result
}

/// The span with the blanks in front of it and the line's end behind it.
fn whole_lines(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text[..span.start].trim_end_matches([' ', '\t']).len();
    let rest = &text[span.end..];
    let ending = ["\r\n", "\n", "\r"].into_iter().find(|ending| rest.starts_with(ending)).map_or(0, str::len);
    start..span.end + ending
}

/// `text` with one line more, in the ways that may be needed: behind a last line that has no end, and behind a last
/// line that ends in a backslash and so would take the next one in.
fn appended(text: &str, line: &str) -> Vec<String> {
    // To systemd before 254 a comment, too, goes on behind a backslash at its end.
    let continues = text.trim_end_matches(['\n', '\r']).ends_with('\\');
    let ways: &[&str] = if continues { &["\n\n"] } else { &["", "\n", "\n\n"] };
    ways.iter().map(|between| format!("{text}{between}{line}\n")).collect()
}

/// Whether a comment would be an assignment of `name` without its `#`.
fn is_template(comment: &str, name: &str) -> bool {
    let line = comment.trim_start_matches(['#', ' ', '\t']);
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)) && line[name.len()..].starts_with('=')
}

/// The value as it stands in the file: bare if nothing in it means anything to anybody, else in double quotes.
fn quote(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:,@%+=-".contains(c);
    if value.chars().all(plain) {
        return value.to_owned();
    }
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '`' | '$') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAME: &str = "NANIO_ORCHESTRATOR_API_KEY";

    fn set(text: &str, value: &str) -> String {
        assign(text, NAME, value).unwrap()
    }

    #[test]
    fn only_the_value_of_the_one_line_changes() {
        let text = "# top\r\nA=1\n  NANIO_ORCHESTRATOR_API_KEY = old # x\n\n; c\nB='two\nlines'";
        assert_eq!(set(text, "new"), "# top\r\nA=1\n  NANIO_ORCHESTRATOR_API_KEY=new\n\n; c\nB='two\nlines'");
        assert_eq!(set("NANIO_ORCHESTRATOR_API_KEY=a\\\nb\r\nC=1", "x y"), "NANIO_ORCHESTRATOR_API_KEY=\"x y\"\r\nC=1");
    }

    #[test]
    fn a_commented_template_is_put_into_force_where_it_stands() {
        let text = "# Keys\n# NANIO_ORCHESTRATOR_API_KEY=changeme\n#NANIO_ORCHESTRATOR_API_KEY=2\nA=1\n";
        assert_eq!(set(text, "k"), "# Keys\nNANIO_ORCHESTRATOR_API_KEY=k\n#NANIO_ORCHESTRATOR_API_KEY=2\nA=1\n");
        let inside = "A='\n# NANIO_ORCHESTRATOR_API_KEY=x\n'\n";
        assert_eq!(set(inside, "k"), format!("{inside}NANIO_ORCHESTRATOR_API_KEY=k\n"));
        let other = "# NANIO_ORCHESTRATOR_API_KEY_FILE=x\n";
        assert_eq!(set(other, "k"), format!("{other}NANIO_ORCHESTRATOR_API_KEY=k\n"));
    }

    #[test]
    fn of_several_assignments_the_effective_one_stays() {
        let text =
            "A=1\n\tNANIO_ORCHESTRATOR_API_KEY=1\r\nnanio_orchestrator_api_key=2\nB=2\nNANIO_ORCHESTRATOR_API_KEY=3";
        assert_eq!(set(text, "k"), "A=1\nB=2\nNANIO_ORCHESTRATOR_API_KEY=k");
    }

    #[test]
    fn a_line_is_added_behind_whatever_ends_the_file() {
        for (text, expected) in [
            ("", "NANIO_ORCHESTRATOR_API_KEY=k\n"),
            ("A=1", "A=1\nNANIO_ORCHESTRATOR_API_KEY=k\n"),
            ("A=1\\", "A=1\\\n\nNANIO_ORCHESTRATOR_API_KEY=k\n"),
            ("# c\\\n", "# c\\\n\n\nNANIO_ORCHESTRATOR_API_KEY=k\n"),
            ("words", "words\nNANIO_ORCHESTRATOR_API_KEY=k\n"),
        ] {
            assert_eq!(set(text, "k"), expected, "{text:?}");
        }
    }

    #[test]
    fn an_open_quote_is_named_and_nothing_is_swallowed() {
        assert_eq!(assign("A=1\nB=\"x\n# c\n", NAME, "k"), Err(AssignError::OpenQuote { line: 2 }));
        let own = "NANIO_ORCHESTRATOR_API_KEY='x\nC=1\n";
        assert_eq!(assign(own, NAME, "k"), Err(AssignError::OpenQuote { line: 1 }));
    }

    #[test]
    fn f37_a_line_break_in_a_value_is_refused() {
        for value in ["a\nNANIO_ORCHESTRATOR_RCLONE_PATH=/tmp/x", "a\r", "a\0b", "\u{FFFE}", "\u{FDD0}", "\u{8FFFF}"] {
            assert_eq!(assign("", NAME, value), Err(AssignError::Unwritable), "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn f37_any_value_reads_back_and_all_else_stays(
            text in "([ab #;='\"\\\\\n\r$]|NANIO_ORCHESTRATOR_API_KEY=|\n#NANIO_ORCHESTRATOR_API_KEY=){0,24}",
            value in "[^\n\r\0]{0,24}",
        ) {
            let Ok(changed) = assign(&text, NAME, &value) else { return Ok(()) };
            let split = |text: &str| -> (Vec<_>, Vec<_>) {
                let all = parse(text).into_iter().map(|a| (a.key, a.value));
                all.partition(|(key, _)| key.eq_ignore_ascii_case(NAME))
            };
            let (own, others) = split(&changed);
            prop_assert_eq!(own, [(NAME.to_owned(), value.clone())]);
            prop_assert_eq!(others, split(&text).1);
            prop_assert_eq!(assign(&changed, NAME, &value), Ok(changed));
        }

        #[test]
        fn a_file_without_open_quotes_takes_every_value(
            lines in proptest::collection::vec("[A-Z]{1,3}=[a-z #;]{0,8}|# [a-z=]{0,8}|", 0..6), value in "[^\n\r\0]{0,24}",
        ) {
            let text = lines.join("\n");
            let changed = assign(&text, NAME, &value);
            let writable = !value.chars().any(is_no_character);
            prop_assert_eq!(changed.is_ok_and(|changed| changed.starts_with(&text)), writable);
        }
    }
}
