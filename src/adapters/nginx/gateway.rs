//! The `Gateway` port over the managed directory and, unless it is a dry run, the real nginx.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::command::{Build, NginxCommand, dry, words_of};
use super::intent::Moves;
use super::main_conf::MainConf;
use super::render::{Dialect, Renderer};
use super::stage::{Candidate, Unsynced, prove_pools};
use super::tree::Tree;
use super::turn::Turns;
use super::workers::{self, Process, Proof};
use super::write::{temporary, write_new};
use super::{disk, snippet, tree};
use crate::domain::audit::NginxAnswer;
use crate::domain::disk::DiskFile;
use crate::domain::gateway::{FileName, ManagedFile};
use crate::domain::revision::FileDelta;
use crate::ports::gateway::{
    FileAt, FileChange, Gateway, GatewayError, Observed, Others, Recovery, Reload, Rendered, Tested,
};

/// The managed directory, and nginx if there is one to ask.
pub struct NginxGateway {
    pub(super) shared: Arc<Shared>,
}

/// A file that an editor changes so soon after a test is told of by the reload itself.
const JUST: Duration = Duration::from_secs(2);

pub(super) struct Shared {
    pub(super) tree: Tree,
    renderer: Renderer,
    allow_raw: bool,
    nginx: Option<RealNginx>,
    dialect: RwLock<Dialect>,
    check_mode: Mutex<&'static str>,
    staged: Mutex<Moves>,
    /// Since when the live files are what nginx has tested.
    proven: Mutex<Option<Instant>>,
    turns: Turns,
}

pub(super) struct RealNginx {
    pub(super) command: NginxCommand,
    build: Option<Build>,
}

/// What there is to ask nginx about a staged change.
enum Question {
    /// Nothing: it would see no difference.
    Nothing,
    /// What it thinks of the candidate main file, which leads to the staging.
    Staged(Unsynced),
    /// What it thinks of the live tree after a swap, since the candidate main file cannot be written.
    Swap,
}

impl NginxGateway {
    /// The gateway of a real nginx.
    ///
    /// # Errors
    /// The managed directory cannot be made.
    pub async fn real(root: &Path, command: NginxCommand, allow_raw: bool) -> Result<Self, GatewayError> {
        let build = command.version().await;
        let http2_directive = build.as_ref().is_some_and(Build::knows_http2_directive);
        let ipv6 = Path::new("/proc/net/if_inet6").exists();
        let dialect = Dialect { http2_directive, ipv6, ..Dialect::USUAL };
        let gateway = Self::new(root, allow_raw, Some(RealNginx { command, build }), dialect, "staged")?;
        // An nginx.conf that cannot be read yet is reported by the first change.
        let _ = gateway.shared.read_main_conf();
        Ok(gateway)
    }

    /// Writes files but asks no nginx: for a look around on a machine without one.
    ///
    /// # Errors
    /// The managed directory cannot be made.
    pub fn dry_run(root: &Path, allow_raw: bool) -> Result<Self, GatewayError> {
        Self::new(root, allow_raw, None, Dialect::USUAL, "dry-run")
    }

    /// The same, with tokens, journals and gate of migrations in `dir`.
    ///
    /// # Errors
    /// nginx could not be told of this directory.
    pub fn with_gate_dir(mut self, dir: &Path) -> Result<Self, GatewayError> {
        let renderer = Renderer::new().with_gate_dir(dir).map_err(GatewayError::Fault)?;
        let in_use = || GatewayError::Fault("the gateway is in use already".to_owned());
        Arc::get_mut(&mut self.shared).ok_or_else(in_use)?.renderer = renderer;
        Ok(self)
    }

