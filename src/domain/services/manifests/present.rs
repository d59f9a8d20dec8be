//! The gateway as the database has it: as a document, and the rows behind it.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::super::ServiceError;
use super::super::publish::last_change;
use crate::domain::bucket::BucketStatus;
use crate::domain::ids::{MemberId, PoolId, VhostId};
use crate::domain::manifest::{Manifest, MemberSpec, PoolSpec, Renames, RouteSpec, VhostSpec};
use crate::domain::pool::{Address, Member, Pool, PoolName};
use crate::domain::route::Route;
use crate::domain::vhost::{ServerName, Vhost};
use crate::ports::store::Tx;

/// What is there, read in a few questions however much it is.
#[derive(Debug)]
pub(super) struct Present {
    /// As a document.
    pub manifest: Manifest,
    /// Its pools.
    pub pools: HashMap<PoolName, PoolId>,
    /// Its members, several with one address by their order.
    pub members: HashMap<(PoolName, Address, usize), MemberId>,
    /// Its vhosts.
    pub vhosts: HashMap<ServerName, VhostId>,
    /// Their routes, by the canonical prefix.
    pub routes: HashMap<(VhostId, String), Route>,
    /// The last change that it holds.
    pub change: Option<String>,
}

impl Present {
    /// Reads it.
    ///
    /// # Errors
    /// The store's.
    pub fn read(tx: &mut dyn Tx) -> Result<Self, ServiceError> {
        let change = last_change(tx)?;
        let pools = tx.pools()?;
        let names: HashMap<PoolId, PoolName> = pools.iter().map(|pool| (pool.id, pool.name.clone())).collect();
        let mut of_pool: HashMap<PoolId, Vec<Member>> = HashMap::new();
        for member in tx.every_member()? {
            of_pool.entry(member.pool_id).or_default().push(member);
        }
        let mut present = Self {
            manifest: Manifest::default(),
            pools: HashMap::new(),
            members: HashMap::new(),
            vhosts: HashMap::new(),
            routes: HashMap::new(),
            change,
        };
        for pool in pools {
            let members = of_pool.remove(&pool.id).unwrap_or_default();
            present.pool(pool, members, &names);
        }
        for vhost in tx.vhosts()? {
            let routes = tx.routes(vhost.id)?;
            let ignored = tx.buckets_with(vhost.id, BucketStatus::Ignored)?.into_iter().collect();
            present.vhost(vhost, routes, &names).ignored_buckets = ignored;
        }
        Ok(present)
    }

    /// What is another one as soon as the document is. Only this program can make anything of it.
    pub fn token(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.manifest.hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// The same gateway, with pools and vhosts called as they were.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] if somebody else has such a name now.
    pub fn called(mut self, renames: &Renames) -> Result<Self, ServiceError> {
        for (now, then) in renames.pools.in_order().map_err(|pair| exchanged("pools", "pool", pair))? {
            if self.pools.contains_key(&then) {
                return Err(taken("pool", &now, &then));
            }
            self.manifest.rename_pool(&now, &then);
            let id = self.pools.remove(&now);
            self.pools.extend(id.map(|id| (then.clone(), id)));
            let own: Vec<_> = self.members.keys().filter(|(pool, ..)| *pool == now).cloned().collect();
            for key in own {
                let id = self.members.remove(&key);
                self.members.extend(id.map(|id| ((then.clone(), key.1, key.2), id)));
            }
        }
        for (now, then) in renames.vhosts.in_order().map_err(|pair| exchanged("vhosts", "vhost", pair))? {
            if self.vhosts.contains_key(&then) {
                return Err(taken("vhost", &now, &then));
            }
            self.manifest.rename_vhost(&now, &then);
            let id = self.vhosts.remove(&now);
            self.vhosts.extend(id.map(|id| (then, id)));
        }
        Ok(self)
    }

    fn pool(&mut self, pool: Pool, members: Vec<Member>, names: &HashMap<PoolId, PoolName>) {
        let mut seen: HashMap<Address, usize> = HashMap::new();
        for member in &members {
            let next = seen.entry(member.address.clone()).or_default();
            self.members.insert((pool.name.clone(), member.address.clone(), *next), member.id);
            *next += 1;
        }
        let source = pool.source_nanio_pool_id.and_then(|id| names.get(&id).cloned());
        let members = members.iter().map(MemberSpec::of).collect();
        let spec = PoolSpec { members, ..PoolSpec::of(&pool, source) };
        self.pools.insert(pool.name.clone(), pool.id);
        self.manifest.pools.insert(pool.name, spec);
    }

    fn vhost(&mut self, vhost: Vhost, routes: Vec<Route>, names: &HashMap<PoolId, PoolName>) -> &mut VhostSpec {
        let mut declared = BTreeMap::new();
        for route in routes.into_iter().filter(|route| !route.path_prefix.is_root()) {
            if let Some(pool) = names.get(&route.pool_id) {
                declared.insert(route.path_prefix.clone(), RouteSpec::of(&route, pool.clone()));
            }
            self.routes.insert((vhost.id, route.path_prefix.canonical().to_owned()), route);
        }
        let default_pool = vhost.default_pool_id.and_then(|id| names.get(&id).cloned());
        let spec = VhostSpec { routes: declared, ..VhostSpec::of(&vhost, default_pool) };
        self.vhosts.insert(vhost.server_name.clone(), vhost.id);
        self.manifest.vhosts.entry(vhost.server_name).insert_entry(spec).into_mut()
    }
}

/// Another one has the name that this one is to have again.
fn taken(noun: &str, now: &impl Display, then: &impl Display) -> ServiceError {
    let option = name_option(noun);
    ServiceError::Conflict(format!(
        "nothing was changed: {noun} {now} was called {then} then, and that is the name of another {noun} now. Rename that \
         one (nanio-orchestrator {noun} update {then} {option} …) or remove it, and repeat"
    ))
}

/// There is no moment at which either name is free.
fn exchanged(nouns: &str, noun: &str, (one, other): (impl Display, impl Display)) -> ServiceError {
    let option = name_option(noun);
    ServiceError::Conflict(format!(
        "nothing was changed: {nouns} have exchanged their names since ({one} was called {other} then). Give {one} a name \
         that none of them had (nanio-orchestrator {noun} update {one} {option} …), and repeat"
    ))
}

fn name_option(noun: &str) -> &'static str {
    if noun == "pool" { "--name" } else { "--server-name" }
}
