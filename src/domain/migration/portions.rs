//! How much a back-fill carries over under one hold, so that nobody waits long: learnt from what the holds before took.

use std::collections::VecDeque;
use std::time::Duration;

/// Keys are never held for longer than this, whatever the settings say: nginx, which asks where a write may go, waits no
/// longer for the answer.
pub const LONGEST: Duration = Duration::from_secs(50);

/// As much is carried over the first time.
const FIRST_KEYS: usize = 16;
const FIRST_BYTES: u64 = 4 << 20;
/// Never more than so many keys: each is asked about while it is held.
const MOST_KEYS: usize = 1000;
/// The speed of a copy is known from no less than this.
const MEASURED: u64 = 4 << 20;

/// An object that the destination lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its key.
    pub key: String,
    /// Its bytes.
    pub size: u64,
}

/// The size of the next portion.
#[derive(Debug, Clone)]
pub struct Portions {
    keys: usize,
    bytes: u64,
    /// Whether the last portion was as large as it could be.
    full: bool,
    shortest: Option<Duration>,
    /// Bytes a second, at best.
    speed: Option<f64>,
}

impl Default for Portions {
    fn default() -> Self {
        Self { keys: FIRST_KEYS, bytes: FIRST_BYTES, full: false, shortest: None, speed: None }
    }
}

impl Portions {
    /// The next portion of what is to be done: at least one object, if there is any.
    pub fn take(&mut self, todo: &mut VecDeque<Missing>) -> Vec<Missing> {
        let (mut portion, mut bytes) = (Vec::new(), 0u64);
        self.full = false;
        while let Some(next) = todo.front() {
            bytes = bytes.saturating_add(next.size);
            if portion.len() == self.keys || bytes > self.bytes && !portion.is_empty() {
                self.full = true;
                break;
            }
            portion.extend(todo.pop_front());
        }
        portion
    }

    /// A portion of so many bytes took `time`, which should be no longer than `target`.
    pub fn note(&mut self, bytes: u64, time: Duration, target: Duration) {
        let shortest = self.shortest.map_or(time, |shortest| shortest.min(time));
        self.shortest = Some(shortest);
        // Starting the copier costs the same for one key as for many: it is not what can be made shorter.
        let copying = time.saturating_sub(shortest);
        if bytes >= MEASURED {
            let speed = bytes as f64 / time.as_secs_f64().max(0.001);
            self.speed = Some(self.speed.map_or(speed, |known| known.max(speed)));
        }
        let allowed = target.saturating_sub(shortest).max(shortest);
        if copying > allowed {
            (self.keys, self.bytes) = ((self.keys / 2).max(1), (self.bytes / 2).max(1));
        } else if self.full && copying * 2 <= allowed {
            (self.keys, self.bytes) = ((self.keys * 2).min(MOST_KEYS), self.bytes.saturating_mul(2));
        }
    }

    /// How long so many bytes would take at best, as far as that is known.
    #[must_use]
    pub fn predicted(&self, bytes: u64) -> Duration {
        self.speed.map_or(Duration::ZERO, |speed| Duration::from_secs_f64((bytes as f64 / speed).min(1e9)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Duration::from_millis(300);

    fn todo(count: usize, size: u64) -> VecDeque<Missing> {
        (0..count).map(|number| Missing { key: number.to_string(), size }).collect()
    }

    #[test]
    fn a_portion_is_bounded_in_keys_and_bytes_and_never_empty() {
        let mut portions = Portions::default();
        let mut small = todo(20, 1);
        assert_eq!((portions.take(&mut small).len(), small.len()), (FIRST_KEYS, 4));
        assert_eq!(portions.take(&mut small).len(), 4);
        let mut large = todo(3, FIRST_BYTES / 2 + 1);
        assert_eq!(portions.take(&mut large).len(), 1);
        let mut huge = todo(2, u64::MAX);
        assert_eq!(portions.take(&mut huge).len(), 1);
        assert_eq!(portions.take(&mut VecDeque::new()), []);
    }

    #[test]
    fn portions_grow_while_holds_are_short_and_shrink_when_they_are_long() {
        let mut portions = Portions::default();
        let mut todo = todo(100_000, 1);
        for _ in 0..10 {
            portions.take(&mut todo);
            portions.note(1, Duration::from_millis(100), TARGET);
        }
        assert_eq!(portions.take(&mut todo).len(), MOST_KEYS);
        for _ in 0..20 {
            portions.note(1, Duration::from_secs(2), TARGET);
        }
        assert_eq!(portions.take(&mut todo).len(), 1);
    }

    #[test]
    fn a_copier_that_starts_slowly_does_not_make_portions_small() {
        let mut portions = Portions::default();
        let mut todo = todo(100_000, 1);
        for _ in 0..3 {
            portions.take(&mut todo);
            portions.note(1, Duration::from_millis(500), TARGET);
        }
        assert!(portions.take(&mut todo).len() > FIRST_KEYS);
    }

    #[test]
    fn portions_that_are_not_full_say_nothing_of_larger_ones() {
        let mut portions = Portions::default();
        for _ in 0..5 {
            portions.take(&mut todo(1, 1));
            portions.note(1, Duration::from_millis(10), TARGET);
        }
        assert_eq!(portions.take(&mut todo(100, 1)).len(), FIRST_KEYS);
    }

    #[test]
    fn how_long_an_object_takes_is_known_from_the_fastest_copy() {
        let mut portions = Portions::default();
        assert_eq!(portions.predicted(u64::MAX), Duration::ZERO, "nothing is known yet");
        portions.note(10 << 20, Duration::from_secs(1), TARGET);
        portions.note(10 << 20, Duration::from_secs(4), TARGET);
        portions.note(1, Duration::from_secs(9), TARGET);
        assert_eq!(portions.predicted(100 << 20), Duration::from_secs(10));
    }
}
