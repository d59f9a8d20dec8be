//! Rows of a schema that is not known beforehand: each as a JSON object of the columns that are there.

use std::borrow::Cow;

use diesel::SqliteConnection;
use diesel::prelude::*;
use diesel::sql_types::Binary;

use crate::adapters::fields::Fields;
use crate::adapters::store::schema_state::lines;

#[derive(QueryableByName)]
struct Row {
    // Not as text: nobody has checked that it is UTF-8.
    #[diesel(sql_type = Binary)]
    object: Vec<u8>,
}

/// The tables of a database, and what is wrong in them.
pub(super) struct Rows {
    connection: SqliteConnection,
    remains: Vec<String>,
}

impl Rows {
    pub(super) fn new(connection: SqliteConnection) -> Self {
        Self { connection, remains: Vec::new() }
    }

    /// What `read` makes of each row of a table, in order of id. A table that is not there has none.
    pub(super) fn read<T>(
        &mut self,
        table: &str,
        mut read: impl FnMut(&mut Fields<'_>) -> Result<T, String>,
    ) -> Vec<T> {
        let rows = match self.rows(table) {
            Ok(rows) => rows,
            Err(why) => {
                self.note(format!("the table {table} cannot be read: {why}"));
                return Vec::new();
            }
        };
        let mut values = Vec::with_capacity(rows.len());
        for (index, row) in rows.into_iter().enumerate() {
            let place = format!("table {table}, row {}: ", index + 1);
            let object = String::from_utf8_lossy(&row.object);
            if matches!(object, Cow::Owned(_)) {
                self.note(format!("{place}it holds bytes that are no text; they were replaced"));
            }
            match serde_json::from_str(&object) {
                Ok(object) => values.extend(self.value(&object, &place, &mut read)),
                Err(why) => self.note(format!("{place}{why}; left out")),
            }
        }
        values
    }

    fn value<T>(
        &mut self,
        object: &serde_json::Value,
        place: &str,
        read: &mut impl FnMut(&mut Fields<'_>) -> Result<T, String>,
    ) -> Option<T> {
        let mut fields = Fields::of(object, place)?;
        match read(&mut fields) {
            Ok(value) => {
                self.remains.extend(fields.finish());
                Some(value)
            }
            Err(why) => {
                self.note(format!("{place}{why}; left out"));
                None
            }
        }
    }

    fn rows(&mut self, table: &str) -> Result<Vec<Row>, diesel::result::Error> {
        let names = lines(&mut self.connection, &format!("SELECT name AS line FROM pragma_table_info('{table}')"))?;
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let quoted = |name: &str, quote: &str| format!("{quote}{}{quote}", name.replace(quote, &quote.repeat(2)));
        // JSON has no bytes: a column that holds some is as good as empty.
        let columns = names.iter().map(|name| {
            let column = quoted(name, "\"");
            format!("{}, CASE typeof({column}) WHEN 'blob' THEN NULL ELSE {column} END", quoted(name, "'"))
        });
        let columns: Vec<_> = columns.collect();
        let query =
            format!("SELECT CAST(json_object({}) AS BLOB) AS object FROM {table} ORDER BY id", columns.join(", "));
        diesel::sql_query(query).load(&mut self.connection)
    }

    pub(super) fn note(&mut self, sentence: String) {
        self.remains.push(sentence);
    }

    pub(super) fn finish(self) -> Vec<String> {
        self.remains
    }
}
