//! The disk is the truth: a lost database is made again from it.

use nanio_orchestrator::adapters::migration_files::MigrationDirectory;
use nanio_orchestrator::domain::bucket::{Bucket, BucketName, BucketStatus};
use nanio_orchestrator::domain::credential::{Credential, FernetToken};
use nanio_orchestrator::domain::gateway::{Server, Upstream};
use nanio_orchestrator::domain::ids::{MemberId, MigrationId, PoolId, Revision, RouteId, VhostId};
use nanio_orchestrator::domain::migration::work::Work;
use nanio_orchestrator::domain::migration::{Migration, MigrationMode, Named, Orphan, Phase};
use nanio_orchestrator::domain::pool::{Member, Pool, PoolKind, PoolName, Role};
use nanio_orchestrator::domain::route::{PathPrefix, Route};
use nanio_orchestrator::domain::time::Timestamp;
use nanio_orchestrator::domain::vhost::Vhost;
use nanio_orchestrator::ports::migration_files::MigrationFiles as _;
use nanio_orchestrator::ports::store::StoreError;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::world::World;
use crate::support::values;

/// Any gateway: rows as no sequence of requests needs to have made them.
#[derive(Debug, Clone)]
struct Gateway {
    pools: Vec<(Pool, Vec<Member>, Option<Credential>)>,
    vhosts: Vec<(Vhost, Vec<Route>, Vec<Bucket>)>,
    migrations: Vec<Migration>,
}

fn moment(seconds: i64) -> Timestamp {
    Timestamp::of(chrono::DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap())
}

/// A pool with what is chosen for it: whether each member is on, a description, keys.
type PoolSeed = (Upstream, Vec<bool>, Option<String>, Option<String>);
/// A vhost with what is chosen for it: whether it is on, whether each route is, ignored buckets.
type VhostSeed = (Server, bool, Vec<bool>, Vec<String>);

fn pools() -> impl Strategy<Value = Vec<PoolSeed>> {
    let on = prop::collection::vec(prop::bool::weighted(0.8), 8);
    let text = prop::option::of("[ -~äß世\u{1f600}]{0,20}");
    prop::collection::vec((values::upstream(), on, text, prop::option::of("[A-Za-z0-9_-]{20,60}")), 1..5)
}

fn gateway() -> impl Strategy<Value = Gateway> {
    pools().prop_flat_map(|pools| {
        let mut names: Vec<PoolName> = Vec::new();
        for (upstream, ..) in &pools {
            if !names.iter().any(|name| name.as_str().eq_ignore_ascii_case(upstream.name.as_str())) {
                names.push(upstream.name.clone());
            }
        }
        let bucket = "[a-z0-9]{3,12}";
        let flags = prop::collection::vec(prop::bool::weighted(0.7), 12);
        let vhost = (
            values::server(names, Some(values::tls_paths())),
            prop::bool::weighted(0.8),
            flags,
            prop::collection::vec(bucket, 0..3),
        );
        (Just(pools), prop::collection::vec(vhost, 0..4), any::<u8>()).prop_map(|(pools, vhosts, gap)| {
            let mut gateway = Gateway { pools: Vec::new(), vhosts: Vec::new(), migrations: Vec::new() };
            let mut next = i64::from(gap);
            let mut id = || {
                next += 1 + next % 3;
                next
            };
            pools.into_iter().for_each(|seed| gateway.add_pool(seed, &mut id));
            vhosts.into_iter().for_each(|seed| gateway.add_vhost(seed, &mut id));
            gateway.add_migrations(&mut id);
            gateway
        })
    })
}

