//! Configuration for nodes: the shape that 0.4.x clients know, every fault in its place, and secrets that stay
//! where they were asked for.

use serde_json::{Value, json};

use super::world::{Answer, World};

const PATH: &str = "/api/pools/1/members/1/node-config";
const SUMMARY: &str = "/api/pools/1/node-config-summary";

async fn world() -> World {
    let world = World::start().await;
    world.pool("pool-a").await;
    world
}

fn file<'a>(config: &'a Value, path: &str) -> &'a str {
    let files = config["files"].as_array().unwrap();
    let found = files.iter().find(|file| file["path"] == path).unwrap_or_else(|| panic!("no {path}: {config}"));
    found["content"].as_str().unwrap()
}

fn paths(config: &Value) -> Vec<&str> {
    config["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect()
}

#[track_caller]
fn fault(answer: Answer) -> (String, String) {
    let mut faults = answer.faults();
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults.remove(0)
}

#[tokio::test]
async fn a_node_of_each_kind_gets_its_files() {
    let world = world().await;
    let options = "/etc/nanio/options.toml";
    let unit = "/etc/systemd/system/nanio.service";
    let expected: [(&str, &[&str]); 3] = [
        ("nanio-only", &[options, unit]),
        ("nginx-only", &["/etc/nginx/conf.d/nanio-serve.conf"]),
        ("nginx-nanio", &[options, unit, "/etc/nginx/conf.d/nanio-proxy.conf"]),
    ];
    for (kind, files) in expected {
        let asked = world.get(&format!("{PATH}?type={kind}")).await.expect(200);
        assert_eq!((&asked["node_type"], &asked["member_address"]), (&json!(kind), &json!("10.0.0.1:9000")));
        assert_eq!(paths(&asked), files);
        assert!(!asked["instructions"].as_str().unwrap().is_empty());
        assert_eq!(world.post(PATH, json!({"node_type": kind})).await.expect(200), asked, "GET and POST say the same");
    }
}

#[tokio::test]
async fn what_0_4_scripts_do_not_say_is_as_it_was() {
    let world = world().await;
    let asked = world.get(&format!("{PATH}?access_key=&secret_key=")).await;
    assert_eq!(asked.header("deprecation"), None);
    let asked = asked.expect(200);
    assert_eq!(asked["node_type"], "nanio-only");
    let options = file(&asked, "/etc/nanio/options.toml");
    for line in ["data_dir = \"/data\"", "host = \"0.0.0.0\"", "port = 9000", "region = \"us-east-1\""] {
        assert!(options.lines().any(|found| found == line), "{line}: {options}");
    }
    assert_eq!(world.get(PATH).await.expect(200), asked);
}

#[tokio::test]
async fn what_is_said_is_in_the_files() {
    let world = world().await;
    let said = json!({"node_type": "nanio-only", "data_dir": "/srv/o \"x\"/", "nanio_port": "9001",
                      "nanio_host": "::", "nanio_region": "eu-1", "access_key": "AK", "secret_key": "S\"K\\"});
    let asked = world.post(PATH, said).await.expect(200);
    let options = file(&asked, "/etc/nanio/options.toml");
    for line in [
        r#"data_dir = "/srv/o \"x\"""#,
        r#"host = "::""#,
        "port = 9001",
        r#"region = "eu-1""#,
        "[[users]]",
        r#"access_key = "AK""#,
        r#"secret_key = "S\"K\\""#,
    ] {
        assert!(options.lines().any(|found| found == line), "{line}: {options}");
    }
    let warnings = asked["warnings"].as_array().unwrap();
    assert!(warnings.len() == 1 && warnings[0].as_str().unwrap().contains("nanio_port=9000"), "{warnings:?}");
}

#[tokio::test]
async fn a_member_is_found_in_its_own_pool_only() {
    let world = world().await;
    world.http_pool("other").await;
    for (path, noun) in [
        ("/api/pools/9/members/1/node-config", "Pool not found"),
        ("/api/pools/1/members/9/node-config", "Member not found"),
        ("/api/pools/1/members/2/node-config", "Member not found"),
    ] {
        assert_eq!(world.get(path).await.detail(404), noun);
        assert_eq!(world.post(path, json!({"node_type": "nginx-only"})).await.detail(404), noun);
    }
    assert_eq!(world.get("/api/pools/9/node-config-summary").await.detail(404), "Pool not found");
}

#[tokio::test]
async fn f04_every_bad_value_is_named_in_its_place() {
    let world = world().await;
    let bad = json!({"node_type": "both", "data_dir": "data\n", "nanio_port": 65536, "nanio_host": "a\"; evil",
                     "nanio_region": "a b", "access_key": "a/b", "secret_key": "a\nb"});
    let mut found = world.post(PATH, bad).await.faults();
    found.sort();
    let expected = [
        ("less_than_equal", "body.nanio_port"),
        ("literal_error", "body.node_type"),
        ("string_pattern_mismatch", "body.access_key"),
        ("string_pattern_mismatch", "body.nanio_region"),
        ("value_error", "body.data_dir"),
        ("value_error", "body.nanio_host"),
        ("value_error", "body.secret_key"),
    ];
    assert_eq!(found, expected.map(|(kind, place)| (kind.to_owned(), place.to_owned())));
    let query = "data_dir=/&nanio_port=0&nanio_host=%0a&nanio_region=%22&access_key=%2f&secret_key=a%0a";
    let mut found = world.get(&format!("{PATH}?{query}")).await.faults();
    found.sort();
    assert_eq!(found.len(), 6, "{found:?}");
    assert!(found.iter().all(|(_, place)| place.starts_with("query.")), "{found:?}");
}

#[tokio::test]
async fn an_unknown_type_is_400_in_the_query_as_in_0_4_and_422_in_the_body() {
    let world = world().await;
    let detail = world.get(&format!("{PATH}?type=x")).await.detail(400);
    assert_eq!(detail, "type must be one of nanio-only, nginx-only, nginx-nanio");
    assert_eq!(fault(world.post(PATH, json!({})).await), ("missing".to_owned(), "body.node_type".to_owned()));
}

#[tokio::test]
async fn keys_are_given_together_or_not_at_all() {
    let world = world().await;
    for (given, lacking) in [("access_key", "secret_key"), ("secret_key", "access_key")] {
        let body = json!({"node_type": "nanio-only", given: "K"});
        assert_eq!(fault(world.post(PATH, body).await), ("value_error".to_owned(), format!("body.{lacking}")));
        let asked = world.get(&format!("{PATH}?{given}=K")).await;
        assert_eq!(fault(asked), ("value_error".to_owned(), format!("query.{lacking}")));
    }
}

#[tokio::test]
async fn f38_a_secret_is_in_the_answer_to_its_giver_and_nowhere_else() {
    let world = world().await;
    let before = world.everything().await;
    let asked = world.get(&format!("{PATH}?access_key=AK&secret_key=very-secret")).await;
    assert_eq!(asked.header("deprecation"), Some("@1795737600"));
    assert_eq!(asked.header("cache-control"), Some("no-store"));
    let asked = asked.expect(200);
    assert!(file(&asked, "/etc/nanio/options.toml").contains("very-secret"));
    assert!(asked["warnings"][0].as_str().unwrap().contains("deprecated"), "{asked}");
    assert!(!asked["warnings"].to_string().contains("very-secret"));

    let body = json!({"node_type": "nginx-nanio", "access_key": "AK", "secret_key": "very-secret"});
    let posted = world.post(PATH, body).await;
    assert_eq!(posted.header("deprecation"), None);
    assert!(file(&posted.expect(200), "/etc/nanio/options.toml").contains("very-secret"));

    assert_eq!(world.everything().await, before, "nothing is changed, logged or kept");
    assert!(!world.get(SUMMARY).await.text.contains("very-secret"));
    assert!(!world.get(PATH).await.text.contains("very-secret"), "an answer is not remembered");
}

#[tokio::test]
async fn f38_no_fault_repeats_a_secret() {
    let world = world().await;
    for body in [
        json!({"secret_key": "very-secret"}),
        json!({"node_type": "nanio-only", "secret_key": "very-secret"}),
        json!({"node_type": "nanio-only", "access_key": "AK", "secret_key": "very-secret\n"}),
        json!({"node_type": "nanio-only", "access_key": "AK", "secret_key": ["very-secret"]}),
    ] {
        let answer = world.post(PATH, body).await;
        assert_eq!(answer.status, 422);
        assert!(!answer.text.contains("very-secret"), "{}", answer.text);
    }
    for query in ["secret_key=very-secret", "access_key=AK&secret_key=very-secret%0a", "type=x&secret_key=very-secret"]
    {
        let answer = world.get(&format!("{PATH}?{query}")).await;
        assert!(matches!(answer.status, 400 | 422) && !answer.text.contains("very-secret"), "{}", answer.text);
    }
}

#[tokio::test]
async fn the_summary_says_what_each_member_needs() {
    let world = world().await;
    for address in ["10.0.0.2:9001", "unix:/run/n.sock"] {
        world.post("/api/pools/1/members", json!({"address": address, "enabled": false})).await.expect(201);
    }
    let all = world.get(SUMMARY).await.expect(200);
    let rows = all.as_array().unwrap();
    assert_eq!(rows.len(), 3);
    let first = &rows[0];
    assert_eq!((&first["member"]["id"], &first["member"]["enabled"]), (&json!(1), &json!(1)));
    assert_eq!(rows[1]["member"]["enabled"], 0);
    assert_eq!(first["recent_configs"], json!([]));
    assert_eq!((&first["suggested_type"], &first["nanio_port"]), (&json!("nanio-only"), &json!(9000)));
    assert_eq!(first["files"], json!(["/etc/nanio/options.toml", "/etc/systemd/system/nanio.service"]));
    assert!(first["missing"].as_array().unwrap().len() == 1 && first["missing"][0].as_str().unwrap().contains("keys"));
    assert_eq!((&rows[1]["nanio_port"], rows[1]["missing"].as_array().unwrap().len()), (&json!(9001), 1));
    assert!(rows[2]["missing"].to_string().contains("TCP only"), "{}", rows[2]);

    let http = world.http_pool("web").await;
    let rows = world.get(&format!("/api/pools/{http}/node-config-summary")).await.expect(200);
    assert_eq!((&rows[0]["suggested_type"], &rows[0]["nanio_port"]), (&json!("nginx-only"), &Value::Null));
}
