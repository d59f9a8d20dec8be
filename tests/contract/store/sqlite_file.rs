//! What only a file can promise: it outlives the process, and it is never changed by a program that does not know it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use nanio_orchestrator::adapters::store::{OpenError, SqliteStore};
use nanio_orchestrator::domain::ids::{EntityKind, PoolId};
use nanio_orchestrator::ports::store::{Store, StoreError};

use super::adapters::{add_member, add_pool, add_route, add_vhost, read, write};

fn open(path: &Path) -> Store {
    Store::new(Arc::new(SqliteStore::open(path).unwrap()))
}

fn sql(path: &Path, statements: &str) -> SqliteConnection {
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    connection.batch_execute(statements).unwrap();
    connection
}

/// Every file of a directory with its bytes.
fn bytes(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let named = |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
    fs::read_dir(directory).unwrap().map(|entry| named(entry.unwrap())).collect()
}

/// The refusal, after a look that nothing was changed by it.
fn refusal(path: &Path) -> OpenError {
    let directory = path.parent().unwrap();
    let before = bytes(directory);
    let error = SqliteStore::open(path).err().unwrap();
    let after = bytes(directory);
    for (name, content) in &before {
        assert!(after.get(name) == Some(content), "{name} was changed");
    }
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    error
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("odd ?#%20 name.db");
    let saved = write(&open(&path), |tx| {
        let pool = add_pool(tx, "p")?;
        tx.next_id(EntityKind::Pool)?;
        add_member(tx, pool.id)?;
        let vhost = add_vhost(tx, "v.test")?;
        add_route(tx, vhost.id, "/a/", pool.id)?;
        Ok(pool)
    })
    .await;
    assert!(path.exists());
    let store = open(&path);
    assert_eq!(read(&store, |tx| tx.pools()).await, [saved]);
    assert_eq!(write(&store, |tx| tx.next_id(EntityKind::Pool)).await, 3);
}

#[tokio::test]
async fn what_was_committed_is_on_disk_before_the_answer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let store = open(&path);
    write(&store, |tx| add_pool(tx, "p")).await;
    // What a machine finds that lost its power now: the files as they are, no connection closed in good order.
    let elsewhere = tempfile::tempdir().unwrap();
    for name in ["gateway.db", "gateway.db-wal"] {
        fs::copy(directory.path().join(name), elsewhere.path().join(name)).unwrap();
    }
    assert_eq!(read(&open(&elsewhere.path().join("gateway.db")), |tx| tx.pools()).await.len(), 1);
}

#[tokio::test]
async fn only_the_owner_can_read_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("gateway.db"));
    write(&store, |tx| add_pool(tx, "p")).await;
    for name in bytes(directory.path()).keys() {
        let mode = fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_and_not_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    write(&open(&path), |tx| add_pool(tx, "p")).await;
    let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('0009'), ('9999')";
    drop(sql(&path, newer));
    let error = refusal(&path);
    assert!(matches!(&error, OpenError::Newer { version, .. } if version == "9999"), "{error:?}");
    assert!(!directory.path().join("gateway.db-wal").exists());
}

#[tokio::test]
async fn a_newer_version_is_seen_in_the_log_that_it_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    write(&open(&path), |tx| add_pool(tx, "p")).await;
    let copy = tempfile::tempdir().unwrap();
    {
        let _open = sql(&path, "INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')");
        for name in ["gateway.db", "gateway.db-wal"] {
            fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
        }
    }
    let error = refusal(&copy.path().join("gateway.db"));
    assert!(matches!(&error, OpenError::Newer { version, .. } if version == "9999"), "{error:?}");
}

#[test]
fn a_database_of_0_4_is_refused_and_not_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    drop(sql(&path, "CREATE TABLE pools (id INTEGER PRIMARY KEY); CREATE TABLE vhosts (id INTEGER PRIMARY KEY)"));
    let error = refusal(&path);
    assert!(matches!(error, OpenError::Older { .. }), "{error:?}");
    assert!(error.to_string().contains("nothing was changed"), "{error}");
}

#[test]
fn a_database_of_another_program_is_refused_and_not_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    drop(sql(&path, "CREATE TABLE notes (text TEXT)"));
    assert!(matches!(refusal(&path), OpenError::Foreign { .. }));
}

#[test]
fn a_file_that_is_no_database_is_refused_and_not_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    for content in [b"a\n".as_slice(), &[0; 4096], b"SQLite format 2\0 and more than sixteen bytes"] {
        fs::write(&path, content).unwrap();
        assert!(matches!(refusal(&path), OpenError::NotSqlite { .. }));
    }
}

#[tokio::test]
async fn a_damaged_database_is_refused_and_not_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    write(&open(&path), |tx| {
        for number in 0..500 {
            add_pool(tx, &format!("pool-{number}"))?;
        }
        Ok(())
    })
    .await;
    let whole = fs::read(&path).unwrap();
    let mut overwritten = whole.clone();
    let middle = whole.len() / 2;
    overwritten[middle..].fill(0xa5);
    for damaged in [&whole[..100], &whole[..middle], &overwritten] {
        fs::write(&path, damaged).unwrap();
        let error = refusal(&path);
        assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    }
}

#[test]
fn a_place_that_cannot_hold_a_file_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("no such directory/gateway.db");
    assert!(matches!(refusal_of_place(&missing), OpenError::Unusable { .. }));
    assert!(matches!(refusal_of_place(directory.path()), OpenError::Unusable { .. }));
}

fn refusal_of_place(path: &Path) -> OpenError {
    let error = SqliteStore::open(path).err().unwrap();
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    error
}

#[tokio::test]
async fn an_empty_file_becomes_a_database() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    fs::write(&path, "").unwrap();
    write(&open(&path), |tx| add_pool(tx, "p")).await;
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let store = open(&path);
    write(&store, |tx| add_pool(tx, "p")).await;
    drop(sql(&path, "UPDATE pools SET lb_method = 'random' WHERE id = 1"));
    let error = store.read(|tx| tx.pool(PoolId(1))).await.unwrap_err();
    let StoreError::Corrupt(message) = &error else { panic!("{error:?}") };
    assert!(message.contains("table pools, row 1, column lb_method"), "{message}");
}

#[tokio::test]
async fn two_stores_on_one_file_lose_nothing_to_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let count = |text: Option<String>| text.map_or(0, |number| number.parse::<u32>().unwrap());
    let mut writers = tokio::task::JoinSet::new();
    for store in [open(&path), open(&path)] {
        writers.spawn(async move {
            for _ in 0..50 {
                write(&store, move |tx| {
                    let next = count(tx.fact("count")?) + 1;
                    tx.set_fact("count", &next.to_string())
                })
                .await;
            }
        });
    }
    while let Some(ended) = writers.join_next().await {
        ended.unwrap();
    }
    assert_eq!(count(read(&open(&path), |tx| tx.fact("count")).await), 100);
}

#[tokio::test]
async fn a_write_lock_that_is_never_given_back_is_unavailable() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let store = open(&path);
    let holder = sql(&path, "BEGIN IMMEDIATE");
    let refused = store.write(|tx| tx.next_id(EntityKind::Pool)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    drop(holder);
    assert_eq!(write(&store, |tx| tx.next_id(EntityKind::Pool)).await, 1);
}

#[tokio::test]
async fn a_file_that_was_removed_is_not_made_anew_behind_the_operators_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let store = open(&path);
    fs::remove_file(&path).unwrap();
    let refused = store.write(|tx| tx.next_id(EntityKind::Pool)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(!path.exists());
}
