//! Plans and what came of them, for people.

use std::fmt::Write as _;

use serde_json::Value;

/// What a plan says whose aim is that the gateway is `aim`.
pub(in crate::adapters::cli) fn plan(plan: &Value, aim: &str) -> String {
    let mut text = String::new();
    changes(&mut text, plan);
    if plan["changed"] == false {
        let _ = writeln!(text, "Nothing to change: the gateway is {aim}.");
    }
    list(&mut text, "Stays, although the document does not name it (--prune removes it):", &plan["unmanaged"]);
    moved(&mut text, &plan["moved"]);
    held(&mut text, plan);
    list(&mut text, "Could not be seen:", &plan["warnings"]);
    for file in items(&plan["files"]) {
        let _ = write!(text, "\n{}", word(&file["diff"]));
    }
    if let Some(more) = plan["more_files"].as_u64().filter(|more| *more > 0) {
        let _ = writeln!(text, "\n{more} files more would change.");
    }
    nginx(&mut text, plan);
    text
}

/// What an apply did.
pub(in crate::adapters::cli) fn applied(applied: &Value) -> String {
    let mut text = String::new();
    changes(&mut text, applied);
    if applied["changed"] == false {
        text.push_str("Nothing was to be changed.\n");
    }
    list(&mut text, "Stayed, although the document does not name it (--prune removes it):", &applied["unmanaged"]);
    held(&mut text, applied);
    list(&mut text, "Could not be seen:", &applied["warnings"]);
    nginx(&mut text, applied);
    text
}

fn changes(text: &mut String, answer: &Value) {
    let all = items(&answer["changes"]);
    let count = |action: &str| all.iter().filter(|change| change["action"] == action).count();
    if !all.is_empty() {
        let (made, changed, gone) = (count("create"), count("update"), count("delete"));
        let _ = writeln!(text, "{made} to make, {changed} to change, {gone} to remove:");
    }
    for change in all {
        let sign = match word(&change["action"]) {
            "create" => '+',
            "delete" => '-',
            _ => '~',
        };
        let _ = writeln!(text, "  {sign} {} {}", word(&change["resource"]), word(&change["place"]));
        for field in items(&change["fields"]) {
            let side = |value: &Value| value.as_str().map_or("nothing".to_owned(), |value| format!("{value:?}"));
            let (before, after) = (side(&field["before"]), side(&field["after"]));
            let _ = writeln!(text, "      {}: {before} -> {after}", word(&field["field"]));
        }
    }
}

fn moved(text: &mut String, turns: &Value) {
    let turns = items(turns);
    if !turns.is_empty() {
        text.push_str("\nServed by another pool, without objects that stay behind:\n");
    }
    for turn in turns {
        let to = turn["to_pool"].as_str().unwrap_or("none");
        let (vhost, prefix) = (word(&turn["vhost"]), word(&turn["path_prefix"]));
        let _ = writeln!(text, "  {vhost}{prefix}: {} -> {to}", word(&turn["from_pool"]));
    }
}

fn held(text: &mut String, answer: &Value) {
    let held = items(&answer["needs_migration"]);
    if !held.is_empty() {
        text.push_str("\nNeeds a migration first (--partial applies the rest):\n");
    }
    for one in held {
        let _ = writeln!(text, "  {}{}: {}", word(&one["vhost"]), word(&one["path_prefix"]), word(&one["reason"]));
        if let Some(command) = one["command"].as_str() {
            let _ = writeln!(text, "      {command}");
        }
    }
}

fn list(text: &mut String, title: &str, entries: &Value) {
    let entries = items(entries);
    if !entries.is_empty() {
        let _ = writeln!(text, "\n{title}");
    }
    for entry in entries {
        let _ = writeln!(text, "  {}", word(entry));
    }
}

fn nginx(text: &mut String, answer: &Value) {
    let Some(ok) = answer["nginx"]["ok"].as_bool() else { return };
    let title = if ok { "\nnginx accepts it:" } else { "\nIt would be refused:" };
    let _ = writeln!(text, "{title}\n{}", word(&answer["nginx"]["output"]).trim_end());
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_is_told_in_the_order_in_which_it_is_read() {
        let answer = json!({
            "changed": true,
            "changes": [
                {"action": "create", "resource": "pool", "place": "pools.hot", "fields": []},
                {"action": "update", "resource": "pool", "place": "pools.cold",
                 "fields": [{"field": "keepalive", "before": "32", "after": null}]},
            ],
            "unmanaged": ["pools.old"],
            "moved": [{"vhost": "a.example", "path_prefix": "/x/", "from_pool": "cold", "to_pool": null}],
            "needs_migration": [{"vhost": "a.example", "path_prefix": "/y/", "reason": "objects", "command": "move it"}],
            "warnings": [],
            "files": [{"path": "f", "diff": "--- f\n+++ f\n"}],
            "more_files": 2,
            "nginx": {"ok": true, "output": "successful\n"},
        });
        assert_eq!(
            plan(&answer, "as it was"),
            "1 to make, 1 to change, 0 to remove:\n  + pool pools.hot\n  ~ pool pools.cold\n      keepalive: \"32\" -> \
             nothing\n\nStays, although the document does not name it (--prune removes it):\n  pools.old\n\nServed by \
             another pool, without objects that stay behind:\n  a.example/x/: cold -> none\n\nNeeds a migration first \
             (--partial applies the rest):\n  a.example/y/: objects\n      move it\n\n--- f\n+++ f\n\n2 files more would \
             change.\n\nnginx accepts it:\nsuccessful\n"
        );
    }
}
