//! What `install` and `doctor` must know of nginx's main file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::adapters::image::Image;
use crate::adapters::nginx::main_conf::{self, MainConf};
use crate::adapters::nginx::text::{self, Node};
use crate::adapters::nginx::tree::Tree;
use crate::adapters::privileged::candidate_of;

/// nginx's main file, as far as it concerns us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MainFile {
    /// The lines that its `http{}` lacks to load the managed files.
    pub missing: Vec<String>,
    /// The text with which candidates are tested.
    pub candidate: String,
    /// Where that is expected.
    pub candidate_path: PathBuf,
}

/// Reads nginx's main file of a machine.
///
/// # Errors
/// It cannot be read, or is not nginx configuration; in words for the operator.
pub fn main_file(image: &Image, conf: &Path, managed: &Path) -> Result<MainFile, String> {
    let tree = Tree::looked_at(managed);
    let main = MainConf::read_in(image.clone(), conf, &tree).map_err(|error| error.to_string())?;
    Ok(MainFile {
        missing: main.missing_includes(&tree),
        candidate: main.candidate,
        candidate_path: candidate_of(conf),
    })
}

/// The text of nginx's main file with these lines more in its `http{}`.
///
/// # Errors
/// It cannot be read, or has no `http{}`.
pub fn with_includes(image: &Image, conf: &Path, lines: &[String]) -> Result<String, String> {
    let text = fs::read_to_string(image.on_disk(conf)).map_err(|error| format!("{}: {error}", conf.display()))?;
    main_conf::with_lines(&text, lines).ok_or_else(|| {
        format!("{} has no http block of its own: add to the one that it includes: {}", conf.display(), lines.join(" "))
    })
}

/// What the managed files name beyond the machine's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// Addresses of storage nodes.
    pub members: BTreeSet<String>,
    /// Files of certificates.
    pub certificates: BTreeSet<String>,
}

/// Reads what the managed files name. What cannot be read names nothing: others tell of that.
#[must_use]
pub fn named_by_files(managed: &Path) -> Named {
    let mut named = Named::default();
    for kind in ["pools", "vhosts"] {
        let pattern = managed.join(kind).join("*.conf");
        for path in glob::glob(&pattern.to_string_lossy()).into_iter().flatten().flatten() {
            let text = fs::read_to_string(path).unwrap_or_default();
            look(&text::read(&text).unwrap_or_default(), "", &mut named);
        }
    }
    named
}

fn look(nodes: &[Node], within: &str, named: &mut Named) {
    for node in nodes {
        let Node::Directive(directive) = node else { continue };
        match (within, directive.name(), directive.arguments()) {
            ("upstream", "server", [address, rest @ ..]) if !rest.iter().any(|word| word == "down") => {
                named.members.insert(address.clone());
            }
            ("server", "ssl_certificate", [path]) => {
                named.certificates.insert(path.clone());
            }
            _ => {}
        }
        look(directive.block.as_deref().unwrap_or_default(), directive.name(), named);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_and_certificates_are_found_in_the_managed_files() {
        let directory = tempfile::tempdir().unwrap();
        for kind in ["pools", "vhosts"] {
            fs::create_dir(directory.path().join(kind)).unwrap();
        }
        let upstream = "upstream p { server 10.0.0.1:9000; server unix:/run/n.sock; server 10.0.0.2:9000 down; }";
        fs::write(directory.path().join("pools/p.conf"), upstream).unwrap();
        let server = "server { ssl_certificate /etc/ssl/s3.pem; location / { proxy_pass http://p; } }";
        fs::write(directory.path().join("vhosts/s3.conf"), server).unwrap();
        fs::write(directory.path().join("vhosts/broken.conf"), "server {").unwrap();
        let named = named_by_files(directory.path());
        assert_eq!(named.members.iter().collect::<Vec<_>>(), ["10.0.0.1:9000", "unix:/run/n.sock"]);
        assert_eq!(named.certificates.iter().collect::<Vec<_>>(), ["/etc/ssl/s3.pem"]);
    }
}
