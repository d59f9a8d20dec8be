//! F03: what anybody is served from is not purged, and nobody is served from what is being purged.

use nanio_orchestrator::domain::bucket::BucketName;
use nanio_orchestrator::domain::ids::{MigrationId, PoolId, Revision, VhostId};
use nanio_orchestrator::domain::migration::token::{GateStage, MigrationGate, Token};
use nanio_orchestrator::domain::migration::work::{Comparison, Work};
use nanio_orchestrator::domain::migration::{Migration, MigrationMode, Named, Phase};
use nanio_orchestrator::domain::time::Timestamp;
use serde_json::{Value, json};

use super::world::World;

/// A gateway whose vhost has the pool `new` as its default, and a pool `old`, from which nobody is served.
struct Scene {
    world: World,
    old: i64,
    new: i64,
    vhost: i64,
}

impl Scene {
    async fn set() -> Self {
        let world = World::start().await;
        let (old, new) = (world.pool_at("old", "10.0.0.1:9000").await, world.pool_at("new", "10.0.0.2:9000").await);
        let vhost = world.vhost("s3.example", Some(new)).await;
        for key in ["a", "b", "c"] {
            world.buckets.put("photos", key, 1);
        }
        world.buckets.begin_upload("photos", "d", "1");
        Self { world, old, new, vhost }
    }

    /// A purge of the old pool's copy is refused for this reason, and nothing is deleted; once `free` is done, it is not.
    async fn served_by(&self, who: &str) {
        let path = format!("/api/pools/{}/buckets/photos/purge", self.old);
        let detail = self.world.post(&path, Value::Null).await.detail(409);
        assert!(detail.contains(&format!("served by {who}")), "{detail}");
        assert_eq!((self.world.buckets.objects_in("photos"), self.world.buckets.uploads_in("photos")), (3, 1), "{who}");
        assert_eq!(self.world.get("/api/jobs").await.expect(200), json!([]), "{who}");
    }

    /// What a pool says of the bucket: its status, and the migration that needs it.
    async fn told(&self, pool: i64) -> (Value, Value) {
        let held = self.world.get(&format!("/api/pools/{pool}/buckets/status")).await.expect(200);
        let bucket = &held["buckets"][0];
        assert_eq!(bucket["bucket"], "photos");
        (bucket["status"].clone(), bucket["migration_id"].clone())
    }

    async fn is_free(&self) {
        let path = format!("/api/pools/{}/buckets/photos/purge", self.old);
        assert_eq!(self.world.post(&path, Value::Null).await.expect(200)["deleted"], 3);
        assert_eq!((self.world.buckets.objects_in("photos"), self.world.buckets.uploads_in("photos")), (0, 0));
    }

    async fn migration(&self, change: impl FnOnce(&mut Migration)) {
        let named = |id: i64, name: &str| Named { id: PoolId(id), name: name.to_owned() };
        let mut migration = Migration {
            id: MigrationId(1),
            revision: Revision::NEW,
            vhost: Named { id: VhostId(self.vhost), name: "s3.example".to_owned() },
            bucket: BucketName::parse("photos").unwrap(),
            source: named(self.old, "old"),
            destination: named(self.new, "new"),
            mode: MigrationMode::Copy,
            phase: Phase::Copying,
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
            created_at: Timestamp::UNKNOWN,
            work: Work::default(),
        };
        change(&mut migration);
        self.world.store.write(move |tx| tx.save_migration(migration)).await.unwrap();
    }
}

#[tokio::test]
async fn f03_what_a_route_serves_is_not_purged() {
    let scene = Scene::set().await;
    let route = scene.world.route(scene.vhost, "/photos/", scene.old).await;
    scene.served_by("route /photos/ of vhost s3.example (pool old)").await;
    scene.world.delete(&format!("{route}?allow_orphan=true")).await.expect(204);
    scene.is_free().await;
}

#[tokio::test]
async fn f03_what_a_disabled_route_would_serve_again_is_not_purged() {
    let scene = Scene::set().await;
    let route = scene.world.route(scene.vhost, "/photos/", scene.old).await;
    scene.world.put(&route, json!({"enabled": false, "allow_orphan": true})).await.expect(200);
    scene.served_by("route /photos/ of vhost s3.example (pool old), which is disabled").await;
}

#[tokio::test]
async fn f03_a_bucket_of_which_a_route_serves_a_part_is_not_purged() {
    let scene = Scene::set().await;
    scene.world.route(scene.vhost, "/photos/2024/", scene.old).await;
    scene.served_by("route /photos/2024/ of vhost s3.example (pool old)").await;
    // Names that only begin so are other buckets.
    let scene = Scene::set().await;
    for other in ["/photos-old/", "/photos2/", "/photo/"] {
        scene.world.route(scene.vhost, other, scene.old).await;
    }
    scene.is_free().await;
}

