//! nginx.conf: the operator's file. We read it, and write a copy of it in which the includes of the managed
//! directory lead to the staging.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::text::{self, Directive, Node, quote};
use super::tree::{KINDS, Tree, fault};
use crate::adapters::image::Image;
use crate::adapters::privileged::CANDIDATE_PID;
use crate::ports::gateway::GatewayError;

/// How deep includes may lead.
const MAX_DEPTH: usize = 8;

/// What nginx.conf and the files it includes say about us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MainConf {
    /// The text with our includes led to the staging, and with a pid file of its own.
    pub candidate: String,
    /// Copies of included files that lead to the staging in turn: path and text.
    pub copies: Vec<(PathBuf, String)>,
    /// Which of our directories are included in `http{}`.
    pub included: BTreeSet<&'static str>,
    /// Directives outside our files that may stand once in `http{}`.
    pub hashes: BTreeSet<String>,
    /// The `pid` it names.
    pub pid: Option<PathBuf>,
    /// The `error_log` it names.
    pub error_log: Option<PathBuf>,
    /// The `worker_connections` of `events{}`.
    pub worker_connections: Option<u32>,
    /// The arguments of each `error_log` in `http{}`, which then hold for requests in its place.
    pub request_error_logs: Vec<Vec<String>>,
}

impl MainConf {
    /// Reads `path` and what it includes, but not our own files.
    ///
    /// # Errors
    /// It cannot be read, or is not nginx configuration.
    pub fn read(path: &Path, tree: &Tree) -> Result<Self, GatewayError> {
        Self::read_in(Image::here(), path, tree)
    }

    /// The same, of the machine whose files these are.
    ///
    /// # Errors
    /// As [`MainConf::read`].
    pub fn read_in(image: Image, path: &Path, tree: &Tree) -> Result<Self, GatewayError> {
        let source = fs::read_to_string(image.on_disk(path)).map_err(|error| fault("read", path, &error))?;
        let nodes = text::read(&source).map_err(|error| {
            GatewayError::Refused(format!("{}: {error}; nginx could not load it either", path.display()))
        })?;
        let mut walker = Walker {
            base: path.parent().unwrap_or(Path::new("/")).to_owned(),
            root: image.canonical(tree.root()),
            staging: image.canonical(&tree.staging()),
            work: image.canonical(&tree.work()),
            found: Self::default(),
            image,
        };
        let mut edits = Vec::new();
        let mut own_pid = true;
        for node in &nodes {
            let Node::Directive(directive) = node else { continue };
            match (directive.name(), directive.arguments()) {
                ("pid", [pid]) => {
                    walker.found.pid = Some(walker.base.join(pid));
                    edits.push((directive.span, walker.pid_directive()));
                    own_pid = false;
                }
                ("error_log", [log, ..]) => walker.found.error_log = Some(walker.base.join(log)),
                ("events", _) => walker.found.worker_connections = worker_connections(directive),
                ("http", _) => walker.http(directive.block.as_deref().unwrap_or_default(), &mut edits, 0),
                _ => {}
            }
        }
        let mut candidate = edited(&source, edits);
        if own_pid {
            // On the first line, so that the line numbers in nginx's messages stay true.
            candidate.insert_str(0, &format!("{}; ", walker.pid_directive()));
        }
        walker.found.candidate = candidate;
        Ok(walker.found)
    }

    /// The lines that its `http{}` lacks to load our directories.
    #[must_use]
    pub fn missing_includes(&self, tree: &Tree) -> Vec<String> {
        let missing = KINDS.iter().filter(|kind| !self.included.contains(*kind));
        let include = |kind| format!("include {};", quote(&tree.root().join(kind).join("*.conf").to_string_lossy()));
        missing.map(include).collect()
    }

    /// Refuses a main file that does not load our directories.
    ///
    /// # Errors
    /// The lines to add.
    pub fn expect_includes(&self, path: &Path, tree: &Tree) -> Result<(), GatewayError> {
        let missing: Vec<String> = self.missing_includes(tree).iter().map(|line| format!("    {line}")).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(GatewayError::Refused(format!(
            "{} does not load the managed files, so nothing would be served; add to its http block:\n{}",
            path.display(),
            missing.join("\n")
        )))
    }
}

fn worker_connections(events: &Directive) -> Option<u32> {
    let mut inner = events.block.iter().flatten().filter_map(|node| match node {
        Node::Directive(directive) if directive.name() == "worker_connections" => directive.argument(),
        _ => None,
    });
    inner.next_back()?.parse().ok()
}

struct Walker {
    image: Image,
    base: PathBuf,
    root: PathBuf,
    staging: PathBuf,
    work: PathBuf,
    found: MainConf,
}

/// Whether a directive sets the size of this kind of hash table.
fn is_hash_of(name: &str, kind: &str) -> bool {
    name.strip_prefix(kind).is_some_and(|rest| rest.starts_with("hash_"))
}

