//! Moving buckets from pool to pool while clients use them.
//!
//! A request is checked and written down as `pending`; the [`Engine`] drives it. What operators want of it afterwards
//! (pause, resume, cancel) is written down too, so that a restart forgets nothing.

mod adopt;
mod adoption;
mod backfill;
mod backfill_request;
mod begin;
mod carry;
mod compare;
mod copying;
mod cutover;
mod drive;
mod engine;
mod finish;
mod guard;
mod live;
mod pace;
mod portion;
mod preflight;
mod reach;
mod record;
mod suitability;

pub use engine::Engine;
pub(super) use guard::refuse_disturbed;
pub use preflight::Request;

use std::sync::Arc;
use std::time::Duration;

use engine::{Board, Shared};
use live::Wish;
use preflight::{Looked, Plan, plan};

use super::backups::Backups;
use super::config::Config;
use super::publish::Change;
use super::{Context, ServiceError};
use crate::domain::audit::{Action, Actor, MigrationSnapshot, NewEntry, Snapshot, Subject};
use crate::domain::bucket::{BucketName, BucketStatus};
use crate::domain::copy::Progress;
use crate::domain::ids::{EntityKind, MigrationId, PoolId, Revision};
use crate::domain::migration::log::LogEntry;
use crate::domain::migration::machine::Step;
use crate::domain::migration::work::{Check, CheckOutcome, MigrationKind, Work};
use crate::domain::migration::{Migration, MigrationMode, Named, Phase};
use crate::domain::time::Timestamp;
use crate::ports::clock::Clock;
use crate::ports::copier::Copier;
use crate::ports::gate::Gate;
use crate::ports::migration_files::MigrationFiles;
use crate::ports::store::Tx;
use crate::ports::timer::Timer;

/// How migrations are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How many run at a time; the others wait.
    pub max_parallel: u32,
    /// How many passes in a row may leave the backlog as it is.
    pub max_copy_passes: u32,
    /// Writes are held when the last pass is thought to take no longer.
    pub hold_target: Duration,
    /// Writes are never held for longer.
    pub max_hold: Duration,
    /// How long writes that had begun are waited for while others are held.
    pub drain_timeout: Duration,
    /// How many cutovers may be taken back before the migration gives up.
    pub cutover_attempts: u32,
    /// How long uploads under way are waited for before a cutover.
    pub multipart_wait: Duration,
    /// How long nothing is held after a write whose end is not known: longer than any storage node goes on with a
    /// request whose client has gone.
    pub settle_wait: Duration,
    /// How long workers of nginx with the configuration of before are waited for.
    pub worker_wait: Duration,
}

/// A migration with what is known of it while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationView {
    /// The record.
    pub migration: Migration,
    /// How fast it copies at the moment.
    pub progress: Option<Progress>,
}

/// A migration that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    /// The record.
    pub migration: Migration,
    /// What will not follow, in sentences.
    pub cascade_warnings: Vec<String>,
}

/// A migration that cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// The record.
    pub migration: Migration,
    /// Why, as a word.
    pub reason: &'static str,
}

/// Use cases about migrations. Cheap to clone.
#[derive(Clone)]
pub struct Migrations {
    context: Context,
    shared: Arc<Shared>,
}

/// What only migrations need of the world.
pub(super) struct Means {
    pub copier: Arc<dyn Copier>,
    pub gate: Arc<dyn Gate>,
    pub files: Arc<dyn MigrationFiles>,
    pub clock: Arc<dyn Clock>,
    pub timer: Arc<dyn Timer>,
    pub settings: Settings,
}

impl Migrations {
    pub(super) fn new(context: Context, config: Config, backups: Backups, means: Means) -> Self {
        let Means { copier, gate, files, clock, timer, settings } = means;
        let shared = Shared {
            store: context.store.clone(),
            storage: context.storage.clone(),
            copier,
            gate,
            files,
            keyring: context.keyring.clone(),
            publisher: context.publisher.clone(),
            config,
            backups,
            clock,
            timer,
            settings,
            board: Board::default(),
        };
        Self { context, shared: Arc::new(shared) }
    }

