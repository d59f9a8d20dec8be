//! `vhost`, `route` and `audit`.

use serde_json::{Value, json};

use super::{Desk, words};

#[test]
fn a_vhost_is_made_changed_and_deleted_with_the_fields_of_the_api() {
    let desk = Desk::furnished();
    let vhost = desk.json(&["vhost", "get", "s3.test"]);
    assert_eq!(vhost, desk.place.get("/api/vhosts/1"));
    assert_eq!((&vhost["default_pool_id"], &vhost["ssl"]), (&json!(1), &json!(false)));
    let blocks = desk.place.directory.path().join("block");
    std::fs::write(&blocks, "client_max_body_size 0;").unwrap();
    desk.says(&[
        "vhost",
        "update",
        "1",
        "--ip-rule-mode",
        "allow",
        "--ip-rule-ips",
        "10.0.0.0/8,192.168.1.5",
        "--extra-blocks",
        "top=add_header X-Frame-Options SAMEORIGIN;",
        "--extra-blocks",
        &format!("end=@{}", blocks.display()),
        "--enabled",
        "false",
    ]);
    let vhost = desk.json(&["vhost", "get", "s3.test"]);
    assert_eq!(vhost["ip_rule_ips"], json!(["10.0.0.0/8", "192.168.1.5"]));
    assert_eq!(vhost["extra_blocks"][0], json!({"zone": "top", "content": "add_header X-Frame-Options SAMEORIGIN;"}));
    assert_eq!(vhost["extra_blocks"][1]["content"], "client_max_body_size 0;");
    assert_eq!(vhost["enabled"], false);
    desk.says(&["vhost", "update", "s3.test", "--ip-rule-mode", "", "--ip-rule-ips", "", "--extra-blocks", ""]);
    let vhost = desk.json(&["vhost", "get", "s3.test"]);
    assert_eq!(
        (&vhost["ip_rule_mode"], &vhost["ip_rule_ips"], &vhost["extra_blocks"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(words(&desk.says(&["vhost", "list"]))[1], ["1", "s3.test", "8081", "no", "no", "1"]);

    desk.says(&["route", "create", "s3.test", "--path-prefix", "/photos/", "--pool-id", "new", "--allow-orphan"]);
    let said = desk.fails(&["vhost", "delete", "s3.test", "--yes"], 1);
    assert!(said.contains("It has 1 route.") && said.contains("409"), "{said}");
    desk.says(&["route", "delete", "s3.test", "/photos/", "--yes", "--allow-orphan"]);
    desk.says(&["vhost", "delete", "s3.test", "--yes"]);
    assert!(desk.fails(&["vhost", "get", "s3.test"], 1).contains("there is no vhost s3.test"));
}

#[test]
fn a_route_is_found_by_prefix_bucket_or_id_and_tells_who_serves_without_it() {
    let desk = Desk::furnished();
    desk.says(&["route", "create", "s3.test", "--path-prefix", "/photos/", "--pool", "new", "--allow-orphan"]);
    let route = desk.json(&["route", "get", "s3.test", "/photos/"]);
    for named in ["photos", &route["id"].to_string()] {
        assert_eq!(desk.json(&["route", "get", "1", named]), route);
    }
    let rows = desk.says(&["route", "list", "s3.test"]);
    assert_eq!(words(&rows)[1][1..4], ["/photos/", "new", "yes"]);
    assert!(desk.fails(&["route", "get", "s3.test", "/Photos/"], 1).contains("there is no route /Photos/"));

    // Nobody can say what its pool holds of it: the API's parameter is told as the flag that it is here.
    let said = desk.fails(&["route", "update", "s3.test", "photos", "--pool-id", "old"], 1);
    assert!(said.contains("--allow-orphan") && !said.contains("allow_orphan"), "{said}");
    let said = desk.fails(&["route", "delete", "s3.test", "photos"], 1);
    assert!(said.contains("Requests under /photos/ then go to the default pool old instead of new."), "{said}");
    desk.says(&["route", "update", "s3.test", "photos", "--enabled", "false", "--allow-orphan"]);
    assert_eq!(desk.json(&["route", "get", "s3.test", "photos"])["enabled"], false);
    desk.says(&["route", "delete", "s3.test", "photos", "-y", "--allow-orphan"]);
    assert_eq!(desk.json(&["route", "list", "s3.test"]).as_array().unwrap().len(), 1);
}

#[test]
fn the_audit_log_is_read_by_kind_and_page() {
    let desk = Desk::furnished();
    let all = desk.json(&["audit", "list"]);
    assert_eq!(all, desk.place.get("/api/audit"));
    assert!(all.as_array().unwrap().iter().all(|entry| entry["actor"] == "cli"), "{all}");
    let members = desk.json(&["audit", "list", "--entity-type", "pool_member", "--entity-id", "2"]);
    assert_eq!((members.as_array().unwrap().len(), &members[0]["action"]), (1, &json!("create")));
    let (first, told) = desk.told(&["audit", "list", "--per-page", "2"]);
    assert_eq!(words(&first).len(), 3, "{first}");
    assert!(told.contains("--page 2"), "{told}");
    let second = desk.json(&["audit", "list", "--per-page", "2", "--page", "2"]);
    assert_eq!(second[0], all[2]);
    let (nothing, told) = desk.told(&["audit", "list", "--from", "2999-01-01", "--to", "2999-01-02"]);
    assert!(nothing.is_empty() && told.contains("no such entry"), "{told}");
    assert!(desk.fails(&["audit", "list", "--from", "yesterday"], 1).contains("from: "));
}
