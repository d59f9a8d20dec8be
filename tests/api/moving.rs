//! A bucket that is being moved stays so in nginx, whatever else is changed.

use nanio_orchestrator::domain::bucket::BucketName;
use nanio_orchestrator::domain::ids::{MigrationId, PoolId};
use nanio_orchestrator::domain::migration::token::{GateStage, MigrationGate, Token};
use nanio_orchestrator::domain::migration::work::{MigrationKind, Work};
use nanio_orchestrator::domain::migration::{Migration, Named};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::world::World;
use crate::support::values;

const S3: &str = "vhosts/a.example.conf";
const HTTP: &str = "vhosts/web.example.conf";

struct Rig {
    world: World,
    source: i64,
    destination: i64,
    vhost: i64,
    web: i64,
}

impl Rig {
    /// Bucket `bkt` is on the default pool of an S3 vhost, and is read through an http vhost.
    async fn start() -> Self {
        let world = World::start().await;
        let (source, destination) = (world.pool("src").await, world.pool("dst").await);
        for (name, linked) in [("dst-web-2", destination), ("src-web", source), ("dst-web", destination)] {
            let pool = world.http_pool(name).await;
            world.put(&format!("/api/pools/{pool}"), json!({"source_nanio_pool_id": linked})).await.expect(200);
        }
        let vhost = world.vhost("a.example", Some(source)).await;
        let web = world.vhost("web.example", Some(4)).await;
        Self { world, source, destination, vhost, web }
    }

    /// The database says that `bkt` is at this stage; nothing is published yet.
    async fn record(&self, kind: MigrationKind, gate: Option<(GateStage, &[&str])>) {
        let any = values::migration::migration().new_tree(&mut TestRunner::deterministic()).unwrap().current();
        let gate = gate.map(|(stage, uploads)| MigrationGate {
            token: Token::parse(&"7".repeat(32)).unwrap(),
            stage,
            source_uploads: uploads.iter().map(|upload| (*upload).to_owned()).collect(),
        });
        let pool = |id: i64, name: &str| Named { id: PoolId(id), name: name.to_owned() };
        let (source, destination) = (pool(self.source, "src"), pool(self.destination, "dst"));
        self.world
            .store
            .write(move |tx| {
                let known = tx.migration(MigrationId(9))?;
                tx.save_migration(Migration {
                    id: MigrationId(9),
                    revision: known.map_or(any.revision, |known| known.revision),
                    bucket: BucketName::parse("bkt").unwrap(),
                    source,
                    destination,
                    needs_adoption: false,
                    work: Work { kind, gate, ..Work::default() },
                    ..any
                })
            })
            .await
            .unwrap();
    }

    /// Changes a route of the S3 vhost that has nothing to do with the bucket.
    async fn route(&self, prefix: &str) {
        self.try_route(prefix, self.destination).await.expect(201);
    }

    async fn try_route(&self, prefix: &str, pool: i64) -> super::world::Answer {
        let body = json!({"path_prefix": prefix, "pool_id": pool, "allow_orphan": true});
        self.world.post(&format!("/api/vhosts/{}/routes", self.vhost), body).await
    }

    /// What a file says of moves.
    fn told(&self, file: &str) -> Vec<String> {
        let live = self.world.gateway.live();
        let told = |line: &&str| line.starts_with("# migration_id:") || line.starts_with("# upload_of:");
        live[file].lines().filter(told).map(|line| line.replace(&"7".repeat(32), "T")).collect()
    }
}

/// Where copies from other buckets go while they can be made on one side only.
const COPIED: &str = "@nanio_77777777777777777777777777777777_copied;";
const GATED: &str = "# migration_id:9 bucket:bkt from:src to:dst stage:gated token:T";

