//! The database: entities, the audit log, and the hashes of the files we wrote.
//!
//! A transaction is a synchronous closure: no `.await` can happen inside, so nobody holds the write
//! lock while nginx or the network is asked. What the closure returns decides: `Ok` commits, `Err` rolls back.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

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

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Sees one consistent state; may run beside others; never waits for a writer.
    Read,
    /// The only writer; what it reads cannot change under it.
    Write,
}

/// A transaction's body, without its result type; `true` commits. See [`Store::read`] and [`Store::write`].
pub type Body = Box<dyn FnOnce(&mut dyn Tx) -> bool + Send>;

/// Runs transactions.
#[async_trait]
pub trait Transactions: Send + Sync {
    /// Runs `body` in one transaction and commits if it returns `true`.
    ///
    /// # Errors
    /// The transaction could not be begun or committed; nothing of it is visible.
    async fn run(&self, access: Access, body: Body) -> Result<(), StoreError>;
}

/// The database.
#[derive(Clone)]
pub struct Store {
    adapter: std::sync::Arc<dyn Transactions>,
    version: std::sync::Arc<AtomicU64>,
}

impl Store {
    /// A store over an adapter.
    #[must_use]
    pub fn new(adapter: std::sync::Arc<dyn Transactions>) -> Self {
        Self { adapter, version: std::sync::Arc::default() }
    }

    /// A number that is another one after anything was written through this store. As this process is the
    /// database's only writer, what was read at a version is true as long as the version is the same.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Reads one consistent state.
    ///
    /// # Errors
    /// What the closure returns, or the store's own fault.
    pub async fn read<T, E>(&self, body: impl FnOnce(&mut dyn Tx) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.run(Access::Read, body).await
    }

    /// Writes; commits if the closure returns `Ok`.
    ///
    /// # Errors
    /// What the closure returns, or the store's own fault; nothing was written.
    pub async fn write<T, E>(&self, body: impl FnOnce(&mut dyn Tx) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.run(Access::Write, body).await
    }

    async fn run<T, E>(
        &self,
        access: Access,
        body: impl FnOnce(&mut dyn Tx) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (answer, result) = std::sync::mpsc::sync_channel(1);
        let erased: Body = Box::new(move |tx| {
            let outcome = body(tx);
            let commit = outcome.is_ok();
            // The receiver lives until run() returns, so this cannot fail.
            let _ = answer.send(outcome);
            commit
        });
        let ran = self.adapter.run(access, erased).await;
        if access == Access::Write {
            // Also after a fault: whether it was committed may not be known.
            self.version.fetch_add(1, Ordering::AcqRel);
        }
        match result.try_recv() {
            // The closure's own error says more than the roll-back that followed it.
            Ok(Err(error)) => Err(error),
            Ok(Ok(value)) => ran.map(|()| value).map_err(E::from),
            Err(_) => Err(E::from(
                ran.err()
                    .unwrap_or_else(|| StoreError::Unavailable("the transaction ended without a result".to_owned())),
            )),
        }
    }
}

/// What can be done inside a transaction. Reads see the transaction's own writes.
///
/// `save_*` inserts an entity with [`Revision::NEW`](crate::domain::ids::Revision::NEW) and otherwise replaces
/// the row whose revision is the entity's; it returns the entity with its next revision, or [`StoreError::Stale`].
pub trait Tx {
    /// A new id: higher than any that was ever given to this kind of entity.
    fn next_id(&mut self, kind: EntityKind) -> Result<i64, StoreError>;

    /// All pools by name (bytewise).
    fn pools(&mut self) -> Result<Vec<Pool>, StoreError>;
    /// The first `limit` pools by name behind `after`, a name that no pool needs to have. As all the methods
    /// that take `limit`, it costs the same however long the list is.
    fn pools_after(&mut self, after: Option<&PoolName>, limit: u64) -> Result<Vec<Pool>, StoreError>;
    /// One pool.
    fn pool(&mut self, id: PoolId) -> Result<Option<Pool>, StoreError>;
    /// The pool with this name, without regard to ASCII case.
    fn pool_named(&mut self, name: &str) -> Result<Option<Pool>, StoreError>;
    /// Name, kind and linked pool of every pool.
    fn pool_refs(&mut self) -> Result<HashMap<PoolId, PoolRef>, StoreError>;
    /// Pools with at least one enabled member.
    fn serving_pools(&mut self) -> Result<HashSet<PoolId>, StoreError>;
    /// Pools whose `source_nanio_pool_id` is `id`.
    fn pools_backed_by(&mut self, id: PoolId) -> Result<Vec<Pool>, StoreError>;
    /// Inserts or replaces a pool. A taken name is [`StoreError::Taken`].
    fn save_pool(&mut self, pool: Pool) -> Result<Pool, StoreError>;
    /// Removes a pool and its members.
    fn delete_pool(&mut self, id: PoolId) -> Result<(), StoreError>;