impl Gateway {
    fn add_pool(&mut self, (upstream, on, description, key): PoolSeed, id: &mut impl FnMut() -> i64) {
        let taken = |pool: &Pool| pool.name.as_str().eq_ignore_ascii_case(upstream.name.as_str());
        if self.pools.iter().any(|(pool, ..)| taken(pool)) {
            return;
        }
        let first = self.pools.iter().map(|(pool, ..)| pool).find(|pool| pool.kind == PoolKind::Nanio);
        let source = first.filter(|_| upstream.kind == PoolKind::Http && on[6]).map(|pool| pool.id);
        let pool = Pool {
            id: PoolId(id()),
            revision: Revision::NEW,
            name: upstream.name,
            description,
            kind: upstream.kind,
            lb_method: upstream.lb_method,
            keepalive: upstream.keepalive,
            source_nanio_pool_id: source,
            created_at: moment(id()),
            updated_at: moment(id()),
        };
        let mut members: Vec<Member> = upstream
            .servers
            .into_iter()
            .zip(&on)
            .map(|(server, on)| Member {
                id: MemberId(id()),
                revision: Revision::NEW,
                pool_id: pool.id,
                address: server.address,
                role: server.role,
                weight: server.weight,
                max_fails: server.max_fails,
                fail_timeout_s: server.fail_timeout_s,
                enabled: *on || server.role == Role::Replica,
                created_at: moment(id()),
                updated_at: moment(id()),
            })
            .collect();
        // nginx needs one that is no backup.
        if on[7] || members.iter().any(|member| member.enabled) {
            members[0].enabled = true;
        }
        let token = |text: &str| FernetToken::parse(text).unwrap();
        let credential = key.filter(|_| pool.kind == PoolKind::Nanio).map(|key| Credential {
            pool_id: pool.id,
            access_key_enc: token(&key),
            secret_key_enc: token(&format!("{key}==")),
            endpoint_url: on[5].then(|| "https://s3.example.org:9000".to_owned()),
            region: "eu-west-1".to_owned(),
            created_at: moment(1),
            updated_at: moment(2),
        });
        self.pools.push((pool, members, credential));
    }

    fn add_vhost(&mut self, (server, enabled, on, ignored): VhostSeed, id: &mut impl FnMut() -> i64) {
        if self.vhosts.iter().any(|(vhost, ..)| vhost.server_name == server.server_name) {
            return;
        }
        let serving = |name: &PoolName| {
            let (pool, members, _) = self.pools.iter().find(|(pool, ..)| pool.name == *name).unwrap();
            (pool.id, pool.kind, members.iter().any(|member| member.enabled))
        };
        let default = server.default.as_ref().map(|route| serving(&route.pool)).filter(|(.., up)| *up);
        let vhost = Vhost {
            id: VhostId(id()),
            revision: Revision::NEW,
            server_name: server.server_name,
            listen_port: server.listen_port,
            ssl: server.tls.is_some(),
            ssl_certificate: server.tls.as_ref().map(|tls| tls.certificate.clone()),
            ssl_certificate_key: server.tls.as_ref().map(|tls| tls.key.clone()),
            extra_directives: server.extra_directives,
            extra_blocks: server.extra_blocks,
            enabled,
            default_pool_id: default.map(|(pool, ..)| pool),
            ip_rules: server.ip_rules,
            created_at: moment(id()),
            updated_at: moment(id()),
        };
        let route = |id: i64, path_prefix: PathPrefix, pool_id: PoolId, enabled: bool| Route {
            id: RouteId(id),
            revision: Revision::NEW,
            vhost_id: vhost.id,
            path_prefix,
            pool_id,
            key_prefix: None,
            extra_directives: None,
            enabled,
            created_at: moment(id),
            updated_at: moment(id + 1),
        };
        let mut routes: Vec<Route> =
            vhost.default_pool_id.map(|pool| route(id(), PathPrefix::root(), pool, true)).into_iter().collect();
        for (told, on) in server.routes.into_iter().zip(&on) {
            let (pool, kind, up) = serving(&told.pool);
            routes.push(Route {
                // S3 requests sign their path, so that no route of a nanio pool can have one.
                key_prefix: told.key_prefix.filter(|_| kind == PoolKind::Http),
                extra_directives: told.extra_directives,
                ..route(id(), told.path_prefix, pool, *on && up)
            });
        }
        let bucket = |name: String| Bucket {
            vhost_id: vhost.id,
            name: BucketName::parse(&name).unwrap(),
            status: BucketStatus::Ignored,
            routed_pool_id: None,
            discovered_at: moment(3),
        };
        let buckets = ignored.into_iter().map(bucket).collect();
        self.vhosts.push((vhost, routes, buckets));
    }

