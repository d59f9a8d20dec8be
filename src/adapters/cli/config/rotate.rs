//! `config rotate-secret`: by the server that runs on this data or, if there is none, directly.

use std::process::ExitCode;

use serde_json::Value;

use super::{Fault, print};
use crate::adapters::cli::server::Server;
use crate::adapters::cli::{say, service_user};
use crate::adapters::process_lock::LockError;
use crate::app::{self, StartError};
use crate::config::Settings;
use crate::domain::audit::Actor;
use crate::domain::ids::PoolId;
use crate::domain::pool::PoolName;
use crate::domain::services::Services;

/// Names of pools by what became of their keys.
struct Done {
    rotated: Vec<String>,
    unreadable: Vec<String>,
}

/// Encrypts all stored keys anew; the exit status is 1 if some could not be read.
pub(super) async fn run(settings: &Settings) -> Result<ExitCode, Fault> {
    service_user::become_it(settings)?;
    let rotate = async |services: &Services| services.credentials.rotate(Actor::Cli).await;
    let done = match app::offline(settings, "config rotate-secret", rotate).await {
        Ok(rotation) => {
            let rotation = rotation?;
            Done { rotated: names(rotation.rotated), unreadable: names(rotation.unreadable) }
        }
        Err(StartError::Lock(busy @ LockError::Busy { .. })) => match Server::of(&busy, settings)? {
            Some(server) => {
                let answer = server.ask("settings/rotate-secret").await?;
                Done { rotated: named(&answer["rotated"]), unreadable: named(&answer["unreadable"]) }
            }
            None => return Err(busy.into()),
        },
        Err(error) => return Err(error.into()),
    };
    for name in &done.rotated {
        print(&format!("  ✓ {name}"));
    }
    for name in &done.unreadable {
        print(&format!("  ✗ {name}: no key of SECRET decrypts its keys; they stay as they are"));
    }
    if done.unreadable.is_empty() {
        say("Every stored key is encrypted with the first key of SECRET: the others can be taken out of it.");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

fn names(pools: Vec<(PoolId, PoolName)>) -> Vec<String> {
    pools.into_iter().map(|(_, name)| name.as_str().to_owned()).collect()
}

fn named(pools: &Value) -> Vec<String> {
    let pools = pools.as_array().into_iter().flatten();
    pools.filter_map(|pool| pool["pool_name"].as_str().map(str::to_owned)).collect()
}
