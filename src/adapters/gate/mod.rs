//! The `Gate` port over a directory, two sockets and the nginx of this machine.

mod desk;
mod journal;
mod knock;
pub mod line;
mod log_watch;
mod place;
mod relay;
mod relay_log;
mod release;
mod server;
mod soundness;
mod token_files;

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::adapters::nginx::running::RunningNginx;
use crate::domain::migration::token::{Token, TokenState};
use crate::fault::point;
use crate::ports::gate::{Admission, Capacity, Gate, GateError, JournalPart, Listener, Worker};
use desk::Desk;
use place::Place;
use relay_log::RELAY;
use soundness::{BIRTH, BIRTH_DRAFT, JOURNAL, Memory};

pub use release::{Released, release};
pub use server::GateServer;

/// The files beside a token's own. The journal goes last: what is left of a removal is known by it.
const JOURNAL_FILES: [&str; 4] = [BIRTH_DRAFT, RELAY, BIRTH, JOURNAL];

/// How a gate directory is used.
#[derive(Debug, Clone)]
pub struct GateOptions {
    /// Where it is.
    pub directory: PathBuf,
    /// Whether it may be on something that does not outlast a restart of the machine: for a demo or a test.
    pub fleeting: bool,
    /// Bytes that are reserved for each journal, behind what is written.
    pub room: u64,
    /// How long nginx may keep silent about a log that it cannot write.
    pub quiet: Duration,
    /// How long a write waits at the gate for a decision. nginx waits a little longer.
    pub hold: Duration,
}

impl GateOptions {
    /// As it is used in production.
    #[must_use]
    pub fn at(directory: PathBuf) -> Self {
        let (room, hold) = (64 * 1024 * 1024, Duration::from_secs(50));
        Self { directory, fleeting: false, room, quiet: soundness::QUIET, hold }
    }
}

/// Whether a directory, or the one that it would be made in, lasts beyond a restart of the machine.
///
/// # Errors
/// It does not, or that cannot be told; with what to do.
pub fn expect_lasting(directory: &Path) -> Result<(), GateError> {
    let there = directory.ancestors().find(|directory| directory.is_dir()).unwrap_or(Path::new("/"));
    Place::new(there.to_owned(), false).expect_lasting()
}

/// The gate directory of this machine's nginx.
pub struct GateDirectory {
    shared: Arc<Shared>,
}

struct Shared {
    place: Place,
    options: GateOptions,
    nginx: RunningNginx,
    memory: Mutex<HashMap<Token, Memory>>,
    desk: Arc<Desk>,
}

impl GateDirectory {
    /// Nothing is made or looked at before it is needed.
    #[must_use]
    pub fn new(options: GateOptions, nginx: RunningNginx) -> Self {
        let place = Place::new(options.directory.clone(), options.fleeting);
        let (memory, desk) = (Mutex::default(), Arc::default());
        Self { shared: Arc::new(Shared { place, options, nginx, memory, desk }) }
    }

    /// Answers nginx until what is given back is dropped.
    ///
    /// # Errors
    /// The directory or its sockets cannot be used, or another process uses them.
    pub fn serve(&self) -> Result<GateServer, GateError> {
        GateServer::start(&self.shared)
    }

    /// Runs file work where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, GateError> + Send + 'static,
    ) -> Result<T, GateError> {
        let shared = self.shared.clone();
        let done = tokio::task::spawn_blocking(move || work(&shared)).await;
        done.unwrap_or_else(|error| Err(GateError::Fault(format!("work on the gate's files was cut short: {error}"))))
    }

    /// The same, for one step of a token.
    async fn step(
        &self,
        token: &Token,
        work: impl FnOnce(&Place, &Token) -> Result<(), GateError> + Send + 'static,
    ) -> Result<(), GateError> {
        let token = token.clone();
        self.blocking(move |shared| work(&shared.place, &token)).await
    }
}

impl Shared {
    /// Does something with what is remembered of a journal. One at a time, as the steps of a migration are.
    fn remembering<T>(&self, token: &Token, work: impl FnOnce(&mut Memory) -> T) -> T {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        work(memory.entry(token.clone()).or_default())
    }

    fn create(&self) -> Result<Token, GateError> {
        self.place.prepare()?;
        if let Some(user) = self.worker_user() {
            self.place.expect_reachable(user)?;
        }
        loop {
            let token = random_token()?;
            if self.place.tokens()?.contains(&token) {
                continue;
            }
            let path = self.place.file(&token, JOURNAL);
            if journal::make(&path, &token, self.options.room)?.is_none() {
                continue;
            }
            point("gate.journal-made");
            let made = soundness::note(&self.place, &token, &self.nginx)
                .and_then(|()| self.place.make(&token))
                .and_then(|()| self.place.sync());
            point("gate.token-made");
            return match made {
                Ok(()) => Ok(token),
                Err(error) => {
                    // Nobody knows the name yet. What cannot be removed either is listed, and removed, later.
                    let _ = self.place.remove(&token, &JOURNAL_FILES);
                    Err(error)
                }
            };
        }
    }

    /// Whom nginx's workers run as, if it runs.
    fn worker_user(&self) -> Option<u32> {
        let family = self.nginx.family().ok()?;
        let worker = family.workers.first()?;
        std::fs::metadata(format!("/proc/{}", worker.pid)).ok().map(|metadata| metadata.uid())
    }
}

