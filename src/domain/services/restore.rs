//! A lost database, made again from the disk.
//!
//! The disk is read first, without a lock; then one transaction empties the tables and fills them, together with
//! the sidecars (which say more than those of 0.4.x): an error leaves database and disk as they were. nginx is not
//! asked and notices nothing.

use std::collections::HashSet;
use std::sync::Arc;

use super::publish::{Change, last_change};
use super::{Context, ServiceError};
use crate::domain::audit::{Action, Actor, Restored, Snapshot, Subject};
use crate::domain::disk::{DiskContent, DiskDatabase};
use crate::domain::gateway::moving::Moving;
use crate::domain::gateway::{Common, FileName, ManagedFile, PoolRef, Server, Upstream};
use crate::domain::ids::{PoolId, Revision};
use crate::domain::pool::{Member, Pool};
use crate::domain::restore::{Disk, Import, import};
use crate::domain::route::Route;
use crate::domain::sidecar::HighestIds;
use crate::domain::vhost::Vhost;
use crate::ports::clock::Clock;
use crate::ports::gateway::{FileAt, Gateway};
use crate::ports::migration_files::MigrationFiles;
use crate::ports::store::{FileRecord, StoreError, Tx};

/// How often the disk is read again because something changed it meanwhile.
const TRIES: usize = 5;

/// Makes the database again from the disk.
#[derive(Clone)]
pub struct Restore {
    context: Context,
    clock: Arc<dyn Clock>,
    migrations: Arc<dyn MigrationFiles>,
}

impl Restore {
    pub(super) fn new(context: Context, clock: Arc<dyn Clock>, migrations: Arc<dyn MigrationFiles>) -> Self {
        Self { context, clock, migrations }
    }

    /// What a rebuild would take over. Changes nothing.
    ///
    /// # Errors
    /// The disk cannot be read.
    pub async fn preview(&self, former: Option<DiskDatabase>) -> Result<Import, ServiceError> {
        self.read(former).await
    }

    /// Empties the tables of the gateway and fills them with what the disk says. The audit log stays, and tells
    /// of it.
    ///
    /// # Errors
    /// There is a gateway in the database and `force` is not set; a migration holds writes; the disk or the
    /// database cannot be used. Nothing has changed.
    pub async fn rebuild(
        &self,
        actor: Actor,
        force: bool,
        former: Option<DiskDatabase>,
    ) -> Result<Import, ServiceError> {
        for _ in 1..TRIES {
            match self.attempt(actor, force, former.clone()).await {
                Err(Attempt::Overtaken) => {}
                Err(Attempt::Failed(error)) => return Err(error),
                Ok(import) => return Ok(import),
            }
        }
        Err(ServiceError::Conflict(
            "the gateway was changed each time while its files were read; repeat when nothing else changes it"
                .to_owned(),
        ))
    }

    /// Takes note of ids that were given in an earlier life of the database: one that was restored from an old copy,
    /// or made anew. Tells whether the database is empty although there are files, so that somebody should be told.
    ///
    /// # Errors
    /// The disk or the database cannot be used.
    pub async fn keep_ids(&self) -> Result<bool, ServiceError> {
        let path = self.context.gateway.path(&FileName::Ids);
        let FileAt::Present(file, _) = self.context.gateway.read_file(&path).await? else { return Ok(false) };
        let DiskContent::Ids(told) = file.content else { return Ok(false) };
        let (known, empty) =
            self.context.store.read(|tx| Ok::<_, ServiceError>((tx.highest_ids()?, is_empty(tx)?))).await?;
        if known.rounded() != known.rounded().raised(told) {
            self.context.store.write(move |tx| Ok::<_, ServiceError>(tx.raise_ids(told)?)).await?;
        }
        Ok(empty && told != HighestIds::default())
    }

