//! The audit log: who changed what, when, and what nginx said to it.

use serde::Serialize;

use super::bucket::{Bucket, BucketName};
use super::bucket_sync::BucketTally;
use super::ids::{AuditId, EntityKind, JobId, PoolId};
use super::invalid::words;
use super::migration::{Migration, Phase};
use super::pool::{Member, Pool};
use super::restore::Import;
use super::route::Route;
use super::setting::SettingChange;
use super::time::Timestamp;
use super::vhost::Vhost;

words!(
    /// Who asked for a change.
    Actor {
        /// A client with the API key.
        Api = "api",
        /// A browser session.
        Web = "web",
        /// A command on the gateway machine.
        Cli = "cli",
        /// The program itself.
        Engine = "engine",
    }
);

words!(
    /// What was done.
    Action {
        /// Made.
        Create = "create",
        /// Changed.
        Update = "update",
        /// Removed.
        Delete = "delete",
        /// nginx was told to load its configuration.
        ManualReload = "manual_reload",
        /// Every file was written anew from the database.
        Rebuild = "rebuild",
        /// The database was made again from the files.
        RebuildFromDisk = "rebuild_from_disk",
        /// Every edit made on disk was taken over.
        SyncFromDisk = "sync_from_disk",
        /// One file's edit was taken over.
        AbsorbDrift = "absorb_drift",
        /// One file was written anew from the database.
        RewriteFile = "rewrite_file",
        /// The database was copied.
        Backup = "backup",
        /// A copy took the place of the database.
        Restore = "restore",
        /// The service manager was asked to start the program anew.
        Restart = "restart",
        /// The S3 keys of a pool were stored or replaced.
        SetCredentials = "set_credentials",
        /// They were removed.
        RemoveCredentials = "remove_credentials",
        /// All S3 keys were encrypted with the present key.
        RotateSecret = "rotate_secret",
        /// A migration was asked for.
        StartMigration = "start_migration",
        /// It was made to wait.
        PauseMigration = "pause_migration",
        /// It was let go on.
        ResumeMigration = "resume_migration",
        /// Its end was asked for.
        CancelMigration = "cancel_migration",
        /// The destination serves the bucket.
        MigrationDone = "migration_done",
        /// It was ended; the source serves the bucket.
        MigrationCancelled = "migration_cancelled",
        /// It failed; the source serves the bucket.
        MigrationError = "migration_error",
        /// The objects of a bucket of a pool are deleted: first that it begins, then what came of it.
        PoolBucketPurge = "pool_bucket_purge",
        /// Likewise, those that a routed bucket left on the default pool.
        PurgeOrphan = "purge_orphan",
        /// A job was ended.
        CancelJob = "cancel_job",
        /// The buckets of a vhost were brought in line with what its pools list.
        SyncBuckets = "sync_buckets",
        /// A bucket got a route of its own.
        PromoteBucket = "promote_bucket",
        /// It lost it.
        RemoveBucketRoute = "remove_bucket_route",
        /// A bucket is not to be heard of.
        IgnoreBucket = "ignore_bucket",
        /// A bucket got a route in an `http` vhost.
        AddHttpBucketRoute = "add_http_bucket_route",
        /// It lost it.
        RemoveHttpBucketRoute = "remove_http_bucket_route",
    }
);

/// An entity as it was before or after a change; serialised as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Snapshot {
    /// A pool.
    Pool(Pool),
    /// A pool member.
    Member(Member),
    /// A vhost.
    Vhost(Vhost),
    /// A route.
    Route(Route),
    /// What was read back from disk.
    Restored(Restored),
    /// What was taken over from disk.
    Absorbed(Absorbed),
    /// A managed file.
    File(FileSnapshot),
    /// What came of a backup.
    Backup(BackupOutcome),
    /// A setting, masked.
    Setting(SettingChange),
    /// The S3 keys of a pool, as far as they may be shown.
    Credential(CredentialSnapshot),
    /// What became of all S3 keys.
    Rotation(RotationSnapshot),
    /// A migration.
    Migration(MigrationSnapshot),
    /// A purge.
    Purge(PurgeSnapshot),
    /// A bucket.
    Bucket(Bucket),
    /// How many buckets a vhost has.
    Buckets(BucketSnapshot),
}

/// How many buckets a vhost has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BucketSnapshot {
    /// Of each kind.
    #[serde(flatten)]
    pub tally: BucketTally,
    /// How many of them were not known before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<u64>,
}

/// A migration, as the audit log shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MigrationSnapshot {
    /// What moves.
    pub bucket: BucketName,
    /// From where.
    pub src_pool: String,
    /// To where.
    pub dst_pool: String,
    /// How far it is.
    pub phase: Phase,
    /// Why it failed.
    pub error_msg: Option<String>,
    /// The longest time that a client's write was held, in milliseconds.
    pub write_hold_ms: Option<u64>,
}

impl MigrationSnapshot {
    /// What is told of a migration.
    #[must_use]
    pub fn of(migration: &Migration) -> Self {
        Self {
            bucket: migration.bucket.clone(),
            src_pool: migration.source.name.clone(),
            dst_pool: migration.destination.name.clone(),
            phase: migration.phase,
            error_msg: migration.error_msg.clone(),
            write_hold_ms: migration.work.write_hold_ms,
        }
    }
}

/// A managed file, as the audit log names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileSnapshot {
    /// Where.
    pub path: String,
}