    fn new(
        root: &Path,
        allow_raw: bool,
        nginx: Option<RealNginx>,
        dialect: Dialect,
        check_mode: &'static str,
    ) -> Result<Self, GatewayError> {
        let shared = Shared {
            tree: Tree::open(root)?,
            renderer: Renderer::new(),
            allow_raw,
            nginx,
            dialect: RwLock::new(dialect),
            check_mode: Mutex::new(check_mode),
            staged: Mutex::new(Moves::default()),
            proven: Mutex::new(None),
            turns: Turns::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Runs file work where it may block.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, GatewayError> + Send + 'static,
    ) -> Result<T, GatewayError> {
        let shared = self.shared.clone();
        let done = tokio::task::spawn_blocking(move || work(&shared)).await;
        done.unwrap_or_else(|error| Err(GatewayError::Fault(format!("work on the files was cut short: {error}"))))
    }
}

impl Shared {
    fn staged(&self) -> Moves {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether what is live was tested a moment ago.
    fn is_just_proven(&self) -> bool {
        let proven = *self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        proven.is_some_and(|since| since.elapsed() < JUST)
    }

    fn dialect(&self) -> Dialect {
        *self.dialect.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn reader(&self) -> disk::Reader<'_> {
        disk::Reader { tree: &self.tree, renderer: &self.renderer, dialect: self.dialect() }
    }

    /// Reads nginx.conf and learns from it what our files may say.
    pub(super) fn read_main_conf(&self) -> Result<Option<MainConf>, GatewayError> {
        let Some(nginx) = &self.nginx else { return Ok(None) };
        let main = MainConf::read(nginx.command.conf(), &self.tree)?;
        let mut dialect = self.dialect.write().unwrap_or_else(PoisonError::into_inner);
        let elsewhere = |start: &str| main.hashes.iter().any(|name| name.starts_with(start));
        dialect.own_map_hash = !elsewhere("map_hash_");
        dialect.own_server_names_hash = !elsewhere("server_names_hash_");
        dialect.own_variables_hash = !elsewhere("variables_hash_");
        dialect.worker_connections = main.worker_connections.unwrap_or(Dialect::USUAL.worker_connections);
        Ok(Some(main))
    }

    /// Staging paths in nginx's words become the paths that operators know.
    fn readable(&self, words: &str) -> String {
        let canonical = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut text = words.to_owned();
        let root = self.tree.root().to_string_lossy();
        for staging in [canonical(&self.tree.staging()), self.tree.staging()] {
            text = text.replace(&*staging.to_string_lossy(), &root);
        }
        if let Some(nginx) = &self.nginx {
            let candidate = nginx.command.candidate();
            text = text.replace(&*candidate.to_string_lossy(), &nginx.command.conf().to_string_lossy());
        }
        text
    }

    fn set_check_mode(&self, mode: &'static str) {
        *self.check_mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }

    /// Writes the candidate main file. `false`: its place is not ours and holds something else.
    fn write_candidate(&self, nginx: &RealNginx, main: &MainConf) -> Result<bool, GatewayError> {
        for (path, text) in &main.copies {
            write_new(path, text.as_bytes())?;
        }
        let path = nginx.command.candidate();
        if fs::read_to_string(&path).is_ok_and(|present| present == main.candidate) {
            return Ok(true);
        }
        Ok(write_new(&path, main.candidate.as_bytes()).is_ok())
    }

    /// Stages a change, and tells what is to be asked about it.
    fn stage(&self, change: &FileChange) -> Result<(Candidate, Question), GatewayError> {
        let main = self.read_main_conf()?;
        let candidate = Candidate::of(change, &self.tree, &self.renderer, self.dialect())?;
        if candidate.moves.is_empty() {
            return Ok((candidate, Question::Nothing));
        }
        if !candidate.moves.concern_nginx() {
            candidate.stage(&self.tree)?.sync(&self.tree)?;
            return Ok((candidate, Question::Nothing));
        }
        if let (Some(main), Some(nginx)) = (&main, &self.nginx) {
            main.expect_includes(nginx.command.conf(), &self.tree)?;
        }
        let unsynced = candidate.stage(&self.tree)?;
        prove_pools(&self.tree, &self.tree.staging())?;
        if let (Some(main), Some(nginx)) = (&main, &self.nginx)
            && self.write_candidate(nginx, main)?
        {
            return Ok((candidate, Question::Staged(unsynced)));
        }
        unsynced.sync(&self.tree)?;
        Ok((candidate, Question::Swap))
    }

    pub(super) fn pid_file(&self, main: &MainConf) -> Option<PathBuf> {
        let built = self.nginx.as_ref()?.build.as_ref().and_then(|build| build.pid.clone());
        main.pid.clone().or(built).or_else(|| Some(PathBuf::from("/run/nginx.pid")))
    }

    pub(super) fn error_log(&self, main: &MainConf) -> Option<PathBuf> {
        let built = self.nginx.as_ref()?.build.as_ref().and_then(|build| build.error_log.clone());
        main.error_log.clone().or(built)
    }

    pub(super) fn hashes(&self) -> Result<HashMap<String, String>, GatewayError> {
        let files = self.tree.observe()?;
        Ok(files.into_iter().map(|(path, content)| (self.tree.shown(&path), content.sha256().clone())).collect())
    }

    pub(super) fn proof_path(&self) -> PathBuf {
        self.tree.work().join("running.json")
    }

    /// What nginx runs, if the master that we last reloaded is still the one that runs.
    fn running(&self, master: Option<Process>) -> Option<HashMap<String, String>> {
        let proof: Proof = serde_json::from_slice(&fs::read(self.proof_path()).ok()?).ok()?;
        (Some(proof.master) == master).then_some(proof.files)
    }
}

/// nginx's verdict on a test. A conflict of server names is only a warning to nginx, and one vhost would
/// silently get no request: to us it is a refusal.
fn verdict(output: &std::process::Output, words: String) -> Result<NginxAnswer, GatewayError> {
    if !output.status.success() {
        let words = if words.is_empty() { format!("nginx -t ended with {}", output.status) } else { words };
        return Err(GatewayError::Refused(words));
    }
    if words.contains("conflicting server name") {
        return Err(GatewayError::Refused(words));
    }
    let passed = "nginx -t: the configuration test is successful";
    let output = if words.is_empty() { passed.to_owned() } else { format!("{words}\n{passed}") };
    Ok(NginxAnswer { ok: true, output })
}

#[async_trait]
impl Gateway for NginxGateway {
    fn render(&self, file: &ManagedFile) -> Rendered {
        let content = self.shared.renderer.render(file, self.shared.dialect());
        Rendered { path: self.path(&file.name()), sha256: tree::sha256(content.as_bytes()), content }
    }

