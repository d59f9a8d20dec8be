//! An installation of 0.4.x, and how it is taken over.

use std::fs;
use std::path::{Path, PathBuf};

use super::layout::{Layout, UNITS};
use super::machine::{BEFORE, Machine};
use super::unit::MARK;
use crate::adapters::privileged::UNIT;
use crate::app;

/// What of 0.4.x is on the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Former {
    /// Its database.
    pub database: Option<PathBuf>,
    /// Its unit.
    pub unit: Option<PathBuf>,
    /// Whether its server may be running.
    pub runs: bool,
}

impl Former {
    /// Looks for it. What cannot be read is not taken for one.
    pub async fn find(machine: &Machine, layout: &Layout) -> Self {
        let unit = Path::new(UNITS).join(format!("{UNIT}.service"));
        let text = fs::read_to_string(machine.image.on_disk(&unit)).unwrap_or_default();
        let has_former = app::is_former_database(machine.image.on_disk(&layout.database)).await;
        let is_active = || machine.run("systemctl", &["is-active", "--quiet", UNIT]).is_ok();
        Self {
            database: has_former.then(|| layout.database.clone()),
            unit: is_formers(&text, has_former).then_some(unit),
            runs: has_former && machine.has_systemd() && is_active(),
        }
    }

    /// Whether there is anything of it.
    pub fn is_there(&self) -> bool {
        self.database.is_some() || self.unit.is_some()
    }

    /// What to do, in order.
    pub fn advice(&self) -> Vec<String> {
        let mut advice = Vec::new();
        if !self.is_there() {
            return advice;
        }
        advice
            .push("! There is an installation of 0.4.x here. nginx serves all the while. To take it over:".to_owned());
        if self.runs {
            advice.push(
                "    finish or cancel its migrations (it still runs), and pause the scripts that change it".to_owned(),
            );
        }
        advice.push(format!("    systemctl stop {UNIT}"));
        if self.database.is_some() {
            advice.push("    nanio-orchestrator rebuild-db --dry-run      # what comes over, and what not".to_owned());
            advice.push(
                "    nanio-orchestrator rebuild-db                # its database is kept as .pre-import".to_owned(),
            );
        }
        advice.push(format!("    systemctl enable --now {UNIT}"));
        if let Some(unit) = &self.unit {
            advice.push(format!("  Its unit is kept as {}{}.", unit.display(), BEFORE));
        }
        advice.push("  docs/takeover.md says how to go back.".to_owned());
        advice
    }
}

/// Whether a unit is that of 0.4.x: not one of ours, and of a Python program or beside a database of 0.4.x.
fn is_formers(unit: &str, beside_its_database: bool) -> bool {
    let mut starts = unit.lines().filter(|line| line.starts_with("ExecStart="));
    !unit.starts_with(MARK) && starts.any(|line| line.contains("python") || beside_its_database)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_of_0_4_is_told_from_ours() {
        let former =
            "[Service]\nType=simple\nExecStart=/opt/nanio-orchestrator/venv/bin/python -m nanio_orchestrator serve\n";
        let by_hand = "[Service]\nExecStart=/usr/local/bin/nanio-orchestrator serve\n";
        assert!(is_formers(former, false) && is_formers(by_hand, true));
        assert!(!is_formers(by_hand, false), "a program of this version, with a unit that somebody wrote");
        assert!(!is_formers(&format!("{MARK}.\n{former}"), true));
        assert!(!is_formers("", true));
    }

    #[test]
    fn who_has_none_gets_no_advice_and_a_running_one_is_to_be_stopped_first() {
        assert_eq!(Former::default().advice(), Vec::<String>::new());
        let there = Former { database: Some("/d".into()), unit: Some("/u".into()), runs: true };
        let advice = there.advice();
        let at = |what: &str| advice.iter().position(|line| line.contains(what)).unwrap();
        assert!(at("migrations") < at("stop") && at("stop") < at("--dry-run") && at("--dry-run") < at("enable"));
        assert!(advice.iter().any(|line| line.contains("/u.before-install")), "{advice:?}");
    }
}
