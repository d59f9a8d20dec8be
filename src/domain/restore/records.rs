//! Which files count as written by us after a rebuild.

use super::import::Disk;
use crate::domain::disk::{DiskContent, DiskFile};

/// Files of 0.4.x that were understood to the last directive: they are no drift, and the first change of the
/// entity writes them anew. (What this program wrote is recorded as what the rows render to, so that an edit
/// shows as drift and is not written over.)
pub(super) fn of(disk: &Disk) -> Vec<(String, String)> {
    let understood = |file: &&DiskFile| match &file.content {
        DiskContent::Upstream(upstream) => upstream.remains.directives.is_empty(),
        DiskContent::Server(server) => server.remains.directives.is_empty(),
        _ => false,
    };
    let former = disk.files.iter().filter(|file| file.content.is_former() && file.is_at_its_place());
    former.filter(understood).map(|file| (file.path.clone(), file.sha256.clone())).collect()
}
