//! A transaction on a copy of the state.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::domain::audit;
use crate::domain::bucket::{Bucket, BucketName, BucketStatus};
use crate::domain::credential::Credential;
use crate::domain::gateway::PoolRef;
use crate::domain::ids::{AuditId, EntityKind, JobId, MemberId, MigrationId, PoolId, RouteId, VhostId};
use crate::domain::job::Job;
use crate::domain::migration::log::{LogEntry, NewLogEntry};
use crate::domain::migration::{Migration, Phase};
use crate::domain::pool::{Member, Pool, PoolName};
use crate::domain::route::{PathPrefix, Route};
use crate::domain::sidecar::HighestIds;
use crate::domain::time::Timestamp;
use crate::domain::vhost::{ServerName, Vhost};
use crate::ports::store::{Access, FileRecord, RouteBundle, ServerNames, StoreError, Tx};

use super::state::State;

/// An open transaction. The state is copied when it is first written to.
pub(super) struct FakeTx {
    state: Arc<State>,
    access: Access,
}

impl FakeTx {
    pub(super) fn new(state: Arc<State>, access: Access) -> Self {
        Self { state, access }
    }

    pub(super) fn into_state(self) -> Arc<State> {
        self.state
    }

    fn writing(&mut self) -> Result<&mut State, StoreError> {
        match self.access {
            Access::Write => Ok(Arc::make_mut(&mut self.state)),
            Access::Read => {
                Err(StoreError::Corrupt("a transaction that was opened for reading tried to write".to_owned()))
            }
        }
    }

    fn pools_where(&self, keep: impl Fn(&Pool) -> bool) -> Vec<Pool> {
        let mut pools: Vec<Pool> = self.state.pools.values().filter(|pool| keep(pool)).cloned().collect();
        pools.sort_by(|a, b| a.name.cmp(&b.name));
        pools
    }

    fn vhosts_where(&self, keep: impl Fn(&Vhost) -> bool) -> Vec<Vhost> {
        let mut vhosts: Vec<Vhost> = self.state.vhosts.values().filter(|vhost| keep(vhost)).cloned().collect();
        vhosts.sort_by(|a, b| a.server_name.cmp(&b.server_name));
        vhosts
    }
}

/// What the routes of a vhost are ordered by.
fn place(prefix: &PathPrefix, id: RouteId) -> (Reverse<usize>, RouteId) {
    (Reverse(prefix.as_str().len()), id)
}

fn first<T>(limit: u64, list: impl IntoIterator<Item = T>) -> Vec<T> {
    list.into_iter().take(usize::try_from(limit).unwrap_or(usize::MAX)).collect()
}

impl Tx for FakeTx {
    fn next_id(&mut self, kind: EntityKind) -> Result<i64, StoreError> {
        self.writing()?.next_id(kind)
    }

    fn pools(&mut self) -> Result<Vec<Pool>, StoreError> {
        Ok(self.pools_where(|_| true))
    }

    fn pools_after(&mut self, after: Option<&PoolName>, limit: u64) -> Result<Vec<Pool>, StoreError> {
        Ok(first(limit, self.pools_where(|pool| after.is_none_or(|after| pool.name > *after))))
    }

    fn pool(&mut self, id: PoolId) -> Result<Option<Pool>, StoreError> {
        Ok(self.state.pools.get(&id).cloned())
    }

    fn pool_named(&mut self, name: &str) -> Result<Option<Pool>, StoreError> {
        Ok(self.pools_where(|pool| pool.name.as_str().eq_ignore_ascii_case(name)).pop())
    }

    fn pool_refs(&mut self) -> Result<HashMap<PoolId, PoolRef>, StoreError> {
        let pool_ref = |pool: &Pool| {
            let (name, kind, source) = (pool.name.clone(), pool.kind, pool.source_nanio_pool_id);
            (pool.id, PoolRef { name, kind, source })
        };
        Ok(self.state.pools.values().map(pool_ref).collect())
    }

    fn serving_pools(&mut self) -> Result<HashSet<PoolId>, StoreError> {
        Ok(self.state.members.values().filter(|member| member.enabled).map(|member| member.pool_id).collect())
    }

    fn pools_backed_by(&mut self, id: PoolId) -> Result<Vec<Pool>, StoreError> {
        Ok(self.pools_where(|pool| pool.source_nanio_pool_id == Some(id)))
    }

