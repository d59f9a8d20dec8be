//! The history of accepted changes.

use serde_json::{Value, json};

use super::world::World;

async fn numbers(world: &World) -> Vec<u64> {
    let all = world.get("/api/config/revisions").await.expect(200);
    all.as_array().unwrap().iter().map(|one| one["number"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn each_accepted_change_is_a_revision_and_a_refused_one_is_none() {
    let world = World::start().await;
    assert_eq!(numbers(&world).await, Vec::<u64>::new());
    let (old, new) = (world.pool("old").await, world.pool("new").await);
    let vhost = world.vhost("s3.example", Some(old)).await;
    world.route(vhost, "/photos/", new).await;
    let before = numbers(&world).await;
    assert!(before.is_sorted_by(|one, other| one > other) && before.len() >= 6, "{before:?}");

    world.post("/api/pools", json!({"name": "old"})).await.detail(409);
    world.gateway.refuse(Some("[emerg] no"));
    let routes = format!("/api/vhosts/{vhost}/routes");
    world.post(&routes, json!({"path_prefix": "/x/", "pool_id": new, "allow_orphan": true})).await.detail(422);
    world.gateway.refuse(None);
    assert_eq!(numbers(&world).await, before);

    let newest = &world.get("/api/config/revisions?limit=1").await.expect(200)[0];
    assert_eq!(newest["entries"][0]["action"], "create");
    assert_eq!(
        (&newest["entries"][0]["entity_type"], &newest["entries"][0]["actor"]),
        (&json!("route"), &json!("api"))
    );
    let detail = world.get(&format!("/api/config/revisions/{}", newest["number"])).await.expect(200);
    let diff = detail["diff"].as_str().unwrap();
    assert!(diff.contains("\n+    photos new;\n") && !diff.contains("\n-"), "{diff}");
    assert_eq!((&detail["files"][0]["change"], &detail["files"][0]["lines_added"]), (&json!("changed"), &json!(1)));
}

#[tokio::test]
async fn pages_go_back_in_time_and_what_is_not_there_is_404() {
    let world = World::start().await;
    for name in ["a", "b", "c"] {
        world.pool(name).await;
    }
    let all = numbers(&world).await;
    let page = world.get(&format!("/api/config/revisions?limit=2&before={}", all[1])).await.expect(200);
    let page: Vec<Value> = page.as_array().unwrap().iter().map(|one| one["number"].clone()).collect();
    assert_eq!(page, [json!(all[2]), json!(all[3])]);
    world.get("/api/config/revisions/999999").await.detail(404);
    assert_eq!(
        world.get("/api/config/revisions/0").await.faults(),
        [("greater_than_equal".to_owned(), "path.number".to_owned())]
    );
}

#[tokio::test]
async fn no_secret_is_in_a_revision() {
    let world = World::start().await;
    let pool = world.pool("a").await;
    let keys = json!({"access_key": "AKIA-of-the-test", "secret_key": "secret-of-the-test"});
    world.put(&format!("/api/pools/{pool}/credentials"), keys).await.expect(200);
    for number in numbers(&world).await {
        let told = world.get(&format!("/api/config/revisions/{number}")).await.text;
        assert!(!told.contains("gAAAA") && !told.contains("-of-the-test"), "{told}");
    }
}

#[tokio::test]
async fn the_history_goes_on_when_the_database_is_made_again_from_the_disk() {
    let world = World::start().await;
    world.pool("a").await;
    let before = numbers(&world).await;
    let world = world.without_database();
    assert_eq!(numbers(&world).await, before);
    world.post("/api/config/rebuild-from-disk", Value::Null).await.expect(200);
    let made = world.get("/api/config/revisions?limit=1").await.expect(200)[0].clone();
    assert_eq!(made["number"], before[0] + 1, "nothing of nginx's was changed, and yet it is told: {made}");
    let told = "read from the disk: 1 pools, 1 members, 0 vhosts, 0 routes, 0 migrations";
    assert_eq!(
        (&made["entries"][0]["action"], &made["entries"][0]["outcome"], &made["files"]),
        (&json!("rebuild_from_disk"), &json!(told), &json!([]))
    );
    world.pool("b").await;
    let after = numbers(&world).await;
    assert!(after.ends_with(&before) && after.len() > before.len() + 1, "{before:?} {after:?}");
    assert!(after.is_sorted_by(|one, other| one > other), "{after:?}");
}
