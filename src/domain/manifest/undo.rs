//! A document as it was before a deed. Only what the deed left is taken back: where something else stands, somebody
//! did what is not known here, and the document before it cannot be told.

use std::mem::take;

use super::{Deed, Manifest, PoolSpec, Renames, Thing, VhostSpec};

/// A document on its way back through the changes that made it.
#[derive(Debug, Clone)]
pub struct Past {
    /// The document as it was.
    pub manifest: Manifest,
    /// What is still there, and had another name.
    pub renames: Renames,
}

impl Past {
    /// The way begins at the present document.
    #[must_use]
    pub fn of(present: Manifest) -> Self {
        Self { manifest: present, renames: Renames::default() }
    }

    /// Takes a deed back.
    ///
    /// # Errors
    /// Why that cannot be done, for the operator. The document is then of no use.
    pub fn take_back(&mut self, deed: &Deed) -> Result<(), String> {
        match (&deed.before, &deed.after) {
            (Some(Thing::Untold(what)), _) | (_, Some(Thing::Untold(what))) => {
                Err(format!("it does not tell what {what} did"))
            }
            (Some(Thing::Pool(old, before)), Some(Thing::Pool(new, after))) => {
                let now = self.manifest.pools.get_mut(new).ok_or_else(|| other(deed))?;
                let members = take(&mut now.members);
                if *now != *after {
                    return Err(other(deed));
                }
                *now = PoolSpec { members, ..before.clone() };
                if old != new {
                    if self.manifest.pools.contains_key(old) {
                        return Err(other(deed));
                    }
                    self.manifest.rename_pool(new, old);
                    self.renames.pools.was_called(new, old);
                }
                Ok(())
            }
            (Some(Thing::Vhost(old, before)), Some(Thing::Vhost(new, after))) => {
                let now = self.manifest.vhosts.get_mut(new).ok_or_else(|| other(deed))?;
                let (routes, ignored_buckets) = (take(&mut now.routes), take(&mut now.ignored_buckets));
                if *now != *after {
                    return Err(other(deed));
                }
                *now = VhostSpec { routes, ignored_buckets, ..before.clone() };
                if old != new {
                    if self.manifest.vhosts.contains_key(old) {
                        return Err(other(deed));
                    }
                    self.manifest.rename_vhost(new, old);
                    self.renames.vhosts.was_called(new, old);
                }
                Ok(())
            }
            (before, after) => {
                let taken = after.as_ref().is_none_or(|thing| self.take(thing));
                let put = taken && before.as_ref().is_none_or(|thing| self.put(thing));
                if put { Ok(()) } else { Err(other(deed)) }
            }
        }
    }

    /// Takes a thing out; `false`: it is not there, or not so.
    fn take(&mut self, thing: &Thing) -> bool {
        let Self { manifest, renames } = self;
        match thing {
            // Its parts were made after it, and are gone before it.
            Thing::Pool(name, spec) => {
                renames.pools.was_made(name);
                manifest.pools.remove(name).as_ref() == Some(spec)
            }
            Thing::Vhost(name, spec) => {
                renames.vhosts.was_made(name);
                manifest.vhosts.remove(name).as_ref() == Some(spec)
            }
            Thing::Member(pool, member) => {
                let Some(pool) = manifest.pools.get_mut(pool) else { return false };
                let place = pool.members.iter().position(|one| one == member);
                place.map(|place| pool.members.remove(place)).is_some()
            }
            Thing::Route(vhost, prefix, spec) => {
                let vhost = manifest.vhosts.get_mut(vhost);
                vhost.and_then(|vhost| vhost.routes.remove(prefix)).as_ref() == Some(spec)
            }
            Thing::IgnoredBucket(vhost, bucket) => {
                manifest.vhosts.get_mut(vhost).is_some_and(|vhost| vhost.ignored_buckets.remove(bucket))
            }
            Thing::Untold(_) => false,
        }
    }

    /// Puts a thing in; `false`: something is there already, or what it belongs to is not.
    fn put(&mut self, thing: &Thing) -> bool {
        let Self { manifest, renames } = self;
        match thing {
            Thing::Pool(name, spec) => {
                renames.pools.was_lost(name);
                manifest.pools.insert(name.clone(), spec.clone()).is_none()
            }
            Thing::Vhost(name, spec) => {
                renames.vhosts.was_lost(name);
                manifest.vhosts.insert(name.clone(), spec.clone()).is_none()
            }
            Thing::Member(pool, member) => {
                let pool = manifest.pools.get_mut(pool);
                pool.map(|pool| pool.members.push(member.clone())).is_some()
            }
            Thing::Route(vhost, prefix, spec) => {
                let vhost = manifest.vhosts.get_mut(vhost);
                vhost.is_some_and(|vhost| vhost.routes.insert(prefix.clone(), spec.clone()).is_none())
            }
            Thing::IgnoredBucket(vhost, bucket) => {
                manifest.vhosts.get_mut(vhost).is_some_and(|vhost| vhost.ignored_buckets.insert(bucket.clone()))
            }
            Thing::Untold(_) => false,
        }
    }
}

/// Something stands there that the deed did not leave.
fn other(deed: &Deed) -> String {
    let what = deed.after.as_ref().or(deed.before.as_ref()).map_or_else(String::new, Thing::to_string);
    format!("{what} is not as that revision left it, and no later one tells why")
}