    fn save_pool(&mut self, pool: Pool) -> Result<Pool, StoreError> {
        self.writing()?.save_pool(pool)
    }

    fn delete_pool(&mut self, id: PoolId) -> Result<(), StoreError> {
        self.writing()?.delete_pool(id)
    }

    fn every_member(&mut self) -> Result<Vec<Member>, StoreError> {
        Ok(self.state.members.values().cloned().collect())
    }

    fn members(&mut self, pool: PoolId) -> Result<Vec<Member>, StoreError> {
        Ok(self.state.members.values().filter(|member| member.pool_id == pool).cloned().collect())
    }

    fn members_after(&mut self, pool: PoolId, after: Option<MemberId>, limit: u64) -> Result<Vec<Member>, StoreError> {
        let behind = |member: &Member| after.is_none_or(|after| member.id > after);
        Ok(first(limit, self.members(pool)?.into_iter().filter(behind)))
    }

    fn member(&mut self, id: MemberId) -> Result<Option<Member>, StoreError> {
        Ok(self.state.members.get(&id).cloned())
    }

    fn save_member(&mut self, member: Member) -> Result<Member, StoreError> {
        self.writing()?.save_member(member)
    }

    fn delete_member(&mut self, id: MemberId) -> Result<(), StoreError> {
        self.writing()?.members.remove(&id);
        Ok(())
    }

    fn vhosts(&mut self) -> Result<Vec<Vhost>, StoreError> {
        Ok(self.vhosts_where(|_| true))
    }

    fn vhosts_after(&mut self, after: Option<&ServerName>, limit: u64) -> Result<Vec<Vhost>, StoreError> {
        Ok(first(limit, self.vhosts_where(|vhost| after.is_none_or(|after| vhost.server_name > *after))))
    }

    fn vhost(&mut self, id: VhostId) -> Result<Option<Vhost>, StoreError> {
        Ok(self.state.vhosts.get(&id).cloned())
    }

    fn vhost_named(&mut self, server_name: &str) -> Result<Option<Vhost>, StoreError> {
        Ok(self.vhosts_where(|vhost| vhost.server_name.as_str() == server_name).pop())
    }

    fn vhosts_using(&mut self, pool: PoolId) -> Result<Vec<Vhost>, StoreError> {
        let routed: HashSet<VhostId> =
            self.state.routes.values().filter(|route| route.pool_id == pool).map(|route| route.vhost_id).collect();
        Ok(self.vhosts_where(|vhost| vhost.default_pool_id == Some(pool) || routed.contains(&vhost.id)))
    }

    fn save_vhost(&mut self, vhost: Vhost) -> Result<Vhost, StoreError> {
        self.writing()?.save_vhost(vhost)
    }

    fn delete_vhost(&mut self, id: VhostId) -> Result<(), StoreError> {
        self.writing()?.delete_vhost(id);
        Ok(())
    }

    fn routes(&mut self, vhost: VhostId) -> Result<Vec<Route>, StoreError> {
        let mut routes: Vec<Route> =
            self.state.routes.values().filter(|route| route.vhost_id == vhost).cloned().collect();
        routes.sort_by_key(|route| place(&route.path_prefix, route.id));
        Ok(routes)
    }

    fn routes_after(
        &mut self,
        vhost: VhostId,
        after: Option<(&PathPrefix, RouteId)>,
        limit: u64,
    ) -> Result<Vec<Route>, StoreError> {
        let after = after.map(|(prefix, id)| place(prefix, id));
        let behind = |route: &Route| after.is_none_or(|after| place(&route.path_prefix, route.id) > after);
        Ok(first(limit, self.routes(vhost)?.into_iter().filter(behind)))
    }

    fn route(&mut self, id: RouteId) -> Result<Option<Route>, StoreError> {
        Ok(self.state.routes.get(&id).cloned())
    }

    fn route_at(&mut self, vhost: VhostId, canonical: &str) -> Result<Option<Route>, StoreError> {
        let id = self.state.prefixes.get(&(vhost, canonical.to_owned()));
        Ok(id.and_then(|id| self.state.routes.get(id)).cloned())
    }