    /// One for each bucket that has a route: done, or not begun.
    fn add_migrations(&mut self, id: &mut impl FnMut() -> i64) {
        let pool = |pool: &Pool| Named { id: pool.id, name: pool.name.as_str().to_owned() };
        let source = &self.pools[0].0;
        for (vhost, routes, _) in &self.vhosts {
            for route in routes {
                let Ok(bucket) = BucketName::parse(route.path_prefix.canonical().trim_start_matches('/')) else {
                    continue;
                };
                let destination =
                    self.pools.iter().map(|(pool, ..)| pool).find(|pool| pool.id == route.pool_id).unwrap();
                let done = route.pool_id != source.id;
                let ends =
                    if done { (source, destination) } else { (destination, &self.pools[self.pools.len() - 1].0) };
                if !done && ends.0.id == ends.1.id {
                    continue;
                }
                let since = moment(id());
                self.migrations.push(Migration {
                    id: MigrationId(id()),
                    revision: Revision::NEW,
                    vhost: Named { id: vhost.id, name: vhost.server_name.as_str().to_owned() },
                    bucket,
                    source: pool(ends.0),
                    destination: pool(ends.1),
                    mode: MigrationMode::Copy,
                    phase: if done { Phase::Done } else { Phase::Pending },
                    route_id: Some(route.id),
                    needs_adoption: false,
                    objects_total: 7,
                    objects_done: if done { 7 } else { 0 },
                    bytes_total: 700,
                    bytes_done: if done { 700 } else { 0 },
                    error_msg: None,
                    started_at: done.then(|| moment(4)),
                    finished_at: done.then_some(since),
                    orphan: done.then(|| Orphan {
                        pool: pool(ends.0),
                        prefix: format!("{}/", route.path_prefix.canonical()),
                        since,
                        purged_at: None,
                    }),
                    swept_http_vhosts: vec!["left.example".to_owned()],
                    updated_http_vhosts: Vec::new(),
                    created_at: moment(3),
                    work: Work::default(),
                });
            }
        }
    }

    async fn save(self, world: &World) {
        for migration in &self.migrations {
            MigrationDirectory::beside(&world.home("data/orchestrator.db")).write(migration).await.unwrap();
        }
        let save = move |tx: &mut dyn nanio_orchestrator::ports::store::Tx| {
            for (pool, members, credential) in self.pools {
                tx.save_pool(pool)?;
                for member in members {
                    tx.save_member(member)?;
                }
                credential.iter().try_for_each(|credential| tx.save_credential(credential))?;
            }
            for (vhost, routes, buckets) in self.vhosts {
                tx.save_vhost(vhost)?;
                for route in routes {
                    tx.save_route(route)?;
                }
                buckets.iter().try_for_each(|bucket| tx.save_bucket(bucket))?;
            }
            for migration in self.migrations {
                tx.save_migration(migration)?;
            }
            Ok::<_, StoreError>(())
        };
        world.store.write(save).await.unwrap();
    }
}

/// What the API answers about the gateway, without times (a route's are not on disk) and the counters that
/// `If-Match` uses.
async fn answers(world: &World) -> Vec<Value> {
    let (mut rows, _) = world.everything().await;
    rows.remove(2);
    let drop = |value: &mut Value| {
        for row in value.as_array_mut().unwrap() {
            for field in ["created_at", "updated_at", "revision"] {
                row.as_object_mut().unwrap().remove(field);
            }
        }
    };
    rows.iter_mut().for_each(drop);
    rows
}

/// What the API does not show.
async fn hidden(world: &World) -> (Vec<Credential>, Vec<Vec<BucketName>>, Vec<Migration>) {
    let read = |tx: &mut dyn nanio_orchestrator::ports::store::Tx| {
        let mut ignored = Vec::new();
        for vhost in tx.vhosts()? {
            ignored.push(tx.buckets_with(vhost.id, BucketStatus::Ignored)?);
        }
        let migrations = tx.migrations()?.into_iter().map(|one| Migration { revision: Revision::NEW, ..one });
        Ok::<_, StoreError>((tx.credentials()?, ignored, migrations.collect()))
    };
    world.store.read(read).await.unwrap()
}

