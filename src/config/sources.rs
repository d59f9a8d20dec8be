//! Where settings come from: flags, the environment, and one env file. The only input of this module.

use std::collections::HashMap;
use std::path::Path;

use super::env_file;
use super::problem::{ConfigError, Problem};
use super::reader::Origin;
use super::values;
use super::{DEV_FILE, PREFIX, PRODUCTION_FILE};

/// The text of an env file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFile {
    /// The path that messages name.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

/// Everything that settings are made of.
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
        let mut file = |path: &str| match read(path) {
            Ok(file) => file,
            Err(problem) => {
                problems.push(problem);
                None
            }
        };
        let dev_file = file(DEV_FILE);
        let mut sources = Self { flags, environment, dev_file, production_file: None };
        if !sources.reads_dev_file() {
            sources.production_file = file(PRODUCTION_FILE);
        }
        if problems.is_empty() { Ok(sources) } else { Err(ConfigError { problems }) }
    }

    /// Whether the dev file (or, in dev mode without one, no file) is read instead of the production file.
    fn reads_dev_file(&self) -> bool {
        self.mode_asked_by_environment()
            .or_else(|| self.mode_asked_by_dev_file())
            .or_else(|| self.mode_of_dev_variable())
            .unwrap_or(false)
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
        let mut merged = HashMap::new();
        if let Some(file) = file {
            for assignment in env_file::parse(&file.text) {
                if let Some(key) = short_key(&assignment.key) {
                    let origin = Origin::File { path: file.path.clone(), line: assignment.line };
                    merged.insert(key, (assignment.value, origin));
                }
            }
        }
        let mut names: Vec<&String> = self.environment.keys().filter(|name| is_ours(name)).collect();
        // Upper case sorts first and is to win over other spellings, so it is inserted last.
        names.sort_unstable_by(|a, b| b.cmp(a));
        for name in names {
            if let Some(key) = short_key(name) {
                merged.insert(key, (self.environment[name].clone(), Origin::Environment));
            }
        }
        for (key, value) in &self.flags {
            merged.insert(key.clone(), (value.clone(), Origin::Flag(format!("--{}", key.replace('_', "-")))));
        }
        merged
    }
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

fn read(path: &str) -> Result<Option<EnvFile>, Problem> {
    match std::fs::read_to_string(Path::new(path)) {
        Ok(text) => Ok(Some(EnvFile { path: path.to_owned(), text })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Problem::text(format!(
            "{path} exists but cannot be read ({error}): give this user the right to read it, or run as the service's user"
        ))),
    }
}
