//! Carries out the steps from one document to another, inside one change, by the rules of the single calls.

use std::collections::{HashMap, HashSet};

use super::super::buckets::{self, follow_route};
use super::super::members::{self, MemberPatch, NewMember};
use super::super::pools::{self, NewPool, PoolPatch};
use super::super::publish::Change;
use super::super::vhosts::{self, NewVhost, VhostPatch};
use super::super::{ServiceError, guard, routes};
use super::present::Present;
use crate::domain::audit::Action;
use crate::domain::bucket::BucketName;
use crate::domain::ids::{EntityKind, PoolId, Revision, RouteId};
use crate::domain::manifest::{Difference, Fault, Manifest, MemberSpec, PoolSpec, RouteSpec, Subject, Verb, VhostSpec};
use crate::domain::migration::Migration;
use crate::domain::pool::{Address, Pool, PoolName};
use crate::domain::route::{PathPrefix, Route};
use crate::domain::vhost::{ServerName, Vhost};

/// So many routes of a vhost are rendered one by one; with more, the vhost is read as a whole.
const FEW: usize = 256;
/// So many faults are told at a time.
const TOLD: usize = 100;

/// Takes all steps.
///
/// # Errors
/// [`ServiceError::Manifest`] with everything that the rules refuse, each with its place.
pub(super) fn carry_out(
    change: &mut Change<'_>,
    present: &Present,
    wanted: &Manifest,
    steps: &[Difference],
) -> Result<(), ServiceError> {
    let moving = change.tx.unfinished_migrations()?;
    let mut work = Work { change, present, wanted, made: HashMap::new(), moving, pools: None, owners: HashMap::new() };
    let mut faults = Vec::new();
    for step in steps {
        match work.take(step) {
            Ok(()) => {}
            Err(ServiceError::Store(error)) => return Err(error.into()),
            Err(ServiceError::Gateway(error)) => return Err(error.into()),
            Err(refusal) => faults.push(Fault::at(&step.subject, None, refusal.to_string())),
        }
        if faults.len() >= TOLD {
            break;
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(ServiceError::Manifest(faults)) }
}

struct Work<'w, 'c> {
    change: &'w mut Change<'c>,
    present: &'w Present,
    wanted: &'w Manifest,
    /// Pools that this change made.
    made: HashMap<PoolName, PoolId>,
    moving: Vec<Migration>,
    /// All pools as they are when the first route is looked at.
    pools: Option<HashMap<PoolName, Pool>>,
    /// Vhosts whose routes are looked at.
    owners: HashMap<ServerName, Owner>,
}

/// What the routes of a vhost are checked against, read once for all of them.
struct Owner {
    vhost: Vhost,
    default: Option<Pool>,
    known_buckets: HashSet<BucketName>,
    touched: usize,
}

impl Work<'_, '_> {
    fn take(&mut self, step: &Difference) -> Result<(), ServiceError> {
        match &step.subject {
            Subject::Pool(name) if step.is_rename() => {
                let patch = PoolPatch { name: Some(name.clone()), ..PoolPatch::default() };
                pools::edit(self.change, self.pool_id(name)?, None, &patch).map(drop)
            }
            Subject::Vhost(name) if step.is_rename() => {
                let id = *self.present.vhosts.get(name).ok_or(ServiceError::NotFound("Vhost"))?;
                let patch = VhostPatch { server_name: Some(name.clone()), ..VhostPatch::default() };
                vhosts::edit(self.change, id, None, &patch, None, None).map(drop)
            }
            Subject::Pool(name) => self.pool(step.verb, name),
            Subject::Member(pool, address, number) => self.member(step.verb, pool, address, *number),
            Subject::Vhost(name) => self.vhost(step.verb, name),
            Subject::Route(vhost, prefix) => self.route(step.verb, vhost, prefix),
            Subject::IgnoredBucket(vhost, bucket) => {
                let id = self.vhost_row(vhost)?.id;
                match step.verb {
                    Verb::Delete => buckets::heed(self.change, id, bucket),
                    Verb::Create | Verb::Update => buckets::ignore(self.change, id, bucket).map(drop),
                }
            }
        }
    }

    fn pool(&mut self, verb: Verb, name: &PoolName) -> Result<(), ServiceError> {
        if verb == Verb::Delete {
            return pools::remove(self.change, self.pool_id(name)?, None);
        }
        let PoolSpec { description, kind, lb_method, keepalive, source, .. } = self.pool_spec(name)?.clone();
        let source = source.map(|source| self.pool_id(&source)).transpose()?;
        if verb == Verb::Create {
            let name = name.clone();
            let new = NewPool { name, description, kind, lb_method, keepalive, source_nanio_pool_id: source };
            let pool = pools::insert(self.change, &new)?;
            self.made.insert(pool.name, pool.id);
            return Ok(());
        }
        let patch = PoolPatch {
            name: None,
            description: Some(description),
            kind: Some(kind),
            lb_method: Some(lb_method),
            keepalive: Some(keepalive),
            source_nanio_pool_id: Some(source),
        };
        pools::edit(self.change, self.pool_id(name)?, None, &patch).map(drop)
    }

    fn member(&mut self, verb: Verb, pool: &PoolName, address: &Address, number: usize) -> Result<(), ServiceError> {
        let owner = self.pool_id(pool)?;
        if verb == Verb::Create {
            let MemberSpec { address, role, weight, max_fails, fail_timeout_s, enabled } =
                self.member_spec(pool, address, number)?.clone();
            let new = NewMember { address, role, weight, max_fails, fail_timeout_s, enabled };
            return members::insert(self.change, owner, &new).map(drop);
        }
        let key = (pool.clone(), address.clone(), number);
        let id = *self.present.members.get(&key).ok_or(ServiceError::NotFound("Member"))?;
        if verb == Verb::Delete {
            return members::remove(self.change, owner, id, None);
        }
        let spec = self.member_spec(pool, address, number)?;
        let patch = MemberPatch {
            address: None,
            role: Some(spec.role),
            weight: Some(spec.weight),
            max_fails: Some(spec.max_fails),
            fail_timeout_s: Some(spec.fail_timeout_s),
            enabled: Some(spec.enabled),
        };
        members::edit(self.change, owner, id, None, &patch).map(drop)
    }

    fn vhost(&mut self, verb: Verb, name: &ServerName) -> Result<(), ServiceError> {
        let known = self.present.vhosts.get(name).copied();
        if verb == Verb::Delete {
            return vhosts::remove(self.change, known.ok_or(ServiceError::NotFound("Vhost"))?, None);
        }
        let spec = self.vhost_spec(name)?;
        let default_pool_id = spec.default_pool.as_ref().map(|pool| self.pool_id(pool)).transpose()?;
        let (directives, blocks) = (spec.extra_directives.clone(), spec.extra_blocks.clone());
        let Some(id) = known else {
            let new = NewVhost {
                server_name: name.clone(),
                listen_port: spec.listen_port,
                ssl: spec.ssl,
                ssl_certificate: spec.ssl_certificate.clone(),
                ssl_certificate_key: spec.ssl_certificate_key.clone(),
                extra_directives: None,
                extra_blocks: Vec::new(),
                enabled: spec.enabled,
                default_pool_id,
                ip_rules: spec.ip_rules.clone(),
            };
            return vhosts::insert(self.change, &new, directives, blocks).map(drop);
        };
        let patch = VhostPatch {
            server_name: None,
            listen_port: Some(spec.listen_port),
            ssl: Some(spec.ssl),
            ssl_certificate: Some(spec.ssl_certificate.clone()),
            ssl_certificate_key: Some(spec.ssl_certificate_key.clone()),
            extra_directives: None,
            extra_blocks: None,
            enabled: Some(spec.enabled),
            default_pool_id: Some(default_pool_id),
            ip_rule_mode: Some(spec.ip_rules.as_ref().map(|rules| rules.mode)),
            ip_rule_ips: Some(spec.ip_rules.as_ref().map(|rules| rules.ranges.clone())),
            // What stays behind was looked at, for all buckets together.
            allow_orphan: true,
        };
        vhosts::edit(self.change, id, None, &patch, Some(directives), Some(blocks)).map(drop)
    }

    fn route(&mut self, verb: Verb, name: &ServerName, prefix: &PathPrefix) -> Result<(), ServiceError> {
        let vhost = self.owner(name)?.vhost.id;
        let before = self.present.routes.get(&(vhost, prefix.canonical().to_owned())).cloned();
        if verb == Verb::Delete {
            let route = before.ok_or(ServiceError::NotFound("Route"))?;
            guard::refuse_moving(&self.moving, vhost, route.path_prefix.bucket())?;
            routes::erase(self.change, route, Action::Delete)?;
            return self.follow(name, prefix);
        }
        let RouteSpec { pool, key_prefix, extra_directives, enabled } =
            self.vhost_spec(name)?.routes.get(prefix).ok_or(ServiceError::NotFound("Route"))?.clone();
        let pool = self.pool_row(&pool)?;
        let (id, revision, created_at) = match &before {
            Some(route) => (route.id, route.revision, route.created_at),
            None => (RouteId(self.change.tx.next_id(EntityKind::Route)?), Revision::NEW, self.change.now),
        };
        let after = Route {
            id,
            revision,
            vhost_id: vhost,
            path_prefix: prefix.clone(),
            pool_id: pool.id,
            key_prefix,
            extra_directives,
            enabled,
            created_at,
            updated_at: before.as_ref().map_or(self.change.now, |route| route.updated_at),
        };
        let owner = self.owner(name)?;
        routes::fits(&owner.vhost, owner.default.as_ref(), &pool, &after)?;
        if before.as_ref().is_some_and(|before| !routes::serves_as_before(before, &after)) {
            guard::refuse_moving(&self.moving, vhost, prefix.bucket())?;
        }
        let action = if before.is_some() { Action::Update } else { Action::Create };
        routes::save(self.change, before, after, action)?;
        self.follow(name, prefix)
    }

    /// Brings the record of a bucket in line with its route. Most routes of a new gateway have none.
    fn follow(&mut self, name: &ServerName, prefix: &PathPrefix) -> Result<(), ServiceError> {
        let owner = self.owner(name)?;
        owner.touched += 1;
        let (vhost, many) = (owner.vhost.id, owner.touched == FEW);
        let bucket = prefix.whole_bucket().filter(|bucket| owner.known_buckets.contains(bucket));
        if many {
            self.change.touch_vhost(vhost);
        }
        let Some(bucket) = bucket else { return Ok(()) };
        follow_route(self.change, vhost, prefix)?;
        let stays_ignored = self.wanted.vhosts.get(name).is_some_and(|spec| spec.ignored_buckets.contains(&bucket));
        if stays_ignored {
            buckets::ignore(self.change, vhost, &bucket)?;
        }
        Ok(())
    }

    fn owner(&mut self, name: &ServerName) -> Result<&mut Owner, ServiceError> {
        if !self.owners.contains_key(name) {
            let vhost = self.vhost_row(name)?;
            let tx = &mut *self.change.tx;
            let default = vhost.default_pool_id.map(|id| tx.pool(id)).transpose()?.flatten();
            let known_buckets = tx.buckets(vhost.id)?.into_iter().map(|bucket| bucket.name).collect();
            self.owners.insert(name.clone(), Owner { vhost, default, known_buckets, touched: 0 });
        }
        self.owners.get_mut(name).ok_or(ServiceError::NotFound("Vhost"))
    }

    fn vhost_row(&mut self, name: &ServerName) -> Result<Vhost, ServiceError> {
        self.change.tx.vhost_named(name.as_str())?.ok_or(ServiceError::NotFound("Vhost"))
    }

    fn pool_row(&mut self, name: &PoolName) -> Result<Pool, ServiceError> {
        let pools = match &mut self.pools {
            Some(pools) => pools,
            None => {
                let rows = self.change.tx.pools()?.into_iter();
                self.pools.insert(rows.map(|pool| (pool.name.clone(), pool)).collect())
            }
        };
        pools.get(name).cloned().ok_or_else(|| no_pool(name))
    }

    fn pool_id(&self, name: &PoolName) -> Result<PoolId, ServiceError> {
        let known = self.made.get(name).or_else(|| self.present.pools.get(name));
        known.copied().ok_or_else(|| no_pool(name))
    }

    fn pool_spec(&self, name: &PoolName) -> Result<&PoolSpec, ServiceError> {
        self.wanted.pools.get(name).ok_or_else(|| no_pool(name))
    }

    fn member_spec(&self, pool: &PoolName, address: &Address, number: usize) -> Result<&MemberSpec, ServiceError> {
        let mut twins = self.pool_spec(pool)?.members.iter().filter(|member| member.address == *address);
        twins.nth(number).ok_or(ServiceError::NotFound("Member"))
    }

    fn vhost_spec(&self, name: &ServerName) -> Result<&VhostSpec, ServiceError> {
        self.wanted.vhosts.get(name).ok_or(ServiceError::NotFound("Vhost"))
    }
}

fn no_pool(name: &PoolName) -> ServiceError {
    ServiceError::Rejected(format!("no pool named {name}"))
}