    /// The members of all pools by id.
    fn every_member(&mut self) -> Result<Vec<Member>, StoreError>;
    /// The members of a pool by id.
    fn members(&mut self, pool: PoolId) -> Result<Vec<Member>, StoreError>;
    /// The first `limit` members of a pool by id behind `after`, which no member needs to have.
    fn members_after(&mut self, pool: PoolId, after: Option<MemberId>, limit: u64) -> Result<Vec<Member>, StoreError>;
    /// One member.
    fn member(&mut self, id: MemberId) -> Result<Option<Member>, StoreError>;
    /// Inserts or replaces a member.
    fn save_member(&mut self, member: Member) -> Result<Member, StoreError>;
    /// Removes a member.
    fn delete_member(&mut self, id: MemberId) -> Result<(), StoreError>;

    /// All vhosts by server name (bytewise).
    fn vhosts(&mut self) -> Result<Vec<Vhost>, StoreError>;
    /// The first `limit` vhosts by server name behind `after`, a name that no vhost needs to have.
    fn vhosts_after(&mut self, after: Option<&ServerName>, limit: u64) -> Result<Vec<Vhost>, StoreError>;
    /// One vhost.
    fn vhost(&mut self, id: VhostId) -> Result<Option<Vhost>, StoreError>;
    /// The vhost with this server name.
    fn vhost_named(&mut self, server_name: &str) -> Result<Option<Vhost>, StoreError>;
    /// Vhosts that use a pool, as default or by a route (disabled ones included), by server name.
    fn vhosts_using(&mut self, pool: PoolId) -> Result<Vec<Vhost>, StoreError>;
    /// Inserts or replaces a vhost. A taken name is [`StoreError::Taken`].
    fn save_vhost(&mut self, vhost: Vhost) -> Result<Vhost, StoreError>;
    /// Removes a vhost and its routes.
    fn delete_vhost(&mut self, id: VhostId) -> Result<(), StoreError>;

    /// The routes of a vhost: longest `path_prefix` first, then by id.
    fn routes(&mut self, vhost: VhostId) -> Result<Vec<Route>, StoreError>;
    /// The first `limit` routes of a vhost, in the order of [`Tx::routes`], behind the place of a route with this
    /// prefix and id, which no route needs to have.
    fn routes_after(
        &mut self,
        vhost: VhostId,
        after: Option<(&PathPrefix, RouteId)>,
        limit: u64,
    ) -> Result<Vec<Route>, StoreError>;
    /// One route.
    fn route(&mut self, id: RouteId) -> Result<Option<Route>, StoreError>;
    /// The route of a vhost whose prefix, without the slash at its end, is `canonical`.
    fn route_at(&mut self, vhost: VhostId, canonical: &str) -> Result<Option<Route>, StoreError>;
    /// The routes of a vhost that serve this bucket or a part of it, disabled ones included. Costs as much as there
    /// are of them.
    fn bucket_routes(&mut self, vhost: VhostId, bucket: &BucketName) -> Result<Vec<Route>, StoreError>;
    /// The kinds of pool that the routes of a vhost other than `/` use, disabled routes included.
    fn route_pool_ids(&mut self, vhost: VhostId) -> Result<HashSet<PoolId>, StoreError>;
    /// Inserts or replaces a route. A taken prefix is [`StoreError::Taken`].
    fn save_route(&mut self, route: Route) -> Result<Route, StoreError>;
    /// Removes a route.
    fn delete_route(&mut self, id: RouteId) -> Result<(), StoreError>;

    /// The disabled routes of a vhost, by id. Costs as much as there are of them, however many are enabled.
    fn disabled_routes(&mut self, vhost: VhostId) -> Result<Vec<Route>, StoreError>;

