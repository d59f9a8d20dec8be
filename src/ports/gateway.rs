//! nginx on this machine: its managed files, its opinion of them, its processes.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;

use crate::domain::audit::NginxAnswer;
use crate::domain::disk::DiskFile;
use crate::domain::gateway::{FileName, ManagedFile};
use crate::domain::revision::FileDelta;

/// Owns the managed files and speaks to nginx.
///
/// A change takes three steps, so that a crash between any two of them can be made good:
/// [`test`](Gateway::test) shows a candidate to nginx and changes nothing live;
/// [`put_live`](Gateway::put_live) writes down what is about to happen and moves the tested bytes
/// into place; [`settle`](Gateway::settle), after the database has committed, forgets the note, or
/// [`undo`](Gateway::undo) puts the old bytes back. [`recover`](Gateway::recover) does one or the other
/// for a note that a crash left behind.
///
/// One writer at a time: callers serialise changes.
#[async_trait]
pub trait Gateway: Send + Sync {
    /// The path and text of a file, as it would be written. Pure.
    fn render(&self, file: &ManagedFile) -> Rendered;

    /// The path at which a file of this name is kept, as the operator configured the directory.
    fn path(&self, name: &FileName) -> String;

    /// The managed file that is kept at a path, as operators know it: the inverse of [`Gateway::path`].
    fn name(&self, path: &str) -> Option<FileName>;

    /// Whether `text` may be inserted into a server block or location: balanced, every directive
    /// ended, and (unless the operator allowed raw directives) nothing that gives away the machine.
    ///
    /// # Errors
    /// A sentence for the operator.
    fn check_snippet(&self, text: &str) -> Result<(), String>;

    /// The names of the directives in an operator's own text, those inside of blocks too. Pure.
    fn directive_names(&self, text: &str) -> Vec<String>;

    /// Stages the change beside the live tree and has nginx test exactly that.
    ///
    /// # Errors
    /// [`GatewayError::Refused`] with nginx's own message, [`GatewayError::Drifted`] when a file to be
    /// replaced is not what we last wrote, or a fault of the machine. Nothing live was touched.
    async fn test(&self, change: FileChange) -> Result<Tested, GatewayError>;

    /// As [`test`](Gateway::test), of a change that is not to be made: nothing of it need be there after a crash.
    ///
    /// # Errors
    /// As [`test`](Gateway::test).
    async fn rehearse(&self, change: FileChange) -> Result<Tested, GatewayError>;

    /// What the tested change would do to the text of nginx's files, as long as it is not live. Sidecars are left out.
    ///
    /// # Errors
    /// A file cannot be read.
    async fn deltas(&self) -> Result<Vec<FileDelta>, GatewayError>;

    /// Makes the tested bytes live under an intent record that names `change_id`.
    ///
    /// # Errors
    /// A fault of the machine; the old bytes were put back.
    async fn put_live(&self, change_id: &str) -> Result<(), GatewayError>;

    /// The change is committed: drops the intent record.
    async fn settle(&self) -> Result<(), GatewayError>;

    /// The change was not committed: puts the old bytes back and drops the intent record.
    async fn undo(&self) -> Result<(), GatewayError>;

    /// Completes what a crash interrupted: forward if `committed` is the change of the intent record,
    /// back otherwise. Call before anything else, with no other writer alive.
    async fn recover(&self, committed: Option<&str>) -> Result<Recovery, GatewayError>;

    /// Has nginx test the live tree.
    async fn validate(&self) -> NginxAnswer;

    /// Has nginx load the live tree, and waits for the proof that it did: workers that have it serve.
    async fn reload(&self, others: Others) -> Reload;

    /// The managed files as they are on disk now, ours and unknown ones, and the state of nginx.
    async fn observe(&self) -> Result<Observed, GatewayError>;

    /// Forgets what files held when they were last read: each is read again when it is next needed.
    ///
    /// # Errors
    /// A fault of the machine.
    async fn forget_contents(&self) -> Result<(), GatewayError>;

    /// What every file of the managed directory says, in order of path: each `*.conf` and sidecar, whoever wrote
    /// it. One that cannot be understood is listed as such; hidden files and other names are left out.
    ///
    /// # Errors
    /// A fault of the machine: the list would not be whole.
    async fn read_all(&self) -> Result<Vec<DiskFile>, GatewayError>;

