//! A restart of the service by systemd, as the installer's rule for sudo allows it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use tokio::process::Command;

use crate::adapters::deputy;
use crate::adapters::privileged::{UNIT, restart_words};
use crate::ports::service_manager::{RestartRefused, ServiceManager};

/// How long the answer to the client has to get out.
const MOMENT: Duration = Duration::from_millis(1500);
/// A call that takes longer than this is stuck.
const PATIENCE: Duration = Duration::from_secs(20);
/// What of the system says which unit this process belongs to.
const OWN_UNIT: &str = "/proc/self/cgroup";

/// systemd, if it runs this machine and this program.
#[derive(Debug, Clone)]
pub struct Systemd {
    dev: bool,
    /// Whether it runs this very process: a restart must not hit another one.
    runs_us: bool,
    systemctl: Option<PathBuf>,
    root: bool,
    /// Where root's deputy is asked, if there is one.
    deputy: Option<PathBuf>,
}

impl Systemd {
    /// systemd as this process finds it.
    #[must_use]
    pub fn new(dev: bool) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let all = std::env::split_paths(&path).chain([PathBuf::from("/usr/bin"), PathBuf::from("/bin")]);
        let systemctl = all.map(|directory| directory.join("systemctl")).find(|file| file.is_file());
        let root = rustix::process::geteuid().is_root();
        let runs_us = std::fs::read_to_string(OWN_UNIT).is_ok_and(|text| is_of_unit(&text));
        let deputy = Some(PathBuf::from(deputy::SOCKET)).filter(|socket| !root && socket.exists());
        Self { dev, runs_us, systemctl, root, deputy }
    }

    /// Calls systemctl or, with `only_ask`, has it said whether that would be let through.
    async fn call(&self, systemctl: &Path, only_ask: bool) -> io::Result<Output> {
        let Some(socket) = &self.deputy else {
            return self.command(systemctl, only_ask).kill_on_drop(only_ask).output().await;
        };
        let program = std::iter::once(systemctl.to_string_lossy().into_owned());
        deputy::ask(socket, program.chain(restart_words()).collect(), only_ask).await
    }

    fn command(&self, systemctl: &Path, only_ask: bool) -> Command {
        let mut command = if self.root {
            Command::new(systemctl)
        } else {
            let mut sudo = Command::new("sudo");
            sudo.arg("-n");
            if only_ask {
                sudo.arg("-l");
            }
            sudo.arg(systemctl);
            sudo
        };
        // The rule for sudo names exactly these words.
        command.args(restart_words()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }
}

/// Whether a process with these control groups belongs to our unit.
fn is_of_unit(groups: &str) -> bool {
    groups.lines().any(|line| line.ends_with(&format!("/{UNIT}.service")))
}

#[async_trait]
impl ServiceManager for Systemd {
    async fn restart(&self) -> Result<(), RestartRefused> {
        if self.dev {
            return Err(RestartRefused(
                "This is dev mode, where no service is to be restarted: end the program and start it again".to_owned(),
            ));
        }
        let by_hand = "restart it in the way in which it was started";
        let Some(systemctl) = self.systemctl.clone().filter(|_| self.runs_us) else {
            return Err(RestartRefused(format!("systemd does not run this program as its unit {UNIT}: {by_hand}")));
        };
        if !self.root {
            let asked = tokio::time::timeout(PATIENCE, self.call(&systemctl, true)).await;
            if !matches!(asked, Ok(Ok(output)) if output.status.success()) {
                let by = if self.deputy.is_some() { "root's deputy" } else { "sudo" };
                return Err(RestartRefused(format!(
                    "{by} does not let this user run `{} restart {UNIT}` (`nanio-orchestrator install` sees to it). Run \
                     on the machine, as root: systemctl restart {UNIT}",
                    systemctl.display()
                )));
            }
        }
        let manager = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(MOMENT).await;
            match manager.call(&systemctl, false).await {
                // If all goes well, this is the last that the process sees.
                Ok(output) if output.status.success() => {}
                Ok(output) => {
                    let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                    tracing::error!(error = told, "the restart that was asked for was refused");
                }
                Err(error) => tracing::error!(%error, "the restart that was asked for could not be started"),
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(systemd: &Systemd) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(systemd.restart()).unwrap_err().to_string()
    }

    #[test]
    fn only_the_process_of_our_unit_is_ours_to_restart() {
        assert!(is_of_unit("0::/system.slice/nanio-orchestrator.service\n"));
        for other in ["0::/user.slice/user-0.slice/session-1.scope", "0::/system.slice/nanio.service", "0::/", ""] {
            assert!(!is_of_unit(other), "{other}");
        }
    }

    #[test]
    fn systemctl_is_called_with_the_words_that_the_rule_for_sudo_has() {
        let directory = tempfile::tempdir().unwrap();
        let systemctl = directory.path().join("systemctl");
        let words = |root, only_ask| {
            let systemd = Systemd { dev: false, runs_us: true, systemctl: None, root, deputy: None };
            let command = systemd.command(&systemctl, only_ask);
            let all = std::iter::once(command.as_std().get_program()).chain(command.as_std().get_args());
            all.map(|word| word.to_string_lossy().replace(&*systemctl.to_string_lossy(), "systemctl"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(words(true, false), "systemctl restart nanio-orchestrator");
        assert_eq!(words(false, false), "sudo -n systemctl restart nanio-orchestrator");
        assert_eq!(words(false, true), "sudo -n -l systemctl restart nanio-orchestrator");
    }

    #[test]
    fn dev_mode_and_a_program_that_is_no_service_are_told_what_to_do() {
        let nowhere =
            Systemd { dev: false, runs_us: false, systemctl: Some("/bin/false".into()), root: true, deputy: None };
        assert!(refused(&nowhere).contains("systemd does not run this program"));
        assert!(refused(&Systemd { dev: true, ..nowhere }).contains("dev mode"));
    }
}