    /// The S3 keys of a pool.
    fn credential(&mut self, pool: PoolId) -> Result<Option<Credential>, StoreError>;
    /// All S3 keys, by pool.
    fn credentials(&mut self) -> Result<Vec<Credential>, StoreError>;
    /// Inserts or replaces the S3 keys of a pool.
    fn save_credential(&mut self, credential: &Credential) -> Result<(), StoreError>;
    /// Removes the S3 keys of a pool.
    fn delete_credential(&mut self, pool: PoolId) -> Result<(), StoreError>;

    /// The buckets of a vhost by name.
    fn buckets(&mut self, vhost: VhostId) -> Result<Vec<Bucket>, StoreError>;
    /// The names of the buckets of a vhost that have this status, sorted.
    fn buckets_with(&mut self, vhost: VhostId, status: BucketStatus) -> Result<Vec<BucketName>, StoreError>;
    /// How many buckets of each status each vhost has; none: it has none of them. A full look at the buckets.
    fn bucket_counts(&mut self) -> Result<HashMap<VhostId, BTreeMap<BucketStatus, u64>>, StoreError>;
    /// One bucket.
    fn bucket(&mut self, vhost: VhostId, name: &BucketName) -> Result<Option<Bucket>, StoreError>;
    /// Inserts or replaces a bucket.
    fn save_bucket(&mut self, bucket: &Bucket) -> Result<(), StoreError>;
    /// Inserts or replaces buckets, each of them once in the list. Thousands cost a few statements.
    fn save_buckets(&mut self, buckets: &[Bucket]) -> Result<(), StoreError>;
    /// Forgets a bucket.
    fn delete_bucket(&mut self, vhost: VhostId, name: &BucketName) -> Result<(), StoreError>;
    /// When the buckets of a vhost were last listed.
    fn buckets_listed_at(&mut self, vhost: VhostId) -> Result<Option<Timestamp>, StoreError>;
    /// The buckets of these vhosts were listed at this time.
    fn note_buckets_listed(&mut self, vhosts: &[VhostId], at: Timestamp) -> Result<(), StoreError>;

    /// All migrations, newest first.
    fn migrations(&mut self) -> Result<Vec<Migration>, StoreError>;
    /// The newest `limit` migrations, in one phase or in all, newest first.
    fn newest_migrations(&mut self, phase: Option<Phase>, limit: u64) -> Result<Vec<Migration>, StoreError>;
    /// The migrations about which the engine has something to do, oldest first: see [`Migration::is_due`].
    fn due_migrations(&mut self) -> Result<Vec<Migration>, StoreError>;
    /// The migrations that are not at an end, oldest first.
    fn unfinished_migrations(&mut self) -> Result<Vec<Migration>, StoreError>;
    /// A migration because of which nothing may be rendered over the vhost's file.
    fn migration_to_adopt(&mut self, vhost: VhostId) -> Result<Option<Migration>, StoreError>;
    /// The migrations of which nginx has anything, whatever their phase, oldest first.
    fn gated_migrations(&mut self) -> Result<Vec<Migration>, StoreError>;
    /// The migrations of a bucket of this name, newest first.
    fn migrations_of(&mut self, bucket: &BucketName) -> Result<Vec<Migration>, StoreError>;
    /// One migration.
    fn migration(&mut self, id: MigrationId) -> Result<Option<Migration>, StoreError>;
    /// Inserts or replaces the record of a migration.
    fn save_migration(&mut self, migration: Migration) -> Result<Migration, StoreError>;

    /// Adds lines to the logs of migrations.
    fn append_migration_log(&mut self, entries: &[NewLogEntry]) -> Result<(), StoreError>;
    /// The newest lines of a migration's log, newest first.
    fn migration_log(&mut self, id: MigrationId, take: u64) -> Result<Vec<LogEntry>, StoreError>;
    /// Forgets all but the newest lines of a migration's log.
    fn prune_migration_log(&mut self, id: MigrationId, keep: u64) -> Result<(), StoreError>;

    /// The newest `limit` jobs, newest first.
    fn jobs(&mut self, limit: u64) -> Result<Vec<Job>, StoreError>;
    /// The jobs that have not ended, by id.
    fn unfinished_jobs(&mut self) -> Result<Vec<Job>, StoreError>;
    /// One job.
    fn job(&mut self, id: JobId) -> Result<Option<Job>, StoreError>;
    /// Inserts or replaces a job.
    fn save_job(&mut self, job: Job) -> Result<Job, StoreError>;
    /// Forgets the oldest jobs that have ended, so that at most `keep` of all are left.
    fn prune_jobs(&mut self, keep: u64) -> Result<(), StoreError>;