#[tokio::test]
async fn f03_what_a_default_pool_serves_is_not_purged_unless_a_route_takes_it_elsewhere() {
    let scene = Scene::set().await;
    let body = json!({"default_pool_id": scene.old, "allow_orphan": true});
    let vhost = format!("/api/vhosts/{}", scene.vhost);
    scene.world.put(&vhost, body).await.expect(200);
    scene.served_by("the default pool old of vhost s3.example").await;
    scene.world.put(&vhost, json!({"enabled": false})).await.expect(200);
    scene.served_by("the default pool old of vhost s3.example, which is disabled").await;
    let route = scene.world.route(scene.vhost, "/photos/", scene.new).await;
    scene.world.put(&route, json!({"enabled": false, "allow_orphan": true})).await.expect(200);
    scene.served_by("the default pool old of vhost s3.example, which is disabled").await;
    scene.world.put(&route, json!({"enabled": true, "allow_orphan": true})).await.expect(200);
    scene.is_free().await;
}

#[tokio::test]
async fn f03_what_a_migration_reads_or_writes_is_not_purged_until_it_has_ended() {
    for phase in [Phase::Pending, Phase::Copying, Phase::WriteRouting, Phase::Verifying, Phase::Switching] {
        let scene = Scene::set().await;
        scene.migration(|migration| migration.phase = phase).await;
        scene.served_by("migration 1, which reads it there").await;
    }
    let scene = Scene::set().await;
    scene.migration(|migration| std::mem::swap(&mut migration.source, &mut migration.destination)).await;
    scene.served_by("migration 1, which writes it there").await;
    // Switched, but uploads that began on the source still go there.
    let scene = Scene::set().await;
    let gate = MigrationGate {
        token: Token::parse("0123456789abcdef0123456789abcdef").unwrap(),
        stage: GateStage::Settled,
        source_uploads: vec!["an upload".to_owned()],
    };
    scene.migration(|migration| (migration.phase, migration.work.gate) = (Phase::Done, Some(gate))).await;
    scene.served_by("migration 1, which reads it there").await;
    // Both sides are still being compared.
    let scene = Scene::set().await;
    scene
        .migration(|migration| (migration.phase, migration.work.audit) = (Phase::Done, Some(Comparison::Pending)))
        .await;
    scene.served_by("migration 1, which reads it there").await;
    // A split that 0.4.x has left in nginx, with whatever came of its migration.
    let scene = Scene::set().await;
    scene.migration(|migration| (migration.phase, migration.needs_adoption) = (Phase::Error, true)).await;
    scene.served_by("migration 1, which reads it there").await;
    for phase in [Phase::Done, Phase::Error, Phase::Cancelled] {
        let scene = Scene::set().await;
        scene.migration(|migration| migration.phase = phase).await;
        scene.is_free().await;
    }
    let scene = Scene::set().await;
    scene.migration(|migration| migration.bucket = BucketName::parse("music").unwrap()).await;
    scene.is_free().await;
}

#[tokio::test]
async fn f03_what_is_shown_through_an_http_pool_is_not_purged() {
    let scene = Scene::set().await;
    let world = &scene.world;
    let web = world.http_pool("web").await;
    let link = |source: Option<i64>| json!({"source_nanio_pool_id": source});
    world.put(&format!("/api/pools/{web}"), link(Some(scene.old))).await.expect(200);
    let cdn = world.vhost("cdn.example", Some(web)).await;
    scene.served_by("the default pool web of vhost cdn.example").await;
    // Its own route, to a pool with other objects, takes the bucket from it.
    let other = world.http_pool("other").await;
    world.route(cdn, "/photos/", other).await;
    let routes = format!("/api/vhosts/{cdn}/routes");
    for (prefix, key_prefix) in [("/pictures/", "photos/"), ("/p/", "pho")] {
        let body = json!({"path_prefix": prefix, "pool_id": web, "key_prefix": key_prefix});
        let id = world.post(&routes, body).await.expect(201)["id"].clone();
        scene.served_by(&format!("route {prefix} of vhost cdn.example (pool web)")).await;
        world.delete(&format!("{routes}/{id}")).await.expect(204);
    }
    scene.is_free().await;
}

