//! A database of 0.4.x says what its files do not, in any of its schemas, and is not changed by being asked.

use std::fs;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use nanio_orchestrator::adapters::nginx::snippet;
use nanio_orchestrator::adapters::store::{SqliteStore, legacy};
use nanio_orchestrator::domain::disk::{DiskDatabase, DiskPoolSidecar, DiskVhostSidecar, Writer};
use nanio_orchestrator::domain::ids::{PoolId, VhostId};
use nanio_orchestrator::domain::migration::{MigrationMode, Phase};
use nanio_orchestrator::domain::pool::{LbMethod, PoolKind, Role};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/v0_4_1/orchestrator.db");

fn read(path: &Path) -> DiskDatabase {
    legacy::read(path, &|text| snippet::check(text, true)).unwrap().unwrap()
}

/// A copy of the fixture after some SQL.
fn changed(statements: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("orchestrator.db");
    fs::copy(FIXTURE, &path).unwrap();
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    connection.batch_execute("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF;").unwrap();
    connection.batch_execute(statements).unwrap();
    (dir, path)
}

fn pool<'a>(database: &'a DiskDatabase, name: &str) -> &'a DiskPoolSidecar {
    database.pools.iter().find(|pool| pool.name.as_str() == name).unwrap()
}

fn vhost<'a>(database: &'a DiskDatabase, name: &str) -> &'a DiskVhostSidecar {
    database.vhosts.iter().find(|vhost| vhost.server_name.as_str() == name).unwrap()
}

#[test]
fn f50_everything_that_the_files_of_0_4_1_do_not_say_is_in_its_database() {
    let before = fs::read(FIXTURE).unwrap();
    let database = read(Path::new(FIXTURE));
    assert_eq!(database.remains, Vec::<String>::new());
    let names: Vec<_> = database.pools.iter().map(|pool| (pool.id.unwrap().0, pool.name.as_str())).collect();
    assert_eq!(names, [(1, "pool-old"), (2, "pool-new"), (3, "pool-empty"), (4, "web-files")]);

    let old = pool(&database, "pool-old");
    assert_eq!((old.kind, old.lb_method), (Some(PoolKind::Nanio), Some(LbMethod::LeastConn)));
    assert_eq!(old.description.as_deref(), Some("Größe \"A\" <b>"));
    let disabled = &old.members.as_ref().unwrap()[1];
    assert_eq!((disabled.address.as_str(), disabled.enabled), ("[::1]:9000", false));
    assert_eq!((disabled.weight.get(), disabled.max_fails.get(), disabled.fail_timeout_s.get()), (5, 7, 11));
    assert_eq!(disabled.created_at.iso(), "2026-11-24T06:38:44Z");
    let credential = old.credential.as_ref().unwrap();
    assert_eq!(credential.region, "eu-west-1");
    assert_eq!(credential.endpoint_url.as_deref(), Some("http://127.0.0.1:18942"));
    assert!(credential.access_key_enc.as_str().starts_with("gAAAAABrBTD0"));
    assert!(credential.created_at.is_some());

    let empty = pool(&database, "pool-empty");
    assert_eq!((empty.members.as_deref(), empty.keepalive.map(|keepalive| keepalive.get())), (Some(&[][..]), Some(32)));
    let files = pool(&database, "web-files");
    assert_eq!(
        files.source.as_ref().map(|(id, name)| (id.0, name.as_ref().map(ToString::to_string))),
        Some((1, Some("pool-old".to_owned())))
    );
    let members: Vec<_> = files.members.iter().flatten().map(|member| (member.role, member.weight.get())).collect();
    assert_eq!(members, [(Role::Primary, 3), (Role::Primary, 1), (Role::Replica, 9)]);

    let s3 = vhost(&database, "s3.example.test");
    assert_eq!((s3.id, s3.enabled, s3.ssl), (Some(VhostId(1)), Some(true), Some(true)));
    assert_eq!(s3.listen_port.map(|port| port.get()), Some(8443));
    assert_eq!(s3.ssl_certificate_key.as_ref().map(ToString::to_string).as_deref(), Some("/etc/ssl/private/s3.key"));
    assert_eq!(s3.extra_directives.as_ref().map(ToString::to_string).as_deref(), Some("proxy_connect_timeout 7s;"));
    assert_eq!((s3.extra_blocks.len(), s3.ip_rules.as_ref().map(|rules| rules.ranges.len())), (4, Some(3)));
    let routes: Vec<_> = s3
        .routes
        .iter()
        .map(|route| (route.id.0, route.path_prefix.as_str(), route.pool_name.as_str(), route.enabled))
        .collect();
    let expected = [
        (1, "/", "pool-old", true),
        (2, "/archive/", "pool-new", true),
        (3, "/photos/", "pool-new", true),
        (4, "/off/", "pool-new", false),
        (5, "/media/2024/", "pool-new", true),
    ];
    assert_eq!(routes, expected);
    assert_eq!(s3.ignored_buckets.iter().map(ToString::to_string).collect::<Vec<_>>(), ["secret-stuff"]);
    assert_eq!(vhost(&database, "off.example.test").enabled, Some(false));
    assert_eq!(vhost(&database, "bare.example.test").routes, []);
    let image = &vhost(&database, "cdn.example.test").routes[1];
    assert_eq!(image.key_prefix.as_ref().map(ToString::to_string).as_deref(), Some("2024"));

    let migrations: Vec<_> = database
        .migrations
        .iter()
        .map(|migration| {
            let host = migration.vhost.1.as_ref().unwrap();
            (migration.id.0, host.as_str(), migration.bucket.as_str(), migration.source.name.as_str(), migration.phase)
        })
        .collect();
    let expected = [
        (1, "s3.example.test", "archive", "pool-old", Phase::Done),
        (2, "split.example.test", "busy", "pool-old", Phase::Verifying),
    ];
    assert_eq!(migrations, expected);
    assert_eq!(database.migrations[0].writer, Writer::Version04);
    assert_eq!(
        database.migrations[0].orphan.as_ref().map(|(id, prefix, _)| (id.0, prefix.as_str())),
        Some((1, "/archive/"))
    );
    assert_eq!(fs::read(FIXTURE).unwrap(), before);
}