    /// What one managed file says, by the path that operators know. Nothing else is opened, whatever the path is.
    ///
    /// # Errors
    /// A fault of the machine.
    async fn read_file(&self, path: &str) -> Result<FileAt, GatewayError>;
}

/// Workers of nginx that run something older than what was just loaded. For a tenth of a second they take connections too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// They have been told to end, and take no more connections.
    Rest,
    /// They may go on: the caller has its own eye on them.
    Watched,
}

/// What is at a path that an operator named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileAt {
    /// No managed file can be there, in a sentence that begins with the path. Its content was not looked at.
    NotManaged(String),
    /// A managed file can be there, and none is.
    Missing,
    /// A file, and its text.
    Present(Box<DiskFile>, String),
}

/// A file as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The path at which it is kept.
    pub path: String,
    /// Its whole text.
    pub content: String,
    /// Lower-hex SHA-256 of the text.
    pub sha256: String,
}

/// Files to write and remove in one change.
#[derive(Debug, Clone, Default)]
pub struct FileChange {
    /// Files with their new content.
    pub put: Vec<ManagedFile>,
    /// Files to remove, if they are there.
    pub remove: Vec<FileName>,
    /// Remove also managed files that are neither put nor recorded (rebuild).
    pub remove_unknown: bool,
    /// Files that stay as they are, whatever else is said.
    pub keep: Vec<FileName>,
    /// What we last wrote, by path: lower-hex SHA-256. A file that is touched and differs is drift.
    pub recorded: HashMap<String, String>,
    /// Drifted files that are replaced all the same.
    pub overwrite: Overwrite,
}

/// Which files may be written over or removed although they were edited outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// None.
    #[default]
    Nothing,
    /// These.
    These(HashSet<FileName>),
    /// Every file of the change.
    Everything,
}

impl Overwrite {
    /// Whether the file of this name may be written over.
    #[must_use]
    pub fn covers(&self, name: &FileName) -> bool {
        match self {
            Overwrite::Nothing => false,
            Overwrite::These(names) => names.contains(name),
            Overwrite::Everything => true,
        }
    }
}

/// A change that nginx accepted and that waits to be made live.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tested {
    /// Files that will be written: path and SHA-256 of the bytes nginx tested. Files whose text is
    /// already on disk are listed too.
    pub written: Vec<(String, String)>,
    /// Paths that will be removed.
    pub removed: Vec<String>,
    /// Whether any file differs from what is live, so that there is something to make live.
    pub moves: bool,
    /// nginx's words; `None` if it would see no difference, so nothing was to be tested.
    pub nginx: Option<NginxAnswer>,
}

/// What a start after a crash found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// No intent record: the last process ended between changes.
    Clean,
    /// The database had committed: the new files are in place.
    RolledForward,
    /// The database had not committed: the old files are back.
    RolledBack,
}

/// The outcome of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reload {
    /// What happened, for the operator; `ok` only if a worker newer than the reload is serving.
    pub answer: NginxAnswer,
    /// If it was applied: the hash of each managed file that nginx now runs, by path.
    pub running: Option<HashMap<String, String>>,
}

/// The managed directory and nginx, as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Lower-hex SHA-256 of every managed file on disk, sidecars included, by path.
    pub files: HashMap<String, String>,
    /// The hash of each configuration file that nginx runs, as far as a reload of ours proved it;
    /// `None` when that is not known (nginx was started or reloaded by someone else since).
    pub running: Option<HashMap<String, String>>,
    /// Whether an nginx master process is there.
    pub nginx_up: bool,
    /// nginx's version, such as `1.22.1`.
    pub nginx_version: Option<String>,
    /// How candidates are tested: `staged`, `swap` or `dry-run`.
    pub check_mode: &'static str,
}

/// Why a change or question could not be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// nginx, or the proof that stands beside `nginx -t`, refused the candidate. Nothing has changed.
    #[error("{0}")]
    Refused(String),
    /// A file that the change would replace was edited outside the orchestrator. Nothing has changed.
    #[error("{path} was changed outside the orchestrator, and this change would overwrite it")]
    Drifted {
        /// The file.
        path: String,
    },
    /// The machine failed: disk, rights, a missing program.
    #[error("{0}")]
    Fault(String),
}
