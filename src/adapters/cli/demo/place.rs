//! The directory of a demo: what lies where, and what is kept from one run to the next.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{DemoArguments, DemoError};
use crate::config::{Secret, env_file};

/// What is kept in `demo.env`: made once, read by every later run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub api_key: Secret,
    pub fernet_key: Secret,
    pub s3_access_key: String,
    pub s3_secret_key: Secret,
    pub gateway_port: u16,
    pub storage_port: u16,
}

/// The directory, as an absolute path.
#[derive(Debug, Clone)]
pub(super) struct Place(PathBuf);

impl Place {
    /// Makes the directories. The top is passable by all, since nginx's workers are not root; what is
    /// secret in it is not.
    pub fn open(directory: &Path) -> Result<Self, DemoError> {
        let path = std::path::absolute(directory).map_err(|e| DemoError::file(directory, e))?;
        // These mean something else to nginx, and every path below is written into its configuration.
        if path.to_str().is_none_or(|text| text.chars().any(|c| c.is_control() || "\"'\\$;{}*?[]#".contains(c))) {
            return Err(DemoError::Directory(path.display().to_string()));
        }
        let place = Self(path);
        for (directory, mode) in [
            (place.0.clone(), 0o711),
            (place.run(), 0o700),
            (place.logs(), 0o700),
            (place.0.join("data"), 0o700),
            (place.0.join("storage"), 0o700),
            (place.0.join("nginx"), 0o711),
            (place.0.join("nginx/tmp"), 0o711),
            (place.managed().join("pools"), 0o755),
            (place.managed().join("vhosts"), 0o755),
        ] {
            DirBuilder::new()
                .recursive(true)
                .mode(mode)
                .create(&directory)
                .map_err(|e| DemoError::file(&directory, e))?;
            // The umask has no say in what must be passable, nor an earlier run in what must be private.
            std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(mode))
                .map_err(|e| DemoError::file(&directory, e))?;
        }
        Ok(place)
    }

    pub fn top(&self) -> &Path {
        &self.0
    }

    /// What the lock of the demo itself stands beside; the server has a lock of its own.
    pub fn lock(&self) -> PathBuf {
        self.0.join("demo")
    }

    pub fn run(&self) -> PathBuf {
        self.0.join("run")
    }

    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    pub fn database(&self) -> PathBuf {
        self.0.join("data/orchestrator.db")
    }

    pub fn storage(&self, pool: &str) -> PathBuf {
        self.0.join("storage").join(pool)
    }

    pub fn managed(&self) -> PathBuf {
        self.0.join("nginx/managed")
    }

    pub fn gate(&self) -> PathBuf {
        self.0.join("gate")
    }

    pub fn nginx_conf(&self) -> PathBuf {
        self.0.join("nginx/nginx.conf")
    }

    pub fn nginx_pid(&self) -> PathBuf {
        self.0.join("nginx/nginx.pid")
    }

    /// The keys and ports of this directory; made up at the first run.
    pub fn kept(&self, arguments: &DemoArguments) -> Result<Kept, DemoError> {
        let path = self.0.join("demo.env");
        let kept = match std::fs::read_to_string(&path) {
            Ok(text) => Kept::parse(&text).ok_or_else(|| DemoError::Kept(path.display().to_string()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let kept = Kept::new(arguments);
                write_private(&path, &kept.text())?;
                kept
            }
            Err(error) => return Err(DemoError::file(&path, error)),
        };
        for (flag, asked, kept) in [
            ("--gateway-port", arguments.gateway_port, kept.gateway_port),
            ("--storage-port", arguments.storage_port, kept.storage_port),
        ] {
            if asked.is_some_and(|asked| asked != kept) {
                return Err(DemoError::OtherPort { flag, kept, directory: self.0.display().to_string() });
            }
        }
        Ok(kept)
    }
}