#[test]
fn what_0_4_x_had_not_moved_from_its_log_is_read_too_and_no_byte_changes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("odd ?#%20 name.db");
    fs::copy(FIXTURE, &path).unwrap();
    let mut writer = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    writer.batch_execute("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; UPDATE pools SET description = 'from the log' WHERE id = 2").unwrap();
    // As after a kill: the file and its log, and nobody who has them open.
    let copy = dir.path().join("copy.db");
    fs::copy(&path, &copy).unwrap();
    let (log, copied) = (dir.path().join("odd ?#%20 name.db-wal"), dir.path().join("copy.db-wal"));
    fs::copy(&log, &copied).unwrap();
    let before = (fs::read(&copy).unwrap(), fs::read(&copied).unwrap());
    let database = read(&copy);
    assert_eq!(pool(&database, "pool-new").description.as_deref(), Some("from the log"));
    assert_eq!((fs::read(&copy).unwrap(), fs::read(&copied).unwrap()), before);
}

/// Columns came one after another; the first schemas had none of them, and other words.
#[test]
fn f55_a_database_of_an_older_schema_is_read() {
    let (_dir, path) = changed(
        "ALTER TABLE vhosts DROP COLUMN default_pool_id; ALTER TABLE vhosts DROP COLUMN extra_blocks_json;
         ALTER TABLE vhosts DROP COLUMN ip_rule_mode; ALTER TABLE vhosts DROP COLUMN ip_rule_ips_json;
         ALTER TABLE routes DROP COLUMN key_prefix; ALTER TABLE pools DROP COLUMN source_nanio_pool_id;
         ALTER TABLE migrations DROP COLUMN mode; ALTER TABLE migrations DROP COLUMN route_id;
         ALTER TABLE migrations DROP COLUMN orphaned_source_pool_id; ALTER TABLE migrations DROP COLUMN orphaned_source_prefix;
         ALTER TABLE migrations DROP COLUMN orphaned_at; UPDATE migrations SET phase = 'needs_purge' WHERE id = 1;
         UPDATE pools SET type = 'cold' WHERE id = 4; DROP TABLE pool_credentials; DROP TABLE bucket_sync;
         UPDATE pool_members SET role = 'active';",
    );
    let database = read(&path);
    assert_eq!(database.remains, Vec::<String>::new());
    let files = pool(&database, "web-files");
    assert_eq!((files.kind, &files.source), (Some(PoolKind::Http), &None));
    assert!(files.members.iter().flatten().all(|member| member.role == Role::Primary), "{files:?}");
    assert_eq!(database.vhosts.len(), 6);
    assert_eq!((database.migrations[0].phase, database.migrations[0].mode), (Phase::Done, MigrationMode::Copy));
}

