ALTER TABLE migrations DROP COLUMN purged_at;
DROP TABLE jobs;
DELETE FROM id_counters WHERE kind = 'job';
