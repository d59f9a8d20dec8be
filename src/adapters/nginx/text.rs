//! nginx's configuration text as a tree, by the rules of nginx's own reader (`ngx_conf_read_token`),
//! and the one function that quotes a value for it.

use std::borrow::Cow;

/// How deep blocks may be nested. nginx itself recurses; a hostile file must not exhaust our stack.
const MAX_DEPTH: usize = 32;

/// One thing between `;`, `{`, `}` and line ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// `name word word;` or `name word { … }`.
    Directive(Directive),
    /// `# text`, without the `#`; blanks around it dropped.
    Comment {
        /// The text.
        text: String,
        /// The line it is on, from 1.
        line: usize,
        /// Where it is in the text: byte offsets of its `#` and behind its end.
        span: (usize, usize),
    },
}

/// A directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// Its name and arguments, unquoted and unescaped. Never empty.
    pub words: Vec<String>,
    /// The line on which it ended (`;`) or its block began (`{`), from 1.
    pub line: usize,
    /// Where its words are in the text: byte offset of the first word and behind the last one.
    pub span: (usize, usize),
    /// The byte offset behind its `;` or its block.
    pub end: usize,
    /// What is inside its braces, if it has any.
    pub block: Option<Vec<Node>>,
}

impl Directive {
    /// Its first word.
    #[must_use]
    pub fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The words behind the name.
    #[must_use]
    pub fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }

    /// The only argument, if there is exactly one.
    #[must_use]
    pub fn argument(&self) -> Option<&str> {
        match self.arguments() {
            [only] => Some(only),
            _ => None,
        }
    }
}

/// Why a text is not nginx configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct TextError {
    /// Where.
    pub line: usize,
    /// What.
    pub message: String,
}

/// Reads a whole text.
///
/// # Errors
/// What nginx's reader would say: an unexpected or missing brace, semicolon or quote.
pub fn read(text: &str) -> Result<Vec<Node>, TextError> {
    let mut reader = Reader { bytes: text.as_bytes(), text, at: 0, line: 1 };
    let nodes = reader.block(0)?;
    if reader.at < reader.bytes.len() {
        return Err(reader.error("unexpected \"}\""));
    }
    Ok(nodes)
}

/// The directives of a tree, outermost first, blocks before what is in them.
pub fn walk<'a>(nodes: &'a [Node], visit: &mut dyn FnMut(&'a Directive)) {
    for node in nodes {
        if let Node::Directive(directive) = node {
            visit(directive);
            if let Some(block) = &directive.block {
                walk(block, visit);
            }
        }
    }
}

/// The bytes that mean nothing but themselves, wherever they stand in a word. A table, since every route of a
/// large vhost is looked at for each change of it.
const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let plain = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-/:@*+,=%";
    let mut index = 0;
    while index < plain.len() {
        table[plain[index] as usize] = true;
        index += 1;
    }
    table
};

/// `value` as one word of configuration text. A `$` stays what it is to nginx: a variable.
#[must_use]
pub fn quote(value: &str) -> Cow<'_, str> {
    if !value.is_empty() && value.bytes().all(|byte| PLAIN[usize::from(byte)]) {
        return Cow::Borrowed(value);
    }
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for c in value.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    Cow::Owned(quoted)
}

struct Reader<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
    line: usize,
}

/// What ended a directive's words.
enum End {
    Semicolon,
    Brace,
}

