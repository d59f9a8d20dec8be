DROP INDEX migrations_by_due;
ALTER TABLE migrations DROP COLUMN due;
