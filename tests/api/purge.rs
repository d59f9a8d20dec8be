//! Purges: what they answer, what they leave, and the jobs that do them.

use nanio_orchestrator::adapters::migration_files::MigrationDirectory;
use nanio_orchestrator::domain::bucket::BucketName;
use nanio_orchestrator::domain::ids::{MigrationId, PoolId, Revision, VhostId};
use nanio_orchestrator::domain::migration::work::Work;
use nanio_orchestrator::domain::migration::{Migration, MigrationMode, Named, Orphan, Phase};
use nanio_orchestrator::domain::pool::Address;
use nanio_orchestrator::domain::time::Timestamp;
use nanio_orchestrator::ports::migration_files::MigrationFiles;
use serde_json::{Value, json};

use super::world::World;

fn fill(world: &World, bucket: &str, objects: usize) {
    for number in 0..objects {
        world.buckets.put(bucket, &format!("k/{number:06}"), 1);
    }
}

/// What the audit log says of purges, oldest first.
async fn entries(world: &World) -> Vec<Value> {
    let all = world.get("/api/audit?per_page=200").await.expect(200);
    let mut purges: Vec<Value> =
        all.as_array().unwrap().iter().filter(|entry| !entry["after_json"].is_null()).cloned().collect();
    purges.retain(|entry| ["pool_bucket_purge", "purge_orphan"].contains(&entry["action"].as_str().unwrap()));
    purges.reverse();
    purges
}

fn after(entry: &Value) -> Value {
    serde_json::from_str(entry["after_json"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_small_bucket_is_empty_when_the_answer_comes() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    fill(&world, "photos", 1000);
    fill(&world, "music", 1);
    let path = format!("/api/pools/{pool}/buckets/photos/purge");
    let expected = |count: u64| json!({"ok": true, "pool_id": pool, "bucket": "photos", "deleted": count, "total": count, "errors": []});
    assert_eq!(world.post(&path, Value::Null).await.expect(200), expected(1000));
    assert_eq!((world.buckets.objects_in("photos"), world.buckets.objects_in("music")), (0, 1));
    let told = entries(&world).await;
    assert_eq!(told.len(), 2);
    for (entry, state) in told.iter().zip(["pending", "done"]) {
        assert_eq!(
            (&entry["entity_type"], &entry["entity_id"], &entry["actor"]),
            (&json!("pool"), &json!(pool), &json!("api"))
        );
        assert_eq!((&after(entry)["state"], &after(entry)["bucket"]), (&json!(state), &json!("photos")));
    }
    assert_eq!(after(&told[1])["deleted"], 1000);
    // The bucket is still there; once more is no fault.
    assert_eq!(world.post(&path, Value::Null).await.expect(200), expected(0));
}

#[tokio::test]
async fn a_large_bucket_is_left_to_a_job() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    fill(&world, "photos", 2500);
    let answer = world.post(&format!("/api/pools/{pool}/buckets/photos/purge"), Value::Null).await;
    assert_eq!(answer.status, 202);
    let place = answer.header("location").unwrap().to_owned();
    let begun = answer.json();
    assert_eq!((begun.as_object().unwrap().len(), &place), (1, &format!("/api/jobs/{}", begun["job_id"])));
    let job = world.ended(&begun).await;
    let told = |name: &str| job[name].clone();
    assert_eq!((told("kind"), told("state"), told("message")), (json!("purge"), json!("done"), Value::Null));
    assert_eq!(
        (told("done"), told("total"), told("failed"), told("errors")),
        (json!(2500), json!(2500), json!(0), json!([]))
    );
    assert_eq!((told("pool_id"), told("pool_name"), told("bucket")), (json!(pool), json!("p"), json!("photos")));
    assert_eq!((told("actor"), told("vhost_id")), (json!("api"), Value::Null));
    assert_eq!(world.buckets.objects_in("photos"), 0);
    assert_eq!(world.get("/api/jobs").await.expect(200), json!([job]));
    assert_eq!(world.get("/api/jobs?limit=1").await.expect(200), json!([job]));
    assert_eq!(world.get("/api/jobs/99").await.detail(404), "Job not found");
    assert_eq!(
        world.get("/api/jobs?limit=0").await.faults(),
        [("greater_than_equal".to_owned(), "query.limit".to_owned())]
    );
}

#[tokio::test]
async fn a_hundred_thousand_objects_take_a_twentieth_as_many_requests_at_most() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    fill(&world, "photos", 100_000);
    let before = world.buckets.requests();
    let begun = world.post(&format!("/api/pools/{pool}/buckets/photos/purge"), Value::Null).await.expect(202);
    assert_eq!(world.ended(&begun).await["done"], 100_000);
    let requests = world.buckets.requests() - before;
    assert!(requests <= 100_000 / 20, "{requests} requests");
}

