//! The records of migrations on disk.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use nanio_orchestrator::adapters::migration_files::{MigrationDirectory, record, text};
use nanio_orchestrator::domain::bucket::BucketName;
use nanio_orchestrator::domain::disk::{DiskMigration, MigrationFile, Writer};
use nanio_orchestrator::domain::ids::{MigrationId, PoolId, RouteId, VhostId};
use nanio_orchestrator::domain::migration::work::Work;
use nanio_orchestrator::domain::migration::{Migration, MigrationMode, Named, Orphan, Phase};
use nanio_orchestrator::domain::time::Timestamp;
use nanio_orchestrator::domain::vhost::ServerName;
use nanio_orchestrator::ports::migration_files::MigrationFiles as _;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::support::values;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/v0_4_1/orchestrator.db");

/// What the record of a migration must say.
fn on_disk(migration: &Migration) -> DiskMigration {
    let migration = migration.clone();
    DiskMigration {
        id: migration.id,
        vhost: (migration.vhost.id, ServerName::parse(&migration.vhost.name).ok()),
        bucket: migration.bucket,
        source: migration.source,
        destination: migration.destination,
        mode: migration.mode,
        route_id: migration.route_id,
        phase: migration.phase,
        objects_total: migration.objects_total,
        objects_done: migration.objects_done,
        bytes_total: migration.bytes_total,
        bytes_done: migration.bytes_done,
        error_msg: migration.error_msg,
        started_at: migration.started_at,
        finished_at: migration.finished_at,
        orphaned_pool_name: migration.orphan.as_ref().map(|orphan| orphan.pool.name.clone()),
        purged_at: migration.orphan.as_ref().and_then(|orphan| orphan.purged_at),
        orphan: migration.orphan.map(|orphan| (orphan.pool.id, orphan.prefix, orphan.since)),
        needs_adoption: migration.needs_adoption,
        swept_http_vhosts: migration.swept_http_vhosts,
        updated_http_vhosts: migration.updated_http_vhosts,
        created_at: Some(migration.created_at),
        work: migration.work,
        writer: Writer::Ours,
        remains: Vec::new(),
    }
}

proptest! {
    #[test]
    fn a_record_is_read_back_as_it_was(migration in values::migration::migration()) {
        let text = text(&migration);
        let name = format!("migration-{}.state.json", migration.id);
        prop_assert_eq!(record(&text, &name), Ok(on_disk(&migration)), "{}", text);
    }
}

struct Records {
    data: tempfile::TempDir,
    directory: MigrationDirectory,
}

impl Records {
    fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let directory = MigrationDirectory::beside(&data.path().join("orchestrator.db"));
        Self { data, directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.data.path().join("migrations").join(name)
    }

    async fn read(&self) -> Vec<MigrationFile> {
        self.directory.read().await.unwrap()
    }

    /// The names of the files, sorted.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn migration(id: i64, phase: Phase) -> Migration {
    let any = values::migration::migration().new_tree(&mut TestRunner::deterministic()).unwrap().current();
    Migration { id: MigrationId(id), phase, ..any }
}

#[tokio::test]
async fn a_migration_has_one_record_that_says_what_it_says_and_is_for_its_owner() {
    let records = Records::new();
    assert_eq!(records.read().await, []);
    for phase in [Phase::Pending, Phase::Copying, Phase::Error, Phase::Done] {
        let migration = migration(7, phase);
        records.directory.write(&migration).await.unwrap();
        let end = if phase == Phase::Done { "done" } else { "state" };
        let name = format!("migration-7.{end}.json");
        let path = records.path(&name).display().to_string();
        assert_eq!(records.read().await, [MigrationFile { path, content: Ok(on_disk(&migration)) }]);
        assert_eq!(records.names(), [name.as_str()]);
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(records.path(&name)), mode(records.path(""))), (0o600, 0o700));
    }
    records.directory.remove(MigrationId(7)).await.unwrap();
    records.directory.remove(MigrationId(7)).await.unwrap();
    assert_eq!(records.read().await, []);
}

#[tokio::test]
async fn a_cancelled_migration_leaves_no_record() {
    let records = Records::new();
    records.directory.write(&migration(7, Phase::Copying)).await.unwrap();
    records.directory.write(&migration(8, Phase::Copying)).await.unwrap();
    records.directory.write(&migration(7, Phase::Cancelled)).await.unwrap();
    assert_eq!(records.names(), ["migration-8.state.json"]);
}

#[tokio::test]
async fn what_a_crash_left_half_written_is_not_read_and_is_written_over() {
    let records = Records::new();
    records.directory.write(&migration(7, Phase::Copying)).await.unwrap();
    fs::write(records.path("migration-7.state.json.tmp"), "{\"migration_id\": 7").unwrap();
    assert!(
        matches!(&records.read().await[..], [MigrationFile { content: Ok(record), .. }] if record.phase == Phase::Copying)
    );
    records.directory.write(&migration(7, Phase::Verifying)).await.unwrap();
    assert!(
        matches!(&records.read().await[..], [MigrationFile { content: Ok(record), .. }] if record.phase == Phase::Verifying)
    );
    // Killed between the two steps of becoming done: both records are there, and the next write settles it.
    fs::write(records.path("migration-7.done.json"), text(&migration(7, Phase::Done))).unwrap();
    let phases: Vec<_> = records.read().await.into_iter().map(|file| file.content.unwrap().phase).collect();
    assert_eq!(phases, [Phase::Done, Phase::Verifying]);
    records.directory.write(&migration(7, Phase::Done)).await.unwrap();
    assert_eq!(records.names(), ["migration-7.done.json"]);
}

