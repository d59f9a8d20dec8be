//! A document makes the same files as the history that it was exported from, though other numbers of things, which no
//! document holds: nginx's files hold none either.

use std::collections::BTreeMap;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::json;

use crate::api::world::World;
use crate::support::values::manifest::sound;

/// nginx's files, by name.
fn tree(world: &World) -> BTreeMap<String, String> {
    world.gateway.live().into_iter().filter(|(path, _)| path.ends_with(".conf")).collect()
}

#[tokio::test]
async fn whatever_the_history_an_export_makes_the_same_tree_byte_by_byte() {
    let mut runner = TestRunner::deterministic();
    let mut other_numbers = 0;
    for _ in 0..16 {
        let original = World::start().await;
        for _ in 0..3 {
            original.applied(&sound().new_tree(&mut runner).unwrap().current()).await;
        }
        for (number, pool) in original.get("/api/pools").await.expect(200).as_array().unwrap().iter().enumerate() {
            let path = format!("/api/pools/{}", pool["id"]);
            original.put(&path, json!({"name": format!("renamed-{}", 9 - number % 10)})).await;
        }
        let copy = World::start().await;
        let exported = original.get("/api/config/export").await.text;
        copy.document("apply", &exported).await.expect(200);
        assert_eq!(tree(&copy), tree(&original));
        assert_eq!(copy.get("/api/config/export").await.text, exported);
        let ids =
            |world: &World| world.gateway.live().into_iter().filter(|(path, _)| path.contains(".meta.json")).count();
        assert_eq!(ids(&copy), ids(&original));
        let pools = async |world: &World| world.get("/api/pools").await.expect(200);
        other_numbers += usize::from(pools(&copy).await[0]["id"] != pools(&original).await[0]["id"]);
    }
    assert!(other_numbers > 0, "no history gave other numbers than a document does");
}
