DROP INDEX routes_by_state;
DROP TABLE migrations;
DROP TABLE bucket_sync;
DROP TABLE pool_credentials;
DELETE FROM id_counters WHERE kind = 'migration';