type Edits = Vec<((usize, usize), String)>;

impl Walker {
    fn pid_directive(&self) -> String {
        format!("pid {}", quote(&self.work.join(CANDIDATE_PID).to_string_lossy()))
    }

    /// Looks at what stands directly in `http{}`.
    fn http(&mut self, nodes: &[Node], edits: &mut Edits, depth: usize) {
        for node in nodes {
            let Node::Directive(directive) = node else { continue };
            match directive.name() {
                "include" => self.include(directive, edits, depth),
                "error_log" => self.found.request_error_logs.push(directive.arguments().to_vec()),
                name if ["map_", "server_names_", "variables_"].iter().any(|kind| is_hash_of(name, kind)) => {
                    self.found.hashes.insert(name.to_owned());
                }
                _ => {}
            }
        }
    }

    fn include(&mut self, directive: &Directive, edits: &mut Edits, depth: usize) {
        let Some(pattern) = directive.argument().map(|pattern| self.base.join(pattern)) else { return };
        if let Some(kind) = self.managed(&pattern) {
            self.found.included.insert(kind);
            let staged = self.staging.join(kind).join("*.conf");
            edits.push((directive.span, format!("include {}", quote(&staged.to_string_lossy()))));
            return;
        }
        if depth >= MAX_DEPTH {
            return;
        }
        // nginx expands a pattern in alphabetical order, as glob(3) does.
        let pattern = self.image.on_disk(&pattern);
        let files: Vec<PathBuf> = glob::glob(&pattern.to_string_lossy()).into_iter().flatten().flatten().collect();
        let copied: Vec<Option<PathBuf>> = files.iter().map(|file| self.copy(file, depth)).collect();
        if copied.iter().any(Option::is_some) {
            let lines = files
                .iter()
                .zip(copied)
                .map(|(file, copy)| copy.unwrap_or_else(|| self.image.name_of(file)))
                .map(|file| format!("include {}", quote(&file.to_string_lossy())));
            edits.push((directive.span, lines.collect::<Vec<_>>().join("; ")));
        }
    }

    /// A copy of an included file, if it includes our directories in turn.
    fn copy(&mut self, file: &Path, depth: usize) -> Option<PathBuf> {
        let source = fs::read_to_string(file).ok()?;
        let nodes = text::read(&source).ok()?;
        let mut edits = Vec::new();
        self.http(&nodes, &mut edits, depth + 1);
        if edits.is_empty() {
            return None;
        }
        let copy = self.work.join(format!("include-{}.conf", self.found.copies.len()));
        self.found.copies.push((copy.clone(), edited(&source, edits)));
        Some(copy)
    }

    /// Which of our directories a pattern includes whole.
    fn managed(&self, pattern: &Path) -> Option<&'static str> {
        if pattern.file_name()? != "*.conf" {
            return None;
        }
        let dir = self.image.canonical(pattern.parent()?);
        KINDS.into_iter().find(|kind| dir == self.root.join(kind))
    }
}

fn edited(source: &str, mut edits: Edits) -> String {
    edits.sort_by_key(|(span, _)| *span);
    let mut text = String::with_capacity(source.len() + 64);
    let mut at = 0;
    for ((start, end), replacement) in edits {
        text.push_str(&source[at..start]);
        text.push_str(&replacement);
        at = end;
    }
    text.push_str(&source[at..]);
    text
}

/// A main file with these lines more at the end of its `http{}`; every other byte stays. `None`: it has no such block.
#[must_use]
pub fn with_lines(source: &str, lines: &[String]) -> Option<String> {
    let nodes = text::read(source).ok()?;
    let http = nodes.iter().find_map(|node| match node {
        Node::Directive(directive) if directive.name() == "http" && directive.block.is_some() => Some(directive),
        _ => None,
    })?;
    let brace = http.end - 1;
    // On lines of their own, also where the brace is not.
    let line = source[..brace].rfind('\n').map_or(0, |at| at + 1);
    let (at, first) = if source[line..brace].trim().is_empty() { (line, "") } else { (brace, "\n") };
    let added: String = lines.iter().map(|line| format!("    {line}\n")).collect();
    Some(format!("{}{first}{added}{}", &source[..at], &source[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_added_at_the_end_of_the_http_block_and_nothing_else_changes() {
        let lines = ["include a;".to_owned(), "include b;".to_owned()];
        let added = |source: &str| with_lines(source, &lines);
        assert_eq!(
            added("events {}\nhttp {\n    x on; # }\n}\n# end\n").unwrap(),
            "events {}\nhttp {\n    x on; # }\n    include a;\n    include b;\n}\n# end\n"
        );
        assert_eq!(added("http { x on; }").unwrap(), "http { x on; \n    include a;\n    include b;\n}");
        assert_eq!(added("http {}").unwrap(), "http {\n    include a;\n    include b;\n}");
        assert_eq!(added("include http.conf;"), None);
        assert_eq!(added("http {"), None);
    }
}
