-- Whether the engine has anything to do about it: a look every few seconds must not read what ended long ago.

ALTER TABLE migrations ADD COLUMN due INTEGER NOT NULL DEFAULT 0 CHECK (due IN (0, 1));
UPDATE migrations SET due = 1 WHERE gated = 1 OR phase NOT IN ('done', 'error', 'cancelled');
CREATE INDEX migrations_by_due ON migrations (due, id);