    /// What drives them. There must be one at a time.
    #[must_use]
    pub fn engine(&self) -> Engine {
        Engine::new(self.shared.clone())
    }

    /// Checks a request, and writes it down as `pending`.
    ///
    /// # Errors
    /// The first thing that stands in its way.
    pub async fn request(&self, actor: Actor, request: Request) -> Result<Requested, ServiceError> {
        let (planned, looked) = self.look(&request).await?;
        let checks = looked.expect_no_failure()?;
        let cascade_warnings = planned.cascade_warnings.clone();
        let wanted = request.clone();
        let make = move |change: &mut Change<'_>| queue(change, &wanted, &checks);
        let migration = self.begin(actor, make).await?;
        Ok(Requested { migration, cascade_warnings })
    }

    async fn begin(
        &self,
        actor: Actor,
        make: impl FnMut(&mut Change<'_>) -> Result<Migration, ServiceError> + Send + 'static,
    ) -> Result<Migration, ServiceError> {
        let migration = self.context.publisher.change(actor, make).await?;
        if let Err(error) = self.shared.files.write(&migration).await {
            tracing::error!(migration = migration.id.0, %error, "the migration's file could not be written");
        }
        self.shared.board.ring();
        Ok(migration)
    }

    /// What would be found, without beginning anything.
    ///
    /// # Errors
    /// The database's.
    pub async fn preflight(&self, request: Request) -> Result<Vec<Check>, ServiceError> {
        match self.look(&request).await {
            Ok((_, looked)) => Ok(looked.checks),
            Err(error @ (ServiceError::Rejected(_) | ServiceError::Conflict(_))) => Ok(vec![Check {
                name: "request".to_owned(),
                outcome: CheckOutcome::Failed,
                message: error.to_string(),
            }]),
            Err(error) => Err(error),
        }
    }

    async fn look(&self, request: &Request) -> Result<(Plan, Looked), ServiceError> {
        let wanted = request.clone();
        let planned = self.context.store.read(move |tx| plan(tx, &wanted, None)).await?;
        let looked = self.shared.look(&planned, &request.bucket, request.mode, false).await;
        Ok((planned, looked))
    }

    /// Migrations, newest first, in one phase or in all.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self, phase: Option<Phase>, limit: u64) -> Result<Vec<MigrationView>, ServiceError> {
        let newest = self.context.store.read(move |tx| Ok::<_, ServiceError>(tx.newest_migrations(phase, limit)?));
        let all = newest.await?;
        Ok(all.into_iter().map(|migration| self.view(migration)).collect())
    }

