//! The dry run of nginx in a directory of its own, with two switches: refuse, and panic.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use nanio_orchestrator::adapters::nginx::gateway::NginxGateway;
use nanio_orchestrator::domain::audit::NginxAnswer;
use nanio_orchestrator::domain::disk::DiskFile;
use nanio_orchestrator::domain::gateway::{FileName, ManagedFile};
use nanio_orchestrator::domain::revision::FileDelta;
use nanio_orchestrator::ports::gateway::{
    FileAt, FileChange, Gateway, GatewayError, Observed, Others, Recovery, Reload, Rendered, Tested,
};

use crate::support::nginx::snapshot;

#[derive(Default)]
struct Switches {
    refusal: Option<String>,
    panics: bool,
    tests: usize,
}

/// The gateway of a test. All but its switches is [`NginxGateway`], which keeps what `tests/nginx/gateway.rs` asks.
pub struct ScriptedGateway {
    dry_run: NginxGateway,
    directory: Arc<tempfile::TempDir>,
    switches: Mutex<Switches>,
    on_reload: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl ScriptedGateway {
    /// An empty one.
    pub fn new() -> Self {
        Self::over(Arc::new(tempfile::tempdir().unwrap()))
    }

    /// Another one on the same files, as after a restart.
    pub fn again(&self) -> Self {
        Self::over(self.directory.clone())
    }

    fn over(directory: Arc<tempfile::TempDir>) -> Self {
        let dry_run = NginxGateway::dry_run(directory.path(), false).unwrap();
        Self { dry_run, directory, switches: Mutex::default(), on_reload: OnceLock::new() }
    }

    fn switches(&self) -> std::sync::MutexGuard<'_, Switches> {
        self.switches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many candidates were tested.
    pub fn tests(&self) -> usize {
        self.switches().tests
    }

    /// From now on this is done when nginx has loaded its configuration.
    pub fn on_reload(&self, act: impl Fn() + Send + Sync + 'static) {
        let _ = self.on_reload.set(Box::new(act));
    }

    /// From now on nginx refuses every candidate in these words; `None`: it accepts again.
    pub fn refuse(&self, message: Option<&str>) {
        self.switches().refusal = message.map(str::to_owned);
    }

    /// The next validation panics.
    pub fn panic_next(&self) {
        self.switches().panics = true;
    }

    /// The managed directory.
    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// The full path of a managed file, such as `pools/p.conf`, as the API tells it.
    pub fn full(&self, file: &str) -> String {
        self.root().join(file).display().to_string()
    }

    /// What is on disk, by path below the managed directory.
    pub fn live(&self) -> HashMap<String, String> {
        let text = |(path, bytes): (PathBuf, Vec<u8>)| {
            let path = path.strip_prefix(self.root()).unwrap().display().to_string();
            (path, String::from_utf8(bytes).unwrap())
        };
        snapshot(self.root()).into_iter().map(text).collect()
    }

    /// Somebody edits a file by hand.
    pub fn edit(&self, file: &str, text: &str) {
        std::fs::write(self.root().join(file), text).unwrap();
    }
}

#[async_trait]
impl Gateway for ScriptedGateway {
    fn render(&self, file: &ManagedFile) -> Rendered {
        self.dry_run.render(file)
    }

    fn path(&self, name: &FileName) -> String {
        self.dry_run.path(name)
    }

    fn name(&self, path: &str) -> Option<FileName> {
        self.dry_run.name(path)
    }

    fn check_snippet(&self, text: &str) -> Result<(), String> {
        self.dry_run.check_snippet(text)
    }

    fn directive_names(&self, text: &str) -> Vec<String> {
        self.dry_run.directive_names(text)
    }

    async fn rehearse(&self, change: FileChange) -> Result<Tested, GatewayError> {
        self.test(change).await
    }

    async fn test(&self, change: FileChange) -> Result<Tested, GatewayError> {
        self.switches().tests += 1;
        let tested = self.dry_run.test(change).await?;
        match self.switches().refusal.clone() {
            Some(message) if tested.nginx.is_some() => Err(GatewayError::Refused(message)),
            _ => Ok(tested),
        }
    }

    async fn deltas(&self) -> Result<Vec<FileDelta>, GatewayError> {
        self.dry_run.deltas().await
    }

    async fn put_live(&self, change_id: &str) -> Result<(), GatewayError> {
        self.dry_run.put_live(change_id).await
    }

    async fn settle(&self) -> Result<(), GatewayError> {
        self.dry_run.settle().await
    }

    async fn undo(&self) -> Result<(), GatewayError> {
        self.dry_run.undo().await
    }

    async fn recover(&self, committed: Option<&str>) -> Result<Recovery, GatewayError> {
        self.dry_run.recover(committed).await
    }

    async fn validate(&self) -> NginxAnswer {
        assert!(!self.switches().panics, "a defect in an adapter");
        let refusal = self.switches().refusal.clone();
        match refusal {
            Some(output) => NginxAnswer { ok: false, output },
            None => self.dry_run.validate().await,
        }
    }

    async fn reload(&self, others: Others) -> Reload {
        let refusal = self.switches().refusal.clone();
        match refusal {
            Some(output) => Reload { answer: NginxAnswer { ok: false, output }, running: None },
            None => {
                if let Some(act) = self.on_reload.get() {
                    act();
                }
                self.dry_run.reload(others).await
            }
        }
    }

    async fn observe(&self) -> Result<Observed, GatewayError> {
        self.dry_run.observe().await
    }

    async fn forget_contents(&self) -> Result<(), GatewayError> {
        self.dry_run.forget_contents().await
    }

    async fn read_all(&self) -> Result<Vec<DiskFile>, GatewayError> {
        self.dry_run.read_all().await
    }

    async fn read_file(&self, path: &str) -> Result<FileAt, GatewayError> {
        self.dry_run.read_file(path).await
    }
}
