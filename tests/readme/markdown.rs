//! Just enough of Markdown: headings, links, what is in code font.

use std::path::{Path, PathBuf};

/// Where the repository is.
pub fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file, by its path from the top.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All pages of the book, by their paths from the top.
pub fn chapters() -> Vec<String> {
    let mut found = Vec::new();
    let mut directories = vec![PathBuf::from("docs")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(top().join(&directory)).unwrap() {
            let entry = entry.unwrap();
            let path = directory.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|end| end == "md") && !path.ends_with("SUMMARY.md") {
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// A line of a page, and whether it is in a block of code.
fn lines(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut in_code = false;
    text.lines().filter_map(move |line| {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            return None;
        }
        Some((line, in_code))
    })
}

/// What `#…` in a link may name on a page, as GitHub and mdBook make it.
pub fn anchors(text: &str) -> Vec<String> {
    let headings = lines(text).filter(|(line, in_code)| !in_code && line.starts_with('#'));
    let slug = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        words.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
    };
    headings.map(|(line, _)| slug(line)).collect()
}

/// The targets of links and pictures.
pub fn links(text: &str) -> Vec<String> {
    let prose = lines(text).filter(|(_, in_code)| !in_code).map(|(line, _)| without_code(line));
    let prose = prose.collect::<Vec<_>>().join("\n");
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target.to_owned()).collect()
}

fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

/// What is in code font: in a line, and lines of blocks, each with its continuations.
pub fn code(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut paragraph = String::new();
    let mut goes_on = false;
    for (line, in_code) in lines(text) {
        if in_code {
            let (words, continues) = line.strip_suffix('\\').map_or((line, false), |rest| (rest, true));
            match found.last_mut().filter(|_| goes_on) {
                Some(last) => last.push_str(words),
                None => found.push(words.to_owned()),
            }
            goes_on = continues;
        } else if line.is_empty() {
            found.extend(spans(&std::mem::take(&mut paragraph)));
        } else {
            paragraph.push_str(line);
            paragraph.push(' ');
        }
    }
    found.extend(spans(&paragraph));
    found
}

/// A span of code may go on in the next line, so a paragraph is looked at as a whole.
fn spans(paragraph: &str) -> Vec<String> {
    paragraph.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn headings_links_and_code_are_found() {
    let text = "# A & B, 0.4.x\n\nSee [it](x.md#y) and `GET /a`, not `](z)`, and\n`a b\nc`.\n\n```\n# no heading\na \\\n  b\n```\n## Two_s\n";
    assert_eq!(anchors(text), ["a--b-04x", "two_s"]);
    assert_eq!(links(text), ["x.md#y"]);
    assert_eq!(code(text), ["GET /a", "](z)", "a b c", "# no heading", "a   b"]);
}
