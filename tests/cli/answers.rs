//! The forms of answers: tables that are safe to look at, JSON and YAML that are all of the API's answer.

use serde_json::{Value, json};

use super::Desk;
use super::double::{Double, Said};
use super::{stderr, stdout};
use crate::process::place::Place;

/// What `explain GET http://s3.test:8081/b` asks.
const EXPLAINED: &str = "/api/config/explain?method=GET&path=%2Fb&scheme=http&host=s3.test%3A8081&port=8081";

#[test]
fn json_and_yaml_hold_all_that_the_api_answers() {
    let desk = Desk::furnished();
    for (command, path) in [
        (&["pool", "list"][..], "/api/pools"),
        (&["pool", "get", "old"], "/api/pools/1"),
        (&["pool", "member", "list", "old"], "/api/pools/1/members"),
        (&["vhost", "list"], "/api/vhosts"),
        (&["vhost", "get", "s3.test"], "/api/vhosts/1"),
        (&["route", "list", "s3.test"], "/api/vhosts/1/routes"),
        (&["bucket", "list", "--vhost", "s3.test"], "/api/vhosts/1/buckets"),
        (&["migration", "list"], "/api/migrations"),
        (&["audit", "list"], "/api/audit"),
        (&["history", "list"], "/api/config/revisions?limit=20"),
        (&["history", "show", "1"], "/api/config/revisions/1"),
        (&["explain", "GET", "http://s3.test:8081/b"], EXPLAINED),
    ] {
        let answer = desk.place.get(path);
        assert_eq!(desk.json(command), answer, "{command:?}");
        let yaml = desk.says(&[command, &["--output", "yaml"]].concat());
        assert_eq!(serde_saphyr::from_str::<Value>(&yaml).unwrap(), answer, "{command:?}");
        // The flags of a group may stand before what it does.
        let mut early = command.to_vec();
        early.splice(1..1, ["-o", "json"]);
        assert_eq!(serde_json::from_str::<Value>(&desk.says(&early)).unwrap(), answer, "{early:?}");
    }
}

#[test]
fn an_empty_list_is_an_empty_answer_with_a_word_to_people_beside_it() {
    let desk = Desk::open();
    for (command, next) in [
        (&["pool", "list"][..], "pool create"),
        (&["vhost", "list"], "vhost create"),
        (&["migration", "list"], "migration start"),
        (&["history", "list"], "No change"),
    ] {
        let (answer, told) = desk.told(command);
        assert!(answer.is_empty() && told.contains(next), "{command:?}: {answer}{told}");
        assert_eq!(desk.told(&[command, &["-o", "json"]].concat()), ("[]\n".to_owned(), String::new()));
    }
}

#[test]
fn a_hostile_name_cannot_command_the_terminal_that_shows_it() {
    let hostile = "\u{1b}[2J\u{1b}]0;owned\u{7}\r\nroot\u{202e}x\u{9b}31m";
    let pool = json!({"id": 1, "name": hostile, "type": "nanio", "description": {"deep": hostile}});
    let refusal = Said(409, String::new(), json!({"detail": format!("in use by {hostile}")}));
    let double = Double::start(vec![
        ("GET /api/pools", vec![Said::ok(json!([pool]))]),
        (
            "GET /api/topology",
            vec![Said::ok(json!({"vhosts": [{"id": 2, "server_name": hostile, "default_pool_id": 1}]}))],
        ),
        ("DELETE /api/pools/1", vec![refusal]),
    ]);
    for command in [&["pool", "list"][..], &["pool", "get", "1"], &["pool", "delete", "1", "--yes"]] {
        let output = double.command(command).output().unwrap();
        let screen = [&output.stdout[..], &output.stderr[..]].concat();
        let screen = String::from_utf8(screen).unwrap();
        assert!(screen.contains("\\u{1b}[2J"), "{command:?}: {screen:?}");
        let obeyed = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!screen.contains(obeyed), "{command:?}: {screen:?}");
        assert!(!screen.lines().any(|line| line.starts_with("root") && !line.contains("\\")), "{screen:?}");
    }
    // What a program reads is what there is.
    let output = double.command(&["pool", "get", "1", "-o", "json"]).output().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&stdout(&output)).unwrap()["name"], hostile);
}

#[test]
fn a_list_of_many_pages_comes_whole() {
    let page = |from: i64, to: i64| Value::from_iter((from..to).map(|id| json!({"id": id, "name": format!("p{id}")})));
    let link = |after: i64| format!("Link: </api/pools?limit=1000&after={after}>; rel=\"next\"\r\n");
    let double = Double::start(vec![(
        "GET /api/pools",
        vec![Said(200, link(999), page(0, 1000)), Said(200, link(1999), page(1000, 2000)), Said::ok(page(2000, 2345))],
    )]);
    let output = double.command(&["pool", "list", "-o", "json"]).output().unwrap();
    let all: Vec<Value> = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((all.len(), &all[2344]["id"]), (2345, &json!(2344)));
    let pages = ["?limit=1000", "?limit=1000&after=999", "?limit=1000&after=1999"];
    assert_eq!(double.calls(), pages.map(|page| format!("GET /api/pools{page}")));
}

#[test]
fn the_pages_of_a_real_server_come_whole_too() {
    let place = Place::new();
    let pools = place.directory.path().join("dev-data/nginx/pools");
    std::fs::create_dir_all(&pools).unwrap();
    for number in 1..=1101 {
        let sidecar =
            json!({"pool_id": number, "name": format!("pool-{number}"), "type": "nanio", "description": null});
        std::fs::write(pools.join(format!("pool-{number}.meta.json")), sidecar.to_string()).unwrap();
    }
    let rebuilt = place.command().arg("rebuild-db").output().unwrap();
    assert_eq!(rebuilt.status.code(), Some(0), "{}", stderr(&rebuilt));
    let desk = Desk { server: Some(place.start(place.serve())), place };
    let all = desk.json(&["pool", "list"]);
    assert_eq!((&all, all.as_array().unwrap().len()), (&desk.place.get("/api/pools"), 1101));
    assert_eq!(desk.says(&["pool", "list"]).lines().count(), 1102);
    assert_eq!(desk.json(&["pool", "get", "pool-1101"])["name"], "pool-1101");
}
