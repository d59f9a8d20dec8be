//! What runs by itself: periods, triggers and reports. It knows no business.
//!
//! A loop takes no input: each run looks for itself at what is to be done, and a run with nothing to do does
//! nothing. So it does not matter how often one runs, or that one is left out. What came of it is on the board
//! that the API shows.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::domain::services::loops::{LoopSeat, Loops};
use crate::ports::clock::Clock;

/// When a loop runs for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// At once.
    Now,
    /// After one period.
    AfterOnePeriod,
}

/// When a loop runs.
#[derive(Debug, Clone)]
pub struct Rhythm {
    /// The loop's name in reports and logs.
    pub name: &'static str,
    /// The time between two runs.
    pub period: Duration,
    /// The first of them.
    pub first: First,
    /// Asks for a run before its time; several that ask at once get one run.
    pub trigger: Arc<Notify>,
}

/// Waits for as long as it is told.
pub type Pause = Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

/// The loops that run, until they are stopped.
pub struct Background {
    clock: Arc<dyn Clock>,
    board: Loops,
    pause: Pause,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Background {
    /// No loop yet; each will report on `board`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, board: Loops) -> Self {
        Self::paused_by(Arc::new(|time| Box::pin(tokio::time::sleep(time))), clock, board)
    }

    fn paused_by(pause: Pause, clock: Arc<dyn Clock>, board: Loops) -> Self {
        Self { clock, board, pause, stop: watch::Sender::new(false), tasks: JoinSet::new() }
    }

