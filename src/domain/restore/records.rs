//! Which files count as written by us after a rebuild.

use super::import::Disk;
use crate::domain::disk::{DiskContent, DiskFile, Writer};
use crate::domain::gateway::FileName;

/// Whether a file is where the entity it speaks of is kept.
pub(super) fn is_at_its_place(file: &DiskFile) -> bool {
    let own = match &file.content {
        DiskContent::Upstream(upstream) => FileName::Upstream(upstream.name.clone()),
        DiskContent::Server(server) => FileName::Server(server.server_name.clone()),
        DiskContent::PoolSidecar(sidecar) => FileName::PoolSidecar(sidecar.name.clone()),
        DiskContent::VhostSidecar(sidecar) => FileName::VhostSidecar(sidecar.server_name.clone()),
        DiskContent::Common => FileName::Common,
        DiskContent::Ids(_) => FileName::Ids,
        DiskContent::Foreign | DiskContent::Unreadable(_) => return false,
    };
    file.name.as_ref() == Some(&own)
}

/// Files of 0.4.x that were understood to the last directive: they are no drift, and the first change of the
/// entity writes them anew. (What this program wrote is recorded as what the rows render to, so that an edit
/// shows as drift and is not written over.)
pub(super) fn of(disk: &Disk) -> Vec<(String, String)> {
    let understood = |file: &&DiskFile| match &file.content {
        DiskContent::Upstream(upstream) => {
            upstream.writer == Writer::Version04 && upstream.remains.directives.is_empty()
        }
        DiskContent::Server(server) => server.writer == Writer::Version04 && server.remains.directives.is_empty(),
        _ => false,
    };
    let files = disk.files.iter().filter(|file| is_at_its_place(file)).filter(understood);
    files.map(|file| (file.path.clone(), file.sha256.clone())).collect()
}