#[tokio::test]
async fn what_cannot_be_deleted_is_named_and_the_rest_is_gone() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    fill(&world, "photos", 50);
    for number in 10..40 {
        world.buckets.lock("photos", &format!("k/{number:06}"));
    }
    let told = world.post(&format!("/api/pools/{pool}/buckets/photos/purge"), Value::Null).await.expect(200);
    assert_eq!((&told["ok"], &told["deleted"], &told["total"]), (&json!(false), &json!(20), &json!(50)));
    let errors = told["errors"].as_array().unwrap();
    assert_eq!((errors.len(), &errors[0]), (20, &json!("k/000010")));
    let job = world.get("/api/jobs").await.expect(200)[0].clone();
    assert_eq!((&job["state"], &job["message"]), (&json!("failed"), &json!("30 objects could not be deleted")));
    assert_eq!(job["errors"][0], json!({"what": "k/000010", "why": "AccessDenied"}));
    assert_eq!(world.buckets.objects_in("photos"), 30);
}

#[tokio::test]
async fn f36_nodes_that_do_not_answer_are_a_502_and_nothing_stays_recorded() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    fill(&world, "photos", 3);
    let node = Address::parse("10.0.0.1:9000").unwrap();
    world.buckets.fail(&node, "no connection");
    let path = format!("/api/pools/{pool}/buckets/photos/purge");
    let detail = world.post(&path, Value::Null).await.detail(502);
    assert!(detail.contains("10.0.0.1:9000: no connection") && detail.contains("Repeat the purge"), "{detail}");
    world.buckets.recover(&node);
    assert_eq!(world.post(&path, Value::Null).await.expect(200)["deleted"], 3);
    let detail = world.post(&format!("/api/pools/{pool}/buckets/nothing/purge"), Value::Null).await.detail(502);
    assert!(detail.contains("NoSuchBucket"), "{detail}");
}

#[tokio::test]
async fn purges_that_make_no_sense_are_refused() {
    let world = World::start().await;
    let (pool, web) = (world.pool("p").await, world.http_pool("web").await);
    let bare = world.post("/api/pools", json!({"name": "bare"})).await.expect(201)["id"].as_i64().unwrap();
    let purge = |pool: i64, bucket: &str| format!("/api/pools/{pool}/buckets/{bucket}/purge");
    assert_eq!(world.post(&purge(99, "b"), Value::Null).await.detail(404), "Pool not found");
    assert!(world.post(&purge(web, "b"), Value::Null).await.detail(400).contains("of type http"));
    assert!(world.post(&purge(bare, "b"), Value::Null).await.detail(400).contains("no enabled members"));
    let faults = world.post(&purge(pool, "b%20c"), Value::Null).await.faults();
    assert_eq!(faults, [("string_pattern_mismatch".to_owned(), "path.bucket".to_owned())]);

    let orphan = |vhost: i64, bucket: &str| format!("/api/vhosts/{vhost}/buckets/{bucket}/purge-orphan");
    let (vhost, empty) = (world.vhost("a.example", Some(pool)).await, world.vhost("b.example", None).await);
    assert_eq!(world.post(&orphan(99, "b"), Value::Null).await.detail(404), "Vhost not found");
    assert!(world.post(&orphan(empty, "b"), Value::Null).await.detail(400).contains("no default pool"));
    assert!(world.post(&orphan(vhost, "b"), Value::Null).await.detail(400).contains("has no route of its own"));
}

#[tokio::test]
async fn f03_the_orphan_of_a_routed_bucket_is_purged_and_never_the_bucket_itself() {
    let world = World::start().await;
    let (old, new) = (world.pool_at("old", "10.0.0.1:9000").await, world.pool_at("new", "10.0.0.2:9000").await);
    let vhost = world.vhost("s3.example", Some(old)).await;
    fill(&world, "photos", 3);
    let route = world.route(vhost, "/photos/", old).await;
    let purge = format!("/api/vhosts/{vhost}/buckets/photos/purge-orphan");
    // Routed to the default pool itself.
    assert!(world.post(&purge, Value::Null).await.detail(409).contains("served by route /photos/"));
    assert_eq!(world.buckets.objects_in("photos"), 3);
    world.put(&route, json!({"pool_id": new, "allow_orphan": true})).await.expect(200);
    let told = world.post(&purge, Value::Null).await.expect(200);
    assert_eq!(told, json!({"ok": true, "bucket": "photos", "deleted": 3, "total": 3, "errors": []}));
    let told = entries(&world).await.pop().unwrap();
    assert_eq!(
        (&told["action"], &told["entity_type"], &told["entity_id"]),
        (&json!("purge_orphan"), &json!("bucket"), &json!(vhost))
    );
    assert_eq!(world.get("/api/jobs").await.expect(200)[0]["vhost_id"], vhost);
}