    async fn read(&self, former: Option<DiskDatabase>) -> Result<Import, ServiceError> {
        let files = self.context.gateway.read_all().await?;
        let migrations = self.migrations.read().await?;
        let (gateway, now) = (self.context.gateway.clone(), self.clock.now());
        let disk = Disk { files, migrations, former };
        // The store runs its closures where it does no harm that they take their time.
        let work = move |_: &mut dyn Tx| {
            let mut import = import(&disk, now);
            expect_files(&mut import, &disk, gateway.as_ref());
            flag_raw_directives(&mut import, gateway.as_ref());
            Ok(import)
        };
        self.context.store.read(work).await
    }

    async fn attempt(&self, actor: Actor, force: bool, former: Option<DiskDatabase>) -> Result<Import, Attempt> {
        let seen = self.context.store.read(|tx| last_change(tx)).await?;
        let import = Arc::new(self.read(former).await?);
        let rows = import.clone();
        let apply = move |change: &mut Change<'_>| {
            if last_change(change.tx)? != seen {
                return Ok(false);
            }
            refuse_held_writes(change.tx)?;
            if !force {
                refuse_a_gateway(change.tx)?;
            }
            fill(change, &rows)?;
            change.touch_all_sidecars();
            change.keep_in_history();
            let restored = Snapshot::Restored(Restored::of(&rows));
            change.audit(Action::RebuildFromDisk, Subject::Config, None, Some(restored))?;
            Ok(true)
        };
        match self.context.publisher.alone(actor, apply).await {
            Ok((true, _)) => Ok(Arc::try_unwrap(import).unwrap_or_else(|shared| shared.as_ref().clone())),
            Ok((false, _)) => Err(Attempt::Overtaken),
            Err(error) => Err(Attempt::Failed(error)),
        }
    }
}

/// How an attempt did not end well.
enum Attempt {
    /// The gateway changed while the disk was read.
    Overtaken,
    /// It failed.
    Failed(ServiceError),
}

impl From<ServiceError> for Attempt {
    fn from(error: ServiceError) -> Self {
        Attempt::Failed(error)
    }
}

impl From<StoreError> for Attempt {
    fn from(error: StoreError) -> Self {
        Attempt::Failed(error.into())
    }
}

/// While clients' writes are held, or a route is being given away, the records must not change.
fn refuse_held_writes(tx: &mut dyn Tx) -> Result<(), ServiceError> {
    let held = tx.unfinished_migrations()?.into_iter().find(|one| one.phase.holds_writes() && !one.needs_adoption);
    match held {
        None => Ok(()),
        Some(migration) => Err(ServiceError::Conflict(format!(
            "migration {} of bucket {} is in phase {}, which ends within seconds; repeat then",
            migration.id,
            migration.bucket,
            migration.phase.as_str()
        ))),
    }
}

fn refuse_a_gateway(tx: &mut dyn Tx) -> Result<(), ServiceError> {
    if is_empty(tx)? {
        return Ok(());
    }
    Err(ServiceError::Conflict(
        "the database is not empty; repeat with force=true to replace what it holds by what the disk says".to_owned(),
    ))
}

fn is_empty(tx: &mut dyn Tx) -> Result<bool, ServiceError> {
    Ok(tx.pools_after(None, 1)?.is_empty() && tx.vhosts_after(None, 1)?.is_empty())
}

