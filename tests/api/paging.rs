//! Lists in pages: on request only, by the `Link` of each page, and sound while others change the list.

use serde_json::{Value, json};

use super::world::{Answer, World};

/// Where the next page is.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link")?;
    let inner = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
    Some(inner.unwrap_or_else(|| panic!("{link}")).to_owned())
}

fn column(page: &Value, name: &str) -> Vec<String> {
    let text = |row: &Value| row[name].as_str().map_or_else(|| row[name].to_string(), str::to_owned);
    page.as_array().unwrap().iter().map(text).collect()
}

/// Follows the links from `path`, and `between` pages does something; the column `name` of all rows seen.
async fn walk(world: &World, path: &str, name: &str, between: impl AsyncFn(&[String])) -> Vec<String> {
    let mut seen = Vec::new();
    let mut place = Some(path.to_owned());
    while let Some(path) = place {
        let answer = world.get(&path).await;
        place = next(&answer);
        seen.extend(column(&answer.expect(200), name));
        between(&seen).await;
    }
    seen
}

#[tokio::test]
async fn every_list_can_be_walked_by_its_links_and_is_whole_without_parameters() {
    let world = World::start().await;
    for name in ["c", "a", "b", "e", "d"] {
        world.pool(name).await;
    }
    for number in 2..=5 {
        let member = json!({"address": format!("10.0.0.{number}:9000")});
        world.post("/api/pools/1/members", member).await.expect(201);
        world.vhost(&format!("s{number}.example.org"), None).await;
        let route = json!({"path_prefix": format!("/{}/", "x".repeat(number)), "pool_id": number - 1});
        world.post("/api/vhosts/1/routes", route).await.expect(201);
    }
    world.post("/api/vhosts/1/routes", json!({"path_prefix": "/yy/", "pool_id": 1})).await.expect(201);
    for (path, name) in [
        ("/api/pools", "name"),
        ("/api/pools/1/members", "id"),
        ("/api/vhosts", "server_name"),
        ("/api/vhosts/1/routes", "path_prefix"),
    ] {
        let whole = world.get(path).await;
        assert_eq!(whole.header("link"), None, "{path}");
        let whole = column(&whole.expect(200), name);
        assert!(whole.len() >= 4, "{path}");
        for limit in [1, 2, 3, 4, 1000] {
            let seen = walk(&world, &format!("{path}?limit={limit}"), name, async |_| {}).await;
            assert_eq!(seen, whole, "{path} in pages of {limit}");
        }
        let id = world.get(path).await.expect(200)[1]["id"].clone();
        let rest = world.get(&format!("{path}?after={id}")).await;
        assert_eq!(rest.header("link"), None, "{path}");
        assert_eq!(column(&rest.expect(200), name), whole[2..], "{path}");
    }
    for time in ["the first time", "again, from memory"] {
        let first = world.get("/api/vhosts/1/routes?limit=1").await;
        let link = "</api/vhosts/1/routes?limit=1&after=4&after_key=%2Fxxxxx%2F>; rel=\"next\"";
        assert_eq!(first.header("link"), Some(link), "{time}");
    }
    let names = world.get("/api/vhosts/1/routes?limit=2").await.expect(200);
    assert_eq!(column(&names, "pool_name"), ["e", "b"]);
}

#[tokio::test]
async fn a_walk_goes_on_when_what_it_saw_last_is_deleted_or_renamed() {
    let world = World::start().await;
    for name in ["a", "b", "c", "d", "e", "f"] {
        world.post("/api/pools", json!({"name": name})).await.expect(201);
    }
    let seen = walk(&world, "/api/pools?limit=2", "name", async |seen| match seen.len() {
        2 => assert_eq!(world.delete("/api/pools/2").await.status, 204),
        4 => assert_eq!(world.put("/api/pools/4", json!({"name": "zz"})).await.status, 200),
        _ => {}
    })
    .await;
    // The renamed one stands behind the place where the walk is, so it is seen again, under its new name.
    assert_eq!(seen, ["a", "b", "c", "d", "e", "f", "zz"]);
    // Who knows only the id of the one that is gone is told what to do.
    let lost = world.get("/api/pools?after=2").await.detail(422);
    assert!(lost.contains("no pool 2") && lost.contains("after_key"), "{lost}");
    let found = world.get("/api/pools?after=2&after_key=b").await.expect(200);
    assert_eq!(column(&found, "name"), ["c", "e", "f", "zz"]);
}

#[tokio::test]
async fn a_route_of_another_vhost_is_no_place_to_begin_at() {
    let world = World::start().await;
    let pool = world.pool("p").await;
    let (one, two) = (world.vhost("a.example.org", Some(pool)).await, world.vhost("b.example.org", Some(pool)).await);
    let own = world.get(&format!("/api/vhosts/{one}/routes")).await.expect(200)[0]["id"].clone();
    let lost = world.get(&format!("/api/vhosts/{two}/routes?after={own}")).await.detail(422);
    assert!(lost.contains("path_prefix"), "{lost}");
    // The automatic route is the last of its list: nothing is behind it, and that is no fault.
    let end = world.get(&format!("/api/vhosts/{one}/routes?after={own}&after_key=/")).await.expect(200);
    assert_eq!(end, json!([]));
    assert_eq!(world.get("/api/vhosts/99/routes?limit=1").await.detail(404), "Vhost not found");
    assert_eq!(world.get("/api/pools/99/members?limit=1").await.detail(404), "Pool not found");
    assert_eq!(world.get(&format!("/api/pools/{pool}/members?after=-5")).await.expect(200)[0]["id"], 1);
}

#[tokio::test]
async fn a_bad_window_is_refused_with_all_its_faults() {
    let world = World::start().await;
    let fault = |kind: &str, place: &str| (kind.to_owned(), place.to_owned());
    for (limit, kind) in [("0", "greater_than_equal"), ("1001", "less_than_equal"), ("x", "int_parsing")] {
        for list in ["/api/pools", "/api/vhosts"] {
            let faults = world.get(&format!("{list}?limit={limit}")).await.faults();
            assert_eq!(faults, [fault(kind, "query.limit")], "{list} {limit}");
        }
    }
    let faults = world.get("/api/pools?after_key=a/b&after=x&limit=0").await.faults();
    assert_eq!(
        faults,
        [
            fault("string_pattern_mismatch", "query.after_key"),
            fault("greater_than_equal", "query.limit"),
            fault("int_parsing", "query.after")
        ]
    );
    let faults = world.get("/api/pools?after_key=a").await.faults();
    assert_eq!(faults, [fault("value_error", "query.after_key")]);
    let faults = world.get("/api/vhosts?after=1&after_key=%00").await.faults();
    assert_eq!(faults.len(), 1, "{faults:?}");
}
