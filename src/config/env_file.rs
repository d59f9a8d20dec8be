//! Env files, read exactly as systemd reads an `EnvironmentFile=`: what the service manager hands to the
//! process and what the process reads by itself are the same values.
//!
//! The rules are those of systemd.exec(5) and of systemd's own state machine: lines that begin with `#` or
//! `;` are comments; an unquoted value ends at the line's end, its outer white space is dropped; `\` keeps the
//! next character as it is, or joins the next line; inside `'…'` everything is literal; inside `"…"` a
//! backslash escapes only `"`, `\`, `` ` `` and `$`, or joins lines; a `#` inside a value is part of it.
//! A line without `=` is ignored. There is no error: every text has exactly one reading.

mod assign;

use std::ops::Range;

pub use assign::{AssignError, assign};

/// One `KEY=value` of an env file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The name, without white space around it.
    pub key: String,
    /// The value, with quotes and escapes resolved.
    pub value: String,
    /// The line on which the name stands, from 1.
    pub line: usize,
    /// Its bytes in the text, from the name to the end of the value, without the line's end.
    pub span: Range<usize>,
}

/// All assignments of a text, in order; a later one overrides an earlier one of the same name.
#[must_use]
pub fn parse(text: &str) -> Vec<Assignment> {
    read(text).0
}

/// The assignments of a text, and where its comments are.
fn read(text: &str) -> (Vec<Assignment>, Vec<Range<usize>>) {
    let mut reader = Reader::default();
    for (at, c) in text.char_indices() {
        reader.at = at;
        reader.step(c);
        if c == '\n' {
            reader.line += 1;
        }
    }
    reader.at = text.len();
    reader.finish()
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    BeforeKey,
    Key,
    BeforeValue,
    Value,
    ValueEscape,
    SingleQuoted,
    DoubleQuoted,
    DoubleQuotedEscape,
    Comment,
    CommentEscape,
}

#[derive(Default)]
struct Reader {
    state: State,
    key: String,
    value: String,
    /// Where the white space at the end of an unquoted value begins.
    blank_from: Option<usize>,
    /// Lines that have ended.
    line: usize,
    key_line: usize,
    /// Where we are, and where the name or comment began.
    at: usize,
    began: usize,
    done: Vec<Assignment>,
    comments: Vec<Range<usize>>,
}

impl Reader {
    fn step(&mut self, c: char) {
        self.state = match self.state {
            State::BeforeKey => match c {
                '#' | ';' => {
                    self.began = self.at;
                    State::Comment
                }
                c if is_blank(c) => State::BeforeKey,
                c => {
                    (self.key_line, self.began) = (self.line + 1, self.at);
                    self.key.push(c);
                    State::Key
                }
            },
            State::Key => match c {
                c if is_newline(c) => {
                    self.key.clear();
                    State::BeforeKey
                }
                '=' => {
                    self.blank_from = None;
                    State::BeforeValue
                }
                c => {
                    self.key.push(c);
                    State::Key
                }
            },
            State::BeforeValue => match c {
                c if is_newline(c) => self.end_assignment(),
                '\'' => State::SingleQuoted,
                '"' => State::DoubleQuoted,
                '\\' => State::ValueEscape,
                c if is_blank(c) => State::BeforeValue,
                c => {
                    self.value.push(c);
                    State::Value
                }
            },
            State::Value => match c {
                c if is_newline(c) => {
                    self.drop_blank_end();
                    self.end_assignment()
                }
                '\\' => {
                    self.blank_from = None;
                    State::ValueEscape
                }
                c => {
                    self.blank_from = if is_blank(c) { self.blank_from.or(Some(self.value.len())) } else { None };
                    self.value.push(c);
                    State::Value
                }
            },
            State::ValueEscape => {
                if !is_newline(c) {
                    self.value.push(c);
                }
                State::Value
            }
            State::SingleQuoted => self.quoted(c, '\'', State::SingleQuoted),
            State::DoubleQuoted if c == '\\' => State::DoubleQuotedEscape,
            State::DoubleQuoted => self.quoted(c, '"', State::DoubleQuoted),
            State::DoubleQuotedEscape => {
                match c {
                    '"' | '\\' | '`' | '$' => self.value.push(c),
                    '\n' => {}
                    c => {
                        self.value.push('\\');
                        self.value.push(c);
                    }
                }
                State::DoubleQuoted
            }
            State::Comment | State::CommentEscape if is_newline(c) => self.end_comment(),
            State::Comment if c == '\\' => State::CommentEscape,
            State::Comment | State::CommentEscape => State::Comment,
        };
    }

    fn quoted(&mut self, c: char, quote: char, inside: State) -> State {
        if c == quote {
            return State::BeforeValue;
        }
        self.value.push(c);
        inside
    }

    fn drop_blank_end(&mut self) {
        if let Some(end) = self.blank_from.take() {
            self.value.truncate(end);
        }
    }

    fn end_assignment(&mut self) -> State {
        let key = std::mem::take(&mut self.key).trim_end_matches(is_blank).to_owned();
        let value = std::mem::take(&mut self.value);
        self.done.push(Assignment { key, value, line: self.key_line, span: self.began..self.at });
        State::BeforeKey
    }

