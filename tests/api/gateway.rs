//! An nginx without a process: it keeps the files that it was given, renders them for real, and refuses
//! when a test says so.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use nanio_orchestrator::adapters::nginx::render::{Dialect, Renderer};
use nanio_orchestrator::adapters::nginx::snippet;
use nanio_orchestrator::domain::audit::NginxAnswer;
use nanio_orchestrator::domain::gateway::{FileName, ManagedFile};
use nanio_orchestrator::ports::gateway::{
    FileChange, Gateway, GatewayError, Observed, Recovery, Reload, Rendered, Tested,
};
use sha2::{Digest, Sha256};

#[derive(Default)]
struct Files {
    live: HashMap<String, String>,
    before: HashMap<String, String>,
    staged: Option<HashMap<String, String>>,
    refusal: Option<String>,
    panics: bool,
}

/// The gateway of a test.
#[derive(Default)]
pub struct ScriptedGateway {
    renderer: Renderer,
    files: Mutex<Files>,
}

const DIALECT: Dialect =
    Dialect { http2_directive: false, ipv6: false, own_map_hash: true, own_server_names_hash: true };

impl ScriptedGateway {
    fn files(&self) -> std::sync::MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on nginx refuses every candidate in these words; `None`: it accepts again.
    pub fn refuse(&self, message: Option<&str>) {
        self.files().refusal = message.map(str::to_owned);
    }

    /// The next validation panics.
    pub fn panic_next(&self) {
        self.files().panics = true;
    }

    /// What is on disk.
    pub fn live(&self) -> HashMap<String, String> {
        self.files().live.clone()
    }

    /// Somebody edits a file by hand.
    pub fn edit(&self, path: &str, text: &str) {
        self.files().live.insert(path.to_owned(), text.to_owned());
    }
}

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[async_trait]
impl Gateway for ScriptedGateway {
    fn render(&self, file: &ManagedFile) -> Rendered {
        Rendered { path: self.path(&file.name()), content: self.renderer.render(file, DIALECT) }
    }

    fn path(&self, name: &FileName) -> String {
        match name {
            FileName::Common => "/nginx/pools/00-nanio.conf".to_owned(),
            FileName::Upstream(pool) => format!("/nginx/pools/{pool}.conf"),
            FileName::Server(name) => format!("/nginx/vhosts/{name}.conf"),
        }
    }

    fn check_snippet(&self, text: &str) -> Result<(), String> {
        snippet::check(text, false)
    }

    async fn test(&self, change: FileChange) -> Result<Tested, GatewayError> {
        let put: Vec<Rendered> = change.put.iter().map(|file| self.render(file)).collect();
        let gone: Vec<String> = change.remove.iter().map(|name| self.path(name)).collect();
        let mut files = self.files();
        let mut next = files.live.clone();
        for path in put.iter().map(|file| &file.path).chain(&gone) {
            let drifted = match (files.live.get(path), change.recorded.get(path)) {
                (Some(text), Some(recorded)) => hash(text) != *recorded,
                _ => false,
            };
            if drifted && !change.overwrite_drift {
                return Err(GatewayError::Drifted { path: path.clone() });
            }
        }
        for file in &put {
            next.insert(file.path.clone(), file.content.clone());
        }
        let removed: Vec<String> = gone.into_iter().filter(|path| next.remove(path).is_some()).collect();
        let nginx = (next != files.live)
            .then(|| NginxAnswer { ok: true, output: "nginx: configuration file test is successful".to_owned() });
        if nginx.is_some()
            && let Some(message) = &files.refusal
        {
            return Err(GatewayError::Refused(message.clone()));
        }
        files.staged = Some(next);
        let written = put.into_iter().map(|file| (file.path, hash(&file.content))).collect();
        Ok(Tested { written, removed, nginx })
    }

    async fn put_live(&self, _change_id: &str) -> Result<(), GatewayError> {
        let mut files = self.files();
        files.before = files.live.clone();
        if let Some(staged) = files.staged.take() {
            files.live = staged;
        }
        Ok(())
    }

    async fn settle(&self) -> Result<(), GatewayError> {
        Ok(())
    }

    async fn undo(&self) -> Result<(), GatewayError> {
        let mut files = self.files();
        files.live = files.before.clone();
        Ok(())
    }

    async fn recover(&self, _committed: Option<&str>) -> Result<Recovery, GatewayError> {
        Ok(Recovery::Clean)
    }

    async fn validate(&self) -> NginxAnswer {
        let files = self.files();
        assert!(!files.panics, "a defect in an adapter");
        let output = files.refusal.clone();
        NginxAnswer { ok: output.is_none(), output: output.unwrap_or_else(|| "test is successful".to_owned()) }
    }

    async fn reload(&self) -> Reload {
        Reload { answer: self.validate().await, running: None }
    }

    async fn observe(&self) -> Result<Observed, GatewayError> {
        let hashes = self.files().live.iter().map(|(path, text)| (path.clone(), hash(text))).collect();
        Ok(Observed {
            files: hashes,
            nginx_up: true,
            nginx_version: Some("1.22.1".to_owned()),
            check_mode: "staged",
            ..Observed::default()
        })
    }
}
