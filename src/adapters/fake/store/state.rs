//! What the store holds, and the rules that a database would enforce.

use std::collections::{BTreeMap, HashMap};

use crate::domain::audit::Entry;
use crate::domain::bucket::{Bucket, BucketName, BucketStatus};
use crate::domain::credential::Credential;
use crate::domain::ids::{EntityKind, JobId, MemberId, MigrationId, PoolId, Revision, RouteId, VhostId};
use crate::domain::job::Job;
use crate::domain::migration::Migration;
use crate::domain::migration::log::{LogEntry, NewLogEntry};
use crate::domain::pool::{Member, Pool};
use crate::domain::route::Route;
use crate::domain::sidecar::HighestIds;
use crate::domain::time::Timestamp;
use crate::domain::vhost::Vhost;
use crate::ports::store::{FileRecord, RouteBundle, StoreError};

/// Every row of every table.
#[derive(Clone, Default)]
pub(super) struct State {
    pub(super) highest: HashMap<EntityKind, i64>,
    pub(super) pools: BTreeMap<PoolId, Pool>,
    pub(super) members: BTreeMap<MemberId, Member>,
    pub(super) vhosts: BTreeMap<VhostId, Vhost>,
    pub(super) routes: BTreeMap<RouteId, Route>,
    /// The unique index of the routes: vhost and canonical prefix.
    pub(super) prefixes: BTreeMap<(VhostId, String), RouteId>,
    pub(super) credentials: BTreeMap<PoolId, Credential>,
    pub(super) buckets: BTreeMap<(VhostId, BucketName), Bucket>,
    pub(super) listed: BTreeMap<VhostId, Timestamp>,
    pub(super) migrations: BTreeMap<MigrationId, Migration>,
    pub(super) migration_log: Vec<LogEntry>,
    last_log_id: i64,
    pub(super) jobs: BTreeMap<JobId, Job>,
    pub(super) audit: Vec<Entry>,
    pub(super) files: BTreeMap<String, FileRecord>,
    pub(super) facts: HashMap<String, String>,
    pub(super) sessions: HashMap<String, Timestamp>,
}

/// The saved row, and how a save can be refused before it.
struct Saving {
    kind: EntityKind,
    id: i64,
    known: Revision,
    /// Another row has the name.
    taken: bool,
    /// Every row that this one names is there.
    anchored: bool,
}

impl State {
    pub(super) fn next_id(&mut self, kind: EntityKind) -> Result<i64, StoreError> {
        let highest = self.highest.entry(kind).or_default();
        let exhausted = || StoreError::Corrupt(format!("there is no id left for another {}", kind.noun()));
        *highest = highest.checked_add(1).ok_or_else(exhausted)?;
        Ok(*highest)
    }

    pub(super) fn save_pool(&mut self, pool: Pool) -> Result<Pool, StoreError> {
        let same_name =
            |other: &Pool| other.id != pool.id && other.name.as_str().eq_ignore_ascii_case(pool.name.as_str());
        let saving = Saving {
            kind: EntityKind::Pool,
            id: pool.id.0,
            known: pool.revision,
            taken: self.pools.values().any(same_name),
            anchored: pool.source_nanio_pool_id.is_none_or(|id| id == pool.id || self.pools.contains_key(&id)),
        };
        let revision = saving.check(&mut self.highest, self.pools.get(&pool.id).map(|row| row.revision))?;
        let saved = Pool { revision, ..pool };
        self.pools.insert(saved.id, saved.clone());
        Ok(saved)
    }

    pub(super) fn delete_pool(&mut self, id: PoolId) -> Result<(), StoreError> {
        let routed = self.routes.values().any(|route| route.pool_id == id);
        if routed || self.vhosts.values().any(|vhost| vhost.default_pool_id == Some(id)) {
            return Err(referenced());
        }
        for pool in self.pools.values_mut().filter(|pool| pool.source_nanio_pool_id == Some(id)) {
            pool.source_nanio_pool_id = None;
            pool.revision = pool.revision.next();
        }
        for bucket in self.buckets.values_mut().filter(|bucket| bucket.routed_pool_id == Some(id)) {
            bucket.routed_pool_id = None;
        }
        self.credentials.remove(&id);
        self.members.retain(|_, member| member.pool_id != id);
        self.pools.remove(&id);
        Ok(())
    }

