//! Buckets of vhosts as pools list them: found, gone, back, counted; whatever pools do, no route changes.

use nanio_orchestrator::domain::audit::Actor;
use nanio_orchestrator::domain::bucket::BucketName;
use nanio_orchestrator::domain::credential::Keys;
use nanio_orchestrator::domain::ids::{MigrationId, PoolId, Revision, VhostId};
use nanio_orchestrator::domain::migration::work::Work;
use nanio_orchestrator::domain::migration::{Migration, MigrationMode, Named, Orphan, Phase};
use nanio_orchestrator::domain::pool::Address;
use nanio_orchestrator::domain::services::buckets::Round;
use nanio_orchestrator::domain::time::Timestamp;
use nanio_orchestrator::ports::clock::Clock;
use serde_json::{Value, json};

use super::world::World;

pub fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// A nanio pool with one member at an address of its own; its id.
pub async fn pool_at(world: &World, name: &str, member: &Address) -> i64 {
    let pool = world.post("/api/pools", json!({"name": name})).await.expect(201)["id"].as_i64().unwrap();
    let member = json!({"address": member.as_str()});
    world.post(&format!("/api/pools/{pool}/members"), member).await.expect(201);
    pool
}

/// A vhost on pool `near`, with the buckets `plain` and `photos` there, and a pool `far`.
pub struct TwoPools {
    pub world: World,
    pub near: i64,
    pub far: i64,
    pub at_near: Address,
    pub at_far: Address,
    pub vhost: i64,
    /// `/api/vhosts/{vhost}`
    pub path: String,
}

impl TwoPools {
    pub async fn start() -> Self {
        let world = World::start().await;
        let (at_near, at_far) = (address("10.0.0.11:9000"), address("10.0.0.12:9000"));
        let (near, far) = (pool_at(&world, "near", &at_near).await, pool_at(&world, "far", &at_far).await);
        let vhost = world.vhost("s3.example", Some(near)).await;
        world.buckets.at(&at_near).make("plain").make("photos");
        world.buckets.at(&at_far);
        Self { near, far, at_near, at_far, vhost, path: format!("/api/vhosts/{vhost}"), world }
    }

    pub async fn sync(&self) -> Value {
        self.world.post(&format!("{}/buckets/sync", self.path), Value::Null).await.expect(200)
    }

    /// Name, status and pool of each bucket.
    pub async fn buckets(&self) -> Vec<(String, String, Option<i64>)> {
        let list = self.world.get(&format!("{}/buckets", self.path)).await.expect(200);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let buckets = list["buckets"].as_array().unwrap().iter();
        buckets.map(|one| (text(&one["name"]), text(&one["status"]), one["routed_pool_id"].as_i64())).collect()
    }

    pub async fn route(&self, prefix: &str, pool: i64) -> i64 {
        let body = json!({"path_prefix": prefix, "pool_id": pool, "allow_orphan": true});
        self.world.post(&format!("{}/routes", self.path), body).await.expect(201)["id"].as_i64().unwrap()
    }

    /// The record of a migration of `bucket` from `near` to `far`.
    pub async fn migration(&self, id: i64, bucket: &str, phase: Phase) {
        let (near, far) = (Named { id: PoolId(self.near), name: "near".to_owned() }, PoolId(self.far));
        let now = self.world.clock.now();
        let orphan = Orphan { pool: near.clone(), prefix: format!("/{bucket}/"), since: now, purged_at: None };
        let migration = Migration {
            id: MigrationId(id),
            revision: Revision::NEW,
            vhost: Named { id: VhostId(self.vhost), name: "s3.example".to_owned() },
            bucket: BucketName::parse(bucket).unwrap(),
            source: near,
            destination: Named { id: far, name: "far".to_owned() },
            mode: MigrationMode::Copy,
            phase,
            route_id: None,
            needs_adoption: false,
            objects_total: 0,
            objects_done: 0,
            bytes_total: 0,
            bytes_done: 0,
            error_msg: None,
            started_at: None,
            finished_at: None,
            orphan: (phase == Phase::Done).then_some(orphan),
            swept_http_vhosts: Vec::new(),
            updated_http_vhosts: Vec::new(),
            created_at: now,
            work: Work::default(),
        };
        self.world.store.write(move |tx| tx.save_migration(migration).map(drop)).await.unwrap();
    }
}

pub fn told(name: &str, status: &str, pool: Option<i64>) -> (String, String, Option<i64>) {
    (name.to_owned(), status.to_owned(), pool)
}

