//! How each adapter is set up: three copies are kept, and a state is a number.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use diesel::sql_types::Text;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection};
use nanio_orchestrator::adapters::fake::backup::FakeBackup;
use nanio_orchestrator::adapters::store::{SqliteBackup, SqliteStore};
use nanio_orchestrator::ports::backup::{Backup, BackupError};
use nanio_orchestrator::ports::store::{Store, StoreError};

/// The number of copies that are kept.
pub const KEEP: u32 = 3;

/// A backup and what it is of.
pub struct Rig {
    pub backup: Arc<dyn Backup>,
    under: Under,
}

enum Under {
    Memory { state: Arc<AtomicU32>, backup: Arc<FakeBackup> },
    File(Box<Place>),
}

/// A database with its copies in a directory of their own.
pub struct Place {
    pub directory: tempfile::TempDir,
    pub store: Store,
}

pub fn memory() -> Rig {
    let state = Arc::new(AtomicU32::new(0));
    let shown = state.clone();
    let backup = Arc::new(FakeBackup::of(move || shown.load(Ordering::SeqCst).to_le_bytes().to_vec(), KEEP as usize));
    Rig { backup: backup.clone(), under: Under::Memory { state, backup } }
}

pub fn sqlite() -> Rig {
    let place = Place::new();
    Rig { backup: Arc::new(place.backup(KEEP)), under: Under::File(Box::new(place)) }
}

impl Rig {
    /// Commits a state.
    pub async fn enter(&self, number: u32) {
        match &self.under {
            Under::Memory { state, .. } => state.store(number, Ordering::SeqCst),
            Under::File(place) => place.enter(number).await,
        }
    }

    /// The states that the copies hold, the newest first.
    pub fn copies(&self) -> Vec<u32> {
        match &self.under {
            Under::Memory { backup, .. } => {
                backup.copies().into_iter().map(|copy| u32::from_le_bytes(copy.try_into().unwrap())).collect()
            }
            Under::File(place) => place.copies(),
        }
    }

    /// No copy can be made any more.
    pub fn break_it(&self) {
        match &self.under {
            Under::Memory { backup, .. } => backup.fail(Some(BackupError::Failed("the tape is torn".to_owned()))),
            // As when the disk that holds the copies is not mounted.
            Under::File(place) => fs::rename(place.copy_directory(), place.unmounted()).unwrap(),
        }
    }

    pub fn mend(&self) {
        match &self.under {
            Under::Memory { backup, .. } => backup.fail(None),
            Under::File(place) => fs::rename(place.unmounted(), place.copy_directory()).unwrap(),
        }
    }
}

impl Place {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(Arc::new(SqliteStore::open(&directory.path().join("it's a ?#%20.db")).unwrap()));
        let place = Self { directory, store };
        fs::create_dir(place.copy_directory()).unwrap();
        place
    }

    pub fn database(&self) -> PathBuf {
        self.directory.path().join("it's a ?#%20.db")
    }

    pub fn backup(&self, keep: u32) -> SqliteBackup {
        SqliteBackup::new(&self.database(), &self.copy(1), keep)
    }

    pub fn copy_directory(&self) -> PathBuf {
        self.directory.path().join("copies")
    }

    fn unmounted(&self) -> PathBuf {
        self.directory.path().join("elsewhere")
    }

    pub fn copy(&self, number: u32) -> PathBuf {
        let more = if number == 1 { String::new() } else { format!(".{number}") };
        self.copy_directory().join(format!("it's.bak{more}"))
    }

    pub async fn enter(&self, number: u32) {
        self.store.write(move |tx| tx.set_fact("state", &number.to_string())).await.map_err(lost).unwrap();
    }

    pub fn copies(&self) -> Vec<u32> {
        let there = (1..).map(|number| self.copy(number)).take_while(|path| path.exists());
        there.map(|path| fact(&path, "state").parse().unwrap()).collect()
    }

    /// The names in the directory of the copies.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.copy_directory()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn lost(error: StoreError) -> String {
    error.to_string()
}

#[derive(QueryableByName)]
struct Value {
    #[diesel(sql_type = Text)]
    value: String,
}

/// A fact of a copy, which is not changed by the look.
pub fn fact(copy: &Path, key: &str) -> String {
    let path = copy.to_str().unwrap().replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    let mut connection = SqliteConnection::establish(&format!("file:{path}?mode=ro&immutable=1")).unwrap();
    let query = diesel::sql_query("SELECT value FROM facts WHERE key = ?").bind::<Text, _>(key);
    query.get_result::<Value>(&mut connection).unwrap().value
}
