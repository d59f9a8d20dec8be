//! A transaction: each method of the port, given to the file of its entity.

use std::collections::{BTreeMap, HashMap, HashSet};

use diesel::connection::Connection;
use diesel::result::Error;

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
use crate::fault::point;
use crate::ports::store::{Access, Body, FileRecord, RouteBundle, ServerNames, StoreError, Tx};

use super::error::fault;
use super::ids::Counters;
use super::{
    Db, Link, buckets, clear, credentials, facts, files, ids, jobs, members, migration_log, migrations, on, pools,
    routes, sessions, vhosts,
};

/// An open transaction.
pub(super) struct SqlTx<'c> {
    db: Db<'c>,
    access: Access,
}

/// Why a transaction or savepoint is undone.
pub(super) enum Undo {
    /// Its body said so.
    Asked,
    /// The database could not go on.
    Failed(Error),
}

impl From<Error> for Undo {
    fn from(error: Error) -> Self {
        Undo::Failed(error)
    }
}

/// What became of a transaction.
pub(super) fn ended(result: Result<(), Undo>) -> Result<(), StoreError> {
    match result {
        Ok(()) | Err(Undo::Asked) => Ok(()),
        Err(Undo::Failed(error)) => Err(fault("transaction", error)),
    }
}

impl<'c> SqlTx<'c> {
    /// Takes the body of a transaction that was begun on `link`, and runs it.
    pub(super) fn run(link: impl Into<Link<'c>>, access: Access, body: &mut Option<Body>) -> Result<(), Undo> {
        let mut tx = Self { db: Db { link: link.into(), counters: Counters::default() }, access };
        if access == Access::Write {
            point("store.begun");
        }
        if !body.take().is_some_and(|body| body(&mut tx)) {
            return Err(Undo::Asked);
        }
        ids::write(&mut tx.db)?;
        if access == Access::Write {
            point("store.before-commit");
        }
        Ok(())
    }

    /// The connection, if this transaction may write.
    fn writing(&mut self) -> Result<&mut Db<'c>, StoreError> {
        match self.access {
            Access::Write => Ok(&mut self.db),
            Access::Read => {
                Err(StoreError::Corrupt("a transaction that was opened for reading tried to write".to_owned()))
            }
        }
    }
}