impl Reader<'_> {
    fn error(&self, message: impl Into<String>) -> TextError {
        TextError { line: self.line, message: message.into() }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn step(&mut self) {
        if self.peek() == Some(b'\n') {
            self.line += 1;
        }
        self.at += 1;
    }

    /// Reads until the `}` that closes the block (left unread at depth 0) or the end of the text.
    fn block(&mut self, depth: usize) -> Result<Vec<Node>, TextError> {
        if depth > MAX_DEPTH {
            return Err(self.error(format!("blocks are nested more than {MAX_DEPTH} deep")));
        }
        let mut nodes = Vec::new();
        loop {
            match self.peek() {
                None if depth == 0 => return Ok(nodes),
                None => return Err(self.error("unexpected end of text, expecting \"}\"")),
                Some(b) if is_blank(b) => self.step(),
                Some(b'#') => nodes.push(self.comment()),
                Some(b'}') => {
                    if depth > 0 {
                        self.step();
                    }
                    return Ok(nodes);
                }
                Some(b @ (b';' | b'{')) => return Err(self.error(format!("unexpected \"{}\"", char::from(b)))),
                Some(_) => {
                    let directive = self.directive(depth, &mut nodes)?;
                    nodes.push(Node::Directive(directive));
                }
            }
        }
    }

    fn comment(&mut self) -> Node {
        let (start, line) = (self.at + 1, self.line);
        while self.peek().is_some_and(|b| b != b'\n') {
            self.at += 1;
        }
        let text = self.text[start..self.at].trim();
        Node::Comment { text: text.to_owned(), line, span: (start - 1, self.at) }
    }

    fn directive(&mut self, depth: usize, before: &mut Vec<Node>) -> Result<Directive, TextError> {
        let mut words = Vec::new();
        let start = self.at;
        let mut end_of_words = start;
        let end = loop {
            match self.peek() {
                None => return Err(self.error("unexpected end of text, expecting \";\" or \"}\"")),
                Some(b) if is_blank(b) => self.step(),
                Some(b'#') => before.push(self.comment()),
                Some(b';') => break End::Semicolon,
                Some(b'{') => break End::Brace,
                Some(b'}') => return Err(self.error("unexpected \"}\"")),
                Some(_) => {
                    words.push(self.word()?);
                    end_of_words = self.at;
                }
            }
        };
        let line = self.line;
        self.step();
        let block = match end {
            End::Semicolon => None,
            End::Brace => Some(self.block(depth + 1)?),
        };
        Ok(Directive { words, line, span: (start, end_of_words), end: self.at, block })
    }

    fn word(&mut self) -> Result<String, TextError> {
        match self.peek() {
            Some(quote @ (b'"' | b'\'')) => self.quoted(quote),
            _ => self.bare(),
        }
    }

    fn quoted(&mut self, quote: u8) -> Result<String, TextError> {
        self.step();
        let start = self.at;
        loop {
            match self.peek() {
                None => return Err(self.error("unexpected end of text in a quoted word")),
                Some(b'\\') => {
                    self.step();
                    if self.peek().is_some() {
                        self.step();
                    }
                }
                Some(b) if b == quote => break,
                Some(_) => self.step(),
            }
        }
        let word = unescape(&self.text[start..self.at]);
        self.step();
        match self.peek() {
            // nginx wants a blank, an end or `)` (of an `if`) behind a closing quote.
            None | Some(b';' | b'{' | b')') => {}
            Some(b) if is_blank(b) => {}
            Some(_) => return Err(self.error("unexpected character behind a closing quote")),
        }
        if self.peek() == Some(b')') {
            self.step();
        }
        Ok(word)
    }

    fn bare(&mut self) -> Result<String, TextError> {
        let start = self.at;
        let mut variable = false;
        while let Some(b) = self.peek() {
            match b {
                b'\\' => {
                    variable = false;
                    self.step();
                    if self.peek().is_none() {
                        break;
                    }
                }
                b'{' if variable => {}
                b'$' => variable = true,
                b';' | b'{' => break,
                b if is_blank(b) => break,
                _ => variable = false,
            }
            self.step();
        }
        // A backslash may have stepped into a multi-byte character: go on to its end.
        while !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
        Ok(unescape(&self.text[start..self.at]))
    }
}

fn is_blank(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r' | b'\n')
}

/// Drops the backslashes that nginx drops; any other one is part of the word.
fn unescape(raw: &str) -> String {
    let mut word = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            word.push(c);
            continue;
        }
        let mut ahead = chars.clone();
        match ahead.next() {
            Some(escaped @ ('"' | '\'' | '\\')) => word.push(escaped),
            Some('t') => word.push('\t'),
            Some('r') => word.push('\r'),
            Some('n') => word.push('\n'),
            _ => {
                word.push('\\');
                continue;
            }
        }
        chars = ahead;
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<Vec<String>> {
        let mut all = Vec::new();
        walk(&read(text).unwrap(), &mut |directive| all.push(directive.words.clone()));
        all
    }

    #[test]
    fn words_are_split_as_nginx_splits_them() {
        let text = r#"log_format m '{"a":"$b"}' "x\"y"; # note
            map $a $b { "~^/(a|b{2})/" 1; ~^x\d${y}z 2; \default 3; }
            if ($x = "a") { return 404; }"#;
        assert_eq!(
            words(text),
            vec![
                vec!["log_format", "m", r#"{"a":"$b"}"#, "x\"y"],
                vec!["map", "$a", "$b"],
                vec!["~^/(a|b{2})/", "1"],
                vec!["~^x\\d${y}z", "2"],
                vec!["\\default", "3"],
                vec!["if", "($x", "=", "a"],
                vec!["return", "404"],
            ]
        );
    }

    #[test]
    fn what_nginx_refuses_is_refused() {
        for bad in ["a", "a {", "}", "a; }", ";", "{", "a \"x", "a \"x\"y;", "a { b }"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn everything_knows_where_it_stands() {
        let text = "a 'b' ;  # one \nserver {\n  x\n y; }\r\n# two";
        let spans: Vec<_> = read(text)
            .unwrap()
            .iter()
            .map(|node| match node {
                Node::Comment { span: (start, end), .. } => &text[*start..*end],
                Node::Directive(directive) => &text[directive.span.0..directive.end],
            })
            .collect();
        assert_eq!(spans, ["a 'b' ;", "# one ", "server {\n  x\n y; }", "# two"]);
    }

    #[test]
    fn nesting_without_end_is_an_error_and_not_a_crash() {
        assert!(read(&"a{".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            let _ = read(&text);
        }

        #[test]
        fn a_quoted_value_is_read_back_as_one_word(value in "[^\0]{0,60}") {
            let text = format!("name {};", quote(&value));
            let nodes = read(&text).unwrap();
            prop_assert_eq!(nodes.len(), 1);
            let Node::Directive(directive) = &nodes[0] else { panic!("a comment") };
            prop_assert_eq!(&directive.words, &vec!["name".to_owned(), value]);
        }
    }
}
