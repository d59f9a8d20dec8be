//! A document makes the same files as the history that it was exported from: all that differs is the numbers of things,
//! which no document holds.

use std::collections::BTreeMap;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::json;

use crate::api::world::World;
use crate::support::values::manifest::sound;

/// What stands before the number of something in a file of nginx's, and nowhere else.
const BEFORE_NUMBERS: [&str; 7] =
    ["pool_id:", "member_id:", "vhost_id:", "route_id:", "nanio_v", "@nanio_r", "# route "];

/// nginx's files, by name.
fn tree(world: &World) -> BTreeMap<String, String> {
    world.gateway.live().into_iter().filter(|(path, _)| path.ends_with(".conf")).collect()
}

fn without_numbers(tree: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let of = |text: &str| {
        let (mut told, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(first) = rest.chars().next() {
            let marker = BEFORE_NUMBERS.iter().find(|marker| rest.starts_with(**marker));
            let (kept, behind) = rest.split_at(marker.map_or(first.len_utf8(), |marker| marker.len()));
            told.push_str(kept);
            rest = if marker.is_some() { behind.trim_start_matches(|c: char| c.is_ascii_digit()) } else { behind };
        }
        told
    };
    tree.iter().map(|(path, text)| (path.clone(), of(text))).collect()
}

#[tokio::test]
async fn whatever_the_history_an_export_makes_the_same_tree_but_for_the_numbers_of_things() {
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
        // Without any vhost, the file of nginx's table sizes is there only if there was one once.
        original.vhost("last.example", None).await;
        let copy = World::start().await;
        let exported = original.get("/api/config/export").await.text;
        copy.document("apply", &exported).await.expect(200);
        let (here, there) = (tree(&original), tree(&copy));
        assert_eq!(without_numbers(&there), without_numbers(&here));
        assert_eq!(copy.get("/api/config/export").await.text, exported);
        other_numbers += usize::from(here != there);
    }
    assert!(other_numbers > 0, "no history gave other numbers than a document does");
}