    /// Starts a loop. `job` tells what it did, or why it could not: the next run tries again.
    pub fn start<F>(&mut self, rhythm: Rhythm, job: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = Result<String, String>> + Send + 'static,
    {
        let seat = self.board.enter(rhythm.name, rhythm.period);
        let turns = Turns { rhythm, seat, clock: self.clock.clone(), pause: self.pause.clone() };
        self.tasks.spawn(turns.run(job, self.stop.subscribe()));
    }

    /// Starts no run any more, and waits for the end of those under way.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// One loop.
struct Turns {
    rhythm: Rhythm,
    seat: LoopSeat,
    clock: Arc<dyn Clock>,
    pause: Pause,
}

impl Turns {
    async fn run<F>(self, job: impl Fn() -> F + Send + 'static, mut stop: watch::Receiver<bool>)
    where
        F: Future<Output = Result<String, String>> + Send + 'static,
    {
        let mut wait = match self.rhythm.first {
            First::Now => Duration::ZERO,
            First::AfterOnePeriod => self.rhythm.period,
        };
        loop {
            self.seat.write(|report| report.wait_until(self.clock.now().later(wait)));
            tokio::select! {
                biased;
                _ = stop.wait_for(|stopped| *stopped) => return,
                () = self.rhythm.trigger.notified() => {}
                () = (self.pause)(wait) => {}
            }
            self.seat.write(|report| report.begin(self.clock.now()));
            // A task of its own: a run that panics ends itself, not the loop.
            let run = job().instrument(tracing::info_span!("run", name = self.rhythm.name));
            let outcome = tokio::spawn(run).await.unwrap_or_else(|stopped| {
                Err(format!("the run was cut short by a fault of this program; see its log ({stopped})"))
            });
            match &outcome {
                Ok(result) => tracing::debug!(name = self.rhythm.name, result, "a background run is done"),
                Err(error) => tracing::error!(name = self.rhythm.name, error, "a background run failed"),
            }
            self.seat.write(|report| report.end(self.clock.now(), outcome));
            wait = self.rhythm.period;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicI64, Ordering};

    use tokio::sync::mpsc;

    use super::*;
    use crate::domain::loops::LoopReport;
    use crate::domain::time::Timestamp;

    /// A clock that shows the time that was waited for.
    #[derive(Default)]
    struct WaitedTime(AtomicI64);

    impl Clock for WaitedTime {
        fn now(&self) -> Timestamp {
            let seconds = 1_767_225_600 + self.0.load(Ordering::SeqCst);
            Timestamp::of(chrono::DateTime::from_timestamp(seconds, 0).unwrap())
        }
    }

    /// Loops whose waiting ends when the test says so.
    struct Stage {
        background: Background,
        board: Loops,
        /// Each wait as it begins, and what ends it.
        waits: mpsc::UnboundedReceiver<(Duration, Arc<Notify>)>,
        clock: Arc<WaitedTime>,
        trigger: Arc<Notify>,
        outcomes: mpsc::UnboundedSender<Result<String, String>>,
    }

    const HOUR: Duration = Duration::from_secs(3600);

    fn stage(first: First) -> Stage {
        let (said, waits) = mpsc::unbounded_channel();
        let pause: Pause = Arc::new(move |time| {
            let over = Arc::new(Notify::new());
            let _ = said.send((time, over.clone()));
            Box::pin(async move { over.notified().await })
        });
        let (clock, board, trigger) = (Arc::new(WaitedTime::default()), Loops::default(), Arc::new(Notify::new()));
        let mut background = Background::paused_by(pause, clock.clone(), board.clone());
        let (outcomes, given) = mpsc::unbounded_channel::<Result<String, String>>();
        let given = Arc::new(tokio::sync::Mutex::new(given));
        let job = move || {
            let given = given.clone();
            async move {
                let outcome = given.lock().await.recv().await.expect("the test gives an outcome for each run");
                assert_ne!(outcome, Ok("panic".to_owned()), "as the test asked");
                outcome
            }
        };
        background.start(Rhythm { name: "work", period: HOUR, first, trigger: trigger.clone() }, job);
        Stage { background, board, waits, clock, trigger, outcomes }
    }

    impl Stage {
        /// The wait that begins next.
        async fn wait(&mut self) -> (Duration, Arc<Notify>) {
            self.waits.recv().await.unwrap()
        }

        fn report(&self) -> LoopReport {
            self.board.reports().remove(0)
        }

        fn at(&self, second: i64) -> Option<Timestamp> {
            let clock = WaitedTime(AtomicI64::new(second));
            Some(clock.now())
        }
    }

    #[tokio::test]
    async fn a_loop_waits_one_period_before_each_run_and_reports_what_came_of_it() {
        let mut stage = stage(First::AfterOnePeriod);
        let (time, over) = stage.wait().await;
        assert_eq!(time, HOUR);
        let report = stage.report();
        assert_eq!((report.runs, report.last_run_at, report.next_run_at), (0, None, stage.at(3600)));
        stage.clock.0.store(3600, Ordering::SeqCst);
        stage.outcomes.send(Ok("did it".to_owned())).unwrap();
        over.notify_one();
        let (time, over) = stage.wait().await;
        assert_eq!(time, HOUR);
        let report = stage.report();
        assert_eq!((report.runs, report.running, report.last_result.as_deref()), (1, false, Some("did it")));
        assert_eq!((report.last_run_at, report.next_run_at), (stage.at(3600), stage.at(7200)));
        stage.clock.0.store(7200, Ordering::SeqCst);
        stage.outcomes.send(Err("no space".to_owned())).unwrap();
        over.notify_one();
        stage.wait().await;
        let report = stage.report();
        assert_eq!((report.runs, report.last_error.as_deref()), (2, Some("no space")));
        assert_eq!((report.last_run_at, report.last_success_at), (stage.at(7200), stage.at(3600)));
    }

    #[tokio::test]
    async fn a_loop_can_run_at_once() {
        let mut stage = stage(First::Now);
        assert_eq!(stage.wait().await.0, Duration::ZERO);
    }

    #[tokio::test]
    async fn a_trigger_asks_for_a_run_before_its_time_also_while_another_is_under_way() {
        let mut stage = stage(First::AfterOnePeriod);
        stage.wait().await;
        stage.trigger.notify_one();
        while !stage.report().running {
            tokio::task::yield_now().await;
        }
        for _ in 0..3 {
            stage.trigger.notify_one();
        }
        for outcome in ["first", "second"] {
            stage.outcomes.send(Ok(outcome.to_owned())).unwrap();
            stage.wait().await;
        }
        assert_eq!((stage.report().runs, stage.report().last_result.as_deref()), (2, Some("second")));
    }

    #[tokio::test]
    async fn a_run_that_panics_is_a_failed_run_and_the_loop_goes_on() {
        let mut stage = stage(First::AfterOnePeriod);
        stage.wait().await.1.notify_one();
        stage.outcomes.send(Ok("panic".to_owned())).unwrap();
        let (_, over) = stage.wait().await;
        assert!(stage.report().last_error.unwrap().contains("fault of this program"));
        stage.outcomes.send(Ok("well again".to_owned())).unwrap();
        over.notify_one();
        stage.wait().await;
        assert_eq!((stage.report().last_error, stage.report().runs), (None, 2));
    }

    #[tokio::test]
    async fn a_stop_waits_for_the_run_under_way_and_starts_none() {
        let mut stage = stage(First::AfterOnePeriod);
        stage.wait().await.1.notify_one();
        let Stage { background, board, outcomes, trigger, .. } = stage;
        while !board.reports()[0].running {
            tokio::task::yield_now().await;
        }
        let ended = Arc::new(Mutex::new(false));
        let note = ended.clone();
        let stopping = tokio::spawn(async move {
            background.stop().await;
            *note.lock().unwrap() = true;
        });
        tokio::task::yield_now().await;
        assert!(!*ended.lock().unwrap(), "the run is under way");
        trigger.notify_one();
        outcomes.send(Ok("to its end".to_owned())).unwrap();
        stopping.await.unwrap();
        let report = board.reports().remove(0);
        assert_eq!((report.runs, report.last_result.as_deref()), (1, Some("to its end")));
    }
}
