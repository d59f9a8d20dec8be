//! What the operator is told of an installation: each step as it is taken, then what is left for him to do.

use std::process::ExitCode;

use super::former::Former;
use super::layout::Layout;
use super::machine::{Finding, Machine};
use super::step::Step;
use crate::adapters::cli::{print, say};
use crate::adapters::privileged::UNIT;
use crate::app::MainFile;

/// Tells, and counts.
pub struct Report {
    dry_run: bool,
    changed: usize,
}

impl Report {
    pub fn new(dry_run: bool) -> Self {
        Self { dry_run, changed: 0 }
    }

    /// Goes through steps in order, up to the first that fails.
    pub fn through(&mut self, machine: &Machine, steps: &[Step]) -> ExitCode {
        for step in steps {
            if let Err(why) = self.go(machine, step) {
                print(&format!("  ✗ {step}: {why}"));
                say("What was done so far stays. Mend this, then run it again.");
                return ExitCode::FAILURE;
            }
        }
        ExitCode::SUCCESS
    }

    fn go(&mut self, machine: &Machine, step: &Step) -> Result<(), String> {
        match machine.look(step) {
            Ok(Finding::Right) => print(&format!("  ✓ {step}")),
            Ok(Finding::Elsewhere(why)) => print(&format!("  - {step}: {why}")),
            Ok(Finding::Wanting(what)) if self.dry_run => print(&format!("  · {step}: {what}")),
            Ok(Finding::Wanting(what)) => {
                machine.take(step)?;
                self.changed += 1;
                print(&format!("  ✓ {step}: {what} → done"));
            }
            Err(why) => return Err(why),
        }
        Ok(())
    }

    pub fn sum_up(&self) {
        say(&match self.changed {
            0 => "Everything is as it should be: nothing was changed.".to_owned(),
            1 => "1 step was taken.".to_owned(),
            changed => format!("{changed} steps were taken."),
        });
    }

    /// The new API key, to the terminal alone: what a package says is written into apt's log.
    pub fn tell_key(&self, key: &str, from_package: bool) {
        if from_package {
            say("An API key was made. As root: nanio-orchestrator config get api_key");
        } else {
            say(&format!("API key (shown once; config.env has it): {key}"));
        }
    }

    pub fn tell_lacks(&self, lacks: &[String], layout: &Layout) {
        for lacking in lacks {
            say(&format!("! {} was left as it is, and {lacking}", layout.env_file.display()));
        }
    }

    pub fn tell_includes(&self, main: Result<MainFile, String>, layout: &Layout) {
        let conf = layout.nginx_conf.display();
        match main {
            Ok(main) if main.missing.is_empty() => {}
            Ok(main) => {
                say(&format!("! {conf} does not load the managed files yet. Add to its http block:"));
                for line in &main.missing {
                    say(&format!("      {line}"));
                }
                say("  or let it be done, with a backup and a test by nginx: nanio-orchestrator install --patch-nginx");
            }
            Err(why) => say(&format!(
                "! Whether {conf} loads the managed files cannot be told ({why}). Its http block needs:\n      include \
                 {0}/pools/*.conf;\n      include {0}/vhosts/*.conf;",
                layout.managed.display()
            )),
        }
    }

    pub fn tell_next(&self, former: &Former, layout: &Layout) {
        for line in former.advice() {
            say(&line);
        }
        if !former.is_there() {
            say(&format!(
                "Next: systemctl enable --now {UNIT}, then http://<this machine>:{}/ with the API key. \
                 `nanio-orchestrator doctor` tells what is still missing.",
                layout.port
            ));
        }
    }
}
