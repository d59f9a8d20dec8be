//! Reading a time quickly: chrono's general parser would take half the time of reading twenty thousand routes.

use chrono::{NaiveDate, NaiveDateTime};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::sqlite::{Sqlite, SqliteValue};

use crate::domain::time::Timestamp;

/// A [`Timestamp`] as it is read from a row.
#[derive(FromSqlRow)]
#[diesel(sql_type = diesel::sql_types::Timestamp)]
pub(super) struct Second(pub(super) Timestamp);

impl FromSql<diesel::sql_types::Timestamp, Sqlite> for Second {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        let text = value.read_text();
        let time = plain(text.as_bytes()).ok_or_else(|| format!("{text:?} is not a time"))?;
        Ok(Self(Timestamp::of_naive(time)))
    }
}

impl FromSql<diesel::sql_types::Timestamp, Pg> for Second {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let time = <NaiveDateTime as FromSql<diesel::sql_types::Timestamp, Pg>>::from_sql(value)?;
        Ok(Self(Timestamp::of_naive(time)))
    }
}

/// Reads `YYYY-MM-DD HH:MM:SS`, the only form that the schema admits.
fn plain(text: &[u8]) -> Option<NaiveDateTime> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b' ', h1, h2, b':', n1, n2, b':', s1, s2] = text else {
        return None;
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
    };
    let year = i32::try_from(number(&[y1, y2, y3, y4])?).ok()?;
    NaiveDate::from_ymd_opt(year, number(&[m1, m2])?, number(&[d1, d2])?)?.and_hms_opt(
        number(&[h1, h2])?,
        number(&[n1, n2])?,
        number(&[s1, s2])?,
    )
}
