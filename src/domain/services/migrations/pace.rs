//! When the last pass will be short enough for writes to be held.

use std::time::Duration;

/// What passes took so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Pace {
    shortest: Option<Duration>,
    last: Option<(usize, Duration)>,
    smallest: Option<usize>,
    /// Passes in a row after which there was not less to do than ever before.
    standing: u32,
}

/// What is to be done after a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The next pass would be short: hold writes.
    Ready,
    /// Another pass will bring it nearer.
    More,
    /// Passes do not bring it nearer: writes come faster than they are carried over.
    Hopeless,
}

impl Pace {
    /// A pass over `keys` took `time`, and left `backlog` to do.
    pub(super) fn note(&mut self, keys: usize, time: Duration, backlog: usize) {
        self.shortest = Some(self.shortest.map_or(time, |shortest| shortest.min(time)));
        self.last = Some((keys, time));
        if self.smallest.is_none_or(|smallest| backlog < smallest) {
            self.smallest = Some(backlog);
            self.standing = 0;
        } else {
            self.standing += 1;
        }
    }

    /// How long a pass over `backlog` keys would take, from what the last one took.
    pub(super) fn predicted(&self, backlog: usize) -> Option<Duration> {
        let ((keys, time), shortest) = (self.last?, self.shortest?);
        // Starting the copier costs the same for one key as for many.
        let per_key = time.saturating_sub(shortest).div_f64(keys.max(1) as f64);
        Some(shortest + per_key.mul_f64(backlog as f64))
    }

    /// What is to be done with this backlog.
    pub(super) fn verdict(&self, backlog: usize, target: Duration, longest: Duration, most: u32) -> Verdict {
        let Some(predicted) = self.predicted(backlog) else { return Verdict::More };
        if predicted <= target {
            return Verdict::Ready;
        }
        // A copier that takes longer than the target to start will not get faster: after two passes that gained
        // nothing, a hold that is longer than wished is better than none, as long as it is far from the limit.
        if self.standing >= 2 && predicted <= longest / 2 {
            return Verdict::Ready;
        }
        if self.standing >= most { Verdict::Hopeless } else { Verdict::More }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Duration::from_millis(300);
    const LONGEST: Duration = Duration::from_secs(20);

    fn verdict(pace: &Pace, backlog: usize) -> Verdict {
        pace.verdict(backlog, TARGET, LONGEST, 10)
    }

    #[test]
    fn writes_are_held_when_the_last_pass_will_be_short() {
        let mut pace = Pace::default();
        assert_eq!(verdict(&pace, 0), Verdict::More, "nothing is known yet");
        pace.note(1000, Duration::from_secs(5), 100);
        assert_eq!(verdict(&pace, 100), Verdict::More);
        pace.note(100, Duration::from_millis(250), 5);
        assert_eq!(verdict(&pace, 5), Verdict::Ready);
    }

    #[test]
    fn a_slow_start_of_the_copier_is_put_up_with_when_nothing_is_gained_any_more() {
        let mut pace = Pace::default();
        for _ in 0..3 {
            assert_eq!(verdict(&pace, 20), Verdict::More);
            pace.note(20, Duration::from_millis(800), 20);
        }
        assert_eq!(verdict(&pace, 20), Verdict::Ready);
    }

    #[test]
    fn a_backlog_that_never_shrinks_is_hopeless() {
        let mut pace = Pace::default();
        pace.note(10_000, Duration::from_secs(60), 10_000);
        for _ in 0..9 {
            pace.note(10_000, Duration::from_secs(60), 10_000);
            assert_eq!(verdict(&pace, 10_000), Verdict::More);
        }
        pace.note(10_000, Duration::from_secs(60), 10_000);
        assert_eq!(verdict(&pace, 10_000), Verdict::Hopeless);
    }
}