impl Tx for SqlTx<'_> {
    fn next_id(&mut self, kind: EntityKind) -> Result<i64, StoreError> {
        ids::next(self.writing()?, kind)
    }

    fn pools(&mut self) -> Result<Vec<Pool>, StoreError> {
        pools::all(&mut self.db)
    }

    fn pools_after(&mut self, after: Option<&PoolName>, limit: u64) -> Result<Vec<Pool>, StoreError> {
        pools::after(&mut self.db, after, limit)
    }

    fn pool(&mut self, id: PoolId) -> Result<Option<Pool>, StoreError> {
        pools::get(&mut self.db, id)
    }

    fn pool_named(&mut self, name: &str) -> Result<Option<Pool>, StoreError> {
        pools::named(&mut self.db, name)
    }

    fn pool_refs(&mut self) -> Result<HashMap<PoolId, PoolRef>, StoreError> {
        pools::refs(&mut self.db)
    }

    fn serving_pools(&mut self) -> Result<HashSet<PoolId>, StoreError> {
        pools::serving(&mut self.db)
    }

    fn pools_backed_by(&mut self, id: PoolId) -> Result<Vec<Pool>, StoreError> {
        pools::backed_by(&mut self.db, id)
    }

    fn save_pool(&mut self, pool: Pool) -> Result<Pool, StoreError> {
        pools::save(self.writing()?, pool)
    }

    fn delete_pool(&mut self, id: PoolId) -> Result<(), StoreError> {
        pools::delete(self.writing()?, id)
    }

    fn every_member(&mut self) -> Result<Vec<Member>, StoreError> {
        members::all(&mut self.db)
    }

    fn members(&mut self, pool: PoolId) -> Result<Vec<Member>, StoreError> {
        members::of_pool(&mut self.db, pool)
    }

    fn members_after(&mut self, pool: PoolId, after: Option<MemberId>, limit: u64) -> Result<Vec<Member>, StoreError> {
        members::after(&mut self.db, pool, after, limit)
    }

    fn member(&mut self, id: MemberId) -> Result<Option<Member>, StoreError> {
        members::get(&mut self.db, id)
    }

    fn save_member(&mut self, member: Member) -> Result<Member, StoreError> {
        members::save(self.writing()?, member)
    }

    fn delete_member(&mut self, id: MemberId) -> Result<(), StoreError> {
        members::delete(self.writing()?, id)
    }

    fn vhosts(&mut self) -> Result<Vec<Vhost>, StoreError> {
        vhosts::all(&mut self.db)
    }

    fn vhosts_after(&mut self, after: Option<&ServerName>, limit: u64) -> Result<Vec<Vhost>, StoreError> {
        vhosts::after(&mut self.db, after, limit)
    }

    fn vhost(&mut self, id: VhostId) -> Result<Option<Vhost>, StoreError> {
        vhosts::get(&mut self.db, id)
    }

    fn vhost_named(&mut self, server_name: &str) -> Result<Option<Vhost>, StoreError> {
        vhosts::named(&mut self.db, server_name)
    }

    fn vhosts_using(&mut self, pool: PoolId) -> Result<Vec<Vhost>, StoreError> {
        vhosts::using(&mut self.db, pool)
    }

    fn save_vhost(&mut self, vhost: Vhost) -> Result<Vhost, StoreError> {
        vhosts::save(self.writing()?, vhost)
    }

    fn delete_vhost(&mut self, id: VhostId) -> Result<(), StoreError> {
        vhosts::delete(self.writing()?, id)
    }

    fn routes(&mut self, vhost: VhostId) -> Result<Vec<Route>, StoreError> {
        routes::of_vhost(&mut self.db, vhost)
    }

    fn routes_after(
        &mut self,
        vhost: VhostId,
        after: Option<(&PathPrefix, RouteId)>,
        limit: u64,
    ) -> Result<Vec<Route>, StoreError> {
        routes::after(&mut self.db, vhost, after, limit)
    }

    fn route(&mut self, id: RouteId) -> Result<Option<Route>, StoreError> {
        routes::get(&mut self.db, id)
    }

    fn route_at(&mut self, vhost: VhostId, canonical: &str) -> Result<Option<Route>, StoreError> {
        routes::at(&mut self.db, vhost, canonical)
    }

    fn bucket_routes(&mut self, vhost: VhostId, bucket: &BucketName) -> Result<Vec<Route>, StoreError> {
        routes::of_bucket(&mut self.db, vhost, bucket)
    }

    fn route_pool_ids(&mut self, vhost: VhostId) -> Result<HashSet<PoolId>, StoreError> {
        routes::pool_ids(&mut self.db, vhost)
    }

    fn save_route(&mut self, route: Route) -> Result<Route, StoreError> {
        routes::save(self.writing()?, route)
    }

    fn delete_route(&mut self, id: RouteId) -> Result<(), StoreError> {
        routes::delete(self.writing()?, id)
    }

    fn disabled_routes(&mut self, vhost: VhostId) -> Result<Vec<Route>, StoreError> {
        routes::disabled(&mut self.db, vhost)
    }

    fn credential(&mut self, pool: PoolId) -> Result<Option<Credential>, StoreError> {
        credentials::of_pool(&mut self.db, pool)
    }

    fn credentials(&mut self) -> Result<Vec<Credential>, StoreError> {
        credentials::all(&mut self.db)
    }

    fn save_credential(&mut self, credential: &Credential) -> Result<(), StoreError> {
        credentials::save(self.writing()?, credential)
    }

    fn delete_credential(&mut self, pool: PoolId) -> Result<(), StoreError> {
        credentials::delete(self.writing()?, pool)
    }

    fn buckets(&mut self, vhost: VhostId) -> Result<Vec<Bucket>, StoreError> {
        buckets::of_vhost(&mut self.db, vhost)
    }

    fn buckets_with(&mut self, vhost: VhostId, status: BucketStatus) -> Result<Vec<BucketName>, StoreError> {
        buckets::with_status(&mut self.db, vhost, status)
    }

    fn bucket_counts(&mut self) -> Result<HashMap<VhostId, BTreeMap<BucketStatus, u64>>, StoreError> {
        buckets::counts(&mut self.db)
    }

    fn bucket(&mut self, vhost: VhostId, name: &BucketName) -> Result<Option<Bucket>, StoreError> {
        buckets::get(&mut self.db, vhost, name)
    }

    fn save_bucket(&mut self, bucket: &Bucket) -> Result<(), StoreError> {
        buckets::save(self.writing()?, bucket)
    }

    fn save_buckets(&mut self, buckets: &[Bucket]) -> Result<(), StoreError> {
        buckets::save_all(self.writing()?, buckets)
    }

    fn buckets_listed_at(&mut self, vhost: VhostId) -> Result<Option<Timestamp>, StoreError> {
        buckets::listed_at(&mut self.db, vhost)
    }

    fn note_buckets_listed(&mut self, vhosts: &[VhostId], at: Timestamp) -> Result<(), StoreError> {
        buckets::note_listed(self.writing()?, vhosts, at)
    }

    fn delete_bucket(&mut self, vhost: VhostId, name: &BucketName) -> Result<(), StoreError> {
        buckets::delete(self.writing()?, vhost, name)
    }

    fn migrations(&mut self) -> Result<Vec<Migration>, StoreError> {
        migrations::all(&mut self.db)
    }

    fn newest_migrations(&mut self, phase: Option<Phase>, limit: u64) -> Result<Vec<Migration>, StoreError> {
        migrations::newest(&mut self.db, phase, limit)
    }

    fn due_migrations(&mut self) -> Result<Vec<Migration>, StoreError> {
        migrations::due(&mut self.db)
    }

    fn unfinished_migrations(&mut self) -> Result<Vec<Migration>, StoreError> {
        migrations::unfinished(&mut self.db)
    }

    fn migration_to_adopt(&mut self, vhost: VhostId) -> Result<Option<Migration>, StoreError> {
        migrations::to_adopt(&mut self.db, vhost)
    }

    fn gated_migrations(&mut self) -> Result<Vec<Migration>, StoreError> {
        migrations::gated(&mut self.db)
    }

    fn migrations_of(&mut self, bucket: &BucketName) -> Result<Vec<Migration>, StoreError> {
        migrations::of_bucket(&mut self.db, bucket)
    }

    fn append_migration_log(&mut self, entries: &[NewLogEntry]) -> Result<(), StoreError> {
        migration_log::append(self.writing()?, entries)
    }

    fn migration_log(&mut self, id: MigrationId, take: u64) -> Result<Vec<LogEntry>, StoreError> {
        migration_log::newest(&mut self.db, id, take)
    }

    fn prune_migration_log(&mut self, id: MigrationId, keep: u64) -> Result<(), StoreError> {
        migration_log::prune(self.writing()?, id, keep)
    }

    fn migration(&mut self, id: MigrationId) -> Result<Option<Migration>, StoreError> {
        migrations::get(&mut self.db, id)
    }

    fn save_migration(&mut self, migration: Migration) -> Result<Migration, StoreError> {
        migrations::save(self.writing()?, migration)
    }

    fn jobs(&mut self, limit: u64) -> Result<Vec<Job>, StoreError> {
        jobs::newest(&mut self.db, limit)
    }

    fn unfinished_jobs(&mut self) -> Result<Vec<Job>, StoreError> {
        jobs::unfinished(&mut self.db)
    }

    fn job(&mut self, id: JobId) -> Result<Option<Job>, StoreError> {
        jobs::get(&mut self.db, id)
    }

    fn save_job(&mut self, job: Job) -> Result<Job, StoreError> {
        jobs::save(self.writing()?, job)
    }

    fn prune_jobs(&mut self, keep: u64) -> Result<(), StoreError> {
        jobs::prune(self.writing()?, keep)
    }

    fn highest_ids(&mut self) -> Result<HighestIds, StoreError> {
        ids::highest(&mut self.db)
    }

    fn raise_ids(&mut self, highest: HighestIds) -> Result<(), StoreError> {
        ids::raise(self.writing()?, highest)
    }

    fn clear_gateway(&mut self) -> Result<(), StoreError> {
        clear::gateway(self.writing()?)
    }

    fn route_counts(&mut self) -> Result<HashMap<VhostId, u64>, StoreError> {
        routes::counts(&mut self.db)
    }

    fn route_bundles(&mut self) -> Result<Vec<RouteBundle>, StoreError> {
        routes::bundles(&mut self.db)
    }

    fn server_names(&mut self) -> Result<ServerNames, StoreError> {
        vhosts::server_names(&mut self.db)
    }

    fn append_audit(&mut self, entry: &audit::NewEntry) -> Result<AuditId, StoreError> {
        super::audit::append(self.writing()?, entry)
    }

    fn prune_audit(&mut self, before: Timestamp, most: u64) -> Result<u64, StoreError> {
        super::audit::prune(self.writing()?, before, most)
    }

    fn audit(&mut self, filter: &audit::Filter) -> Result<Vec<audit::Entry>, StoreError> {
        super::audit::read(&mut self.db, filter)
    }

    fn files(&mut self) -> Result<Vec<FileRecord>, StoreError> {
        files::all(&mut self.db)
    }

    fn file(&mut self, path: &str) -> Result<Option<FileRecord>, StoreError> {
        files::one(&mut self.db, path)
    }

    fn save_file(&mut self, file: &FileRecord) -> Result<(), StoreError> {
        files::save(self.writing()?, file)
    }

    fn forget_file(&mut self, path: &str) -> Result<(), StoreError> {
        files::forget(self.writing()?, path)
    }

    fn fact(&mut self, key: &str) -> Result<Option<String>, StoreError> {
        facts::get(&mut self.db, key)
    }

    fn set_fact(&mut self, key: &str, value: &str) -> Result<(), StoreError> {
        facts::set(self.writing()?, key, value)
    }

    fn revoke_session(&mut self, session: &str, expires: Timestamp) -> Result<(), StoreError> {
        sessions::revoke(self.writing()?, session, expires)
    }

    fn revoked_sessions(&mut self, now: Timestamp) -> Result<HashMap<String, Timestamp>, StoreError> {
        if self.access == Access::Write {
            sessions::forget_void(&mut self.db, now)?;
        }
        sessions::revoked(&mut self.db, now)
    }

    fn savepoint(&mut self, body: &mut dyn FnMut(&mut dyn Tx) -> bool) -> Result<(), StoreError> {
        let access = self.access;
        let counters = &mut self.db.counters;
        ended(on!(self.db, c => c.transaction(|c| {
            let db = Db { link: c.into(), counters: std::mem::take(counters) };
            let mut inner = SqlTx { db, access };
            let keep = body(&mut inner);
            *counters = inner.db.counters;
            if keep { Ok(()) } else { Err(Undo::Asked) }
        })))
    }
}
