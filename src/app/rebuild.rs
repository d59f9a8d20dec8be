//! A database that is lost, damaged or of 0.4.x, made again from the disk while no server runs.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Running, StartError, gateway, last_changes, ports, start_locked};
use crate::adapters::clock::SystemClock;
use crate::adapters::fake::gate::FakeGate;
use crate::adapters::fake::store::FakeStore;
use crate::adapters::nginx::snippet;
use crate::adapters::process_lock::{LockError, ProcessLock};
use crate::adapters::store::{OpenError, SqliteStore, legacy, set_aside};
use crate::config::Settings;
use crate::domain::audit::{Actor, Filter};
use crate::domain::disk::DiskDatabase;
use crate::domain::restore::Import;
use crate::domain::services::{ServiceError, Services};
use crate::ports::clock::Clock as _;
use crate::ports::store::Store;

/// What a database of 0.4.x is called after it was taken over.
const FORMER: &str = "pre-import";
/// What a damaged database is called after it was set aside.
const DAMAGED: &str = "corrupt";

/// Why there is no new database. What was there is there.
#[derive(Debug, thiserror::Error)]
pub enum RebuildFault {
    /// A server or another command has the data.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The use cases could not be brought up.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The database that is there cannot be used, and is not one to be set aside.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The database that is there cannot be renamed.
    #[error("cannot set {path} aside: {source}")]
    Aside {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The rebuild itself failed.
    #[error(transparent)]
    Rebuild(#[from] ServiceError),
}

/// What was made.
#[derive(Debug)]
pub struct Rebuilt {
    /// The rows.
    pub import: Import,
    /// Where the database is that was there before, if it could not be used.
    pub aside: Option<PathBuf>,
    /// The database of 0.4.x that was taken over, if there was one.
    pub former: Option<PathBuf>,
}

/// What a rebuild would take over. Changes nothing; a server may run.
///
/// # Errors
/// The disk cannot be read.
pub async fn preview_rebuild(settings: &Settings) -> Result<Import, RebuildFault> {
    let former = match former_at(settings.db_path.clone()).await {
        Ok(None) if !settings.db_path.exists() => former_at(beside(settings, FORMER)).await?,
        // One that is damaged is set aside, and tells nothing.
        Err(OpenError::Damaged { .. } | OpenError::NotSqlite { .. }) => None,
        read => read?,
    };
    // Nothing is written, so nothing is opened that could be.
    let store = Store::new(Arc::new(FakeStore::new()));
    let gateway = gateway(settings).await.map_err(StartError::from)?;
    let (services, _changes) = Services::new(ports(settings, store, gateway, Arc::new(FakeGate::default()))?);
    Ok(services.restore.preview(former).await?)
}

/// Makes the database again from the disk. One of 0.4.x is taken over and set aside, a damaged one is set aside.
///
/// # Errors
/// See [`RebuildFault`]; among them that the database is not empty, and `force` is not set.
pub async fn rebuild_db(settings: &Settings, force: bool) -> Result<Rebuilt, RebuildFault> {
    let lock = ProcessLock::take(&settings.db_path, "rebuild-db", SystemClock.now())?;
    let aside = if settings.database_url.is_none() { make_room(settings).await? } else { None };
    let Running { services, changes, lock: _lock, .. } = start_locked(settings, lock).await?;
    let done = fill(settings, &services, force, aside).await;
    drop(services);
    last_changes(changes).await;
    done
}

/// Sets aside what cannot be used as the database.
async fn make_room(settings: &Settings) -> Result<Option<PathBuf>, RebuildFault> {
    let path = settings.db_path.clone();
    let word = match former_at(path.clone()).await {
        Ok(Some(_)) => FORMER,
        Err(OpenError::Damaged { .. } | OpenError::NotSqlite { .. }) => DAMAGED,
        Err(error) => return Err(error.into()),
        Ok(None) if !path.exists() => return Ok(None),
        Ok(None) => match SqliteStore::open(&path) {
            Ok(_) => return Ok(None),
            Err(OpenError::Damaged { .. } | OpenError::NotSqlite { .. }) => DAMAGED,
            Err(error) => return Err(error.into()),
        },
    };
    set_aside(&path, word).map(Some).map_err(|source| RebuildFault::Aside { path, source })
}

async fn fill(
    settings: &Settings,
    services: &Services,
    force: bool,
    aside: Option<PathBuf>,
) -> Result<Rebuilt, RebuildFault> {
    // Also after a crash between setting the old one aside and filling the new one; but never over a database that
    // was used since.
    let unused = services.audit.list(Filter { take: 1, ..Filter::default() }).await?.is_empty();
    let place = match &aside {
        Some(aside) => aside.clone(),
        // PostgreSQL takes its place; the file stays where it is.
        None if settings.database_url.is_some() => settings.db_path.clone(),
        None => beside(settings, FORMER),
    };
    let former = if unused { former_at(place.clone()).await.unwrap_or_default() } else { None };
    let place = former.is_some().then_some(place);
    let import = services.restore.rebuild(Actor::Cli, force, former).await?;
    Ok(Rebuilt { import, aside, former: place })
}

fn beside(settings: &Settings, word: &str) -> PathBuf {
    let mut name = settings.db_path.clone().into_os_string();
    name.push(".");
    name.push(word);
    name.into()
}

/// Whether the file at a path is a database of 0.4.x.
pub async fn is_former_database(path: PathBuf) -> bool {
    matches!(former_at(path).await, Ok(Some(_)))
}

/// The database of 0.4.x at a path, if one is there.
async fn former_at(path: PathBuf) -> Result<Option<DiskDatabase>, OpenError> {
    let place = path.display().to_string();
    let read = move || legacy::read(&path, &|text| snippet::check(text, true));
    let cut_short = |error: tokio::task::JoinError| OpenError::Unusable { place, why: error.to_string() };
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(cut_short(error)))
}
