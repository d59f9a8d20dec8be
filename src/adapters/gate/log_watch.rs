//! nginx's error log, watched for a log that it could not write. nginx says so once a minute for each log and worker
//! (`ngx_http_log_write`), so a look that finds nothing proves something only if the one before was long enough ago.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::place::fault;
use crate::ports::gate::GateError;

/// A line longer than this is none of those that are looked for.
const LONGEST_LINE: usize = 64 * 1024;
/// Logs of former rotations that are still looked at: nginx writes to the old one until it is told of the new one.
const GENERATIONS: usize = 4;

/// How far a log was written at some moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogMark {
    path: PathBuf,
    device: u64,
    inode: u64,
    length: u64,
}

impl LogMark {
    /// The end of a log as it is now.
    pub fn now(path: &Path) -> Result<Self, GateError> {
        let metadata = File::open(path).and_then(|file| file.metadata()).map_err(|error| unreadable(path, &error))?;
        if !metadata.is_file() {
            return Err(unreadable(path, &io::Error::other("it is not a file")));
        }
        Ok(Self { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino(), length: metadata.len() })
    }
}

/// A log, and those that it was before it was rotated.
pub(super) struct LogWatch {
    path: PathBuf,
    tails: Vec<Tail>,
}

struct Tail {
    file: File,
    at: u64,
    /// The beginning of a line whose end is not written yet.
    begun: Vec<u8>,
}

impl LogWatch {
    /// Watches from a mark on. A log that was rotated meanwhile is looked for beside the present one.
    pub fn since(mark: &LogMark) -> Result<Self, GateError> {
        let marked = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino()) == (mark.device, mark.inode);
        let present = mark.path.parent().and_then(|directory| fs::read_dir(directory).ok());
        let found = present.into_iter().flatten().flatten().find_map(|entry| {
            let metadata = fs::metadata(entry.path()).ok()?;
            marked(&metadata).then(|| entry.path())
        });
        let Some(found) = found else {
            return Err(GateError::Void(format!(
                "nginx's error log {} was rotated away while nobody looked, and might have told of a journal that could \
                 not be written",
                mark.path.display()
            )));
        };
        let file = File::open(&found).map_err(|error| unreadable(&found, &error))?;
        let mut watch =
            Self { path: mark.path.clone(), tails: vec![Tail { file, at: mark.length, begun: Vec::new() }] };
        watch.follow()?;
        Ok(watch)
    }

    /// The first line since the last look that tells of a failed write to a file with `name` in its path.
    pub fn look(&mut self, name: &str) -> Result<Option<String>, GateError> {
        self.follow()?;
        let mut found = None;
        for tail in &mut self.tails {
            let told = tail.look(name, &self.path)?;
            found = found.or(told);
        }
        Ok(found)
    }

    /// Opens the log that is now in the place of the last one.
    fn follow(&mut self) -> Result<(), GateError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            // In the middle of a rotation; nginx still writes to the old one.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.tails.is_empty() => return Ok(()),
            Err(error) => return Err(unreadable(&self.path, &error)),
        };
        let id = |file: &File| file.metadata().map(|metadata| (metadata.dev(), metadata.ino()));
        let present = id(&file).map_err(|error| unreadable(&self.path, &error))?;
        if self.tails.iter().any(|tail| id(&tail.file).is_ok_and(|known| known == present)) {
            return Ok(());
        }
        self.tails.push(Tail { file, at: 0, begun: Vec::new() });
        let surplus = self.tails.len().saturating_sub(GENERATIONS);
        self.tails.drain(..surplus);
        Ok(())
    }
}

impl Tail {
    fn look(&mut self, name: &str, path: &Path) -> Result<Option<String>, GateError> {
        let length = self.file.metadata().map_err(|error| fault("look at", path, &error))?.len();
        if length < self.at {
            return Err(GateError::Void(format!(
                "nginx's error log {} was emptied, and might have told of a journal that could not be written",
                path.display()
            )));
        }
        let (mut found, mut buffer) = (None, vec![0; 64 * 1024]);
        loop {
            let count = self.file.read_at(&mut buffer, self.at).map_err(|error| unreadable(path, &error))?;
            if count == 0 {
                return Ok(found);
            }
            self.at += count as u64;
            for piece in buffer[..count].split_inclusive(|byte| *byte == b'\n') {
                if self.begun.len() < LONGEST_LINE {
                    self.begun.extend_from_slice(piece);
                }
                if piece.ends_with(b"\n") {
                    let line = String::from_utf8_lossy(&std::mem::take(&mut self.begun)).trim_end().to_owned();
                    if found.is_none() && tells(&line, name) {
                        found = Some(line);
                    }
                }
            }
        }
    }
}

