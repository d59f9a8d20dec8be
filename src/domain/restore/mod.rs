//! From what the disk says to the rows that say the same: pure, total, and the same for the same disk.
//!
//! The disk is taken as it is. Where two files disagree, the one that nginx reads wins; what the other one holds
//! beyond that is kept in a form that nginx does not serve (a disabled member or route), and the operator is told.
//! A reference is resolved by name; by id only among files of one tree, and never across. Ids stay; where two
//! entities claim one, one of them gets an id that nobody had before.

mod found;
mod ids;
mod import;
mod migrations;
mod pool_rows;
mod pools;
mod records;
mod told;
mod vhost_rows;
mod vhosts;

pub use import::{Disk, Import, ImportedPool, ImportedVhost, import};
pub use pools::{MemberDraft, PoolDraft};
pub use vhosts::{PoolNamed, RouteDraft, VhostDraft};

use super::disk::Remains;

/// What the operator should know, in sentences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes(pub Vec<String>);

impl Notes {
    fn say(&mut self, sentence: String) {
        self.0.push(sentence);
    }

    /// What a configuration file holds and nothing here can keep.
    fn say_remains(&mut self, path: &str, remains: &Remains) {
        for directive in &remains.directives {
            self.say(format!("{path}: {directive}: it is not kept"));
        }
    }
}
