//! Drives migrations: as many at a time as the settings allow, the others wait as `pending`, oldest first. Nothing is
//! ever switched without its data because there were too many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _, pin_mut};
use tokio::sync::{Notify, watch};

use super::drive::Drive;
use super::live::{Live, Wish};
use crate::domain::ids::MigrationId;
use crate::domain::migration::machine::Step;
use crate::domain::migration::{Migration, Named};
use crate::domain::pool::PoolName;
use crate::domain::services::backups::Backups;
use crate::domain::services::config::Config;
use crate::domain::services::keyring::Keyring;
use crate::domain::services::publish::Publisher;
use crate::domain::services::{ServiceError, migrations::Settings};
use crate::ports::clock::Clock;
use crate::ports::copier::Copier;
use crate::ports::gate::Gate;
use crate::ports::migration_files::MigrationFiles;
use crate::ports::object_storage::ObjectStorage;
use crate::ports::store::Store;
use crate::ports::timer::Timer;

/// How often the database is asked for migrations, whether or not anybody told of one.
const PERIOD: Duration = Duration::from_secs(10);

/// What every migration is driven with.
pub(super) struct Shared {
    pub store: Store,
    pub storage: Arc<dyn ObjectStorage>,
    pub copier: Arc<dyn Copier>,
    pub gate: Arc<dyn Gate>,
    pub files: Arc<dyn MigrationFiles>,
    pub keyring: Keyring,
    pub publisher: Publisher,
    pub config: Config,
    pub backups: Backups,
    pub clock: Arc<dyn Clock>,
    pub timer: Arc<dyn Timer>,
    pub settings: Settings,
    pub board: Board,
}

impl Shared {
    /// The name of a pool, as the gate needs it.
    pub(super) fn pool_name(&self, pool: &Named<crate::domain::ids::PoolId>) -> Option<PoolName> {
        PoolName::parse(&pool.name).ok()
    }

    /// Something important was done.
    pub(super) fn backup_soon(&self) {
        self.backups.soon();
    }
}

/// The migrations that run, and the bell that tells of new ones.
#[derive(Clone, Default)]
pub(super) struct Board {
    running: Arc<Mutex<HashMap<MigrationId, Arc<Live>>>>,
    bell: Arc<Notify>,
}

impl Board {
    /// There may be something to do.
    pub(super) fn ring(&self) {
        self.bell.notify_one();
    }