    /// One migration.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn get(&self, id: MigrationId) -> Result<MigrationView, ServiceError> {
        let found = self.context.store.read(move |tx| record::find(tx, id)).await?;
        Ok(self.view(found))
    }

    fn view(&self, migration: Migration) -> MigrationView {
        let progress = self.shared.board.live(migration.id).map(|live| live.progress_now());
        MigrationView { migration, progress }
    }

    /// The newest lines of a migration's log, newest first.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn log(&self, id: MigrationId, take: u64) -> Result<Vec<LogEntry>, ServiceError> {
        self.context
            .store
            .read(move |tx| {
                record::find(tx, id)?;
                Ok(tx.migration_log(id, take)?)
            })
            .await
    }

    /// Ends a migration. The source serves the bucket then, with every write that a client was told of.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`]; [`ServiceError::Rejected`] if it has ended, or is past the point of no return.
    pub async fn cancel(&self, actor: Actor, id: MigrationId) -> Result<(), ServiceError> {
        let edit = |migration: &mut Migration| {
            if migration.phase.is_final() {
                let phase = migration.phase.as_str();
                return Err(ServiceError::Rejected(format!("Migration is already in terminal state '{phase}'")));
            }
            if migration.work.kind == MigrationKind::Adoption && migration.work.step != Step::Check {
                return Err(ServiceError::Rejected(
                    "nginx has the adoption in the place of the split already: without it, what clients wrote to the one \
                     pool would be missing on the other. It goes on until it succeeds; its log says what is in the way"
                        .to_owned(),
                ));
            }
            if migration.work.committed {
                return Err(ServiceError::Rejected(
                    "The destination serves the bucket already: the migration can only go on. Migrate the bucket back \
                     when it is done"
                        .to_owned(),
                ));
            }
            migration.work.cancel = true;
            Ok(())
        };
        self.wish(actor, id, Action::CancelMigration, Wish::Cancel, edit).await
    }

    /// Makes a migration wait. Clients notice nothing.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`]; [`ServiceError::Rejected`] if it has ended or is being switched.
    pub async fn pause(&self, actor: Actor, id: MigrationId) -> Result<(), ServiceError> {
        let edit = |migration: &mut Migration| {
            if migration.phase.is_final() || migration.phase.holds_writes() {
                let phase = migration.phase.as_str();
                return Err(ServiceError::Rejected(format!("A migration in phase '{phase}' cannot be paused")));
            }
            migration.work.paused = true;
            Ok(())
        };
        self.wish(actor, id, Action::PauseMigration, Wish::Pause, edit).await
    }

    /// Lets a paused migration go on.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`]; [`ServiceError::Rejected`] if it has ended.
    pub async fn resume(&self, actor: Actor, id: MigrationId) -> Result<(), ServiceError> {
        let edit = |migration: &mut Migration| {
            if migration.phase.is_final() {
                let phase = migration.phase.as_str();
                return Err(ServiceError::Rejected(format!("Migration is already in terminal state '{phase}'")));
            }
            migration.work.paused = false;
            Ok(())
        };
        self.wish(actor, id, Action::ResumeMigration, Wish::Run, edit).await
    }

    async fn wish(
        &self,
        actor: Actor,
        id: MigrationId,
        action: Action,
        wish: Wish,
        edit: impl FnOnce(&mut Migration) -> Result<(), ServiceError> + Send + 'static,
    ) -> Result<(), ServiceError> {
        let now = self.shared.clock.now();
        self.context
            .store
            .write(move |tx| {
                let before = record::find(tx, id)?;
                let mut after = before.clone();
                edit(&mut after)?;
                let after = tx.save_migration(after)?;
                note(tx, actor, action, Some(&before), &after, now)
            })
            .await?;
        if let Some(live) = self.shared.board.live(id) {
            live.want(wish);
        }
        self.shared.board.ring();
        Ok(())
    }

    /// Finished migrations whose source still has the objects, the latest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn orphaned(&self) -> Result<Vec<Migration>, ServiceError> {
        let mut all = self.context.store.read(|tx| Ok::<_, ServiceError>(tx.migrations()?)).await?;
        let known = all.clone();
        all.retain(|migration| {
            let pool = migration.orphan.as_ref().map(|orphan| orphan.pool.id);
            let left = pool.and_then(|pool| Migration::left_on(&known, pool, &migration.bucket));
            left.is_some_and(|left| left.id == migration.id)
        });
        all.sort_by_key(|migration| std::cmp::Reverse(migration.orphan.as_ref().map(|orphan| orphan.since)));
        Ok(all)
    }

    /// Migrations that cannot go on: a pool has no members any more, or the bucket is gone from the source.
    ///
    /// # Errors
    /// The store's.
    pub async fn stale(&self) -> Result<Vec<Stale>, ServiceError> {
        let read = self.context.store.read(|tx| {
            let mut found = Vec::new();
            for migration in tx.unfinished_migrations()? {
                let mut members = |pool: PoolId| -> Result<Vec<_>, ServiceError> {
                    let enabled = tx.members(pool)?.into_iter().filter(|member| member.enabled);
                    Ok(enabled.map(|member| member.address).collect())
                };
                let (source, destination) = (members(migration.source.id)?, members(migration.destination.id)?);
                let credential = tx.credential(migration.source.id)?;
                found.push((migration, source, destination, credential));
            }
            Ok::<_, ServiceError>(found)
        });
        let mut stale = Vec::new();
        for (migration, source, destination, credential) in read.await? {
            let reason = if source.is_empty() {
                Some("src_no_members")
            } else if destination.is_empty() {
                Some("dst_no_members")
            } else if migration.phase == Phase::Switching {
                None
            } else {
                let site = self.context.keyring.site(source, credential.as_ref());
                let gone = match site {
                    Ok(site) => self.context.storage.occupancy(&site, &migration.bucket).await.ok(),
                    Err(_) => None,
                };
                gone.filter(|seen| *seen == crate::domain::object::Occupancy::Absent).map(|_| "src_bucket_missing")
            };
            stale.extend(reason.map(|reason| Stale { migration, reason }));
        }
        Ok(stale)
    }

    /// The buckets that can be moved away from a pool, by name.
    ///
    /// # Errors
    /// The store's.
    pub async fn source_buckets(&self, pool: PoolId) -> Result<Vec<BucketName>, ServiceError> {
        self.context
            .store
            .read(move |tx| {
                let mut names = std::collections::BTreeSet::new();
                for vhost in tx.vhosts_using(pool)? {
                    for route in tx.routes(vhost.id)?.into_iter().filter(|route| route.pool_id == pool && route.enabled)
                    {
                        let whole = route.path_prefix.plain_bucket();
                        names.extend(whole.and_then(|bucket| BucketName::parse(bucket).ok()));
                    }
                    let known = tx.buckets(vhost.id)?.into_iter();
                    let gone = known.filter(|bucket| {
                        matches!(bucket.status, BucketStatus::Deleted | BucketStatus::Ignored)
                            && bucket.routed_pool_id == Some(pool)
                    });
                    for bucket in gone {
                        names.remove(&bucket.name);
                    }
                }
                Ok(names.into_iter().collect())
            })
            .await
    }
}

