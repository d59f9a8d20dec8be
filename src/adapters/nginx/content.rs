//! What is known of a file without reading it again.

use std::sync::LazyLock;

use super::pieces::Pieces;
use super::proof::Facts;
use super::tree::{MANAGED_LINE, sha256};

/// What is known of a file that was read, or written by us.
#[derive(Debug)]
pub struct Content {
    sha256: LazyLock<String, HashLater>,
    /// Whether it begins with [`MANAGED_LINE`].
    pub managed: bool,
    /// Upstreams it defines and names.
    pub facts: Facts,
}

type HashLater = Box<dyn FnOnce() -> String + Send>;

impl Content {
    /// Reads what there is to know from a file's bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let managed = text.lines().next() == Some(MANAGED_LINE);
        Self { sha256: hashed(sha256(bytes)), managed, facts: Facts::of(&text) }
    }

    /// What there is to know of a sidecar: JSON has no first line to mark it, its place does.
    #[must_use]
    pub fn of_sidecar(bytes: &[u8]) -> Self {
        Self { sha256: hashed(sha256(bytes)), managed: true, facts: Facts::default() }
    }

    /// What there is to know of a text of ours. It is hashed by whoever first asks for the hash.
    #[must_use]
    pub fn ours(text: Pieces, facts: Facts) -> Self {
        Self { sha256: LazyLock::new(Box::new(move || text.sha256())), managed: true, facts }
    }

    /// Lets nobody wait for the hash who asks for it later.
    pub fn hash_now(&self) {
        LazyLock::force(&self.sha256);
    }

    /// Lower-hex SHA-256 of the bytes.
    #[must_use]
    pub fn sha256(&self) -> &String {
        &self.sha256
    }
}

fn hashed(sha256: String) -> LazyLock<String, HashLater> {
    let hash: LazyLock<String, HashLater> = LazyLock::new(Box::new(move || sha256));
    LazyLock::force(&hash);
    hash
}
