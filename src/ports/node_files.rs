//! The files of a storage node as text: rendered for the operator, never deployed.

use crate::domain::node_config::{NodeFile, NodeSetup};

/// Writes a node's setup in the languages of the programs that will read it. A pure function: the same setup
/// gives the same text, and no value of it adds a line, a key, a directive or a command.
pub trait NodeFiles: Send + Sync {
    /// The whole text of one file.
    fn text(&self, file: NodeFile, setup: &NodeSetup) -> String;

    /// What to do with the files on the node, as lines for a shell and its reader.
    fn instructions(&self, setup: &NodeSetup) -> String;
}