    fn bucket_routes(&mut self, vhost: VhostId, bucket: &BucketName) -> Result<Vec<Route>, StoreError> {
        let within = |route: &&Route| route.vhost_id == vhost && route.path_prefix.bucket() == bucket.as_str();
        Ok(self.state.routes.values().filter(within).cloned().collect())
    }

    fn route_pool_ids(&mut self, vhost: VhostId) -> Result<HashSet<PoolId>, StoreError> {
        let counts = |route: &&Route| route.vhost_id == vhost && !route.path_prefix.is_root();
        Ok(self.state.routes.values().filter(counts).map(|route| route.pool_id).collect())
    }

    fn save_route(&mut self, route: Route) -> Result<Route, StoreError> {
        self.writing()?.save_route(route)
    }

    fn delete_route(&mut self, id: RouteId) -> Result<(), StoreError> {
        self.writing()?.delete_route(id);
        Ok(())
    }

    fn disabled_routes(&mut self, vhost: VhostId) -> Result<Vec<Route>, StoreError> {
        let wanted = |route: &&Route| route.vhost_id == vhost && !route.enabled;
        Ok(self.state.routes.values().filter(wanted).cloned().collect())
    }

    fn credential(&mut self, pool: PoolId) -> Result<Option<Credential>, StoreError> {
        Ok(self.state.credentials.get(&pool).cloned())
    }

    fn credentials(&mut self) -> Result<Vec<Credential>, StoreError> {
        Ok(self.state.credentials.values().cloned().collect())
    }

    fn save_credential(&mut self, credential: &Credential) -> Result<(), StoreError> {
        self.writing()?.save_credential(credential)
    }

    fn delete_credential(&mut self, pool: PoolId) -> Result<(), StoreError> {
        self.writing()?.credentials.remove(&pool);
        Ok(())
    }

    fn buckets(&mut self, vhost: VhostId) -> Result<Vec<Bucket>, StoreError> {
        Ok(self.state.buckets.values().filter(|bucket| bucket.vhost_id == vhost).cloned().collect())
    }

    fn buckets_with(&mut self, vhost: VhostId, status: BucketStatus) -> Result<Vec<BucketName>, StoreError> {
        let buckets = self.buckets(vhost)?.into_iter();
        Ok(buckets.filter(|bucket| bucket.status == status).map(|bucket| bucket.name).collect())
    }

    fn bucket_counts(&mut self) -> Result<HashMap<VhostId, BTreeMap<BucketStatus, u64>>, StoreError> {
        Ok(self.state.bucket_counts())
    }

    fn bucket(&mut self, vhost: VhostId, name: &BucketName) -> Result<Option<Bucket>, StoreError> {
        Ok(self.state.buckets.get(&(vhost, name.clone())).cloned())
    }

    fn save_bucket(&mut self, bucket: &Bucket) -> Result<(), StoreError> {
        self.writing()?.save_bucket(bucket)
    }

    fn save_buckets(&mut self, buckets: &[Bucket]) -> Result<(), StoreError> {
        let state = self.writing()?;
        buckets.iter().try_for_each(|bucket| state.save_bucket(bucket))
    }

