//! The one list of all settings: the fields of [`Settings`] and the rows of [`SETTINGS`] come from it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::reader::{Effective, Reader};
use super::secret::{DatabaseUrl, Secret};
use super::sources::Sources;
use super::values::{self, Kind, LogFormat, LogLevel, NginxSudo, Typed};

/// What a setting is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// The server itself.
    Core,
    /// Where state is kept.
    Database,
    /// Keys, and what protects them.
    Security,
    /// Storage nodes.
    S3,
    /// The gateway.
    Nginx,
    /// Moving buckets.
    Migrations,
    /// Watching the server.
    Observability,
}

impl Category {
    /// Its heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Core => "Core",
            Self::Database => "Database",
            Self::Security => "Security",
            Self::S3 => "S3",
            Self::Nginx => "Nginx",
            Self::Migrations => "Migrations",
            Self::Observability => "Observability",
        }
    }
}

/// The value of a setting that nobody set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// There is none: the setting stays unset.
    Unset,
    /// The same in production and in dev mode.
    Same(&'static str),
    /// One in production, another in dev mode.
    ByMode {
        /// In production.
        production: &'static str,
        /// In dev mode.
        dev: &'static str,
    },
}

/// How much of a value may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// All of it.
    Plainly,
    /// Its mask.
    Masked,
    /// All but the password of a URL.
    WithoutPassword,
}

/// One row of the table.
#[derive(Debug)]
pub struct Setting {
    /// The short name, such as `session_ttl`.
    pub key: &'static str,
    /// What it is about.
    pub category: Category,
    /// What it is when nobody sets it.
    pub preset: Preset,
    /// How much of it may be shown.
    pub shown: Shown,
    /// What kind of value it is to a client.
    pub kind: Kind,
    description: &'static str,
    check: fn(&str) -> Result<(), String>,
}

impl Setting {
    /// What it means, in half a line.
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.description.trim()
    }

    /// Whether only who works on the machine may change it: it names a program, a file, a database or a guard, so
    /// that it would give a client of the API more than the API does.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        GUARDED.contains(&self.key)
    }

    /// The setting with this short or full name, in whatever case.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        let name = name.trim().to_ascii_lowercase();
        let key = name.strip_prefix(&super::PREFIX.to_ascii_lowercase()).unwrap_or(&name);
        SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// The name of its environment variable.
    #[must_use]
    pub fn variable(&self) -> String {
        variable(self.key)
    }

    /// Whether it may have this value.
    ///
    /// # Errors
    /// What is allowed, as the end of a sentence that begins "must be".
    pub fn check(&self, value: &str) -> Result<(), String> {
        (self.check)(value)
    }

    /// A value of this setting as it may be shown.
    #[must_use]
    pub fn mask(&self, value: &str) -> String {
        match self.shown {
            Shown::Plainly => value.to_owned(),
            Shown::Masked => super::secret::mask(value),
            Shown::WithoutPassword => super::secret::mask_url(value),
        }
    }
}

/// See [`Setting::is_guarded`].
const GUARDED: [&str; 14] = [
    "rclone_path",
    "nginx_bin",
    "nginx_conf",
    "nginx_sudo",
    "nginx_config_dir",
    "db_path",
    "db_backup_path",
    "database_url",
    "log_file",
    "allow_raw_directives",
    "tls_cert",
    "tls_key",
    "migration_gate_dir",
    "migration_gate_volatile",
];

/// The environment variable of a short name.
#[must_use]
pub fn variable(key: &str) -> String {
    format!("{}{}", super::PREFIX, key.to_ascii_uppercase())
}

