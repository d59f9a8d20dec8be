//! `/api/config/settings`.

use std::os::unix::fs::PermissionsExt as _;

use nanio_orchestrator::config::SETTINGS;
use serde_json::{Value, json};

use super::world::{KEY, World};

const SETTINGS_PATH: &str = "/api/config/settings";

impl World {
    fn env_text(&self) -> String {
        std::fs::read_to_string(self.home("config.env")).unwrap()
    }

    async fn set(&self, key: &str, value: impl Into<Value>) -> super::world::Answer {
        self.put(&format!("{SETTINGS_PATH}/{key}"), json!({"value": value.into()})).await
    }

    /// One setting with all that is said of it.
    async fn setting(&self, key: &str) -> Value {
        let all = self.get(SETTINGS_PATH).await.expect(200);
        let categories = all["categories"].as_array().unwrap();
        let all = categories.iter().flat_map(|category| category["settings"].as_array().unwrap());
        all.into_iter().find(|setting| setting["key"] == key).unwrap().clone()
    }
}

#[tokio::test]
async fn every_setting_is_a_field_as_in_0_4_and_grouped_with_its_origin() {
    let world = World::start().await;
    let all = world.get(SETTINGS_PATH).await.expect(200);
    for setting in SETTINGS {
        assert!(all.get(setting.key).is_some(), "{}", setting.key);
    }
    assert_eq!((&all["port"], &all["host"], &all["session_ttl"]), (&json!(8080), &json!("0.0.0.0"), &json!(28800)));
    assert_eq!((&all["allow_raw_directives"], &all["log_file"]), (&json!(false), &Value::Null));
    assert_eq!((&all["dev_mode"], &all["migration_bandwidth_limit"]), (&json!(false), &json!("")));
    assert_eq!(all["config_file"], json!(world.home("config.env")));
    assert_eq!(all["db_backup_path"], json!(world.home("data/orchestrator.db.bak")));
    let names: Vec<&str> =
        all["categories"].as_array().unwrap().iter().map(|category| category["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Core", "Database", "Security", "S3", "Nginx", "Migrations", "Observability"]);
    let port = world.setting("port").await;
    assert_eq!(
        (&port["origin"], &port["pending"], &port["editable"]),
        (&json!("default"), &json!(false), &json!(true))
    );
    assert_eq!(world.setting("db_path").await["origin"], "file");
    assert_eq!(world.setting("db_path").await["editable"], false);
}

#[tokio::test]
async fn f38_secrets_are_masks_everywhere_and_in_the_log_too() {
    let world = World::start().await;
    for (key, secret) in [("s3_secret_key", "topsecretkey"), ("s3_access_key", "abcd"), ("metrics_token", "tokentoken")]
    {
        let answer = world.set(key, secret).await.expect(200);
        assert!(!answer.to_string().contains(secret), "{answer}");
    }
    assert_eq!(world.setting("s3_secret_key").await["pending_value"], "tops****");
    assert_eq!(world.setting("s3_access_key").await["pending_value"], "****");
    let shown = format!("{} {}", world.get(SETTINGS_PATH).await.text, world.get("/api/audit").await.text);
    for secret in ["topsecretkey", "tokentoken", KEY, "\"abcd\""] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    // What was masked is whole in the file.
    assert!(world.env_text().contains("\nNANIO_ORCHESTRATOR_S3_SECRET_KEY=topsecretkey\n"));
    let after = world.restart(KEY);
    assert_eq!(after.get(SETTINGS_PATH).await.expect(200)["s3_secret_key"], "tops****");
}

#[tokio::test]
async fn a_change_waits_in_the_file_for_the_next_start() {
    let world = World::start().await;
    let before = world.env_text();
    let answer = world.set("NANIO_ORCHESTRATOR_Log_Level", "debug").await.expect(200);
    assert_eq!(
        answer,
        json!({"ok": true, "key": "log_level", "value": "debug", "restart_required": true, "overridden_by": null,
               "message": "Written; in force after a restart"})
    );
    assert_eq!(world.env_text(), format!("{before}NANIO_ORCHESTRATOR_LOG_LEVEL=debug\n"));
    let setting = world.setting("log_level").await;
    assert_eq!((&setting["value"], &setting["pending_value"]), (&json!("info"), &json!("debug")));
    // The same again changes nothing; unset, it is as it was.
    world.set("log_level", "debug").await.expect(200);
    assert_eq!(world.set("log_level", Value::Null).await.expect(200)["restart_required"], false);
    assert_eq!(world.setting("log_level").await["pending"], false);
    assert_eq!(world.get("/api/audit").await.expect(200).as_array().unwrap().len(), 2);
    let after = world.restart(KEY);
    after.set("session_ttl", 900).await.expect(200);
    assert_eq!(after.restart(KEY).get(SETTINGS_PATH).await.expect(200)["session_ttl"], 900);
    // Nothing lies about.
    assert!(!world.home("data/orchestrator.db.settings").exists() && !world.home("config.env.tmp").exists());
}

