DROP TABLE migration_log;
DROP INDEX migrations_by_bucket;
DROP INDEX migrations_by_gate;
ALTER TABLE migrations DROP COLUMN gated;
ALTER TABLE migrations DROP COLUMN work_json;
