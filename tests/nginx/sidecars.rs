//! Sidecars are read back as they were written, and what is wrong in one is told and left out, no more.

use nanio_orchestrator::adapters::nginx::render::{Dialect, Renderer};
use nanio_orchestrator::adapters::nginx::sidecar::{read, write};
use nanio_orchestrator::domain::disk::{DiskPoolSidecar, DiskVhostSidecar};
use nanio_orchestrator::domain::gateway::ManagedFile;
use nanio_orchestrator::domain::ids::PoolId;
use nanio_orchestrator::domain::pool::{PoolKind, Role};
use nanio_orchestrator::domain::sidecar::HighestIds;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::values;

proptest! {
    #[test]
    fn a_pool_s_sidecar_is_read_back_as_it_was(sidecar in values::pool_sidecar()) {
        let text = write::pool(&sidecar);
        prop_assert_eq!(read::pool(&text), Ok(DiskPoolSidecar::from(sidecar)), "{}", text);
    }

    #[test]
    fn a_vhost_s_sidecar_is_read_back_as_it_was(sidecar in values::vhost_sidecar()) {
        let text = Renderer::new().render(&ManagedFile::VhostSidecar(Box::new(sidecar.clone())), Dialect::USUAL);
        prop_assert!(text.is_ascii());
        prop_assert_eq!(read::vhost(&text), Ok(DiskVhostSidecar::from(sidecar)), "{}", text);
    }

    #[test]
    fn the_highest_ids_are_read_back_as_they_were(pools in 0i64.., members in 0i64.., vhosts in 0i64.., routes in 0i64.., migrations in 0i64..) {
        let highest = HighestIds { pools, members, vhosts, routes, migrations };
        prop_assert_eq!(read::ids(&write::ids(highest)), Ok(highest));
    }
}

fn pool(value: &Value) -> Result<DiskPoolSidecar, String> {
    read::pool(&value.to_string())
}

fn vhost(value: &Value) -> Result<DiskVhostSidecar, String> {
    read::vhost(&value.to_string())
}

#[test]
fn a_file_that_is_nothing_of_ours_is_refused_with_the_reason() {
    let begins = |read: Result<DiskPoolSidecar, String>, with: &str| {
        assert!(read.as_ref().is_err_and(|why| why.starts_with(with)), "{read:?}");
    };
    begins(read::pool(""), "it is not JSON");
    begins(read::pool("{\"name\": \"a\""), "it is not JSON");
    begins(read::pool(&"[".repeat(100_000)), "it is not JSON");
    begins(read::pool("[]"), "it is not a JSON object");
    begins(pool(&json!({"type": "nanio"})), "its name is missing");
    begins(pool(&json!({"name": null})), "its name is missing");
    begins(pool(&json!({"name": "a/b"})), "its name is not as it must be");
    begins(pool(&json!({"name": "a", "format": 2})), "it was written by a newer version");
    assert!(vhost(&json!({"server_name": "a", "format": 99})).is_err());
    assert!(read::ids("{\"format\": 2, \"highest_ids\": {}}").is_err());
}

#[test]
fn a_field_that_is_not_as_it_must_be_is_told_and_left_out_and_the_others_are_kept() {
    let read = pool(&json!({
        "name": "a", "pool_id": "7", "type": "tape", "keepalive": 5000, "lb_method": 3, "description": "kept",
        "created_at": "yesterday", "updated_at": "2026-11-24 06:38:44", "colour": "red", "source_nanio_pool_name": "b",
        "members": [
            {"id": 1, "address": "10.0.0.1:9000", "weight": 0},
            {"id": 2, "address": "not an address"},
            {"address": "10.0.0.2:9000"},
            "10.0.0.3:9000",
            {"id": 1, "address": "10.0.0.4:9000", "role": "active", "weight": 1, "max_fails": 1, "fail_timeout_s": 1, "enabled": true},
        ],
        "credentials": {"access_key_enc": "gAAA"},
    }))
    .unwrap();
    assert_eq!((read.id, read.kind, read.keepalive, read.lb_method), (None, None, None, None));
    assert_eq!(read.description.as_deref(), Some("kept"));
    assert_eq!(read.updated_at.map(|time| time.iso()).as_deref(), Some("2026-11-24T06:38:44Z"));
    assert_eq!((read.created_at, read.credential, read.source), (None, None, None));
    let members = read.members.unwrap();
    assert_eq!(members.len(), 1);
    assert_eq!((members[0].address.as_str(), members[0].weight.get()), ("10.0.0.1:9000", 1));
    assert_eq!(members[0].created_at.iso(), "2026-11-24T06:38:44Z");
    let expected = [
        "pool_id: not an id; left out",
        "type: Input should be 'nanio' or 'http'; left out",
        "created_at: not a time; left out",
        "source_nanio_pool_name is b, but source_nanio_pool_id is missing; left out",
        "members[0].role is missing; the default was taken",
        "members[0].weight: Input should be greater than or equal to 1; left out",
        "members[0].max_fails is missing; the default was taken",
        "members[0].fail_timeout_s is missing; the default was taken",
        "members[0].enabled is missing; the default was taken",
        "members[1]: its address is not as it must be: address must be host:port, [IPv6]:port or unix:/path/to/socket; left out",
        "members[2]: its id is missing; left out",
        "members[3] is not an object; left out",
        "members: the id 1 stands there twice; the second one was left out",
        "credentials: its secret_key_enc is missing; left out",
        "lb_method: not a text; left out",
        "keepalive: Input should be less than or equal to 1024; left out",
        "colour is not a field of this file; left out",
    ];
    assert_eq!(read.remains, expected);
}