/// Writes a request down. What was looked at before is looked at again in the same transaction, as far as the database
/// knows it: two requests for one bucket cannot both be taken.
fn queue(change: &mut Change<'_>, request: &Request, checks: &[Check]) -> Result<Migration, ServiceError> {
    let planned = plan(change.tx, request, None)?;
    let work = Work { step: Step::Check, checks: checks.to_vec(), ..Work::default() };
    write_down(change, planned, request.bucket.clone(), request.mode, work)
}

/// Writes down what is to be done.
fn write_down(
    change: &mut Change<'_>,
    planned: Plan,
    bucket: BucketName,
    mode: MigrationMode,
    work: Work,
) -> Result<Migration, ServiceError> {
    let id = MigrationId(change.tx.next_id(EntityKind::Migration)?);
    let migration = change.tx.save_migration(Migration {
        id,
        revision: Revision::NEW,
        vhost: Named { id: planned.vhost.id, name: planned.vhost.server_name.to_string() },
        bucket,
        source: Named { id: planned.source.id, name: planned.source.name.to_string() },
        destination: Named { id: planned.destination.id, name: planned.destination.name.to_string() },
        mode,
        phase: Phase::Pending,
        route_id: Some(planned.route),
        needs_adoption: false,
        objects_total: 0,
        objects_done: 0,
        bytes_total: 0,
        bytes_done: 0,
        error_msg: None,
        started_at: None,
        finished_at: None,
        orphan: None,
        swept_http_vhosts: Vec::new(),
        updated_http_vhosts: Vec::new(),
        created_at: change.now,
        work,
    })?;
    let after = Snapshot::Migration(MigrationSnapshot::of(&migration));
    change.audit(Action::StartMigration, Subject::Entity(EntityKind::Migration, id.0), None, Some(after))?;
    Ok(migration)
}

fn note(
    tx: &mut dyn Tx,
    actor: Actor,
    action: Action,
    before: Option<&Migration>,
    after: &Migration,
    at: Timestamp,
) -> Result<(), ServiceError> {
    let snapshot = |migration: &Migration| Snapshot::Migration(MigrationSnapshot::of(migration));
    tx.append_audit(&NewEntry {
        actor,
        action,
        subject: Subject::Entity(EntityKind::Migration, after.id.0),
        before: before.map(snapshot),
        after: Some(snapshot(after)),
        nginx: None,
        at,
    })?;
    Ok(())
}
