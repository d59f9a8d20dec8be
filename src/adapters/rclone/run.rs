//! One order, carried out: by as many calls of rclone as it takes.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitStatus;
use std::sync::Arc;

use futures_util::future::{Either, select};
use tokio::io::BufReader;
use tokio::process::ChildStderr;
use tokio::sync::oneshot;

use crate::domain::copy::{Copied, CopyOrder, Progress, What};
use crate::ports::copier::{CopierError, Watch};

use super::command::{RULES, arguments, environment, lists};
use super::place::Places;
use super::process::{Call, Running, Spawner, feed};
use super::record::Records;
use super::words::{Word, is_answer, next_line, read};
use super::{Limits, fault};

/// How many lines of one call are passed on.
const MOST_LINES: usize = 200;
/// How many errors are told when a copy fails.
const MOST_ERRORS: usize = 3;
/// Of how many objects it is remembered that a node said no.
const MOST_REFUSED: usize = 10_000;

/// Everything that is needed to carry out an order.
pub(super) struct Run {
    pub program: PathBuf,
    pub limits: Limits,
    pub records: Records,
    pub spawner: Arc<Spawner>,
    pub order: CopyOrder,
    pub watch: Arc<dyn Watch>,
}

/// What one call said.
#[derive(Default)]
struct Heard {
    progress: Progress,
    errors: u64,
    /// The first of them.
    first: Vec<String>,
    last_line: String,
    lines: usize,
    /// Objects of which a node has said no.
    refused: BTreeSet<String>,
    /// Whether anything else went wrong.
    unanswered: bool,
}

