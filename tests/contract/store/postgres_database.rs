//! What only a database server can do: lose connections, be shared, speak TLS.

use std::sync::Arc;

use nanio_orchestrator::adapters::store::{OpenError, PostgresStore};
use nanio_orchestrator::domain::ids::{EntityKind, PoolId};
use nanio_orchestrator::ports::store::{Store, StoreError};

use crate::support::postgres::Server;

use super::adapters::{a_member, add_pool, read, write};

async fn connect(url: &str) -> Store {
    Store::new(Arc::new(PostgresStore::connect(url).await.unwrap()))
}

async fn refusal(url: &str) -> OpenError {
    PostgresStore::connect(url).await.err().unwrap()
}

/// Ends every session of the database but the one that asks, as a restart of the server does.
async fn cut_connections(server: &Server, database: &str) {
    let ended = server
        .client(database)
        .await
        .query(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
            &[],
        )
        .await
        .unwrap();
    assert!(!ended.is_empty());
}

#[tokio::test]
async fn connections_that_were_lost_while_idle_are_made_anew_unseen() {
    let server = Server::shared().await;
    let database = server.database().await;
    let store = connect(&server.url(&database)).await;
    for name in ["a", "b", "c"] {
        write(&store, move |tx| add_pool(tx, name)).await;
        assert!(read(&store, move |tx| tx.pool_named(name)).await.is_some());
        cut_connections(server, &database).await;
    }
    assert_eq!(read(&store, |tx| tx.pools()).await.len(), 3);
}

#[tokio::test]
async fn a_connection_that_is_lost_in_a_transaction_is_unavailable_and_recovers() {
    let server = Server::shared().await;
    let database = server.database().await;
    let store = connect(&server.url(&database)).await;
    let (written, on_written) = tokio::sync::oneshot::channel();
    let (go_on, on_go_on) = std::sync::mpsc::channel::<()>();
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            store
                .write(move |tx| {
                    add_pool(tx, "lost")?;
                    written.send(()).unwrap();
                    on_go_on.recv().unwrap();
                    add_pool(tx, "never")
                })
                .await
        }
    });
    on_written.await.unwrap();
    cut_connections(server, &database).await;
    go_on.send(()).unwrap();
    let lost = writer.await.unwrap();
    assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
    write(&store, |tx| add_pool(tx, "after")).await;
    let names: Vec<String> = read(&store, |tx| tx.pools()).await.iter().map(|pool| pool.name.to_string()).collect();
    assert_eq!(names, ["after"]);
}

#[tokio::test]
async fn a_transaction_that_failed_is_never_told_to_be_committed() {
    let server = Server::shared().await;
    let store = connect(&server.url(&server.database().await)).await;
    let told: Result<(), StoreError> = store
        .write(|tx| {
            add_pool(tx, "p")?;
            // The refusal is ignored; PostgreSQL has given the whole transaction up.
            let refused = tx.save_member(a_member(1, PoolId(99)));
            assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
            Ok(())
        })
        .await;
    assert!(matches!(told, Err(StoreError::Unavailable(_))), "{told:?}");
    assert!(read(&store, |tx| tx.pools()).await.is_empty());
}

#[tokio::test]
async fn a_second_orchestrator_is_refused_and_told_who_the_first_is() {
    let server = Server::shared().await;
    let url = server.url(&server.database().await);
    let first = connect(&format!("{url}?application_name=first")).await;
    let error = refusal(&url).await;
    let OpenError::Busy { holder, .. } = &error else { panic!("{error:?}") };
    assert!(holder.contains("first") && holder.contains("127.0.0.1"), "{holder}");
    write(&first, |tx| add_pool(tx, "p")).await;
}

