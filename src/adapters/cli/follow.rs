//! Follows what goes on at the server until it ends: a bar on a terminal, else a line whenever it has come further.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};

use super::output::plain;
use super::say;
use super::server::{Server, Unanswered};

type Fault = Box<dyn std::error::Error>;

/// The time between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// A server that is restarted is back by then.
const PATIENCE: Duration = Duration::from_secs(120);

/// How far something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Progress {
    /// What is being done.
    pub state: String,
    /// How much of it, and how fast.
    pub detail: String,
    /// How many parts of it are done, of how many in all; 0: nobody knows.
    pub done: u64,
    pub total: u64,
    /// Whether it has ended.
    pub ended: bool,
}

impl Progress {
    fn percent(&self) -> Option<u64> {
        self.done.min(self.total).saturating_mul(100).checked_div(self.total)
    }

    fn line(&self) -> String {
        let percent = self.percent().map(|percent| format!(" {percent}%")).unwrap_or_default();
        let detail = if self.detail.is_empty() { String::new() } else { format!(", {}", self.detail) };
        plain(&format!("{}{percent}{detail}", self.state)).into_owned()
    }

    /// What a line is written for: not for each object.
    fn step(&self) -> (&str, Option<u64>) {
        (&self.state, self.percent())
    }
}

/// Looks at `path` until it has ended, and gives the last state; none if the operator does not want to see more.
pub(super) async fn follow(server: &Server, path: &str, read: fn(&Value) -> Progress) -> Result<Option<Value>, Fault> {
    // Before the first line is told: who has read it may press Ctrl-C.
    let mut interrupts = signal(SignalKind::interrupt())?;
    let view = View::new();
    let seen = tokio::select! {
        ended = until_the_end(server, path, read, &view) => ended.map(Some),
        _ = interrupts.recv() => Ok(None),
    };
    view.close();
    seen
}

async fn until_the_end(server: &Server, path: &str, read: fn(&Value) -> Progress, view: &View) -> Result<Value, Fault> {
    let mut shown: Option<Progress> = None;
    let mut silent: Option<Instant> = None;
    loop {
        match server.get(path).await {
            Ok(state) => {
                silent = None;
                let progress = read(&state);
                view.show(&progress, shown.as_ref());
                if progress.ended {
                    return Ok(state);
                }
                shown = Some(progress);
            }
            // It goes on when the server is back, whether or not somebody looks.
            Err(fault) if fault.is::<Unanswered>() && silent.is_none_or(|since| since.elapsed() < PATIENCE) => {
                if silent.is_none() && shown.is_some() {
                    view.tell(&format!("{fault}; looking again"));
                } else if shown.is_none() {
                    return Err(fault);
                }
                silent.get_or_insert_with(Instant::now);
            }
            Err(fault) => return Err(fault),
        }
        sleep(LOOK).await;
    }
}

/// The bar, which is hidden where there is no terminal.
struct View(ProgressBar);

impl View {
    fn new() -> Self {
        Self(ProgressBar::no_length())
    }

    fn show(&self, progress: &Progress, before: Option<&Progress>) {
        if self.0.is_hidden() {
            if before.is_none_or(|before| before.step() != progress.step()) {
                say(&progress.line());
            }
            return;
        }
        let template = if progress.total == 0 { "{spinner} {msg}" } else { "[{bar:30}] {msg}" };
        // A template of ours is well-formed; if it were not, the bar would look plainer.
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        self.0.set_length(progress.total.max(1));
        self.0.set_position(progress.done);
        self.0.set_message(progress.line());
        self.0.tick();
    }

    fn tell(&self, text: &str) {
        if self.0.is_hidden() { say(text) } else { self.0.println(text) }
    }

    fn close(&self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(done: u64, total: u64) -> Progress {
        Progress { state: "copying".to_owned(), detail: "7 B/s".to_owned(), done, total, ended: false }
    }

    #[test]
    fn a_line_tells_state_share_and_pace_and_is_written_once_a_percent() {
        assert_eq!(progress(1, 3).line(), "copying 33%, 7 B/s");
        assert_eq!(progress(0, 0).line(), "copying, 7 B/s");
        assert_eq!(progress(9, 3).line(), "copying 100%, 7 B/s");
        assert_eq!(progress(1_000, 100_000).step(), progress(1_999, 100_000).step());
        assert_ne!(progress(1_999, 100_000).step(), progress(2_000, 100_000).step());
    }
}
