//! Whether a storage node can be reached, as far as several looks at it agree.

use super::time::Timestamp;

/// So many failed looks in a row make a node unreachable.
pub const FAILURES: u32 = 3;
/// So many successful ones make it reachable.
pub const SUCCESSES: u32 = 2;

/// What is known of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Standing {
    /// It was not looked at often enough.
    #[default]
    Unknown,
    /// It answers.
    Reachable {
        /// The first time that this was certain.
        since: Timestamp,
    },
    /// It does not.
    Unreachable {
        /// The first time that this was certain.
        since: Timestamp,
        /// What was wrong then.
        why: String,
    },
}

/// A node that is looked at again and again. One look that says otherwise changes nothing yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watch {
    standing: Standing,
    succeeds: bool,
    /// How many looks in a row said so.
    streak: u32,
}

impl Watch {
    /// What is known.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Takes in what came of one more look: nothing, or what was wrong. Tells whether another thing is known now.
    pub fn note(&mut self, outcome: Result<(), String>, now: Timestamp) -> bool {
        let succeeds = outcome.is_ok();
        self.streak = if self.streak > 0 && self.succeeds == succeeds { self.streak.saturating_add(1) } else { 1 };
        self.succeeds = succeeds;
        let standing = match (outcome, &self.standing) {
            (Ok(()), Standing::Unknown | Standing::Unreachable { .. }) if self.streak >= SUCCESSES => {
                Standing::Reachable { since: now }
            }
            (Err(why), Standing::Unknown | Standing::Reachable { .. }) if self.streak >= FAILURES => {
                Standing::Unreachable { since: now, why }
            }
            _ => return false,
        };
        self.standing = standing;
        true
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    /// What is known after each of these looks: `+` one that succeeded, `-` one that failed.
    fn known(looks: &str) -> String {
        let mut watch = Watch::default();
        let told = looks.chars().map(|look| {
            let outcome = if look == '+' { Ok(()) } else { Err("time-out".to_owned()) };
            let changed = watch.note(outcome, Timestamp::of(DateTime::UNIX_EPOCH));
            match (watch.standing(), changed) {
                (Standing::Unknown, _) => '?',
                (Standing::Reachable { .. }, true) => 'U',
                (Standing::Reachable { .. }, false) => 'u',
                (Standing::Unreachable { .. }, true) => 'D',
                (Standing::Unreachable { .. }, false) => 'd',
            }
        });
        told.collect()
    }

    #[test]
    fn three_failures_in_a_row_are_down_and_two_successes_up() {
        assert_eq!(known("++++"), "?Uuu");
        assert_eq!(known("----"), "??Dd");
        assert_eq!(known("++---++"), "?UuuDdU");
    }

    #[test]
    fn a_node_that_wavers_is_what_it_was() {
        assert_eq!(known("+-+-+-"), "??????");
        assert_eq!(known("++--+--+"), "?Uuuuuuu");
        assert_eq!(known("---+-+-+"), "??Dddddd");
    }

    #[test]
    fn what_was_wrong_is_what_made_it_certain() {
        let mut watch = Watch::default();
        for (second, why) in ["a", "b", "c", "d"].into_iter().enumerate() {
            let second = i64::try_from(second).unwrap();
            watch.note(Err(why.to_owned()), Timestamp::of(DateTime::from_timestamp(second, 0).unwrap()));
        }
        let since = Timestamp::of(DateTime::from_timestamp(2, 0).unwrap());
        assert_eq!(watch.standing(), &Standing::Unreachable { since, why: "c".to_owned() });
    }
}
