//! An operator's own text between our markers, and the file without it.

use std::collections::HashMap;

use super::parse::{ParseError, missing};
use super::snippet;
use crate::domain::vhost::{ExtraBlock, Snippet, Zone};

/// What stands behind the name of an operator's text in the line before it.
pub const BEGINS: &str = ": as the operator wrote it";

/// An operator's own text, found between markers, and the file without it.
#[derive(Default)]
pub struct OwnText {
    /// The file without it; every line keeps its number.
    pub rest: String,
    /// Of the whole vhost.
    pub directives: Option<Snippet>,
    blocks: Vec<(usize, ExtraBlock)>,
    /// Of routes, by prefix.
    pub routes: HashMap<String, Snippet>,
}

impl OwnText {
    /// Takes the marked text out. Text that no operator could have given us is not taken for an operator's.
    pub fn take(source: &str) -> Result<Self, ParseError> {
        let mut own = Self::default();
        let mut open: Option<(&str, String)> = None;
        for line in source.lines() {
            let marker = line.trim_start().strip_prefix("# ").unwrap_or_default();
            if let Some((label, content)) = &mut open {
                if marker.strip_suffix(" ends") == Some(label) {
                    own.keep(label, content)?;
                    open = None;
                } else {
                    content.push_str(line);
                    content.push('\n');
                }
            } else if let Some(label) = marker.strip_suffix(BEGINS) {
                open = Some((label, String::new()));
            } else {
                own.rest.push_str(line);
            }
            own.rest.push('\n');
        }
        match open {
            None => Ok(own),
            Some((label, _)) => Err(missing(&format!("the end of {label}"))),
        }
    }

    fn keep(&mut self, label: &str, content: &str) -> Result<(), ParseError> {
        snippet::check(content, true).map_err(|why| ParseError::Unexpected(format!("{label}: {why}")))?;
        let snippet = Snippet::parse(content)?;
        let unknown = || ParseError::Unexpected(format!("unknown marker: {label}"));
        if label == "zone directives" {
            expect_same(label, self.directives.as_ref(), &snippet)?;
            self.directives = Some(snippet);
        } else if let Some((zone, index)) = label.strip_prefix("zone ").and_then(|rest| rest.split_once(" #")) {
            let index = index.parse().map_err(|_| unknown())?;
            self.blocks.push((index, ExtraBlock { zone: Zone::parse(zone)?, content: snippet }));
        } else {
            let prefix = label.strip_prefix("route ").and_then(|rest| rest.strip_suffix(" directives"));
            let prefix = prefix.ok_or_else(unknown)?;
            // A route may have two locations: an edit of one of them must not be lost to the other.
            expect_same(label, self.routes.get(prefix), &snippet)?;
            self.routes.insert(prefix.to_owned(), snippet);
        }
        Ok(())
    }

    /// The blocks in the order in which the operator gave them.
    pub fn extra_blocks(&mut self) -> Vec<ExtraBlock> {
        self.blocks.sort_by_key(|(index, _)| *index);
        std::mem::take(&mut self.blocks).into_iter().map(|(_, block)| block).collect()
    }
}

fn expect_same(label: &str, before: Option<&Snippet>, now: &Snippet) -> Result<(), ParseError> {
    if before.is_none_or(|before| before == now) {
        return Ok(());
    }
    Err(ParseError::Unexpected(format!(
        "\"{label}\" stands there twice, and not with the same text: make both the same"
    )))
}