    fn path(&self, name: &FileName) -> String {
        self.shared.tree.shown(&Tree::relative(name))
    }

    fn name(&self, path: &str) -> Option<FileName> {
        disk::name_of(self.shared.tree.root(), path)
    }

    fn check_snippet(&self, text: &str) -> Result<(), String> {
        snippet::check(text, self.shared.allow_raw)
    }

    fn directive_names(&self, text: &str) -> Vec<String> {
        snippet::directive_names(text)
    }

    async fn test(&self, change: FileChange) -> Result<Tested, GatewayError> {
        self.tested(change, Unsynced::sync).await
    }

    async fn rehearse(&self, change: FileChange) -> Result<Tested, GatewayError> {
        let tested = self.tested(change, |unsynced, _| unsynced.leave()).await;
        // What is not on the disk must not go live.
        *self.shared.staged.lock().unwrap_or_else(PoisonError::into_inner) = Moves::default();
        tested
    }

    async fn deltas(&self) -> Result<Vec<FileDelta>, GatewayError> {
        self.blocking(|shared| shared.tree.deltas(&shared.staged())).await
    }

    async fn put_live(&self, change_id: &str) -> Result<(), GatewayError> {
        let change = change_id.to_owned();
        let turn = self.shared.turns.begin_change().await;
        self.blocking(move |shared| {
            *shared.proven.lock().unwrap_or_else(PoisonError::into_inner) = None;
            shared.tree.put_live(&shared.staged(), &change)
        })
        .await?;
        self.shared.turns.go_on(turn);
        Ok(())
    }

    async fn settle(&self) -> Result<(), GatewayError> {
        let _turn = self.shared.turns.end_change();
        self.blocking(|shared| {
            shared.tree.forget()?;
            let moves = std::mem::take(&mut *shared.staged.lock().unwrap_or_else(PoisonError::into_inner));
            if moves.concern_nginx() {
                *shared.proven.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            }
            for relative in &moves.put {
                shared.tree.carry_over(relative);
                if tree::is_sidecar(relative) {
                    // It may hold encrypted keys.
                    shared.tree.drop_staged(relative)?;
                }
            }
            Ok(())
        })
        .await
    }

    async fn undo(&self) -> Result<(), GatewayError> {
        let _turn = self.shared.turns.end_change();
        self.blocking(|shared| shared.tree.undo()).await
    }

    async fn recover(&self, committed: Option<&str>) -> Result<Recovery, GatewayError> {
        let committed = committed.map(str::to_owned);
        self.blocking(move |shared| {
            if let Some(nginx) = &shared.nginx {
                // Beside nginx.conf; where we may not write, no crash of ours left one.
                let _ = fs::remove_file(temporary(&nginx.command.candidate()));
            }
            shared.tree.recover(committed.as_deref())
        })
        .await
    }

    async fn validate(&self) -> NginxAnswer {
        let _turn = self.shared.turns.take().await;
        match self.validate_live().await {
            Ok(answer) => answer,
            Err(error) => NginxAnswer { ok: false, output: error.to_string() },
        }
    }

    async fn reload(&self, others: Others) -> Reload {
        let refused = |output: String| Reload { answer: NginxAnswer { ok: false, output }, running: None };
        let _turn = self.shared.turns.take().await;
        // `nginx -s reload` reads everything first, too, and refuses what it cannot use.
        let proven = others == Others::Watched && self.shared.is_just_proven();
        let sound = if proven { self.prove_live().await } else { self.validate_live().await.map(drop) };
        if let Err(error) = sound {
            return refused(error.to_string());
        }
        let Some(nginx) = &self.shared.nginx else {
            return Reload { answer: dry("-s reload"), running: None };
        };
        match self.reload_and_prove(nginx, others).await {
            Ok(reload) => reload,
            Err(error) => refused(error.to_string()),
        }
    }

