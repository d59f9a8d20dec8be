//! The files that a token is. Every step renames the one file, so that of two that exclude each other one wins,
//! whoever else is at it: another process, too.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::place::{Place, fault};
use crate::domain::gateway::moving::GateFile;
use crate::domain::migration::portions::LONGEST;
use crate::domain::migration::token::{Token, TokenState};
use crate::domain::time::Timestamp;
use crate::fault::point;
use crate::ports::gate::GateError;

/// The names that a token's one file has, and that of the second.
pub(super) const SOURCE: &str = GateFile::Source.word();
pub(super) const HELD: &str = GateFile::Held.word();
pub(super) const SWITCHED: &str = GateFile::Switched.word();
pub(super) const OPEN: &str = GateFile::Open.word();
/// The keys that a copier may be writing; nginx does not look at it.
pub(super) const COPY: &str = "copy";
const COPY_DRAFT: &str = "copy.new";

/// After so many seconds nothing of a copy that was noted can arrive any more: a copier is at it for [`LONGEST`], and what it
/// had sent arrives within a minute.
const SPENT: i64 = LONGEST.as_secs().cast_signed() + 70;

/// A file that is renamed between two looks seems not to be there; one that is moved to and fro all the time is not ours.
const LOOKS: usize = 8;

impl Place {
    /// What a token's files say.
    pub fn state(&self, token: &Token) -> Result<TokenState, GateError> {
        let mut last = self.look(token)?;
        for _ in 0..LOOKS {
            let next = self.look(token)?;
            // Seen twice, it was so in between.
            if next == last {
                return last.state(self, token);
            }
            last = next;
        }
        Err(GateError::Fault(format!(
            "the files of token {token} in {} do not stand still",
            self.directory().display()
        )))
    }

    fn look(&self, token: &Token) -> Result<Seen, GateError> {
        let there = |kind: &str| {
            let path = self.file(token, kind);
            match fs::symlink_metadata(&path) {
                Ok(_) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(fault("look at", &path, &error)),
            }
        };
        Ok(Seen { source: there(SOURCE)?, held: there(HELD)?, switched: there(SWITCHED)?, open: there(OPEN)? })
    }

    /// Makes a token's file. No file of this name is there.
    pub fn make(&self, token: &Token) -> Result<(), GateError> {
        make(&self.file(token, SOURCE))
    }

    pub fn freeze(&self, token: &Token) -> Result<(), GateError> {
        self.step(token, SOURCE, HELD, &[TokenState::Held], "frozen")?;
        point("gate.frozen");
        Ok(())
    }

    pub fn thaw(&self, token: &Token) -> Result<(), GateError> {
        self.step(token, HELD, SOURCE, &[TokenState::Source], "given back to the source")?;
        point("gate.thawed");
        Ok(())
    }

    pub fn commit(&self, token: &Token) -> Result<(), GateError> {
        self.step(token, HELD, SWITCHED, &[TokenState::Switched, TokenState::Open], "committed")?;
        point("gate.committed");
        self.sync()
    }

    pub fn open(&self, token: &Token) -> Result<(), GateError> {
        match self.state(token)? {
            TokenState::Switched | TokenState::Open => {}
            other => return Err(refused(token, "opened", other)),
        }
        // The second file must never outlive a power loss that the first one does not.
        self.sync()?;
        point("gate.commit-lasting");
        self.put_open(token)
    }

    pub fn reopen(&self, token: &Token) -> Result<(), GateError> {
        let switched = self.file(token, SWITCHED);
        for kind in [HELD, SOURCE] {
            rename(&self.file(token, kind), &switched)?;
        }
        make(&switched)?;
        point("gate.reopened");
        self.sync()?;
        self.put_open(token)
    }

