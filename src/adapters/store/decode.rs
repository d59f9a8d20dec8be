//! From columns to checked values. A value that the domain refuses names its row.

use crate::domain::invalid::Invalid;
use crate::ports::store::StoreError;

use super::error::Table;

/// The row being read, for messages.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) table: Table,
    pub(super) id: i64,
}

impl Row {
    /// A value that must be there.
    pub(super) fn value<T>(self, column: &str, parsed: Result<T, Invalid>) -> Result<T, StoreError> {
        parsed.map_err(|why| self.table.corrupt(self.id, column, why))
    }

    /// A value that may be absent.
    pub(super) fn optional<T>(
        self,
        column: &str,
        text: Option<&str>,
        parse: impl Fn(&str) -> Result<T, Invalid>,
    ) -> Result<Option<T>, StoreError> {
        text.map(|text| self.value(column, parse(text))).transpose()
    }

    /// A list kept as JSON.
    pub(super) fn json<T: serde::de::DeserializeOwned>(self, column: &str, text: &str) -> Result<T, StoreError> {
        serde_json::from_str(text).map_err(|why| self.table.corrupt(self.id, column, why))
    }
}

/// JSON of a list whose items all serialise.
pub(super) fn to_json<T: serde::Serialize>(table: Table, id: i64, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|why| table.corrupt(id, "JSON", why))
}

/// A count as SQL takes it: no table has more rows than an id can count.
pub(super) fn most(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
