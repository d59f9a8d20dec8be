//! What only copies on a disk can promise.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use nanio_orchestrator::adapters::store::{SqliteBackup, SqliteStore};
use nanio_orchestrator::ports::backup::Backup;
use nanio_orchestrator::ports::store::{Store, StoreError};

use super::adapters::{KEEP, Place, fact};

/// A place with copies of the states 1 to 3.
async fn with_copies() -> Place {
    let place = Place::new();
    for state in 1..=3 {
        place.enter(state).await;
        place.backup(KEEP).take().await.unwrap();
    }
    place
}

async fn refusal(backup: &SqliteBackup) -> String {
    backup.take().await.unwrap_err().to_string()
}

#[tokio::test]
async fn only_the_owner_can_read_a_copy() {
    let place = with_copies().await;
    for number in 1..=KEEP {
        let mode = fs::metadata(place.copy(number)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "copy {number}");
    }
}

#[tokio::test]
async fn a_copy_is_a_database_that_the_program_can_use() {
    let place = with_copies().await;
    let store = Store::new(Arc::new(SqliteStore::open(&place.copy(2)).unwrap()));
    let state = store.read(|tx| tx.fact("state")).await.unwrap();
    assert_eq!(state.as_deref(), Some("2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_made_among_writers_holds_whole_transactions() {
    let place = Place::new();
    let both = |number: u32| {
        move |tx: &mut dyn nanio_orchestrator::ports::store::Tx| {
            tx.set_fact("state", &number.to_string())?;
            tx.set_fact("bulk", &"x".repeat(20_000))?;
            tx.set_fact("same", &number.to_string())
        }
    };
    place.store.write(both(0)).await.unwrap();
    let (store, over) = (place.store.clone(), Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let ended = over.clone();
    let writer = tokio::spawn(async move {
        let mut number = 0;
        while !ended.load(std::sync::atomic::Ordering::SeqCst) {
            number += 1;
            store.write(both(number)).await.unwrap();
        }
        number
    });
    let (backup, mut seen) = (place.backup(1), Vec::new());
    while seen.last().is_none_or(|last| *last < 20) {
        backup.take().await.unwrap();
        assert_eq!(fact(&place.copy(1), "state"), fact(&place.copy(1), "same"));
        seen.push(fact(&place.copy(1), "state").parse::<u32>().unwrap());
    }
    over.store(true, std::sync::atomic::Ordering::SeqCst);
    assert!(writer.await.unwrap() >= 20);
    assert!(seen.is_sorted(), "{seen:?}");
}

#[tokio::test]
async fn a_backup_does_not_wait_for_a_writer_and_copies_nothing_uncommitted() {
    let place = Place::new();
    place.enter(1).await;
    let mut writer = SqliteConnection::establish(&format!("{}", place.database().display())).unwrap();
    writer.batch_execute("BEGIN IMMEDIATE; UPDATE facts SET value = '2' WHERE key = 'state'").unwrap();
    place.backup(KEEP).take().await.unwrap();
    assert_eq!(place.copies(), [1]);
    writer.batch_execute("COMMIT").unwrap();
}

#[tokio::test]
async fn backups_that_are_asked_for_at_once_are_made_one_after_the_other() {
    let place = with_copies().await;
    place.enter(4).await;
    let backup = place.backup(KEEP);
    let taken = futures_util::future::join_all((0..8).map(|_| backup.take())).await;
    assert_eq!(taken.into_iter().filter(|taken| taken.as_ref().unwrap().fresh).count(), 1);
    assert_eq!(place.copies(), [4, 3, 2]);
}

#[tokio::test]
async fn f48_a_damaged_database_replaces_no_sound_copy() {
    let place = with_copies().await;
    let bulk: Result<(), StoreError> = place
        .store
        .write(|tx| (0..200).try_for_each(|number| tx.set_fact(&format!("bulk {number}"), &"x".repeat(2000))))
        .await;
    bulk.unwrap();
    SqliteConnection::establish(&format!("{}", place.database().display()))
        .unwrap()
        .batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let mut bytes = fs::read(place.database()).unwrap();
    let (from, to) = (bytes.len() / 2, bytes.len() - 4096);
    bytes[from..to].fill(0xA5);
    // In place: the store has the file open.
    fs::write(place.database(), bytes).unwrap();
    let told = refusal(&place.backup(KEEP)).await;
    assert!(told.contains("malformed"), "{told}");
    assert_eq!(place.copies(), [3, 2, 1]);
    assert_eq!(place.names().len(), 3, "{:?}", place.names());
}

#[tokio::test]
async fn copies_beyond_a_number_that_was_lowered_go_and_nothing_else() {
    let place = Place::new();
    for state in 1..=5 {
        place.enter(state).await;
        place.backup(5).take().await.unwrap();
    }
    // An operator's own copy, and one whose number no setting could have given.
    fs::write(place.copy(7), "not a database").unwrap();
    fs::copy(place.copy(1), place.copy(20_261_127)).unwrap();
    place.enter(6).await;
    place.backup(2).take().await.unwrap();
    assert_eq!(place.copies(), [6, 5]);
    assert_eq!(place.names(), ["it's.bak", "it's.bak.2", "it's.bak.20261127", "it's.bak.7"]);
    // Raised again, there is room again.
    place.enter(7).await;
    place.backup(3).take().await.unwrap();
    assert_eq!(place.copies(), [7, 6, 5]);
}

#[tokio::test]
async fn what_is_no_copy_is_neither_moved_nor_replaced() {
    let text = |place: &Place| fs::write(place.copy(2), "keep me\n").unwrap();
    let directory = |place: &Place| fs::create_dir(place.copy(3)).unwrap();
    let link = |place: &Place| symlink(place.database(), place.copy(2)).unwrap();
    for (what, put) in [("a text", text as fn(&Place)), ("a directory", directory), ("a link", link)] {
        let place = Place::new();
        place.enter(1).await;
        place.backup(KEEP).take().await.unwrap();
        put(&place);
        let before = place.names();
        place.enter(2).await;
        let told = refusal(&place.backup(KEEP)).await;
        assert!(told.contains("no copy of a database") && told.contains("DB_BACKUP_PATH"), "{what}: {told}");
        assert_eq!((place.names(), fact(&place.copy(1), "state")), (before, "1".to_owned()), "{what}");
    }
}

#[tokio::test]
async fn the_database_itself_is_never_a_place_for_its_copies() {
    let place = Place::new();
    place.enter(1).await;
    let database = place.database();
    let log = format!("{}-wal", database.display());
    for path in [database.as_path(), log.as_ref()] {
        let told = refusal(&SqliteBackup::new(&database, path, KEEP)).await;
        assert!(told.contains("belongs to the database itself"), "{told}");
    }
    fs::hard_link(&database, place.copy(2)).unwrap();
    let told = refusal(&place.backup(KEEP)).await;
    assert!(told.contains("it is the database itself"), "{told}");
    place.enter(2).await;
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_named_and_not_made() {
    let place = Place::new();
    let path = place.directory.path().join("no/such/place.bak");
    let told = refusal(&SqliteBackup::new(&place.database(), &path, KEEP)).await;
    assert!(told.contains("no/such is not there; make it, or mount"), "{told}");
    assert!(!place.directory.path().join("no").exists());
}

/// What lies there: the end of its name, and its state; 0: it was cut short.
type Left = &'static [(&'static str, u32)];

#[tokio::test]
async fn whatever_a_crash_left_the_next_backup_puts_it_right_and_loses_no_copy() {
    let cases: [(Left, &[u32]); 8] = [
        // Cut short while it was written.
        (&[("", 3), (".2", 2), (".3", 1), (".tmp", 0)], &[9, 3, 2]),
        (&[(".tmp", 0)], &[9]),
        // Proven, and nothing moved yet.
        (&[("", 3), (".2", 2), (".3", 1), (".new", 4)], &[9, 4, 3]),
        (&[("", 3), (".new", 4)], &[9, 4, 3]),
        // Between two moves.
        (&[("", 3), (".3", 2), (".new", 4)], &[9, 4, 3]),
        (&[(".2", 3), (".3", 2), (".new", 4)], &[9, 4, 3]),
        // Copies that were lost otherwise leave room; none is moved out before there is need.
        (&[(".2", 3)], &[9, 3]),
        (&[("", 3), (".3", 1)], &[9, 3, 1]),
    ];
    // Then the next backup, of state 9.
    for (left, expected) in cases {
        let place = Place::new();
        for (name, state) in left {
            let copy = format!("{}{name}", place.copy(1).display());
            if *state == 0 {
                fs::write(copy, "SQLite form").unwrap();
            } else {
                let source = Place::new();
                source.enter(*state).await;
                source.backup(1).take().await.unwrap();
                fs::rename(source.copy(1), copy).unwrap();
            }
        }
        place.backup(KEEP).settle().await.unwrap();
        let names = place.names();
        assert!(!names.iter().any(|name| name.ends_with(".tmp") || name.ends_with(".new")), "{left:?}: {names:?}");
        place.enter(9).await;
        place.backup(KEEP).take().await.unwrap();
        assert_eq!(place.copies(), expected, "{left:?}");
    }
}
