//! A reload, and the proof that it was applied: nginx says nothing of one that it refuses, but in its log.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use super::command::words_of;
use super::gateway::{NginxGateway, RealNginx, Shared};
use super::stage::tail;
use super::tree;
use super::workers::{self, Process, Proof};
use super::write::write_new;
use crate::domain::audit::NginxAnswer;
use crate::fault::point;
use crate::ports::gateway::{GatewayError, Others, Reload};

/// How long new workers may take to appear after a reload.
const RELOAD_PATIENCE: Duration = Duration::from_secs(30);
/// How often we look for them.
const RELOAD_GLANCE: Duration = Duration::from_millis(3);

impl NginxGateway {
    /// Reloads, then waits until newer workers serve and, if that matters, no older one does; or nginx has said why not.
    pub(super) async fn reload_and_prove(&self, nginx: &RealNginx, others: Others) -> Result<Reload, GatewayError> {
        let (main, before_files) =
            self.blocking(|shared| Ok((shared.read_main_conf()?.unwrap_or_default(), shared.hashes()?))).await?;
        let pid_file = self.shared.pid_file(&main).unwrap_or_default();
        let Some(master) = workers::master(&pid_file) else {
            return Err(GatewayError::Refused(format!(
                "nginx is not running (no master process at {}); start it, for example with: systemctl start nginx",
                pid_file.display()
            )));
        };
        let old = workers::serving(master);
        let log = self.shared.error_log(&main);
        let offset = log.as_ref().and_then(|log| fs::metadata(log).ok()).map_or(0, |metadata| metadata.len());
        let output = nginx.command.reload().await?;
        if !output.status.success() {
            return Err(GatewayError::Refused(words_of(&output)));
        }
        let since = Instant::now();
        loop {
            let (older, newer): (Vec<_>, Vec<_>) =
                workers::serving(master).into_iter().partition(|worker| old.contains(worker));
            if !newer.is_empty() && (older.is_empty() || others == Others::Watched) {
                break;
            }
            let said = log.as_ref().map(|log| tail(log, offset)).unwrap_or_default();
            let refusals: Vec<&str> = said.lines().filter(|line| line.contains("[emerg]")).collect();
            if !newer.is_empty() && since.elapsed() >= RELOAD_PATIENCE {
                return Err(GatewayError::Refused(
                    "nginx has applied the reload, but workers with the former configuration still take connections; \
                     reload again"
                        .to_owned(),
                ));
            }
            if !refusals.is_empty() || since.elapsed() >= RELOAD_PATIENCE {
                let why = if refusals.is_empty() { "no new worker appeared".to_owned() } else { refusals.join("\n") };
                return Err(GatewayError::Refused(format!(
                    "nginx did not apply the reload and goes on with its former configuration: {why}"
                )));
            }
            // Workers that have not come within a second are long in coming.
            tokio::time::sleep(RELOAD_GLANCE.max(since.elapsed() / 100)).await;
        }
        let running = self.blocking(move |shared| shared.remember(master, before_files)).await?;
        let words = words_of(&output);
        let output = ["nginx -s reload: applied, new workers are serving", &words].join("\n").trim_end().to_owned();
        Ok(Reload { answer: NginxAnswer { ok: true, output }, running: Some(running) })
    }
}

impl Shared {
    /// Notes what runs: files that were the same before and after the reload. One that changed meanwhile may be
    /// running in either form, so it counts as not loaded.
    fn remember(
        &self,
        master: Process,
        before: HashMap<String, String>,
    ) -> Result<HashMap<String, String>, GatewayError> {
        point("reload.new-workers");
        let after = self.hashes()?;
        let files: HashMap<String, String> =
            before.into_iter().filter(|(path, hash)| tree::is_loaded(path) && after.get(path) == Some(hash)).collect();
        let proof = Proof { master, files };
        let json = serde_json::to_vec(&proof)
            .map_err(|error| GatewayError::Fault(format!("could not note what nginx runs: {error}")))?;
        write_new(&self.proof_path(), &json)?;
        tree::sync_dir(&self.tree.work())?;
        point("reload.noted");
        Ok(proof.files)
    }
}