/// `write() to "<path>" failed (28: No space left on device)`, or `was incomplete: 3 of 210`.
fn tells(line: &str, name: &str) -> bool {
    line.contains("write() to ") && line.contains(name) && (line.contains("failed") || line.contains("incomplete"))
}

fn unreadable(path: &Path, error: &io::Error) -> GateError {
    GateError::Fault(format!(
        "nginx's error log {} cannot be read: {error}; only there nginx says that it could not write a journal. Let the \
         user of this program read it, for example by the group adm",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const FAILED: &str = "2026/11/27 [alert] 7#7: *1 write() to \"/g/77.journal\" failed (28: No space left on device)";

    struct Log(tempfile::TempDir);

    impl Log {
        fn new() -> Self {
            let log = Self(tempfile::tempdir().unwrap());
            log.write("before\n");
            log
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("error.log")
        }

        fn write(&self, text: &str) {
            let file = fs::OpenOptions::new().create(true).append(true).open(self.path());
            file.unwrap().write_all(text.as_bytes()).unwrap();
        }
    }

    #[test]
    fn a_failed_write_is_found_once_it_is_written_whole() {
        let log = Log::new();
        log.write(&format!("{FAILED}\n"));
        let mut watch = LogWatch::since(&LogMark::now(&log.path()).unwrap()).unwrap();
        assert_eq!(watch.look("77.journal").unwrap(), None, "what was before the mark does not count");
        log.write(&FAILED[..60]);
        assert_eq!(watch.look("77.journal").unwrap(), None);
        log.write(&format!("{}\nmore\n", &FAILED[60..]));
        assert_eq!(watch.look("77.journal").unwrap().as_deref(), Some(FAILED));
        assert_eq!(watch.look("77.journal").unwrap(), None);
        log.write(
            "[alert] write() to \"/g/77.journal\" was incomplete: 3 of 9\n[alert] write() to \"/g/8.log\" failed\n",
        );
        assert!(watch.look("77.journal").unwrap().unwrap().contains("incomplete"));
    }

    #[test]
    fn a_rotation_hides_nothing() {
        let log = Log::new();
        let mark = LogMark::now(&log.path()).unwrap();
        let mut watch = LogWatch::since(&mark).unwrap();
        let old = log.0.path().join("error.log.1");
        fs::rename(log.path(), &old).unwrap();
        assert_eq!(watch.look("77.journal").unwrap(), None);
        log.write("the new one\n");
        assert_eq!(watch.look("77.journal").unwrap(), None);
        // nginx has not been told yet.
        fs::OpenOptions::new().append(true).open(&old).unwrap().write_all(format!("{FAILED}\n").as_bytes()).unwrap();
        assert!(watch.look("77.journal").unwrap().is_some());
        // The same by the mark alone, as after a restart of ours.
        assert!(LogWatch::since(&mark).unwrap().look("77.journal").unwrap().is_some());
        fs::remove_file(&old).unwrap();
        assert!(matches!(LogWatch::since(&mark), Err(GateError::Void(_))));
    }

    #[test]
    fn a_log_that_was_emptied_or_is_none_is_said() {
        let log = Log::new();
        let mut watch = LogWatch::since(&LogMark::now(&log.path()).unwrap()).unwrap();
        fs::write(log.path(), "").unwrap();
        assert!(matches!(watch.look("77.journal"), Err(GateError::Void(_))));
        assert!(matches!(LogMark::now(Path::new("/dev/null")), Err(GateError::Fault(_))));
        assert!(matches!(LogMark::now(&log.0.path().join("none")), Err(GateError::Fault(_))));
    }
}
