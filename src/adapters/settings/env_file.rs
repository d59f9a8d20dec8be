//! Changes of the env file, one at a time among all processes.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::disk::{self, NotReplaced};
use super::error::EnvFileError;
use super::journal::{Intention, Journal};
use super::report::report;
use crate::config::{Change, Origin, Outlook, Setting, Sources};
use crate::domain::setting::SettingsReport;
use crate::ports::gateway::Recovery;
use crate::ports::settings_file::{KnownSetting, SettingsFile, SettingsFileError, StagedSetting};

/// The env file in force, for a program that was started with these sources.
#[derive(Clone)]
pub struct EnvSettings {
    sources: Arc<Sources>,
    file: PathBuf,
    journal: Journal,
    staged: Arc<Mutex<Option<Staged>>>,
}

/// A change that is under way; others wait as long as it lives.
struct Staged {
    intention: Intention,
    _lock: File,
}

impl EnvSettings {
    /// The file that `sources` have in force, with the journal beside the database that they name.
    #[must_use]
    pub fn new(sources: &Arc<Sources>) -> Self {
        let outlook = Outlook::of(sources);
        let database = outlook.text("db_path").unwrap_or_default();
        let journal = Journal::beside(&std::path::absolute(database).unwrap_or_else(|_| database.into()));
        let file = disk::behind_links(Path::new(sources.file_path()));
        Self { sources: sources.clone(), file, journal, staged: Arc::default() }
    }