#[test]
fn f50_what_0_4_x_did_not_say_is_not_known_rather_than_a_default() {
    let read = pool(&json!({
        "pool_id": 4, "name": "web", "type": "http", "description": null, "updated_at": "2026-11-24T06:38:44Z",
        "source_nanio_pool_id": 1,
    }))
    .unwrap();
    assert_eq!(read.source, Some((PoolId(1), None)));
    assert_eq!((read.members, read.keepalive, read.lb_method), (None, None, None));
    assert_eq!(read.remains, Vec::<String>::new());
    let read = vhost(&json!({
        "vhost_id": 1, "server_name": "S3.example.test", "default_pool_id": 1, "default_pool_name": "p",
        "extra_blocks_json": "[{\"zone\": \"top\", \"content\": \"add_header A b;\"}]",
        "ip_rule_mode": "deny", "ip_rule_ips_json": "[\"10.0.0.0/8\"]", "updated_at": "2026-11-24T06:38:44Z",
    }))
    .unwrap();
    assert_eq!(read.server_name.as_str(), "s3.example.test");
    assert_eq!(read.extra_blocks[0].content.as_str(), "add_header A b;");
    assert_eq!(read.ip_rules.unwrap().ranges[0].as_str(), "10.0.0.0/8");
    assert_eq!((read.enabled, read.ssl, read.listen_port, read.extra_directives), (None, None, None, None));
    assert_eq!(read.remains, Vec::<String>::new());
}

#[test]
fn the_role_of_a_member_that_lacks_one_follows_the_pool_s_type() {
    let members = json!([{"id": 1, "address": "10.0.0.1:80"}]);
    let role = |kind: &str| {
        let read = pool(&json!({"name": "a", "type": kind, "members": members})).unwrap();
        (read.kind, read.members.unwrap()[0].role)
    };
    assert_eq!(role("cold"), (Some(PoolKind::Http), Role::Primary));
    assert_eq!(role("http"), (Some(PoolKind::Http), Role::Primary));
    assert_eq!(role("nanio"), (Some(PoolKind::Nanio), Role::Active));
}

#[test]
fn raw_directives_that_would_leave_their_place_are_told_and_left_out() {
    let read = vhost(&json!({
        "server_name": "a",
        "extra_directives": "} server { listen 1;",
        "extra_blocks_json": [{"zone": "top", "content": "root /srv;"}, {"zone": "side", "content": "etag off;"}],
        "ip_rule_mode": "allow", "ip_rule_ips_json": "[]",
        "routes": [{"id": 1, "path_prefix": "/a/", "pool_id": 1, "pool_name": "p"}],
    }))
    .unwrap();
    // What gives away the machine was the operator's choice once; it is the caller's to flag.
    assert_eq!(read.extra_blocks.len(), 1);
    assert_eq!((read.extra_directives, read.ip_rules), (None, None));
    assert!(!read.routes[0].enabled, "a route that is not known to be wanted stays off");
    let begins = [
        "routes[0].enabled is missing",
        "extra_blocks_json[1]: its zone is not as it must be",
        "ip_rule_mode is allow but",
        "extra_directives: not complete nginx directives",
    ];
    assert_eq!(read.remains.len(), begins.len(), "{:?}", read.remains);
    for begin in begins {
        assert!(read.remains.iter().any(|sentence| sentence.starts_with(begin)), "{begin}: {:?}", read.remains);
    }
}

#[test]
fn half_a_file_of_ids_is_no_file_of_ids() {
    let whole = json!({"highest_ids": {"pools": 1, "members": 2, "vhosts": 3, "routes": 4, "migrations": 5}});
    assert_eq!(read::ids(&whole.to_string()).map(|highest| highest.routes), Ok(4));
    for (bad, why) in [
        (json!({}), "its highest_ids is missing"),
        (json!({"highest_ids": 3}), "highest_ids is not an object; left out"),
        (json!({"highest_ids": {"pools": 1}}), "highest_ids: its members is missing; left out"),
    ] {
        assert_eq!(read::ids(&bad.to_string()), Err(why.to_owned()));
    }
    let mut negative = whole;
    negative["highest_ids"]["routes"] = json!(-1);
    assert!(read::ids(&negative.to_string()).is_err());
}
