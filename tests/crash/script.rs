//! The changes that are interrupted, one after the other: every kind of change, and every way in which
//! files are written, replaced and removed.

use serde_json::{Value, json};

/// One request, and what is done to the machine before the program is started for it.
pub struct Step {
    pub name: &'static str,
    pub method: &'static str,
    pub path: &'static str,
    pub body: Value,
    pub scene: Scene,
    /// Killed at every point, and in the recovery from that; the others, which take the same ways with other
    /// files, only where something lasting has just happened.
    pub thorough: bool,
}

/// What is special about the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// Nothing.
    Plain,
    /// The candidate main file cannot be written, so that candidates are swapped in and tested there.
    NoCandidate,
    /// No file can be made beside the env file, so that it is written in place.
    NoFileBeside,
    /// A managed file was edited by hand, another one was left by somebody, and a change was refused.
    Edited,
    /// A member's weight was edited by hand.
    Reweighed,
    /// A plan has left another state of a file where candidates are tested.
    Planned,
}

fn step(name: &'static str, method: &'static str, path: &'static str, body: Value) -> Step {
    Step { name, method, path, body, scene: Scene::Plain, thorough: false }
}

/// Stands for the managed directory, which each worker has for itself.
pub const MANAGED: &str = "{managed}";

/// What stands before the number of accepted changes to go back, in a path.
pub const BACK: &str = "{back:";

/// The script. Ids are given in order, so they are known.
pub fn steps(port: u16) -> Vec<Step> {
    let in_scene = |scene: Scene, step: Step| Step { scene, thorough: true, ..step };
    let thorough = |step: Step| Step { thorough: true, ..step };
    vec![
        step("create a pool", "POST", "/api/pools", json!({"name": "alpha"})),
        step("create its first member", "POST", "/api/pools/1/members", json!({"address": "127.0.0.1:9"})),
        step("create another pool", "POST", "/api/pools", json!({"name": "beta"})),
        step("create its member", "POST", "/api/pools/2/members", json!({"address": "127.0.0.1:10"})),
        thorough(step(
            "create a vhost",
            "POST",
            "/api/vhosts",
            json!({"server_name": "a.example", "listen_port": port, "ssl": false, "default_pool_id": 1}),
        )),
        Step {
            scene: Scene::Planned,
            ..step(
                "create a route",
                "POST",
                "/api/vhosts/1/routes",
                json!({"path_prefix": "/bucket-a/", "pool_id": 2, "allow_orphan": true}),
            )
        },
        step("change a member", "PUT", "/api/pools/1/members/1", json!({"weight": 7})),
        thorough(step("rename a pool", "PUT", "/api/pools/2", json!({"name": "gamma"}))),
        in_scene(Scene::NoCandidate, step("rename it by a swap", "PUT", "/api/pools/2", json!({"name": "delta"}))),
        step("rename a vhost", "PUT", "/api/vhosts/1", json!({"server_name": "b.example"})),
        step("disable a vhost", "PUT", "/api/vhosts/1", json!({"enabled": false})),
        step("enable it again", "PUT", "/api/vhosts/1", json!({"enabled": true})),
        step("back up the database", "POST", "/api/config/backup", Value::Null),
        step("back it up again", "POST", "/api/config/backup", Value::Null),
        thorough(step("back it up over older copies", "POST", "/api/config/backup", Value::Null)),
        step("reload nginx", "POST", "/api/config/reload", Value::Null),
        in_scene(Scene::Edited, step("rebuild the files", "POST", "/api/config/rebuild", Value::Null)),
        Step {
            scene: Scene::Reweighed,
            ..step(
                "take an edit over",
                "POST",
                "/api/config/absorb-file",
                json!({"path": format!("{MANAGED}/pools/alpha.conf")}),
            )
        },
        Step { scene: Scene::Reweighed, ..step("take every edit over", "POST", "/api/config/sync", Value::Null) },
        Step {
            scene: Scene::Reweighed,
            ..step(
                "write one file anew",
                "POST",
                "/api/config/rewrite-file",
                json!({"path": format!("{MANAGED}/pools/alpha.conf")}),
            )
        },
        thorough(step("make the database again", "POST", "/api/config/rebuild-from-disk?force=true", Value::Null)),
        thorough(step("set a setting", "PUT", "/api/config/settings/migration_checkers", json!({"value": 16}))),
        in_scene(
            Scene::NoFileBeside,
            step("set it in place", "PUT", "/api/config/settings/migration_transfers", json!({"value": "32"})),
        ),
        in_scene(
            Scene::NoFileBeside,
            step("shorten it in place", "PUT", "/api/config/settings/migration_transfers", json!({"value": ""})),
        ),
        thorough(step("apply a document", "POST", "/api/config/apply?prune=true", document(port, true))),
        step("apply one that names less", "POST", "/api/config/apply?prune=true", document(port, false)),
        step("make several changes as one", "POST", "/api/config/changes", operations()),
        thorough(step("go back over both", "POST", "/api/config/revisions/{back:2}/rollback", Value::Null)),
        step(
            "create a route that stays",
            "POST",
            "/api/vhosts/1/routes",
            json!({"path_prefix": "/bucket-c/", "pool_id": 2, "allow_orphan": true}),
        ),
        step("change a pool and its name", "PUT", "/api/pools/1", json!({"name": "omega", "keepalive": 9})),
        // Nobody answers at the pool, so its bucket may hold objects.
        thorough(step(
            "go back but for that route",
            "POST",
            "/api/config/revisions/{back:2}/rollback?partial=true",
            Value::Null,
        )),
        step(
            "delete the route that stayed",
            "POST",
            "/api/config/changes",
            json!({"operations": [{"op": "delete", "resource": "route", "vhost": "b.example", "route": "/bucket-c/",
                                   "body": {"allow_orphan": true}}]}),
        ),
        step("go forth again", "POST", "/api/config/revisions/{back:5}/rollback", Value::Null),
        step("delete a route", "DELETE", "/api/vhosts/1/routes/2?allow_orphan=true", Value::Null),
        step("delete a vhost", "DELETE", "/api/vhosts/1?allow_orphan=true", Value::Null),
        step("delete a pool", "DELETE", "/api/pools/2", Value::Null),
    ]
}

