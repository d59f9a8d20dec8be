//! `history`: what was changed, and the way back.

use super::{Desk, at_terminal, at_terminal_after, stderr, stdout, words};

impl Desk {
    /// The number of the last accepted change.
    fn newest(&self) -> String {
        words(&self.says(&["history", "list", "--limit", "1"]))[0][0].to_owned()
    }

    /// What a command prints that ends with this status.
    #[track_caller]
    fn ends(&self, arguments: &[&str], status: i32) -> (String, String) {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}{}", stdout(&output), stderr(&output));
        (stdout(&output), stderr(&output))
    }
}

#[test]
fn accepted_changes_are_listed_and_shown_with_their_lines_and_reasons() {
    let desk = Desk::furnished();
    desk.says(&["pool", "update", "old", "--keepalive", "8", "--reason", "fewer, as the node asks"]);
    let newest = desk.newest();
    let listed = desk.says(&["history", "list"]);
    let first: Vec<&str> = listed.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(first[0], newest);
    assert!(first.join(" ").ends_with("update pool 1 by cli (fewer, as the node asks) (1 files)"), "{listed}");
    assert_eq!(listed.lines().count(), newest.parse::<usize>().unwrap(), "one line each:\n{listed}");

    let shown = desk.says(&["history", "show", &newest]);
    assert!(shown.starts_with(listed.lines().next().unwrap()), "{shown}");
    assert!(shown.contains("\n-    keepalive 32;\n+    keepalive 8;"), "{shown}");
    let json: serde_json::Value =
        serde_json::from_str(&desk.says(&["history", "show", &newest, "-o", "json"])).unwrap();
    assert_eq!(json["entries"][0]["reason"], "fewer, as the node asks");

    let said = desk.fails(&["history", "show", "9999"], 1);
    assert!(said.contains("there is no revision 9999") && said.contains("history list"), "{said}");
    let said = desk.fails(&["history", "rollback", "9999", "--yes"], 1);
    assert!(said.contains("there is no revision 9999"), "{said}");
    for wrong in [&["history", "show"][..], &["history", "show", "last"], &["history", "list", "--limit", "0"]] {
        desk.fails(wrong, 2);
    }
}

#[test]
fn the_way_back_is_shown_before_it_is_taken() {
    let desk = Desk::furnished();
    let number = desk.newest();
    desk.says(&["pool", "update", "old", "--keepalive", "8"]);
    desk.says(&["pool", "create", "--name", "later"]);
    let (latest, back) = (desk.newest(), ["history", "rollback", &number]);

    let (plan, _) = desk.ends(&[&back[..], &["--dry-run"]].concat(), 2);
    assert!(
        plan.starts_with(
            "0 to make, 1 to change, 1 to remove:\n  ~ pool pools.old\n      keepalive: \"8\" -> \"32\"\n  - pool pools.later\n"
        ),
        "{plan}"
    );
    assert!(plan.contains("\n-    keepalive 8;\n+    keepalive 32;"), "{plan}");
    let said = desk.fails(&back, 1);
    assert!(said.contains(&format!("Roll the gateway back to revision {number}")) && said.contains("--yes"), "{said}");
    let (status, screen) = at_terminal(&desk.command(&back), "? [y/N] ", "n\n");
    assert!(status == 1 && screen.contains("- pool pools.later") && screen.contains("nothing was changed"), "{screen}");
    assert_eq!(desk.newest(), latest, "nothing was changed by any of that");
    let meanwhile = || drop(desk.says(&["pool", "update", "old", "--keepalive", "9"]));
    let (status, screen) = at_terminal_after(&desk.command(&back), "? [y/N] ", meanwhile, "y\n");
    assert!(status == 1 && screen.contains("The gateway was changed by someone else"), "{screen}");
    assert_eq!(desk.json(&["pool", "get", "old"])["keepalive"], 9, "what nobody was shown is not undone");
    desk.says(&["pool", "update", "old", "--keepalive", "8"]);
    let latest = desk.newest();

    let (done, told) = desk.told(&[&back[..], &["--yes", "--reason", "later was a mistake"]].concat());
    assert!(done.starts_with("0 to make, 1 to change, 1 to remove:\n"), "{done}");
    assert!(told.contains("Next: nanio-orchestrator config reload"), "{told}");
    let shown = desk.says(&["history", "show", &desk.newest()]);
    assert!(shown.contains("(later was a mistake)"), "{shown}");
    let (nothing, told) = desk.told(&[&back[..], &["--yes"]].concat());
    assert_eq!((nothing.as_str(), told.as_str()), ("Nothing was to be changed.\n", ""));
    let (nothing, _) = desk.ends(&[&back[..], &["--dry-run"]].concat(), 0);
    assert_eq!(nothing, format!("Nothing to change: the gateway is what it was after revision {number}.\n"));
    let (_, screen) = at_terminal(&desk.command(&["history", "rollback", &latest]), "? [y/N] ", "y\n");
    assert!(screen.contains("+ pool pools.later"), "{screen}");
    assert_eq!(desk.json(&["pool", "get", "old"])["keepalive"], 8);
}

#[test]
fn what_would_lead_a_bucket_away_is_refused_with_the_command_and_left_out_with_partial() {
    let desk = Desk::furnished();
    let number = desk.newest();
    // Nobody answers at either pool, so objects may be there.
    desk.says(&["route", "create", "s3.test", "--path-prefix", "/photos/", "--pool-id", "new", "--allow-orphan"]);
    desk.says(&["pool", "update", "old", "--keepalive", "8"]);
    let latest = desk.newest();
    let back = ["history", "rollback", &number, "--yes"];
    let said = desk.fails(&back, 1);
    let command = "nanio-orchestrator migration start photos --src new --dst old --vhost s3.test";
    for part in ["409", "s3.test/photos/", command, "--partial"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(desk.newest(), latest);
    let (plan, _) = desk.ends(&["history", "rollback", &number, "--dry-run", "--partial"], 2);
    assert!(plan.contains("Needs a migration first") && plan.contains(command), "{plan}");
    let (done, _) = desk.told(&[&back[..], &["--partial"]].concat());
    assert!(done.starts_with("0 to make, 1 to change, 0 to remove:\n  ~ pool pools.old\n"), "{done}");
    assert!(done.contains(&format!("\n      {command}\n")), "{done}");
    assert_eq!(desk.json(&["route", "get", "s3.test", "/photos/"])["pool_id"], 2);
}

#[test]
fn without_a_server_the_history_says_how_to_start_one() {
    let mut desk = Desk::furnished();
    desk.server = None;
    for arguments in [&["history", "list"][..], &["history", "show", "1"], &["history", "rollback", "1", "--yes"]] {
        let said = desk.fails(arguments, 3);
        assert!(said.contains("systemctl start nanio-orchestrator"), "{arguments:?}: {said}");
    }
}