    /// Removes every file of a token, `kinds` and its own.
    pub fn remove(&self, token: &Token, kinds: &[&str]) -> Result<(), GateError> {
        for kind in [OPEN, SOURCE, HELD, SWITCHED, COPY, COPY_DRAFT].iter().chain(kinds) {
            let path = self.file(token, kind);
            match fs::remove_file(&path) {
                Ok(()) => point("gate.removed"),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(fault("remove", &path, &error)),
            }
        }
        match self.sync() {
            // With the directory, they are gone too.
            Err(_) if !self.directory().exists() => Ok(()),
            synced => synced,
        }
    }

    /// Writes down which keys a copier may be writing.
    pub fn note_copy(&self, token: &Token, keys: &[String]) -> Result<(), GateError> {
        let (draft, path) = (self.file(token, COPY_DRAFT), self.file(token, COPY));
        let text = serde_json::to_vec(keys).map_err(|error| fault("write", &draft, &error.into()))?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let written = options.open(&draft).and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()
        });
        written.map_err(|error| fault("write", &draft, &error))?;
        rename(&draft, &path)?;
        self.sync()
    }

    pub fn noted_copy(&self, token: &Token) -> Result<Option<Vec<String>>, GateError> {
        let path = self.file(token, COPY);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault("read", &path, &error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| fault("read", &path, &error.into()))
    }

    pub fn copy_ended(&self, token: &Token) -> Result<(), GateError> {
        let path = self.file(token, COPY);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fault("remove", &path, &error)),
            _ => self.sync(),
        }
    }

    /// Whether a copier was at work so lately that what it sent may still arrive. A clock that was set back says yes.
    pub fn may_arrive(&self, token: &Token, now: Timestamp) -> bool {
        let noted = fs::metadata(self.file(token, COPY)).map(|metadata| metadata.mtime());
        noted.is_ok_and(|since| now.unix() - since < SPENT)
    }

    fn put_open(&self, token: &Token) -> Result<(), GateError> {
        make(&self.file(token, OPEN))?;
        point("gate.opened");
        self.sync()
    }

    fn step(&self, token: &Token, from: &str, to: &str, done: &[TokenState], word: &str) -> Result<(), GateError> {
        if rename(&self.file(token, from), &self.file(token, to))? {
            return Ok(());
        }
        match self.state(token)? {
            state if done.contains(&state) => Ok(()),
            other => Err(refused(token, word, other)),
        }
    }
}

/// Which of a token's files were there.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    source: bool,
    held: bool,
    switched: bool,
    open: bool,
}

impl Seen {
    fn state(self, place: &Place, token: &Token) -> Result<TokenState, GateError> {
        match (self.source, self.held, self.switched, self.open) {
            (true, false, false, false) => Ok(TokenState::Source),
            (false, true, false, false) => Ok(TokenState::Held),
            (false, false, true, false) => Ok(TokenState::Switched),
            (false, false, true, true) => Ok(TokenState::Open),
            (false, false, false, false) => Ok(TokenState::Missing),
            _ => Err(GateError::Fault(format!(
                "the files of token {token} in {} contradict each other; somebody else than this program has copied \
                 or made some of them, and nginx goes by them",
                place.directory().display()
            ))),
        }
    }
}

/// `false`: the file is not there.
fn rename(from: &Path, to: &Path) -> Result<bool, GateError> {
    match fs::rename(from, to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(fault("rename", from, &error)),
    }
}

/// Makes an empty file that everybody may see. One that is there is as good.
fn make(path: &Path) -> Result<(), GateError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o444).open(path) {
        Ok(file) => file.sync_all().map_err(|error| fault("write", path, &error)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(fault("make", path, &error)),
    }
}

fn refused(token: &Token, word: &str, state: TokenState) -> GateError {
    let is = match state {
        TokenState::Source => "its writes flow to the source",
        TokenState::Held => "its writes are held",
        TokenState::Switched | TokenState::Open => "it is committed to the destination",
        TokenState::Missing => "its files are gone",
    };
    GateError::State(format!("token {token} cannot be {word}: {is}"))
}