/// The gateway of the script as a document, with some more or without it.
fn document(port: u16, more: bool) -> Value {
    let mut document = json!({
        "version": 1,
        "pools": {
            "alpha": {"members": [{"address": "127.0.0.1:9", "weight": 3}]},
            "delta": {"description": "the other one", "members": [{"address": "127.0.0.1:10"}]},
        },
        "vhosts": {
            "b.example": {
                "listen_port": port, "ssl": false, "default_pool": "alpha",
                "routes": {"/bucket-a/": {"pool": "delta"}},
                "ignored_buckets": ["scratch"],
            },
        },
    });
    if more {
        document["pools"]["epsilon"] = json!({"members": [{"address": "127.0.0.1:11"}, {"address": "127.0.0.1:12"}]});
        // Off: no storage node is there that could be asked about it.
        document["vhosts"]["b.example"]["routes"]["/bucket-b/"] = json!({"pool": "epsilon", "enabled": false});
        document["vhosts"]["c.example"] = json!({"listen_port": port, "ssl": false, "default_pool": "epsilon"});
    }
    document
}

/// Something of each kind, made, changed and removed.
fn operations() -> Value {
    json!({"operations": [
        {"op": "create", "resource": "pool", "body": {"name": "zeta"}},
        {"op": "create", "resource": "member", "pool": "zeta", "body": {"address": "127.0.0.1:13"}},
        {"op": "create", "resource": "vhost",
         "body": {"server_name": "d.example", "ssl": false, "listen_port": 1, "enabled": false, "default_pool_id": "zeta"}},
        {"op": "update", "resource": "member", "pool": "alpha", "member": "127.0.0.1:9", "body": {"weight": 4}},
    ]})
}
