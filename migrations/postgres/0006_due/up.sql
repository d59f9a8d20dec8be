-- Whether the engine has anything to do about it: a look every few seconds must not read what ended long ago.

ALTER TABLE migrations ADD COLUMN due BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE migrations SET due = TRUE WHERE gated OR phase NOT IN ('done', 'error', 'cancelled');
CREATE INDEX migrations_by_due ON migrations (due, id);
