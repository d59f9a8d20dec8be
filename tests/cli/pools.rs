//! `pool`: from nothing to nothing again.

use serde_json::{Value, json};

use super::{Desk, at_terminal, words};

#[test]
fn a_pool_is_made_found_changed_and_deleted_by_name_or_id() {
    let desk = Desk::open();
    let (nothing, next) = desk.told(&["pool", "list"]);
    assert_eq!(nothing, "");
    assert!(next.contains("nanio-orchestrator pool create --name"), "{next}");

    let (_, told) =
        desk.told(&["pool", "create", "--name", "pool-2025", "--description", "the old one", "--keepalive", "16"]);
    assert!(told.contains("Not live yet. Next: nanio-orchestrator config reload"), "{told}");
    let pool = desk.place.get("/api/pools/1");
    assert_eq!((&pool["description"], &pool["keepalive"]), (&json!("the old one"), &json!(16)));
    for named in ["pool-2025", "1"] {
        assert_eq!(desk.json(&["pool", "get", named]), pool);
    }
    desk.says(&[
        "pool",
        "update",
        "pool-2025",
        "--name",
        "pool-old",
        "--lb-method",
        "round_robin",
        "--description",
        "",
    ]);
    let pool = desk.json(&["pool", "get", "pool-old"]);
    assert_eq!(
        (&pool["lb_method"], &pool["description"], &pool["keepalive"]),
        (&json!("round_robin"), &Value::Null, &json!(16))
    );
    assert_eq!(
        words(&desk.says(&["pool", "list"])),
        [
            vec!["ID", "NAME", "TYPE", "LB", "METHOD", "KEEPALIVE", "DESCRIPTION"],
            vec!["1", "pool-old", "nanio", "round_robin", "16", "-"],
        ]
    );
    let (_, told) = desk.told(&["pool", "delete", "1", "--yes"]);
    assert!(told.contains("pool pool-old is deleted"), "{told}");
    assert_eq!(desk.json(&["pool", "list"]), json!([]));
}

#[test]
fn a_name_wins_over_an_id() {
    let desk = Desk::open();
    for name in ["2", "other"] {
        desk.says(&["pool", "create", "--name", name]);
    }
    assert_eq!(desk.json(&["pool", "get", "2"])["name"], "2");
    assert_eq!(desk.json(&["pool", "get", "1"])["name"], "2", "an id, where no pool is called so");
}

#[test]
fn other_pools_are_named_as_people_name_them() {
    let desk = Desk::open();
    desk.says(&["pool", "create", "--name", "store"]);
    let web = desk.json(&["pool", "create", "--name", "web", "--type", "http", "--source-nanio-pool-id", "store"]);
    assert_eq!((&web["type"], &web["source_nanio_pool_id"]), (&json!("http"), &json!(1)));
    desk.says(&["pool", "update", "web", "--source-nanio-pool-id", ""]);
    assert_eq!(desk.json(&["pool", "get", "web"])["source_nanio_pool_id"], Value::Null);
    let said = desk.fails(&["pool", "update", "web", "--source-nanio-pool-id", "nowhere"], 1);
    assert!(said.contains("there is no pool nowhere"), "{said}");
}

#[test]
fn what_a_deletion_does_is_told_first_and_it_waits_for_a_yes() {
    let desk = Desk::furnished();
    desk.says(&["route", "create", "s3.test", "--path-prefix", "/photos/", "--pool-id", "new", "--allow-orphan"]);
    let said = desk.fails(&["pool", "delete", "new"], 1);
    for part in [
        "1 route of vhost s3.test to new, /photos/ for one.",
        "the server refuses to delete it",
        "Its entry of 1 member goes",
        "nobody is there to be asked (stdin is no terminal); --yes says yes to it",
    ] {
        assert!(said.contains(part), "{part}\nnot in\n{said}");
    }
    let refused = desk.fails(&["pool", "delete", "new", "--yes"], 1);
    assert!(refused.contains("409") && refused.contains("s3.test"), "{refused}");
    assert!(desk.fails(&["pool", "delete", "old"], 1).contains("old is the default pool of vhost s3.test."));

    desk.says(&["route", "delete", "s3.test", "photos", "--yes", "--allow-orphan"]);
    let delete = desk.command(&["pool", "delete", "new"]);
    let (status, said) = at_terminal(&delete, "[y/N] ", "n\n");
    assert!(status == 1 && said.contains("Delete pool new? [y/N]") && said.contains("nothing was changed"), "{said}");
    assert_eq!(desk.json(&["pool", "get", "new"])["name"], "new");
    let (status, said) = at_terminal(&delete, "[y/N] ", "y\n");
    assert!(status == 0 && said.contains("pool new is deleted"), "{said}");
    assert!(desk.fails(&["pool", "get", "new"], 1).contains("there is no pool new"));
}