fn files(world: &World) -> Vec<(String, String)> {
    let mut files: Vec<_> = world.gateway.live().into_iter().collect();
    files.sort();
    files
}

async fn drifted(world: &World) -> Vec<Value> {
    let status = world.get("/api/config/status").await.expect(200);
    status["files"].as_array().unwrap().iter().filter(|file| file["drifted"] == true).cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_lost_database_comes_back_from_the_disk_to_the_last_byte_and_id(gateway in gateway()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::start().await;
            gateway.save(&world).await;
            let written = world.post("/api/config/rebuild", Value::Null).await.expect(200);
            assert_eq!(&written["ok"], true, "{written}");
            let before = (answers(&world).await, hidden(&world).await, files(&world));

            let again = world.without_database();
            let told = again.post("/api/config/rebuild-from-disk", Value::Null).await.expect(200);
            assert_eq!(told["warnings"], json!([]), "{told}");
            assert_eq!((answers(&again).await, hidden(&again).await, files(&again)), before);
            assert_eq!(drifted(&again).await, Vec::<Value>::new());
            again.post("/api/config/rebuild", Value::Null).await.expect(200);
            assert_eq!(files(&again), before.2);
        });
    }
}

#[tokio::test]
async fn a_rebuild_over_a_gateway_must_be_meant_and_is_told_in_the_audit_log() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    world.vhost("a.example", Some(pool)).await;
    let before = world.everything().await;
    let detail = world.post("/api/config/rebuild-from-disk", Value::Null).await.detail(409);
    assert!(detail.contains("force=true"), "{detail}");
    let seen = world.post("/api/config/rebuild-from-disk?dry_run=true", Value::Null).await.expect(200);
    assert_eq!(
        (&seen["dry_run"], &seen["pools"][0]["name"], &seen["pools"][0]["members"]),
        (&json!(true), &json!("p"), &json!(1))
    );
    assert_eq!((&seen["vhosts"][0]["server_name"], &seen["vhosts"][0]["routes"]), (&json!("a.example"), &json!(1)));
    assert_eq!(world.everything().await, before);

    let done = world.post("/api/config/rebuild-from-disk?force=true", Value::Null).await.expect(200);
    assert_eq!((&done["pools_imported"], &done["routes_imported"]), (&json!(1), &json!(1)));
    let log = world.get("/api/audit?per_page=200").await.expect(200);
    assert_eq!((&log[0]["action"], &log[0]["entity_type"]), (&json!("rebuild_from_disk"), &json!("config")));
    // F19: the log of what was before is still there.
    assert!(log.as_array().unwrap().iter().any(|entry| entry["action"] == "create"), "{log}");
    // What a client knew of the former life is no excuse to change something now.
    let stale = world.ask("PUT", "/api/pools/1", &[("if-match", "\"1\"")], json!({"keepalive": 9})).await;
    assert_eq!(stale.status, 412);
}

#[tokio::test]
async fn an_edit_before_the_rebuild_is_drift_after_it_and_never_written_over_unseen() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    let vhost = world.vhost("a.example", Some(pool)).await;
    let text = world.gateway.live()["vhosts/a.example.conf"].clone();
    world.gateway.edit(
        "vhosts/a.example.conf",
        &text.replace("server_name a.example;", "server_name a.example;\n    etag off;"),
    );
    let again = world.without_database();
    again.post("/api/config/rebuild-from-disk", Value::Null).await.expect(200);
    let drift = drifted(&again).await;
    assert_eq!(drift.len(), 1, "{drift:?}");
    assert_eq!(drift[0]["path"], again.gateway.full("vhosts/a.example.conf"));
    let body = json!({"path_prefix": "/b-1/", "pool_id": pool});
    assert_eq!(again.post(&format!("/api/vhosts/{vhost}/routes"), body).await.status, 409);
    assert!(again.gateway.live()["vhosts/a.example.conf"].contains("etag off;"));
}

