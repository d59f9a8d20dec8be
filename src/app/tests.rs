//! The use cases of a command: alone on their data, and done when they return.

use std::collections::HashMap;
use std::path::Path;

use super::*;
use crate::config::{Sources, variable};
use crate::domain::audit::{Actor, Filter};

fn settings(directory: &Path) -> Settings {
    let path = |name: &str| directory.join(name).display().to_string();
    let environment: HashMap<String, String> = HashMap::from([
        (variable("dev"), "true".to_owned()),
        (variable("db_path"), path("data/orchestrator.db")),
        (variable("nginx_config_dir"), path("nginx")),
    ]);
    Settings::from_sources(&Sources { environment, ..Sources::default() }).unwrap()
}

#[tokio::test]
async fn a_command_has_the_data_for_itself_and_leaves_it_free() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    for _ in 0..2 {
        let held = offline(&settings, "a test", async |_: &Services| {
            let second = offline(&settings, "another", async |_: &Services| ()).await;
            second.unwrap_err().to_string()
        });
        let told = held.await.unwrap();
        assert!(told.contains(&format!("process {} (a test, since ", std::process::id())), "{told}");
    }
}

#[tokio::test]
async fn what_a_command_changes_is_made_before_it_returns() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    let rebuild = async |services: &Services| services.config.rebuild(Actor::Cli).await;
    assert!(offline(&settings, "a rebuild", rebuild).await.unwrap().unwrap().ok);
    let first = async |services: &Services| services.audit.list(Filter { take: 9, ..Filter::default() }).await;
    let entries = offline(&settings, "a look", first).await.unwrap().unwrap();
    let told: Vec<_> = entries.iter().map(|entry| (entry.actor.as_str(), entry.action.as_str())).collect();
    assert_eq!(told, [("cli", "manual_reload"), ("cli", "rebuild")]);
}