    /// The highest ids that were ever given.
    fn highest_ids(&mut self) -> Result<HighestIds, StoreError>;
    /// No id up to these will be given any more. Never lowers what it knows.
    fn raise_ids(&mut self, highest: HighestIds) -> Result<(), StoreError>;
    /// Removes pools, members, vhosts, routes, keys, buckets, migrations and the records of files. The audit log,
    /// jobs, the ids that were given, facts and ended sessions stay.
    fn clear_gateway(&mut self) -> Result<(), StoreError>;

    /// How many routes nginx has of each vhost that has any: enabled ones of enabled vhosts, without `/`. A full
    /// look at the routes.
    fn route_counts(&mut self) -> Result<HashMap<VhostId, u64>, StoreError>;
    /// The routes of each vhost to each pool, taken together, by vhost and pool: without `/`, with disabled routes and
    /// disabled vhosts. A full look at the routes.
    fn route_bundles(&mut self) -> Result<Vec<RouteBundle>, StoreError>;
    /// How many vhosts there are, and how many characters the longest server name has.
    fn server_names(&mut self) -> Result<ServerNames, StoreError>;

    /// Writes an audit entry.
    fn append_audit(&mut self, entry: &audit::NewEntry) -> Result<AuditId, StoreError>;
    /// Removes at most `most` of the oldest audit entries made before a time; tells how many.
    fn prune_audit(&mut self, before: Timestamp, most: u64) -> Result<u64, StoreError>;
    /// Reads audit entries, newest first.
    fn audit(&mut self, filter: &audit::Filter) -> Result<Vec<audit::Entry>, StoreError>;

    /// The managed files as we last wrote them, by path.
    fn files(&mut self) -> Result<Vec<FileRecord>, StoreError>;
    /// One managed file as we last wrote it.
    fn file(&mut self, path: &str) -> Result<Option<FileRecord>, StoreError>;
    /// Records what was written.
    fn save_file(&mut self, file: &FileRecord) -> Result<(), StoreError>;
    /// Forgets a file.
    fn forget_file(&mut self, path: &str) -> Result<(), StoreError>;

    /// A small fact of the program's own, such as the last committed change.
    fn fact(&mut self, key: &str) -> Result<Option<String>, StoreError>;
    /// Writes a small fact.
    fn set_fact(&mut self, key: &str, value: &str) -> Result<(), StoreError>;

    /// Remembers that a browser session was ended; `expires` is when its cookie would be void anyway.
    fn revoke_session(&mut self, session: &str, expires: Timestamp) -> Result<(), StoreError>;
    /// Sessions that were ended and whose cookies are not void yet; forgets the others.
    fn revoked_sessions(&mut self, now: Timestamp) -> Result<HashMap<String, Timestamp>, StoreError>;

    /// Runs `body` so that all it wrote is undone if it returns `false`, and only that.
    fn savepoint(&mut self, body: &mut dyn FnMut(&mut dyn Tx) -> bool) -> Result<(), StoreError>;
}

/// What nginx's hash of server names must have room for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerNames {
    /// Vhosts.
    pub count: u64,
    /// Characters of the longest name.
    pub longest: u64,
}

/// The routes of one vhost to one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteBundle {
    /// The vhost.
    pub vhost_id: VhostId,
    /// The pool.
    pub pool_id: PoolId,
    /// Enabled ones.
    pub enabled: u64,
    /// Disabled ones.
    pub disabled: u64,
    /// The prefix of one of them.
    pub example: String,
}

/// A managed file as we last wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRecord {
    /// Where.
    pub path: String,
    /// Lower-hex SHA-256 of its bytes.
    pub sha256: String,
    /// When.
    pub written_at: Timestamp,
}

/// Why a transaction could not do its work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another save came first.
    #[error("{} {id} was changed by someone else meanwhile", kind.noun())]
    Stale {
        /// What.
        kind: EntityKind,
        /// Which.
        id: i64,
    },
    /// A unique name or prefix belongs to another entity.
    #[error("a {} with this name exists", kind.noun())]
    Taken {
        /// What.
        kind: EntityKind,
    },
    /// The database cannot be used now; trying again may help.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The database holds something that this program cannot read, or refused something it must take.
    #[error("the database is not as expected: {0}")]
    Corrupt(String),
}
