//! The paths that a Rust source names, found by the compiler's own lexer, so that neither line breaks nor
//! comments, strings, nested `use` trees or renamed imports hide one.

use std::collections::{HashMap, HashSet};
use std::str::FromStr as _;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A path as it is meant: from the crate's root (`crate`) or from the name of another crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub segments: Vec<String>,
    pub line: usize,
}

/// What a source names.
#[derive(Debug, Default)]
pub struct Source {
    pub paths: Vec<Named>,
    /// Macros that are called by their bare name, and the lints that an `allow` names.
    pub macros: Vec<(String, usize)>,
    pub allows: Vec<usize>,
}

/// Reads a file's text. `module` is where it stands in the crate, `crates` the names of other crates.
pub fn read(text: &str, module: &[String], crates: &HashSet<String>) -> Source {
    let tokens = TokenStream::from_str(text).unwrap_or_else(|error| panic!("{module:?} is not Rust: {error}"));
    let mut reader = Reader { crates, aliases: HashMap::new(), found: Source::default() };
    // Twice: a path may be written above the import that gives it its meaning.
    reader.walk(tokens.clone(), module);
    reader.found = Source::default();
    reader.walk(tokens, module);
    reader.found
}

struct Reader<'a> {
    crates: &'a HashSet<String>,
    /// Names that imports and `mod` items brought in, and what they stand for.
    aliases: HashMap<String, Vec<String>>,
    found: Source,
}

impl Reader<'_> {
    fn walk(&mut self, tokens: TokenStream, module: &[String]) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at = self.item(&tokens, at, module);
        }
    }

    /// Looks at what begins at `at`; tells where the next thing begins.
    fn item(&mut self, tokens: &[TokenTree], at: usize, module: &[String]) -> usize {
        match &tokens[at] {
            TokenTree::Group(group) => {
                self.group(group, at > 0 && is(tokens.get(at - 1), '#') || is_inner_attribute(tokens, at), module);
                at + 1
            }
            TokenTree::Ident(word) if word == "use" => self.import(tokens, at + 1, &[], module),
            TokenTree::Ident(word) if word == "mod" => self.module(tokens, at, module),
            TokenTree::Ident(_) => self.path(tokens, at, module),
            _ => at + 1,
        }
    }

    fn group(&mut self, group: &Group, attribute: bool, module: &[String]) {
        if attribute {
            self.attribute(group.stream());
        }
        self.walk(group.stream(), module);
    }

    /// `allow(…)`, also inside `cfg_attr`.
    fn attribute(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            match (token, tokens.get(at + 1)) {
                (TokenTree::Ident(word), Some(TokenTree::Group(_))) if word == "allow" => {
                    self.found.allows.push(word.span().start().line);
                }
                (TokenTree::Group(inner), _) => self.attribute(inner.stream()),
                _ => {}
            }
        }
    }

    /// `mod name { … }` and `mod name;`.
    fn module(&mut self, tokens: &[TokenTree], at: usize, module: &[String]) -> usize {
        let Some(TokenTree::Ident(name)) = tokens.get(at + 1) else { return at + 1 };
        let inner: Vec<String> = module.iter().cloned().chain([name.to_string()]).collect();
        self.aliases.insert(name.to_string(), inner.clone());
        match tokens.get(at + 2) {
            Some(TokenTree::Group(body)) if body.delimiter() == Delimiter::Brace => {
                self.walk(body.stream(), &inner);
                at + 3
            }
            _ => at + 2,
        }
    }

    /// One branch of a `use` tree, up to the `,` or `;` behind it.
    fn import(&mut self, tokens: &[TokenTree], mut at: usize, before: &[String], module: &[String]) -> usize {
        let mut segments = before.to_vec();
        let mut line = 0;
        while let Some(token) = tokens.get(at) {
            line = token.span().start().line;
            match token {
                TokenTree::Punct(mark) if mark.as_char() == ':' => at += 1,
                TokenTree::Punct(mark) if mark.as_char() == '*' => {
                    segments.push("*".to_owned());
                    at += 1;
                }
                TokenTree::Ident(word) if word == "as" => {
                    let renamed = tokens.get(at + 1).map(ToString::to_string).unwrap_or_default();
                    self.imported(segments, &renamed, line, module);
                    return at + 3;
                }
                TokenTree::Ident(word) => {
                    // `a::{self}` is `a`.
                    if word != "self" || segments.is_empty() {
                        segments.push(word.to_string());
                    }
                    at += 1;
                }
                TokenTree::Group(branches) => {
                    let branches: Vec<TokenTree> = branches.stream().into_iter().collect();
                    let mut branch = 0;
                    while branch < branches.len() {
                        branch = self.import(&branches, branch, &segments, module);
                    }
                    return at + 1;
                }
                _ => {
                    at += 1;
                    break;
                }
            }
        }
        if !segments.is_empty() {
            let last = segments.last().cloned().unwrap_or_default();
            self.imported(segments, &last, line, module);
        }
        at
    }

    fn imported(&mut self, segments: Vec<String>, name: &str, line: usize, module: &[String]) {
        if let Some(segments) = self.meant(&segments, module) {
            if name != "*" && name != "_" && segments.as_slice() != [name] {
                self.aliases.insert(name.to_owned(), segments.clone());
            }
            self.found.paths.push(Named { segments, line });
        }
    }

    /// `a::b::c` in code, and macro calls.
    fn path(&mut self, tokens: &[TokenTree], start: usize, module: &[String]) -> usize {
        let line = tokens[start].span().start().line;
        let mut segments = vec![tokens[start].to_string()];
        let mut at = start + 1;
        while is(tokens.get(at), ':')
            && is(tokens.get(at + 1), ':')
            && let Some(TokenTree::Ident(word)) = tokens.get(at + 2)
        {
            segments.push(word.to_string());
            at += 3;
        }
        if is(tokens.get(at), '!') && matches!(tokens.get(at + 1), Some(TokenTree::Group(_))) {
            self.found.macros.push((segments.last().cloned().unwrap_or_default(), line));
        }
        // `.await`, `.field` and `<T>::name` are not paths of their own.
        let continued = start > 0 && (is(tokens.get(start - 1), '.') && !is(tokens.get(start.wrapping_sub(2)), '.'));
        if segments.len() > 1
            && !continued
            && let Some(segments) = self.meant(&segments, module)
        {
            self.found.paths.push(Named { segments, line });
        }
        at
    }

    /// The path from the crate's root or another crate; `None`: a local type, variable or primitive.
    fn meant(&self, segments: &[String], module: &[String]) -> Option<Vec<String>> {
        let (first, rest) = segments.split_first()?;
        let absolute = |base: &[String], rest: &[String]| Some(base.iter().chain(rest).cloned().collect());
        match first.as_str() {
            "crate" | "nanio_orchestrator" => absolute(&["crate".to_owned()], rest),
            "self" => absolute(module, rest),
            "super" => {
                let ups = 1 + rest.iter().take_while(|word| *word == "super").count();
                absolute(&module[..module.len().saturating_sub(ups)], &rest[ups - 1..])
            }
            name => match self.aliases.get(name) {
                Some(meaning) => absolute(meaning, rest),
                None => self.crates.contains(name).then(|| segments.to_vec()),
            },
        }
    }
}

fn is(token: Option<&TokenTree>, mark: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}

/// `#![…]`
fn is_inner_attribute(tokens: &[TokenTree], at: usize) -> bool {
    at > 1 && is(tokens.get(at - 1), '!') && is(tokens.get(at - 2), '#')
}