/// What a rebuild from disk put into the database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Pools.
    pub pools_imported: u64,
    /// Their members.
    pub members_imported: u64,
    /// Vhosts.
    pub vhosts_imported: u64,
    /// Their routes, `/` included.
    pub routes_imported: u64,
    /// Migrations that have not ended.
    pub migrations_imported: u64,
    /// Migrations that have.
    pub completed_migrations_imported: u64,
    /// Pools whose S3 keys are back.
    pub credentials_recovered: u64,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

impl Restored {
    /// Counts the rows.
    #[must_use]
    pub fn of(import: &Import) -> Self {
        let (done, going): (Vec<_>, Vec<_>) = import.migrations.iter().partition(|one| one.phase.is_final());
        let count = |number: usize| number as u64;
        Self {
            pools_imported: count(import.pools.len()),
            members_imported: count(import.pools.iter().map(|row| row.members.len()).sum()),
            vhosts_imported: count(import.vhosts.len()),
            routes_imported: count(import.vhosts.iter().map(|row| row.routes.len()).sum()),
            migrations_imported: count(going.len()),
            completed_migrations_imported: count(done.len()),
            credentials_recovered: count(import.pools.iter().filter(|row| row.credential.is_some()).count()),
            warnings: import.warnings.clone(),
        }
    }
}

/// What edits on disk put into the database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Absorbed {
    /// Pools that were not known.
    pub pools_new: u64,
    /// Pools that were.
    pub pools_updated: u64,
    /// Members that were not known.
    pub members_new: u64,
    /// Vhosts that were not known.
    pub vhosts_new: u64,
    /// Vhosts that were.
    pub vhosts_updated: u64,
    /// Routes made, changed or removed.
    pub routes_synced: u64,
    /// The files.
    pub files: Vec<String>,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

impl Absorbed {
    /// Counts what was taken over from these files, too.
    pub fn add(&mut self, other: Self, files: Vec<String>) {
        self.pools_new += other.pools_new;
        self.pools_updated += other.pools_updated;
        self.members_new += other.members_new;
        self.vhosts_new += other.vhosts_new;
        self.vhosts_updated += other.vhosts_updated;
        self.routes_synced += other.routes_synced;
        self.files.extend(files);
        self.warnings.extend(other.warnings);
    }
}

/// What came of a backup that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackupOutcome {
    /// Whether there is a copy.
    pub ok: bool,
    /// Where it is, or came from.
    pub backup_path: Option<String>,
    /// Why there is none.
    pub detail: Option<String>,
}

/// S3 keys without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CredentialSnapshot {
    /// The beginning of the access key.
    pub access_key_masked: String,
    /// Where to reach the pool's S3 service, if not at its members.
    pub endpoint_url: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
}

/// Whose S3 keys were encrypted anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RotationSnapshot {
    /// Pools whose keys were.
    pub rotated: Vec<PoolId>,
    /// Pools whose keys no present key decrypts; they stay as they were.
    pub unreadable: Vec<PoolId>,
}

/// A purge as it begins, or what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PurgeSnapshot {
    /// The job that deletes.
    pub job_id: JobId,
    /// The pool.
    pub pool_id: PoolId,
    /// The bucket.
    pub bucket: BucketName,
    /// How far it is, in the words of a job.
    pub state: &'static str,
    /// Objects deleted so far.
    pub deleted: u64,
    /// Objects that could not be deleted.
    pub failed: u64,
    /// Why it failed.
    pub message: Option<String>,
}

/// What nginx answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NginxAnswer {
    /// Whether it accepted.
    pub ok: bool,
    /// Its own words.
    pub output: String,
}

/// The thing an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// An entity of the gateway.
    Entity(EntityKind, i64),
    /// A bucket of a vhost, named by the vhost's id.
    Bucket(i64),
    /// The configuration as a whole.
    Config,
    /// The settings of the program.
    Settings,
}

impl Subject {
    /// `entity_type` and `entity_id` of the wire form.
    #[must_use]
    pub fn columns(self) -> (&'static str, Option<i64>) {
        match self {
            Subject::Entity(kind, id) => (kind.noun(), Some(id)),
            Subject::Bucket(vhost) => ("bucket", Some(vhost)),
            Subject::Config => ("config", None),
            Subject::Settings => ("settings", None),
        }
    }
}

/// An entry to be written, in the transaction of the change it tells of.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEntry {
    /// Who.
    pub actor: Actor,
    /// Did what.
    pub action: Action,
    /// To what.
    pub subject: Subject,
    /// Before.
    pub before: Option<Snapshot>,
    /// After.
    pub after: Option<Snapshot>,
    /// nginx's answer, if it was asked.
    pub nginx: Option<NginxAnswer>,
    /// When.
    pub at: Timestamp,
}

/// An entry as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Identity; higher is later.
    pub id: AuditId,
    /// Who.
    pub actor: String,
    /// Did what.
    pub action: String,
    /// To what kind of thing.
    pub entity_type: String,
    /// Which one.
    pub entity_id: Option<i64>,
    /// JSON of it before.
    pub before_json: Option<String>,
    /// JSON of it after.
    pub after_json: Option<String>,
    /// nginx's answer, if it was asked.
    pub nginx: Option<NginxAnswer>,
    /// When.
    pub created_at: Timestamp,
}

/// Which entries to read, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only about this kind of thing.
    pub entity_type: Option<String>,
    /// Only about this one.
    pub entity_id: Option<i64>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Not after.
    pub to: Option<Timestamp>,
    /// How many to pass over.
    pub skip: u64,
    /// How many to read.
    pub take: u64,
}
