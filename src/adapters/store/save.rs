//! Saving an entity: the same rules for every table.

/// Inserts `$row` (its revision already the next one) if the entity was never saved, else replaces the
/// row that has the revision `$known`. Gives `Result<(), StoreError>`; after a refusal the transaction
/// can go on.
macro_rules! save {
    ($db:expr, $table:ident, $about:expr, $kind:expr, $row:expr, $known:expr) => {{
        use diesel::prelude::*;
        use $crate::domain::ids::Revision;
        use $crate::ports::store::StoreError;

        let (db, row, known): (&mut $crate::adapters::store::Db<'_>, _, Revision) = ($db, &$row, $known);
        let id = row.id;
        if known.is_new() {
            $crate::adapters::store::ids::note(db, $kind, id)?;
            let inserted = $crate::adapters::store::on!(db, c => diesel::insert_into($table::table)
                .values(row)
                .on_conflict_do_nothing()
                .execute(c))
            .map_err($about.fault())?;
            if inserted == 1 {
                Ok(())
            } else {
                let same_id: Option<i64> = $crate::adapters::store::on!(db, c => $table::table
                    .find(id)
                    .select($table::id)
                    .first(c)
                    .optional())
                .map_err($about.fault())?;
                Err(match same_id {
                    Some(_) => StoreError::Stale { kind: $kind, id },
                    None => StoreError::Taken { kind: $kind },
                })
            }
        } else {
            // In a savepoint: PostgreSQL gives up a transaction in which a statement failed.
            let updated = $crate::adapters::store::on!(db, c => c.transaction(|c| diesel::update($table::table.find(id))
                .filter($table::revision.eq(known.0))
                .set(row)
                .execute(c)))
            .map_err($about.fault())?;
            if updated == 1 { Ok(()) } else { Err(StoreError::Stale { kind: $kind, id }) }
        }
    }};
}

pub(super) use save;