    pub(super) fn save_member(&mut self, member: Member) -> Result<Member, StoreError> {
        let saving = Saving {
            kind: EntityKind::Member,
            id: member.id.0,
            known: member.revision,
            taken: false,
            anchored: self.pools.contains_key(&member.pool_id),
        };
        let revision = saving.check(&mut self.highest, self.members.get(&member.id).map(|row| row.revision))?;
        let saved = Member { revision, ..member };
        self.members.insert(saved.id, saved.clone());
        Ok(saved)
    }

    pub(super) fn save_vhost(&mut self, vhost: Vhost) -> Result<Vhost, StoreError> {
        let same_name = |other: &Vhost| other.id != vhost.id && other.server_name == vhost.server_name;
        let saving = Saving {
            kind: EntityKind::Vhost,
            id: vhost.id.0,
            known: vhost.revision,
            taken: self.vhosts.values().any(same_name),
            anchored: vhost.default_pool_id.is_none_or(|id| self.pools.contains_key(&id)),
        };
        let revision = saving.check(&mut self.highest, self.vhosts.get(&vhost.id).map(|row| row.revision))?;
        let saved = Vhost { revision, ..vhost };
        self.vhosts.insert(saved.id, saved.clone());
        Ok(saved)
    }

    pub(super) fn delete_vhost(&mut self, id: VhostId) {
        self.listed.remove(&id);
        self.buckets.retain(|(vhost, _), _| *vhost != id);
        self.routes.retain(|_, route| route.vhost_id != id);
        self.prefixes.retain(|(vhost, _), _| *vhost != id);
        self.vhosts.remove(&id);
    }

    pub(super) fn save_route(&mut self, route: Route) -> Result<Route, StoreError> {
        let place = (route.vhost_id, route.path_prefix.canonical().to_owned());
        let saving = Saving {
            kind: EntityKind::Route,
            id: route.id.0,
            known: route.revision,
            taken: self.prefixes.get(&place).is_some_and(|id| *id != route.id),
            anchored: self.vhosts.contains_key(&route.vhost_id) && self.pools.contains_key(&route.pool_id),
        };
        let revision = saving.check(&mut self.highest, self.routes.get(&route.id).map(|row| row.revision))?;
        let saved = Route { revision, ..route };
        self.delete_route(saved.id);
        self.prefixes.insert(place, saved.id);
        self.routes.insert(saved.id, saved.clone());
        Ok(saved)
    }

    pub(super) fn delete_route(&mut self, id: RouteId) {
        if let Some(old) = self.routes.remove(&id) {
            self.prefixes.remove(&(old.vhost_id, old.path_prefix.canonical().to_owned()));
        }
    }
}

impl State {
    pub(super) fn save_credential(&mut self, credential: &Credential) -> Result<(), StoreError> {
        if !self.pools.contains_key(&credential.pool_id) {
            return Err(referenced());
        }
        self.credentials.insert(credential.pool_id, credential.clone());
        Ok(())
    }

    pub(super) fn route_bundles(&self) -> Vec<RouteBundle> {
        let mut bundles: BTreeMap<(VhostId, PoolId), RouteBundle> = BTreeMap::new();
        for route in self.routes.values().filter(|route| !route.path_prefix.is_root()) {
            let bundle = bundles.entry((route.vhost_id, route.pool_id)).or_insert_with(|| RouteBundle {
                vhost_id: route.vhost_id,
                pool_id: route.pool_id,
                enabled: 0,
                disabled: 0,
                example: route.path_prefix.to_string(),
            });
            *(if route.enabled { &mut bundle.enabled } else { &mut bundle.disabled }) += 1;
        }
        bundles.into_values().collect()
    }

    pub(super) fn bucket_counts(&self) -> HashMap<VhostId, BTreeMap<BucketStatus, u64>> {
        let mut counts: HashMap<VhostId, BTreeMap<BucketStatus, u64>> = HashMap::new();
        for bucket in self.buckets.values() {
            *counts.entry(bucket.vhost_id).or_default().entry(bucket.status).or_default() += 1;
        }
        counts
    }