macro_rules! settings {
    ($($category:ident { $(
        #[doc = $doc:literal]
        $field:ident: $type:ty = $preset:expr, $shown:ident, $read:expr;
    )* })*) => {
        /// Every setting, typed and in range. Made by [`Settings::from_sources`] only, so that having one
        /// means that all of it is valid. `Debug` masks secrets.
        #[derive(Debug, Clone)]
        pub struct Settings {
            /// Dev mode: nginx commands are printed instead of executed.
            pub dev: bool,
            $($(
                #[doc = $doc]
                pub $field: $type,
            )*)*
            pub(super) effective: BTreeMap<&'static str, Effective>,
            pub(super) warnings: Vec<String>,
            pub(super) sources: Arc<Sources>,
        }

        /// All settings but `dev`, in the order in which they are shown.
        pub static SETTINGS: &[Setting] = &[$($(
            Setting {
                key: stringify!($field),
                category: Category::$category,
                preset: $preset,
                shown: Shown::$shown,
                kind: <$type as Typed>::KIND,
                description: $doc,
                check: |text| ($read)(text).map(drop),
            },
        )*)*];

        impl Settings {
            pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
                let mut rows = SETTINGS.iter();
                // Every field is read before any is missed, so that all bad values are reported at once.
                $($(let $field = reader.read::<_, $type>(rows.next()?, $read);)*)*
                Some(Self {
                    dev: reader.dev(),
                    $($($field: $field?,)*)*
                    effective: BTreeMap::new(),
                    warnings: Vec::new(),
                    sources: Arc::default(),
                })
            }
        }
    };
}

const fn by_mode(production: &'static str, dev: &'static str) -> Preset {
    Preset::ByMode { production, dev }
}

use Preset::{Same, Unset};