#[tokio::test]
async fn a_record_that_cannot_be_written_leaves_the_old_one() {
    let records = Records::new();
    records.directory.write(&migration(7, Phase::Copying)).await.unwrap();
    fs::create_dir(records.path("migration-7.state.json.tmp")).unwrap();
    let error = records.directory.write(&migration(7, Phase::Verifying)).await.unwrap_err();
    assert!(error.to_string().starts_with("could not write"), "{error}");
    assert!(
        matches!(&records.read().await[..], [MigrationFile { content: Ok(record), .. }] if record.phase == Phase::Copying)
    );
}

/// F15: what was left behind, and which route moved, come with the names of what they are about, so that nobody
/// needs the ids of another life.
#[test]
fn f15_a_record_names_what_it_is_about() {
    let pool = Named { id: PoolId(3), name: "zeta".to_owned() };
    let orphan = Orphan { pool, prefix: "/b/".to_owned(), since: Timestamp::UNKNOWN, purged_at: None };
    let text = text(&Migration { orphan: Some(orphan), ..migration(7, Phase::Done) });
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    for name in ["vhost_name", "source_pool_name", "target_pool_name", "orphaned_source_pool_name"] {
        assert!(value[name].is_string(), "{name}: {text}");
    }
    assert!(text.is_ascii());
}

#[tokio::test]
async fn the_records_of_0_4_1_are_read_for_what_they_say() {
    let read = MigrationDirectory::beside(FIXTURE.as_ref()).read().await.unwrap();
    let pool = |id, name: &str| Named { id: PoolId(id), name: name.to_owned() };
    let at = Timestamp::parse;
    let archive = DiskMigration {
        id: MigrationId(1),
        vhost: (VhostId(1), None),
        bucket: BucketName::parse("archive").unwrap(),
        source: pool(1, "pool-old"),
        destination: pool(2, "pool-new"),
        mode: MigrationMode::Copy,
        route_id: Some(RouteId(2)),
        phase: Phase::Done,
        objects_total: 0,
        objects_done: 0,
        bytes_total: 0,
        bytes_done: 0,
        error_msg: None,
        started_at: None,
        finished_at: None,
        orphan: at("2026-11-24T06:38:45Z").map(|since| (PoolId(1), "/archive/".to_owned(), since)),
        orphaned_pool_name: None,
        purged_at: None,
        needs_adoption: false,
        swept_http_vhosts: Vec::new(),
        updated_http_vhosts: Vec::new(),
        created_at: None,
        work: Work::default(),
        writer: Writer::Version04,
        remains: Vec::new(),
    };
    let busy = DiskMigration {
        id: MigrationId(2),
        vhost: (VhostId(6), None),
        bucket: BucketName::parse("busy").unwrap(),
        route_id: Some(RouteId(11)),
        phase: Phase::Verifying,
        started_at: at("2026-11-24T06:38:45Z"),
        orphan: None,
        ..archive.clone()
    };
    let contents: Vec<_> = read.into_iter().map(|file| file.content).collect();
    assert_eq!(contents, [Ok(archive), Ok(busy)]);
}

#[test]
fn a_record_of_0_4_x_lists_as_swept_those_that_followed() {
    let record = |format: &str| {
        let text = format!(
            r#"{{"migration_id": 3, "vhost_id": 1, "bucket": "b", "source_pool_id": 1, "source_pool_name": "a",
                "target_pool_id": 2, "target_pool_name": "z", "mode": "tar", "status": "needs_purge",
                "orphaned_at": "2026-11-24T06:38:45Z", "swept_http_vhosts": ["cdn.example"], "colour": 1{format}}}"#
        );
        record(&text, "migration-4.done.json")
    };
    let theirs = record("").unwrap();
    assert_eq!((theirs.writer, theirs.phase), (Writer::Version04, Phase::Done));
    assert_eq!((theirs.swept_http_vhosts, theirs.updated_http_vhosts), (vec![], vec!["cdn.example".to_owned()]));
    let begins =
        ["mode: ", "what was left on the source is told in part", "it says that it is about migration 3", "colour is"];
    assert_eq!(theirs.remains.len(), begins.len(), "{:?}", theirs.remains);
    for (sentence, begin) in theirs.remains.iter().zip(begins) {
        assert!(sentence.starts_with(begin), "{sentence}");
    }
    let ours = record(", \"format\": 1").unwrap();
    assert_eq!((ours.swept_http_vhosts, ours.updated_http_vhosts), (vec!["cdn.example".to_owned()], vec![]));
    assert!(record(", \"format\": 2").is_err_and(|why| why.contains("newer version")));
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_listed_with_the_reason() {
    let records = Records::new();
    records.directory.write(&migration(9, Phase::Error)).await.unwrap();
    fs::write(records.path("migration-1.state.json"), "{").unwrap();
    fs::write(records.path("migration-2.state.json"), "{\"migration_id\": 2}").unwrap();
    fs::write(records.path("migration-3.done.json"), b"\xff").unwrap();
    fs::create_dir(records.path("migration-4.done.json")).unwrap();
    fs::write(records.path("notes.json"), "{}").unwrap();
    let reasons: Vec<_> = records.read().await.into_iter().map(|file| file.content.err()).collect();
    let expected = [
        Some("it is not JSON: EOF while parsing an object at line 1 column 1"),
        Some("its vhost_id is missing"),
        Some("it is not UTF-8 text"),
        Some("it is not an ordinary file of at most 1 MiB"),
        None,
    ];
    assert_eq!(reasons, expected.map(|reason| reason.map(str::to_owned)));
}
