//! `nanio-orchestrator restore-db FILE`.

use std::path::PathBuf;

use clap::Args;

use super::say;
use crate::app;
use crate::config::{Settings, Sources};

/// What `restore-db` takes.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct RestoreArguments {
    /// The copy to restore, such as /opt/nanio-orchestrator/data/orchestrator.db.bak; it stays as it is
    file: PathBuf,
}

/// Puts the copy in the place of the database, and says what to do next.
pub(super) async fn run(arguments: RestoreArguments) -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::from_sources(&Sources::gather(Vec::new())?)?;
    let (database, file) = (settings.db_path.clone(), arguments.file.clone());
    let restored = tokio::task::spawn_blocking(move || app::restore_db(&settings, &file)).await??;
    say(&format!("{} now holds what {} holds.", database.display(), arguments.file.display()));
    if let Some(aside) = restored.aside {
        say(&format!("The database that was there is kept as {}.", aside.display()));
    }
    say("The copy may be older than the nginx files. Start the server and look at GET /api/config/status: files that \
         are not as this database last wrote them are shown as drifted. Then either\n  \
         - POST /api/config/rebuild to have the files as this database says, or\n  \
         - 'nanio-orchestrator rebuild-db --force' (server stopped) to have the database as the files say.");
    Ok(())
}