#[tokio::test]
async fn f37_what_would_keep_the_service_from_starting_is_refused_and_nothing_is_written() {
    let world = World::start().await;
    let (before, rows) = (world.env_text(), world.everything().await);
    for (key, value, part) in [
        ("port", "abc", "must be a whole number from 1 to 65535"),
        ("port", "80\nNANIO_ORCHESTRATOR_RCLONE_PATH=/tmp/x", "one line"),
        ("s3_access_key", "a\nNANIO_ORCHESTRATOR_RCLONE_PATH=/tmp/x", "one line"),
        ("log_level", "warn", "debug, info, warning or error"),
        ("api_key", "changeme", "NANIO_ORCHESTRATOR_API_KEY"),
        ("api_key", "", "NANIO_ORCHESTRATOR_API_KEY"),
        ("secret", "not-a-fernet-key", "\"not-****\""),
    ] {
        let detail = world.set(key, value).await.detail(422);
        assert!(detail.contains(part) && !detail.contains("not-a-fernet"), "{key}: {detail}");
    }
    assert_eq!(world.put(&format!("{SETTINGS_PATH}/port"), json!({})).await.detail(422), "value: Field required");
    assert_eq!(world.put(&format!("{SETTINGS_PATH}/port"), json!({"value": []})).await.faults()[0].1, "body.value");
    assert_eq!(world.set("no_such_setting", "x").await.detail(404), "Setting not found");
    assert_eq!(world.set("dev", "true").await.detail(404), "Setting not found");
    assert_eq!((world.env_text(), world.everything().await), (before, rows));
    // A value with every character that means something survives.
    let odd = r##" a#b"c'd\e$f`g é "##;
    world.set("s3_secret_key", odd).await.expect(200);
    assert!(world.env_text().ends_with("NANIO_ORCHESTRATOR_S3_SECRET_KEY=\" a#b\\\"c'd\\\\e\\$f\\`g é \"\n"));
}

#[tokio::test]
async fn f42_what_names_a_program_or_a_file_is_changed_on_the_machine_only() {
    let world = World::start().await;
    let before = world.env_text();
    for key in [
        "rclone_path",
        "nginx_bin",
        "nginx_conf",
        "nginx_sudo",
        "nginx_config_dir",
        "db_path",
        "db_backup_path",
        "database_url",
        "log_file",
        "allow_raw_directives",
    ] {
        let detail = world.set(key, "/tmp/x").await.detail(403);
        assert!(detail.contains(&format!("nanio-orchestrator config set {key} VALUE")), "{detail}");
    }
    assert_eq!(world.env_text(), before);
}

#[tokio::test]
async fn f41_a_change_and_a_restart_are_in_the_audit_log() {
    let world = World::start().await;
    let cli = [("x-orchestrator-actor", "cli")];
    let body = json!({"value": "topsecretkey"});
    world.ask("PUT", &format!("{SETTINGS_PATH}/s3_secret_key"), &cli, body).await.expect(200);
    world.post(&format!("{SETTINGS_PATH}/restart"), Value::Null).await.expect(200);
    assert_eq!(world.manager.restarts(), 1);
    let entries = world.get("/api/audit?entity_type=settings").await.expect(200);
    assert_eq!((&entries[0]["action"], &entries[0]["actor"]), (&json!("restart"), &json!("api")));
    assert_eq!((&entries[1]["action"], &entries[1]["actor"]), (&json!("update"), &json!("cli")));
    assert_eq!(entries[1]["before_json"], r#"{"key":"s3_secret_key","value":null}"#);
    assert_eq!(entries[1]["after_json"], r#"{"key":"s3_secret_key","value":"tops****"}"#);
}

#[tokio::test]
async fn a_restart_that_is_not_possible_is_503_and_says_what_to_do() {
    let world = World::start().await;
    world.manager.refuse("run: systemctl restart nanio-orchestrator");
    let detail = world.post(&format!("{SETTINGS_PATH}/restart"), Value::Null).await.detail(503);
    assert_eq!(detail, "run: systemctl restart nanio-orchestrator");
    assert_eq!(world.get("/api/audit").await.expect(200), json!([]));
}

#[tokio::test]
async fn a_file_that_was_edited_by_hand_shows_what_is_wrong_with_it() {
    let world = World::start().await;
    let text = format!("{}NANIO_ORCHESTRATOR_PORT=abc\n", world.env_text());
    std::fs::write(world.home("config.env"), text).unwrap();
    let all = world.get(SETTINGS_PATH).await.expect(200);
    assert_eq!(all["problems"].as_array().unwrap().len(), 1);
    assert!(all["problems"][0].as_str().unwrap().contains("line 4): must be a whole number"), "{all}");
    assert_eq!((&all["port"], &world.setting("port").await["pending_value"]), (&json!(8080), &json!("abc")));
    // The others can still be changed, and the bad one mended.
    world.set("log_level", "debug").await.expect(200);
    world.set("port", 81).await.expect(200);
    assert_eq!(world.get(SETTINGS_PATH).await.expect(200)["problems"], json!([]));
}

#[tokio::test]
async fn a_file_beside_which_none_can_be_made_is_written_in_place_with_its_mode() {
    let world = World::start().await;
    let path = world.home("config.env");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o660)).unwrap();
    std::fs::create_dir_all(world.home("config.env.tmp/in the way")).unwrap();
    let before = world.env_text();
    world.set("log_level", "warning").await.expect(200);
    world.set("log_level", "info").await.expect(200);
    assert_eq!(world.env_text(), format!("{before}NANIO_ORCHESTRATOR_LOG_LEVEL=info\n"));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
}

#[tokio::test]
async fn changes_at_the_same_moment_are_all_kept() {
    let world = World::start().await;
    let keys =
        ["bucket_sync_interval", "drift_interval", "db_backup_interval", "db_backup_rotate", "migration_checkers"];
    let (a, b, c, d, e) = tokio::join!(
        world.set(keys[0], 11),
        world.set(keys[1], 12),
        world.set(keys[2], 13),
        world.set(keys[3], 14),
        world.set(keys[4], 15)
    );
    for answer in [a, b, c, d, e] {
        answer.expect(200);
    }
    let next = world.restart(KEY).get(SETTINGS_PATH).await.expect(200);
    assert_eq!(keys.map(|key| next[key].as_i64().unwrap()), [11, 12, 13, 14, 15]);
}