impl Kept {
    fn new(arguments: &DemoArguments) -> Self {
        Self {
            api_key: Secret::new(random_hex()),
            fernet_key: Secret::new(fernet::Fernet::generate_key()),
            s3_access_key: "demo".to_owned(),
            s3_secret_key: Secret::new(random_hex()),
            gateway_port: arguments.gateway_port.unwrap_or(super::GATEWAY_PORT),
            storage_port: arguments.storage_port.unwrap_or(super::STORAGE_PORT),
        }
    }

    fn text(&self) -> String {
        format!(
            "# Made by `nanio-orchestrator demo`. Remove the whole directory to begin anew.\n\
             API_KEY={}\nFERNET_KEY={}\nS3_ACCESS_KEY={}\nS3_SECRET_KEY={}\nGATEWAY_PORT={}\nSTORAGE_PORT={}\n",
            self.api_key.reveal(),
            self.fernet_key.reveal(),
            self.s3_access_key,
            self.s3_secret_key.reveal(),
            self.gateway_port,
            self.storage_port,
        )
    }

    fn parse(text: &str) -> Option<Self> {
        let all = env_file::parse(text);
        let value = |key: &str| all.iter().find(|a| a.key == key).map(|a| a.value.clone()).filter(|v| !v.is_empty());
        Some(Self {
            api_key: Secret::new(value("API_KEY")?),
            fernet_key: Secret::new(value("FERNET_KEY")?),
            s3_access_key: value("S3_ACCESS_KEY")?,
            s3_secret_key: Secret::new(value("S3_SECRET_KEY")?),
            gateway_port: value("GATEWAY_PORT")?.parse().ok()?,
            storage_port: value("STORAGE_PORT")?.parse().ok()?,
        })
    }
}

fn random_hex() -> String {
    rand::random::<[u8; 24]>().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a file that only this user can read, whole or not at all.
fn write_private(path: &Path, text: &str) -> Result<(), DemoError> {
    let draft = path.with_extension("tmp");
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&draft, path)
    };
    write().map_err(|error| DemoError::file(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn keys_are_made_once_and_only_this_user_can_read_them() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::open(&directory.path().join("demo-data")).unwrap();
        let first = place.kept(&DemoArguments::default()).unwrap();
        let second = Place::open(place.top()).unwrap().kept(&DemoArguments::default()).unwrap();
        assert_eq!(first, second);
        assert_eq!(first.api_key.reveal().len(), 48);
        assert_eq!(mode(&place.top().join("demo.env")), 0o600);
        assert_eq!(mode(&place.top().join("data")), 0o700);
        assert_eq!(mode(place.top()), 0o711);
        let other = Place::open(&directory.path().join("other")).unwrap().kept(&DemoArguments::default()).unwrap();
        assert_ne!(first.api_key, other.api_key);
    }

    #[test]
    fn a_directory_that_was_made_for_another_port_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::open(directory.path()).unwrap();
        let asked = |gateway_port| DemoArguments { gateway_port, ..DemoArguments::default() };
        assert_eq!(place.kept(&asked(Some(9999))).unwrap().gateway_port, 9999);
        assert_eq!(place.kept(&asked(None)).unwrap().gateway_port, 9999);
        let error = place.kept(&asked(Some(9998))).unwrap_err().to_string();
        assert!(error.contains("--gateway-port") && error.contains("9999") && error.contains("--dir"), "{error}");
    }

    #[test]
    fn a_damaged_file_of_keys_is_named_and_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::open(directory.path()).unwrap();
        let path = place.top().join("demo.env");
        std::fs::write(&path, "API_KEY=x\n").unwrap();
        let error = place.kept(&DemoArguments::default()).unwrap_err().to_string();
        assert!(error.contains("demo.env"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "API_KEY=x\n");
    }

    #[test]
    fn a_directory_that_means_something_else_to_nginx_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a;b", "a{b", "a*b", "a\"b", "a$b"] {
            assert!(matches!(Place::open(&directory.path().join(name)), Err(DemoError::Directory(_))), "{name}");
        }
        assert!(Place::open(&directory.path().join("with space")).is_ok());
    }
}