/// The actions of the log, newest first.
pub async fn actions(world: &World) -> Vec<String> {
    let log = world.get("/api/audit?per_page=200").await.expect(200);
    log.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn buckets_appear_are_gone_and_come_back_and_no_route_ever_changes() {
    let two = TwoPools::start().await;
    assert_eq!(two.buckets().await, []);
    let first = two.sync().await;
    assert_eq!((&first["buckets_found"], &first["buckets_new"], &first["error"]), (&json!(2), &json!(2), &Value::Null));
    assert_eq!(first["synced_at"], two.world.clock.now().iso());
    let unrouted = [told("photos", "unrouted", None), told("plain", "unrouted", None)];
    assert_eq!(two.buckets().await, unrouted);
    two.route("/photos/", two.far).await;
    let (_, files) = two.world.everything().await;
    let routes = two.world.get(&format!("{}/routes", two.path)).await.expect(200);
    // It is where its route leads that counts; nothing is there.
    assert_eq!(two.sync().await["buckets_deleted"], 1);
    assert_eq!(two.buckets().await, [told("photos", "deleted", Some(two.far)), told("plain", "unrouted", None)]);
    two.world.clock.advance(60);
    two.world.buckets.at(&two.at_far).make("photos").make("foreign");
    two.world.buckets.at(&two.at_near).remove("plain").remove("photos");
    two.sync().await;
    assert_eq!(two.buckets().await, [told("plain", "deleted", None), told("photos", "routed", Some(two.far))]);
    let list = two.world.get(&format!("{}/buckets", two.path)).await.expect(200);
    let now = two.world.clock.now().iso();
    assert_eq!((&list["last_synced_at"], &list["buckets"][1]["discovered_at"]), (&json!(now), &json!(now)));
    assert_eq!(list["buckets"][1]["pool_name"], "far");
    assert_eq!(two.world.everything().await.1, files);
    assert_eq!(two.world.get(&format!("{}/routes", two.path)).await.expect(200), routes);
}

#[tokio::test]
async fn f27_a_bucket_that_is_not_yet_where_its_route_leads_keeps_its_route_and_nginx_is_left_alone() {
    let two = TwoPools::start().await;
    two.world.buckets.at(&two.at_near).put("photos", "key");
    two.sync().await;
    let body = json!({"pool_id": two.far, "allow_orphan": true});
    two.world.post(&format!("{}/buckets/photos/promote", two.path), body).await.expect(200);
    let (before, log) = (two.world.everything().await.1, actions(&two.world).await.len());
    for _ in 0..3 {
        two.world.services.buckets.sync_all().await.unwrap();
    }
    let routes = two.world.get(&format!("{}/routes", two.path)).await.expect(200);
    assert_eq!(routes[0]["path_prefix"], "/photos/");
    assert_eq!(two.world.everything().await.1, before);
    let told = actions(&two.world).await;
    assert_eq!((told.len() - log, told[0].as_str()), (1, "sync_buckets"), "{told:?}");
}

#[tokio::test]
async fn f41_what_a_sync_has_changed_is_in_the_log_with_counts_and_a_round_that_changes_nothing_is_not() {
    let two = TwoPools::start().await;
    let round = two.world.services.buckets.sync_all().await.unwrap();
    assert_eq!(round, Round { vhosts: 1, changed: 2, faults: Vec::new() });
    let entry = two.world.get("/api/audit?per_page=1").await.expect(200)[0].clone();
    assert_eq!((&entry["actor"], &entry["action"]), (&json!("engine"), &json!("sync_buckets")));
    assert_eq!((&entry["entity_type"], &entry["entity_id"]), (&json!("vhost"), &json!(two.vhost)));
    let parsed = |field: &str| serde_json::from_str::<Value>(entry[field].as_str().unwrap()).unwrap();
    let (before, after) = (parsed("before_json"), parsed("after_json"));
    assert_eq!((&before["found"], &before["new"]), (&json!(0), &Value::Null));
    assert_eq!((&after["found"], &after["unrouted"], &after["new"]), (&json!(2), &json!(2), &json!(2)));
    let log = actions(&two.world).await.len();
    assert_eq!(two.world.services.buckets.sync_all().await.unwrap().changed, 0);
    assert_eq!(actions(&two.world).await.len(), log);
    two.sync().await;
    assert_eq!(actions(&two.world).await.len(), log + 1, "an operator asked for it");
}

#[tokio::test]
async fn f44_one_pool_that_cannot_be_asked_spoils_only_what_it_serves() {
    let two = TwoPools::start().await;
    let keys = json!({"access_key": "AKID", "secret_key": "secret"});
    two.world.put(&format!("/api/pools/{}/credentials", two.far), keys).await.expect(200);
    two.world.buckets.at(&two.at_far).make("photos").make("videos").make("alone");
    two.route("/photos/", two.far).await;
    two.world.vhost("other.example", Some(two.far)).await;
    assert_eq!(two.world.services.buckets.sync_all().await.unwrap().faults, []);
    assert_eq!(two.buckets().await, [told("photos", "routed", Some(two.far)), told("plain", "unrouted", None)]);
    // The keys of `far` cannot be read any more: what it serves stays, what `near` serves is synced.
    let later = two.world.with_secret(Some("SbFHbLwbJxjTQsPmqKBUNvHuVjUxAmC3kXzvVUxcVvE="));
    later.buckets.at(&two.at_near).make("plain").make("fresh");
    let round = later.services.buckets.sync_all().await.unwrap();
    assert_eq!((round.vhosts, round.changed, round.faults.len()), (2, 1, 1));
    assert!(round.faults[0].why.contains("stored S3 keys cannot be used"), "{round:?}");
    let answer = later.post(&format!("{}/buckets/sync", two.path), Value::Null).await.expect(200);
    assert_eq!((&answer["buckets_found"], &answer["error"]), (&json!(3), &Value::Null));
    assert!(answer["warnings"][0].as_str().unwrap().starts_with("pool far: the stored S3 keys"), "{answer}");
    let other = later.post("/api/vhosts/2/buckets/sync", Value::Null).await.expect(200);
    assert!(other["error"].as_str().unwrap().starts_with("the buckets of pool far could not be listed"), "{other}");
    let unchanged = later.get("/api/vhosts/2/buckets").await.expect(200);
    assert_eq!(unchanged["buckets"].as_array().unwrap().len(), 3);
    // A node that is down is no different.
    later.buckets.fail(&two.at_near, "no connection");
    let round = later.services.buckets.sync_all().await.unwrap();
    assert_eq!((round.changed, round.faults.len()), (0, 2));
}

#[tokio::test]
async fn f50_after_the_database_was_lost_the_first_round_fills_the_list_with_each_pools_own_keys() {
    let two = TwoPools::start().await;
    let keys = json!({"access_key": "AKID", "secret_key": "secret"});
    two.world.put(&format!("/api/pools/{}/credentials", two.far), keys).await.expect(200);
    two.route("/photos/", two.far).await;
    two.world.post(&format!("{}/buckets/hidden/ignore", two.path), Value::Null).await.expect(200);
    let later = two.world.without_database();
    later.post("/api/config/rebuild-from-disk", Value::Null).await.expect(200);
    later.buckets.at(&two.at_near).make("plain").make("hidden");
    later.buckets.at(&two.at_far).make("photos").admit_only(Keys::parse("AKID", "secret").unwrap());
    let round = later.services.buckets.sync_all().await.unwrap();
    assert_eq!((round.vhosts, round.changed, round.faults), (1, 2, Vec::new()));
    let list = later.get(&format!("{}/buckets", two.path)).await.expect(200);
    let states: Vec<_> = list["buckets"].as_array().unwrap().iter().map(|b| (&b["name"], &b["status"])).collect();
    let expected = [("hidden", "ignored"), ("photos", "routed"), ("plain", "unrouted")];
    assert_eq!(format!("{states:?}"), format!("{:?}", expected.map(|(n, s)| (json!(n), json!(s)))));
}

#[tokio::test]
async fn a_vhost_that_lists_no_buckets_is_skipped_and_says_why() {
    let world = World::start().await;
    let http = world.http_pool("files").await;
    let (bare, files) = (world.vhost("bare.example", None).await, world.vhost("files.example", Some(http)).await);
    for (vhost, why) in [(bare, "no default pool"), (files, "not of type nanio")] {
        let answer = world.post(&format!("/api/vhosts/{vhost}/buckets/sync"), Value::Null).await.expect(200);
        assert_eq!(answer["skipped"], true);
        assert!(answer["reason"].as_str().unwrap().contains(why), "{answer}");
    }
    assert_eq!(world.services.buckets.sync_all().await.unwrap(), Round::default());
    let detail = world.get(&format!("/api/vhosts/{bare}/buckets")).await.detail(400);
    assert!(detail.contains("default_pool_id"), "{detail}");
    for (method, path) in [("GET", "buckets"), ("POST", "buckets/sync"), ("GET", "buckets/orphans")] {
        let answer = world.ask(method, &format!("/api/vhosts/99/{path}"), &[], Value::Null).await;
        assert_eq!(answer.detail(404), "Vhost not found");
    }
}

#[tokio::test]
async fn a_bucket_that_is_being_moved_is_shown_so_until_it_is_not() {
    let two = TwoPools::start().await;
    two.route("/photos/", two.near).await;
    two.sync().await;
    two.migration(5, "photos", Phase::Copying).await;
    two.sync().await;
    assert_eq!(two.buckets().await[0], told("photos", "migrating", Some(two.near)));
    let moving = two.world.store.read(|tx| tx.migration(MigrationId(5))).await.unwrap().unwrap();
    let ended = Migration { phase: Phase::Cancelled, ..moving };
    two.world.store.write(move |tx| tx.save_migration(ended).map(drop)).await.unwrap();
    two.sync().await;
    assert!(two.buckets().await.contains(&told("photos", "routed", Some(two.near))));
}

#[tokio::test]
async fn f29_objects_are_counted_at_the_pool_that_serves_the_bucket_with_its_own_keys() {
    let two = TwoPools::start().await;
    let keys = json!({"access_key": "AKID", "secret_key": "secret"});
    two.world.put(&format!("/api/pools/{}/credentials", two.far), keys).await.expect(200);
    let far = two.world.buckets.at(&two.at_far).put("photos", "a").put("photos", "b").put("photos", "c");
    far.admit_only(Keys::parse("AKID", "secret").unwrap());
    two.world.buckets.at(&two.at_near).put("photos", "old").make("empty").make("gone").make("hidden");
    two.route("/photos/", two.far).await;
    two.sync().await;
    two.world.post(&format!("{}/buckets/hidden/ignore", two.path), Value::Null).await.expect(200);
    two.world.buckets.at(&two.at_near).remove("gone");
    let count = async |query: &str| {
        let list = two.world.get(&format!("{}/buckets{query}", two.path)).await.expect(200);
        let buckets = list["buckets"].as_array().unwrap().clone().into_iter();
        let shown =
            |b: Value| (b["name"].as_str().unwrap().to_owned(), b["object_count"].clone(), b["count_complete"].clone());
        buckets.map(shown).collect::<Vec<_>>()
    };
    let row = |name: &str, count: Value, complete: Value| (name.to_owned(), count, complete);
    let all = count("?fetch_counts=true").await;
    let of = |name: &str| all.iter().find(|one| one.0 == name).unwrap().clone();
    assert_eq!(of("photos"), row("photos", json!(3), json!(true)));
    assert_eq!(of("empty"), row("empty", json!(0), json!(true)));
    assert_eq!(of("gone"), row("gone", Value::Null, Value::Null));
    assert_eq!(of("hidden"), row("hidden", Value::Null, Value::Null));
    let list = two.world.get(&format!("{}/buckets?fetch_counts=true", two.path)).await.expect(200);
    let gone = list["buckets"].as_array().unwrap().iter().find(|one| one["name"] == "gone").unwrap();
    assert!(gone["count_error"].as_str().unwrap().contains("NoSuchBucket"), "{gone}");
    assert!(count("").await.iter().all(|(_, count, complete)| count.is_null() && complete.is_null()));
    // What there was no time for is said to be so.
    two.world.buckets.count_at_most(2);
    assert!(count("?fetch_counts=1").await.contains(&row("photos", json!(2), json!(false))));
    two.world.buckets.fail(&two.at_far, "no connection");
    assert!(count("?fetch_counts=1").await.contains(&row("photos", Value::Null, Value::Null)));
    let faults = two.world.get(&format!("{}/buckets?fetch_counts=maybe", two.path)).await.faults();
    assert_eq!(faults, [("bool_parsing".to_owned(), "query.fetch_counts".to_owned())]);
}

#[tokio::test]
async fn an_operator_and_the_loop_are_told_apart() {
    let two = TwoPools::start().await;
    two.world.services.buckets.sync(Actor::Cli, VhostId(two.vhost)).await.unwrap();
    let entry = two.world.get("/api/audit?per_page=1").await.expect(200)[0].clone();
    assert_eq!((&entry["actor"], &entry["created_at"]), (&json!("cli"), &json!(Timestamp::sql(two.world.clock.now()))));
}

#[tokio::test]
async fn the_buckets_of_all_vhosts_are_counted_by_what_became_of_them() {
    let pools = TwoPools::start().await;
    let world = &pools.world;
    world.vhost("without-pool.example", None).await;
    world.vhost("never-synced.example", Some(pools.near)).await;
    assert_eq!(world.get("/api/buckets").await.expect(200), json!([]), "nothing is known before the first sync");
    pools.sync().await;
    let counts = async || world.get("/api/buckets").await.expect(200);
    let told = |unrouted, ignored, deleted| {
        json!([{"vhost_id": pools.vhost, "server_name": "s3.example", "routed": 0, "migrating": 0,
            "unrouted": unrouted, "ignored": ignored, "deleted": deleted}])
    };
    assert_eq!(counts().await, told(2, 0, 0));
    world.post(&format!("{}/buckets/plain/ignore", pools.path), Value::Null).await.expect(200);
    assert_eq!(counts().await, told(1, 1, 0), "what was said before the change is not said again");
}
