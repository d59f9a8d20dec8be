//! Whether members answer is shown, remembered only as long as it is true, and acted on by nobody.

use nanio_orchestrator::domain::pool::Address;
use nanio_orchestrator::domain::services::reachability::Sight;
use serde_json::{Value, json};

use super::world::World;

fn seen(member: &Value) -> (Value, Value, Value) {
    (member["reachable"].clone(), member["reachable_since"].clone(), member["unreachable_because"].clone())
}

async fn look(world: &World, times: usize) -> Sight {
    let mut sight = Sight::default();
    for _ in 0..times {
        world.clock.advance(60);
        sight = world.services.reachability.look().await.unwrap();
    }
    sight
}

#[tokio::test]
async fn a_member_is_shown_as_several_looks_agree_it_is() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    let other = json!({"address": "10.0.0.2:9000", "enabled": false});
    world.post(&format!("/api/pools/{pool}/members"), other).await.expect(201);
    let path = format!("/api/pools/{pool}/members/1");
    let member = async || world.get(&path).await.expect(200);
    assert_eq!(seen(&member().await), (Value::Null, Value::Null, Value::Null));
    look(&world, 1).await;
    assert_eq!(member().await["reachable"], Value::Null);
    assert_eq!(look(&world, 1).await, Sight { members: 2, unreachable: 0 });
    assert_eq!(seen(&member().await), (json!(true), json!("2026-11-24 02:42:00"), Value::Null));
    world.buckets.fail(&Address::parse("10.0.0.1:9000").unwrap(), "no connection");
    look(&world, 2).await;
    assert_eq!(member().await["reachable"], true);
    assert_eq!(look(&world, 1).await, Sight { members: 2, unreachable: 1 });
    let down = (json!(false), json!("2026-11-24 02:45:00"), json!("10.0.0.1:9000: no connection"));
    assert_eq!(seen(&member().await), down);
    // The list says the same, also right after it was asked for and remembered; and of the other one what it is.
    let list = async || world.get(&format!("/api/pools/{pool}/members")).await.expect(200);
    assert_eq!((seen(&list().await[0]), &list().await[1]["reachable"]), (down, &json!(true)));
    world.buckets.recover(&Address::parse("10.0.0.1:9000").unwrap());
    look(&world, 2).await;
    assert_eq!(list().await[0]["reachable"], true);
    assert_eq!(world.get(&format!("/api/pools/{pool}/members?limit=1")).await.expect(200)[0]["reachable"], true);
}

#[tokio::test]
async fn the_tag_of_a_member_tells_what_is_shown_and_still_names_its_revision() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    let path = format!("/api/pools/{pool}/members/1");
    let unknown = world.get(&path).await.header("etag").unwrap().to_owned();
    look(&world, 2).await;
    let known = world.ask("GET", &path, &[("if-none-match", &unknown)], Value::Null).await;
    let tag = known.header("etag").unwrap().to_owned();
    assert_eq!((known.status, tag != unknown), (200, true));
    look(&world, 5).await;
    assert_eq!(world.ask("GET", &path, &[("if-none-match", &tag)], Value::Null).await.status, 304);
    // A change asked for with an older view of the node is not a collision.
    world.ask("PUT", &path, &[("if-match", &unknown)], json!({"weight": 2})).await.expect(200);
    assert_eq!(world.ask("PUT", &path, &[("if-match", &tag)], json!({"weight": 3})).await.status, 412);
}

#[tokio::test]
async fn what_is_seen_changes_nothing_and_another_address_is_another_node() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    world.vhost("s3.example", Some(pool)).await;
    let (before, health) = (world.everything().await, world.get("/api/health").await.expect(200));
    world.buckets.fail(&Address::parse("10.0.0.1:9000").unwrap(), "no connection");
    look(&world, 3).await;
    let (rows, files) = world.everything().await;
    assert_eq!((files, &rows[2]), (before.1, &before.0[2]));
    assert_eq!(world.get("/api/health").await.expect(200)["status"], health["status"]);
    let path = format!("/api/pools/{pool}/members/1");
    assert_eq!(world.get(&path).await.expect(200)["reachable"], false);
    let moved = world.put(&path, json!({"address": "10.0.0.3:9000"})).await.expect(200);
    assert_eq!(moved["reachable"], Value::Null);
    look(&world, 2).await;
    assert_eq!(world.get(&path).await.expect(200)["reachable"], true);
}