    /// Where the file is, whether or not it is there.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// The file's text now; `None` if there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn text(&self) -> Result<Option<String>, EnvFileError> {
        disk::read(&self.file).map_err(|source| EnvFileError::Read { path: self.name(), source })
    }

    /// What they were made for.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Sets one setting for whoever works on the machine: none is barred, and nothing is audited.
    ///
    /// # Errors
    /// The next start would be refused because of it, or the file cannot be written. It is as before.
    pub fn set(&self, setting: &'static Setting, value: &str) -> Result<Change, Box<dyn std::error::Error>> {
        let lock = self.lock()?;
        let old = self.text()?;
        let change = Change::of(&self.sources, old.as_deref(), setting, value)?;
        self.write(old, change.text.clone(), lock)?;
        Ok(change)
    }

    /// Puts `new` in the place of `old`, if that is still what the file holds.
    ///
    /// # Errors
    /// The file was changed meanwhile, or cannot be written.
    pub fn replace(&self, old: Option<String>, new: String) -> Result<(), EnvFileError> {
        let lock = self.lock()?;
        if self.text()? != old {
            return Err(EnvFileError::Changed { path: self.name() });
        }
        self.write(old, new, lock)
    }

    fn write(&self, old: Option<String>, new: String, _lock: File) -> Result<(), EnvFileError> {
        if old.as_ref() == Some(&new) {
            return Ok(());
        }
        let write = |source| EnvFileError::Write { path: self.name(), source };
        match (disk::replace(&self.file, &new), &old) {
            (Ok(()), _) => Ok(()),
            (Err(NotReplaced::NotHere(_)), Some(text)) => {
                let intention = Intention { file: self.file.clone(), change: None, old: old.clone(), new };
                // Where no database is yet, a crash in the middle of one write call is all there is to fear.
                let written_down = self.journal.write(&intention).is_ok();
                disk::overwrite(&self.file, text, &intention.new).map_err(write)?;
                if written_down { self.forget() } else { Ok(()) }
            }
            (Err(NotReplaced::NotHere(error) | NotReplaced::Failed(error)), _) => Err(write(error)),
        }
    }

    fn name(&self) -> String {
        self.file.display().to_string()
    }

    /// Waits until no other process changes the file.
    fn lock(&self) -> Result<File, EnvFileError> {
        let fault = |source: io::Error| {
            let path = disk::parent(&self.file).display().to_string();
            match source.kind() {
                io::ErrorKind::NotFound => EnvFileError::NoDirectory { path },
                _ => EnvFileError::Read { path, source },
            }
        };
        // The directory, since the file is another one after each change.
        let directory = File::open(disk::parent(&self.file)).map_err(fault)?;
        directory.lock().map_err(fault)?;
        Ok(directory)
    }

    fn forget(&self) -> Result<(), EnvFileError> {
        let path = self.journal.path().display().to_string();
        self.journal.forget().map_err(|source| EnvFileError::Journal { path, source })
    }

    fn left(&self) -> Result<Option<Intention>, EnvFileError> {
        let path = || self.journal.path().display().to_string();
        self.journal.read().map_err(|source| EnvFileError::Left { path: path(), source })
    }

    fn staged(&self) -> Option<Staged> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep(&self, staged: Staged) {
        *self.staged.lock().unwrap_or_else(PoisonError::into_inner) = Some(staged);
    }

    fn stage_now(&self, change: &str, key: &str, value: &str) -> Result<StagedSetting, SettingsFileError> {
        let setting = Setting::named(key).ok_or_else(|| fault(format!("there is no setting {key}")))?;
        let lock = self.lock().map_err(fault)?;
        let old = self.text().map_err(fault)?;
        let changed = Change::of(&self.sources, old.as_deref(), setting, value)
            .map_err(|error| SettingsFileError::Refused(error.to_string()))?;
        let moves = old.as_ref() != Some(&changed.text);
        let runs = Outlook::of(&self.sources);
        let next = Outlook::of(&self.sources.next_start(Some(&changed.text)));
        let staged = StagedSetting {
            before: changed.before.clone(),
            after: changed.after.clone(),
            moves,
            pending: runs.text(setting.key) != next.text(setting.key),
            overridden_by: changed.overridden.as_ref().map(told),
        };
        if moves {
            let change = Some(change.to_owned());
            let intention = Intention { file: self.file.clone(), change, old, new: changed.text };
            let path = || self.journal.path().display().to_string();
            self.journal.write(&intention).map_err(|source| fault(EnvFileError::Journal { path: path(), source }))?;
            self.keep(Staged { intention, _lock: lock });
        }
        Ok(staged)
    }

    fn put_now(&self) -> Result<(), SettingsFileError> {
        let Some(staged) = self.staged() else { return Ok(()) };
        let Intention { file, old, new, .. } = &staged.intention;
        match put(file, old.as_deref(), Some(new)) {
            Ok(()) => self.keep(staged),
            Err(source) => {
                self.forget().map_err(fault)?;
                return Err(fault(EnvFileError::Write { path: self.name(), source }));
            }
        }
        Ok(())
    }

    fn undo_now(&self) -> Result<(), SettingsFileError> {
        let Some(staged) = self.staged() else { return Ok(()) };
        let Intention { file, old, new, .. } = &staged.intention;
        put(file, Some(new), old.as_deref())
            .map_err(|source| fault(EnvFileError::Write { path: self.name(), source }))?;
        self.forget().map_err(fault)
    }

    fn recover_now(&self, committed: Option<&str>) -> Result<Recovery, EnvFileError> {
        drop(self.staged());
        // Asked at every start and before every change: mostly there is nothing, and nothing to lock.
        if self.left()?.is_none() && !disk::beside(&self.file, ".tmp").is_file() {
            return Ok(Recovery::Clean);
        }
        let _lock = self.lock()?;
        // Its owner may have been at work until now; if not, nobody is.
        let left = self.left()?;
        let temporary = disk::beside(&self.file, ".tmp");
        if temporary.is_file() {
            disk::forget(&temporary)
                .map_err(|source| EnvFileError::Write { path: temporary.display().to_string(), source })?;
        }
        let Some(left) = left else { return Ok(Recovery::Clean) };
        let forward = left.change.is_none() || left.change.as_deref() == committed;
        let target = if forward { Some(left.new.as_str()) } else { left.old.as_deref() };
        let path = || left.file.display().to_string();
        let now = disk::read(&left.file).map_err(|source| EnvFileError::Read { path: path(), source })?;
        let ours = now == left.old || is_ours(now.as_deref(), &left);
        let moved = ours && now.as_deref() != target;
        if moved {
            put(&left.file, now.as_deref(), target).map_err(|source| EnvFileError::Write { path: path(), source })?;
        }
        self.forget()?;
        Ok(match (ours, forward) {
            (false, _) => Recovery::Clean,
            (true, true) => Recovery::RolledForward,
            (true, false) => Recovery::RolledBack,
        })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, SettingsFileError> + Send + 'static,
    ) -> Result<T, SettingsFileError> {
        let own = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&own)).await;
        done.unwrap_or_else(|error| Err(fault(format!("the work on the env file was stopped: {error}"))))
    }
}