#[tokio::test]
async fn ids_are_not_given_again_after_the_database_was_lost() {
    let world = World::start().await;
    let (_, last) = (world.pool("a").await, world.pool("b").await);
    world.delete(&format!("/api/pools/{last}")).await.expect(204);
    let again = world.without_database();
    again.post("/api/config/rebuild-from-disk", Value::Null).await.expect(200);
    let next = again.post("/api/pools", json!({"name": "c"})).await.expect(201)["id"].as_i64().unwrap();
    assert!(next > last, "{next}");
}

#[tokio::test]
async fn a_file_that_is_lost_with_the_database_is_missed() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    world.vhost("a.example", Some(pool)).await;
    std::fs::remove_file(world.gateway.root().join("pools/p.conf")).unwrap();
    let again = world.without_database();
    let told = again.post("/api/config/rebuild-from-disk", Value::Null).await.expect(200);
    let warning = told["warnings"][0].as_str().unwrap();
    assert!(warning.contains("pools/p.conf is missing"), "{told}");
    assert_eq!(drifted(&again).await.len(), 1);
    again.post("/api/config/rebuild", Value::Null).await.expect(200);
    assert_eq!(again.gateway.live()["pools/p.conf"], world_text(&again).await);
}

async fn world_text(world: &World) -> String {
    world.get("/api/config/preview/pool/1").await.expect(200)["content"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_rebuild_waits_while_a_migration_holds_writes() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    let vhost = world.vhost("a.example", Some(pool)).await;
    let side = || Named { id: PoolId(pool), name: "p".to_owned() };
    let migration = Migration {
        id: MigrationId(1),
        revision: Revision::NEW,
        vhost: Named { id: VhostId(vhost), name: "a.example".to_owned() },
        bucket: BucketName::parse("photos").unwrap(),
        source: side(),
        destination: side(),
        mode: MigrationMode::Copy,
        phase: Phase::Switching,
        route_id: None,
        needs_adoption: false,
        objects_total: 0,
        objects_done: 0,
        bytes_total: 0,
        bytes_done: 0,
        error_msg: None,
        started_at: None,
        finished_at: None,
        orphan: None,
        swept_http_vhosts: Vec::new(),
        updated_http_vhosts: Vec::new(),
        created_at: moment(0),
        work: Work::default(),
    };
    let saved = world.store.write(move |tx| tx.save_migration(migration)).await.unwrap();
    let before = world.everything().await;
    let detail = world.post("/api/config/rebuild-from-disk?force=true", Value::Null).await.detail(409);
    assert!(detail.contains("switching") && detail.contains("photos"), "{detail}");
    assert_eq!(world.everything().await, before);
    let done = Migration { phase: Phase::Cancelled, ..saved };
    world.store.write(move |tx| tx.save_migration(done)).await.unwrap();
    world.post("/api/config/rebuild-from-disk?force=true", Value::Null).await.expect(200);
}

#[tokio::test]
async fn f19_a_rebuild_that_fails_on_its_way_leaves_the_database_as_it_was() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    world.vhost("a.example", Some(pool)).await;
    // The sidecar is to be written, and its place on the way is taken.
    std::fs::remove_file(world.gateway.root().join("pools/p.meta.json")).unwrap();
    let in_the_way = world.gateway.root().join(".nanio/staging/pools/p.meta.json.tmp/full");
    std::fs::create_dir_all(&in_the_way).unwrap();
    let before = world.everything().await;
    let detail = world.post("/api/config/rebuild-from-disk?force=true", Value::Null).await.detail(500);
    assert!(detail.contains("p.meta.json"), "{detail}");
    assert_eq!(world.everything().await, before);
    std::fs::remove_dir_all(in_the_way.parent().unwrap()).unwrap();
    world.post("/api/config/rebuild-from-disk?force=true", Value::Null).await.expect(200);
    assert!(world.gateway.live().contains_key("pools/p.meta.json"));
}
