//! Places at which a test can kill the process, to show that a crash there loses nothing.
//!
//! Without the feature `fault-points`, which only the tests turn on, a point is nothing. With it:
//! `NANIO_ORCHESTRATOR_FAULT_POINT=name` (or `name:N`) ends the process with SIGKILL when it passes the
//! point of this name (for the Nth time). `a>b:N` is the Nth `b` that comes after an `a`.
//! `NANIO_ORCHESTRATOR_FAULT_SIGNAL=STOP` stops it there instead, and
//! `NANIO_ORCHESTRATOR_FAULT_LOG=<file>` appends the name of each point passed. The domain has no points: every
//! step of a change passes through an adapter.

/// A place at which a crash is tested. Names are written once, as literals: the tests look for them all.
#[cfg(not(feature = "fault-points"))]
#[inline(always)]
pub fn point(_name: &'static str) {}

#[cfg(feature = "fault-points")]
pub use armed::point;

#[cfg(feature = "fault-points")]
mod armed {
    use std::collections::VecDeque;
    use std::fs::{File, OpenOptions};
    use std::io::Write as _;
    use std::sync::{LazyLock, Mutex, PoisonError};

    use rustix::process::{Signal, getpid, kill_process};

    struct Plan {
        /// What is still to be passed, and how often, before the signal. Empty: nothing is planned any more.
        way: VecDeque<(String, u64)>,
        signal: Signal,
        log: Option<File>,
    }

    static PLAN: LazyLock<Mutex<Plan>> = LazyLock::new(|| Mutex::new(Plan::from_environment()));

    impl Plan {
        fn from_environment() -> Self {
            let way = std::env::var("NANIO_ORCHESTRATOR_FAULT_POINT").map(|text| way(&text)).unwrap_or_default();
            let stop = std::env::var("NANIO_ORCHESTRATOR_FAULT_SIGNAL").is_ok_and(|signal| signal == "STOP");
            let log = std::env::var_os("NANIO_ORCHESTRATOR_FAULT_LOG");
            let log = log.and_then(|path| OpenOptions::new().create(true).append(true).open(path).ok());
            Self { way, signal: if stop { Signal::STOP } else { Signal::KILL }, log }
        }

        /// Whether this was the last that was to be passed.
        fn pass(&mut self, name: &str) -> bool {
            let Some((_, left)) = self.way.front_mut().filter(|(next, _)| next == name) else { return false };
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.way.pop_front();
                return self.way.is_empty();
            }
            false
        }
    }

    fn way(text: &str) -> VecDeque<(String, u64)> {
        let place = |text: &str| match text.split_once(':') {
            Some((name, count)) => (name.to_owned(), count.parse().unwrap_or(1)),
            None => (text.to_owned(), 1),
        };
        text.split('>').map(place).collect()
    }

    /// A place at which a crash is tested. Names are written once, as literals: the tests look for them all.
    pub fn point(name: &'static str) {
        let mut plan = PLAN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = &mut plan.log {
            // A test that misses a line says so.
            let _ = log.write_all(format!("{name}\n").as_bytes());
        }
        if plan.pass(name) {
            let signal = plan.signal;
            let _ = kill_process(getpid(), signal);
            if signal == Signal::STOP {
                return;
            }
            // The signal is on its way: nothing more happens here, and nowhere else in this process.
            loop {
                std::thread::park();
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn ended(plan: &str, passed: &[&str]) -> bool {
            let mut plan = Plan { way: way(plan), signal: Signal::KILL, log: None };
            passed.iter().any(|name| plan.pass(name))
        }

        #[test]
        fn a_plan_ends_at_the_point_that_it_names_and_only_behind_those_that_it_names_before() {
            assert!(ended("b", &["a", "b"]));
            assert!(!ended("b:2", &["b", "a"]) && ended("b:2", &["b", "a", "b"]));
            assert!(!ended("a>b", &["b", "a"]) && ended("a>b", &["b", "a", "c", "b"]));
            assert!(!ended("a>b:2", &["b", "a", "b"]) && ended("a>b:2", &["a", "b", "b"]));
        }
    }
}
