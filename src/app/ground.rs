//! Whether there is a gateway on this machine that a command could work on without a server. A question about one that is
//! not there makes no database: the next one would get an answer, and a wrong one.

use std::path::PathBuf;

use crate::adapters::process_lock::ProcessLock;
use crate::adapters::store::is_there;
use crate::config::Settings;

/// There is none.
#[derive(Debug, thiserror::Error)]
pub enum NoGateway {
    /// Nothing at all.
    #[error(
        "there is no gateway on this machine: neither a database ({}) nor files for nginx in {}. Start the server, which \
         makes the database ({start}), then run this again; nothing was changed",
        .database.display(), .managed.display()
    )]
    Nothing {
        /// Where the database would be.
        database: PathBuf,
        /// Where nginx's files would be.
        managed: PathBuf,
        /// How the server is started.
        start: &'static str,
    },
    /// The database is lost.
    #[error(
        "there is no database ({}), but {} holds the files of a gateway: make it from them (nanio-orchestrator rebuild-db \
         --dry-run, then without), then run this again; nothing was changed",
        .database.display(), .managed.display()
    )]
    NoDatabase {
        /// Where the database would be.
        database: PathBuf,
        /// Where nginx's files are.
        managed: PathBuf,
    },
}

/// Looks for one, and makes nothing. A database on another machine is taken to hold one.
///
/// # Errors
/// There is none.
pub fn expect_gateway(settings: &Settings) -> Result<(), NoGateway> {
    // Who is at work on the data may be making it: the lock tells who that is.
    if settings.database_url.is_some() || is_there(&settings.db_path) || ProcessLock::is_held(&settings.db_path) {
        return Ok(());
    }
    let (database, managed) = (settings.db_path.clone(), settings.nginx_config_dir.clone());
    let patterns = ["pools/*.conf", "vhosts/*.conf", "pools/*.meta.json", "vhosts/*.meta.json"];
    let has_files = patterns.iter().any(|pattern| {
        let found = glob::glob(&managed.join(pattern).to_string_lossy());
        found.is_ok_and(|mut found| found.next().is_some())
    });
    let start = if settings.dev { "nanio-orchestrator serve" } else { "systemctl start nanio-orchestrator" };
    Err(match has_files {
        true => NoGateway::NoDatabase { database, managed },
        false => NoGateway::Nothing { database, managed, start },
    })
}