fn random_token() -> Result<Token, GateError> {
    let digits: String = rand::random::<[u8; 16]>().iter().map(|byte| format!("{byte:02x}")).collect();
    Token::parse(&digits).map_err(|invalid| GateError::Fault(format!("no name for a token: {invalid}")))
}

#[async_trait]
impl Gate for GateDirectory {
    async fn create(&self) -> Result<Token, GateError> {
        self.blocking(Shared::create).await
    }

    async fn state(&self, token: &Token) -> Result<TokenState, GateError> {
        let token = token.clone();
        self.blocking(move |shared| shared.place.state(&token)).await
    }

    async fn freeze(&self, token: &Token) -> Result<(), GateError> {
        self.step(token, Place::freeze).await
    }

    async fn thaw(&self, token: &Token) -> Result<(), GateError> {
        self.step(token, Place::thaw).await
    }

    async fn commit(&self, token: &Token) -> Result<(), GateError> {
        self.step(token, Place::commit).await
    }

    async fn open(&self, token: &Token) -> Result<(), GateError> {
        self.step(token, Place::open).await
    }

    async fn reopen(&self, token: &Token) -> Result<(), GateError> {
        self.step(token, |place, token| {
            place.prepare()?;
            place.reopen(token)
        })
        .await
    }

    async fn note_copy(&self, token: &Token, keys: &[String]) -> Result<(), GateError> {
        let keys = keys.to_vec();
        self.step(token, move |place, token| place.note_copy(token, &keys)).await
    }

    async fn noted_copy(&self, token: &Token) -> Result<Option<Vec<String>>, GateError> {
        let token = token.clone();
        self.blocking(move |shared| shared.place.noted_copy(&token)).await
    }

    async fn copy_ended(&self, token: &Token) -> Result<(), GateError> {
        self.step(token, Place::copy_ended).await
    }

    async fn remove(&self, token: &Token) -> Result<(), GateError> {
        let token = token.clone();
        self.blocking(move |shared| {
            shared.memory.lock().unwrap_or_else(PoisonError::into_inner).remove(&token);
            shared.place.remove(&token, &JOURNAL_FILES)
        })
        .await
    }

    async fn discard(&self, token: &Token) -> Result<bool, GateError> {
        let token = token.clone();
        self.blocking(move |shared| {
            let unused = soundness::is_unused(&shared.place, &token, &shared.nginx)?;
            if unused {
                shared.place.remove(&token, &JOURNAL_FILES)?;
            }
            Ok(unused)
        })
        .await
    }

    async fn tokens(&self) -> Result<Vec<Token>, GateError> {
        self.blocking(|shared| shared.place.tokens()).await
    }

    async fn journal(&self, token: &Token, from: u64) -> Result<JournalPart, GateError> {
        let token = token.clone();
        self.blocking(move |shared| {
            let part = journal::part(&shared.place.file(&token, JOURNAL), &token, from)?;
            shared.remembering(&token, |memory| {
                memory.read = memory.read.max(part.end);
                soundness::glance(&shared.place, &token, memory);
            });
            let lines = part.lines.iter().map(|line| line::entry(line)).collect();
            Ok(JournalPart { lines, end: part.end })
        })
        .await
    }

    async fn sound(&self, token: &Token) -> Result<(), GateError> {
        let token = token.clone();
        self.blocking(move |shared| {
            let room = shared.options.room;
            shared
                .remembering(&token, |memory| soundness::prove(&shared.place, &token, &shared.nginx, room, memory))?;
            point("gate.proven");
            Ok(())
        })
        .await
    }

    async fn renew(&self, token: &Token) -> Result<(), GateError> {
        for _ in soundness::rounds() {
            let id = token.clone();
            let quiet = self.shared.options.quiet;
            let wait = self.blocking(move |shared| {
                let renew = |memory: &mut Memory| soundness::renew(&shared.place, &id, &shared.nginx, quiet, memory);
                shared.remembering(&id, renew)
            });
            match wait.await? {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Ok(()),
            }
        }
        Err(soundness::hopeless(&self.shared.place, token))
    }

    async fn workers(&self) -> Result<Vec<Worker>, GateError> {
        self.blocking(|shared| {
            let family = shared.nginx.family().map_err(GateError::Fault)?;
            let worker = |process: crate::adapters::nginx::workers::Process| Worker {
                pid: process.pid,
                started: process.started,
            };
            Ok(family.workers.into_iter().map(worker).collect())
        })
        .await
    }

    async fn capacity(&self) -> Result<Capacity, GateError> {
        self.blocking(|shared| {
            let worker_connections = shared.nginx.worker_connections().map_err(GateError::Fault)?;
            Ok(Capacity { free: shared.place.free()?, journal: shared.options.room, worker_connections })
        })
        .await
    }

    async fn knock(&self, listener: &Listener, path: &str) -> Result<u16, GateError> {
        let status = knock::knock(listener, path).await;
        point("gate.knocked");
        status
    }

    fn admit(&self, token: &Token, admission: Admission) {
        self.shared.desk.admit(token, admission);
    }

    fn forget(&self, token: &Token) {
        self.shared.desk.forget(token);
    }

    fn arrived(&self, token: &Token) -> HashSet<String> {
        self.shared.desk.arrived(token)
    }
}