#[tokio::test]
async fn a_job_that_is_cancelled_ends_before_its_next_page() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    fill(&world, "photos", 3500);
    let held = world.buckets.hold_deletions().await;
    let begun = world.post(&format!("/api/pools/{pool}/buckets/photos/purge"), Value::Null).await.expect(202);
    let cancel = format!("/api/jobs/{}/cancel", begun["job_id"]);
    assert_eq!(world.post(&cancel, Value::Null).await.expect(200)["state"], "cancelling");
    drop(held);
    let job = world.ended(&begun).await;
    assert_eq!((&job["state"], &job["done"], &job["total"]), (&json!("cancelled"), &json!(1000), &json!(3500)));
    assert_eq!(world.buckets.objects_in("photos"), 2500);
    assert!(world.post(&cancel, Value::Null).await.detail(400).contains("it is cancelled"));
    assert_eq!(world.post("/api/jobs/99/cancel", Value::Null).await.detail(404), "Job not found");
    // It can be asked for again.
    let again = world.post(&format!("/api/pools/{pool}/buckets/photos/purge"), Value::Null).await.expect(202);
    assert_eq!(world.ended(&again).await["done"], 2500);
}

#[tokio::test]
async fn an_orphan_that_is_purged_is_one_no_more_and_its_record_says_so_on_disk_too() {
    let world = World::start().await;
    let (old, new) = (world.pool_at("old", "10.0.0.1:9000").await, world.pool_at("new", "10.0.0.2:9000").await);
    let named = |id: i64, name: &str| Named { id: PoolId(id), name: name.to_owned() };
    let done = |id: i64, bucket: &str, source: i64| Migration {
        id: MigrationId(id),
        revision: Revision::NEW,
        vhost: Named { id: VhostId(1), name: "s3.example".to_owned() },
        bucket: BucketName::parse(bucket).unwrap(),
        source: named(source, "s"),
        destination: named(new, "new"),
        mode: MigrationMode::Copy,
        phase: Phase::Done,
        route_id: None,
        needs_adoption: false,
        objects_total: 0,
        objects_done: 0,
        bytes_total: 0,
        bytes_done: 0,
        error_msg: None,
        started_at: None,
        finished_at: None,
        orphan: Some(Orphan {
            pool: named(source, "s"),
            prefix: format!("/{bucket}/"),
            since: Timestamp::UNKNOWN,
            purged_at: None,
        }),
        swept_http_vhosts: Vec::new(),
        updated_http_vhosts: Vec::new(),
        created_at: Timestamp::UNKNOWN,
        work: Work::default(),
    };
    let rows = [done(1, "photos", old), done(2, "music", old), done(3, "photos", new)];
    world.store.write(move |tx| rows.into_iter().try_for_each(|row| tx.save_migration(row).map(drop))).await.unwrap();
    for bucket in ["photos", "music"] {
        fill(&world, bucket, 2);
    }
    let status = format!("/api/pools/{old}/buckets/status");
    let standing = |body: Value, bucket: &str| {
        let buckets = body["buckets"].as_array().unwrap().clone();
        buckets.iter().find(|one| one["bucket"] == bucket).unwrap()["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(standing(world.get(&status).await.expect(200), "photos"), "orphaned");
    let purge = format!("/api/pools/{old}/buckets/photos/purge");
    // Something that stays keeps the orphan one.
    world.buckets.lock("photos", "k/000001");
    assert_eq!(world.post(&purge, Value::Null).await.expect(200)["ok"], false);
    assert_eq!(standing(world.get(&status).await.expect(200), "photos"), "orphaned");
    world
        .store
        .read(|tx| tx.migrations())
        .await
        .unwrap()
        .iter()
        .for_each(|row| assert!(row.orphan.as_ref().unwrap().purged_at.is_none()));

    // The node was mended: the same bucket without the lock.
    let bucket = BucketName::parse("photos").unwrap();
    world.buckets.unlock("photos", "k/000001");
    assert_eq!(world.post(&purge, Value::Null).await.expect(200)["deleted"], 1);
    let body = world.get(&status).await.expect(200);
    assert_eq!(
        (standing(body.clone(), "photos"), standing(body, "music")),
        ("unrouted".to_owned(), "orphaned".to_owned())
    );
    let rows = world.store.read(|tx| tx.migrations()).await.unwrap();
    let purged: Vec<i64> =
        rows.iter().filter(|row| row.orphan.as_ref().unwrap().purged_at.is_some()).map(|row| row.id.0).collect();
    assert_eq!(purged, [1]);
    let kept = MigrationDirectory::beside(&world.home("data/orchestrator.db")).read().await.unwrap();
    let record = kept[0].content.as_ref().unwrap();
    assert_eq!((kept.len(), &record.bucket, record.orphan.is_some()), (1, &bucket, true));
    assert!(record.purged_at.is_some());
}
