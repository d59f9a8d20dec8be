//! What is seen of a machine, as values: what it means is for `checks` to say.

use std::path::PathBuf;

/// Something that was looked at; or why it could not be.
pub type Seen<T> = Result<T, String>;

/// All that is looked at.
#[derive(Debug, Clone)]
pub struct Survey {
    /// Whether root looks, who may see everything.
    pub as_root: bool,
    /// Why no server starts with the settings.
    pub problems: Vec<String>,
    /// The file of the settings.
    pub env_file: PathBuf,
    /// Whether others than owner and group may read it.
    pub env_file_open: Seen<bool>,
    /// Whether there is a key for the S3 keys of pools.
    pub has_secret: bool,
    /// What `nginx -V` says.
    pub nginx: Seen<String>,
    /// What `nginx -t` says of the live files: nothing, if all is well.
    pub nginx_test: Seen<String>,
    /// Whether nginx runs.
    pub nginx_runs: bool,
    /// The lines that nginx.conf lacks.
    pub missing_includes: Seen<Vec<String>>,
    /// The candidate main file.
    pub candidate: Seen<Candidate>,
    /// Whether the machine has certificates of authorities, without which no TLS client can be made.
    pub has_authorities: bool,
    /// What `rclone version` says.
    pub rclone: Seen<String>,
    /// This program.
    pub own: PathBuf,
    /// The one that the service's unit runs, if there is a unit.
    pub program: Option<UnitProgram>,
    /// What an installation would change.
    pub installation: Vec<Deviation>,
    /// An installation of 0.4.x that is not taken over.
    pub former: bool,
    /// The server.
    pub server: Server,
    /// The database.
    pub database: Seen<Database>,
    /// Free space.
    pub disks: Vec<Disk>,
    /// Why the gate's directory cannot be relied on.
    pub gate: Seen<()>,
    /// How far the clocks of storage nodes are ahead of ours, in seconds.
    pub clocks: Vec<(String, Seen<i64>)>,
    /// Days until certificates end.
    pub certificates: Vec<(String, Seen<i64>)>,
}

/// The file with which root's nginx tests candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Candidate {
    /// It fits nginx.conf.
    Fresh,
    /// nginx.conf has changed since.
    Stale,
    /// It is not there.
    Missing,
}

/// The program that the service's unit runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitProgram {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is the one that looks, or a copy of it.
    pub is_this: bool,
    /// Its version.
    pub version: Seen<String>,
}

/// Something that is not as `install` would make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deviation {
    /// What.
    pub what: String,
    /// How it is.
    pub how: String,
}

/// Who answers where the server would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// Nobody.
    Silent {
        /// Where.
        address: String,
        /// What systemd says of it.
        unit: Unit,
    },
    /// Our server.
    Answers {
        /// Its version.
        version: String,
        /// Whether it can do its work.
        ready: bool,
    },
    /// Something else.
    Stranger {
        /// Where.
        address: String,
    },
    /// The settings do not say where.
    Unknown,
}

/// What systemd says of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// It runs.
    Runs,
    /// It does not, although it is to run whenever the machine does.
    Ended,
    /// Nobody has asked for it.
    Off,
}

/// The database, without opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// An SQLite file.
    File(PathBuf),
    /// None yet: the first start makes it.
    NotYet(PathBuf),
    /// PostgreSQL, which is asked by the server alone.
    Elsewhere,
}

/// A file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// What of ours is on it.
    pub what: &'static str,
    /// Where.
    pub path: PathBuf,
    /// Bytes that are free, and bytes in all.
    pub room: Seen<(u64, u64)>,
}