/// Replaces the rows.
fn fill(change: &mut Change<'_>, import: &Import) -> Result<(), ServiceError> {
    let (tx, now) = (&mut *change.tx, change.now);
    // No client's `If-Match` from before fits by chance: nobody saves something every second from 1970 on.
    let revision = Revision::first(now.unix());
    tx.clear_gateway()?;
    tx.raise_ids(import.highest)?;
    // A pool that refers to another one comes after it.
    let (bare, linked): (Vec<_>, Vec<_>) = import.pools.iter().partition(|row| row.pool.source_nanio_pool_id.is_none());
    for row in bare.into_iter().chain(linked) {
        tx.save_pool(Pool { revision, ..row.pool.clone() })?;
        for member in &row.members {
            tx.save_member(Member { revision, ..member.clone() })?;
        }
        if let Some(credential) = &row.credential {
            tx.save_credential(credential)?;
        }
    }
    for row in &import.vhosts {
        tx.save_vhost(Vhost { revision, ..row.vhost.clone() })?;
        for route in &row.routes {
            tx.save_route(Route { revision, ..route.clone() })?;
        }
        for bucket in &row.buckets {
            tx.save_bucket(bucket)?;
        }
    }
    for migration in &import.migrations {
        tx.save_migration(migration.clone())?;
    }
    for (path, sha256) in &import.records {
        tx.save_file(&FileRecord { path: path.clone(), sha256: sha256.clone(), written_at: now })?;
    }
    Ok(())
}

/// Records the configuration of this program as what the rows render to: an edit then shows as drift, and no
/// later change writes over it unseen. Tells of files that should be there and are not.
fn expect_files(import: &mut Import, disk: &Disk, gateway: &dyn Gateway) {
    let former: HashSet<&FileName> =
        disk.files.iter().filter(|file| file.content.is_former()).filter_map(|file| file.name.as_ref()).collect();
    let present: HashSet<&FileName> = disk.files.iter().filter_map(|file| file.name.as_ref()).collect();
    let by_us = present.contains(&FileName::Ids);
    let refs = import
        .pools
        .iter()
        .map(|row| {
            let (name, kind, source) = (row.pool.name.clone(), row.pool.kind, row.pool.source_nanio_pool_id);
            (row.pool.id, PoolRef { name, kind, source })
        })
        .collect::<std::collections::HashMap<PoolId, PoolRef>>();
    let mut wanted: Vec<ManagedFile> = Vec::new();
    wanted
        .extend(import.pools.iter().filter_map(|row| Upstream::of(&row.pool, &row.members)).map(ManagedFile::Upstream));
    let gated: Vec<Moving> = import.migrations.iter().filter_map(Moving::of).collect();
    let servers = import.vhosts.iter().filter_map(|row| Server::of(&row.vhost, &row.routes, &refs, &gated));
    wanted.extend(servers.map(|server| ManagedFile::Server(Arc::new(server))));
    if present.contains(&FileName::Common) {
        wanted.push(ManagedFile::Common(common(&wanted, import)));
    }
    for file in wanted {
        let name = file.name();
        if former.contains(&name) || !(by_us || present.contains(&name)) {
            continue;
        }
        let rendered = gateway.render(&file);
        if !present.contains(&name) {
            import.warnings.push(format!("{} is missing: POST /api/config/rebuild writes it again", rendered.path));
        }
        import.records.push((rendered.path, rendered.sha256));
    }
}

/// The sizes of nginx's tables for these servers.
fn common(files: &[ManagedFile], import: &Import) -> Common {
    let routes = files.iter().map(|file| match file {
        ManagedFile::Server(server) => server.routes.len() as u64,
        _ => 0,
    });
    let longest = import.vhosts.iter().map(|row| row.vhost.server_name.as_str().len() as u64).max();
    Common::sized(routes.max().unwrap_or_default(), import.vhosts.len() as u64, longest.unwrap_or_default())
}

/// What 0.4.x let an operator write is kept, and named where it would be refused today.
fn flag_raw_directives(import: &mut Import, gateway: &dyn Gateway) {
    let mut flags = Vec::new();
    for row in &import.vhosts {
        let name = &row.vhost.server_name;
        let own = row.vhost.extra_directives.iter().chain(row.vhost.extra_blocks.iter().map(|block| &block.content));
        for text in own.chain(row.routes.iter().filter_map(|route| route.extra_directives.as_ref())) {
            if let Err(why) = gateway.check_snippet(text.as_str()) {
                flags.push(format!("vhost {name}: raw directives are kept that would be refused now: {why}"));
            }
        }
    }
    import.warnings.extend(flags);
}
