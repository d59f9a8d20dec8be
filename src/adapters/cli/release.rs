//! `nanio-orchestrator release`.

use super::{print, say};
use crate::app;
use crate::config::{Settings, Sources};

/// Gives held writes back to the source, and tells of which tokens.
pub(super) fn run() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::from_sources(&Sources::gather(Vec::new())?)?;
    let released = app::release(&settings)?;
    for token in &released.released {
        print(&format!("released {token}"));
    }
    for token in &released.kept {
        say(&format!(
            "held {token}: a back-fill was copying a moment ago, and what was sent may still arrive. Start the \
             orchestrator, which lets all other writes pass at once, or run this again in two minutes"
        ));
    }
    if released.released.is_empty() && released.kept.is_empty() {
        say(&format!("no write is held at {}", settings.migration_gate_dir.display()));
    }
    Ok(())
}