    async fn observe(&self) -> Result<Observed, GatewayError> {
        self.blocking(|shared| {
            let files = shared.hashes()?;
            let check_mode = *shared.check_mode.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(nginx) = &shared.nginx else {
                return Ok(Observed { files, check_mode, ..Observed::default() });
            };
            let main = MainConf::read(nginx.command.conf(), &shared.tree).unwrap_or_default();
            let master = shared.pid_file(&main).and_then(|path| workers::master(&path));
            Ok(Observed {
                files,
                running: shared.running(master),
                nginx_up: master.is_some(),
                nginx_version: nginx.build.as_ref().map(|build| build.version.clone()),
                check_mode,
            })
        })
        .await
    }

    async fn forget_contents(&self) -> Result<(), GatewayError> {
        self.blocking(|shared| {
            shared.tree.forget_contents();
            Ok(())
        })
        .await
    }

    async fn read_all(&self) -> Result<Vec<DiskFile>, GatewayError> {
        self.blocking(|shared| shared.reader().all()).await
    }

    async fn read_file(&self, path: &str) -> Result<FileAt, GatewayError> {
        let path = path.to_owned();
        self.blocking(move |shared| shared.reader().at(&path)).await
    }
}

impl NginxGateway {
    /// Stages a change and has nginx test it. `finish` is done with what was staged meanwhile.
    async fn tested(
        &self,
        change: FileChange,
        finish: impl FnOnce(Unsynced, &Tree) -> Result<(), GatewayError> + Send + 'static,
    ) -> Result<Tested, GatewayError> {
        let (candidate, question) = self.blocking(move |shared| shared.stage(&change)).await?;
        let Candidate { moves, named, removed, .. } = candidate;
        let answer = match (question, &self.shared.nginx) {
            (Question::Nothing, _) => None,
            (Question::Staged(unsynced), Some(nginx)) => Some(self.ask(nginx, unsynced, finish).await?),
            (Question::Swap, Some(nginx)) => Some(self.ask_by_swap(nginx, &moves).await?),
            (_, None) => Some(dry("-t")),
        };
        let written = named.into_iter().map(|(path, content)| (path, content.sha256().clone())).collect();
        let something = !moves.is_empty();
        if something {
            *self.shared.staged.lock().unwrap_or_else(PoisonError::into_inner) = moves;
        }
        Ok(Tested { written, removed, moves: something, nginx: answer })
    }

    /// Has nginx test a staged candidate.
    async fn ask(
        &self,
        nginx: &RealNginx,
        unsynced: Unsynced,
        finish: impl FnOnce(Unsynced, &Tree) -> Result<(), GatewayError> + Send + 'static,
    ) -> Result<NginxAnswer, GatewayError> {
        self.shared.set_check_mode("staged");
        let call = nginx.command.begin_test(&nginx.command.candidate())?;
        let finished = self.blocking(move |shared| finish(unsynced, &shared.tree)).await;
        let output = call.ended().await?;
        finished?;
        verdict(&output, self.shared.readable(&words_of(&output)))
    }

    /// Has nginx test a candidate that is live for as long as that takes, under an intent record.
    async fn ask_by_swap(&self, nginx: &RealNginx, moves: &Moves) -> Result<NginxAnswer, GatewayError> {
        self.shared.set_check_mode("swap");
        let _turn = self.shared.turns.take().await;
        let swapped = moves.clone();
        // No committed change has this name, so a crash in between puts the old files back.
        self.blocking(move |shared| shared.tree.put_live(&swapped, "test only")).await?;
        let output = nginx.command.test(nginx.command.conf()).await;
        self.blocking(|shared| shared.tree.undo()).await?;
        let output = output?;
        verdict(&output, words_of(&output))
    }

    /// Finds what nginx itself takes for no fault, but for a warning of two servers with one name.
    async fn prove_live(&self) -> Result<(), GatewayError> {
        self.blocking(|shared| {
            if let (Some(main), Some(nginx)) = (shared.read_main_conf()?, &shared.nginx) {
                main.expect_includes(nginx.command.conf(), &shared.tree)?;
            }
            prove_pools(&shared.tree, shared.tree.root())
        })
        .await
    }

    async fn validate_live(&self) -> Result<NginxAnswer, GatewayError> {
        self.prove_live().await?;
        let Some(nginx) = &self.shared.nginx else { return Ok(dry("-t")) };
        let output = nginx.command.test(nginx.command.conf()).await?;
        verdict(&output, words_of(&output))
    }
}