#[tokio::test]
async fn whoever_lost_the_lock_to_another_orchestrator_writes_no_more() {
    let server = Server::shared().await;
    let database = server.database().await;
    let url = server.url(&database);
    let first = connect(&url).await;
    write(&first, |tx| add_pool(tx, "first")).await;
    cut_connections(server, &database).await;
    let second = connect(&url).await;
    let refused = first.write(|tx| add_pool(tx, "too-late")).await;
    assert!(
        matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains("another orchestrator")),
        "{refused:?}"
    );
    assert_eq!(read(&first, |tx| tx.pools()).await.len(), 1);
    write(&second, |tx| add_pool(tx, "second")).await;
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_new_connection() {
    let server = Server::shared().await;
    let database = server.database().await;
    let saved = write(&connect(&server.url(&database)).await, |tx| add_pool(tx, "p")).await;
    // At once: the server may not know yet that the first connection is gone, and with it the lock.
    let store = connect(&server.url(&database)).await;
    assert_eq!(read(&store, |tx| tx.pools()).await, [saved]);
    assert_eq!(write(&store, |tx| tx.next_id(EntityKind::Pool)).await, 2);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let server = Server::shared().await;
    let database = server.database().await;
    drop(connect(&server.url(&database)).await);
    let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')";
    server.client(&database).await.batch_execute(newer).await.unwrap();
    let error = refusal(&server.url(&database)).await;
    assert!(matches!(&error, OpenError::Newer { version, .. } if version == "9999"), "{error:?}");
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_not_changed() {
    let server = Server::shared().await;
    let database = server.database().await;
    let client = server.client(&database).await;
    client.batch_execute("CREATE TABLE notes (text TEXT)").await.unwrap();
    assert!(matches!(refusal(&server.url(&database)).await, OpenError::Foreign { .. }));
    let tables = client.query("SELECT 1 FROM pg_tables WHERE schemaname = 'public'", &[]).await.unwrap();
    assert_eq!(tables.len(), 1);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named_without_the_password() {
    let error = refusal("postgres://tester:s3cret@127.0.0.1:1/gateway?sslmode=disable").await.to_string();
    assert!(error.contains("gateway at 127.0.0.1:1") && !error.contains("s3cret"), "{error}");
}

/// Whether the connections of the application `tls` are encrypted.
async fn is_encrypted(server: &Server, database: &str) -> bool {
    let query = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                 WHERE application_name = 'tls' AND datname = current_database()";
    server.client(database).await.query_one(query, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn sslmode_decides_whether_the_connection_is_encrypted() {
    let server = Server::shared().await;
    let roots = server.authority.to_str().unwrap();
    for (mode, encrypted) in [
        ("disable".to_owned(), false),
        ("prefer".to_owned(), true),
        ("require".to_owned(), true),
        (format!("verify-full&sslrootcert={roots}"), true),
    ] {
        let database = server.database().await;
        let store = connect(&format!("{}?application_name=tls&sslmode={mode}", server.url(&database))).await;
        write(&store, |tx| add_pool(tx, "p")).await;
        assert_eq!(is_encrypted(server, &database).await, encrypted, "{mode}");
    }
}

#[tokio::test]
async fn verify_full_refuses_a_server_that_no_trusted_authority_knows() {
    let server = Server::shared().await;
    let url = server.url(&server.database().await);
    let error = refusal(&format!("{url}?sslmode=verify-full")).await;
    assert!(matches!(&error, OpenError::Unusable { why, .. } if why.contains("certificate")), "{error:?}");
}

#[tokio::test]
async fn verify_full_refuses_a_server_of_another_name() {
    let server = Server::shared().await;
    let url = server.url(&server.database().await).replace("127.0.0.1", "127.0.0.2");
    let roots = server.authority.to_str().unwrap();
    let error = refusal(&format!("{url}?sslmode=verify-full&sslrootcert={roots}")).await;
    assert!(matches!(&error, OpenError::Unusable { why, .. } if why.contains("certificate")), "{error:?}");
}

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |database: &str| {
        let place = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(database);
        let mut names: Vec<_> = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert!(!names("sqlite").is_empty());
    assert_eq!(names("sqlite"), names("postgres"));
}