    /// A migration as it runs.
    pub(super) fn live(&self, id: MigrationId) -> Option<Arc<Live>> {
        self.lock().get(&id).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<MigrationId, Arc<Live>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drives migrations until it is told to stop.
pub struct Engine {
    shared: Arc<Shared>,
}

type Driven = BoxFuture<'static, MigrationId>;

impl Engine {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Runs until `stop` says `true`. A cutover under way is ended first; everything else is taken up again by the next
    /// start.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        self.note_cut_short().await;
        self.clear_strangers().await;
        let mut driven: FuturesUnordered<Driven> = FuturesUnordered::new();
        loop {
            if *stop.borrow() {
                break;
            }
            for drive in self.due().await {
                driven.push(drive);
            }
            let stopping = stop.changed();
            let woken = self.wait(&mut driven);
            pin_mut!(stopping, woken);
            select(stopping, woken).await;
        }
        self.finish_cutovers(&mut driven).await;
    }

    /// Until something ends, somebody rings, or it is time to look.
    async fn wait(&self, driven: &mut FuturesUnordered<Driven>) {
        let rung = self.shared.board.bell.notified();
        let period = self.shared.timer.pause(PERIOD);
        pin_mut!(rung);
        let news = select(rung, period);
        if driven.is_empty() {
            news.await;
            return;
        }
        if let Either::Left((Some(id), _)) = select(driven.next(), news).await {
            self.shared.board.lock().remove(&id);
        }
    }

    /// The migrations that may be driven now and are not yet.
    async fn due(&self) -> Vec<Driven> {
        let read = self.shared.store.read(|tx| Ok::<_, ServiceError>(tx.due_migrations()?));
        let all = match read.await {
            Ok(all) => all,
            Err(error) => {
                tracing::error!(%error, "the migrations could not be read");
                return Vec::new();
            }
        };
        let mut board = self.shared.board.lock();
        // One that only waits for old uploads, or is tidied up, takes nobody's place.
        let busy = |migration: &&Migration| board.contains_key(&migration.id) && !migration.phase.is_final();
        let most = self.shared.settings.max_parallel as usize;
        let mut free = most.saturating_sub(all.iter().filter(busy).count());
        let mut due = Vec::new();
        for migration in all {
            if board.contains_key(&migration.id) || migration.needs_adoption {
                continue;
            }
            let waits = migration.work.step == Step::Check && !migration.work.cancel;
            if waits {
                if free == 0 || migration.work.paused {
                    continue;
                }
                free -= 1;
            }
            let wish = match (migration.work.cancel, migration.work.paused) {
                (true, _) => Wish::Cancel,
                (false, true) => Wish::Pause,
                (false, false) => Wish::Run,
            };
            let live = Arc::new(Live::new(wish));
            board.insert(migration.id, live.clone());
            due.push(self.drive(migration, live));
        }
        due
    }

    fn drive(&self, migration: Migration, live: Arc<Live>) -> Driven {
        let (shared, id) = (self.shared.clone(), migration.id);
        async move {
            if let Err(error) = Drive::new(shared.clone(), live, migration).run().await {
                tracing::error!(migration = id.0, %error, "the migration could not go on; it is taken up again");
                shared.timer.pause(PERIOD).await;
            }
            id
        }
        .boxed()
    }

    /// Lets those end that hold clients' writes; the others stop where they are.
    async fn finish_cutovers(&self, driven: &mut FuturesUnordered<Driven>) {
        let limit = self.shared.settings.max_hold + self.shared.settings.drain_timeout;
        let deadline = self.shared.timer.elapsed() + limit;
        while self.shared.timer.elapsed() < deadline && self.any_holds().await {
            let look = self.shared.timer.pause(Duration::from_millis(50));
            if driven.is_empty() {
                return;
            }
            if let Either::Left((Some(id), _)) = select(driven.next(), look).await {
                self.shared.board.lock().remove(&id);
            }
        }
    }

    async fn any_holds(&self) -> bool {
        if self.shared.board.lock().values().any(|live| live.holds()) {
            return true;
        }
        let ids: Vec<MigrationId> = self.shared.board.lock().keys().copied().collect();
        let read = self.shared.store.read(move |tx| {
            for id in ids {
                if tx.migration(id)?.is_some_and(|migration| migration.phase.holds_writes()) {
                    return Ok::<_, ServiceError>(true);
                }
            }
            Ok(false)
        });
        read.await.unwrap_or(false)
    }

    /// A copier that ended with an earlier life of ours may have sent what arrives only now. Written down before
    /// anything else, and only then forgotten: the next crash must not forget it.
    async fn note_cut_short(&self) {
        let copier = &self.shared.copier;
        if !matches!(copier.end_leftovers().await, Ok(1..)) {
            return;
        }
        let now = self.shared.timer.epoch_ms();
        let noted = self.shared.store.write(move |tx| {
            for mut migration in tx.unfinished_migrations()? {
                if migration.work.gate.is_some() && !migration.work.committed {
                    migration.work.cut_short_ms = Some(now);
                    tx.save_migration(migration)?;
                }
            }
            Ok::<_, ServiceError>(())
        });
        let done = match noted.await {
            Ok(()) => copier.forget_leftovers().await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = done {
            tracing::error!(%error, "that a copier was ended in the middle could not be written down");
        }
    }

    /// Removes tokens that no migration knows and nobody ever used: a crash left them before they were written down.
    /// Others are only told of, since nginx would hold the writes of a bucket whose token it misses.
    async fn clear_strangers(&self) {
        let Ok(tokens) = self.shared.gate.tokens().await else { return };
        let read = self.shared.store.read(|tx| Ok::<_, ServiceError>(tx.gated_migrations()?));
        let Ok(known) = read.await else { return };
        for token in tokens {
            let is_known =
                known.iter().any(|migration| migration.work.gate.as_ref().is_some_and(|gate| gate.token == token));
            let discarded = match is_known {
                true => continue,
                false => self.shared.gate.discard(&token).await,
            };
            if !matches!(discarded, Ok(true)) {
                tracing::warn!(
                    %token,
                    "no migration knows this token of MIGRATION_GATE_DIR: if 'nginx -T' does not name it, remove its files"
                );
            }
        }
    }
}
