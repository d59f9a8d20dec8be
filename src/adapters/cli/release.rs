//! `nanio-orchestrator release`.

use super::{print, say};
use crate::app;
use crate::config::{Settings, Sources};

/// Gives held writes back to the source, and tells of which tokens.
pub(super) fn run() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::from_sources(&Sources::gather(Vec::new())?)?;
    let released = app::release(&settings)?;
    for token in &released {
        print(&format!("released {token}"));
    }
    if released.is_empty() {
        say(&format!("no write is held at {}", settings.migration_gate_dir.display()));
    }
    Ok(())
}