#[tokio::test]
async fn every_change_of_a_vhost_says_again_which_of_its_buckets_are_moving() {
    let rig = Rig::start().await;
    rig.route("/first/").await;
    rig.record(MigrationKind::Move, Some((GateStage::Gated, &["u"]))).await;
    // A route alone, whose server block is known; the vhost; everything.
    rig.route("/second/").await;
    assert_eq!(rig.told(S3), [GATED]);
    assert!(rig.world.gateway.live()[S3].contains(COPIED));
    let vhost = format!("/api/vhosts/{}", rig.vhost);
    rig.world.put(&vhost, json!({"extra_directives": "add_header X-A 1;"})).await.expect(200);
    assert_eq!(rig.told(S3), [GATED]);
    assert_eq!(rig.told(HTTP), Vec::<String>::new());
    rig.world.post("/api/config/rebuild", Value::Null).await.expect(200);
    assert_eq!(rig.told(S3), [GATED]);
    // The linked http pool with the lowest id.
    let linked = GATED.replace("from:src to:dst", "from:src-web to:dst-web-2");
    assert_eq!(rig.told(HTTP), [linked]);
    let pools = rig.world.get("/api/pools").await.expect(200);
    let names: Vec<_> = pools.as_array().unwrap().iter().map(|pool| pool["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"dst-web-2"), "{names:?}");

    rig.record(MigrationKind::Move, None).await;
    rig.route("/third/").await;
    assert_eq!(rig.told(S3), Vec::<String>::new());
    let web = format!("/api/vhosts/{}", rig.web);
    rig.world.put(&web, json!({"extra_directives": "add_header X-A 1;"})).await.expect(200);
    assert_eq!(rig.told(HTTP), Vec::<String>::new());
}

#[tokio::test]
async fn a_settled_move_is_told_only_while_uploads_of_the_source_are_open_and_only_where_the_destination_serves() {
    let rig = Rig::start().await;
    rig.record(MigrationKind::Move, Some((GateStage::Settled, &["u 1", "v"]))).await;
    rig.route("/first/").await;
    assert_eq!(rig.told(S3), Vec::<String>::new());
    rig.route("/bkt/").await;
    let settled = GATED.replace("gated", "settled");
    assert_eq!(rig.told(S3), [settled.as_str(), "# upload_of:9 upload:u%201", "# upload_of:9 upload:v"]);
    rig.record(MigrationKind::Move, Some((GateStage::Settled, &[]))).await;
    rig.route("/second/").await;
    assert_eq!(rig.told(S3), Vec::<String>::new());
}

#[tokio::test]
async fn a_back_fill_is_journaled_where_the_bucket_is_and_never_switched() {
    let rig = Rig::start().await;
    rig.record(MigrationKind::BackFill, Some((GateStage::Gated, &[]))).await;
    rig.route("/bkt/").await;
    assert_eq!(rig.told(S3), [GATED.replace("from:src", "from:dst")]);
    rig.world.post("/api/config/rebuild", Value::Null).await.expect(200);
    assert_eq!(rig.told(HTTP), Vec::<String>::new());
    // Copies into the bucket ask the gate as any write, since there is no switch between two pools.
    assert!(!rig.world.gateway.live()[S3].contains(COPIED));
}

#[tokio::test]
async fn a_route_that_serves_a_part_of_a_moving_bucket_from_the_source_is_refused() {
    let rig = Rig::start().await;
    rig.record(MigrationKind::Move, Some((GateStage::Gated, &[]))).await;
    let before = rig.world.everything().await;
    let detail = rig.try_route("/bkt/logs/", rig.source).await.detail(409);
    assert!(detail.contains("/bkt/logs/") && detail.contains("migration 9"), "{detail}");
    assert_eq!(rig.world.everything().await, before);
    // Another pool has its part of the bucket for itself.
    rig.try_route("/bkt/logs/", rig.destination).await.expect(201);
    assert_eq!(rig.told(S3), [GATED]);
    rig.try_route("/bktx/logs/", rig.source).await.expect(201);
}

#[tokio::test]
async fn the_pools_of_a_moving_bucket_keep_their_names() {
    let rig = Rig::start().await;
    rig.record(MigrationKind::Move, Some((GateStage::Gated, &[]))).await;
    let before = rig.world.everything().await;
    for pool in [rig.source, rig.destination, 3, 4] {
        let path = format!("/api/pools/{pool}");
        let detail = rig.world.put(&path, json!({"name": "another"})).await.detail(409);
        assert!(detail.contains("migration 9") && detail.contains("bkt"), "{detail}");
    }
    rig.world.delete(&format!("/api/pools/{}", rig.destination)).await.detail(409);
    assert_eq!(rig.world.everything().await, before);
    rig.world.put(&format!("/api/pools/{}", rig.destination), json!({"keepalive": 7})).await.expect(200);
    rig.record(MigrationKind::Move, None).await;
    rig.world.put(&format!("/api/pools/{}", rig.destination), json!({"name": "another"})).await.expect(200);
}

#[tokio::test]
async fn no_pool_has_the_name_of_the_relay() {
    let world = World::start().await;
    let answer = world.post("/api/pools", json!({"name": "Nanio_Relay", "type": "nanio"})).await;
    assert_eq!(answer.faults()[0].1, "body.name");
}
