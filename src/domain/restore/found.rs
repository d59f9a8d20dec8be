//! The files of a disk, by the entity that they are about.

use std::collections::{BTreeMap, HashSet};

use super::Notes;
use super::import::Disk;
use crate::domain::disk::{
    DiskContent, DiskDatabase, DiskFile, DiskPoolSidecar, DiskServer, DiskUpstream, DiskVhostSidecar,
};
use crate::domain::pool::PoolName;
use crate::domain::sidecar::HighestIds;
use crate::domain::vhost::ServerName;

/// The files by what they are about. Names of pools are compared as nginx does, without regard to case.
#[derive(Default)]
pub(super) struct Found<'d> {
    pub upstreams: BTreeMap<String, &'d DiskUpstream>,
    pub pool_sidecars: BTreeMap<String, &'d DiskPoolSidecar>,
    pub servers: BTreeMap<&'d ServerName, &'d DiskServer>,
    pub vhost_sidecars: BTreeMap<&'d ServerName, &'d DiskVhostSidecar>,
    pub highest: Option<HighestIds>,
}

impl<'d> Found<'d> {
    /// Sorts the files. Of two about one entity, the one at its own place counts.
    pub fn of(disk: &'d Disk, notes: &mut Notes) -> Self {
        let mut found = Self::default();
        // A file at its own place comes before one that only says the same name.
        let (own, stray): (Vec<_>, Vec<_>) = disk.files.iter().partition(|file| file.is_at_its_place());
        for file in own.into_iter().chain(stray) {
            found.add(file, notes);
        }
        if let Some(former) = &disk.former {
            notes.0.extend(former.remains.iter().cloned());
            found.tell_of_leftovers(former, notes);
            for pool in &former.pools {
                found.pool_sidecars.insert(key(&pool.name), pool);
            }
            for vhost in &former.vhosts {
                found.vhost_sidecars.insert(&vhost.server_name, vhost);
            }
        }
        found
    }

    /// 0.4.x left files behind when it renamed something, and some when it deleted it. nginx has them all the same.
    fn tell_of_leftovers(&self, former: &DiskDatabase, notes: &mut Notes) {
        let pools: HashSet<String> = former.pools.iter().map(|pool| key(&pool.name)).collect();
        let vhosts: HashSet<&ServerName> = former.vhosts.iter().map(|vhost| &vhost.server_name).collect();
        let lost = "is on disk, and the database of 0.4.x does not know it: it may have been renamed or deleted there. It \
                    is taken over as nginx has it; delete it if it is not meant to be";
        for upstream in self.upstreams.iter().filter(|(name, _)| !pools.contains(*name)).map(|(_, conf)| conf) {
            notes.say(format!("pool {} {lost}", upstream.name));
        }
        for name in self.servers.keys().filter(|name| !vhosts.contains(*name)) {
            notes.say(format!("vhost {name} {lost}"));
        }
    }

    fn add(&mut self, file: &'d DiskFile, notes: &mut Notes) {
        let path = &file.path;
        let second = match &file.content {
            DiskContent::Common | DiskContent::Foreign => None,
            DiskContent::Ids(highest) => {
                self.highest = Some(*highest);
                None
            }
            DiskContent::Unreadable(why) => {
                notes.say(format!("{path} cannot be read: {why}; nothing of it was taken over"));
                None
            }
            DiskContent::Upstream(upstream) => {
                notes.say_remains(path, &upstream.remains);
                let second = self.upstreams.contains_key(&key(&upstream.name));
                self.upstreams.entry(key(&upstream.name)).or_insert(upstream);
                second.then(|| format!("pool {}", upstream.name))
            }
            DiskContent::Server(server) => {
                notes.say_remains(path, &server.remains);
                let second = self.servers.contains_key(&server.server_name);
                self.servers.entry(&server.server_name).or_insert(server);
                second.then(|| format!("vhost {}", server.server_name))
            }
            DiskContent::PoolSidecar(sidecar) => {
                notes.0.extend(sidecar.remains.iter().map(|what| format!("{path}: {what}")));
                let second = self.pool_sidecars.contains_key(&key(&sidecar.name));
                self.pool_sidecars.entry(key(&sidecar.name)).or_insert(sidecar);
                second.then(|| format!("pool {}", sidecar.name))
            }
            DiskContent::VhostSidecar(sidecar) => {
                notes.0.extend(sidecar.remains.iter().map(|what| format!("{path}: {what}")));
                let second = self.vhost_sidecars.contains_key(&sidecar.server_name);
                self.vhost_sidecars.entry(&sidecar.server_name).or_insert(sidecar);
                second.then(|| format!("vhost {}", sidecar.server_name))
            }
        };
        if let Some(what) = second {
            notes.say(format!("{path} is the second file about {what}; nothing of it was taken over"));
        }
    }
}

/// A pool by its name, as nginx compares it.
pub(super) fn key(name: &PoolName) -> String {
    name.as_str().to_ascii_lowercase()
}
