//! Where settings come from: flags, the environment, and one env file. The only input of this module.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use super::env_file;
use super::problem::{ConfigError, Problem};
use super::reader::Origin;
use super::values;
use super::{CONFIG_FILE, DEV_FILE, PREFIX, PRODUCTION_FILE};

/// The text of an env file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFile {
    /// The path that messages name.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

impl EnvFile {
    /// The file at `path`; `None` if there is none.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn read(path: &str) -> Result<Option<Self>, Problem> {
        match std::fs::read_to_string(Path::new(path)) {
            Ok(text) => Ok(Some(Self { path: path.to_owned(), text })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Problem::text(format!(
                "{path} exists but cannot be read ({error}): give this user the right to read it, or run as the service's user"
            ))),
        }
    }
}

/// Everything that settings are made of.
/// `Debug` shows no value, since any may be a secret.
#[derive(Clone, Default)]
pub struct Sources {
    /// Command line flags: short key and value. They win over all else.
    pub flags: Vec<(String, String)>,
    /// The process environment, or what stands for it.
    pub environment: HashMap<String, String>,
    /// `dev.env` of the working directory, if it exists.
    pub dev_file: Option<EnvFile>,
    /// The production file, if it exists.
    pub production_file: Option<EnvFile>,
    /// Where the production file is, if not at [`PRODUCTION_FILE`].
    pub production_path: Option<String>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("file", &self.file_path()).finish_non_exhaustive()
    }
}

impl Sources {
    /// Reads the process environment and the env files.
    ///
    /// # Errors
    /// A file that exists but cannot be read, or a variable of ours that is not UTF-8: going on without it
    /// would start with settings that nobody asked for.
    pub fn gather(flags: Vec<(String, String)>) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let mut environment = HashMap::new();
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str() else { continue };
            match value.into_string() {
                Ok(value) => {
                    environment.insert(name.to_owned(), value);
                }
                Err(_) if is_ours(name) => problems.push(Problem::text(format!("{name} (environment): is not UTF-8"))),
                Err(_) => {}
            }
        }
        let mut file = |path: &str| match EnvFile::read(path) {
            Ok(file) => file,
            Err(problem) => {
                problems.push(problem);
                None
            }
        };
        let production_path = environment.get(CONFIG_FILE).filter(|path| !path.is_empty()).cloned();
        let dev_file = file(DEV_FILE);
        let mut sources = Self { flags, environment, dev_file, production_file: None, production_path };
        if !sources.reads_dev_file() {
            sources.production_file = file(sources.file_path());
        }
        if problems.is_empty() { Ok(sources) } else { Err(ConfigError { problems }) }
    }

    /// The path of the env file in force, whether or not there is one.
    #[must_use]
    pub fn file_path(&self) -> &str {
        if self.reads_dev_file() { DEV_FILE } else { self.production_path.as_deref().unwrap_or(PRODUCTION_FILE) }
    }

    /// Whether the dev file (or, in dev mode without one, no file) is read instead of the production file.
    #[must_use]
    pub fn reads_dev_file(&self) -> bool {
        self.mode_asked_by_environment()
            .or_else(|| self.mode_asked_by_dev_file())
            .or_else(|| self.mode_of_dev_variable())
            .unwrap_or(false)
    }

    /// Whether the program runs in dev mode.
    #[must_use]
    pub fn is_dev(&self) -> bool {
        self.mode().0
    }

    /// The env file in force as it was read.
    #[must_use]
    pub fn file(&self) -> Option<&EnvFile> {
        self.mode().1
    }

    /// What the next start will find if the env file in force holds `text` then. A variable that has the file's own
    /// value was made from it, as the service manager does, and will be made again.
    #[must_use]
    pub fn next_start(&self, text: Option<&str>) -> Self {
        let mut next = self.clone();
        if let Some(file) = self.file() {
            let written = written(file);
            next.environment.retain(|name, value| {
                short_key(name).and_then(|key| written.get(&key)).is_none_or(|(text, _)| text != value)
            });
        }
        let file = text.map(|text| EnvFile { path: self.file_path().to_owned(), text: text.to_owned() });
        if self.reads_dev_file() {
            // A dev mode that was asked for by the file alone stays with it.
            next.dev_file = file;
        } else {
            next.production_file = file;
        }
        next
    }

    /// The env file in force and whether it is dev mode.
    pub(super) fn mode(&self) -> (bool, Option<&EnvFile>) {
        if self.reads_dev_file() {
            return (true, self.dev_file.as_ref());
        }
        let asked_by_file = self.mode_asked_by_environment().is_none()
            && self.production_file.as_ref().and_then(|file| dev_line(&file.text)).unwrap_or(false);
        (asked_by_file, self.production_file.as_ref())
    }

    /// `NANIO_ORCHESTRATOR_DEV` of the environment decides over all else.
    fn mode_asked_by_environment(&self) -> Option<bool> {
        let (_, value) =
            self.environment.iter().find(|(name, _)| name.eq_ignore_ascii_case("NANIO_ORCHESTRATOR_DEV"))?;
        // An unreadable value is a problem reported elsewhere; until then it does not open anything.
        (!value.is_empty()).then(|| values::boolean(value).unwrap_or(false))
    }

    fn mode_asked_by_dev_file(&self) -> Option<bool> {
        self.dev_file.as_ref().map(|file| dev_line(&file.text).unwrap_or(true))
    }

    fn mode_of_dev_variable(&self) -> Option<bool> {
        let value = self.environment.get("DEV")?.trim().to_ascii_lowercase();
        Some(matches!(value.as_str(), "1" | "true" | "yes"))
    }

    /// Every value of ours by short key, from the strongest source that has it.
    pub(super) fn merged(&self, file: Option<&EnvFile>) -> HashMap<String, (String, Origin)> {
        let mut merged = file.map(written).unwrap_or_default();
        let mut names: Vec<&String> = self.environment.keys().filter(|name| is_ours(name)).collect();
        // Upper case sorts first and is to win over other spellings, so it is inserted last.
        names.sort_unstable_by(|a, b| b.cmp(a));
        for name in names {
            let value = &self.environment[name];
            // The same value as in the file came from there, and the line says more than "environment".
            if let Some(key) = short_key(name)
                && merged.get(&key).is_none_or(|(text, _)| text != value)
            {
                merged.insert(key, (value.clone(), Origin::Environment));
            }
        }
        for (key, value) in &self.flags {
            merged.insert(key.clone(), (value.clone(), Origin::Flag(format!("--{}", key.replace('_', "-")))));
        }
        merged
    }
}

/// Every value of ours that a file holds, by short key.
fn written(file: &EnvFile) -> HashMap<String, (String, Origin)> {
    let mut written = HashMap::new();
    for assignment in env_file::parse(&file.text) {
        if let Some(key) = short_key(&assignment.key) {
            let origin = Origin::File { path: file.path.clone(), line: assignment.line };
            written.insert(key, (assignment.value, origin));
        }
    }
    written
}

fn dev_line(text: &str) -> Option<bool> {
    let assignments = env_file::parse(text);
    let line = assignments.iter().rev().find(|a| a.key.eq_ignore_ascii_case("NANIO_ORCHESTRATOR_DEV"))?;
    (!line.value.is_empty()).then(|| values::boolean(&line.value).unwrap_or(false))
}

fn is_ours(name: &str) -> bool {
    short_key(name).is_some()
}

fn short_key(name: &str) -> Option<String> {
    let (prefix, key) = name.split_at_checked(PREFIX.len())?;
    (prefix.eq_ignore_ascii_case(PREFIX) && !key.is_empty()).then(|| key.to_ascii_lowercase())
}
