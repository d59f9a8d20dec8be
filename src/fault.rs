//! Places at which a test can kill the process, to show that a crash there loses nothing.
//!
//! Without the feature `fault-points`, which only the tests turn on, a point is nothing. With it:
//! `NANIO_ORCHESTRATOR_FAULT_POINT=name` (or `name:N`) ends the process with SIGKILL when it passes the
//! point of this name (for the Nth time), and `NANIO_ORCHESTRATOR_FAULT_LOG=<file>` appends the name of
//! each point passed. The domain has no points: every step of a change passes through an adapter.

/// A place at which a crash is tested. Names are written once, as literals: the tests look for them all.
#[cfg(not(feature = "fault-points"))]
#[inline(always)]
pub fn point(_name: &'static str) {}

#[cfg(feature = "fault-points")]
pub use armed::point;

#[cfg(feature = "fault-points")]
mod armed {
    use std::collections::HashMap;
    use std::fs::{File, OpenOptions};
    use std::io::Write as _;
    use std::sync::{LazyLock, Mutex, PoisonError};

    use rustix::process::{Signal, getpid, kill_process};

    struct Plan {
        /// Where to end, and which time.
        end: Option<(String, u64)>,
        log: Option<File>,
        passed: HashMap<&'static str, u64>,
    }

    static PLAN: LazyLock<Mutex<Plan>> = LazyLock::new(|| Mutex::new(Plan::from_environment()));

    impl Plan {
        fn from_environment() -> Self {
            let end = std::env::var("NANIO_ORCHESTRATOR_FAULT_POINT").ok().map(|text| match text.split_once(':') {
                Some((name, count)) => (name.to_owned(), count.parse().unwrap_or(1)),
                None => (text, 1),
            });
            let log = std::env::var_os("NANIO_ORCHESTRATOR_FAULT_LOG");
            let log = log.and_then(|path| OpenOptions::new().create(true).append(true).open(path).ok());
            Self { end, log, passed: HashMap::new() }
        }
    }

    /// A place at which a crash is tested. Names are written once, as literals: the tests look for them all.
    pub fn point(name: &'static str) {
        let mut plan = PLAN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = &mut plan.log {
            // A test that misses a line says so.
            let _ = log.write_all(format!("{name}\n").as_bytes());
        }
        let count = plan.passed.entry(name).or_default();
        *count += 1;
        let count = *count;
        if plan.end.as_ref().is_some_and(|(end, time)| end == name && *time == count) {
            let _ = kill_process(getpid(), Signal::KILL);
            // The signal is on its way: nothing more happens here, and nowhere else in this process.
            loop {
                std::thread::park();
            }
        }
    }
}
