//! What databases say, in the port's words.

use diesel::result::{DatabaseErrorKind, Error};

use crate::domain::ids::EntityKind;
use crate::ports::store::StoreError;

/// Why a database was not opened. Unless it says otherwise, nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It holds migrations that this program does not know.
    #[error(
        "{place} was made by a newer version of nanio-orchestrator (it has the schema {version}, which {} does not \
         know); nothing was changed. Install that version again, or restore the backup from before the upgrade",
        concat!("version ", env!("CARGO_PKG_VERSION"))
    )]
    Newer {
        /// Which database.
        place: String,
        /// The highest unknown migration.
        version: String,
    },
    /// It was made by 0.4.x.
    #[error(
        "{place} is a database of nanio-orchestrator 0.4.x; nothing was changed. 'nanio-orchestrator rebuild-db \
         --dry-run' lists what will come over; 'nanio-orchestrator rebuild-db' takes it over, together with the nginx \
         files, and keeps this database aside as .pre-import"
    )]
    Older {
        /// Which database.
        place: String,
    },
    /// It belongs to another program.
    #[error("{place} holds tables of another program; nothing was changed. Check the setting of the database")]
    Foreign {
        /// Which database.
        place: String,
    },
    /// It is no SQLite file.
    #[error("{place} is not an SQLite database; nothing was changed. Check the setting of the database")]
    NotSqlite {
        /// Which file.
        place: String,
    },
    /// It is corrupt.
    #[error(
        "{place} is damaged ({what}); nothing was changed. 'nanio-orchestrator restore-db' puts the latest backup in \
         its place; 'nanio-orchestrator rebuild-db' sets it aside and makes a new one from the nginx files"
    )]
    Damaged {
        /// Which database.
        place: String,
        /// What the database says about it.
        what: String,
    },
    /// Another orchestrator uses it.
    #[error(
        "{place} is in use by another orchestrator ({holder}); only one can manage a gateway. Stop it first, or send \
         the command to its API"
    )]
    Busy {
        /// Which database.
        place: String,
        /// Who uses it.
        holder: String,
    },
    /// It cannot be used now.
    #[error("cannot open the database {place}: {why}")]
    Unusable {
        /// Which database.
        place: String,
        /// What was said.
        why: String,
    },
}

/// An [`OpenError::Unusable`] or [`OpenError::Damaged`], by what SQLite said.
pub(super) fn unopened(place: &str, why: &impl ToString) -> OpenError {
    let why = why.to_string();
    if is_damage(&why) {
        OpenError::Damaged { place: place.to_owned(), what: why }
    } else {
        OpenError::Unusable { place: place.to_owned(), why }
    }
}

/// Whether SQLite complains about the file itself. diesel keeps no error code for this, and
/// `sqlite3_errstr` has had these two sentences for SQLITE_CORRUPT and SQLITE_NOTADB since 3.0.
fn is_damage(message: &str) -> bool {
    message.contains("database disk image is malformed") || message.contains("file is not a database")
}

/// How a query on a table can fail: the table's name and the entity whose names are unique in it.
#[derive(Clone, Copy)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) kind: Option<EntityKind>,
}

impl Table {
    /// Translates what diesel says.
    pub(super) fn fault(self) -> impl Fn(Error) -> StoreError {
        move |error| match (error, self.kind) {
            (Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _), Some(kind)) => StoreError::Taken { kind },
            (error, _) => fault(&format!("table {}", self.name), error),
        }
    }

    /// A row that cannot be read.
    pub(super) fn corrupt(self, id: i64, column: &str, why: impl std::fmt::Display) -> StoreError {
        StoreError::Corrupt(format!("table {}, row {id}, column {column}: {why}", self.name))
    }
}

/// Translates what diesel says about `what`.
pub(super) fn fault(what: &str, error: Error) -> StoreError {
    match error {
        Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _) => {
            StoreError::Corrupt(format!("{what}: the row refers to one that is not there, or others refer to it"))
        }
        Error::DatabaseError(
            DatabaseErrorKind::UniqueViolation
            | DatabaseErrorKind::NotNullViolation
            | DatabaseErrorKind::CheckViolation
            | DatabaseErrorKind::ReadOnlyTransaction,
            said,
        ) => StoreError::Corrupt(format!("{what}: {}", said.message())),
        Error::DatabaseError(_, said) if is_damage(said.message()) => {
            StoreError::Corrupt(format!("{what}: {}; restore a backup", said.message()))
        }
        Error::DeserializationError(why) | Error::SerializationError(why) => {
            StoreError::Corrupt(format!("{what}: {why}"))
        }
        Error::NotFound => StoreError::Corrupt(format!("{what}: a row that must exist is missing")),
        other => StoreError::Unavailable(format!("{what}: {other}")),
    }
}
