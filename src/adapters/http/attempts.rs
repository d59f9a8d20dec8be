//! Counts wrong logins, so that nobody can try many keys.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

use crate::domain::time::Timestamp;

/// Wrong logins that one address may make in a window.
const PER_ADDRESS: u32 = 10;
/// Wrong logins that all addresses together may make in a window.
const OVERALL: u32 = 100;
/// Seconds of a window.
const WINDOW: i64 = 60;
/// Addresses that are remembered. More cannot be of use: [`OVERALL`] is reached first.
const MOST_ADDRESSES: usize = 1024;

/// Who tried: an IPv4 address, an IPv6 network of 64 bits (one customer has all of it), or a local process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(Option<IpAddr>);

impl Source {
    /// The source that an address belongs to; `None` is a local process.
    #[must_use]
    pub fn of(address: Option<IpAddr>) -> Self {
        Self(address.map(|address| match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
            v4 @ IpAddr::V4(_) => v4,
        }))
    }
}

#[derive(Debug, Clone, Copy)]
struct Count {
    since: i64,
    wrong: u32,
}

impl Count {
    const NONE: Count = Count { since: i64::MIN, wrong: 0 };

    fn over(self, now: i64) -> bool {
        now.saturating_sub(self.since) >= WINDOW || now < self.since
    }

    /// Seconds until another attempt is allowed; `None` if it is now.
    fn wait(self, most: u32, now: i64) -> Option<u64> {
        if self.over(now) || self.wrong < most {
            return None;
        }
        Some((self.since.saturating_add(WINDOW).saturating_sub(now)).max(1).unsigned_abs())
    }

    fn add(self, now: i64) -> Self {
        if self.over(now) {
            Count { since: now, wrong: 1 }
        } else {
            Count { wrong: self.wrong.saturating_add(1), ..self }
        }
    }
}

/// The wrong logins of the present window.
#[derive(Debug)]
pub struct Attempts(Mutex<(Count, HashMap<Source, Count>)>);

impl Default for Attempts {
    fn default() -> Self {
        Self(Mutex::new((Count::NONE, HashMap::new())))
    }
}

impl Attempts {
    /// Seconds until `source` may try again; `None` if it may now.
    #[must_use]
    pub fn wait(&self, source: Source, now: Timestamp) -> Option<u64> {
        let now = now.unix();
        let counts = self.lock();
        let own = counts.1.get(&source).and_then(|count| count.wait(PER_ADDRESS, now));
        own.max(counts.0.wait(OVERALL, now))
    }

    /// Notes a wrong login.
    pub fn note(&self, source: Source, now: Timestamp) {
        let now = now.unix();
        let mut counts = self.lock();
        counts.0 = counts.0.add(now);
        if counts.1.len() >= MOST_ADDRESSES && !counts.1.contains_key(&source) {
            counts.1.retain(|_, count| !count.over(now));
        }
        if counts.1.len() < MOST_ADDRESSES || counts.1.contains_key(&source) {
            let count = counts.1.entry(source).or_insert(Count::NONE);
            *count = count.add(now);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Count, HashMap<Source, Count>)> {
        // Counting cannot panic half-way.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::of(chrono::DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap())
    }

    fn source(text: &str) -> Source {
        Source::of(Some(text.parse().unwrap()))
    }

    #[test]
    fn f40_an_address_may_be_wrong_ten_times_a_minute() {
        let attempts = Attempts::default();
        for _ in 0..10 {
            assert_eq!(attempts.wait(source("10.0.0.1"), at(5)), None);
            attempts.note(source("10.0.0.1"), at(5));
        }
        assert_eq!(attempts.wait(source("10.0.0.1"), at(20)), Some(45));
        assert_eq!(attempts.wait(source("10.0.0.2"), at(20)), None);
        assert_eq!(attempts.wait(source("10.0.0.1"), at(65)), None);
    }

    #[test]
    fn f40_many_addresses_together_are_limited_too() {
        let attempts = Attempts::default();
        for n in 0..100_u8 {
            attempts.note(source(&format!("10.0.1.{n}")), at(0));
        }
        assert_eq!(attempts.wait(source("10.9.9.9"), at(1)), Some(59));
    }

    #[test]
    fn the_memory_of_addresses_is_bounded() {
        let attempts = Attempts::default();
        for n in 0..5000_u32 {
            attempts.note(Source::of(Some(IpAddr::from(n.to_be_bytes()))), at(0));
        }
        assert_eq!(attempts.lock().1.len(), MOST_ADDRESSES);
        attempts.note(source("192.0.2.1"), at(100));
        assert_eq!(attempts.lock().1.len(), 1);
    }

    #[test]
    fn neighbours_in_an_ipv6_network_are_one_source() {
        assert_eq!(source("2001:db8::1"), source("2001:db8::2"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(source("::ffff:10.0.0.1"), source("10.0.0.1"));
    }
}