#[tokio::test]
async fn f03_pools_that_share_a_storage_node_hold_the_same_objects() {
    let scene = Scene::set().await;
    let twin = scene.world.pool_at("twin", "10.0.0.1:9000").await;
    scene.world.route(scene.vhost, "/photos/", twin).await;
    scene.served_by("route /photos/ of vhost s3.example (pool twin)").await;
    // Asked at an address that is another pool's member.
    let scene = Scene::set().await;
    let keys = json!({"access_key": "a", "secret_key": "s", "endpoint_url": "http://10.0.0.2:9000/"});
    scene.world.put(&format!("/api/pools/{}/credentials", scene.old), keys).await.expect(200);
    scene.served_by("the default pool new of vhost s3.example").await;
}

#[tokio::test]
async fn f03_while_a_bucket_is_purged_no_change_can_make_anybody_depend_on_it() {
    let scene = Scene::set().await;
    let Scene { world, old, new, vhost } = &scene;
    let other = world.route(*vhost, "/music/", *new).await;
    let spare = world.pool_at("spare", "10.0.0.9:9000").await;
    let route_to_spare = world.route(*vhost, "/photos/", spare).await;
    for number in 0..1500 {
        world.buckets.put("photos", &format!("n{number}"), 1);
    }
    let held = world.buckets.hold_deletions().await;
    let purge = format!("/api/pools/{old}/buckets/photos/purge");
    let job = world.post(&purge, Value::Null).await.expect(202);
    let before = world.everything().await;

    let member = |pool: i64| format!("/api/pools/{pool}/members");
    let spare_member = world.get(&member(spare)).await.expect(200)[0]["id"].clone();
    let new_vhost = json!({"server_name": "b.example", "listen_port": 80, "ssl": false, "default_pool_id": old});
    let changes = [
        ("PUT", route_to_spare.clone(), json!({"pool_id": old, "allow_orphan": true})),
        (
            "POST",
            format!("/api/vhosts/{vhost}/routes"),
            json!({"path_prefix": "/photos/a/", "pool_id": old, "allow_orphan": true}),
        ),
        ("PUT", other.clone(), json!({"path_prefix": "/photos/a/", "pool_id": old, "allow_orphan": true})),
        ("POST", "/api/vhosts".to_owned(), new_vhost),
        ("PUT", format!("{}/{spare_member}", member(spare)), json!({"address": "10.0.0.1:9000"})),
        ("POST", member(spare), json!({"address": "10.0.0.1:9000"})),
        ("DELETE", format!("/api/pools/{old}"), Value::Null),
        ("POST", purge.clone(), Value::Null),
    ];
    for (method, path, body) in changes {
        let detail = world.ask(method, &path, &[], body).await.detail(409);
        assert!(detail.contains("bucket photos of pool old is being purged"), "{method} {path}: {detail}");
        assert!(detail.contains(&format!("job {}", job["job_id"])), "{detail}");
    }
    // The default pool serves what no route takes from it.
    let to_old = json!({"default_pool_id": old, "allow_orphan": true});
    world.put(&format!("/api/vhosts/{vhost}"), to_old.clone()).await.expect(200);
    let detail = world.delete(&format!("{route_to_spare}?allow_orphan=true")).await.detail(409);
    assert!(detail.contains("would be served by the default pool old of vhost s3.example"), "{detail}");
    world.put(&format!("/api/vhosts/{vhost}"), json!({"default_pool_id": new, "allow_orphan": true})).await.expect(200);
    let after = world.everything().await;
    assert_eq!(after.1.len(), before.1.len());
    // Whatever has nothing to do with it goes on.
    world.route(*vhost, "/videos/", *old).await;
    world.pool_at("another", "10.0.0.7:9000").await;

    drop(held);
    assert_eq!(world.ended(&job).await["state"], "done");
    assert_eq!(world.buckets.objects_in("photos"), 0);
    world.put(&route_to_spare, json!({"pool_id": old, "allow_orphan": true})).await.expect(200);
}

#[tokio::test]
async fn f03_a_pool_names_the_migration_that_needs_a_bucket_of_it_and_calls_the_bucket_nobodys_only_afterwards() {
    let scene = Scene::set().await;
    assert_eq!(scene.told(scene.old).await, (json!("unrouted"), Value::Null));
    scene.migration(|migration| std::mem::swap(&mut migration.source, &mut migration.destination)).await;
    assert_eq!(scene.told(scene.old).await, (json!("migrating"), json!(1)));
    assert_eq!(scene.told(scene.new).await, (json!("via_default"), json!(1)), "who serves it is told as well");
    scene.served_by("migration 1, which writes it there").await;
    let scene = Scene::set().await;
    scene.migration(|migration| migration.phase = Phase::Cancelled).await;
    assert_eq!(scene.told(scene.old).await, (json!("unrouted"), Value::Null));
}
