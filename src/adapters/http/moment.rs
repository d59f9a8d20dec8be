//! Points in time as clients write them in a query.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use poem_openapi::registry::MetaSchemaRef;
use serde_json::Value;

use super::fault::Fault;
use super::fields::Field;
use super::lax;
use super::schema::{Described, like};
use crate::domain::time::Timestamp;

/// For clients; the reader knows more.
const PATTERN: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].+)?$";

/// The first second that a text names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct From(pub Timestamp);

/// The last second that a text names: for a date, of that day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Until(pub Timestamp);

impl Described for From {
    fn schema() -> MetaSchemaRef {
        like(PATTERN)
    }
}

impl Described for Until {
    fn schema() -> MetaSchemaRef {
        like(PATTERN)
    }
}

impl Field for From {
    fn read(value: &Value) -> Result<Self, Vec<Fault>> {
        read(value, NaiveTime::MIN).map(Self)
    }
}

impl Field for Until {
    fn read(value: &Value) -> Result<Self, Vec<Fault>> {
        let last_second = NaiveTime::from_hms_opt(23, 59, 59).unwrap_or(NaiveTime::MIN);
        read(value, last_second).map(Self)
    }
}

fn read(value: &Value, time_of_date: NaiveTime) -> Result<Timestamp, Vec<Fault>> {
    let text = lax::text(value)?;
    parse(text.trim(), time_of_date).map(Timestamp::of_naive).ok_or_else(|| {
        let sentence = "must be YYYY-MM-DD, YYYY-MM-DD HH:MM:SS or ISO 8601 such as 2026-11-24T08:30:00Z";
        vec![Fault::rule(sentence, value)]
    })
}

fn parse(text: &str, time_of_date: NaiveTime) -> Option<NaiveDateTime> {
    // Four digits of year, so that texts and times sort alike in every database.
    if !text.is_ascii() || text.len() < 10 || text.as_bytes()[4] != b'-' {
        return None;
    }
    let (date, rest) = text.split_at(10);
    let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    if rest.is_empty() {
        return Some(date.and_time(time_of_date));
    }
    let clock = rest.strip_prefix(['T', 't', ' '])?;
    // A `+` that was not escaped arrives as a blank.
    let clock = clock.replace(' ', "+");
    let local = format!("{}T{clock}", date.format("%Y-%m-%d"));
    if let Ok(naive) = NaiveDateTime::parse_from_str(&local, "%Y-%m-%dT%H:%M:%S%.f") {
        return Some(naive);
    }
    DateTime::parse_from_rfc3339(&local).ok().map(|moment| moment.with_timezone(&Utc).naive_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Option<String> {
        From::read(&Value::from(text)).ok().map(|From(moment)| moment.iso())
    }

    #[test]
    fn f33_every_usual_form_names_the_same_moment() {
        for text in [
            "2026-11-24 08:30:00",
            "2026-11-24T08:30:00",
            "2026-11-24T08:30:00Z",
            "2026-11-24T08:30:00.123Z",
            "2026-11-24T10:30:00+02:00",
            "2026-11-24T10:30:00 02:00",
            "2026-11-24T03:30:00-05:00",
        ] {
            assert_eq!(from(text).as_deref(), Some("2026-11-24T08:30:00Z"), "{text}");
        }
    }

    #[test]
    fn f33_a_date_is_the_whole_day() {
        assert_eq!(from("2026-11-24").as_deref(), Some("2026-11-24T00:00:00Z"));
        let until = Until::read(&Value::from("2026-11-24")).map(|Until(moment)| moment.iso());
        assert_eq!(until, Ok("2026-11-24T23:59:59Z".to_owned()));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "today",
            "2026-13-01",
            "2026-11-24T",
            "2026-11-24T25:00:00",
            "+12026-11-24",
            "2026-11-24x",
            "é026-11-24",
        ] {
            assert_eq!(from(text), None, "{text}");
        }
    }
}