#[test]
fn f19_a_bad_row_is_told_and_left_out_and_the_others_are_read() {
    let (_dir, path) = changed(
        "UPDATE pool_members SET address = '10.0.0.1:80; } server { listen 1' WHERE id = 1;
         UPDATE pool_members SET pool_id = 99 WHERE id = 3;
         UPDATE pools SET keepalive = 'many', description = CAST(x'ff' AS TEXT) WHERE id = 2;
         UPDATE pools SET description = x'ff', lb_method = 'random' WHERE id = 3;
         UPDATE vhosts SET server_name = '~^(.*)$' WHERE id = 2;
         UPDATE vhosts SET extra_directives = '} server {', listen_port = 0, extra_blocks_json = '[{\"zone\": 1' WHERE id = 3;
         UPDATE routes SET extra_directives = 'proxy_read_timeout 5s' WHERE id = 2;
         UPDATE routes SET pool_id = 77 WHERE id = 3;
         UPDATE migrations SET phase = 'lost' WHERE id = 1;
         ALTER TABLE pools ADD COLUMN \"od'd \"\"one\" TEXT DEFAULT 'x';",
    );
    let database = read(&path);
    let names: Vec<_> = database.pools.iter().map(|pool| pool.name.as_str()).collect();
    assert_eq!(names, ["pool-old", "pool-new", "pool-empty", "web-files"]);
    assert_eq!(pool(&database, "pool-new").keepalive, None);
    assert_eq!(pool(&database, "pool-new").description.as_deref(), Some("\u{fffd}"));
    assert_eq!((pool(&database, "pool-empty").lb_method, pool(&database, "pool-empty").id), (None, Some(PoolId(3))));
    assert_eq!((database.vhosts.len(), database.migrations.len()), (5, 1));
    let routes = &vhost(&database, "s3.example.test").routes;
    assert_eq!(routes.iter().map(|route| route.id.0).collect::<Vec<_>>(), [1, 2, 4, 5]);
    let wild = vhost(&database, "*.wild.example.test");
    assert_eq!((&wild.extra_directives, wild.listen_port, wild.extra_blocks.len()), (&None, None, 0));
    for told in [
        "table pools, row 2: it holds bytes that are no text; they were replaced",
        "table pools, row 2: keepalive: not a whole number; left out",
        "table pools, row 3: lb_method: Input should be 'least_conn', 'round_robin' or 'ip_hash'; left out",
        "table pools, row 3: od'd \"one is not a field of this file; left out",
        "table pool_members, row 1: its address is not as it must be: address must be host:port, [IPv6]:port or unix:/path/to/socket; left out",
        "table pool_members, row 3: there is no pool 99; left out",
        "table vhosts, row 2: its server_name is not as it must be: String should match pattern",
        "table vhosts, row 3: listen_port: Input should be greater than or equal to 1; left out",
        "table vhosts, row 3: extra_directives: not complete nginx directives",
        "table vhosts, row 3: extra_blocks_json: not a list; left out",
        "table routes, row 3: there is no pool 77; left out",
        "table routes: 2 are of vhost 2, which is not there; left out",
        "table migrations, row 1: its phase is not as it must be",
    ] {
        assert!(database.remains.iter().any(|sentence| sentence.starts_with(told)), "{told}: {:#?}", database.remains);
    }
}

/// 0.4.x refused a `;` in a route's directives, and then wrote none.
#[test]
fn f34_the_directives_of_a_route_are_ended_where_0_4_x_did_not() {
    let (_dir, path) = changed("UPDATE routes SET extra_directives = 'proxy_read_timeout 5s' WHERE id = 2");
    let database = read(&path);
    let route = &vhost(&database, "s3.example.test").routes[1];
    assert_eq!(route.extra_directives.as_ref().map(ToString::to_string).as_deref(), Some("proxy_read_timeout 5s;"));
}

#[test]
fn what_is_no_database_of_0_4_x_is_not_taken_for_one() {
    let dir = tempfile::tempdir().unwrap();
    let check = |text: &str| snippet::check(text, true);
    assert_eq!(legacy::read(&dir.path().join("none.db"), &check).unwrap(), None);
    let ours = dir.path().join("ours.db");
    drop(SqliteStore::open(&ours).unwrap());
    assert_eq!(legacy::read(&ours, &check).unwrap(), None);
    let other = dir.path().join("other.db");
    SqliteConnection::establish(other.to_str().unwrap()).unwrap().batch_execute("CREATE TABLE pools (id)").unwrap();
    assert_eq!(legacy::read(&other, &check).unwrap(), None);
    let text = dir.path().join("text.db");
    fs::write(&text, "# managed by nanio-orchestrator\n").unwrap();
    assert!(legacy::read(&text, &check).is_err());
}
