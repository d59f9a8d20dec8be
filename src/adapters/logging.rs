//! Logs: to stderr, and to a file that is rotated by size.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::{FilterFn, Targets, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::adapters::telemetry::Telemetry;
use crate::config::{LogFormat, LogLevel, Settings};

/// A log file is rotated before it grows beyond this.
pub const MAX_BYTES: u64 = 10 * 1024 * 1024;
/// What our own spans and lines come from.
const OURS: &str = "nanio_orchestrator";
/// Rotated copies that are kept: `<file>.1` is the youngest.
pub const COPIES: u32 = 5;

/// Why logs cannot be written as the settings ask.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The log file cannot be opened.
    #[error("cannot open LOG_FILE {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Something in this process logs already.
    #[error("logging is set up already: {0}")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Makes `tracing` write to stderr and, if asked for, to the log file and to a collector of traces. Once a process.
///
/// # Errors
/// The log file cannot be opened; a server that was told to keep a log does not run without one.
pub fn start(settings: &Settings, telemetry: Option<&Telemetry>) -> Result<(), LoggingError> {
    let (format, level) = (settings.log_format, settings.log_level);
    let file = match &settings.log_file {
        Some(path) => {
            let file = RotatingFile::open(path, MAX_BYTES, COPIES)
                .map_err(|source| LoggingError::File { path: path.display().to_string(), source })?;
            Some(lines(format, SharedFile(Arc::new(Mutex::new(file))), false).with_filter(filter(level)))
        }
        None => None,
    };
    let stderr = lines(format, io::stderr, io::stderr().is_terminal()).with_filter(filter(level));
    let traces = telemetry.map(|telemetry| telemetry.layer().with_filter(filter(LogLevel::Info)));
    Ok(Registry::default().with(stderr).with(file).with(traces).try_init()?)
}

/// Our own lines at the level asked for, and what they are part of at any. Libraries report trouble only: their talk
/// would drown ours, and at their debug level some of them print headers, keys included.
fn filter(level: LogLevel) -> FilterFn<impl Fn(&Metadata<'_>) -> bool> {
    let level = match level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    let events = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target(OURS, level);
    filter_fn(move |metadata| {
        let is_ours = metadata.is_span() && metadata.target().starts_with(OURS);
        is_ours || events.would_enable(metadata.target(), metadata.level())
    })
}

fn lines<S, W>(format: LogFormat, writer: W, colour: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colour);
    match format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    }
}

/// A file that moves aside before it grows too large: `f` becomes `f.1`, `f.1` becomes `f.2`, and so on.
struct RotatingFile {
    path: PathBuf,
    file: File,
    size: u64,
    limit: u64,
    copies: u32,
}

impl RotatingFile {
    fn open(path: &Path, limit: u64, copies: u32) -> io::Result<Self> {
        if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(directory)?;
        }
        let file = append(path)?;
        let size = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, size, limit, copies })
    }

    fn copy(&self, number: u32) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{number}"));
        path.into()
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.copies).rev() {
            rename_if_there(&self.copy(number), &self.copy(number + 1))?;
        }
        rename_if_there(&self.path, &self.copy(1))?;
        self.file = append(&self.path)?;
        self.size = self.file.metadata()?.len();
        Ok(())
    }
}

impl Write for RotatingFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let length = line.len() as u64;
        if self.size > 0 && self.size.saturating_add(length) > self.limit {
            // A rotation that fails (a full disk, a lost right) must not cost the line: the old file grows on.
            let _ = self.rotate();
        }
        self.file.write_all(line)?;
        self.size = self.size.saturating_add(length);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The log file as every thread's writer; one line at a time.
#[derive(Clone)]
struct SharedFile(Arc<Mutex<RotatingFile>>);

impl Write for SharedFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

impl MakeWriter<'_> for SharedFile {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn shared(path: &Path, limit: u64) -> SharedFile {
        SharedFile(Arc::new(Mutex::new(RotatingFile::open(path, limit, COPIES).unwrap())))
    }

    #[test]
    fn a_full_file_moves_aside_and_five_copies_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log/nanio.log");
        let mut file = RotatingFile::open(&path, 10, COPIES).unwrap();
        for number in 0..9 {
            file.write_all(format!("line {number}\n").as_bytes()).unwrap();
        }
        let kept = ["nanio.log", "nanio.log.1", "nanio.log.2", "nanio.log.3", "nanio.log.4", "nanio.log.5"];
        assert_eq!(names(path.parent().unwrap()), kept);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "line 8\n");
        assert_eq!(std::fs::read_to_string(file.copy(5)).unwrap(), "line 3\n");
    }

    #[test]
    fn a_line_is_never_split_and_an_old_file_is_continued() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nanio.log");
        std::fs::write(&path, "old\n").unwrap();
        let mut file = RotatingFile::open(&path, 10, COPIES).unwrap();
        file.write_all(b"a line of more than ten bytes\n").unwrap();
        file.write_all(b"next\n").unwrap();
        assert_eq!(std::fs::read_to_string(file.copy(2)).unwrap(), "old\n");
        assert_eq!(std::fs::read_to_string(file.copy(1)).unwrap(), "a line of more than ten bytes\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "next\n");
    }

    #[test]
    fn a_rotation_that_fails_costs_no_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nanio.log");
        let mut file = RotatingFile::open(&path, 5, COPIES).unwrap();
        // Directories that are not empty stand where the copies would move to.
        for number in 1..=COPIES {
            std::fs::create_dir_all(file.copy(number).join("x")).unwrap();
        }
        file.write_all(b"one\n").unwrap();
        file.write_all(b"two\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn others_cannot_read_the_log_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nanio.log");
        RotatingFile::open(&path, 10, COPIES).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o027, 0);
    }

    #[test]
    fn our_info_lines_reach_the_file_in_both_forms_and_talk_of_libraries_does_not() {
        let directory = tempfile::tempdir().unwrap();
        for (format, expected) in
            [(LogFormat::Text, "INFO nanio_orchestrator::x: hello"), (LogFormat::Json, r#""message":"hello""#)]
        {
            let (path, level) = (directory.path().join(format!("{format:?}.log")), LogLevel::Info);
            let subscriber =
                Registry::default().with(lines(format, shared(&path, MAX_BYTES), false).with_filter(filter(level)));
            tracing::subscriber::with_default(subscriber, || {
                tracing::info!(target: "nanio_orchestrator::x", "hello");
                tracing::debug!(target: "nanio_orchestrator::x", "quiet");
                tracing::info!(target: "some_library", "talk");
                tracing::warn!(target: "some_library", "trouble");
            });
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(expected) && text.contains("trouble"), "{text}");
            assert!(!text.contains("quiet") && !text.contains("talk"), "{text}");
        }
    }

    #[test]
    fn a_line_of_trouble_tells_what_it_is_part_of_even_where_only_trouble_is_told() {
        let directory = tempfile::tempdir().unwrap();
        for (format, expected) in [(LogFormat::Text, "request{id=7}"), (LogFormat::Json, r#""id":"7""#)] {
            let path = directory.path().join(format!("{format:?}.log"));
            let layer = lines(format, shared(&path, MAX_BYTES), false).with_filter(filter(LogLevel::Error));
            tracing::subscriber::with_default(Registry::default().with(layer), || {
                let span = tracing::info_span!(target: "nanio_orchestrator::x", "request", id = %7);
                span.in_scope(|| tracing::error!(target: "nanio_orchestrator::x", "trouble"));
                span.in_scope(|| tracing::info!(target: "nanio_orchestrator::x", "quiet"));
            });
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(expected) && !text.contains("quiet"), "{text}");
        }
    }
}