    fn buckets_listed_at(&mut self, vhost: VhostId) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.state.listed.get(&vhost).copied())
    }

    fn note_buckets_listed(&mut self, vhosts: &[VhostId], at: Timestamp) -> Result<(), StoreError> {
        self.writing()?.note_listed(vhosts, at)
    }

    fn delete_bucket(&mut self, vhost: VhostId, name: &BucketName) -> Result<(), StoreError> {
        self.writing()?.buckets.remove(&(vhost, name.clone()));
        Ok(())
    }

    fn migrations(&mut self) -> Result<Vec<Migration>, StoreError> {
        Ok(self.state.migrations.values().rev().cloned().collect())
    }

    fn newest_migrations(&mut self, phase: Option<Phase>, limit: u64) -> Result<Vec<Migration>, StoreError> {
        let wanted = |migration: &&Migration| phase.is_none_or(|phase| migration.phase == phase);
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.state.migrations.values().rev().filter(wanted).take(most).cloned().collect())
    }

    fn due_migrations(&mut self) -> Result<Vec<Migration>, StoreError> {
        Ok(self.state.migrations.values().filter(|migration| migration.is_due()).cloned().collect())
    }

    fn unfinished_migrations(&mut self) -> Result<Vec<Migration>, StoreError> {
        Ok(self.state.migrations.values().filter(|migration| !migration.phase.is_final()).cloned().collect())
    }

    fn migration_to_adopt(&mut self, vhost: VhostId) -> Result<Option<Migration>, StoreError> {
        let wanted = |migration: &&Migration| migration.vhost.id == vhost && migration.needs_adoption;
        Ok(self.state.migrations.values().find(wanted).cloned())
    }

    fn gated_migrations(&mut self) -> Result<Vec<Migration>, StoreError> {
        let gated = |migration: &&Migration| migration.work.gate.is_some();
        Ok(self.state.migrations.values().filter(gated).cloned().collect())
    }

    fn migrations_of(&mut self, bucket: &BucketName) -> Result<Vec<Migration>, StoreError> {
        let wanted = |migration: &&Migration| migration.bucket == *bucket;
        Ok(self.state.migrations.values().rev().filter(wanted).cloned().collect())
    }

    fn append_migration_log(&mut self, entries: &[NewLogEntry]) -> Result<(), StoreError> {
        self.writing()?.append_migration_log(entries)
    }

    fn migration_log(&mut self, id: MigrationId, take: u64) -> Result<Vec<LogEntry>, StoreError> {
        let of = |entry: &&LogEntry| entry.migration == id;
        let most = usize::try_from(take).unwrap_or(usize::MAX);
        Ok(self.state.migration_log.iter().rev().filter(of).take(most).cloned().collect())
    }

    fn prune_migration_log(&mut self, id: MigrationId, keep: u64) -> Result<(), StoreError> {
        let kept: HashSet<i64> = self.migration_log(id, keep)?.into_iter().map(|entry| entry.id).collect();
        self.writing()?.migration_log.retain(|entry| entry.migration != id || kept.contains(&entry.id));
        Ok(())
    }

    fn migration(&mut self, id: MigrationId) -> Result<Option<Migration>, StoreError> {
        Ok(self.state.migrations.get(&id).cloned())
    }

    fn save_migration(&mut self, migration: Migration) -> Result<Migration, StoreError> {
        self.writing()?.save_migration(migration)
    }

    fn jobs(&mut self, limit: u64) -> Result<Vec<Job>, StoreError> {
        Ok(first(limit, self.state.jobs.values().rev().cloned()))
    }

    fn unfinished_jobs(&mut self) -> Result<Vec<Job>, StoreError> {
        Ok(self.state.jobs.values().filter(|job| !job.state.is_final()).cloned().collect())
    }

    fn job(&mut self, id: JobId) -> Result<Option<Job>, StoreError> {
        Ok(self.state.jobs.get(&id).cloned())
    }

    fn save_job(&mut self, job: Job) -> Result<Job, StoreError> {
        self.writing()?.save_job(job)
    }

    fn prune_jobs(&mut self, keep: u64) -> Result<(), StoreError> {
        self.writing()?.prune_jobs(keep);
        Ok(())
    }

    fn highest_ids(&mut self) -> Result<HighestIds, StoreError> {
        let highest = |kind| self.state.highest.get(&kind).copied().unwrap_or_default();
        Ok(HighestIds {
            pools: highest(EntityKind::Pool),
            members: highest(EntityKind::Member),
            vhosts: highest(EntityKind::Vhost),
            routes: highest(EntityKind::Route),
            migrations: highest(EntityKind::Migration),
        })
    }

    fn raise_ids(&mut self, highest: HighestIds) -> Result<(), StoreError> {
        self.writing()?.raise_ids(highest);
        Ok(())
    }

    fn clear_gateway(&mut self) -> Result<(), StoreError> {
        self.writing()?.clear_gateway();
        Ok(())
    }

    fn route_counts(&mut self) -> Result<HashMap<VhostId, u64>, StoreError> {
        let mut counts: HashMap<VhostId, u64> = HashMap::new();
        let serves = |id: &VhostId| self.state.vhosts.get(id).is_some_and(|vhost| vhost.enabled);
        for route in self.state.routes.values().filter(|route| serves(&route.vhost_id)) {
            if route.enabled && !route.path_prefix.is_root() {
                *counts.entry(route.vhost_id).or_default() += 1;
            }
        }
        Ok(counts)
    }

    fn route_bundles(&mut self) -> Result<Vec<RouteBundle>, StoreError> {
        Ok(self.state.route_bundles())
    }

    fn server_names(&mut self) -> Result<ServerNames, StoreError> {
        let names = self.state.vhosts.values().map(|vhost| vhost.server_name.as_str().chars().count() as u64);
        Ok(ServerNames { count: self.state.vhosts.len() as u64, longest: names.max().unwrap_or_default() })
    }

    fn append_audit(&mut self, entry: &audit::NewEntry) -> Result<AuditId, StoreError> {
        let json = |snapshot: &audit::Snapshot| {
            serde_json::to_string(snapshot).map_err(|why| StoreError::Corrupt(format!("audit_log: {why}")))
        };
        let (before_json, after_json) =
            (entry.before.as_ref().map(json).transpose()?, entry.after.as_ref().map(json).transpose()?);
        let state = self.writing()?;
        let id = AuditId(state.next_id(EntityKind::Audit)?);
        let (entity_type, entity_id) = entry.subject.columns();
        state.audit.push(audit::Entry {
            id,
            actor: entry.actor.as_str().to_owned(),
            action: entry.action.as_str().to_owned(),
            entity_type: entity_type.to_owned(),
            entity_id,
            before_json,
            after_json,
            nginx: entry.nginx.clone(),
            created_at: entry.at,
        });
        Ok(id)
    }

    fn prune_audit(&mut self, before: Timestamp, most: u64) -> Result<u64, StoreError> {
        let state = self.writing()?;
        let mut left = most;
        state.audit.retain(|entry| {
            let goes = entry.created_at < before && left > 0;
            left -= u64::from(goes);
            !goes
        });
        Ok(most - left)
    }

    fn audit(&mut self, filter: &audit::Filter) -> Result<Vec<audit::Entry>, StoreError> {
        let wanted = |entry: &&audit::Entry| {
            filter.entity_type.as_ref().is_none_or(|wanted| *wanted == entry.entity_type)
                && filter.entity_id.is_none_or(|wanted| entry.entity_id == Some(wanted))
                && filter.from.is_none_or(|from| entry.created_at >= from)
                && filter.to.is_none_or(|to| entry.created_at <= to)
        };
        let bounded = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let page = self.state.audit.iter().rev().filter(wanted).skip(bounded(filter.skip)).take(bounded(filter.take));
        Ok(page.cloned().collect())
    }

    fn files(&mut self) -> Result<Vec<FileRecord>, StoreError> {
        Ok(self.state.files.values().cloned().collect())
    }

    fn file(&mut self, path: &str) -> Result<Option<FileRecord>, StoreError> {
        Ok(self.state.files.get(path).cloned())
    }

    fn save_file(&mut self, file: &FileRecord) -> Result<(), StoreError> {
        self.writing()?.files.insert(file.path.clone(), file.clone());
        Ok(())
    }

    fn forget_file(&mut self, path: &str) -> Result<(), StoreError> {
        self.writing()?.files.remove(path);
        Ok(())
    }

    fn fact(&mut self, key: &str) -> Result<Option<String>, StoreError> {
        Ok(self.state.facts.get(key).cloned())
    }

    fn set_fact(&mut self, key: &str, value: &str) -> Result<(), StoreError> {
        self.writing()?.facts.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    fn revoke_session(&mut self, session: &str, expires: Timestamp) -> Result<(), StoreError> {
        self.writing()?.sessions.insert(session.to_owned(), expires);
        Ok(())
    }

    fn revoked_sessions(&mut self, now: Timestamp) -> Result<HashMap<String, Timestamp>, StoreError> {
        if self.access == Access::Write {
            self.writing()?.sessions.retain(|_, expires| *expires > now);
        }
        let valid = |(_, expires): &(&String, &Timestamp)| **expires > now;
        Ok(self.state.sessions.iter().filter(valid).map(|(session, expires)| (session.clone(), *expires)).collect())
    }

    fn savepoint(&mut self, body: &mut dyn FnMut(&mut dyn Tx) -> bool) -> Result<(), StoreError> {
        let before = Arc::clone(&self.state);
        if !body(self) {
            self.state = before;
        }
        Ok(())
    }
}