impl Run {
    /// Copies, until all is copied, something fails, or `cancelled` is told or dropped. Nothing is copied before `told`:
    /// but rclone, which needs its time to start, waits for that already.
    pub async fn carry_out(
        self,
        mut cancelled: oneshot::Receiver<()>,
        told: oneshot::Receiver<()>,
    ) -> Result<Copied, CopierError> {
        let mut told = Some(told);
        if matches!(&self.order.what, What::Keys(keys) if keys.is_empty()) {
            return Ok(Copied::default());
        }
        let (mut sources, mut destinations) = (Places::of(&self.order.source), Places::of(&self.order.destination));
        let mut done = Progress::default();
        loop {
            let places = async { Ok((sources.first("source").await?, destinations.first("destination").await?)) };
            let (from, to) = unless(&mut cancelled, places).await?;
            match self.between(&from, &to, &mut done, &mut told, &mut cancelled).await {
                Ok(()) => return Ok(done.into()),
                Err(CopierError::Failed(why)) if done.objects_done == 0 && done.deleted == 0 => {
                    let moves = async { Ok(sources.must_move_on().await || destinations.must_move_on().await) };
                    if !unless(&mut cancelled, moves).await? {
                        return Err(CopierError::Failed(why));
                    }
                    self.watch.line(&format!("trying another member: {why}"));
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn between(
        &self,
        from: &str,
        to: &str,
        done: &mut Progress,
        told: &mut Option<oneshot::Receiver<()>>,
        cancelled: &mut oneshot::Receiver<()>,
    ) -> Result<(), CopierError> {
        let calls = match &self.order.what {
            What::Keys(keys) => lists(keys),
            What::Everything | What::Mirror => vec![RULES.to_vec()],
        };
        for lines in calls {
            let call = Call {
                program: self.program.clone(),
                arguments: arguments(&self.order, &self.limits),
                environment: environment(&self.order, from, to),
            };
            let mut running = Running::start(&self.spawner, &self.records, call).await.map_err(cannot_start)?;
            let (input, output) = running.talk().map_err(cannot_start)?;
            let before = *done;
            let going = async {
                // Dropped with the word to end.
                let may_go = match told {
                    Some(told) => told.await.is_ok(),
                    None => true,
                };
                if may_go {
                    *told = None;
                    self.watch.line(&format!("copying {} from {from} to {to}", self.order.bucket));
                }
                may_go
            };
            let talk = async {
                let (feeding, listening) = (pin!(feed(input, going, &lines)), pin!(self.listen(output, &before)));
                Ok(match select(feeding, listening).await {
                    Either::Left(((), listening)) => listening.await,
                    // It has ended, perhaps before it was told anything.
                    Either::Right((heard, _)) => heard,
                })
            };
            let heard = match unless(cancelled, talk).await {
                Ok(heard) => heard,
                Err(error) => {
                    running.end().await.map_err(|error| fault("the copier cannot be ended", &error))?;
                    return Err(error);
                }
            };
            let status = running.ended().await.map_err(|error| fault("the copier cannot be waited for", &error))?;
            *done = heard.progress.after(&before);
            heard.verdict(status)?;
        }
        Ok(())
    }

    /// Reads what rclone says until it says no more.
    async fn listen(&self, output: ChildStderr, before: &Progress) -> Heard {
        let mut heard = Heard::default();
        let mut output = BufReader::new(output);
        // What cannot be read ends as what is not said: the exit status tells the rest.
        while let Ok(Some(line)) = next_line(&mut output).await {
            match read(&line) {
                None => {}
                Some(Word::Progress(progress, errors)) => {
                    (heard.progress, heard.errors) = (progress, errors);
                    self.watch.progress(progress.after(before));
                }
                Some(Word::Error { object, text }) => {
                    let text = self.without_secrets(text);
                    match object {
                        Some(object) if is_answer(&text) && heard.refused.len() < MOST_REFUSED => {
                            heard.refused.insert(object);
                        }
                        // A summary says what was said of an object before.
                        None if !heard.refused.is_empty() && is_answer(&text) => {}
                        _ => heard.unanswered = true,
                    }
                    self.pass_on(&mut heard, &text);
                    if heard.first.len() < MOST_ERRORS && !heard.first.contains(&text) {
                        heard.first.push(text);
                    }
                }
                Some(Word::Line(text)) => {
                    heard.last_line = self.without_secrets(text);
                    let text = heard.last_line.clone();
                    self.pass_on(&mut heard, &text);
                }
            }
        }
        heard
    }

    fn pass_on(&self, heard: &mut Heard, text: &str) {
        heard.lines += 1;
        if heard.lines <= MOST_LINES {
            self.watch.line(text);
        } else if heard.lines == MOST_LINES + 1 {
            self.watch.line("rclone says more, which is left out");
        }
    }

    /// rclone does not say them, but it repeats what nodes say.
    fn without_secrets(&self, text: String) -> String {
        let keys = [&self.order.source.keys, &self.order.destination.keys].into_iter().flatten();
        keys.fold(text, |text, keys| text.replace(keys.secret_key.secret().reveal(), "****"))
    }
}

impl Heard {
    fn verdict(&self, status: ExitStatus) -> Result<(), CopierError> {
        if status.success() {
            return Ok(());
        }
        let mut told = format!("rclone ended with {status}");
        for error in if self.first.is_empty() { std::slice::from_ref(&self.last_line) } else { &self.first } {
            told.push_str("; ");
            told.push_str(error);
        }
        let more = self.errors.saturating_sub(self.first.len() as u64);
        if more > 0 {
            told.push_str(&format!("; and {more} more errors"));
        }
        if self.unanswered || self.refused.is_empty() {
            return Err(CopierError::Failed(told));
        }
        Err(CopierError::Refused { keys: self.refused.iter().cloned().collect(), why: told })
    }
}

/// The outcome of `work`, or that it was cancelled.
async fn unless<T>(
    cancelled: &mut oneshot::Receiver<()>,
    work: impl Future<Output = Result<T, CopierError>>,
) -> Result<T, CopierError> {
    tokio::select! {
        biased;
        _ = cancelled => Err(CopierError::Cancelled),
        outcome = work => outcome,
    }
}

fn cannot_start(error: std::io::Error) -> CopierError {
    fault(
        "the copier cannot be started (it needs setpriv of util-linux, and its directory beside the database)",
        &error,
    )
}
