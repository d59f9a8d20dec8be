-- What the engine keeps of a migration beside how far it is, and what it said on the way.

ALTER TABLE migrations ADD COLUMN work_json TEXT COLLATE "C" NOT NULL DEFAULT '{}';
-- Whether nginx has anything of it: these are asked for at every change of a vhost.
ALTER TABLE migrations ADD COLUMN gated BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX migrations_by_gate ON migrations (id) WHERE gated;
CREATE INDEX migrations_by_bucket ON migrations (bucket, id);

CREATE TABLE migration_log (
    id           BIGINT NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    migration_id BIGINT NOT NULL REFERENCES migrations (id) ON DELETE CASCADE,
    phase        TEXT COLLATE "C" NOT NULL,
    message      TEXT COLLATE "C" NOT NULL,
    created_at   TIMESTAMP NOT NULL
);

CREATE INDEX migration_log_by_migration ON migration_log (migration_id, id);