    pub(super) fn save_bucket(&mut self, bucket: &Bucket) -> Result<(), StoreError> {
        let pool_is_there = bucket.routed_pool_id.is_none_or(|id| self.pools.contains_key(&id));
        if !self.vhosts.contains_key(&bucket.vhost_id) || !pool_is_there {
            return Err(referenced());
        }
        self.buckets.insert((bucket.vhost_id, bucket.name.clone()), bucket.clone());
        Ok(())
    }

    pub(super) fn note_listed(&mut self, vhosts: &[VhostId], at: Timestamp) -> Result<(), StoreError> {
        if vhosts.iter().any(|id| !self.vhosts.contains_key(id)) {
            return Err(referenced());
        }
        self.listed.extend(vhosts.iter().map(|id| (*id, at)));
        Ok(())
    }

    pub(super) fn append_migration_log(&mut self, entries: &[NewLogEntry]) -> Result<(), StoreError> {
        for entry in entries {
            if !self.migrations.contains_key(&entry.migration) {
                return Err(StoreError::Corrupt(format!("migration_log: there is no migration {}", entry.migration)));
            }
            self.last_log_id += 1;
            self.migration_log.push(LogEntry {
                id: self.last_log_id,
                migration: entry.migration,
                phase: entry.phase.clone(),
                message: entry.message.clone(),
                at: entry.at,
            });
        }
        Ok(())
    }

    pub(super) fn save_migration(&mut self, migration: Migration) -> Result<Migration, StoreError> {
        let saving = Saving {
            kind: EntityKind::Migration,
            id: migration.id.0,
            known: migration.revision,
            taken: false,
            anchored: true,
        };
        let stored = self.migrations.get(&migration.id).map(|row| row.revision);
        let revision = saving.check(&mut self.highest, stored)?;
        let saved = Migration { revision, ..migration };
        self.migrations.insert(saved.id, saved.clone());
        Ok(saved)
    }

    pub(super) fn save_job(&mut self, job: Job) -> Result<Job, StoreError> {
        let saving = Saving { kind: EntityKind::Job, id: job.id.0, known: job.revision, taken: false, anchored: true };
        let revision = saving.check(&mut self.highest, self.jobs.get(&job.id).map(|row| row.revision))?;
        let saved = Job { revision, ..job };
        self.jobs.insert(saved.id, saved.clone());
        Ok(saved)
    }

    pub(super) fn prune_jobs(&mut self, keep: u64) {
        let mut surplus = (self.jobs.len() as u64).saturating_sub(keep);
        self.jobs.retain(|_, job| {
            let goes = surplus > 0 && job.state.is_final();
            surplus -= u64::from(goes);
            !goes
        });
    }

    pub(super) fn raise_ids(&mut self, highest: HighestIds) {
        for (kind, id) in [
            (EntityKind::Pool, highest.pools),
            (EntityKind::Member, highest.members),
            (EntityKind::Vhost, highest.vhosts),
            (EntityKind::Route, highest.routes),
            (EntityKind::Migration, highest.migrations),
        ] {
            let known = self.highest.entry(kind).or_default();
            *known = id.max(*known);
        }
    }

    pub(super) fn clear_gateway(&mut self) {
        *self = Self {
            highest: std::mem::take(&mut self.highest),
            jobs: std::mem::take(&mut self.jobs),
            audit: std::mem::take(&mut self.audit),
            facts: std::mem::take(&mut self.facts),
            sessions: std::mem::take(&mut self.sessions),
            ..Self::default()
        };
    }
}

impl Saving {
    /// The revision that the save gives, unless it is refused. `stored` is the revision of the row, if there is one.
    fn check(&self, highest: &mut HashMap<EntityKind, i64>, stored: Option<Revision>) -> Result<Revision, StoreError> {
        let fits = if self.known.is_new() {
            let highest = highest.entry(self.kind).or_default();
            *highest = self.id.max(*highest);
            stored.is_none()
        } else {
            stored == Some(self.known)
        };
        if !fits {
            Err(StoreError::Stale { kind: self.kind, id: self.id })
        } else if self.taken {
            Err(StoreError::Taken { kind: self.kind })
        } else if !self.anchored {
            Err(referenced())
        } else {
            Ok(self.known.next())
        }
    }
}

fn referenced() -> StoreError {
    StoreError::Corrupt("the row refers to one that is not there, or others refer to it".to_owned())
}
