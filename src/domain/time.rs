//! Points in time, with whole seconds, in the two wire forms of 0.4.x.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Timelike, Utc};
use serde::{Serialize, Serializer};

/// A UTC time with a resolution of one second.
///
/// Serialised in the SQL form (`2026-11-24 08:30:00`), as `created_at` and
/// `updated_at` are on the wire; [`Timestamp::iso`] is the other form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(NaiveDateTime);

impl Timestamp {
    /// What stands where a record does not say when: 1970-01-01T00:00:00Z.
    pub const UNKNOWN: Timestamp = Timestamp(DateTime::UNIX_EPOCH.naive_utc());

    /// The second that contains `time`.
    #[must_use]
    pub fn of(time: DateTime<Utc>) -> Self {
        Self::of_naive(time.naive_utc())
    }

    /// The second that contains `time`, which is read as UTC.
    #[must_use]
    pub fn of_naive(time: NaiveDateTime) -> Self {
        Self(time.with_nanosecond(0).unwrap_or(time))
    }

    /// The time that `text` says in one of the two wire forms.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let forms = ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S"];
        forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()).map(Self::of_naive)
    }

    /// The second that contains a time as RFC 3339 writes it, which is how S3 listings do.
    #[must_use]
    pub fn of_rfc3339(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok().map(|time| Self::of(time.to_utc()))
    }

    /// The time as chrono knows it, in UTC.
    #[must_use]
    pub fn naive(self) -> NaiveDateTime {
        self.0
    }

    /// The time this many seconds after 1970-01-01T00:00:00Z, if there is one.
    #[must_use]
    pub fn of_unix(seconds: i64) -> Option<Self> {
        DateTime::from_timestamp(seconds, 0).map(Self::of)
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix(self) -> i64 {
        self.0.and_utc().timestamp()
    }

    /// The time this much later; the last second there is, if that is not that far away.
    #[must_use]
    pub fn later(self, by: Duration) -> Self {
        let by = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
        Self::of_naive(self.0.checked_add_signed(by).unwrap_or(NaiveDateTime::MAX))
    }

    /// The time this much earlier; the first second there is, if that is not that far away.
    #[must_use]
    pub fn earlier(self, by: Duration) -> Self {
        let by = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
        Self::of_naive(self.0.checked_sub_signed(by).unwrap_or(NaiveDateTime::MIN))
    }

    /// `YYYY-MM-DD HH:MM:SS`.
    #[must_use]
    pub fn sql(self) -> String {
        self.0.format("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// `YYYY-MM-DDTHH:MM:SSZ`.
    #[must_use]
    pub fn iso(self) -> String {
        self.0.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.sql())
    }
}