    fn end_comment(&mut self) -> State {
        self.comments.push(self.began..self.at);
        State::BeforeKey
    }

    fn finish(mut self) -> (Vec<Assignment>, Vec<Range<usize>>) {
        match self.state {
            State::BeforeKey | State::Key => {}
            State::Comment | State::CommentEscape => {
                self.end_comment();
            }
            State::Value => {
                self.drop_blank_end();
                self.end_assignment();
            }
            _ => {
                self.end_assignment();
            }
        }
        (self.done, self.comments)
    }
}

fn is_newline(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(text: &str) -> Vec<(String, String)> {
        parse(text).into_iter().map(|a| (a.key, a.value)).collect()
    }

    fn value(text: &str) -> String {
        let mut all = values(text);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0).1
    }

    #[test]
    fn a_hash_inside_a_value_is_part_of_it() {
        assert_eq!(value("K=ab#cd"), "ab#cd");
        assert_eq!(value("K=ab # cd"), "ab # cd");
        assert_eq!(value("K=#ab\n"), "#ab");
    }

    #[test]
    fn comments_are_whole_lines_that_begin_with_hash_or_semicolon() {
        assert_eq!(values("# K=1\n ; K=2\nK=3\n#"), [("K".into(), "3".into())]);
        assert_eq!(values("# ends in a backslash \\\nK=3"), [("K".into(), "3".into())]);
    }

    #[test]
    fn white_space_around_name_and_unquoted_value_is_dropped() {
        assert_eq!(values("  K \t=  a b \t \r\n"), [("K".into(), "a b".into())]);
        assert_eq!(value("K="), "");
        assert_eq!(value("K=   "), "");
    }

    #[test]
    fn a_backslash_keeps_the_next_character_or_joins_the_next_line() {
        assert_eq!(value(r"K=a\b\\c\'\ "), r"ab\c' ");
        assert_eq!(value("K=a\\\nb"), "ab");
        assert_eq!(value("K=a \\\n b"), "a  b");
        assert_eq!(value("K=\\"), "");
    }

    #[test]
    fn single_quotes_keep_everything() {
        assert_eq!(value(r#"K=' a\b"$c # '"#), r#" a\b"$c # "#);
        assert_eq!(value("K='two\nlines'"), "two\nlines");
    }

    #[test]
    fn double_quotes_resolve_only_the_escapes_of_a_shell() {
        assert_eq!(value(r#"K="a\"b\\c\$d\`e\nf\ g""#), r#"a"b\c$d`e\nf\ g"#);
        assert_eq!(value("K=\"a\\\nb\""), "ab");
        assert_eq!(value(r#"K="$HOME 'x'""#), "$HOME 'x'");
    }

    #[test]
    fn a_quote_inside_an_unquoted_value_is_literal_and_quoted_pieces_join() {
        assert_eq!(value(r#"K=a"b"'c'"#), r#"a"b"'c'"#);
        assert_eq!(value(r#"K="a " 'b '"#), "a b ");
        assert_eq!(value(r#"K="a" b "#), "ab");
    }

    #[test]
    fn lines_without_an_equals_sign_are_ignored_and_export_is_part_of_the_name() {
        assert_eq!(
            values("nothing\n\nexport K=1\nL=2=3"),
            [("export K".into(), "1".into()), ("L".into(), "2=3".into())]
        );
    }

    #[test]
    fn an_open_quote_takes_the_rest_of_the_file() {
        assert_eq!(value("K=\"a\nL=b\n"), "a\nL=b\n");
    }

    #[test]
    fn each_assignment_knows_its_line() {
        let lines: Vec<usize> = parse("# c\nA=1\r\n\nB='x\ny'\nC=\\\n3\nD=4").iter().map(|a| a.line).collect();
        assert_eq!(lines, [2, 4, 6, 8]);
    }

    proptest! {
        #[test]
        fn any_text_has_a_reading(text in any::<String>()) {
            prop_assert!(parse(&text).len() <= text.matches(['\n', '\r']).count() + 1);
        }

        #[test]
        fn any_nest_of_special_characters_has_a_reading(text in "[ab='\"\\\\#; \n\r$]{0,64}") {
            let lines = text.matches('\n').count() + 1;
            for assignment in parse(&text) {
                prop_assert!(assignment.line >= 1 && assignment.line <= lines);
                // A line may begin with `=`; systemd takes it for the first character of a name.
                prop_assert!(!assignment.key[1..].contains('='));
            }
        }

        #[test]
        fn a_single_quoted_value_is_read_back_as_it_is(value in "[^']*") {
            let text = format!("A=1\nK='{value}'\nB=2\n");
            let all = values(&text);
            prop_assert_eq!(&all[1], &("K".to_owned(), value));
            prop_assert_eq!(all.len(), 3);
        }

        #[test]
        fn a_plain_value_is_read_back_as_it_is(value in "[!#$%&()*+,./0-9:;<=>?@A-Z^_a-z{|}~][!-&(-\\[\\]-~]{0,40}") {
            let text = format!("K={value}\n");
            prop_assert_eq!(values(&text), [("K".to_owned(), value)]);
        }
    }
}