/// Whether the file holds what the change makes, or a part of it.
fn is_ours(now: Option<&str>, left: &Intention) -> bool {
    now.is_some_and(|now| now == left.new || disk::is_torn(now, left.old.as_deref().unwrap_or_default(), &left.new))
}

/// Makes the file hold `new`, which holds `old` now.
fn put(file: &Path, old: Option<&str>, new: Option<&str>) -> io::Result<()> {
    let Some(new) = new else {
        disk::forget(file)?;
        return disk::sync_directory(file);
    };
    match (disk::replace(file, new), old) {
        (Ok(()), _) => Ok(()),
        (Err(NotReplaced::NotHere(_)), Some(old)) => disk::overwrite(file, old, new),
        (Err(NotReplaced::NotHere(error) | NotReplaced::Failed(error)), _) => Err(error),
    }
}

fn fault(error: impl ToString) -> SettingsFileError {
    SettingsFileError::Fault(error.to_string())
}

/// What is stronger than the file.
fn told(origin: &Origin) -> String {
    match origin {
        Origin::Flag(flag) => format!("the flag {flag}"),
        Origin::Environment => "the environment of the process".to_owned(),
        other => other.to_string(),
    }
}

/// The sources of a start, after a write of the env file that was cut short has been made whole: with the text before
/// it, until the database has said whether the change was committed.
///
/// # Errors
/// The sources cannot be read, or the file cannot be mended.
pub fn mended(flags: Vec<(String, String)>) -> Result<Sources, Box<dyn std::error::Error>> {
    let sources = Sources::gather(flags)?;
    let own = EnvSettings::new(&Arc::new(sources.clone()));
    if own.left()?.is_none() {
        return Ok(sources);
    }
    let _lock = own.lock()?;
    let Some(left) = own.left()? else { return Ok(sources) };
    let now = own.text()?;
    if left.file != own.file || !(now == left.old || is_ours(now.as_deref(), &left)) {
        // Edited since then.
        return Ok(sources);
    }
    let alone = left.change.is_none();
    let target = match (alone, now.as_deref()) {
        (true, _) => Some(left.new.as_str()),
        (false, now) if now == Some(&left.new) => now,
        (false, _) => left.old.as_deref(),
    };
    if now.as_deref() != target {
        put(&own.file, now.as_deref(), target).map_err(|source| EnvFileError::Write { path: own.name(), source })?;
    }
    if alone {
        own.forget()?;
    }
    // What the service manager read of the torn file goes with it.
    Ok(sources.next_start(target))
}

#[async_trait]
impl SettingsFile for EnvSettings {
    fn named(&self, name: &str) -> Option<KnownSetting> {
        Setting::named(name).map(|setting| KnownSetting { key: setting.key, guarded: setting.is_guarded() })
    }

    async fn look(&self) -> Result<SettingsReport, SettingsFileError> {
        self.blocking(|own| {
            let text = own.text().map_err(fault)?;
            Ok(report(&own.sources, &own.file, text.as_deref()))
        })
        .await
    }

    async fn stage(&self, change: &str, key: &str, value: &str) -> Result<StagedSetting, SettingsFileError> {
        let (change, key, value) = (change.to_owned(), key.to_owned(), value.to_owned());
        self.blocking(move |own| own.stage_now(&change, &key, &value)).await
    }

    async fn put(&self) -> Result<(), SettingsFileError> {
        self.blocking(Self::put_now).await
    }

    async fn settle(&self) -> Result<(), SettingsFileError> {
        self.blocking(|own| match own.staged() {
            Some(_staged) => own.forget().map_err(fault),
            None => Ok(()),
        })
        .await
    }

    async fn undo(&self) -> Result<(), SettingsFileError> {
        self.blocking(Self::undo_now).await
    }

    async fn recover(&self, committed: Option<&str>) -> Result<Recovery, SettingsFileError> {
        let committed = committed.map(str::to_owned);
        self.blocking(move |own| own.recover_now(committed.as_deref()).map_err(fault)).await
    }
}