settings! {
    Core {
        /// Bind address
        host: String = Same("0.0.0.0"), Plainly, values::host;
        /// Listen port
        port: u16 = Same("8080"), Plainly, |text| values::number(text, 1, 65_535);
        /// API authentication key
        api_key: Secret = by_mode("changeme", "dev"), Masked, values::header_key;
        /// Log level (debug/info/warning/error)
        log_level: LogLevel = Same("info"), Plainly, values::log_level;
        /// Rotating log file (10 MB a file, 5 old copies); unset = stderr only
        log_file: Option<PathBuf> = Unset, Plainly, values::path;
        /// Form of log lines (text/json)
        log_format: LogFormat = Same("text"), Plainly, values::log_format;
        /// Web UI session duration (seconds)
        session_ttl: Duration = Same("28800"), Plainly, |text| values::seconds(text, 60, 31_536_000);
        /// PEM certificate chain for HTTPS; unset = HTTP
        tls_cert: Option<PathBuf> = Unset, Plainly, values::path;
        /// PEM private key for HTTPS
        tls_key: Option<PathBuf> = Unset, Plainly, values::path;
    }
    Database {
        /// SQLite database file path
        db_path: PathBuf = by_mode("/opt/nanio-orchestrator/data/orchestrator.db", "dev-data/orchestrator.db"),
            Plainly, values::path;
        /// PostgreSQL address; unset = SQLite at db_path
        database_url: Option<DatabaseUrl> = Unset, WithoutPassword, values::database_url;
        /// Backup path (default: db_path + .bak)
        db_backup_path: Option<PathBuf> = Unset, Plainly, values::path;
        /// Seconds between timed backups
        db_backup_interval: Duration = Same("300"), Plainly, |text| values::seconds(text, 1, 604_800);
        /// Number of backup copies to keep
        db_backup_rotate: u32 = Same("3"), Plainly, |text| values::number(text, 1, 1000);
        /// Days that audit entries are kept; 0 = for ever
        audit_retention_days: u32 = Same("0"), Plainly, |text| values::number(text, 0, 36_500);
        /// Accepted changes that the history keeps
        revision_retention: u32 = Same("500"), Plainly, |text| values::number(text, 1, 100_000);
    }
    Security {
        /// Fernet key for credential encryption at rest; several, comma-separated: the first encrypts, all decrypt
        secret: Option<Secret> = Unset, Masked, values::fernet_keys;
        /// Allow any nginx directive in extra_blocks and extra_directives
        allow_raw_directives: bool = Same("false"), Plainly, values::boolean;
    }
    S3 {
        /// Global S3 access key (used when a pool has no credentials)
        s3_access_key: Option<Secret> = Unset, Masked, values::secret;
        /// Global S3 secret key
        s3_secret_key: Option<Secret> = Unset, Masked, values::secret;
        /// Seconds between automatic bucket list syncs
        bucket_sync_interval: Duration = Same("300"), Plainly, |text| values::seconds(text, 1, 604_800);
        /// Time limit of an S3 request that moves data (seconds)
        s3_request_timeout: Duration = Same("3600"), Plainly, |text| values::seconds(text, 1, 604_800);
    }
    Nginx {
        /// Root directory of the generated nginx configuration
        nginx_config_dir: PathBuf = by_mode("/etc/nginx/nanio", "dev-data/nginx"), Plainly, values::path;
        /// The nginx program; unset = from PATH, or /usr/sbin/nginx
        nginx_bin: Option<PathBuf> = Unset, Plainly, values::program;
        /// nginx's main configuration file
        nginx_conf: PathBuf = Same("/etc/nginx/nginx.conf"), Plainly, values::path;
        /// Whether nginx is called through sudo (auto/always/never)
        nginx_sudo: NginxSudo = Same("auto"), Plainly, values::nginx_sudo;
        /// Seconds between drift checks
        drift_interval: Duration = Same("60"), Plainly, |text| values::seconds(text, 1, 604_800);
    }
    Migrations {
        /// The rclone program
        rclone_path: PathBuf = Same("rclone"), Plainly, values::program;
        /// Migrations that run at the same time
        migration_max_parallel: u32 = Same("2"), Plainly, |text| values::number(text, 1, 64);
        /// rclone --bwlimit value, such as 50M
        migration_bandwidth_limit: Option<String> = Unset, Plainly, values::bandwidth;
        /// rclone --checkers value
        migration_checkers: u32 = Same("8"), Plainly, |text| values::number(text, 1, 256);
        /// rclone --transfers value
        migration_transfers: u32 = Same("4"), Plainly, |text| values::number(text, 1, 256);
        /// Copy passes before a migration goes on
        migration_max_copy_passes: u32 = Same("10"), Plainly, |text| values::number(text, 1, 1000);
        /// Directory of gate tokens, journals and the gate socket
        migration_gate_dir: PathBuf = by_mode("/opt/nanio-orchestrator/gate", "dev-data/gate"), Plainly, values::path;
        /// Allow a gate directory that a restart of the machine empties: for demos and tests only
        migration_gate_volatile: bool = Same("false"), Plainly, values::boolean;
        /// Write hold that a cutover aims at (milliseconds)
        migration_hold_target_ms: Duration = Same("300"), Plainly, |text| values::milliseconds(text, 1, 60_000);
        /// Longest write hold before a cutover gives up (seconds)
        migration_max_hold: Duration = Same("20"), Plainly, |text| values::seconds(text, 1, 600);
        /// Longest wait for requests under way (seconds)
        migration_drain_timeout: Duration = Same("10"), Plainly, |text| values::seconds(text, 1, 600);
        /// Attempts at a cutover before the migration fails
        migration_cutover_attempts: u32 = Same("5"), Plainly, |text| values::number(text, 1, 1000);
        /// Longest wait for multipart uploads to end (seconds)
        migration_multipart_wait: Duration = Same("900"), Plainly, |text| values::seconds(text, 0, 604_800);
        /// Wait after a write whose end is not known, before writes may be held (seconds)
        migration_settle_wait: Duration = Same("60"), Plainly, |text| values::seconds(text, 1, 3600);
        /// Longest wait for old nginx workers to end (seconds)
        migration_worker_wait: Duration = Same("3600"), Plainly, |text| values::seconds(text, 0, 604_800);
    }
    Observability {
        /// Key that opens /metrics; unset = closed
        metrics_token: Option<Secret> = Unset, Masked, values::header_key;
        /// Address that traces are sent to (OTLP)
        otlp_endpoint: Option<String> = Unset, Plainly, values::http_url;
    }
}
